//! Damage, full and read-only disks, stuck readers, age, and an operator's requests, on real files.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::Private;
use inquiry::{AgeLimits, Answer, Freshness, Keys, Proof, Stage};
use replica::{BadRow, Change, Mark, sample};
use support::folder::{Folder, comes};

use crate::alarms::{DAMAGED, UNWRITTEN};
use crate::control::send_request as ask_node;
use crate::file::store;
use crate::test_replica::{SECRET, ask, at, case, open, receipt, settings, stage, total};
use crate::write::batch::{Batch, Changes};
use crate::write::handle::WriterHandle;
use crate::write::rebuild::Rebuild;
use crate::*;

const SERVE: Role = Role::Serve { sample_heartbeat: false };

fn mark(sequence: u64) -> Mark {
    Mark { source: "intranet".into(), sequence: Some(sequence), position: None, as_of: at(1_000) }
}

fn writer(replica: &Replica) -> &WriterHandle {
    replica.writer.as_ref().expect("a writer")
}

fn apply(replica: &Replica, sequence: u64, changes: Vec<Change>) -> Result<Applied, ApplyError> {
    writer(replica).apply("batch", Batch::Changes(Changes::of(mark(sequence), changes)))
}

fn put(n: u32, to: Stage, version: u64) -> Change {
    Change::Put(case(n, to, version))
}

fn fill(folder: &Folder, rows: u32) {
    apply(&open(folder, Role::Load), 1, (0..rows).map(|n| put(n, Stage::Ready, 1)).collect()).expect("sound");
}

fn file(folder: &Folder) -> std::path::PathBuf {
    store::path(folder.path())
}

fn rebuild(replica: &Replica, rows: u32) {
    let mut rebuild = Rebuild::begin(writer(replica)).expect("room");
    (0..rows).for_each(|n| rebuild.add("intranet", put(n, Stage::Ready, 1)).expect("sound"));
    rebuild.finish(mark(2)).expect("a whole copy");
}

fn alarms(replica: &Replica) -> Vec<String> {
    replica.alarms().into_iter().map(|alarm| alarm.kind).collect()
}

#[test]
fn the_scrub_finds_a_flipped_bit_in_a_row_and_a_rebuild_repairs_it() {
    let folder = Folder::new();
    fill(&folder, 500);
    let bytes = fs::read(file(&folder)).unwrap();
    let row = case(7, Stage::Ready, 1).to_row(&Keys::new(&SECRET)).unwrap().encode();
    // A page that was split holds an older copy of the row too.
    let raw = fs::OpenOptions::new().write(true).open(file(&folder)).unwrap();
    for (place, _) in bytes.windows(row.len()).enumerate().filter(|(_, window)| *window == row) {
        raw.write_at(&[row[30] ^ 4], place as u64 + 30).unwrap();
    }
    let replica = open(&folder, SERVE);
    assert!(comes(|| alarms(&replica).contains(&DAMAGED.to_owned())), "{:?}", replica.status());
    assert!(matches!(ask(&replica, 7, &Proof::Paper), Answer::Unavailable));
    assert_eq!(stage(&ask(&replica, 8, &Proof::Paper)), Some(Stage::Ready));
    assert!(writer(&replica).rebuild_requested() && comes(|| replica.status().damaged == 1));
    assert!(matches!(ask(&replica, 900, &Proof::Paper), Answer::Unavailable), "the damage may be in its key");
    rebuild(&replica, 500);
    assert_eq!(stage(&ask(&replica, 7, &Proof::Paper)), Some(Stage::Ready));
    assert!(matches!(ask(&replica, 900, &Proof::Paper), Answer::NotFound));
    assert!(!writer(&replica).rebuild_requested() && !alarms(&replica).contains(&DAMAGED.to_owned()));
    assert!(comes(|| replica.metrics().scrubbed().is_some()));
}

#[test]
fn a_damaged_row_is_overwritten_by_the_next_change_of_its_case_whatever_its_version() {
    let folder = Folder::new();
    fill(&folder, 3);
    let raw = rusqlite::Connection::open(file(&folder)).unwrap();
    raw.execute("UPDATE cases SET row = zeroblob(40), version = 9", []).unwrap();
    drop(raw);
    let replica = open(&folder, Role::Load);
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::Unavailable));
    apply(&replica, 2, vec![put(1, Stage::Posted, 2)]).unwrap();
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Posted));
}

