//! Batch files: direct loads, the spool, crashes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use rusqlite::Connection;

use inquiry::{Answer, Keys, Proof, Stage};
use replica::{BatchHeader, CaseRecord, SPOOL};
use support::calendar::notices_of_2026;
use support::folder::Folder;

use crate::file::{state, store};
use crate::spool::archive as spool;
use crate::spool::watcher::SpoolWatcher;
use crate::test_replica::*;
use crate::write::apply;
use crate::write::batch_run::ApplyContext;
use crate::*;

#[test]
fn a_batch_applied_twice_or_late_changes_nothing() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 100, &[case(1, Stage::Ready, 5)]);
    for older in [case(1, Stage::Ready, 5), case(1, Stage::Accepted, 4)] {
        assert_eq!(put(&replica, &folder, 100, &[older]), Applied { unchanged: 1, ..Applied::default() });
    }
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    assert_eq!(total(&replica.metrics().rows), 1);
}

#[test]
fn bad_rows_go_to_quarantine_and_the_others_are_applied() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let mut lines: Vec<String> = text(Some(header(100)), &[case(1, Stage::Ready, 1), case(2, Stage::Ready, 1)])
        .lines()
        .map(Into::into)
        .collect();
    lines.insert(2, "{\"receipt\":\"440100000000999\"".into());
    lines.insert(3, "x".repeat(40_000));
    lines.push(case(3, Stage::Ready, 1).to_line().replace("123X", "12345678"));
    let applied = replica.apply_file(&file(&folder, &lines.join("\n"))).unwrap();
    assert_eq!((applied.new, applied.quarantined), (2, 3));
    let file = Connection::open(folder.path().join("replica.sqlite3")).unwrap();
    let notes: Vec<(i64, String)> = file
        .prepare("SELECT CAST(substr(id, instr(id, ':') + 1) AS INTEGER), why FROM quarantine ORDER BY 1")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(notes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 6]);
    assert!(notes.iter().all(|(_, why)| !why.contains("4401") && !why.contains("5678")), "{notes:?}");
}

#[test]
fn cases_that_no_caller_can_ask_for_are_stored_and_counted() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let foreign = CaseRecord { receipt: "900100000000123".into(), ..case(1, Stage::Ready, 1) };
    let unproven = CaseRecord { id_tail: None, birth_date: Some("19800131".into()), ..case(2, Stage::Ready, 1) };
    let applied = put(&replica, &folder, 100, &[foreign.clone(), unproven, case(3, Stage::Ready, 1)]);
    assert_eq!((applied.new, applied.quarantined, applied.of_no_format), (3, 0, 2));
    let again = put(&replica, &folder, 200, &[foreign]);
    assert_eq!((again.unchanged, again.of_no_format), (1, 0));
    let words = Applied::in_words(&applied.to_string());
    assert!(words.en.contains("inquiry.receipt") && words.zh.ends_with(" 2"), "{words:?}");
}

#[test]
fn incomplete_and_foreign_files_are_rejected_as_a_whole() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 100, &[]);
    let announced = BatchHeader { cases: Some(3), ..header(200) };
    let torn = text(Some(announced), &[case(1, Stage::Ready, 1)]);
    let error = replica.apply_file(&file(&folder, &torn)).unwrap_err();
    assert!(matches!(error, ApplyError::Count { announced: 3, held: 1 }));
    for (bytes, expected) in [
        ("\u{1F}\u{8B}garbage\nmore\n", "Nothing"),
        ("", "Empty"),
        ("\n\n", "Empty"),
        ("{\"batch\":{\"as_of\":\"yesterday\"}}\n", "Header"),
        ("{\"batch\":{\"as_of\":\"2026-11-23T09:00:00Z\",\"who\":1}}\n", "Header"),
    ] {
        let error = replica.apply_file(&file(&folder, bytes)).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected) && error.is_final(), "{bytes:?}: {error:?}");
    }
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::NotFound));
    assert_eq!((replica.as_of(), total(&replica.metrics().rows)), (Some(at(100)), 0));
}

