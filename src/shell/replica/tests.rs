//! The replica on real files.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::civil::date;
use rusqlite::Connection;

use super::*;
use config;
use inquiry::{Factor, Formats, SecondFactor, Stage};
use replica::{BatchHeader, CaseRecord, Change, SPOOL};
use support::calendar::notices_of_2026;
use support::folder::Folder;

pub(super) const SECRET: [u8; 32] = [9; 32];

pub(super) fn settings() -> config::Replica {
    config::Replica {
        source: config::Source::Spool,
        reader_threads: 2,
        cache_entries: 1000,
        look_up_timeout: Duration::from_secs(20),
        look_ups_waiting_max: 64,
        scrub_rows_per_second: 100_000,
        spool_poll: Duration::from_millis(2),
        postgres: config::Postgres::default(),
        spool_source: None,
        spool_settle: Duration::from_secs(3600),
        spool_gap: Duration::from_secs(3600),
        spool_keep: Duration::from_secs(3600),
        keys: replica::gate::GateKeys::default(),
    }
}

pub(super) fn open(folder: &Folder, role: Role) -> Arc<Replica> {
    Replica::open(folder.path(), &settings(), Keys::new(&SECRET), role).expect("a writable folder")
}

pub(super) fn case(n: u32, stage: Stage, version: u64) -> CaseRecord {
    let mut case = sample::cases(1, 1, date(2026, 11, 23), &notices_of_2026()).next().expect("one");
    case.receipt = format!("4401{n:011}");
    case.id_tail = Some("123X".into());
    (case.stage, case.version) = (stage, version);
    case
}

/// A batch of cases that are made while it is applied.
fn cases(header: BatchHeader, cases: impl Iterator<Item = CaseRecord> + Send + 'static) -> Batch {
    let changes = Box::new(cases.map(|case| Ok(Change::Put(case))));
    Batch::Changes(apply::Changes { mark: Mark::after(None, &header), deletes: 0, changes })
}

fn header(second: i64) -> BatchHeader {
    BatchHeader { as_of: at(second), ..BatchHeader::default() }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number")
}

fn text(header: Option<BatchHeader>, cases: &[CaseRecord]) -> String {
    let header = header.map(|header| header.to_line());
    header.into_iter().chain(cases.iter().map(CaseRecord::to_line)).map(|line| line + "\n").collect()
}

fn file(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.path().join("batch.ndjson");
    fs::write(&path, text).expect("writable");
    path
}

fn put(replica: &Replica, folder: &Folder, second: i64, cases: &[CaseRecord]) -> Applied {
    replica.apply_file(&file(folder, &text(Some(header(second)), cases))).expect("a sound batch")
}

pub(super) fn receipt(n: u32) -> Receipt {
    let formats = Formats::new(vec![sample::format()]).expect("sound");
    formats.from_keys(&format!("4401{n:011}")).expect("fits")
}

fn tail(entry: &str) -> Proof {
    Proof::Factor(Factor::read(SecondFactor::IdTail, entry).expect("four characters"))
}

pub(super) fn ask(replica: &Replica, n: u32, proof: &Proof) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(replica.look_up(&receipt(n), proof))
}

pub(super) fn stage(answer: &Answer) -> Option<Stage> {
    match answer {
        Answer::Found { case, .. } => Some(case.stage),
        Answer::NotFound | Answer::Unavailable => None,
    }
}

pub(super) fn total(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn the_paper_or_the_right_factor_opens_a_case_and_nothing_else_does() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 100, &[case(1, Stage::Ready, 1)]);
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    assert_eq!(stage(&ask(&replica, 1, &tail("123*"))), Some(Stage::Ready));
    assert!(matches!(ask(&replica, 1, &tail("1234")), Answer::NotFound));
    assert!(matches!(ask(&replica, 2, &tail("123X")), Answer::NotFound));
    assert!(matches!(ask(&replica, 2, &Proof::Paper), Answer::NotFound));
    let metrics = replica.metrics();
    assert_eq!((total(&metrics.found), total(&metrics.not_found), total(&metrics.wrong_factor)), (2, 3, 1));
}

#[test]
fn the_second_look_up_is_answered_from_memory_absent_ones_too() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 100, &[case(1, Stage::Ready, 1)]);
    for n in [1, 2] {
        assert!(replica.cached(&receipt(n), &Proof::Paper).is_none());
        ask(&replica, n, &Proof::Paper);
        assert!(replica.cached(&receipt(n), &Proof::Paper).is_some());
    }
    assert_eq!(total(&replica.metrics().cache_misses), 2);
    assert_eq!(total(&replica.metrics().cache_hits_absent), 1);
}