#[test]
fn wherever_bytes_are_damaged_an_answer_is_right_or_down_and_never_not_found() {
    let whole = Folder::new();
    fill(&whole, 400);
    let bytes = fs::read(file(&whole)).unwrap();
    let mut draw = 88_172_645_463_325_252u64;
    let mut next = |below: usize| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        (draw % below as u64) as usize
    };
    let (mut down, mut found) = (0, 0);
    for round in 0..60 {
        let folder = Folder::new();
        let mut damaged = bytes.clone();
        // The first rounds hit the header page and the page above the rows, the others anything.
        let (from, to) = if round < 20 { (0, 2 * 4096) } else { (0, bytes.len()) };
        (0..1 + round % 4).for_each(|_| damaged[from + next(to - from)] ^= 1 << (round % 8));
        fs::write(file(&folder), damaged).unwrap();
        let opened = Replica::open(folder.path(), &settings(), Keys::new(&SECRET), SERVE);
        // What says by its number that it is another program's is refused with words.
        let Ok(replica) = opened else { continue };
        let looked_through = || replica.metrics().scrubbed().is_some() || total(&replica.metrics().damaged) > 0;
        assert!(comes(|| replica.is_empty() || looked_through()), "round {round}");
        for n in 0..60 {
            match ask(&replica, n, &Proof::Paper) {
                Answer::Found { case: told, .. } => {
                    assert_eq!(told.stage, Stage::Ready);
                    found += 1;
                }
                Answer::Unavailable => down += 1,
                Answer::NotFound => panic!("round {round}: case {n} is told as unknown"),
            }
        }
    }
    assert!(down > 0 && found > 1_000, "{down} down, {found} found");
}

#[test]
fn a_file_that_cannot_be_opened_is_renamed_and_rebuilt() {
    let folder = Folder::new();
    fill(&folder, 100);
    let mut header = fs::OpenOptions::new().write(true).open(file(&folder)).unwrap();
    header.seek(SeekFrom::Start(0)).unwrap();
    header.write_all(&[0xA5; 100]).unwrap();
    let replica = open(&folder, SERVE);
    assert!(replica.is_empty() && replica.rebuild_requested(), "{:?}", replica.status());
    assert!(alarms(&replica).contains(&DAMAGED.to_owned()), "{:?}", alarms(&replica));
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::Unavailable));
    assert!(store::with_suffix(&file(&folder), ".damaged").exists());
    rebuild(&replica, 100);
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    assert!(!replica.rebuild_requested());
    assert!(comes(|| alarms(&replica).is_empty()), "{:?}", alarms(&replica));
}

#[test]
fn a_torn_log_costs_the_batches_that_were_not_whole_and_nothing_else() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    for version in 1..6 {
        apply(&replica, version, vec![put(1, Stage::Ready, version)]).unwrap();
    }
    let (main, log) = (fs::read(file(&folder)).unwrap(), fs::read(store::with_suffix(&file(&folder), "-wal")).unwrap());
    drop(replica);
    for cut in (0..log.len()).step_by(1_111) {
        let crashed = Folder::new();
        fs::write(file(&crashed), &main).unwrap();
        fs::write(store::with_suffix(&file(&crashed), "-wal"), &log[..cut]).unwrap();
        let replica = open(&crashed, Role::Load);
        let place = writer(&replica).mark().and_then(|mark| mark.sequence).unwrap_or(0);
        match ask(&replica, 1, &Proof::Paper) {
            Answer::Found { case, .. } => assert_eq!(case.version, place, "cut at {cut}"),
            Answer::Unavailable | Answer::NotFound => assert_eq!(place, 0, "cut at {cut}"),
        }
    }
}

#[test]
fn a_stuck_reader_costs_its_own_look_up_and_no_more_than_its_time() {
    let folder = Folder::new();
    fill(&folder, 50);
    let patient = config::Replica { look_up_timeout: Duration::from_millis(300), ..settings() };
    let replica = Replica::open(folder.path(), &patient, Keys::new(&SECRET), Role::Read).unwrap();
    ask(&replica, 1, &Proof::Paper);
    // Whoever opens a file waits here, as on a disk that does not answer.
    let stalled = replica.shared.opening.write().unwrap();
    replica.shared.file_replaced();
    replica.shared.cache.drop_all();
    let began = Instant::now();
    assert!(matches!(ask(&replica, 2, &Proof::Paper), Answer::Unavailable));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(stalled);
    assert!(comes(|| stage(&ask(&replica, 2, &Proof::Paper)) == Some(Stage::Ready)));
    assert!(total(&replica.metrics().timeouts) >= 1);
}

