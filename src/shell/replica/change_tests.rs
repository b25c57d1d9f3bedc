//! Changes, held batches, quarantine, rebuilds and older files, on real files.

use std::fs;
use std::sync::atomic::Ordering;

use base::Private;
use inquiry::{Answer, Keys, Proof, Stage};
use replica::{BadRow, CaseRecord, Change, Mark};
use support::folder::{Folder, comes};

use crate::test_replica::{SECRET, ask, at, case, open, settings, stage, total};
use crate::write::batch::{Batch, Changes};
use crate::write::handle::WriterHandle;
use crate::write::rebuild::Rebuild;
use crate::*;

fn mark(sequence: u64) -> Mark {
    let position = Some(format!("place {sequence}"));
    Mark { source: "intranet".into(), sequence: Some(sequence), position, as_of: at(1_000 + sequence as i64) }
}

fn changes(sequence: u64, changes: Vec<Change>) -> Batch {
    Batch::Changes(Changes::of(mark(sequence), changes))
}

fn writer(replica: &Replica) -> &WriterHandle {
    replica.writer.as_ref().expect("a writer")
}

fn apply(replica: &Replica, sequence: u64, list: Vec<Change>) -> Result<Applied, ApplyError> {
    writer(replica).apply("batch", changes(sequence, list))
}

fn put(n: u32, to: Stage, version: u64) -> Change {
    Change::Put(case(n, to, version))
}

fn delete(n: u32) -> Change {
    Change::Delete { receipt: Private::new(case(n, Stage::Ready, 1).receipt) }
}

fn bad(n: u32, line: Option<&CaseRecord>) -> Change {
    Change::Bad(BadRow {
        id: format!("row {n}"),
        why: "no such stage".into(),
        receipt: Some(Private::new(case(n, Stage::Ready, 1).receipt)),
        line: line.map(|line| Private::new(line.to_line())),
    })
}

fn served(replica: &Replica, n: u32) -> Option<Stage> {
    stage(&ask(replica, n, &Proof::Paper))
}

fn is_down(replica: &Replica, n: u32) -> bool {
    matches!(ask(replica, n, &Proof::Paper), Answer::Unavailable)
}

#[test]
fn a_put_goes_by_its_version_and_a_replacement_by_its_order() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(1, Stage::Ready, 5), put(2, Stage::Ready, 5)]).unwrap();
    let older = vec![put(1, Stage::Review, 4), Change::Replace(case(2, Stage::Review, 4))];
    let applied = apply(&replica, 2, older).unwrap();
    assert_eq!((applied.changed, applied.unchanged), (1, 1));
    assert_eq!((served(&replica, 1), served(&replica, 2)), (Some(Stage::Ready), Some(Stage::Review)));
}

#[test]
fn a_case_that_was_deleted_is_not_found_in_memory_either() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(1, Stage::Ready, 1), put(2, Stage::Ready, 1)]).unwrap();
    assert_eq!(served(&replica, 1), Some(Stage::Ready));
    assert_eq!(apply(&replica, 2, vec![delete(1), delete(7)]).unwrap().deleted, 1);
    assert!(matches!(ask(&replica, 1, &Proof::Paper), Answer::NotFound));
    assert_eq!((served(&replica, 2), total(&replica.metrics().rows)), (Some(Stage::Ready), 1));
}

#[test]
fn a_batch_whose_place_was_reached_changes_nothing_whatever_it_holds() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 5, vec![put(1, Stage::Ready, 1)]).unwrap();
    for place in [5, 4] {
        assert_eq!(apply(&replica, place, vec![delete(1)]).unwrap(), Applied::default());
    }
    assert_eq!(served(&replica, 1), Some(Stage::Ready));
    assert_eq!(writer(&replica).mark(), Some(mark(5)));
    drop(replica);
    assert_eq!(writer(&open(&folder, Role::Load)).mark(), Some(mark(5)), "the place is kept");
}

#[test]
fn a_heartbeat_moves_age_and_place_and_is_kept() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 5, vec![put(1, Stage::Ready, 1)]).unwrap();
    writer(&replica).heartbeat(mark(9)).unwrap();
    writer(&replica).heartbeat(Mark { source: "another".into(), ..mark(11) }).unwrap();
    assert_eq!(replica.as_of(), Some(at(1_009)));
    drop(replica);
    assert_eq!(writer(&open(&folder, Role::Load)).mark(), Some(mark(9)));
}

