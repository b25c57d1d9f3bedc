//! Opens the journal for a command, while a node may be writing.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::file::FILE_NAME;

/// The file for reading; `None` where there is none.
pub(crate) fn open(folder: &Path) -> rusqlite::Result<Option<Connection>> {
    with(folder, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// The same for writing.
pub(crate) fn open_to_write(folder: &Path) -> rusqlite::Result<Option<Connection>> {
    with(folder, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn with(folder: &Path, flags: OpenFlags) -> rusqlite::Result<Option<Connection>> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(Some(connection))
}

/// The column, or NULL in a file of an older program that does not have it.
pub(crate) fn column(connection: &Connection, table: &str, name: &'static str) -> rusqlite::Result<&'static str> {
    let known = "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2";
    let found = connection.query_row(known, [table, name], |_| Ok(())).optional()?;
    Ok(if found.is_some() { name } else { "NULL" })
}

/// An error with the file's name.
pub(crate) fn failed(folder: &Path, error: &rusqlite::Error) -> String {
    format!("{}: {error}", folder.join(FILE_NAME).display())
}

/// How long to wait for the writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