#[test]
fn a_load_is_direct_without_a_node_and_goes_through_the_spool_beside_one() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let patience = Duration::from_secs(30);
    let run = |file: &Path| load(folder.path(), &settings(), Keys::new(&SECRET), file, patience);
    let one = file(&elsewhere, &text(Some(header(100)), &[case(1, Stage::Ready, 1)]));
    assert!(matches!(run(&one).unwrap(), Loaded::Directly(text) if text.starts_with("1 new")));

    let _lock = FolderLock::take(folder.path()).unwrap().expect("free again");
    let replica = open(&folder, Role::Serve { sample_heartbeat: false });
    ask(&replica, 1, &Proof::Paper);
    let two = file(&elsewhere, &text(Some(header(200)), &[case(1, Stage::Posted, 2)]));
    assert!(matches!(run(&two).unwrap(), Loaded::ByServer(text) if text.starts_with("0 new, 1 changed")));
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Posted));

    let bad = file(&elsewhere, "no case\n");
    let named = bad.display().to_string();
    let is_told = |why: &str| why.contains("no line of the file is a case") && why.contains(&named);
    assert!(matches!(run(&bad), Err(LoadError::Rejected(why)) if is_told(&why)));
    // The person gets the reason and has the file: the spool keeps no copy.
    assert!(bad.exists() && fs::read_dir(spool::rejected(folder.path())).unwrap().count() == 0);
}

/// The files of a replica as a crash at this moment would leave them.
fn crash(from: &Folder) -> Folder {
    let after = Folder::new();
    for name in ["replica.sqlite3", "replica.sqlite3-wal"] {
        let _ = fs::copy(from.path().join(name), after.path().join(name));
    }
    after
}

fn versions(folder: &Folder) -> (Option<Timestamp>, Vec<u64>) {
    let replica = open(folder, Role::Load);
    let version = |n| match ask(&replica, n, &Proof::Paper) {
        Answer::Found { case, .. } => case.version,
        Answer::NotFound | Answer::Unavailable => 0,
    };
    (replica.as_of(), [1, 2, 3999].map(version).into())
}

#[test]
fn a_crash_leaves_a_batch_whole_or_not_at_all() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let batch = |version| (0..4000).map(move |n| case(n, Stage::Review, version));
    replica.apply("one".into(), cases(header(100), batch(1))).unwrap();
    let (sender, crashed) = std::sync::mpsc::sync_channel(1);
    let path = folder.path().to_owned();
    let second = batch(2).inspect(move |case| {
        if case.receipt.ends_with("3998") {
            let folder = std::mem::ManuallyDrop::new(Folder::at(path.clone()));
            sender.send(crash(&folder)).unwrap();
        }
    });
    replica.apply("two".into(), cases(header(200), second)).unwrap();
    assert_eq!(versions(&crashed.recv().unwrap()), (Some(at(100)), vec![1, 1, 1]));
    assert_eq!(versions(&crash(&folder)), (Some(at(200)), vec![2, 2, 2]));
}

#[test]
fn a_panic_in_a_batch_takes_it_back_and_the_next_one_is_applied() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let faulty = (1..10).map(|n| if n < 9 { case(n, Stage::Review, 1) } else { panic!("a fault on purpose") });
    let error = replica.apply("one".into(), cases(header(100), faulty)).unwrap_err();
    assert!(matches!(error, ApplyError::Fault) && replica.is_empty());
    assert_eq!(put(&replica, &folder, 200, &[case(1, Stage::Review, 1)]).new, 1);
}

#[test]
fn an_end_of_the_program_takes_a_batch_back() {
    let folder = Folder::new();
    let keys = Keys::new(&SECRET);
    drop(open(&folder, Role::Load));
    let connection = store::open_writer(&store::path(folder.path()), &keys).unwrap();
    let endless = (0..).map(|n| case(n, Stage::Review, 1));
    let batch = cases(header(100), endless);
    let context = ApplyContext {
        connection: &connection,
        keys: &keys,
        formats: None,
        wal: folder.path().join("replica.sqlite3-wal"),
        now: at(0),
        ending: &AtomicBool::new(true),
        withheld: &std::collections::HashSet::new(),
        observe_clock: &|_| panic!("no mark is kept"),
        committed: &|_| panic!("nothing is committed"),
    };
    let ended = apply::apply(&context, "endless", batch);
    assert!(matches!(ended, Err(ApplyError::Ending)));
    assert_eq!(state::read(&connection).unwrap().mark, None);
}