#[test]
fn the_log_stays_small_while_a_reader_sleeps_in_the_middle_of_a_read() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, (0..5_000).map(|n| put(n, Stage::Ready, 1)).collect()).unwrap();
    let sleeper = store::open_reader(&file(&folder)).unwrap();
    sleeper.execute_batch("BEGIN; SELECT count(*) FROM cases;").unwrap();
    let log = || fs::metadata(store::with_suffix(&file(&folder), "-wal")).map_or(0, |log| log.len());
    let mut crowded = false;
    for sequence in 2..200 {
        let changes = (0..20_000).map(move |n| Ok(Change::Replace(case(n, Stage::Review, sequence))));
        let batch = Changes { mark: mark(sequence), deletes: 0, changes: Box::new(changes) };
        match writer(&replica).apply("big", Batch::Changes(batch)) {
            Ok(_) => assert!(log() <= 256 << 20, "{} bytes", log()),
            Err(ApplyError::Crowded) => {
                crowded = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(crowded && log() <= 256 << 20, "{} bytes", log());
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Review), "it answers all the while");
    drop(sleeper);
    apply(&replica, 500, vec![put(1, Stage::Posted, 1_000)]).unwrap();
    assert!(log() < 64 << 20, "{} bytes", log());
}

/// A file system of a few megabytes, unmounted with the test; none where this user may not mount.
struct SmallDisk(Folder);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = Folder::new();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "jindu-test"]).arg(folder.path());
        mount.output().is_ok_and(|done| done.status.success()).then_some(SmallDisk(folder))
    }

    fn remount(&self, how: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,{how}")]).arg(self.0.path());
        command.output().is_ok_and(|done| done.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_costs_no_answer_and_the_feed_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return eprintln!("skipped: only root may mount a small disk") };
    let folder = &disk.0;
    fill(folder, 2_000);
    let replica = open(folder, SERVE);
    assert_eq!(stage(&ask(&replica, 0, &Proof::Paper)), Some(Stage::Ready));
    let ballast = folder.path().join("ballast");
    let mut full = fs::File::create(&ballast).unwrap();
    while full.write_all(&[0; 4096]).is_ok() {}
    let more = || (0..2_000).map(|n| put(n, Stage::Posted, 2)).collect::<Vec<_>>();
    let error = apply(&replica, 2, more()).unwrap_err();
    assert!(matches!(error, ApplyError::Store(_)) && !error.is_final(), "{error}");
    assert_eq!(alarms(&replica), [UNWRITTEN]);
    replica.shared.file_replaced();
    replica.shared.cache.drop_all();
    for n in 0..500 {
        assert_eq!(stage(&ask(&replica, n, &Proof::Paper)), Some(Stage::Ready), "{n}");
    }
    drop(replica);
    let replica = open(folder, SERVE);
    assert_eq!(stage(&ask(&replica, 600, &Proof::Paper)), Some(Stage::Ready), "a restart on a full disk answers");
    drop(full);
    fs::remove_file(&ballast).unwrap();
    assert!(comes(|| apply(&replica, 2, more()).is_ok()), "the feed resumes");
    assert_eq!(stage(&ask(&replica, 0, &Proof::Paper)), Some(Stage::Posted));
    assert!(comes(|| alarms(&replica).is_empty()), "{:?}", alarms(&replica));
}

#[test]
fn a_disk_that_can_only_be_read_answers_and_is_written_again_when_it_can_be() {
    let Some(disk) = SmallDisk::mount() else { return eprintln!("skipped: only root may mount a small disk") };
    let folder = &disk.0;
    fill(folder, 200);
    drop(open(folder, SERVE));
    assert!(comes(|| disk.remount("ro")), "while a file is open for writing the disk is busy");
    let keys = Keys::new(&SECRET);
    let replica = Replica::open(folder.path(), &settings(), keys, SERVE).unwrap();
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    assert!(apply(&replica, 2, vec![put(1, Stage::Posted, 2)]).is_err());
    assert!(alarms(&replica).contains(&UNWRITTEN.to_owned()));
    assert!(disk.remount("rw"));
    assert!(comes(|| apply(&replica, 2, vec![put(1, Stage::Posted, 2)]).is_ok()));
    assert!(comes(|| stage(&ask(&replica, 1, &Proof::Paper)) == Some(Stage::Posted)));
    assert!(comes(|| alarms(&replica).is_empty()), "{:?}", alarms(&replica));
}

