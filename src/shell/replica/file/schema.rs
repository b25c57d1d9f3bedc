//! The tables of the file, and the migrations from older ones.
//!
//! The writing program migrates a file of an older schema in one transaction when it opens it; a newer one is an error.
//! The encoding of a row has a version of its own (see `replica::Row`).

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use inquiry::Keys;

use crate::file::failure::StoreError;

/// Creates the tables of an empty file, or migrates those of an older one.
pub(crate) fn prepare(connection: &mut Connection, keys: &Keys) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_fresh(&transaction)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.execute("INSERT INTO state (one, fingerprint, rows) VALUES (1, ?1, 0)", [keys.fingerprint()])?;
    } else {
        let schema = schema_of(&transaction)?;
        for (from, step) in [(1, FROM_1), (2, FROM_2)] {
            if schema <= from {
                transaction.execute_batch(step)?;
            }
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}

/// Checks that a file is a replica made with these keys, of a schema that this program knows.
pub(crate) fn check(connection: &Connection, path: &Path, keys: &Keys) -> Result<(), StoreError> {
    let name = || path.display().to_string();
    let sqlite = |error| StoreError::Sqlite { path: name(), error };
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite)?;
    if application != APPLICATION {
        return Err(StoreError::Foreign(name()));
    }
    let schema = schema_of(connection).map_err(sqlite)?;
    if schema > SCHEMA {
        return Err(StoreError::Newer { path: name(), schema });
    }
    let fingerprint: Vec<u8> =
        connection.query_row("SELECT fingerprint FROM state", [], |row| row.get(0)).map_err(sqlite)?;
    if fingerprint == keys.fingerprint() { Ok(()) } else { Err(StoreError::OtherKey(name())) }
}

/// Checks that a file has the current schema; only the writer can migrate it.
pub(crate) fn check_readable(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let name = || path.display().to_string();
    match schema_of(connection).map_err(|error| StoreError::Sqlite { path: name(), error })? {
        SCHEMA => Ok(()),
        schema => Err(StoreError::Older { path: name(), schema }),
    }
}

/// Whether a file has no tables yet.
pub(crate) fn is_fresh(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn schema_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// `state`: `part_*`: how many changes of a batch of several transactions are committed, and whose mark it will move to.
/// `clock_*`: see `replica::AgeClock`. `read_by`: the program and settings that last retried the quarantine. `lost`: bad
/// rows beyond the quarantine's limit. `kept`: cases that an operator kept although the source deleted them.
/// `held`: at most one row, since later batches wait behind it.
const TABLES: &str = "
    CREATE TABLE cases (key INTEGER PRIMARY KEY, version INTEGER NOT NULL, row BLOB NOT NULL) STRICT;
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint BLOB NOT NULL, rows INTEGER NOT NULL,
        source TEXT, sequence INTEGER, as_of_us INTEGER,
        position TEXT, part_source TEXT, part_sequence INTEGER, part_done INTEGER NOT NULL DEFAULT 0,
        clock_boot TEXT, clock_offset_us INTEGER, clock_told_boot_us INTEGER, clock_told_wall_us INTEGER,
        scrubbed_us INTEGER, read_by TEXT, lost INTEGER NOT NULL DEFAULT 0, mark_sum INTEGER,
        kept INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE quarantine (
        id TEXT PRIMARY KEY, source TEXT NOT NULL, key INTEGER, why TEXT NOT NULL, since_us INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0, sealed BLOB
    ) STRICT;
    CREATE INDEX quarantine_key ON quarantine (key) WHERE key IS NOT NULL;
    CREATE TABLE held (
        one INTEGER PRIMARY KEY CHECK (one = 1), source TEXT NOT NULL, sequence INTEGER, what TEXT NOT NULL,
        deletes INTEGER NOT NULL, rows INTEGER NOT NULL, since_us INTEGER NOT NULL, decision TEXT
    ) STRICT;";
const FROM_1: &str = "
    ALTER TABLE state ADD COLUMN position TEXT;
    ALTER TABLE state ADD COLUMN part_source TEXT;
    ALTER TABLE state ADD COLUMN part_sequence INTEGER;
    ALTER TABLE state ADD COLUMN part_done INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN clock_boot TEXT;
    ALTER TABLE state ADD COLUMN clock_offset_us INTEGER;
    ALTER TABLE state ADD COLUMN clock_told_boot_us INTEGER;
    ALTER TABLE state ADD COLUMN clock_told_wall_us INTEGER;
    ALTER TABLE state ADD COLUMN scrubbed_us INTEGER;
    ALTER TABLE state ADD COLUMN read_by TEXT;
    ALTER TABLE state ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN mark_sum INTEGER;
    ALTER TABLE quarantine RENAME TO quarantine_1;
    CREATE TABLE quarantine (
        id TEXT PRIMARY KEY, source TEXT NOT NULL, key INTEGER, why TEXT NOT NULL, since_us INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0, sealed BLOB
    ) STRICT;
    CREATE INDEX quarantine_key ON quarantine (key) WHERE key IS NOT NULL;
    INSERT INTO quarantine (id, source, why, since_us)
        SELECT q.batch || ':' || q.line, coalesce(state.source, 'spool'), q.why, coalesce(state.as_of_us, 0)
        FROM quarantine_1 AS q, state;
    DROP TABLE quarantine_1;
    CREATE TABLE held (
        one INTEGER PRIMARY KEY CHECK (one = 1), source TEXT NOT NULL, sequence INTEGER, what TEXT NOT NULL,
        deletes INTEGER NOT NULL, rows INTEGER NOT NULL, since_us INTEGER NOT NULL, decision TEXT
    ) STRICT;";
const FROM_2: &str = "ALTER TABLE state ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;";
/// "jind", in the file's header.
const APPLICATION: i64 = 0x6A69_6E64;
const SCHEMA: i64 = 3;