#[test]
fn many_deletes_are_held_until_an_operator_decides() {
    for (decision, left) in [(Decision::Apply, 960), (Decision::Drop, 1_000)] {
        let folder = Folder::new();
        let replica = open(&folder, Role::Load);
        apply(&replica, 1, (0..1_000).map(|n| put(n, Stage::Ready, 1)).collect()).unwrap();
        let most = || (0..40).map(delete).chain([put(999, Stage::Posted, 2)]).collect::<Vec<_>>();
        for _ in 0..2 {
            let held = apply(&replica, 2, most()).unwrap_err();
            assert!(matches!(held, ApplyError::Held { what: HeldReason::Deletes, deletes: 40, rows: 1_000 }), "{held}");
            assert!(!held.is_final());
        }
        assert_eq!((served(&replica, 1), served(&replica, 999)), (Some(Stage::Ready), Some(Stage::Ready)));
        assert_eq!(total(&replica.metrics().held), 1);
        replica.decide(decision).unwrap();
        apply(&replica, 2, most()).unwrap();
        assert_eq!(total(&replica.metrics().rows), left, "{decision:?}");
        let kept = |replica: &Replica| replica.alarms().iter().any(|alarm| alarm.kind == "kept");
        assert_eq!(kept(&replica), decision == Decision::Drop, "the replica is not its source's any more");
        assert_eq!(served(&replica, 999), Some(Stage::Posted), "what it does not take away is applied either way");
        assert_eq!((total(&replica.metrics().held), replica.held().unwrap()), (0, None));
    }
}

#[test]
fn an_emptied_table_is_held_and_a_few_deletes_are_not() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, (0..20).map(|n| put(n, Stage::Ready, 1)).collect()).unwrap();
    apply(&replica, 2, (0..5).map(delete).collect()).unwrap();
    let error = apply(&replica, 3, vec![Change::Truncate, put(1, Stage::Ready, 1)]).unwrap_err();
    assert!(matches!(error, ApplyError::Held { what: HeldReason::Truncate, .. }), "{error}");
    assert_eq!(served(&replica, 7), Some(Stage::Ready));
    replica.decide(Decision::Apply).unwrap();
    assert_eq!(apply(&replica, 3, vec![Change::Truncate, put(1, Stage::Ready, 1)]).unwrap().deleted, 15);
    assert_eq!(total(&replica.metrics().rows), 1);
}

#[test]
fn a_case_in_quarantine_is_not_served_until_the_upstream_sends_it_again() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(1, Stage::Review, 1), put(3, Stage::Review, 1)]).unwrap();
    assert_eq!(served(&replica, 1), Some(Stage::Review));
    let applied = apply(&replica, 2, vec![bad(1, None), bad(2, None), put(3, Stage::Ready, 2)]).unwrap();
    assert_eq!((applied.quarantined, applied.changed), (2, 1));
    assert!(is_down(&replica, 1), "the row that is there is older than its age says");
    assert!(is_down(&replica, 2), "a case that is there upstream is not told as unknown");
    assert_eq!(served(&replica, 3), Some(Stage::Ready));
    drop(replica);
    let replica = open(&folder, Role::Load);
    assert!(is_down(&replica, 1), "a restart changes nothing");
    apply(&replica, 3, vec![put(1, Stage::Ready, 3), put(2, Stage::Ready, 1)]).unwrap();
    assert_eq!((served(&replica, 1), served(&replica, 2)), (Some(Stage::Ready), Some(Stage::Ready)));
    assert_eq!(total(&replica.metrics().quarantined), 0);
}

#[test]
fn a_row_in_quarantine_is_never_in_clear_on_the_disk() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    let line = case(1, Stage::Ready, 1);
    apply(&replica, 1, vec![put(9, Stage::Ready, 1), bad(1, Some(&line))]).unwrap();
    let kept = replica.quarantine().unwrap();
    assert!(kept.len() == 1 && kept[0].held_here && kept[0].id == "row 1", "{kept:?}");
    drop(replica);
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(15).any(|window| window == line.receipt.as_bytes()));
    }
}

#[test]
fn a_rebuild_swaps_a_whole_copy_in_and_what_it_does_not_hold_is_gone() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(1, Stage::Review, 1), put(2, Stage::Review, 1), bad(4, None)]).unwrap();
    assert_eq!(served(&replica, 1), Some(Stage::Review));
    let mut rebuild = Rebuild::begin(writer(&replica)).unwrap();
    for change in [put(1, Stage::Ready, 2), put(3, Stage::Ready, 1), put(1, Stage::Accepted, 1)] {
        rebuild.add("intranet", change).unwrap();
    }
    assert_eq!((served(&replica, 1), served(&replica, 2)), (Some(Stage::Review), Some(Stage::Review)));
    assert_eq!(rebuild.finish(mark(50)).unwrap().new, 2);
    assert_eq!((served(&replica, 1), served(&replica, 3)), (Some(Stage::Ready), Some(Stage::Ready)));
    for gone in [2, 4] {
        assert!(matches!(ask(&replica, gone, &Proof::Paper), Answer::NotFound), "{gone}");
    }
    assert_eq!((replica.as_of(), total(&replica.metrics().rows)), (Some(at(1_050)), 2));
    apply(&replica, 51, vec![put(5, Stage::Ready, 1)]).unwrap();
    assert_eq!(served(&replica, 5), Some(Stage::Ready));
    drop(replica);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["replica.sqlite3"], "nothing of the old file and of the work is left");
    assert_eq!(served(&open(&folder, Role::Load), 5), Some(Stage::Ready));
}

