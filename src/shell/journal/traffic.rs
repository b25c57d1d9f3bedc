//! Counts the paths of recent calls, for the diagram of a flow.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use flow::Traffic;
use inquiry::CallOutcome;
use os::clock;

/// The traffic of the last `span`; `None` while there is no journal.
///
/// # Errors
/// The journal cannot be read.
pub fn traffic(journal: &Path, span: Duration) -> rusqlite::Result<Option<Traffic>> {
    if !journal.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    let since = clock::timestamp().checked_sub(span).unwrap_or(jiff::Timestamp::MIN).as_microsecond();
    let mut select = connection
        .prepare("SELECT path, outcome FROM calls WHERE at_us >= ?1 AND path NOT IN ('', '(studio)') ORDER BY at_us DESC LIMIT ?2")?;
    let rows = select.query_map(params![since, CALLS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let calls: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let hung_up = CallOutcome::HungUp.name();
    Ok(Some(Traffic::of(calls.iter().map(|(path, outcome)| (path.as_str(), outcome == hung_up)))))
}

/// An hour of traffic.
pub const HOUR: Duration = Duration::from_secs(3600);
/// A day of traffic.
pub const DAY: Duration = Duration::from_secs(86_400);
/// Calls counted for one diagram, the newest.
const CALLS: i64 = 200_000;
