//! Look-ups on real files: what is disclosed, the cache, the age, damage.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use jiff::civil::date;
use rusqlite::Connection;

use inquiry::{Answer, Formats, Keys, Proof, Stage};
use replica::{BatchHeader, CaseRecord, SAMPLE, sample};
use support::calendar::notices_of_2026;
use support::folder::Folder;

use crate::test_replica::*;
use crate::*;

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
    replica.shared.file_replaced();
    replica.shared.cache.drop_all();
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