/// A spool, looked at as the test says.
struct Watched {
    folder: Folder,
    spool: SpoolWatcher,
    replica: Arc<Replica>,
}

impl Watched {
    fn new() -> Watched {
        let folder = Folder::new();
        let replica = open(&folder, Role::Load);
        let writer = replica.writer.clone().expect("a writer");
        let spool = SpoolWatcher::open(folder.path(), settings(), writer).unwrap();
        Watched { folder, spool, replica }
    }

    /// A batch of one case.
    fn write(&self, name: &str, n: u32) {
        let text = text(Some(header(n.into())), &[case(n, Stage::Ready, 1)]);
        fs::write(spool::path(self.folder.path()).join(name), text).unwrap();
    }

    fn look(&mut self) -> u64 {
        self.spool.step().unwrap();
        total(&self.replica.metrics().rows)
    }
}

#[test]
fn a_file_is_applied_once_it_is_settled_and_in_the_order_of_names() {
    let mut spool = Watched::new();
    spool.write("2.ndjson", 2);
    spool.write("1.ndjson", 1);
    spool.write("0.ndjson.tmp", 3);
    spool.write("0.part", 4);
    assert_eq!(spool.look(), 0, "seen for the first time");
    let mut text = text(Some(header(1)), &[case(1, Stage::Ready, 1)]);
    text.push('\n');
    fs::write(spool::path(spool.folder.path()).join("1.ndjson"), text).unwrap();
    assert_eq!(spool.look(), 0, "1 still grows, and 2 does not overtake it");
    assert_eq!(spool.look(), 2);
    assert_eq!(spool.replica.as_of(), Some(at(2)), "2 was the later one");
    assert!(spool::applied(spool.folder.path()).join("2.ndjson.done").exists());
}

#[test]
fn a_packed_batch_is_taken_too_and_a_damaged_one_is_refused() {
    let mut spool = Watched::new();
    let text = text(Some(header(1)), &[case(1, Stage::Ready, 1)]);
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    fs::write(spool::path(spool.folder.path()).join("1.ndjson.zst"), &packed).unwrap();
    let long: String = (0..5_000).map(|n| case(n, Stage::Ready, 1).to_line() + "\n").collect();
    let mut damaged = zstd::encode_all(long.as_bytes(), 3).unwrap();
    let end = damaged.len() - 10;
    damaged[end..].fill(0xAA);
    fs::write(spool::path(spool.folder.path()).join("2.ndjson.zst"), &damaged).unwrap();
    assert_eq!(spool.look(), 0);
    assert_eq!(spool.look(), 1);
    assert_eq!(fs::read_dir(spool::rejected(spool.folder.path())).unwrap().count(), 2);
}

#[test]
fn only_the_newest_applied_files_are_kept() {
    let mut spool = Watched::new();
    (0..40).for_each(|n| spool.write(&format!("{n:03}.ndjson"), n));
    spool.look();
    // Old files go at the first look and then every few seconds.
    assert_eq!(spool.look(), 40);
    let writer = spool.replica.writer.clone().expect("a writer");
    spool.spool = SpoolWatcher::open(spool.folder.path(), settings(), writer).unwrap();
    spool.look();
    assert_eq!(fs::read_dir(spool::applied(spool.folder.path())).unwrap().count(), 64, "32 files and their notes");
}

#[test]
fn a_batch_without_a_source_ends_the_samples_heartbeat() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    replica.fill_sample(10, 1, date(2026, 11, 23), &notices_of_2026()).unwrap();
    put(&replica, &folder, 1_000, &[]);
    assert_eq!(replica.as_of(), Some(at(1_000)));
    drop(replica);
    let file = Connection::open(folder.path().join("replica.sqlite3")).unwrap();
    let source: String = file.query_row("SELECT source FROM state", [], |row| row.get(0)).unwrap();
    assert_eq!(source, SPOOL);
}
