//! The journal's file: its tables, and the row of each record.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use inquiry::{CallRecord, HandlingStep, MessageResult, ScanRecord, Stage, TransferResult};

use crate::entry::{AgentNote, Message, SealedRecord, SealedTable};
use crate::error::JournalError;
use crate::recording_rows;
use crate::repeats::Repeated;
use os::clock;

/// Opens the file, and creates its tables if it has none.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    let failed = |error| JournalError::Sqlite { path: path.display().to_string(), error };
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if schema > SCHEMA {
        return Err(JournalError::Newer { path: path.display().to_string(), schema });
    }
    let prepare = || -> rusqlite::Result<()> {
        connection.execute_batch(PRAGMAS)?;
        if schema < SCHEMA {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", SCHEMA)?;
            transaction.commit()?;
        }
        add_columns(&connection)
    };
    prepare().map_err(failed)?;
    Ok(connection)
}

/// Adds the columns that an older file of this schema lacks. In rows without a source, `trunk` holds the address, which no
/// name of a trunk can look like. They may be NULL and stand last, so that an older program
/// goes on writing to the file.
pub(crate) fn add_columns(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(HELD_TABLE)?;
    connection.execute_batch(TRANSFERS_TABLE)?;
    connection.execute_batch(SEALED_TABLES)?;
    connection.execute_batch(NOTES_TABLE)?;
    connection.execute_batch(recording_rows::TABLE)?;
    let columns = [
        ("calls", "peer_packets_lost", "INTEGER"),
        ("calls", "round_trip_us", "INTEGER"),
        ("calls", "source", "TEXT"),
        ("calls", "mos_hundredths", "INTEGER"),
        ("calls", "srtp", "TEXT"),
        ("scans", "repeats", "INTEGER"),
        ("calls", "tag", "TEXT"),
        ("calls", "queue", "TEXT"),
        ("calls", "queue_wait_ms", "INTEGER"),
        ("calls", "queue_outcome", "TEXT"),
        ("calls", "agent", "TEXT"),
        ("calls", "taken_over_by", "TEXT"),
        ("calls", "handling", "TEXT"),
        ("calls", "recordings", "TEXT"),
        ("calls", "sms", "TEXT"),
        ("calls", "transfer", "TEXT"),
        ("calls", "message", "TEXT"),
        ("messages", "done_us", "INTEGER"),
        ("messages", "done_by", "TEXT"),
        ("messages", "trunk", "TEXT"),
        ("messages", "caller", "INTEGER"),
        ("messages", "number", "BLOB"),
    ];
    for (table, column, kind) in columns {
        let known = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
        if connection.query_row(known, [table, column], |_| Ok(())).optional()?.is_none() {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))?;
        }
    }
    Ok(())
}

pub(crate) fn put_call(connection: &Connection, record: &CallRecord) -> rusqlite::Result<()> {
    let path = record.path.iter().take(PATH_MAX).map(|node| &**node).collect::<Vec<_>>().join(",");
    let look_ups = record.look_ups.iter().take(PATH_MAX).map(|result| result.name()).collect::<Vec<_>>().join(",");
    let handling = record.handling.iter().map(HandlingStep::journal_text).collect::<Vec<_>>().join(",");
    let sql = "INSERT INTO calls (at_us, answered_ms, duration_ms, outcome, cause, lang, release, path, keys,
        look_ups, trunk, caller, rating, peer_packets_lost, round_trip_us, source, mos_hundredths, srtp,
        tag, queue, queue_wait_ms, queue_outcome, agent, taken_over_by, handling, recordings, sms,
        transfer, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
        ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)";
    let visit = record.queue.as_ref();
    let values = params![
        record.started.as_microsecond(),
        record.answered_after.map(millis),
        millis(record.duration),
        record.outcome.name(),
        record.cause,
        record.lang.map(|lang| lang.code()),
        &*record.release,
        path,
        record.keys,
        look_ups,
        record.trunk,
        record.caller.map(u64::cast_signed),
        record.rating,
        record.peer_packets_lost,
        record.round_trip.map(micros),
        record.source,
        record.mos_hundredths,
        record.srtp,
        record.tag,
        visit.map(|visit| &*visit.queue),
        visit.map(|visit| millis(visit.waited)),
        visit.map(|visit| visit.outcome.name()),
        visit.and_then(|visit| visit.agent.as_deref()),
        visit.and_then(|visit| visit.taken_over_by.as_deref()),
        Some(handling).filter(|handling| !handling.is_empty()),
        (!record.recordings.is_empty()).then(|| record.recordings.join(",")),
        record.text_message.map(|accepted| if accepted { "accepted" } else { "refused" }),
        record.transfer.map(TransferResult::journal_text),
        messages_of(record),
    ];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// What became of the messages of a call; none: it has none.
