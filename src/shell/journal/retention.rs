//! Deletes expired records and messages, a bounded number of rows at a time, and never unusually many at once ([`held`]).

use std::io::ErrorKind;
use std::path::{Component, Path};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::held::{self, Leave};

/// What a deletion left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// There may be more that is due.
    More,
    /// Nothing that is due.
    Nothing,
    /// It waits for a person.
    Held,
}

/// Deletes calls, scans and ratings from before `before_us`.
pub(crate) fn rows(connection: &Connection, before_us: i64, now: Timestamp) -> rusqlite::Result<Left> {
    let counts = TABLES.map(|table| counts(connection, table, before_us));
    let counts = counts.into_iter().collect::<rusqlite::Result<Vec<_>>>()?;
    let (before_us, confirmed) = match held::judge(connection, RECORDS, before_us, now, &counts)? {
        Leave::None => return Ok(Left::Held),
        Leave::All => (before_us, false),
        Leave::Confirmed(before_us) => (before_us, true),
    };
    let mut more = false;
    for table in TABLES {
        // `at_us` is indexed.
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at_us < ?1 ORDER BY at_us LIMIT ?2)"
        );
        more |= connection.execute(&sql, params![before_us, ROWS])? as i64 == ROWS;
    }
    ended(connection, RECORDS, more, confirmed)
}

/// Deletes the oldest records of the largest table while the file is too large; whether there may be more. The freed pages
/// are used again, so that the file stays as large as it is.
pub(crate) fn over(connection: &Connection, bytes_max: u64) -> rusqlite::Result<bool> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    if used.unsigned_abs() <= bytes_max {
        return Ok(false);
    }
    let mut largest = None;
    for (table, row_bytes) in [("calls", 400), ("scans", 100), ("ratings", 60)] {
        let span = format!("SELECT coalesce(max(id) - min(id) + 1, 0) FROM {table}");
        let bytes = connection.query_row(&span, [], |row| row.get::<_, i64>(0))?.saturating_mul(row_bytes);
        largest = largest.max(Some((bytes, table)));
    }
    let Some((bytes, table)) = largest.filter(|(bytes, _)| *bytes > 0) else { return Ok(false) };
    tracing::warn!(table, bytes, "the journal is larger than journal.bytes_max: its oldest records are deleted");
    let oldest = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?1)");
    Ok(connection.execute(&oldest, [ROWS])? > 0)
}

/// How many rows of a table are due, and about how many it has: their numbers are consecutive.
fn counts(connection: &Connection, table: &str, before_us: i64) -> rusqlite::Result<(u64, u64)> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM {table} WHERE at_us < ?1),
            (SELECT coalesce(max(id) - min(id) + 1, 0) FROM {table})"
    );
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
    connection.prepare_cached(&sql)?.query_row([before_us], read)
}

fn ended(connection: &Connection, what: &str, more: bool, confirmed: bool) -> rusqlite::Result<Left> {
    if more {
        return Ok(Left::More);
    }
    if confirmed {
        held::clear(connection, what)?;
        // What has become due since is judged on its own.
        return Ok(Left::More);
    }
    Ok(Left::Nothing)
}

/// Deletes expired messages and their recordings in the data folder, and tickets that got no message.
///
/// The recording goes first: a row without recording is found again, a recording without row would never be.
pub(crate) fn messages(connection: &Connection, folder: &Path, now: Timestamp) -> rusqlite::Result<Left> {
    let now_us = now.as_microsecond();
    connection.execute("DELETE FROM messages WHERE path IS NULL AND keep_until_us < ?1", [now_us])?;
    let sql = "SELECT count(*) FILTER (WHERE keep_until_us < ?1), count(*) FROM messages";
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
    let counts = connection.prepare_cached(sql)?.query_row([now_us], read)?;
    let (before_us, confirmed) = match held::judge(connection, MESSAGES, now_us, now, &[counts])? {
        Leave::None => return Ok(Left::Held),
        Leave::All => (now_us, false),
        Leave::Confirmed(before_us) => (before_us, true),
    };
    let sql = "SELECT id, path FROM messages WHERE keep_until_us < ?1 LIMIT ?2";
    let mut select = connection.prepare_cached(sql)?;
    let due: Vec<(i64, Option<String>)> = select
        .query_map(params![before_us, ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, path) in &due {
        let path = path.as_deref().filter(|path| is_inside(Path::new(path)));
        let removed = path.map_or(Ok(()), |path| std::fs::remove_file(folder.join(path)));
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, "an expired message cannot be deleted");
            }
            Ok(()) | Err(_) => {
                connection.execute("DELETE FROM messages WHERE id = ?1", [id])?;
            }
        }
    }
    ended(connection, MESSAGES, due.len() as i64 == ROWS, confirmed)
}

/// Whether a relative path stays in its folder.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

const TABLES: [&str; 3] = ["calls", "scans", "ratings"];
const RECORDS: &str = "records";
const MESSAGES: &str = "messages";
const ROWS: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_data_folder_is_deleted() {
        assert!(is_inside(Path::new("messages/1.wav")));
        assert!(!is_inside(Path::new("../1.wav")) && !is_inside(Path::new("/etc/passwd")));
    }
}