#[test]
fn a_change_is_seen_by_the_next_look_up() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 100, &[case(1, Stage::Accepted, 1)]);
    assert!(matches!(ask(&replica, 2, &Proof::Paper), Answer::NotFound));
    ask(&replica, 1, &Proof::Paper);
    let applied = put(&replica, &folder, 200, &[case(1, Stage::Ready, 2), case(2, Stage::Review, 1)]);
    assert_eq!((applied.new, applied.changed), (1, 1));
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    assert_eq!(stage(&ask(&replica, 2, &Proof::Paper)), Some(Stage::Review));
}

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
fn an_answer_carries_the_upstreams_time_and_a_reopened_copy_still_knows_it() {
    let folder = Folder::new();
    put(&open(&folder, Role::Load), &folder, 1_000, &[case(1, Stage::Ready, 1)]);
    for role in [Role::Load, Role::Read, Role::Serve { sample_heartbeat: true }] {
        let replica = open(&folder, role);
        let Answer::Found { as_of, .. } = ask(&replica, 1, &Proof::Paper) else { panic!("{role:?} finds nothing") };
        assert_eq!(as_of, at(1_000), "no heartbeat renews what is not the sample");
        assert_eq!(total(&replica.metrics().rows), 1);
    }
}

#[test]
fn a_copy_that_never_got_a_batch_is_down_and_does_not_say_not_found() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    assert!(replica.is_empty());
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::Unavailable));
    let error = replica.apply_file(&file(&folder, &text(None, &[case(1, Stage::Ready, 1)]))).unwrap_err();
    assert!(matches!(error, ApplyError::NoAge));
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
fn torn_and_foreign_files_are_refused_whole() {
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
fn the_file_holds_no_receipt_and_no_factor() {
    let folder = Folder::new();
    let cases: Vec<CaseRecord> = (0..50).map(|n| case(777_000 + n, Stage::Review, 1)).collect();
    put(&open(&folder, Role::Load), &folder, 100, &cases);
    for name in ["replica.sqlite3", "replica.sqlite3-wal"] {
        let bytes = fs::read(folder.path().join(name)).unwrap_or_default();
        for needle in [&b"00000777"[..], b"123X"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "in {name}");
        }
    }
}

#[test]
fn a_flipped_bit_is_down_and_never_a_wrong_answer() {
    let folder = Folder::new();
    put(&open(&folder, Role::Load), &folder, 100, &[case(1, Stage::Accepted, 1), case(2, Stage::Ready, 1)]);
    let key = Keys::new(&SECRET).row(receipt(1).number.expose()).key;
    let file = Connection::open(folder.path().join("replica.sqlite3")).unwrap();
    let mut row: Vec<u8> = file.query_row("SELECT row FROM cases WHERE key = ?1", [key], |row| row.get(0)).unwrap();
    row[29] ^= 1;
    file.execute("UPDATE cases SET row = ?2 WHERE key = ?1", rusqlite::params![key, row]).unwrap();
    let replica = open(&folder, Role::Load);
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::Unavailable));
    assert_eq!(stage(&ask(&replica, 2, &Proof::Paper)), Some(Stage::Ready), "the reader goes on");
    assert_eq!(total(&replica.metrics().read_errors), 1);
}

#[test]
fn a_file_of_another_key_version_or_program_is_left_alone() {
    let folder = Folder::new();
    drop(open(&folder, Role::Load));
    let opened = |keys| Replica::open(folder.path(), &settings(), keys, Role::Load).map(drop).unwrap_err();
    assert!(matches!(opened(Keys::new(&[1; 32])), OpenError::Store(StoreError::OtherKey(_))));
    let path = folder.path().join("replica.sqlite3");
    let pragma = |name, value| Connection::open(&path).unwrap().pragma_update(None, name, value).unwrap();
    pragma("user_version", 99);
    assert!(matches!(opened(Keys::new(&SECRET)), OpenError::Store(StoreError::Newer { schema: 99, .. })));
    pragma("application_id", 1);
    assert!(matches!(opened(Keys::new(&SECRET)), OpenError::Store(StoreError::Foreign(_))));
    fs::write(
        &path,
        "not a database, but long enough to be looked at as one, with a header of a hundred bytes or more.......",
    )
    .unwrap();
    assert!(matches!(opened(Keys::new(&SECRET)), OpenError::Store(StoreError::Sqlite { .. })));
}

#[test]
fn readers_open_a_file_that_was_put_in_the_place_of_the_old_one() {
    let (folder, other) = (Folder::new(), Folder::new());
    put(&open(&other, Role::Load), &other, 100, &[case(1, Stage::Ready, 2)]);
    put(&open(&folder, Role::Load), &folder, 100, &[case(1, Stage::Accepted, 1)]);
    let replica = open(&folder, Role::Read);
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Accepted));
    fs::rename(other.path().join("replica.sqlite3"), folder.path().join("replica.sqlite3")).unwrap();
    let _ = fs::remove_file(folder.path().join("replica.sqlite3-wal"));
    replica.reopen();
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
}

