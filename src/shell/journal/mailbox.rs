//! Messages that callers left, for those who listen to them: which there are, which wait, and which are done.
//!
//! A message is new until a person marks it as done; both stay until their day (`keep` in the flow).

use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::reading::{column, failed, open, open_to_write};

/// A message with its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The number that the caller heard.
    pub ticket: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// The mailbox, by its name in the flow.
    pub notify: String,
    /// How long it plays.
    pub length: Duration,
    /// The recording; none where the row names no file of the data folder.
    pub recording: Option<PathBuf>,
    /// When it is deleted.
    pub keep_until: Timestamp,
    /// The calling number, sealed; absent without the caller's consent.
    pub number: Option<Vec<u8>>,
    /// When and by whom it was marked as done; none: it is new.
    pub done: Option<(Timestamp, String)>,
}

/// Messages that are not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingMessages {
    /// How many.
    pub count: u64,
    /// When the oldest was recorded.
    pub oldest: Option<Timestamp>,
}

/// Every message, oldest first; empty where there is no journal.
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn stored_messages(folder: &Path) -> Result<Vec<StoredMessage>, String> {
    let read = || open(folder)?.map_or_else(|| Ok(Vec::new()), |connection| list(&connection, folder));
    read().map_err(|error| failed(folder, &error))
}

fn list(connection: &Connection, folder: &Path) -> rusqlite::Result<Vec<StoredMessage>> {
    let (done, by) = (column(connection, "messages", "done_us")?, column(connection, "messages", "done_by")?);
    let number = column(connection, "messages", "number")?;
    // A ticket without a message has neither time nor recording.
    let sql = format!(
        "SELECT ticket, at_us, path, notify, length_ms, keep_until_us, {done}, {by}, {number} FROM messages
        WHERE at_us IS NOT NULL AND path IS NOT NULL ORDER BY at_us"
    );
    let mut select = connection.prepare(&sql)?;
    let rows = select.query_map([], |row| message(row, folder))?;
    rows.collect()
}

fn message(row: &Row<'_>, folder: &Path) -> rusqlite::Result<StoredMessage> {
    let time = |at: i64| Timestamp::from_microsecond(at).unwrap_or_default();
    let path = PathBuf::from(row.get::<_, String>(2)?);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let done: Option<i64> = row.get(6)?;
    let by: Option<String> = row.get(7)?;
    Ok(StoredMessage {
        ticket: row.get(0)?,
        at: time(row.get(1)?),
        recording: is_inside.then(|| folder.join(path)),
        notify: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        length: Duration::from_millis(row.get::<_, Option<i64>>(4)?.unwrap_or(0).max(0).unsigned_abs()),
        keep_until: time(row.get(5)?),
        number: row.get(8)?,
        done: done.map(|at| (time(at), by.unwrap_or_default())),
    })
}

/// Marks a message as done; `false` if there is no new message with this ticket.
///
/// # Errors
/// The journal's path, and why it cannot be written.
pub fn mark_done(folder: &Path, ticket: &str, at: Timestamp, who: &str) -> Result<bool, String> {
    let write = || -> rusqlite::Result<bool> {
        let Some(connection) = open_to_write(folder)? else { return Ok(false) };
        crate::file::add_columns(&connection)?;
        let sql = "UPDATE messages SET done_us = ?2, done_by = ?3
            WHERE ticket = ?1 AND at_us IS NOT NULL AND done_us IS NULL";
        Ok(connection.execute(sql, params![ticket, at.as_microsecond(), who])? > 0)
    };
    write().map_err(|error| failed(folder, &error))
}

/// The messages that are not done.
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn waiting_messages(folder: &Path) -> Result<WaitingMessages, String> {
    let read = || -> rusqlite::Result<WaitingMessages> {
        let Some(connection) = open(folder)? else { return Ok(WaitingMessages::default()) };
        let done = column(&connection, "messages", "done_us")?;
        let sql = format!("SELECT count(*), min(at_us) FROM messages WHERE at_us IS NOT NULL AND {done} IS NULL");
        connection.query_row(&sql, [], |row| {
            let oldest: Option<i64> = row.get(1)?;
            let count: i64 = row.get(0)?;
            Ok(WaitingMessages {
                count: count.max(0).unsigned_abs(),
                oldest: oldest.and_then(|at| Timestamp::from_microsecond(at).ok()),
            })
        })
    };
    read().map_err(|error| failed(folder, &error))
}

/// The waiting messages of a serving node, read at most once in two seconds however often they are asked for.
pub struct MessagesWatch {
    folder: PathBuf,
    seen: Mutex<Option<(Instant, WaitingMessages)>>,
}

impl MessagesWatch {
    /// Those of a data folder.
    pub fn new(folder: &Path) -> MessagesWatch {
        MessagesWatch { folder: folder.to_owned(), seen: Mutex::new(None) }
    }

    /// The messages that are not done; what was last known if the journal cannot be read.
    pub fn waiting(&self) -> WaitingMessages {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *seen {
            Some((at, waiting)) if now.saturating_duration_since(at) < READ_EVERY => waiting,
            before => {
                let known = before.map(|(_, waiting)| waiting).unwrap_or_default();
                let waiting = waiting_messages(&self.folder).unwrap_or(known);
                *seen = Some((now, waiting));
                waiting
            }
        }
    }
}

impl WaitingMessages {
    /// How long the oldest has waited.
    pub fn oldest_for(&self, now: Timestamp) -> Option<Duration> {
        self.oldest.map(|at| Duration::try_from(now.duration_since(at)).unwrap_or_default())
    }
}

const READ_EVERY: Duration = Duration::from_secs(2);
