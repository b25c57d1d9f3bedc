//! The journal over a real file.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::*;
use crate::file::FILE_NAME;
use crate::retention::Left;
use base::Lang;
use inquiry::{CallOutcome, CallRecord, LookUpResult, ScanPath, ScanRecord, ScanResult, Stage};
use support::folder::Folder;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn open(folder: &Folder) -> Arc<Journal> {
    Journal::open(folder.path(), &config::Journal { keep: 180 * DAY, bytes_max: 1 << 40 }).expect("a writable folder")
}

fn opened(folder: &Folder) -> Connection {
    Connection::open(folder.path().join("journal.sqlite3")).expect("it is there")
}

fn count(folder: &Folder, table: &str) -> i64 {
    opened(folder).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a table")
}

fn call(started: Timestamp) -> CallRecord {
    CallRecord {
        tag: Some("0a1b2c3d4e5f".into()),
        started,
        answered_after: Some(Duration::from_millis(3)),
        duration: Duration::from_secs(61),
        outcome: CallOutcome::HungUp,
        cause: None,
        lang: Some(Lang::Yue),
        release: "abc".into(),
        path: vec!["welcome".into(), "main".into()],
        keys: 20,
        look_ups: vec![LookUpResult::NotFound, LookUpResult::Found],
        trunk: "carrier".into(),
        source: "192.0.2.1".into(),
        caller: Some(u64::MAX),
        rating: Some(1),
        peer_packets_lost: Some(2),
        round_trip: Some(Duration::from_micros(1500)),
        mos_hundredths: Some(437),
        queue: None,
        handling: Vec::new(),
        recordings: Vec::new(),
        text_message: None,
        transfer: None,
        messages: Vec::new(),
        srtp: Some("AEAD_AES_128_GCM"),
    }
}

fn scan(at: Timestamp) -> ScanRecord {
    ScanRecord {
        at,
        kiosk: "hall-1".into(),
        path: ScanPath::Code,
        result: ScanResult::LookUp(LookUpResult::Found),
        stage: Some(Stage::Ready),
        receipt: Some(7),
        duration: Duration::from_micros(80),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn calls_and_scans_are_in_the_file_after_the_end() {
    let folder = Folder::new();
    let journal = open(&folder);
    for _ in 0..1200 {
        journal.record_call(call(Timestamp::now()));
        journal.record_scan(scan(Timestamp::now()));
    }
    drop(journal);
    assert_eq!((count(&folder, "calls"), count(&folder, "scans")), (1200, 1200));
    let (path, look_ups): (String, String) = opened(&folder)
        .query_row("SELECT path, look_ups FROM calls", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((path.as_str(), look_ups.as_str()), ("welcome,main", "not_found,found"));
}

#[test]
fn a_file_without_the_newer_columns_takes_them_from_the_next_start() {
    let folder = Folder::new();
    drop(open(&folder));
    opened(&folder)
        .execute_batch(
            "ALTER TABLE calls DROP COLUMN peer_packets_lost; ALTER TABLE calls DROP COLUMN round_trip_us;
            ALTER TABLE calls DROP COLUMN source; ALTER TABLE calls DROP COLUMN mos_hundredths;
            ALTER TABLE calls DROP COLUMN srtp",
        )
        .unwrap();
    let journal = open(&folder);
    journal.record_call(call(Timestamp::now()));
    drop(journal);
    let sql = "SELECT peer_packets_lost, round_trip_us, mos_hundredths, trunk, source, srtp FROM calls";
    let reported: (i64, i64, i64, [String; 3]) = opened(&folder)
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, [row.get(3)?, row.get(4)?, row.get(5)?])))
        .unwrap();
    let texts = ["carrier", "192.0.2.1", "AEAD_AES_128_GCM"].map(str::to_owned);
    assert_eq!(reported, (2, 1500, 437, texts));
}

#[test]
fn a_record_cannot_be_changed() {
    let folder = Folder::new();
    let journal = open(&folder);
    journal.record_call(call(Timestamp::now()));
    journal.flush();
    assert!(opened(&folder).execute("UPDATE calls SET rating = 3", []).is_err());
}

#[test]
fn records_past_their_age_are_deleted_at_the_next_start() {
    let folder = Folder::new();
    let old = Timestamp::now() - 181 * DAY;
    let journal = open(&folder);
    for at in [old, Timestamp::now()] {
        journal.record_call(call(at));
        journal.record_scan(scan(at));
    }
    drop(journal);
    open(&folder).flush();
    assert_eq!((count(&folder, "calls"), count(&folder, "scans")), (1, 1));
}