fn messages_of(record: &CallRecord) -> Option<String> {
    let results: Vec<&str> = record.messages.iter().map(MessageResult::journal_text).collect();
    (!results.is_empty()).then(|| results.join(","))
}

/// Appends a kiosk's score.
pub(crate) fn put_rating(connection: &Connection, at: Timestamp, kiosk: &str, score: u8) -> rusqlite::Result<()> {
    let sql = "INSERT INTO ratings (at_us, kiosk, score) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![at.as_microsecond(), kiosk, score]).map(drop)
}

pub(crate) fn put_scan(connection: &Connection, record: &ScanRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO scans (at_us, kiosk, door, result, stage, receipt, duration_us)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        record.at.as_microsecond(),
        record.kiosk,
        record.path.journal_name(),
        record.result.journal_name(),
        record.stage.map(Stage::code),
        record.receipt.map(u64::cast_signed),
        micros(record.duration),
    ];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Appends the count of scans that repeat one with a row: the row of a scan, with `repeats`.
pub(crate) fn put_repeated(connection: &Connection, repeated: &Repeated) -> rusqlite::Result<()> {
    let sql = "INSERT INTO scans (at_us, kiosk, door, result, duration_us, repeats) VALUES (?1, ?2, ?3, ?4, 0, ?5)";
    let (at, path, result) = (repeated.at.as_microsecond(), repeated.path, repeated.result);
    let values = params![at, repeated.kiosk, path.journal_name(), result.journal_name(), repeated.count];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Issues a random free number, so that a caller cannot guess another's. Without its message it is kept for a day.
pub(crate) fn issue_ticket(connection: &Connection) -> rusqlite::Result<String> {
    let until = clock::steady().checked_add(TICKET_HELD).unwrap_or(Timestamp::MAX).as_microsecond();
    loop {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|_| rusqlite::Error::InvalidQuery)?;
        let ticket = format!("{:08}", u64::from_ne_bytes(bytes) % 100_000_000);
        let taken = "SELECT 1 FROM messages WHERE ticket = ?1";
        if connection.prepare_cached(taken)?.query_row([&ticket], |_| Ok(())).optional()?.is_none() {
            let sql = "INSERT INTO messages (ticket, keep_until_us) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![ticket, until])?;
            return Ok(ticket);
        }
    }
}

pub(crate) fn put_message(connection: &Connection, at: Timestamp, message: &Message) -> rusqlite::Result<()> {
    let sql = "INSERT INTO messages (ticket, at_us, path, notify, length_ms, keep_until_us, trunk, caller, number)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (ticket) DO UPDATE SET
        at_us = ?2, path = ?3, notify = ?4, length_ms = ?5, keep_until_us = ?6, trunk = ?7, caller = ?8, number = ?9";
    let values = params![
        message.ticket,
        at.as_microsecond(),
        message.path.to_string_lossy(),
        message.notify,
        millis(message.length),
        message.keep_until.as_microsecond(),
        message.trunk,
        message.caller.map(u64::cast_signed),
        message.number,
    ];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Appends a transfer that a known caller asked for.
pub(crate) fn put_transfer(connection: &Connection, at: Timestamp, trunk: &str, caller: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO transfers (at_us, trunk, caller) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![at.as_microsecond(), trunk, caller.cast_signed()]).map(drop)
}

/// Stores a sealed record, or deletes it.
pub(crate) fn put_sealed(
    connection: &Connection,
    table: SealedTable,
    at: Timestamp,
    record: &SealedRecord,
) -> rusqlite::Result<()> {
    let table = table.name();
    match record {
        SealedRecord::Keep(id, record) => {
            let sql = format!(
                "INSERT INTO {table} (id, at_us, record) VALUES (?1, ?2, ?3)
                ON CONFLICT (id) DO UPDATE SET at_us = ?2, record = ?3"
            );
            connection.prepare_cached(&sql)?.execute(params![id, at.as_microsecond(), record]).map(drop)
        }
        SealedRecord::Forget(id) => {
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?.execute([id]).map(drop)
        }
    }
}

