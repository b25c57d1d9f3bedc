//! Reads past calls while the node may be writing.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use config::Settings;

use crate::file::FILE_NAME;

/// The newest `last` calls, newest first: the short name of the release that each began with, and its path of node
/// names, separated by commas.
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn past_calls(settings: &Settings, last: u32) -> Result<Vec<(String, String)>, String> {
    let path = settings.data.folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    read(&path, last).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path, last: u32) -> rusqlite::Result<Vec<(String, String)>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mut select = connection
        .prepare("SELECT release, path FROM calls WHERE path <> '' AND path NOT LIKE '(%' ORDER BY id DESC LIMIT ?1")?;
    let rows = select.query_map(params![last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// How long to wait for the writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Past calls that a publication replays.
pub const REPLAYED_MAX: u32 = 10_000;
