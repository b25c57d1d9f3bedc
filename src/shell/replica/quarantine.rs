//! Rows that could not be used: kept sealed, told of, tried again, bounded.
//!
//! ```text
//!  Bad ─► quarantine ─┬─ the upstream sends the case again, and it can be used ─► gone
//!                     ├─ another program or other settings: each line is tried ─► gone, or kept with its reason
//!                     └─ an operator: retry, drop
//! ```
//!
//! Nothing is said of a case that is here: what the copy holds of it is older than its age says.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use base::Private;
use inquiry::Keys;
use replica::BadRow;

use super::seal;

/// A row in quarantine, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kept {
    pub id: String,
    pub source: String,
    pub why: String,
    pub since: Timestamp,
    /// How often it was tried again.
    pub tries: u64,
    /// Whether it can be tried again here; else its source has to bring it.
    pub held_here: bool,
}

/// Keeps a row aside. One that is there already keeps its age.
pub(super) fn put(
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

/// Lets go of what is kept of a case, because the upstream brought it anew.
pub(super) fn leave(connection: &Connection, key: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM quarantine WHERE key = ?1")?.execute([key])
}

/// Lets go of one row, or of all.
pub(super) fn remove(connection: &Connection, id: Option<&str>) -> rusqlite::Result<usize> {
    match id {
        Some(id) => connection.execute("DELETE FROM quarantine WHERE id = ?1", [id]),
        None => connection.execute("DELETE FROM quarantine", []),
    }
}

/// The oldest rows.
pub(super) fn list(connection: &Connection, max: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = "SELECT id, source, why, since_us, tries, sealed IS NOT NULL FROM quarantine
               ORDER BY since_us, id LIMIT ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Kept {
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

/// The ids of the rows to be tried: one, or all.
pub(super) fn ids(connection: &Connection, id: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT id FROM quarantine WHERE ?1 IS NULL OR id = ?1 ORDER BY since_us, id";
    connection.prepare_cached(sql)?.query_map([id], |row| row.get(0))?.collect()
}

/// The line of a row, if it is kept here and can be opened.
pub(super) fn line(
    connection: &Connection,
    keys: &Keys,
    id: &str,
) -> rusqlite::Result<Option<(String, Private<String>)>> {
    let sql = "SELECT source, sealed FROM quarantine WHERE id = ?1 AND sealed IS NOT NULL";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = connection.prepare_cached(sql)?.query_row([id], read).optional()?;
    Ok(found.and_then(|(source, sealed)| Some((source, seal::open(keys, &sealed)?))))
}

/// The cases of which nothing is said.
pub(super) fn unsure(connection: &Connection) -> rusqlite::Result<HashSet<i64>> {
    let mut select = connection.prepare_cached("SELECT key FROM quarantine WHERE key IS NOT NULL")?;
    select.query_map([], |row| row.get(0))?.collect()
}

/// Counts a bad row for which there is no room.
pub(super) fn lose(connection: &Connection, rows: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE state SET lost = lost + ?1")?.execute([rows.cast_signed()]).map(drop)
}

/// Rows kept; an upstream that sends more bad rows than that must be mended, not listed.
pub(super) const ROWS_MAX: u64 = 10_000;