#[test]
fn a_message_has_a_ticket_of_its_own_and_goes_with_its_recording_on_its_day() {
    let folder = Folder::new();
    let journal = open(&folder);
    let tickets: HashSet<String> = (0..50).map(|_| wait(journal.ticket()).unwrap()).collect();
    assert_eq!(tickets.len(), 50);
    assert!(tickets.iter().all(|ticket| ticket.len() == 8 && ticket.bytes().all(|b| b.is_ascii_digit())));
    let mut tickets = tickets.into_iter();
    let mut leave = |name: &str, keep_until| {
        std::fs::write(folder.path().join(name), "sound").unwrap();
        let ticket = tickets.next().unwrap();
        let (notify, length) = ("complaints".into(), Duration::from_secs(9));
        assert!(wait(journal.record_message(Message {
            ticket,
            path: name.into(),
            notify,
            length,
            keep_until,
            trunk: None,
            caller: None,
            number: None,
        })));
    };
    leave("old.wav", Timestamp::now() - DAY);
    leave("new.wav", Timestamp::now() + DAY);
    drop(journal);
    assert_eq!(count(&folder, "messages"), 50);
    open(&folder).flush();
    assert_eq!(count(&folder, "messages"), 49);
    assert!(!folder.path().join("old.wav").exists() && folder.path().join("new.wav").exists());
}

#[test]
fn a_damaged_journal_is_renamed_and_a_new_one_started() {
    let folder = Folder::new();
    std::fs::write(
        folder.path().join(FILE_NAME),
        "no database at all, and long enough to be looked at as one".repeat(99),
    )
    .unwrap();
    let journal = open(&folder);
    journal.record_call(call(Timestamp::now()));
    journal.flush();
    drop(journal);
    assert_eq!(count(&folder, "calls"), 1);
    assert!(folder.path().join("journal.sqlite3.damaged").exists());
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let folder = Folder::new();
    drop(open(&folder));
    opened(&folder).pragma_update(None, "user_version", 9).unwrap();
    let opened = Journal::open(folder.path(), &config::Journal { keep: DAY, bytes_max: 1 << 40 }).map(drop);
    assert!(matches!(opened, Err(JournalError::Newer { schema: 9, .. })));
}

#[test]
fn codes_that_cannot_be_read_take_two_rows_a_minute_however_many_they_are() {
    let folder = Folder::new();
    let journal = open(&folder);
    for _ in 0..5000 {
        journal.record_scan(ScanRecord { result: ScanResult::Unreadable, stage: None, ..scan(Timestamp::now()) });
    }
    drop(journal);
    let rows = count(&folder, "scans");
    assert!((1..=6).contains(&rows), "{rows} rows, of three minutes at most");
    let counted = "SELECT sum(coalesce(repeats, 1)) FROM scans";
    assert_eq!(opened(&folder).query_row(counted, [], |row| row.get::<_, i64>(0)), Ok(5000));
}

#[test]
fn a_file_that_is_too_large_loses_the_oldest_records_of_its_largest_table() {
    let folder = Folder::new();
    let journal = open(&folder);
    for n in 0..6000 {
        if n < 100 {
            journal.record_call(call(Timestamp::now()));
        }
        journal.record_scan(scan(Timestamp::now()));
        if n % 1000 == 0 {
            journal.flush();
        }
    }
    drop(journal);
    let connection = opened(&folder);
    let over = |bytes_max, free| retention::over(&connection, bytes_max, free, Timestamp::now());
    assert_eq!(over(1 << 40, None), Ok(Left::Nothing));
    assert_eq!(over(50_000, Some(1 << 40)), Ok(Left::Held), "many at once wait for a person");
    let waiting: Vec<_> = held(folder.path()).unwrap().into_iter().map(|held| held.what).collect();
    assert_eq!(waiting, ["size.scans"]);
    assert_eq!(over(1 << 40, None), Ok(Left::Nothing));
    assert!(held(folder.path()).unwrap().is_empty(), "a hold ends with its cause");
    assert_eq!(over(50_000, Some(1 << 20)), Ok(Left::More), "a disk that would fill does not wait");
    let left = count(&folder, "scans");
    assert!(
        count(&folder, "calls") == 100 && (1000..3000).contains(&left),
        "{left} scans: about those that are too many go"
    );
    let oldest = opened(&folder).query_row("SELECT min(id) FROM scans", [], |row| row.get::<_, i64>(0));
    assert_eq!(oldest, Ok(6000 - left + 1));
}

