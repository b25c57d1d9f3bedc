//! The replica's file: SQLite in WAL mode, one writer, many readers.
//!
//! Rows and mark change in one transaction, fsynced before it counts, so a crash at any moment leaves a copy that is
//! right for its mark. No read transaction outlives its look-up, or the WAL would grow without end.

use std::fs::{File, OpenOptions};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, params};

use inquiry::{Keys, RowKey};
use replica::{ClockReading, Mark, Row, RowError, StoredClock};

use super::schema;

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {error}{}", what_then(error))]
    Sqlite { path: String, error: rusqlite::Error },
    #[error("{0}: not a replica: remove it, or point data.folder elsewhere")]
    Foreign(String),
    #[error(
        "{path}: written by a newer version (schema {schema}): start that version, or remove the file and load again"
    )]
    Newer { path: String, schema: i64 },
    #[error("{path}: written by an older version (schema {schema}): start the server once, it brings the file forward")]
    Older { path: String, schema: i64 },
    #[error("{0}: made with another secret.key: put that key back, or remove the file and load again")]
    OtherKey(String),
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("the rows are out of order: the file is damaged, rebuild the replica")]
    Order,
}

/// What one row of a batch did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    New,
    Changed,
    /// The row that is there is as new or newer.
    Unchanged,
    /// Another receipt has this key: one in 10^11 with twenty million cases.
    Collision,
}

/// What the file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub rows: u64,
    pub mark: Option<Mark>,
    /// A batch that is larger than one transaction, and is not whole yet.
    pub part: Option<Part>,
    pub quarantined: u64,
    /// Bad rows for which the quarantine had no room.
    pub lost: u64,
    pub clock: Option<StoredClock>,
    /// When the whole file was last looked through.
    pub scrubbed: Option<Timestamp>,
    pub read_by: Option<String>,
}

/// How much of a batch is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub source: String,
    pub sequence: Option<u64>,
    /// Changes, from its first on.
    pub done: u64,
}

/// The place of the file in a data folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("replica.sqlite3")
}

/// Which file stands at a path, if any.
pub(super) fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).map(|file| file.ino()).ok()
}

/// Opens the file for writing, and makes it if there is none.
pub(super) fn open_writer(path: &Path, keys: &Keys) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::Sqlite { path: path.display().to_string(), error };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(WRITER_PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Before anything is changed: a file that is not ours stays as it is.
    if !schema::is_fresh(&connection).map_err(failed)? {
        schema::check(&connection, path, keys)?;
    }
    connection.execute_batch(WRITER_PRAGMAS).map_err(failed)?;
    schema::prepare(&mut connection, keys).map_err(failed)?;
    make_room(path);
    Ok(connection)
}

/// Indexes of logs, by their inode. Kept open while they are there: closing any descriptor of a file gives up the locks
/// that this process holds on it (POSIX), SQLite's too.
static KEPT: Mutex<Vec<(u64, File)>> = Mutex::new(Vec::new());

/// Lets go of indexes whose file is gone.
pub(super) fn let_go() {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|(_, index)| index.metadata().is_ok_and(|index| index.nlink() > 0));
}

/// Gives the log's index all the room that it can need, so that a disk that is full later costs no reader: the index is
/// memory that is shared through a file, and a page of it that the disk cannot hold ends whoever touches it.
fn make_room(path: &Path) {
    let_go();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let path = beside(path, "-shm");
    let Ok(inode) = std::fs::metadata(&path).map(|index| index.ino()) else { return };
    if !kept.iter().any(|(known, _)| *known == inode) {
        match OpenOptions::new().write(true).open(&path) {
            Ok(index) => kept.push((inode, index)),
            Err(_) => return,
        }
    }
    let Some((_, index)) = kept.iter().find(|(known, _)| *known == inode) else { return };
    // SAFETY: the descriptor is open, and the call touches no memory.
    let room = unsafe { libc::posix_fallocate(index.as_raw_fd(), 0, INDEX_BYTES) };
    if room != 0 {
        tracing::warn!(error = %std::io::Error::from_raw_os_error(room), "no room is kept for the log's index");
    }
}

