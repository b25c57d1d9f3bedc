//! Deletes expired records and messages, a bounded number of rows at a time, and never unusually many at once ([`held`]).

use std::io::ErrorKind;
use std::path::{Component, Path};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::entry::SealedTable;
use crate::held::{self, Leave};
use crate::recording_file::{RECORDINGS_FOLDER, file_name};
use crate::recordings::is_recording_id;

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
    // Notes go with the calls that they are of.
    connection.execute("DELETE FROM agent_notes WHERE at_us < ?1", [before_us])?;
    ended(connection, RECORDS, more, confirmed)
}

/// Deletes the oldest records of the largest table while the file is too large. The freed pages are used again, so that the
/// file stays as large as it is.
///
/// More than 1 % of the table at once waits for a person, while `free` bytes of the disk allow it.
pub(crate) fn over(
    connection: &Connection,
    bytes_max: u64,
    free: Option<u64>,
    now: Timestamp,
) -> rusqlite::Result<Left> {
    let Some(excess) = excess(connection, bytes_max)? else {
        held::clear_sizes(connection, None)?;
        return Ok(Left::Nothing);
    };
    let Some(Largest { table, what, rows, bytes, first }) = largest(connection)? else { return Ok(Left::Nothing) };
    // What was to be deleted from another table is due no more.
    held::clear_sizes(connection, Some(what))?;
    let due = excess.div_ceil((bytes / rows).max(1)).min(rows);
    let at = format!("SELECT at_us FROM {table} WHERE id >= ?1 ORDER BY id LIMIT 1");
    let last = connection.query_row(&at, [first.saturating_add_unsigned(due)], |row| row.get(0)).optional()?;
    let before_us = last.unwrap_or(Timestamp::MAX.as_microsecond());
    let before_us = match held::judge(connection, what, before_us, now, &[(due, rows)])? {
        Leave::None if free.is_none_or(|free| free >= FREE_MIN) => return Ok(Left::Held),
        Leave::None | Leave::All => i64::MAX,
        Leave::Confirmed(before_us) => before_us,
    };
    tracing::warn!(table, bytes, due, "the journal is larger than journal.bytes_max: its oldest records are deleted");
    let rows = ROWS.min(due.cast_signed());
    let oldest =
        format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at_us < ?1 ORDER BY id LIMIT ?2)");
    if connection.execute(&oldest, [before_us, rows])? > 0 {
        return Ok(Left::More);
    }
    // What was confirmed is gone; what is still over is judged on its own.
    held::clear(connection, what)?;
    Ok(Left::Nothing)
}

/// Bytes beyond the limit, if any.
fn excess(connection: &Connection, bytes_max: u64) -> rusqlite::Result<Option<u64>> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(used.unsigned_abs().checked_sub(bytes_max).filter(|excess| *excess > 0))
}

/// The table that takes most of the file.
struct Largest {
    table: &'static str,
    /// The name of a hold on its deletion.
    what: &'static str,
    /// About how many rows it has, at least one.
    rows: u64,
    /// About how many bytes they take.
    bytes: u64,
    /// The number of its first row.
    first: i64,
}

/// The largest table; before it, one whose deletion a person has confirmed, until that is carried out.
fn largest(connection: &Connection) -> rusqlite::Result<Option<Largest>> {
    let mut largest: Option<Largest> = None;
    for (table, what, row_bytes) in SIZES {
        let span = format!("SELECT coalesce(max(id) - min(id) + 1, 0), coalesce(min(id), 0) FROM {table}");
        let (rows, first) = connection.query_row(&span, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let (rows, bytes) = (rows.unsigned_abs(), rows.unsigned_abs().saturating_mul(row_bytes));
        if rows > 0 && held::is_confirmed(connection, what)? {
            return Ok(Some(Largest { table, what, rows, bytes, first }));
        }
        if rows > 0 && largest.as_ref().is_none_or(|before| bytes > before.bytes) {
            largest = Some(Largest { table, what, rows, bytes, first });
        }
    }
    Ok(largest)
}

/// Deletes transfers that no limit counts any more, those of a time to come included.
pub(crate) fn transfers(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let (from, until) = (now.saturating_sub(TRANSFERS_KEPT), now.saturating_add(TRANSFERS_KEPT));
    let (from, until) = (from.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
    let sql = "DELETE FROM transfers WHERE id IN (SELECT id FROM transfers WHERE at_us < ?1 OR at_us > ?2 LIMIT ?3)";
    connection.execute(sql, params![from.as_microsecond(), until.as_microsecond(), ROWS]).map(drop)
}

/// Deletes call-back requests that no queue has changed for longer than one is kept: their queues are gone; and text messages,
/// which no carrier sends any more.
pub(crate) fn sealed_records(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for (table, kept) in [(SealedTable::CallBacks, CALL_BACKS_KEPT), (SealedTable::TextMessages, TEXT_MESSAGES_KEPT)] {
        let before = now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let table = table.name();
        let sql = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at_us < ?1 LIMIT ?2)");
        connection.execute(&sql, params![before.as_microsecond(), ROWS])?;
    }
    Ok(())
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

/// Deletes recordings of conversations that are due, each file before its row. One in progress stays.
pub(crate) fn recordings(connection: &Connection, folder: &Path, now: Timestamp) -> rusqlite::Result<Left> {
    let now_us = now.as_microsecond();
    let sql = "SELECT count(*) FILTER (WHERE keep_until_us < ?1), count(*) FROM recordings WHERE length_ms IS NOT NULL";
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
    let counts = connection.prepare_cached(sql)?.query_row([now_us], read)?;
    let (before_us, confirmed) = match held::judge(connection, RECORDINGS, now_us, now, &[counts])? {
        Leave::None => return Ok(Left::Held),
        Leave::All => (now_us, false),
        Leave::Confirmed(before_us) => (before_us, true),
    };
    let sql = "SELECT id FROM recordings WHERE keep_until_us < ?1 AND length_ms IS NOT NULL LIMIT ?2";
    let mut select = connection.prepare_cached(sql)?;
    let due: Vec<String> =
        select.query_map(params![before_us, ROWS], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for id in due.iter().filter(|id| is_recording_id(id)) {
        match std::fs::remove_file(folder.join(RECORDINGS_FOLDER).join(file_name(id))) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, "an expired recording cannot be deleted");
            }
            Ok(()) | Err(_) => {
                connection.execute("DELETE FROM recordings WHERE id = ?1", [id])?;
            }
        }
    }
    ended(connection, RECORDINGS, due.len() as i64 == ROWS, confirmed)
}