#[test]
fn a_confirmed_deletion_by_size_is_of_the_table_that_was_confirmed() {
    let folder = Folder::new();
    let journal = open(&folder);
    for n in 0..1000 {
        journal.record_scan(scan(Timestamp::now()));
        if n < 100 {
            journal.record_call(call(Timestamp::now()));
        }
    }
    drop(journal);
    let connection = opened(&folder);
    let over = || retention::over(&connection, 1, Some(1 << 40), Timestamp::now());
    assert_eq!(over(), Ok(Left::Held));
    assert_eq!(confirm_held(folder.path()).unwrap(), 1);
    // The calls become the largest table before the confirmation is seen.
    connection.execute("DELETE FROM scans WHERE id <= 700", []).unwrap();
    assert_eq!(over(), Ok(Left::More));
    let (calls, scans) = (count(&folder, "calls"), count(&folder, "scans"));
    assert_eq!((calls, scans), (100, 0));
}

#[test]
fn traffic_is_counted_as_calls_are_written_and_again_at_the_start() {
    let folder = Folder::new();
    let journal = open(&folder);
    for _ in 0..3 {
        journal.record_call(call(Timestamp::now()));
    }
    for step in [inquiry::STUDIO_STEP, inquiry::LINE_TEST_STEP] {
        journal.record_call(CallRecord { path: vec![step.into()], ..call(Timestamp::now()) });
    }
    journal.flush();
    let counted = journal.traffic();
    assert_eq!(counted, Traffic::of([("welcome,main", true); 3]));
    drop(journal);
    let journal = open(&folder);
    journal.flush();
    assert_eq!(journal.traffic(), counted);
    assert_eq!(traffic(&folder.path().join(FILE_NAME), DAY).unwrap(), Some(counted));
}

#[test]
fn earlier_calls_of_a_caller_are_those_of_callers_that_began_before() {
    let folder = Folder::new();
    let journal = open(&folder);
    let began = Timestamp::now();
    let ago = |seconds: u64| began - Duration::from_secs(seconds);
    for step in [inquiry::STUDIO_STEP, inquiry::LINE_TEST_STEP] {
        journal.record_call(CallRecord { path: vec![step.into()], ..call(ago(50)) });
    }
    journal.record_call(call(ago(40)));
    journal.record_call(CallRecord { trunk: "other".into(), ..call(ago(30)) });
    journal.record_call(call(began + Duration::from_secs(20)));
    journal.record_call(call(ago(90_000)));
    journal.flush();
    let earlier = journal.earlier_calls("carrier", u64::MAX, &(ago(3600)..began));
    let at: Vec<_> = earlier.iter().map(|call| call.started.as_second()).collect();
    assert_eq!(at, [ago(40).as_second()]);
    assert_eq!(journal.earlier_calls("carrier", 7, &(ago(3600)..began)), []);
}

#[test]
fn a_mass_deletion_waits_for_a_person_and_ends_when_the_clock_comes_right() {
    let folder = Folder::new();
    let journal = open(&folder);
    for n in 0..200 {
        journal.record_call(call(Timestamp::now() - if n < 6 { 181 * DAY } else { DAY }));
    }
    drop(journal);
    let journal = open(&folder);
    journal.flush();
    assert_eq!(count(&folder, "calls"), 200);
    assert_eq!(journal.metrics().deletion_held.load(Ordering::Relaxed), 1);
    drop(journal);
    let waiting = held(folder.path()).unwrap();
    let waiting: Vec<_> = waiting.iter().map(|held| (&*held.what, held.due, held.total)).collect();
    assert_eq!(waiting, [("records", 6, 200)]);
    opened(&folder).execute("DELETE FROM calls WHERE id = 1", []).unwrap();
    let journal = open(&folder);
    journal.flush();
    assert_eq!((count(&folder, "calls"), held(folder.path()).unwrap().len()), (194, 0));
    assert_eq!(journal.metrics().deletion_held.load(Ordering::Relaxed), 0);
}

#[test]
fn a_confirmed_mass_deletion_is_carried_out() {
    let folder = Folder::new();
    let journal = open(&folder);
    for n in 0..20 {
        journal.record_scan(scan(Timestamp::now() - if n < 10 { 181 * DAY } else { DAY }));
    }
    drop(journal);
    drop(open(&folder));
    assert_eq!((count(&folder, "scans"), confirm_held(folder.path()).unwrap()), (20, 1));
    let journal = open(&folder);
    journal.flush();
    assert_eq!((count(&folder, "scans"), held(folder.path()).unwrap().len()), (10, 0));
    assert_eq!(confirm_held(Folder::new().path()).unwrap(), 0);
}