#[test]
fn look_ups_during_changes_never_go_back_in_time() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    put(&replica, &folder, 0, &[case(1, Stage::Review, 1)]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut newest, mut looks) = (0, 0u32);
                    while !stop.load(Ordering::Relaxed) || looks == 0 {
                        let Answer::Found { case, as_of } = ask(&replica, 1, &tail("123X")) else { panic!("lost") };
                        // A batch's time is its row's version here: an answer may be newer than its age, never older.
                        assert!(case.version >= newest, "{} after {newest}", case.version);
                        assert!(i64::try_from(case.version).unwrap() > as_of.as_second());
                        newest = case.version;
                        looks += 1;
                    }
                    newest
                })
            })
            .collect();
        for version in 2..150u64 {
            put(&replica, &folder, version as i64 - 1, &[case(1, Stage::Review, version)]);
            let Answer::Found { case, .. } = ask(&replica, 1, &Proof::Paper) else { panic!("lost") };
            assert_eq!(case.version, version, "a change that was told as applied is read by whoever asks next");
        }
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| assert!(reader.join().is_ok()));
    });
}

#[test]
fn the_sample_is_vouched_for_and_each_example_is_found() {
    let folder = Folder::new();
    let (today, calendar) = (date(2026, 11, 23), notices_of_2026());
    let replica = open(&folder, Role::Serve { sample_heartbeat: true });
    let before = Timestamp::now();
    assert_eq!(replica.fill_sample(2_000, 1, today, &calendar).unwrap().new, 2_000);
    assert!(replica.as_of().is_some_and(|as_of| as_of >= Timestamp::from_second(before.as_second()).unwrap()));
    let formats = Formats::new(vec![sample::format()]).unwrap();
    for sample::Example { shows, case } in sample::examples(1, today, &calendar) {
        let receipt = formats.from_keys(&case.receipt).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(replica.look_up(&receipt, &tail(case.id_tail.as_deref().unwrap())));
        assert_eq!(stage(&answer), Some(case.stage), "{shows}");
    }
}

#[test]
fn only_a_serving_node_that_is_told_to_vouches_for_the_sample() {
    let folder = Folder::new();
    let sample = BatchHeader { source: Some(SAMPLE.into()), ..header(1_000) };
    let file = file(&folder, &text(Some(sample), &[case(1, Stage::Ready, 1)]));
    open(&folder, Role::Load).apply_file(&file).unwrap();
    for quiet in [Role::Load, Role::Read, Role::Serve { sample_heartbeat: false }] {
        assert_eq!(open(&folder, quiet).as_of(), Some(at(1_000)), "{quiet:?}");
    }
    assert!(
        open(&folder, Role::Serve { sample_heartbeat: true }).as_of().is_some_and(|as_of| as_of > at(1_700_000_000))
    );
}

#[test]
fn too_many_who_wait_are_told_at_once() {
    let folder = Folder::new();
    let none = config::Replica { look_ups_waiting_max: 0, ..settings() };
    put(&open(&folder, Role::Load), &folder, 100, &[case(1, Stage::Ready, 1)]);
    let replica = Replica::open(folder.path(), &none, Keys::new(&SECRET), Role::Load).unwrap();
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::Unavailable));
    assert_eq!(total(&replica.metrics().queue_full), 1);
}

#[test]
fn a_load_goes_into_the_file_when_nobody_serves_and_through_the_spool_when_somebody_does() {
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
    assert!(matches!(run(&bad), Err(LoadError::Rejected(why)) if why.contains("none of its 1 lines")));
    assert_eq!(fs::read_dir(spool::rejected(folder.path())).unwrap().count(), 2);
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
    let surroundings = run::Surroundings {
        connection: &connection,
        keys: &keys,
        wal: folder.path().join("replica.sqlite3-wal"),
        now: at(0),
        ending: &AtomicBool::new(true),
        unsure: &std::collections::HashSet::new(),
        told: &|_| panic!("no mark is kept"),
        committed: &|_| panic!("nothing is committed"),
    };
    let ended = apply::apply(&surroundings, "endless", batch);
    assert!(matches!(ended, Err(ApplyError::Ending)));
    assert_eq!(store::state(&connection).unwrap().mark, None);
}

/// A spool, looked at as the test says.
struct Watched {
    folder: Folder,
    spool: spool::Spool,
    replica: Arc<Replica>,
}

impl Watched {
    fn new() -> Watched {
        let folder = Folder::new();
        let replica = open(&folder, Role::Load);
        let feeding = replica.feeding.clone().expect("a writer");
        let spool = spool::Spool::open(folder.path(), settings(), feeding).unwrap();
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
    let feeding = spool.replica.feeding.clone().expect("a writer");
    spool.spool = spool::Spool::open(spool.folder.path(), settings(), feeding).unwrap();
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