/// Whether a relative path stays in its folder.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

const TABLES: [&str; 3] = ["calls", "scans", "ratings"];
const RECORDS: &str = "records";
const MESSAGES: &str = "messages";
const RECORDINGS: &str = "recordings";
/// Tables, the names of holds on their deletion by size, and about how many bytes a row takes.
const SIZES: [(&str, &str, u64); 3] =
    [("calls", "size.calls", 400), ("scans", "size.scans", 100), ("ratings", "size.ratings", 60)];
/// With less of the disk free, records are deleted for `journal.bytes_max` without waiting.
const FREE_MIN: u64 = 1 << 30;
const ROWS: i64 = 5_000;
/// The longest `phone.transfer_window_s`.
const TRANSFERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Longer than a request waits by any setting.
const CALL_BACKS_KEPT: SignedDuration = SignedDuration::from_hours(35 * 24);
/// Longer than a text message waits, and then counts for limits, by any setting.
const TEXT_MESSAGES_KEPT: SignedDuration = SignedDuration::from_hours(3 * 24);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::recording_rows::{EndedRecording, NewRecording, put_end, put_new};
    use support::folder::Folder;

    fn recording(connection: &Connection, data: &Path, n: u32, keep_until: Timestamp, has_ended: bool) {
        let id = format!("{n:016x}");
        let (queue, agent) = ("desk".to_owned(), "li".to_owned());
        let new = NewRecording { id: id.clone(), at: Timestamp::UNIX_EPOCH, queue, agent, call: None, keep_until };
        put_new(connection, &new).expect("stored");
        fs::write(data.join(RECORDINGS_FOLDER).join(file_name(&id)), "sound").expect("written");
        if has_ended {
            let (length, pauses) = (Duration::from_secs(1), Vec::new());
            put_end(connection, &EndedRecording { id, length, pauses, is_whole: true, octets: 5 }).expect("stored");
        }
    }

    #[test]
    fn recordings_go_on_their_day_and_many_at_once_wait_for_a_person() {
        let data = Folder::new();
        fs::create_dir(data.join(RECORDINGS_FOLDER)).expect("a folder");
        let connection = crate::file::open(&data.join(crate::file::FILE_NAME)).expect("a journal");
        let at = |day: i64| Timestamp::from_second(day * 86_400).expect("a time");
        let files = || fs::read_dir(data.join(RECORDINGS_FOLDER)).expect("a folder").count();
        for n in 0..3 {
            recording(&connection, data.path(), n, at(10), true);
        }
        recording(&connection, data.path(), 3, at(10), false);
        recording(&connection, data.path(), 4, at(20), true);
        assert_eq!(recordings(&connection, data.path(), at(9)).expect("swept"), Left::Nothing);
        assert_eq!(files(), 5);
        assert_eq!(recordings(&connection, data.path(), at(11)).expect("swept"), Left::Nothing);
        assert_eq!(files(), 2, "one is not due, and one has not ended");
        for n in 10..20 {
            recording(&connection, data.path(), n, at(30), true);
        }
        assert_eq!(recordings(&connection, data.path(), at(40)).expect("judged"), Left::Held);
        assert_eq!(files(), 12);
        crate::confirm_held(data.path()).expect("confirmed");
        assert_eq!(recordings(&connection, data.path(), at(40)).expect("swept"), Left::More);
        assert_eq!(files(), 1, "what has not ended");
    }

    #[test]
    fn nothing_outside_the_data_folder_is_deleted() {
        assert!(is_inside(Path::new("messages/1.wav")));
        assert!(!is_inside(Path::new("../1.wav")) && !is_inside(Path::new("/etc/passwd")));
    }
}