#[test]
fn a_rebuild_that_is_given_up_leaves_nothing_and_a_far_smaller_one_is_held() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, (0..100).map(|n| put(n, Stage::Ready, 1)).collect()).unwrap();
    let mut given_up = Rebuild::begin(writer(&replica)).unwrap();
    given_up.add("intranet", put(1, Stage::Posted, 2)).unwrap();
    drop(given_up);
    let smaller = || {
        let mut rebuild = Rebuild::begin(writer(&replica)).unwrap();
        rebuild.add("intranet", put(1, Stage::Posted, 2)).unwrap();
        rebuild.finish(mark(7))
    };
    assert!(matches!(smaller(), Err(ApplyError::Held { what: HeldReason::Smaller, deletes: 99, rows: 100 })));
    assert_eq!(served(&replica, 1), Some(Stage::Ready));
    replica.decide(Decision::Drop).unwrap();
    assert!(matches!(smaller(), Err(ApplyError::Dropped)));
    assert!(matches!(smaller(), Err(ApplyError::Held { .. })), "the next one needs a new decision");
    replica.decide(Decision::Apply).unwrap();
    assert!(smaller().is_ok() && served(&replica, 1) == Some(Stage::Posted));
    assert_eq!(total(&replica.metrics().rebuilds), 1);
}

#[test]
fn a_batch_larger_than_one_transaction_goes_on_where_it_was() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(0, Stage::Review, 1)]).unwrap();
    let size = 25_000;
    let torn = |until: u32| Changes {
        mark: mark(2),
        deletes: 0,
        changes: Box::new((0..size).map(move |n| {
            let broken = n >= until;
            if broken { Err(ApplyError::Source("gone".into())) } else { Ok(Change::Replace(case(n, Stage::Ready, 7))) }
        })),
    };
    let error = writer(&replica).apply("two", Batch::Changes(torn(24_000))).unwrap_err();
    assert!(matches!(error, ApplyError::Source(_)), "{error}");
    assert_eq!((writer(&replica).mark(), replica.as_of()), (Some(mark(1)), Some(at(1_001))));
    assert_eq!((served(&replica, 0), total(&replica.metrics().rows)), (Some(Stage::Ready), 20_000));
    let applied = writer(&replica).apply("two", Batch::Changes(torn(size))).unwrap();
    assert_eq!((applied.new, applied.unchanged), (5_000, 0), "the first 20,000 are not applied again");
    assert_eq!((writer(&replica).mark(), total(&replica.metrics().rows)), (Some(mark(2)), 25_000));
}

#[test]
fn deletes_that_an_operator_dropped_are_an_alarm_until_the_next_rebuild() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, (0..1_000).map(|n| put(n, Stage::Ready, 1)).collect()).unwrap();
    assert!(apply(&replica, 2, (0..40).map(delete).collect()).is_err());
    replica.decide(Decision::Drop).unwrap();
    apply(&replica, 2, (0..40).map(delete).collect()).unwrap();
    drop(replica);
    let replica = open(&folder, Role::Load);
    let kept = |replica: &Replica| replica.alarms().into_iter().find(|alarm| alarm.kind == "kept");
    assert!(comes(|| kept(&replica).is_some_and(|alarm| alarm.text.contains("40 cases"))));
    let mut rebuild = Rebuild::begin(writer(&replica)).unwrap();
    (0..1_000).for_each(|n| rebuild.add("intranet", put(n, Stage::Ready, 2)).unwrap());
    rebuild.finish(mark(7)).unwrap();
    assert_eq!(kept(&replica), None);
}

#[test]
fn a_file_of_schema_2_is_migrated() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    apply(&replica, 1, vec![put(1, Stage::Ready, 1)]).unwrap();
    drop(replica);
    let path = folder.path().join("replica.sqlite3");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("ALTER TABLE state DROP COLUMN kept; PRAGMA user_version = 2").unwrap();
    drop(connection);
    assert_eq!(served(&open(&folder, Role::Load), 1), Some(Stage::Ready));
}

#[test]
fn a_file_of_schema_1_is_migrated_with_its_content() {
    let folder = Folder::new();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/replica/schema_1.sqlite3");
    fs::copy(old, folder.path().join("replica.sqlite3")).unwrap();
    let read = Replica::open(folder.path(), &settings(), Keys::new(&SECRET), Role::Read);
    assert!(matches!(read, Err(OpenError::Store(StoreError::Older { schema: 1, .. }))), "who reads changes nothing");
    let replica = open(&folder, Role::Load);
    let before = Mark { source: "intranet".into(), sequence: Some(7), position: None, as_of: at(1_000) };
    assert_eq!(writer(&replica).mark(), Some(before));
    for n in 1..=40 {
        assert_eq!(served(&replica, n), Some(Stage::ALL[n as usize % 8]));
    }
    let kept = replica.quarantine().unwrap();
    assert_eq!(kept.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["batch.ndjson:5"]);
    assert_eq!(replica.metrics().rows.load(Ordering::Relaxed), 40);
    apply(&replica, 8, vec![delete(1), put(41, Stage::Ready, 1)]).unwrap();
    drop(replica);
    assert_eq!(served(&open(&folder, Role::Read), 41), Some(Stage::Ready));
}
