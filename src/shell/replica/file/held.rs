//! The hold on a batch that deletes so many cases that an operator has to confirm it.
//!
//! ```text
//!  more than 1 % of the cases, or all ─► held, and later batches wait; the replica answers as it is
//!                                          ├─ apply ─► the source's next attempt is applied
//!                                          └─ drop  ─► it is applied without its deletes
//! ```
//!
//! Only the hold is stored here. The batch stays with its source, which retries it until the operator has decided.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use replica::Mark;

/// A batch that waits for an operator's decision.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// The source of the batch.
    pub source: String,
    /// Its number or log position; `None` for a rebuilt copy.
    pub sequence: Option<u64>,
    /// Why it is held.
    pub what: HeldReason,
    /// Cases that it deletes.
    pub deletes: u64,
    /// Cases in the replica.
    pub rows: u64,
    /// When it was held first.
    pub since: Timestamp,
    /// The operator's decision, until the source's next attempt.
    pub decision: Option<Decision>,
}

/// Why a batch is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldReason {
    /// Unusually many deletes in one transaction.
    Deletes,
    /// The upstream's table was emptied.
    Truncate,
    /// A rebuilt copy has far fewer cases than the live one.
    Smaller,
}

/// An operator's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The deletes are intended.
    Apply,
    /// The deletes are a mistake: continue without them.
    Drop,
}

impl HeldReason {
    const ALL: [HeldReason; 3] = [HeldReason::Deletes, HeldReason::Truncate, HeldReason::Smaller];

    /// The stable name in the file, in JSON and in messages.
    pub fn name(self) -> &'static str {
        match self {
            HeldReason::Deletes => "deletes",
            HeldReason::Truncate => "truncate",
            HeldReason::Smaller => "smaller",
        }
    }
}

impl Decision {
    const ALL: [Decision; 2] = [Decision::Apply, Decision::Drop];

    /// The stable name in the file and on the command line.
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
        let waits = decision.map_or("waiting for jindu replica held apply|drop", Decision::name);
        write!(f, "{source}{place}, since {since}: {}, deletes {deletes} of {rows} cases; {waits}", what.name())
    }
}

/// Whether a batch with so many deletes needs a decision.
pub(crate) fn is_mass(deletes: u64, rows: u64) -> bool {
    deletes > DELETES_MIN && deletes.saturating_mul(100) > rows
}

/// The batch that is held, if any.
pub(crate) fn get(connection: &Connection) -> rusqlite::Result<Option<Held>> {
    let sql = "SELECT source, sequence, what, deletes, rows, since_us, decision FROM held";
    let mut select = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let (what, decision): (String, Option<String>) = (row.get(2)?, row.get(6)?);
        Ok(Held {
            source: row.get(0)?,
            sequence: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            what: HeldReason::ALL.into_iter().find(|known| known.name() == what).unwrap_or(HeldReason::Deletes),
            deletes: row.get::<_, i64>(3)?.cast_unsigned(),
            rows: row.get::<_, i64>(4)?.cast_unsigned(),
            since: Timestamp::from_microsecond(row.get(5)?).unwrap_or_default(),
            decision: decision.and_then(|name| Decision::ALL.into_iter().find(|known| known.name() == name)),
        })
    };
    select.query_row([], read).optional()
}

/// The decision on the batch with this mark; `None` when it is not held or not decided.
pub(crate) fn decision(connection: &Connection, mark: &Mark) -> rusqlite::Result<Option<Decision>> {
    let held = get(connection)?.filter(|held| held.source == mark.source && held.sequence == mark.sequence);
    Ok(held.and_then(|held| held.decision))
}

/// Holds a batch. A batch that is held already keeps its `since`.
pub(crate) fn hold(connection: &Connection, held: &Held) -> rusqlite::Result<()> {
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

/// Stores the decision; `false` when nothing is held.
pub(crate) fn decide(connection: &Connection, decision: Decision) -> rusqlite::Result<bool> {
    connection.execute("UPDATE held SET decision = ?1", [decision.name()]).map(|changed| changed > 0)
}

/// Removes the hold.
pub(crate) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM held")?.execute([]).map(drop)
}

/// Deletes that never need a decision, even in a small copy.
const DELETES_MIN: u64 = 5;
