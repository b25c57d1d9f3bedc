//! What commands read of a journal, and its description in `config/examples/journal.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::*;
use inquiry::{CallOutcome, CallRecord, LookUpResult, MessageResult, QueueOutcome, QueueVisit, TransferResult};
use support::folder::Folder;

fn open(folder: &Folder) -> Arc<Journal> {
    Journal::open(folder.path(), &config::Journal { keep: Duration::from_secs(86_400), bytes_max: 1 << 40 })
        .expect("a writable folder")
}

fn opened(folder: &Folder) -> Connection {
    Connection::open(folder.path().join(FILE_NAME)).expect("it is there")
}

fn call(outcome: CallOutcome, cause: Option<&'static str>, trunk: &str) -> CallRecord {
    CallRecord {
        tag: Some("0a1b2c3d4e5f".into()),
        started: Timestamp::now(),
        answered_after: Some(Duration::from_millis(200)),
        duration: Duration::from_secs(10),
        outcome,
        cause,
        lang: None,
        release: "abc".into(),
        path: vec!["welcome".into(), "main".into()],
        keys: 2,
        look_ups: vec![LookUpResult::NotFound],
        trunk: trunk.into(),
        source: "192.0.2.1".into(),
        caller: Some(7),
        rating: None,
        peer_packets_lost: None,
        round_trip: Some(Duration::from_micros(1500)),
        mos_hundredths: Some(350),
        queue: None,
        handling: Vec::new(),
        recordings: Vec::new(),
        text_message: None,
        transfer: Some(TransferResult::Refused(486)),
        messages: vec![MessageResult::Kept("12345678".into()), MessageResult::Empty],
        srtp: None,
    }
}

fn all() -> CallFilter {
    CallFilter { since: Timestamp::UNIX_EPOCH, failed: false, trunk: None, called_back: None }
}

#[test]
fn calls_are_counted_by_outcome_cause_and_last_node() {
    let folder = Folder::new();
    assert_eq!(call_statistics(folder.path(), &all()), Ok(None));
    let journal = open(&folder);
    journal.record_call(call(CallOutcome::HungUp, None, "carrier"));
    journal.record_call(call(CallOutcome::Failed, Some("media lost"), "carrier"));
    journal.record_call(call(CallOutcome::Failed, Some("media lost"), "other"));
    for step in [inquiry::STUDIO_STEP, inquiry::LINE_TEST_STEP] {
        journal.record_call(CallRecord { path: vec![step.into()], ..call(CallOutcome::HungUp, None, "carrier") });
    }
    journal.flush();
    let count = |filter: &CallFilter| call_statistics(folder.path(), filter).expect("readable").expect("a journal");
    let counted = count(&all());
    assert_eq!((counted.calls, counted.outcomes["hung_up"], counted.outcomes["failed"]), (3, 1, 2));
    assert_eq!((counted.causes["media lost"], counted.left_at["main"], counted.look_ups["not_found"]), (2, 1, 3));
    assert_eq!((counted.duration_ms.value(), counted.mos_poor), (Some(10_000.0), 3));
    let failed = count(&CallFilter { failed: true, trunk: Some("other".into()), ..all() });
    assert_eq!((failed.calls, failed.trunks.len(), failed.left_at.len()), (1, 1, 0));
    assert_eq!(count(&CallFilter { since: Timestamp::MAX, ..all() }).calls, 0);
}

