//! The `state` row of the file: the mark, the number of rows, an unfinished batch, the upstream's clock.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use replica::{ClockReading, Mark, StoredClock};

/// The content of the `state` row, and the size of the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Cases.
    pub rows: u64,
    /// The position in the source; `None` before the first batch.
    pub mark: Option<Mark>,
    /// A batch of several transactions that is not complete yet.
    pub part: Option<Part>,
    pub quarantined: u64,
    /// Bad rows for which the quarantine had no room.
    pub lost: u64,
    pub clock: Option<StoredClock>,
    /// When the last scrub of the whole file ended.
    pub scrubbed: Option<Timestamp>,
    pub read_by: Option<String>,
}

/// How much of a batch is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub source: String,
    pub sequence: Option<u64>,
    /// Committed changes, counted from its first.
    pub done: u64,
}

/// Reads the state. A mark whose checksum does not match is reported as corruption.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<State> {
    let quarantined = connection.query_row("SELECT count(*) FROM quarantine", [], |row| row.get::<_, i64>(0))?;
    let sql = "SELECT rows, source, sequence, as_of_us, position, part_source, part_sequence, part_done, lost,
               clock_boot, clock_offset_us, clock_told_boot_us, clock_told_wall_us, scrubbed_us, read_by, mark_sum FROM state";
    connection.query_row(sql, [], |row| {
        let (source, part_source): (Option<String>, Option<String>) = (row.get(1)?, row.get(5)?);
        let number = |place| row.get::<_, Option<i64>>(place).map(|number| number.map(i64::cast_unsigned));
        let as_of = row.get::<_, Option<i64>>(3)?.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let (sequence, position, part_sequence) = (number(2)?, row.get(4)?, number(6)?);
        let mark = source.zip(as_of).map(|(source, as_of)| Mark { source, sequence, position, as_of });
        let sum: Option<i64> = row.get(15)?;
        if let (Some(mark), Some(sum)) = (&mark, sum)
            && i64::from(mark.checksum()) != sum
        {
            let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(corrupt, Some("the mark's checksum does not match".into())));
        }
        let done = row.get::<_, i64>(7)?.cast_unsigned();
        let part = part_source.map(|source| Part { source, sequence: part_sequence, done });
        let rows = row.get::<_, i64>(0)?.cast_unsigned();
        let scrubbed = row.get::<_, Option<i64>>(13)?.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let (lost, quarantined) = (row.get::<_, i64>(8)?.cast_unsigned(), quarantined.cast_unsigned());
        Ok(State { rows, mark, part, quarantined, lost, clock: clock(row, 9)?, scrubbed, read_by: row.get(14)? })
    })
}

fn clock(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Option<StoredClock>> {
    let boot_id: Option<String> = row.get(from)?;
    let number = |place: usize| row.get::<_, Option<i64>>(from + place);
    let (offset_us, boot, wall) = (number(1)?, number(2)?, number(3)?);
    let wall = wall.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let boot = boot.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    let told = boot.zip(wall).map(|(boot, wall)| ClockReading { boot, wall });
    Ok(boot_id.zip(offset_us).zip(told).map(|((boot_id, offset_us), told)| StoredClock {
        boot_id,
        offset_us,
        reported: told,
    }))
}

/// Stores the upstream's clock, in the transaction of the mark that it belongs to.
pub(crate) fn put_clock(connection: &Connection, clock: &StoredClock) -> rusqlite::Result<()> {
    let sql =
        "UPDATE state SET clock_boot = ?1, clock_offset_us = ?2, clock_told_boot_us = ?3, clock_told_wall_us = ?4";
    let boot = i64::try_from(clock.reported.boot.as_micros()).unwrap_or(i64::MAX);
    let values = params![clock.boot_id, clock.offset_us, boot, clock.reported.wall.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Records the end of a scrub.
pub(crate) fn put_scrubbed(connection: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    connection.execute("UPDATE state SET scrubbed_us = ?1", [at.as_microsecond()]).map(drop)
}

/// Records the program and settings that last retried the quarantine.
pub(crate) fn put_read_by(connection: &Connection, program: &str) -> rusqlite::Result<()> {
    connection.execute("UPDATE state SET read_by = ?1", [program]).map(drop)
}

/// Writes the mark and the number of rows, in the transaction of the rows.
pub(crate) fn put_state(connection: &Connection, rows: u64, mark: &Mark) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET rows = ?1, source = ?2, sequence = ?3, as_of_us = ?4, position = ?5, mark_sum = ?6,
               part_source = NULL, part_sequence = NULL, part_done = 0";
    let sequence = mark.sequence.map(u64::cast_signed);
    let (as_of, sum) = (mark.as_of.as_microsecond(), i64::from(mark.checksum()));
    let values = params![rows.cast_signed(), mark.source, sequence, as_of, mark.position, sum];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes the mark alone, when no row changed.
pub(crate) fn put_mark(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET source = ?1, sequence = ?2, as_of_us = ?3, position = ?4, mark_sum = ?5";
    let sequence = mark.sequence.map(u64::cast_signed);
    let values = params![mark.source, sequence, mark.as_of.as_microsecond(), mark.position, i64::from(mark.checksum())];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes the progress of a batch; the mark does not move.
pub(crate) fn put_part(connection: &Connection, rows: u64, part: &Part) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET rows = ?1, part_source = ?2, part_sequence = ?3, part_done = ?4";
    let values = params![rows.cast_signed(), part.source, part.sequence.map(u64::cast_signed), part.done.cast_signed()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Adds to the number of cases that an operator kept although the source deleted them.
pub(crate) fn add_kept_deletes(connection: &Connection, cases: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE state SET kept = kept + ?1")?.execute([cases.cast_signed()]).map(drop)
}

/// The number of cases that an operator kept although the source deleted them.
pub(crate) fn kept_deletes(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT kept FROM state")?.query_row([], |row| row.get(0)).map(i64::cast_unsigned)
}