#[test]
fn an_age_of_hours_is_old_of_days_too_old_and_a_rebuild_is_fresh() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let (tell_after, refuse_after) = (Some(Duration::from_secs(1800)), Some(Duration::from_secs(86_400)));
    let fresh = |as_of| AgeLimits { tell_after, refuse_after }.judge(Some(inquiry::age(as_of, replica.now())));
    let begin = replica.now();
    let mut first = mark(1);
    first.as_of = begin;
    let rows = (0..50).map(|n| put(n, Stage::Ready, 1)).collect();
    writer(&replica).apply("one", Batch::Changes(Changes::of(first, rows))).unwrap();
    for (hours, expected) in [(0, Freshness::Fresh), (8, Freshness::Old), (64, Freshness::TooOld)] {
        replica.shared.advance(Duration::from_secs(hours * 3600));
        for n in 0..50 {
            let Answer::Found { as_of, .. } = ask(&replica, n, &Proof::Paper) else { panic!("case {n} at {hours} h") };
            assert_eq!(fresh(as_of), expected, "{hours} h");
        }
    }
    assert_eq!(replica.age().unwrap().as_secs() / 3600, 72);
    let mut copy = Rebuild::begin(writer(&replica)).unwrap();
    (0..50).for_each(|n| copy.add("intranet", put(n, Stage::Ready, 1)).unwrap());
    copy.finish(Mark { as_of: replica.now(), ..mark(9) }).unwrap();
    let Answer::Found { as_of, .. } = ask(&replica, 1, &Proof::Paper) else { panic!("lost") };
    assert_eq!(fresh(as_of), Freshness::Fresh);
}

#[test]
fn quarantined_rows_are_retried_by_an_operator_by_a_new_version_and_through_their_source() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let bad = |n: u32, line: bool| {
        let record = case(n, Stage::Ready, 1);
        Change::Bad(BadRow {
            id: format!("row {n}"),
            why: "no such hall".into(),
            receipt: Some(Private::new(record.receipt.clone())),
            line: line.then(|| Private::new(record.to_line())),
        })
    };
    let unreadable = Change::Bad(BadRow {
        id: "row 9".into(),
        why: "not JSON".into(),
        receipt: None,
        line: Some(Private::new("{".into())),
    });
    apply(&replica, 1, vec![bad(1, true), bad(2, true), bad(3, false), unreadable, put(8, Stage::Ready, 1)]).unwrap();
    let Reply::Done(done) = replica.perform(Request::Retry { id: Some("row 1".into()) }) else { panic!("refused") };
    assert!(done.en.starts_with("1 row retried, 1 applied"), "{done}");
    assert_eq!(stage(&ask(&replica, 1, &Proof::Paper)), Some(Stage::Ready));
    drop(replica);
    let other = config::Replica { cache_entries: 500, ..settings() };
    let replica = Replica::open(folder.path(), &other, Keys::new(&SECRET), Role::Load).unwrap();
    assert_eq!(stage(&ask(&replica, 2, &Proof::Paper)), Some(Stage::Ready), "other settings: tried at the start");
    assert_eq!(writer(&replica).take_requested_rows(), ["row 3"], "the source has to bring it");
    let kept = replica.quarantine().unwrap();
    let tries: Vec<_> = kept.iter().map(|row| (row.id.as_str(), row.tries)).collect();
    assert_eq!(tries, [("row 3", 0), ("row 9", 1)]);
    replica.perform(Request::Forget { id: None });
    assert_eq!((total(&replica.metrics().quarantined), replica.quarantine().unwrap().len()), (0, 0));
    assert!(matches!(ask(&replica, 3, &Proof::Paper), Answer::NotFound));
}

