//! The replica's file: SQLite in WAL mode, one writer, many readers.
//!
//! Rows and mark change in one transaction, fsynced before it counts, so a crash at any moment leaves a copy that is
//! right for its mark. No read transaction outlives its look-up, or the WAL would grow without end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, params};

use crate::inquiry::{Keys, RowKey};
use crate::replica::{Mark, Row, RowError};

use super::schema;

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {error}")]
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
pub enum ReadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Row(#[from] RowError),
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
    Ok(connection)
}

/// Opens the file for look-ups.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(READER_PATIENCE)?;
    // The last one to close a file would remove the log by its name, which may be another file's by then.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(READER_PRAGMAS)?;
    Ok(connection)
}

/// Reads what the file says of itself.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
    let quarantined = connection.query_row("SELECT count(*) FROM quarantine", [], |row| row.get::<_, i64>(0))?;
    let sql = "SELECT rows, source, sequence, as_of_us, position, part_source, part_sequence, part_done FROM state";
    connection.query_row(sql, [], |row| {
        let (source, part_source): (Option<String>, Option<String>) = (row.get(1)?, row.get(5)?);
        let number = |place| row.get::<_, Option<i64>>(place).map(|number| number.map(i64::cast_unsigned));
        let as_of = row.get::<_, Option<i64>>(3)?.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let (sequence, position, part_sequence) = (number(2)?, row.get(4)?, number(6)?);
        let mark = source.zip(as_of).map(|(source, as_of)| Mark { source, sequence, position, as_of });
        let done = row.get::<_, i64>(7)?.cast_unsigned();
        let part = part_source.map(|source| Part { source, sequence: part_sequence, done });
        let rows = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(State { rows, mark, part, quarantined: quarantined.cast_unsigned() })
    })
}

/// Reads one row.
pub(super) fn row(connection: &Connection, key: i64) -> Result<Option<Row>, ReadError> {
    let mut select = connection.prepare_cached("SELECT row FROM cases WHERE key = ?1")?;
    let mut rows = select.query([key])?;
    match rows.next()? {
        Some(found) => Ok(Some(Row::decode(key, found.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?)),
        None => Ok(None),
    }
}

/// The statements of one batch.
pub(super) struct Puts<'a> {
    select: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> Puts<'a> {
    pub fn new(connection: &'a Connection) -> rusqlite::Result<Puts<'a>> {
        Ok(Puts {
            select: connection.prepare_cached("SELECT version, row FROM cases WHERE key = ?1")?,
            insert: connection.prepare_cached("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?,
            update: connection.prepare_cached("UPDATE cases SET version = ?2, row = ?3 WHERE key = ?1")?,
            delete: connection.prepare_cached("DELETE FROM cases WHERE key = ?1")?,
        })
    }

    /// Writes a row, unless the one that is there is as new or newer; a damaged one is overwritten whatever it says.
    pub fn put(&mut self, row: &Row) -> rusqlite::Result<Put> {
        let version = row.case.version.cast_signed();
        self.write(row, |newest, before| version <= newest && Row::is_sound(row.at.key, before).is_ok())
    }

    /// Writes a row over whatever is there.
    pub fn replace(&mut self, row: &Row) -> rusqlite::Result<Put> {
        let bytes = row.encode();
        self.write(row, |_, before| before == bytes)
    }

    /// Takes a row out; `false` when there is none of this receipt.
    pub fn delete(&mut self, at: RowKey) -> rusqlite::Result<bool> {
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
    let sql = "UPDATE state SET rows = ?1, source = ?2, sequence = ?3, as_of_us = ?4, position = ?5,
               part_source = NULL, part_sequence = NULL, part_done = 0";
    let sequence = mark.sequence.map(u64::cast_signed);
    let values = params![rows.cast_signed(), mark.source, sequence, mark.as_of.as_microsecond(), mark.position];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Writes how much of a batch is in, while the mark stays where it was.
pub(super) fn put_part(connection: &Connection, rows: u64, part: &Part) -> rusqlite::Result<()> {
    let sql = "UPDATE state SET rows = ?1, part_source = ?2, part_sequence = ?3, part_done = ?4";
    let values = params![rows.cast_signed(), part.source, part.sequence.map(u64::cast_signed), part.done.cast_signed()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Moves the write-ahead log into the file and empties it; `false` when a reader keeps it from being emptied.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// FULL: a batch's file leaves the spool only when its rows would survive a power cut.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -8192;";
const WRITER_PATIENCE: Duration = Duration::from_secs(5);
const READER_PATIENCE: Duration = Duration::from_millis(250);
const STATEMENTS: usize = 64;
