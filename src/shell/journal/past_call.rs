//! One call, as the journal holds it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::call_statistics::CALL_BACK;
use crate::reading::{column, failed, open};

/// The record of a call. It names no person: `caller` stays in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// The row's number.
    pub id: i64,
    /// Stands for it in the log; none in rows of older programs.
    pub tag: Option<String>,
    /// When the INVITE came in.
    pub started: Timestamp,
    /// INVITE → 200; none when it was not answered.
    pub answered_after: Option<Duration>,
    /// From the INVITE to the end.
    pub duration: Duration,
    /// [`inquiry::CallOutcome::name`].
    pub outcome: String,
    /// The last SIP status or the cause.
    pub cause: Option<String>,
    /// The language at the end.
    pub lang: Option<String>,
    /// The hash of its release.
    pub release: String,
    /// The nodes that were entered, separated by commas.
    pub path: String,
    /// How many keys were pressed.
    pub keys: u32,
    /// What its look-ups came to, in order.
    pub look_ups: Vec<String>,
    /// The name of the trunk.
    pub trunk: String,
    /// The caller's score.
    pub rating: Option<u8>,
    /// How many packets the peer missed.
    pub peer_packets_lost: Option<u32>,
    /// The last round trip.
    pub round_trip: Option<Duration>,
    /// The mean opinion score, in hundredths.
    pub mos_hundredths: Option<u16>,
    /// How its media was protected.
    pub srtp: Option<String>,
    /// The queue in which the caller waited for an agent.
    pub queue: Option<String>,
    /// How long the caller waited there.
    pub queue_wait: Option<Duration>,
    /// `answered`, `abandoned`, `full` or `unavailable`.
    pub queue_outcome: Option<String>,
    /// The account of the agent who talked to the caller last.
    pub agent: Option<String>,
    /// The account of the supervisor who took the conversation over.
    pub taken_over_by: Option<String>,
    /// What agents did with the call, in order: [`inquiry::HandlingStep::journal_text`].
    pub handling: Vec<String>,
    /// The names of the recordings of its conversations with agents.
    pub recordings: Vec<String>,
    /// `accepted` or `refused`: the text message that the caller asked for.
    pub text_message: Option<String>,
    /// What came of the last transfer outside the queues: [`inquiry::TransferResult::journal_text`].
    pub transfer: Option<String>,
    /// What became of the messages that the caller recorded, in order, with commas between: [`inquiry::MessageResult::journal_text`].
    pub message: Option<String>,
    /// This node made the call, to call a person back.
    pub is_call_back: bool,
}

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallName<'a> {
    /// By its tag in the log.
    Tag(&'a str),
    /// By its row's number.
    Id(i64),
}

/// The newest call of that name; `None` if there is none.
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn past_call(folder: &Path, name: CallName<'_>) -> Result<Option<PastCall>, String> {
    let read = || match open(folder)? {
        Some(connection) => find(&connection, name),
        None => Ok(None),
    };
    read().map_err(|error| failed(folder, &error))
}

fn find(connection: &Connection, name: CallName<'_>) -> rusqlite::Result<Option<PastCall>> {
    let mut added = Vec::new();
    for later in [
        "tag",
        "peer_packets_lost",
        "round_trip_us",
        "mos_hundredths",
        "srtp",
        "queue",
        "queue_wait_ms",
        "queue_outcome",
        "agent",
        "taken_over_by",
        "handling",
        "recordings",
        "sms",
        "transfer",
        "message",
        "source",
    ] {
        added.push(column(connection, "calls", later)?);
    }
    let (tag, added) = (added[0], added.join(", "));
    let wanted = match name {
        CallName::Tag(_) => tag,
        CallName::Id(_) => "id",
    };
    let sql = format!(
        "SELECT id, at_us, answered_ms, duration_ms, outcome, cause, lang, release, path, keys, look_ups, trunk, rating,
        {added} FROM calls WHERE {wanted} = ?1 ORDER BY id DESC LIMIT 1"
    );
    let mut select = connection.prepare(&sql)?;
    match name {
        CallName::Tag(tag) => select.query_row(params![tag], read).optional(),
        CallName::Id(id) => select.query_row(params![id], read).optional(),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PastCall> {
    let list: String = row.get(10)?;
    let split = |list: &str| list.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    let micros = |at: Option<i64>| at.map(|at| Duration::from_micros(at.max(0).unsigned_abs()));
    let millis = |at: i64| Duration::from_millis(at.max(0).unsigned_abs());
    Ok(PastCall {
        id: row.get(0)?,
        started: Timestamp::from_microsecond(row.get(1)?).unwrap_or_default(),
        answered_after: row.get::<_, Option<i64>>(2)?.map(millis),
        duration: millis(row.get(3)?),
        outcome: row.get(4)?,
        cause: row.get(5)?,
        lang: row.get(6)?,
        release: row.get(7)?,
        path: row.get(8)?,
        keys: row.get(9)?,
        look_ups: split(&list),
        trunk: row.get(11)?,
        rating: row.get(12)?,
        tag: row.get(13)?,
        peer_packets_lost: row.get(14)?,
        round_trip: micros(row.get(15)?),
        mos_hundredths: row.get(16)?,
        srtp: row.get(17)?,
        queue: row.get(18)?,
        queue_wait: row.get::<_, Option<i64>>(19)?.map(millis),
        queue_outcome: row.get(20)?,
        agent: row.get(21)?,
        taken_over_by: row.get(22)?,
        handling: split(&row.get::<_, Option<String>>(23)?.unwrap_or_default()),
        recordings: row
            .get::<_, Option<String>>(24)?
            .map_or_else(Vec::new, |names| names.split(',').map(str::to_owned).collect()),
        text_message: row.get(25)?,
        transfer: row.get(26)?,
        message: row.get(27)?,
        is_call_back: row.get::<_, Option<String>>(28)?.as_deref() == Some(CALL_BACK),
    })
}
