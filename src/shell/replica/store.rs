//! The replica's file: SQLite in WAL mode, one writer, many readers.
//!
//! Rows and mark change in one transaction, fsynced before it counts, so a crash at any moment leaves a copy that is
//! right for its mark. No read transaction outlives its look-up, or the WAL would grow without end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, params};

use crate::inquiry::Keys;
use crate::replica::{Mark, Row, RowError};

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
    pub quarantined: u64,
}

/// The place of the file in a data folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("replica.sqlite3")
}

/// Opens the file for writing, and makes it if there is none.
pub(super) fn open_writer(path: &Path, keys: &Keys) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::Sqlite { path: path.display().to_string(), error };
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(WRITER_PATIENCE).map_err(failed)?;
    // Before anything is changed: a file that is not ours stays as it is.
    let fresh = is_fresh(&connection).map_err(failed)?;
    if !fresh {
        check(&connection, path, keys)?;
    }
    connection.execute_batch(WRITER_PRAGMAS).map_err(failed)?;
    if fresh {
        create(&connection, keys).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens the file for look-ups.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(READER_PATIENCE)?;
    connection.execute_batch(READER_PRAGMAS)?;
    Ok(connection)
}

/// Whether a file is a replica made with these keys.
pub(super) fn check(connection: &Connection, path: &Path, keys: &Keys) -> Result<(), StoreError> {
    let name = || path.display().to_string();
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<_> { Ok((pragma("application_id")?, pragma("user_version")?)) };
    let (application, schema) = read().map_err(|error| StoreError::Sqlite { path: name(), error })?;
    if application != APPLICATION {
        return Err(StoreError::Foreign(name()));
    }
    if schema > SCHEMA {
        return Err(StoreError::Newer { path: name(), schema });
    }
    let fingerprint: Vec<u8> = connection
        .query_row("SELECT fingerprint FROM state", [], |row| row.get(0))
        .map_err(|error| StoreError::Sqlite { path: name(), error })?;
    if fingerprint == keys.fingerprint() { Ok(()) } else { Err(StoreError::OtherKey(name())) }
}

/// Reads what the file says of itself.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
    let quarantined = connection.query_row("SELECT count(*) FROM quarantine", [], |row| row.get::<_, i64>(0))?;
    connection.query_row("SELECT rows, source, sequence, as_of_us FROM state", [], |row| {
        let source: Option<String> = row.get(1)?;
        let sequence: Option<i64> = row.get(2)?;
        let as_of: Option<i64> = row.get(3)?;
        let as_of = as_of.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let mark =
            source.zip(as_of).map(|(source, as_of)| Mark { source, sequence: sequence.map(|n| n as u64), as_of });
        Ok(State { rows: row.get::<_, i64>(0)?.cast_unsigned(), mark, quarantined: quarantined.cast_unsigned() })
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
}

impl<'a> Puts<'a> {
    pub fn new(connection: &'a Connection) -> rusqlite::Result<Puts<'a>> {
        Ok(Puts {
            select: connection.prepare_cached("SELECT version, row FROM cases WHERE key = ?1")?,
            insert: connection.prepare_cached("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?,
            update: connection.prepare_cached("UPDATE cases SET version = ?2, row = ?3 WHERE key = ?1")?,
        })
    }

    /// Writes a row, unless the one that is there is as new or newer.
    pub fn put(&mut self, row: &Row) -> rusqlite::Result<Put> {
        let (key, version) = (row.at.key, row.case.version.cast_signed());
        let before = self
            .select
            .query_row([key], |found| Ok((found.get(0)?, Row::check_of(found.get_ref(1)?.as_blob()?))))
            .optional()?;
        let put = match before {
            None => Put::New,
            Some((_, check)) if check != Some(row.at.check) => Put::Collision,
            Some((newest, _)) if version <= newest => Put::Unchanged,
            Some(_) => Put::Changed,
        };
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
    let sql = "UPDATE state SET rows = ?1, source = ?2, sequence = ?3, as_of_us = ?4";
    let sequence = mark.sequence.map(u64::cast_signed);
    let values = params![rows.cast_signed(), mark.source, sequence, mark.as_of.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Notes a row that could not be used: where it is and why, nothing of what it holds.
pub(super) fn quarantine(connection: &Connection, batch: &str, line: u64, why: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO quarantine (batch, line, why) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![batch, line.cast_signed(), why]).map(drop)
}

/// A file without tables and without our mark is new.
fn is_fresh(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn create(connection: &Connection, keys: &Keys) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.execute("INSERT INTO state (one, fingerprint, rows) VALUES (1, ?1, 0)", [keys.fingerprint()])?;
    transaction.commit()
}

const TABLES: &str = "
    CREATE TABLE cases (key INTEGER PRIMARY KEY, version INTEGER NOT NULL, row BLOB NOT NULL) STRICT;
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint BLOB NOT NULL, rows INTEGER NOT NULL,
        source TEXT, sequence INTEGER, as_of_us INTEGER
    ) STRICT;
    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY, batch TEXT NOT NULL, line INTEGER NOT NULL, why TEXT NOT NULL,
        UNIQUE (batch, line) ON CONFLICT REPLACE
    ) STRICT;";
/// FULL: a batch's file leaves the spool only when its rows would survive a power cut.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -8192;";
/// "jind", in the file's header.
const APPLICATION: i64 = 0x6A69_6E64;
const SCHEMA: i64 = 1;
const WRITER_PATIENCE: Duration = Duration::from_secs(5);
const READER_PATIENCE: Duration = Duration::from_millis(250);