/// Opens the file for look-ups.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let opened = open_read_only(path, path.as_os_str().to_owned(), OpenFlags::empty());
    match opened {
        Err(error) if is_unwritable(&error) && !has_log(path) => {
            // On a folder that cannot be written there is nothing to share with a writer: the file alone is everything.
            let mut uri = std::ffi::OsString::from("file:");
            uri.push(uri_path(path));
            uri.push("?immutable=1");
            open_read_only(path, uri, OpenFlags::SQLITE_OPEN_URI)
        }
        opened => opened,
    }
}

fn open_read_only(path: &Path, name: std::ffi::OsString, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    loop {
        let before = inode(path);
        let connection = Connection::open_with_flags(&name, flags)?;
        connection.busy_timeout(READER_PATIENCE)?;
        // The last one to close a file would remove the log by its name, which may be another file's by then.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch(READER_PRAGMAS)?;
        // Opens log and index at once, and not when a disk may be full.
        connection.query_row("SELECT 1 FROM state", [], |_| Ok(()))?;
        if inode(path) == before {
            return Ok(connection);
        }
    }
}

/// Whether a failure says that files beside the replica can neither be made nor written.
pub(super) fn is_unwritable(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    let code = error.sqlite_error_code();
    code.is_some_and(|code| matches!(code, CannotOpen | DiskFull | PermissionDenied | ReadOnly | SystemIoFailure))
}

/// Whether a failure says that the file was opened where nothing can be written.
pub(super) fn is_read_only(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly)
}

/// Whether the disk lets the file be written, whatever SQLite has made of it.
pub(super) fn may_be_written(path: &Path) -> bool {
    OpenOptions::new().write(true).open(path).is_ok()
}

/// What is to be done after a failure, where that is plain.
fn what_then(error: &rusqlite::Error) -> &'static str {
    match is_damage(error) {
        true => ": the file is damaged; start the server, which puts it aside and makes it again of what is kept",
        false => "",
    }
}

/// Whether a failure says that the file itself is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    error.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseCorrupt | NotADatabase))
}

/// Puts a damaged file out of the way, in the place of an earlier one.
pub(super) fn put_aside(path: &Path) -> std::io::Result<()> {
    std::fs::rename(path, beside(path, ".damaged"))?;
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(path, end));
    }
    Ok(())
}

fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// A file beside another one: the same name with an end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// Reads what the file says of itself.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
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

