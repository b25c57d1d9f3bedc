//! The rows of the file: one case each, under the keyed hash of its receipt number.

use std::ops::RangeInclusive;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use inquiry::RowKey;
use replica::{Row, RowError};

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("the rows are out of order: the file is damaged; run jindu replica rebuild")]
    Order,
}

/// The effect of writing one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    New,
    Changed,
    /// The stored row is as new or newer.
    Unchanged,
    /// Another receipt has the same key; its probability is 10^-11 at twenty million cases.
    Collision,
}

/// Reads one row. A missing row counts as missing only when its neighbours are in order: a damaged inner page of the tree
/// would otherwise hide rows without an error.
pub(crate) fn row(connection: &Connection, key: i64) -> Result<Option<Row>, ReadError> {
    if let Some(row) = one(connection, "SELECT key, row FROM cases WHERE key = ?1", key, key..=key)? {
        return Ok(Some(row));
    }
    let next = "SELECT key, row FROM cases WHERE key >= ?1 ORDER BY key LIMIT 1";
    let before = "SELECT key, row FROM cases WHERE key <= ?1 ORDER BY key DESC LIMIT 1";
    match one(connection, next, key, key..=i64::MAX)? {
        Some(row) => Ok(Some(row)),
        None => one(connection, before, key, 0..=key),
    }
}

/// Reads the row that a statement finds. A key outside `allowed` is damage.
fn one(connection: &Connection, sql: &str, key: i64, allowed: RangeInclusive<i64>) -> Result<Option<Row>, ReadError> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([key])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let stored: i64 = found.get(0)?;
    if !allowed.contains(&stored) {
        return Err(ReadError::Order);
    }
    let bytes = found.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    if stored == key { Ok(Some(Row::decode(key, bytes)?)) } else { Ok(None) }
}

/// The prepared statements of one batch.
pub(crate) struct RowWriter<'a> {
    select: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> RowWriter<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<RowWriter<'a>> {
        Ok(RowWriter {
            select: connection.prepare_cached("SELECT version, row FROM cases WHERE key = ?1")?,
            insert: connection.prepare_cached("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?,
            update: connection.prepare_cached("UPDATE cases SET version = ?2, row = ?3 WHERE key = ?1")?,
            delete: connection.prepare_cached("DELETE FROM cases WHERE key = ?1")?,
        })
    }

    /// Writes a row, unless the stored one is as new or newer. A damaged stored row is always overwritten.
    pub(crate) fn put(&mut self, row: &Row) -> rusqlite::Result<Written> {
        let version = row.case.version.cast_signed();
        self.write(row, |newest, before| version <= newest && Row::is_sound(row.at.key, before).is_ok())
    }

    /// Writes a row regardless of versions.
    pub(crate) fn replace(&mut self, row: &Row) -> rusqlite::Result<Written> {
        let bytes = row.encode();
        self.write(row, |_, before| before == bytes)
    }

    /// Deletes a row; `false` when this receipt has none.
    pub(crate) fn delete(&mut self, at: RowKey) -> rusqlite::Result<bool> {
        let check = self
            .select
            .query_row([at.key], |found| Ok(Row::check_of(at.key, found.get_ref(1)?.as_blob()?)))
            .optional()?;
        match check {
            None => Ok(false),
            Some(Some(check)) if check != at.check => Ok(false),
            Some(_) => self.delete.execute([at.key]).map(|deleted| deleted > 0),
        }
    }

    fn write(&mut self, row: &Row, keeps: impl Fn(i64, &[u8]) -> bool) -> rusqlite::Result<Written> {
        let (key, version) = (row.at.key, row.case.version.cast_signed());
        let judge = |found: &rusqlite::Row<'_>| {
            let (newest, before) = (found.get(0)?, found.get_ref(1)?.as_blob()?);
            Ok(match Row::check_of(key, before) {
                Some(check) if check != row.at.check => Written::Collision,
                Some(_) | None if keeps(newest, before) => Written::Unchanged,
                Some(_) | None => Written::Changed,
            })
        };
        let put = self.select.query_row([key], judge).optional()?.unwrap_or(Written::New);
        let write = match put {
            Written::New => &mut self.insert,
            Written::Changed => &mut self.update,
            Written::Unchanged | Written::Collision => return Ok(put),
        };
        write.execute(params![key, version, row.encode()])?;
        Ok(put)
    }
}
