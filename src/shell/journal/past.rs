//! Past calls, read beside whoever writes the journal.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::NAME;
use config::Settings;

/// The release that each of so many last calls began with, by its short name, and the call's path; the newest first.
pub fn past_calls(settings: &Settings, last: u32) -> Result<Vec<(String, String)>, String> {
    let path = settings.data.folder.join(NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    read(&path, last).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path, last: u32) -> rusqlite::Result<Vec<(String, String)>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    let mut select = connection
        .prepare("SELECT release, path FROM calls WHERE path NOT IN ('', '(studio)') ORDER BY id DESC LIMIT ?1")?;
    let rows = select.query_map(params![last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// How long the writer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Past calls that a publication is compared with.
pub const REPLAYED_MAX: u32 = 10_000;