/// The sealed records of a table, in the order of their numbers.
pub(crate) fn sealed_records(connection: &Connection, table: SealedTable) -> rusqlite::Result<Vec<Vec<u8>>> {
    let sql = format!("SELECT record FROM {} ORDER BY id LIMIT ?1", table.name());
    connection.prepare(&sql)?.query_map([SEALED_MAX], |row| row.get(0))?.collect()
}

/// Appends what an agent noted.
pub(crate) fn put_note(connection: &Connection, note: &AgentNote) -> rusqlite::Result<()> {
    let sql = "INSERT INTO agent_notes (at_us, call, agent, queue, reason, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let AgentNote { at, call, agent, queue, reason, text } = note;
    connection.prepare_cached(sql)?.execute(params![at.as_microsecond(), call, agent, queue, reason, text]).map(drop)
}

/// Bytes of all recordings of messages, by their length: 8000 samples of 16 bits a second.
pub(crate) fn message_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let stored = "SELECT coalesce(sum(length_ms), 0) FROM messages";
    let stored_ms: i64 = connection.query_row(stored, [], |row| row.get(0))?;
    Ok(stored_ms.unsigned_abs().saturating_mul(MESSAGE_BYTES_PER_MS))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The file's name in the data folder.
pub(crate) const FILE_NAME: &str = "journal.sqlite3";
const TABLES: &str = "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, answered_ms INTEGER, duration_ms INTEGER NOT NULL,
        outcome TEXT NOT NULL, cause TEXT, lang TEXT, release TEXT NOT NULL, path TEXT NOT NULL, keys INTEGER NOT NULL,
        look_ups TEXT NOT NULL, trunk TEXT NOT NULL, caller INTEGER, rating INTEGER
    ) STRICT;
    CREATE INDEX calls_at ON calls (at_us);
    CREATE TABLE scans (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kiosk TEXT NOT NULL, door TEXT NOT NULL, result TEXT NOT NULL,
        stage TEXT, receipt INTEGER, duration_us INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX scans_at ON scans (at_us);
    CREATE TABLE ratings (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kiosk TEXT NOT NULL, score INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX ratings_at ON ratings (at_us);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY, ticket TEXT NOT NULL UNIQUE, at_us INTEGER, path TEXT, notify TEXT, length_ms INTEGER,
        keep_until_us INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX messages_until ON messages (keep_until_us);
    CREATE TRIGGER calls_stay BEFORE UPDATE ON calls BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER scans_stay BEFORE UPDATE ON scans BEGIN SELECT RAISE (ABORT, 'the journal is append-only'); END;";
/// NORMAL: a crash of the program loses nothing that was committed, a power cut at most the last records.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864;";
/// Deletions that wait for a person; created in files of earlier versions too.
const HELD_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS held (
        what TEXT PRIMARY KEY, due INTEGER NOT NULL, total INTEGER NOT NULL, before_us INTEGER NOT NULL,
        since_us INTEGER NOT NULL, confirmed INTEGER NOT NULL DEFAULT 0
    ) STRICT;";
/// Transfers that known callers asked for, for their limit: kept for a day, and created in files of earlier versions too.
const TRANSFERS_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS transfers (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, trunk TEXT NOT NULL, caller INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS transfers_at ON transfers (at_us);";
/// What agents noted of conversations; created in files of earlier versions too.
const NOTES_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS agent_notes (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, call TEXT, agent TEXT NOT NULL, queue TEXT NOT NULL, reason TEXT,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS agent_notes_at ON agent_notes (at_us);
    CREATE INDEX IF NOT EXISTS agent_notes_call ON agent_notes (call);";
/// Of a recording: 8000 samples of 16 bits a second.
pub(crate) const MESSAGE_BYTES_PER_MS: u64 = 16;
const SCHEMA: i64 = 1;
const TICKET_HELD: Duration = Duration::from_secs(24 * 3600);
/// Recorded nodes and look-ups of one call.
const PATH_MAX: usize = 200;
/// Call-back requests, and text messages, sealed: numbers, entries and words are in the record.
const SEALED_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS call_backs (id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, record BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS text_messages (
        id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, record BLOB NOT NULL
    ) STRICT;
";
/// More than may wait, and be over for a day, at once.
const SEALED_MAX: i64 = 150_000;
