//! A batch that would take so many cases away that a person has to say whether it is meant.
//!
//! ```text
//!  more than 1 % of the cases, or all ─► held, and everything behind it waits; the copy answers as it is
//!                                          ├─ apply ─► the source's next try goes through
//!                                          └─ drop  ─► … without what it takes away
//! ```
//!
//! Only the note is kept here. The batch stays with its source, which tries it again until it is decided.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use replica::Mark;

/// What waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    pub source: String,
    pub sequence: Option<u64>,
    pub what: HeldWhat,
    /// Cases that it takes away.
    pub deletes: u64,
    /// Cases in the copy.
    pub rows: u64,
    pub since: Timestamp,
    pub decision: Option<Decision>,
}

/// Why it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldWhat {
    /// More deletes in one transaction than happen in an office.
    Deletes,
    /// The upstream's table was emptied.
    Truncate,
    /// A copy made anew has far fewer cases than the one it would replace.
    Smaller,
}

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is meant.
    Apply,
    /// It is not: go on without it.
    Drop,
}

impl HeldWhat {
    const ALL: [HeldWhat; 3] = [HeldWhat::Deletes, HeldWhat::Truncate, HeldWhat::Smaller];

    pub fn name(self) -> &'static str {
        match self {
            HeldWhat::Deletes => "deletes",
            HeldWhat::Truncate => "truncate",
            HeldWhat::Smaller => "smaller",
        }
    }
}

impl Decision {
    const ALL: [Decision; 2] = [Decision::Apply, Decision::Drop];

    pub fn name(self) -> &'static str {
        match self {
            Decision::Apply => "apply",
            Decision::Drop => "drop",
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { source, sequence, what, deletes, rows, since, decision } = self;
        let place = sequence.map_or(String::new(), |sequence| format!(" at {sequence}"));
        let waits = decision.map_or("waits: jindu replica held apply|drop", Decision::name);
        write!(f, "{source}{place}, since {since}: {} takes {deletes} of {rows} cases away; {waits}", what.name())
    }
}

/// Whether so many deletes are more than happen in an office.
pub(super) fn is_mass(deletes: u64, rows: u64) -> bool {
    deletes > DELETES_MIN && deletes.saturating_mul(100) > rows
}

/// What is held.
pub(super) fn get(connection: &Connection) -> rusqlite::Result<Option<Held>> {
    let sql = "SELECT source, sequence, what, deletes, rows, since_us, decision FROM held";
    let mut select = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let (what, decision): (String, Option<String>) = (row.get(2)?, row.get(6)?);
        Ok(Held {
            source: row.get(0)?,
            sequence: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            what: HeldWhat::ALL.into_iter().find(|known| known.name() == what).unwrap_or(HeldWhat::Deletes),
            deletes: row.get::<_, i64>(3)?.cast_unsigned(),
            rows: row.get::<_, i64>(4)?.cast_unsigned(),
            since: Timestamp::from_microsecond(row.get(5)?).unwrap_or_default(),
            decision: decision.and_then(|name| Decision::ALL.into_iter().find(|known| known.name() == name)),
        })
    };
    select.query_row([], read).optional()
}

/// What a person said of this batch; none when nobody was asked, or nobody answered yet.
pub(super) fn decision(connection: &Connection, mark: &Mark) -> rusqlite::Result<Option<Decision>> {
    let held = get(connection)?.filter(|held| held.source == mark.source && held.sequence == mark.sequence);
    Ok(held.and_then(|held| held.decision))
}

/// Notes that a batch waits. One that waits already keeps its age.
pub(super) fn hold(connection: &Connection, held: &Held) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO held (one, source, sequence, what, deletes, rows, since_us) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (one) DO UPDATE SET source = ?1, sequence = ?2, what = ?3, deletes = ?4, rows = ?5,
               since_us = ?6, decision = NULL WHERE source <> ?1 OR sequence IS NOT ?2";
    let Held { source, sequence, what, deletes, rows, since, decision: _ } = held;
    let (deletes, rows) = (deletes.cast_signed(), rows.cast_signed());
    let sequence = sequence.map(u64::cast_signed);
    let values = params![source, sequence, what.name(), deletes, rows, since.as_microsecond()];
    connection.execute(sql, values).map(drop)
}

/// Notes what a person said; `false` when nothing is held.
pub(super) fn decide(connection: &Connection, decision: Decision) -> rusqlite::Result<bool> {
    connection.execute("UPDATE held SET decision = ?1", [decision.name()]).map(|changed| changed > 0)
}

/// Forgets what was held.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM held")?.execute([]).map(drop)
}

/// So few deletes are everyday, however few cases there are.
const DELETES_MIN: u64 = 5;