#[test]
fn an_operator_reaches_the_serving_node_through_its_socket() {
    let folder = Folder::new();
    fill(&folder, 20);
    assert!(ask_node(folder.path(), &Request::Status).unwrap().is_none(), "nobody serves");
    let replica = open(&folder, SERVE);
    let Some(Reply::Status(status)) = ask_node(folder.path(), &Request::Status).unwrap() else { panic!("no status") };
    assert_eq!((status.cases, status.sequence, status.serving), (20, Some(1), true));
    let reply = ask_node(folder.path(), &Request::Rebuild).unwrap();
    assert!(matches!(reply, Some(Reply::Done(_))) && writer(&replica).rebuild_requested());
    let mode = fs::metadata(folder.path().join("control.sock")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    drop(replica);
    assert!(ask_node(folder.path(), &Request::Status).unwrap().is_none());
}

#[test]
fn look_ups_never_fail_while_copies_are_swapped_in_under_them() {
    let folder = Folder::new();
    fill(&folder, 300);
    let replica = open(&folder, Role::Load);
    let (stop, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for from in [0u32, 100] {
            let (replica, stop, looks) = (&replica, &stop, &looks);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let mut n = from;
                while !stop.load(Ordering::Relaxed) {
                    n = (n + 7) % 300;
                    let answer = runtime.block_on(replica.look_up(&receipt(n), &Proof::Paper));
                    assert_eq!(stage(&answer), Some(Stage::Ready), "case {n}: {answer:?}");
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..15 {
            rebuild(&replica, 300);
            apply(&replica, 3, vec![put(1, Stage::Ready, 2)]).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(total(&looks) > 100 && total(&replica.metrics().rebuilds) == 15);
    assert_eq!(total(&replica.metrics().read_errors), 0);
}

#[test]
fn the_sample_takes_no_other_sources_place_and_is_made_again_when_it_is_damaged() {
    let folder = Folder::new();
    let calendar = support::calendar::notices_of_2026();
    let today = jiff::civil::date(2026, 11, 23);
    let replica = open(&folder, SERVE);
    replica.fill_sample(300, 1, today, &calendar).unwrap();
    let working = calendar.clone();
    replica.set_sample(move || sample::cases(300, 1, today, &working));
    replica.perform(Request::Rebuild);
    assert!(comes(|| total(&replica.metrics().rebuilds) == 2 && !writer(&replica).rebuild_requested()));
    let mut first = None;
    assert!(comes(|| {
        first = Rebuild::begin(writer(&replica)).ok();
        first.is_some()
    }));
    assert!(matches!(Rebuild::begin(writer(&replica)), Err(ApplyError::Busy)), "one at a time");
    drop(first);
    rebuild(&replica, 500);
    assert!(matches!(replica.fill_sample(300, 1, today, &calendar), Err(ApplyError::Dropped)));
    assert_eq!(stage(&ask(&replica, 7, &Proof::Paper)), Some(Stage::Ready));
}

/// The part of [`a_kill_at_any_moment_of_a_rebuild_leaves_a_whole_copy`] that is killed.
#[test]
#[ignore = "runs in a process of its own, which is killed"]
fn rebuilds_until_it_is_killed() {
    let Some(folder) = std::env::var_os("JINDU_TEST_FOLDER") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder::at(folder.into()));
    let replica = open(&folder, Role::Load);
    for round in 2.. {
        let mut copy = Rebuild::begin(writer(&replica)).expect("room");
        for n in 0..2_000 {
            copy.add("intranet", put(n, Stage::Ready, round)).expect("sound");
        }
        copy.finish(mark(10 * round)).expect("whole");
        apply(&replica, 10 * round + 1, (0..2_000).map(|n| put(n, Stage::Review, round + 1)).collect()).expect("sound");
        assert!(round < 100_000);
    }
}

#[test]
fn a_kill_at_any_moment_of_a_rebuild_leaves_a_whole_copy() {
    let folder = Folder::new();
    fill(&folder, 2_000);
    let mut places = std::collections::BTreeSet::new();
    // Later kills reach further, so that at some round every stage of a rebuild was killed.
    for round in 0..60u64 {
        if round >= 12 && places.len() > 2 {
            break;
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "damage_tests::rebuilds_until_it_is_killed"])
            .env("JINDU_TEST_FOLDER", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(150 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let replica = open(&folder, Role::Load);
        let place = writer(&replica).mark().unwrap().sequence.unwrap();
        let expected = match place {
            1 => (Stage::Ready, 1),
            place if place % 10 == 0 => (Stage::Ready, place / 10),
            place => (Stage::Review, place / 10 + 1),
        };
        for n in 0..2_000 {
            let Answer::Found { case, .. } = ask(&replica, n, &Proof::Paper) else { panic!("case {n} at {place}") };
            assert_eq!((case.stage, case.version), expected, "case {n} at {place}");
        }
        assert!(!folder.path().join("replica.rebuild").exists(), "what was interrupted is gone");
        places.insert(place);
    }
    assert!(places.len() > 2, "{places:?}");
}