#[test]
fn a_person_who_was_not_reached_by_a_call_back_is_no_caller_who_was_not_served() {
    let folder = Folder::new();
    let journal = open(&folder);
    for (cause, source) in
        [("busy", CALL_BACK), ("no answer", CALL_BACK), ("line failed", CALL_BACK), ("busy", "192.0.2.1")]
    {
        let called = call(CallOutcome::Abandoned, Some(cause), "carrier");
        journal.record_call(CallRecord { source: source.into(), path: vec![], ..called });
    }
    journal.flush();
    let failed = CallFilter { failed: true, ..all() };
    let counted = call_statistics(folder.path(), &failed).expect("readable").expect("a journal");
    assert_eq!((counted.calls, counted.causes["line failed"], counted.causes["busy"]), (2, 1, 1));
    let every = call_statistics(folder.path(), &all()).expect("readable").expect("a journal");
    assert_eq!((every.calls, every.outcomes["not_reached"], every.outcomes["abandoned"]), (4, 2, 2));
    let lines = call_list(folder.path(), &failed, 10).expect("readable").expect("a journal");
    assert_eq!(lines.iter().map(|line| &*line.cause).collect::<Vec<_>>(), ["line failed", "busy"]);
    let past = past_call(folder.path(), CallName::Id(1)).expect("readable").expect("it");
    assert!(past.is_call_back && past.cause.as_deref() == Some("busy"));
}

#[test]
fn callers_who_give_up_in_a_queue_were_not_served() {
    let (folder, wait) = (Folder::new(), Duration::from_secs(19));
    let journal = open(&folder);
    for outcome in [QueueOutcome::Abandoned, QueueOutcome::Answered] {
        let visit = QueueVisit { queue: "desk".into(), waited: wait, outcome, agent: None, taken_over_by: None };
        journal.record_call(CallRecord { queue: Some(visit), ..call(CallOutcome::HungUp, None, "carrier") });
    }
    journal.flush();
    let failed = CallFilter { failed: true, ..all() };
    let counted = call_statistics(folder.path(), &failed).expect("readable").expect("a journal");
    assert_eq!((counted.calls, counted.causes["queue_abandoned"]), (1, 1));
}

#[test]
fn callers_who_got_no_person_and_left_no_message_were_not_served() {
    let folder = Folder::new();
    let journal = open(&folder);
    let kept = || MessageResult::Kept("12345678".into());
    let (busy, done) = (TransferResult::Refused(486), TransferResult::Done);
    let visit = |outcome| QueueVisit {
        queue: "desk".into(),
        waited: Duration::ZERO,
        outcome,
        agent: None,
        taken_over_by: None,
    };
    for (transfer, messages, queue) in [
        (busy, vec![], None),
        (busy, vec![MessageResult::Empty, MessageResult::Refused], None),
        (busy, vec![MessageResult::Empty, kept()], None),
        (busy, vec![MessageResult::Sent], None),
        (busy, vec![], Some(visit(QueueOutcome::Answered))),
        (busy, vec![], Some(visit(QueueOutcome::Full))),
        (done, vec![], None),
    ] {
        let record = call(CallOutcome::HungUp, None, "carrier");
        journal.record_call(CallRecord { transfer: Some(transfer), messages, queue, ..record });
    }
    journal.flush();
    let failed = CallFilter { failed: true, ..all() };
    let counted = call_statistics(folder.path(), &failed).expect("readable").expect("a journal");
    assert_eq!((counted.calls, counted.causes["transfer_failed"]), (3, 3));
    let lines = call_list(folder.path(), &failed, 10).expect("readable").expect("a journal");
    assert_eq!(
        lines.iter().map(|line| (line.id, &*line.cause)).collect::<Vec<_>>(),
        [(1, "transfer_failed"), (2, "transfer_failed"), (6, "transfer_failed")]
    );
    let counted = call_statistics(folder.path(), &all()).expect("readable").expect("a journal");
    assert_eq!((counted.transfers["486"], counted.transfers["done"]), (6, 1));
}

