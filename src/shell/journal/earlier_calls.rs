//! What a caller's earlier calls came to, for the agent who answers the next one.

use std::ops::Range;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use inquiry::{LINE_TEST_STEP, STUDIO_STEP};

/// A finished call. It names no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierCall {
    /// When the INVITE came in.
    pub started: Timestamp,
    /// [`inquiry::CallOutcome::name`].
    pub outcome: String,
    /// [`inquiry::QueueOutcome::name`] of its last wait for an agent; none without one.
    pub queue_outcome: Option<String>,
    /// The account of the agent who answered.
    pub agent: Option<String>,
    /// What an agent noted as its reason, at last.
    pub reason: Option<String>,
    /// What agents noted of it, in their order.
    pub note: Option<String>,
}

/// What an agent has noted of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteOfCall {
    /// The account.
    pub agent: String,
    /// One of the settings' reasons.
    pub reason: Option<String>,
    /// A short text; empty: none.
    pub text: String,
}

/// The newest calls of a caller of a trunk that began within a time, newest first. Line tests and calls to the recording service
/// do not count.
pub(crate) fn earlier_calls(
    connection: &Connection,
    trunk: &str,
    caller: u64,
    within: &Range<Timestamp>,
) -> rusqlite::Result<Vec<EarlierCall>> {
    let sql = "SELECT at_us, outcome, queue_outcome, agent,
        (SELECT reason FROM agent_notes WHERE agent_notes.call = calls.tag ORDER BY agent_notes.id DESC LIMIT 1),
        (SELECT group_concat(text, ' / ' ORDER BY id) FROM agent_notes AS noted WHERE noted.call = calls.tag AND text <> ''
            AND id = (SELECT max(id) FROM agent_notes WHERE call = noted.call AND agent = noted.agent)) FROM calls
        WHERE at_us >= ?1 AND at_us < ?2 AND caller = ?3 AND trunk = ?4 AND path NOT IN (?5, ?6) ORDER BY at_us DESC LIMIT ?7";
    let (since, until) = (within.start.as_microsecond(), within.end.as_microsecond());
    let values = params![since, until, caller.cast_signed(), trunk, LINE_TEST_STEP, STUDIO_STEP, SHOWN_MAX];
    connection.prepare_cached(sql)?.query_map(values, call)?.collect()
}

fn call(row: &Row) -> rusqlite::Result<EarlierCall> {
    Ok(EarlierCall {
        started: Timestamp::from_microsecond(row.get(0)?).unwrap_or_default(),
        outcome: row.get(1)?,
        queue_outcome: row.get(2)?,
        agent: row.get(3)?,
        reason: row.get(4)?,
        note: row.get(5)?,
    })
}

/// What agents have noted of a call so far, in order; of each agent the last.
pub(crate) fn notes(connection: &Connection, call: &str) -> rusqlite::Result<Vec<NoteOfCall>> {
    let sql = "SELECT agent, reason, text FROM agent_notes AS noted WHERE call = ?1
        AND id = (SELECT max(id) FROM agent_notes WHERE call = noted.call AND agent = noted.agent) ORDER BY id LIMIT ?2";
    let note = |row: &Row<'_>| Ok(NoteOfCall { agent: row.get(0)?, reason: row.get(1)?, text: row.get(2)? });
    connection.prepare_cached(sql)?.query_map(params![call, SHOWN_MAX], note)?.collect()
}

const SHOWN_MAX: u32 = 10;
