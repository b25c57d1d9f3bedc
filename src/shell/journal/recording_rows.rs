//! The rows of recorded conversations, as the journal's writer has them.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A recording that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecording {
    /// Its name: 16 hexadecimal digits.
    pub id: String,
    /// When the conversation began.
    pub at: Timestamp,
    /// The queue's name.
    pub queue: String,
    /// The agent's account.
    pub agent: String,
    /// [`inquiry::CallRecord::tag`] of the call; none where the node has no key for tags.
    pub call: Option<String>,
    /// When it is deleted.
    pub keep_until: Timestamp,
}

/// What is known of a recording at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRecording {
    /// Its name.
    pub id: String,
    /// How long it is, pauses included.
    pub length: Duration,
    /// When the agent paused it: from the beginning of the recording on.
    pub pauses: Vec<(Duration, Duration)>,
    /// Its file has an end: else it is read to the last whole stretch.
    pub is_whole: bool,
    /// Octets on the disk.
    pub octets: u64,
}

/// Stores a recording that begins.
pub(crate) fn put_new(connection: &Connection, recording: &NewRecording) -> rusqlite::Result<()> {
    let NewRecording { id, at, queue, agent, call, keep_until } = recording;
    let sql = "INSERT OR IGNORE INTO recordings (id, at_us, queue, agent, call, keep_until_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![id, at.as_microsecond(), queue, agent, call, keep_until.as_microsecond()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Stores the end of a recording; one without sound has no row.
pub(crate) fn put_end(connection: &Connection, ended: &EndedRecording) -> rusqlite::Result<()> {
    let EndedRecording { id, length, pauses, is_whole, octets } = ended;
    if length.is_zero() {
        return connection.prepare_cached("DELETE FROM recordings WHERE id = ?1")?.execute([id]).map(drop);
    }
    let sql = "UPDATE recordings SET length_ms = ?2, pauses = ?3, is_whole = ?4, octets = ?5 WHERE id = ?1";
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let values = params![id, length, pauses_text(pauses), is_whole, octets.cast_signed()];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Stores the pauses of a recording that is being written.
pub(crate) fn put_pauses(connection: &Connection, id: &str, pauses: &[(Duration, Duration)]) -> rusqlite::Result<()> {
    let sql = "UPDATE recordings SET pauses = ?2 WHERE id = ?1 AND length_ms IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, pauses_text(pauses)]).map(drop)
}

/// The pauses of a recording whose program died, of which this length is left: a pause that was going on lasts to the end.
pub(crate) fn pauses_left(
    connection: &Connection,
    id: &str,
    length: Duration,
) -> rusqlite::Result<Vec<(Duration, Duration)>> {
    let sql = "SELECT coalesce(pauses, '') FROM recordings WHERE id = ?1";
    let stored: Option<String> = connection.query_row(sql, [id], |row| row.get(0)).optional()?;
    let pauses = pauses_of(&stored.unwrap_or_default());
    let ends = |(from, to): (Duration, Duration)| (from, if to == from { length } else { to.min(length) });
    Ok(pauses.into_iter().map(ends).filter(|(from, to)| from < to).collect())
}

/// The other way round than [`pauses_text`].
pub(crate) fn pauses_of(text: &str) -> Vec<(Duration, Duration)> {
    let millis = |text: &str| text.parse().ok().map(Duration::from_millis);
    let one = |pause: &str| {
        let (from, to) = pause.split_once('-')?;
        Some((millis(from)?, millis(to)?))
    };
    text.split(',').filter_map(one).collect()
}

/// Octets of all recordings that have ended.
pub(crate) fn octets(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .query_row("SELECT coalesce(sum(octets), 0) FROM recordings", [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// Pauses as the row has them, in milliseconds: `1200-4600,9000-9800`.
fn pauses_text(pauses: &[(Duration, Duration)]) -> String {
    let one = |(from, to): &(Duration, Duration)| format!("{}-{}", from.as_millis(), to.as_millis());
    pauses.iter().map(one).collect::<Vec<_>>().join(",")
}

/// The table; created in files of earlier versions too.
pub(crate) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS recordings (
        id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, queue TEXT NOT NULL, agent TEXT NOT NULL, call TEXT,
        keep_until_us INTEGER NOT NULL, length_ms INTEGER, pauses TEXT, is_whole INTEGER, octets INTEGER
    ) STRICT;
    CREATE INDEX IF NOT EXISTS recordings_at ON recordings (at_us);
    CREATE INDEX IF NOT EXISTS recordings_until ON recordings (keep_until_us);";