#[test]
fn a_call_is_found_by_its_tag_also_in_a_file_of_an_older_program() {
    let folder = Folder::new();
    let journal = open(&folder);
    journal.record_call(call(CallOutcome::HungUp, None, "carrier"));
    journal.flush();
    let found = past_call(folder.path(), CallName::Tag("0a1b2c3d4e5f")).expect("readable").expect("a call");
    assert_eq!((found.id, found.path.as_str(), found.mos_hundredths), (1, "welcome,main", Some(350)));
    assert_eq!((found.transfer.as_deref(), found.message.as_deref()), (Some("486"), Some("12345678,empty")));
    assert_eq!(past_call(folder.path(), CallName::Tag("ffffffffffff")), Ok(None));
    drop(journal);
    opened(&folder)
        .execute_batch("ALTER TABLE calls DROP COLUMN tag; ALTER TABLE calls DROP COLUMN mos_hundredths")
        .expect("columns");
    assert_eq!(past_call(folder.path(), CallName::Tag("0a1b2c3d4e5f")), Ok(None));
    let found = past_call(folder.path(), CallName::Id(1)).expect("readable").expect("a call");
    assert_eq!((found.tag, found.mos_hundredths, found.round_trip), (None, None, Some(Duration::from_micros(1500))));
    assert_eq!(call_statistics(folder.path(), &all()).expect("readable").expect("a journal").mos_hundredths.count, 0);
}

#[test]
fn a_message_waits_until_it_is_done_also_in_a_file_of_an_older_program() {
    let folder = Folder::new();
    let row = "INSERT INTO messages (ticket, at_us, path, notify, length_ms, keep_until_us) VALUES ";
    drop(open(&folder));
    opened(&folder)
        .execute_batch(&format!(
            "ALTER TABLE messages DROP COLUMN done_us; ALTER TABLE messages DROP COLUMN done_by;
            {row} ('1', 5000000, 'messages/1.wav', 'complaints', 9000, 9000000);
            {row} ('2', 6000000, '../secret.key', 'complaints', 9000, 9000000);
            INSERT INTO messages (ticket, keep_until_us) VALUES ('3', 9000000)"
        ))
        .expect("rows");
    let waiting = || waiting_messages(folder.path()).expect("readable");
    let at = |second| Timestamp::from_second(second).expect("a time");
    assert_eq!(waiting(), WaitingMessages { count: 2, oldest: Some(at(5)) });
    assert_eq!(waiting().oldest_for(at(9)), Some(Duration::from_secs(4)));
    assert_eq!(mark_done(folder.path(), "1", at(7), "wang"), Ok(true));
    assert_eq!(mark_done(folder.path(), "1", at(8), "li"), Ok(false));
    assert_eq!(mark_done(folder.path(), "3", at(8), "li"), Ok(false), "a ticket without a message");
    assert_eq!(waiting(), WaitingMessages { count: 1, oldest: Some(at(6)) });
    let messages = stored_messages(folder.path()).expect("readable");
    assert_eq!(messages[0].done, Some((at(7), "wang".into())));
    assert_eq!(messages[0].recording, Some(folder.path().join("messages/1.wav")));
    assert_eq!((messages.len(), &messages[1].recording), (2, &None), "nothing outside the folder is read");
}

/// `table.column type` for every row of the guide's tables: a heading of the table's name, then `| column | type | …`.
fn described() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../config/examples/journal.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let mut table = "";
    let mut columns = BTreeSet::new();
    for line in guide.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = heading.trim_matches('`');
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            columns.insert(format!("{table}.{} {}", cells.next().expect("a column"), cells.next().expect("a type")));
        }
    }
    columns
}

#[test]
fn the_guide_describes_every_column_and_no_other() {
    let folder = Folder::new();
    drop(open(&folder));
    let connection = opened(&folder);
    let sql = "SELECT t.name || '.' || c.name || ' ' || c.type FROM sqlite_schema AS t
        JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'";
    let mut select = connection.prepare(sql).expect("a query");
    let real: BTreeSet<String> =
        select.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("a text")).collect();
    assert!(real.len() > 30);
    assert_eq!(described(), real);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../config/examples/journal.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    assert!(guide.contains(&format!("`PRAGMA user_version` is {version}")));
}
