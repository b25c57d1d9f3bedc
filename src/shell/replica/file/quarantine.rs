//! The quarantine of rows that could not be applied: encrypted, listed, retried, limited in number.
//!
//! ```text
//!  Bad ─► quarantine ─┬─ the upstream sends a usable row of the case ─► removed
//!                     ├─ a new program version or new settings: each row is retried ─► removed, or kept with its reason
//!                     └─ an operator: retry, drop
//! ```
//!
//! A case in quarantine is not served: the row that the replica holds is older than the replica's age says.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use base::Private;
use inquiry::Keys;
use replica::BadRow;

use crate::file::seal;

/// A row in quarantine, as `jindu replica quarantine list` shows it. Its content is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuarantinedRow {
    /// `<batch>:<line>`, or the upstream's own name of the row.
    pub id: String,
    /// The source of the batch.
    pub source: String,
    /// Why the row could not be applied.
    pub why: String,
    /// When it was quarantined first.
    pub since: Timestamp,
    /// Retries that failed.
    pub tries: u64,
    /// Whether the row is stored here and can be retried; otherwise its source has to send it again.
    pub held_here: bool,
}

/// Quarantines a row. A row that is quarantined already keeps its `since`.
pub(crate) fn put(
    connection: &Connection,
    keys: &Keys,
    source: &str,
    now: Timestamp,
    bad: &BadRow,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO quarantine (id, source, key, why, since_us, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (id) DO UPDATE SET source = ?2, key = ?3, why = ?4, sealed = ?6, tries = tries + 1";
    let key = bad.receipt.as_ref().map(|receipt| keys.row(receipt.expose()).key);
    let sealed = bad.line.as_ref().and_then(|line| seal::seal(keys, line.expose()));
    let values = params![bad.id, source, key, bad.why, now.as_microsecond(), sealed];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Removes the rows of a case, since the upstream has sent a usable one.
pub(crate) fn remove_case(connection: &Connection, key: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM quarantine WHERE key = ?1")?.execute([key])
}

/// Removes one row, or all.
pub(crate) fn remove(connection: &Connection, id: Option<&str>) -> rusqlite::Result<usize> {
    match id {
        Some(id) => connection.execute("DELETE FROM quarantine WHERE id = ?1", [id]),
        None => connection.execute("DELETE FROM quarantine", []),
    }
}

/// The oldest `max` rows.
pub(crate) fn list(connection: &Connection, max: usize) -> rusqlite::Result<Vec<QuarantinedRow>> {
    let sql = "SELECT id, source, why, since_us, tries, sealed IS NOT NULL FROM quarantine
               ORDER BY since_us, id LIMIT ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(QuarantinedRow {
            id: row.get(0)?,
            source: row.get(1)?,
            why: row.get(2)?,
            since: Timestamp::from_microsecond(row.get(3)?).unwrap_or_default(),
            tries: row.get::<_, i64>(4)?.cast_unsigned(),
            held_here: row.get(5)?,
        })
    };
    let mut select = connection.prepare_cached(sql)?;
    select.query_map([i64::try_from(max).unwrap_or(i64::MAX)], read)?.collect()
}

/// The ids of the rows to retry: one, or all, oldest first.
pub(crate) fn ids(connection: &Connection, id: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT id FROM quarantine WHERE ?1 IS NULL OR id = ?1 ORDER BY since_us, id";
    connection.prepare_cached(sql)?.query_map([id], |row| row.get(0))?.collect()
}

/// The source and the line of a row, if it is stored here and can be decrypted.
pub(crate) fn line(
    connection: &Connection,
    keys: &Keys,
    id: &str,
) -> rusqlite::Result<Option<(String, Private<String>)>> {
    let sql = "SELECT source, sealed FROM quarantine WHERE id = ?1 AND sealed IS NOT NULL";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = connection.prepare_cached(sql)?.query_row([id], read).optional()?;
    Ok(found.and_then(|(source, sealed)| Some((source, seal::open(keys, &sealed)?))))
}

/// The keys of the cases that are not served.
pub(crate) fn withheld(connection: &Connection) -> rusqlite::Result<HashSet<i64>> {
    let mut select = connection.prepare_cached("SELECT key FROM quarantine WHERE key IS NOT NULL")?;
    select.query_map([], |row| row.get(0))?.collect()
}

/// Counts bad rows for which the quarantine has no room.
pub(crate) fn lose(connection: &Connection, rows: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE state SET lost = lost + ?1")?.execute([rows.cast_signed()]).map(drop)
}

/// The limit of stored rows. An upstream that sends more bad rows has to be repaired as a whole.
pub(crate) const ROWS_MAX: u64 = 10_000;
