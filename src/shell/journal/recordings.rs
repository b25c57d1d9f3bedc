//! Recorded conversations: a row for each, from its beginning on, and its file in `recordings/`.
//!
//! ```text
//!  begun: row, ID.part ── grows ──► ended: length, pauses ──► ID.wav ── its day ──► deleted, both
//!            └─ a program that died ── at the next start: what was written is kept, to its last whole stretch
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::reading::{failed, open, open_to_write};
use crate::recording_file::{RECORDINGS_FOLDER, file_name};
use crate::recording_rows::pauses_of;

/// A recording, as supervisors see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecording {
    /// Its name.
    pub id: String,
    /// When the conversation began.
    pub at: Timestamp,
    /// The queue's name; empty where it is not known.
    pub queue: String,
    /// The agent's account; empty where it is not known.
    pub agent: String,
    /// Stands for the call in the log and the call's record.
    pub call: Option<String>,
    /// When it is deleted.
    pub keep_until: Timestamp,
    /// How long it is; none: it is being written.
    pub length: Option<Duration>,
    /// When the agent paused it.
    pub pauses: Vec<(Duration, Duration)>,
    /// Its file has an end.
    pub is_whole: bool,
    /// The file.
    pub path: PathBuf,
}

/// Which recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Of conversations that began then or later.
    pub from: Option<Timestamp>,
    /// Of conversations that began before.
    pub until: Option<Timestamp>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this agent.
    pub agent: Option<String>,
}

/// The newest recordings that a filter leaves, newest first, at most [`RECORDINGS_LISTED`].
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn recordings(folder: &Path, filter: &RecordingFilter) -> Result<Vec<StoredRecording>, String> {
    let read = || -> rusqlite::Result<Vec<StoredRecording>> {
        let Some(connection) = open(folder)?.filter(has_table) else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS} FROM recordings WHERE at_us >= ?1 AND at_us < ?2 AND (?3 IS NULL OR queue = ?3)
            AND (?4 IS NULL OR agent = ?4) ORDER BY at_us DESC LIMIT ?5"
        );
        let from = filter.from.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = filter.until.map_or(i64::MAX, Timestamp::as_microsecond);
        let values = params![from, until, filter.queue, filter.agent, RECORDINGS_LISTED];
        connection.prepare(&sql)?.query_map(values, |row| stored(row, folder))?.collect()
    };
    read().map_err(|error| failed(folder, &error))
}

/// One recording; none: there is none of this name.
///
/// # Errors
/// As [`recordings`].
pub fn recording(folder: &Path, id: &str) -> Result<Option<StoredRecording>, String> {
    let read = || -> rusqlite::Result<Option<StoredRecording>> {
        let Some(connection) = open(folder)?.filter(has_table) else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM recordings WHERE id = ?1");
        let mut select = connection.prepare(&sql)?;
        select.query_map([id], |row| stored(row, folder))?.next().transpose()
    };
    read().map_err(|error| failed(folder, &error))
}

/// Deletes the row of a recording whose file is deleted; false: there was none.
///
/// # Errors
/// The journal's path, and why it cannot be written.
pub fn forget_recording(folder: &Path, id: &str) -> Result<bool, String> {
    let write = || -> rusqlite::Result<bool> {
        let Some(connection) = open_to_write(folder)? else { return Ok(false) };
        Ok(connection.execute("DELETE FROM recordings WHERE id = ?1", [id])? > 0)
    };
    write().map_err(|error| failed(folder, &error))
}

/// Whether a text can be the name of a recording.
pub fn is_recording_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A file of an older program has no recordings.
fn has_table(connection: &Connection) -> bool {
    let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'recordings'";
    connection.query_row(sql, [], |_| Ok(())).is_ok()
}

fn stored(row: &Row<'_>, folder: &Path) -> rusqlite::Result<StoredRecording> {
    let time = |us: i64| Timestamp::from_microsecond(us).unwrap_or_default();
    let id: String = row.get(0)?;
    let length: Option<i64> = row.get(6)?;
    Ok(StoredRecording {
        path: folder.join(RECORDINGS_FOLDER).join(file_name(&id)),
        at: time(row.get(1)?),
        queue: row.get(2)?,
        agent: row.get(3)?,
        call: row.get(4)?,
        keep_until: time(row.get(5)?),
        length: length.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs())),
        pauses: pauses_of(&row.get::<_, Option<String>>(7)?.unwrap_or_default()),
        is_whole: row.get::<_, Option<bool>>(8)?.unwrap_or(false),
        id,
    })
}

const COLUMNS: &str = "id, at_us, queue, agent, call, keep_until_us, length_ms, pauses, is_whole";
/// As many as a page or a command lists at once.
pub const RECORDINGS_LISTED: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;
    use crate::recording_rows::{EndedRecording, NewRecording, octets, put_end, put_new};
    use support::folder::Folder;

    #[test]
    fn a_recording_is_listed_by_day_queue_and_agent_with_its_pauses() {
        let folder = Folder::new();
        assert_eq!(recordings(folder.path(), &RecordingFilter::default()), Ok(Vec::new()), "there is no journal");
        let connection = file::open(&folder.join(file::FILE_NAME)).expect("a journal");
        let at = |second| Timestamp::from_second(1_796_000_000 + second).expect("a time");
        for (n, (queue, agent)) in [("desk", "li"), ("desk", "wang"), ("second", "li")].into_iter().enumerate() {
            let id = format!("{n:016x}");
            let (queue, agent) = (queue.to_owned(), agent.to_owned());
            let call = Some("0badcafe".into());
            let new = NewRecording { id, at: at(n as i64), queue, agent, call, keep_until: at(90_000) };
            put_new(&connection, &new).expect("stored");
        }
        let pauses = vec![
            (Duration::from_millis(1200), Duration::from_millis(4600)),
            (Duration::from_secs(9), Duration::from_secs(10)),
        ];
        let id = format!("{:016x}", 1);
        let ended = EndedRecording {
            id: id.clone(),
            length: Duration::from_secs(60),
            pauses: pauses.clone(),
            is_whole: true,
            octets: 7,
        };
        put_end(&connection, &ended).expect("stored");
        let listed = |filter: &RecordingFilter| -> Vec<String> {
            recordings(folder.path(), filter)
                .expect("readable")
                .into_iter()
                .map(|one| one.id[15..].to_owned())
                .collect()
        };
        let all = RecordingFilter::default();
        assert_eq!(listed(&all), ["2", "1", "0"]);
        assert_eq!(listed(&RecordingFilter { from: Some(at(1)), until: Some(at(2)), ..all.clone() }), ["1"]);
        assert_eq!(listed(&RecordingFilter { queue: Some("desk".into()), ..all.clone() }), ["1", "0"]);
        assert_eq!(listed(&RecordingFilter { agent: Some("li".into()), queue: Some("second".into()), ..all }), ["2"]);
        let one = recording(folder.path(), &id).expect("readable").expect("it is there");
        assert_eq!((one.length, one.pauses, one.is_whole), (Some(Duration::from_secs(60)), pauses, true));
        assert_eq!(octets(&connection).expect("a sum"), 7);
        assert_eq!(forget_recording(folder.path(), &id), Ok(true));
        assert_eq!(recording(folder.path(), &id), Ok(None));
        assert!(is_recording_id(&id) && !is_recording_id("../../etc/passwd") && !is_recording_id("000000000000000G"));
    }
}
