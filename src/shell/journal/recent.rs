//! What callers did within the last time: limits begin with it, so that a restart does not reset them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Row, params};

use os::clock;

/// What one caller of a trunk did, how often, and how long ago at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// The trunk; none where the row does not say.
    pub trunk: Option<String>,
    /// The caller's keyed hash; none: the number was withheld.
    pub caller: Option<u64>,
    /// How long ago the first of them was.
    pub since: Duration,
    /// How many there were.
    pub count: u32,
}

/// The transfers of known callers within a time.
pub(crate) fn transfers(connection: &Connection, within: Duration) -> rusqlite::Result<Vec<Recent>> {
    let sql = "SELECT trunk, caller, min(at_us), count(*) FROM transfers WHERE at_us >= ?1
        GROUP BY trunk, caller ORDER BY count(*) DESC LIMIT ?2";
    read(connection, sql, within)
}

/// The messages that callers left within a time.
pub(crate) fn messages(connection: &Connection, within: Duration) -> rusqlite::Result<Vec<Recent>> {
    let sql = "SELECT trunk, caller, min(at_us), count(*) FROM messages WHERE at_us >= ?1
        GROUP BY trunk, caller ORDER BY count(*) DESC LIMIT ?2";
    read(connection, sql, within)
}

fn read(connection: &Connection, sql: &str, within: Duration) -> rusqlite::Result<Vec<Recent>> {
    let now = clock::steady();
    let from =
        SignedDuration::try_from(within).map_or(Timestamp::MIN, |within| now.saturating_sub(within).unwrap_or(now));
    let recent = |row: &Row<'_>| {
        let at = Timestamp::from_microsecond(row.get(2)?).unwrap_or(now);
        Ok(Recent {
            trunk: row.get(0)?,
            caller: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            // A row from a time to come was written while the clock was ahead: it counts as new.
            since: Duration::try_from(now.duration_since(at)).unwrap_or_default(),
            count: u32::try_from(row.get::<_, i64>(3)?).unwrap_or(u32::MAX),
        })
    };
    connection.prepare(sql)?.query_map(params![from.as_microsecond(), CALLERS_MAX], recent)?.collect()
}

/// Callers that are read; of more, those who did it least are left out.
const CALLERS_MAX: i64 = 20_000;