/// Keeps the upstream's clock, in the transaction of the mark that it told.
pub(super) fn put_clock(connection: &Connection, clock: &StoredClock) -> rusqlite::Result<()> {
    let sql =
        "UPDATE state SET clock_boot = ?1, clock_offset_us = ?2, clock_told_boot_us = ?3, clock_told_wall_us = ?4";
    let boot = i64::try_from(clock.reported.boot.as_micros()).unwrap_or(i64::MAX);
    let values = params![clock.boot_id, clock.offset_us, boot, clock.reported.wall.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Notes that the whole file was looked through.
pub(super) fn put_scrubbed(connection: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    connection.execute("UPDATE state SET scrubbed_us = ?1", [at.as_microsecond()]).map(drop)
}

/// Notes which program and settings tried the quarantine.
pub(super) fn put_read_by(connection: &Connection, who: &str) -> rusqlite::Result<()> {
    connection.execute("UPDATE state SET read_by = ?1", [who]).map(drop)
}

/// Reads one row. That there is none is said only where its neighbours are where they belong: a damaged page above the
/// rows leads astray without any other sign.
pub(super) fn row(connection: &Connection, key: i64) -> Result<Option<Row>, ReadError> {
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

/// Reads the row that a statement finds; another key than those that it may find is damage.
fn one(connection: &Connection, sql: &str, key: i64, may: RangeInclusive<i64>) -> Result<Option<Row>, ReadError> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([key])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let place: i64 = found.get(0)?;
    if !may.contains(&place) {
        return Err(ReadError::Order);
    }
    let bytes = found.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    if place == key { Ok(Some(Row::decode(key, bytes)?)) } else { Ok(None) }
}

/// The statements of one batch.
pub(super) struct Puts<'a> {
    select: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> Puts<'a> {
    pub(crate) fn new(connection: &'a Connection) -> rusqlite::Result<Puts<'a>> {
        Ok(Puts {
            select: connection.prepare_cached("SELECT version, row FROM cases WHERE key = ?1")?,
            insert: connection.prepare_cached("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?,
            update: connection.prepare_cached("UPDATE cases SET version = ?2, row = ?3 WHERE key = ?1")?,
            delete: connection.prepare_cached("DELETE FROM cases WHERE key = ?1")?,
        })
    }

    /// Writes a row, unless the one that is there is as new or newer; a damaged one is overwritten whatever it says.
    pub(crate) fn put(&mut self, row: &Row) -> rusqlite::Result<Put> {
        let version = row.case.version.cast_signed();
        self.write(row, |newest, before| version <= newest && Row::is_sound(row.at.key, before).is_ok())
    }

    /// Writes a row over whatever is there.
    pub(crate) fn replace(&mut self, row: &Row) -> rusqlite::Result<Put> {
        let bytes = row.encode();
        self.write(row, |_, before| before == bytes)
    }

    /// Takes a row out; `false` when there is none of this receipt.
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

    fn write(&mut self, row: &Row, keeps: impl Fn(i64, &[u8]) -> bool) -> rusqlite::Result<Put> {
        let (key, version) = (row.at.key, row.case.version.cast_signed());
        let judge = |found: &rusqlite::Row<'_>| {
            let (newest, before) = (found.get(0)?, found.get_ref(1)?.as_blob()?);
            Ok(match Row::check_of(key, before) {
                Some(check) if check != row.at.check => Put::Collision,
                Some(_) | None if keeps(newest, before) => Put::Unchanged,
                Some(_) | None => Put::Changed,
            })
        };
        let put = self.select.query_row([key], judge).optional()?.unwrap_or(Put::New);
        let write = match put {
            Put::New => &mut self.insert,
            Put::Changed => &mut self.update,
            Put::Unchanged | Put::Collision => return Ok(put),
        };
        write.execute(params![key, version, row.encode()])?;
        Ok(put)
    }
}

/// Writes the mark and the number of rows, in the transaction of the rows it vouches for.
pub(super) fn put_state(connection: &Connection, rows: u64, mark: &Mark) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET rows = ?1, source = ?2, sequence = ?3, as_of_us = ?4, position = ?5, mark_sum = ?6,
               part_source = NULL, part_sequence = NULL, part_done = 0";
    let sequence = mark.sequence.map(u64::cast_signed);
    let (as_of, sum) = (mark.as_of.as_microsecond(), i64::from(mark.checksum()));
    let values = params![rows.cast_signed(), mark.source, sequence, as_of, mark.position, sum];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes the mark alone: the rows are as they were.
pub(super) fn put_mark(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET source = ?1, sequence = ?2, as_of_us = ?3, position = ?4, mark_sum = ?5";
    let sequence = mark.sequence.map(u64::cast_signed);
    let values = params![mark.source, sequence, mark.as_of.as_microsecond(), mark.position, i64::from(mark.checksum())];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes how much of a batch is in, while the mark stays where it was.
pub(super) fn put_part(connection: &Connection, rows: u64, part: &Part) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET rows = ?1, part_source = ?2, part_sequence = ?3, part_done = ?4";
    let values = params![rows.cast_signed(), part.source, part.sequence.map(u64::cast_signed), part.done.cast_signed()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Notes that cases are kept which the source took away.
pub(super) fn keep(connection: &Connection, cases: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE state SET kept = kept + ?1")?.execute([cases.cast_signed()]).map(drop)
}

/// Cases that are kept though the source took them away.
pub(super) fn kept(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT kept FROM state")?.query_row([], |row| row.get(0)).map(i64::cast_unsigned)
}

/// Moves the write-ahead log into the file and empties it; `false` when a reader keeps it from being emptied.
pub(super) fn empty_log(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(patience)?;
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0));
    connection.busy_timeout(WRITER_PATIENCE)?;
    emptied
}

/// FULL: a batch's file leaves the spool only when its rows would survive a power cut.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
/// Read, not mapped: a page of a map that the disk cannot give ends the program, and at 20 million cases reading is faster.
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -16384;";
const WRITER_PATIENCE: Duration = Duration::from_secs(5);
const READER_PATIENCE: Duration = Duration::from_millis(250);
const STATEMENTS: usize = 64;
/// 256 MiB of log are 65,536 pages, whose index takes 17 parts of 32 KiB.
const INDEX_BYTES: libc::off_t = 20 * 32 * 1024;
