//! The hold on a deletion of so many records or messages at once that a person has to confirm it.
//!
//! ```text
//!  more than 1 % of a kind is due, and more than 5 ─► held: nothing of the kind is deleted
//!                                                      ├─ jindu journal held apply ─► what was due then is deleted
//!                                                      └─ it is due no more (the clock came right) ─► the hold ends
//! ```
//!
//! Deletion takes a few records every half a minute. Many at once are a wrong clock, a shortened `journal.keep_days` or
//! `journal.bytes_max`, a flood, or a node that was off for days. A journal that is too large waits with its deletion only
//! while the disk has room.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::JournalError;
use crate::file::FILE_NAME;

/// A deletion that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HeldDeletion {
    /// `records` (calls, scans, ratings), `messages` or `recordings` (of conversations), by age; `size.calls`, `size.scans` or `size.ratings`: the oldest
    /// records of this table of a journal that is too large.
    pub what: String,
    /// How many would be deleted.
    pub due: u64,
    /// How many there are.
    pub total: u64,
    /// Those from before this time are meant; of messages and recordings, those that were to be kept until then.
    pub before: Timestamp,
    /// Since when it is held.
    pub since: Timestamp,
    /// Whether it was confirmed; it is then carried out within seconds.
    pub confirmed: bool,
}

impl std::fmt::Display for HeldDeletion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HeldDeletion { what, due, total, before, since, confirmed } = self;
        let state = if *confirmed { "confirmed" } else { "waiting for jindu journal held apply" };
        write!(f, "{what}: {due} of {total} are due, from before {before:.0}; held since {since:.0}; {state}")
    }
}

/// The deletions that a data folder's journal holds.
///
/// # Errors
/// The journal cannot be read. No journal holds nothing.
pub fn held(folder: &Path) -> Result<Vec<HeldDeletion>, JournalError> {
    on_file(folder, |connection| {
        let mut select = connection.prepare("SELECT what FROM held ORDER BY what")?;
        let kinds: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        kinds.iter().filter_map(|what| get(connection, what).transpose()).collect()
    })
    .map(Option::unwrap_or_default)
}

/// Confirms what is held; how many deletions that are.
///
/// # Errors
/// The journal cannot be written.
pub fn confirm_held(folder: &Path) -> Result<usize, JournalError> {
    let confirmed = on_file(folder, |connection| connection.execute("UPDATE held SET confirmed = 1", []))?;
    Ok(confirmed.unwrap_or(0))
}

fn on_file<T>(folder: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>, JournalError> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let connection = crate::file::open(&path)?;
    work(&connection).map(Some).map_err(|error| JournalError::Sqlite { path: path.display().to_string(), error })
}

/// What may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Everything that is due.
    All,
    /// What a person has confirmed: from before this time, in microseconds.
    Confirmed(i64),
    /// Nothing: it waits for a person.
    None,
}

/// Decides on the deletion of a kind, and stores a hold or ends it. `tables` are the due and all rows of each table.
pub(crate) fn judge(
    connection: &Connection,
    what: &'static str,
    before_us: i64,
    now: Timestamp,
    tables: &[(u64, u64)],
) -> rusqlite::Result<Leave> {
    let held = get(connection, what)?;
    if let Some(held) = held.as_ref().filter(|held| held.confirmed) {
        return Ok(Leave::Confirmed(held.before.as_microsecond()));
    }
    if !tables.iter().any(|(due, total)| is_mass(*due, *total)) {
        if held.is_some() {
            clear(connection, what)?;
        }
        return Ok(Leave::All);
    }
    let sum = |of: fn(&(u64, u64)) -> u64| tables.iter().map(of).sum::<u64>().cast_signed();
    let (due, total) = (sum(|table| table.0), sum(|table| table.1));
    if held.is_none() {
        tracing::error!(what, due, total, "deletion_held: confirm it with jindu journal held apply");
    }
    let sql = "INSERT INTO held (what, due, total, before_us, since_us) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (what) DO UPDATE SET due = ?2, total = ?3, before_us = ?4 WHERE confirmed = 0";
    connection.prepare_cached(sql)?.execute(params![what, due, total, before_us, now.as_microsecond()])?;
    Ok(Leave::None)
}

/// Ends a hold.
pub(crate) fn clear(connection: &Connection, what: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM held WHERE what = ?1")?.execute([what]).map(drop)
}

/// Ends the holds by size, except one of this name.
pub(crate) fn clear_sizes(connection: &Connection, except: Option<&str>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM held WHERE what LIKE 'size%' AND what IS NOT ?1";
    connection.prepare_cached(sql)?.execute([except]).map(drop)
}

/// Whether a person has confirmed a deletion.
pub(crate) fn is_confirmed(connection: &Connection, what: &str) -> rusqlite::Result<bool> {
    Ok(get(connection, what)?.is_some_and(|held| held.confirmed))
}

fn get(connection: &Connection, what: &str) -> rusqlite::Result<Option<HeldDeletion>> {
    let sql = "SELECT due, total, before_us, since_us, confirmed FROM held WHERE what = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        // The largest time in microseconds is a moment too late for the type.
        let time = |place| row.get(place).map(|us| Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX));
        Ok(HeldDeletion {
            what: what.to_owned(),
            due: row.get::<_, i64>(0)?.cast_unsigned(),
            total: row.get::<_, i64>(1)?.cast_unsigned(),
            before: time(2)?,
            since: time(3)?,
            confirmed: row.get(4)?,
        })
    };
    connection.prepare_cached(sql)?.query_row([what], read).optional()
}

fn is_mass(due: u64, total: u64) -> bool {
    due > DUE_MIN && due.saturating_mul(100) > total
}

/// Never held, even in a small journal.
const DUE_MIN: u64 = 5;
/// How soon a confirmation is seen.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
