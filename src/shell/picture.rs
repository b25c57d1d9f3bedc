//! `jindu flow --svg`: the flow drawn, with the journal's calls on its arrows.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::{clock, hotline};
use config::Settings;
use flow::{self, Traffic};
use inquiry::CallOutcome;

/// Draws the files of the settings, faults and all, into a file or to the standard output.
pub fn run(settings: &Settings, file: Option<&Path>, calls: Option<Duration>) -> Result<ExitCode, Vec<String>> {
    let (drawn, complaints) = hotline::draft(settings)?;
    let journal = settings.data.folder.join("journal.sqlite3");
    let traffic = match calls.map(|span| traffic(&journal, span)).transpose() {
        Ok(traffic) => traffic.map(Option::unwrap_or_default),
        Err(error) => return Err(vec![format!("{}: {error}", journal.display())]),
    };
    let name = settings.hotline.flow.display().to_string();
    let svg = flow::picture(&drawn, &name, &complaints, traffic.as_ref());
    match file {
        Some(file) => fs::write(file, svg).map_err(|error| vec![format!("{}: {error}", file.display())])?,
        None => io::stdout().lock().write_all(svg.as_bytes()).map_err(|error| vec![error.to_string()])?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The calls of the last so long; `None` where there is no journal yet.
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

pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);
/// Calls that are counted for one picture.
const CALLS: i64 = 200_000;
