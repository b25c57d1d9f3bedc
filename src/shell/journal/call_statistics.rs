//! How many calls there were, and how they went: one pass over the journal's rows, in bounded memory.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use inquiry::{CallOutcome, MessageResult, QueueOutcome, TransferResult};

use crate::reading::{column, failed, open};

/// Which calls are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Only calls that were not served: abandoned, also in a queue, refused, failed, or not connected with a person.
    pub failed: bool,
    /// Only those of the trunk with this name.
    pub trunk: Option<String>,
    /// The node where calls begin that this node makes: how soon such a person answers says nothing of the node.
    pub called_back: Option<String>,
}

/// One call of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLine {
    /// Its row.
    pub id: i64,
    /// Its tag in the log; none in rows of older versions.
    pub tag: Option<String>,
    /// When it came.
    pub at: Timestamp,
    /// Its trunk.
    pub trunk: String,
    /// [`CallOutcome::name`].
    pub outcome: String,
    /// Why it was not served; empty if it was.
    pub cause: String,
    /// The node where it ended; empty before the first.
    pub last: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

/// Calls, counted. Calls of operators to the recording service are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallStatistics {
    /// All calls.
    pub calls: u64,
    /// By outcome: [`CallOutcome::name`].
    pub outcomes: BTreeMap<String, u64>,
    /// By the cause that the record names, among calls that were abandoned, were refused or failed; `queue_abandoned`: while they
    /// waited for an agent; `transfer_failed`: a transfer failed and the caller left no message.
    pub causes: BTreeMap<String, u64>,
    /// By the last node, among calls of callers who hung up or gave up.
    pub left_at: BTreeMap<String, u64>,
    /// Last transfers outside the queues: [`inquiry::TransferResult::journal_text`].
    pub transfers: BTreeMap<String, u64>,
    /// Look-ups by result.
    pub look_ups: BTreeMap<String, u64>,
    /// By trunk.
    pub trunks: BTreeMap<String, u64>,
    /// From the INVITE to the answer, in milliseconds.
    pub answered_ms: Mean,
    /// From the INVITE to the end, in milliseconds.
    pub duration_ms: Mean,
    /// Mean opinion scores, in hundredths.
    pub mos_hundredths: Mean,
    /// Calls with a score below 3.60, where many listeners are dissatisfied (ITU-T G.107, table B.1).
    pub mos_poor: u64,
}

/// The sum of values, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mean {
    /// How many values.
    pub count: u64,
    sum: u64,
}

impl Mean {
    fn add(&mut self, value: Option<i64>) {
        if let Some(value) = value {
            self.count += 1;
            self.sum = self.sum.saturating_add(value.max(0).unsigned_abs());
        }
    }

    /// The mean; none without a value.
    pub fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

/// Counts the calls of a data folder's journal; `None` while there is none.
///
/// # Errors
/// The journal's path, and why it cannot be read.
pub fn call_statistics(folder: &Path, filter: &CallFilter) -> Result<Option<CallStatistics>, String> {
    let read = || open(folder)?.map(|connection| count(&connection, filter)).transpose();
    read().map_err(|error| failed(folder, &error))
}

/// The newest of these calls, newest last: at most so many. `None` without a journal.
///
/// # Errors
/// The journal cannot be read.
pub fn call_list(folder: &Path, filter: &CallFilter, most: usize) -> Result<Option<Vec<CallLine>>, String> {
    let read = || open(folder)?.map(|connection| list(&connection, filter, most)).transpose();
    read().map_err(|error| failed(folder, &error))
}

fn list(connection: &Connection, filter: &CallFilter, most: usize) -> rusqlite::Result<Vec<CallLine>> {
    let (tag, service) = (column(connection, "calls", "tag")?, service_columns(connection)?);
    let sql = format!(
        "SELECT {service}, id, {tag}, at_us, trunk, path, duration_ms FROM calls
        WHERE at_us >= ?1 AND (?2 IS NULL OR trunk = ?2) AND path NOT LIKE '(%' ORDER BY id DESC"
    );
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params![filter.since.as_microsecond(), filter.trunk])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()?
        && lines.len() < most
    {
        let cause = unserved(row)?.map(str::to_owned);
        if filter.failed && cause.is_none() {
            continue;
        }
        lines.push(CallLine {
            outcome: row.get(0)?,
            cause: cause.unwrap_or_default(),
            id: row.get(6)?,
            tag: row.get(7)?,
            at: Timestamp::from_microsecond(row.get(8)?).unwrap_or_default(),
            trunk: row.get(9)?,
            last: row.get_ref(10)?.as_str()?.rsplit(',').next().unwrap_or_default().to_owned(),
            duration_ms: row.get(11)?,
        });
    }
    lines.reverse();
    Ok(lines)
}

/// The six columns that say whether a call was served, as [`unserved`] reads them.
fn service_columns(connection: &Connection) -> rusqlite::Result<String> {
    let later = ["queue_outcome", "transfer", "message", "source"].map(|name| column(connection, "calls", name));
    let [wait, transfer, message, source] = later;
    Ok(format!("outcome, cause, {}, {}, {}, {}", wait?, transfer?, message?, source?))
}

/// Why the call of a row that begins with [`service_columns`] was not served; `None` if it was.
fn unserved<'a>(row: &'a Row<'_>) -> rusqlite::Result<Option<&'a str>> {
    let text = |column: usize| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?);
    let ended = text(0)?.unwrap_or_default();
    if reached_nobody(row)? {
        return Ok(None);
    }
    if UNSERVED.iter().any(|unserved| unserved.name() == ended) {
        return Ok(Some(text(1)?.unwrap_or("-")));
    }
    if text(2)? == Some("abandoned") {
        return Ok(Some(LEFT_THE_QUEUE));
    }
    // A caller who was answered in a queue or left a message was served.
    let failed = text(3)?.is_some_and(|result| result != TransferResult::Done.journal_text());
    let left_a_message =
        text(4)?.is_some_and(|results| results.split(',').any(|result| !MessageResult::NOT_LEFT.contains(&result)));
    Ok((failed && text(2)? != Some(QueueOutcome::Answered.name()) && !left_a_message).then_some(NO_PERSON))
}

/// Whether this node called a person back who was not reached: what comes of it is in the list of call-backs.
fn reached_nobody(row: &Row<'_>) -> rusqlite::Result<bool> {
    let is_call_back = row.get_ref(5)?.as_str_or_null()? == Some(CALL_BACK);
    Ok(is_call_back && row.get_ref(1)?.as_str_or_null()?.is_some_and(|cause| NOT_REACHED.contains(&cause)))
}

fn count(connection: &Connection, filter: &CallFilter) -> rusqlite::Result<CallStatistics> {
    let (mos, service) = (column(connection, "calls", "mos_hundredths")?, service_columns(connection)?);
    let sql = format!(
        "SELECT {service}, path, look_ups, trunk, answered_ms, duration_ms, {mos} FROM calls
        WHERE at_us >= ?1 AND (?2 IS NULL OR trunk = ?2) AND path NOT LIKE '(%' ORDER BY at_us"
    );
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params![filter.since.as_microsecond(), filter.trunk])?;
    let mut counted = CallStatistics::default();
    while let Some(row) = rows.next()? {
        let cause = unserved(row)?;
        if cause.is_some() || !filter.failed {
            counted.add(row, cause, filter.called_back.as_deref())?;
        }
    }
    Ok(counted)
}

impl CallStatistics {
    fn add(&mut self, row: &Row<'_>, cause: Option<&str>, called_back: Option<&str>) -> rusqlite::Result<()> {
        let outcome = if reached_nobody(row)? { CALL_BACK_NOT_REACHED } else { row.get_ref(0)?.as_str()? };
        self.calls += 1;
        count_one(&mut self.outcomes, outcome);
        if let Some(cause) = cause {
            count_one(&mut self.causes, cause);
        }
        if [CallOutcome::HungUp, CallOutcome::Abandoned].iter().any(|left| left.name() == outcome) {
            let last = row.get_ref(6)?.as_str()?.rsplit(',').next().filter(|node| !node.is_empty());
            count_one(&mut self.left_at, last.unwrap_or("-"));
        }
        if let Some(transfer) = row.get_ref(3)?.as_str_or_null()? {
            count_one(&mut self.transfers, transfer);
        }
        for result in row.get_ref(7)?.as_str()?.split(',').filter(|result| !result.is_empty()) {
            count_one(&mut self.look_ups, result);
        }
        count_one(&mut self.trunks, row.get_ref(8)?.as_str()?);
        let first = row.get_ref(6)?.as_str()?.split(',').next();
        if called_back.is_none() || first != called_back {
            self.answered_ms.add(row.get(9)?);
        }
        self.duration_ms.add(row.get(10)?);
        let mos: Option<i64> = row.get(11)?;
        self.mos_hundredths.add(mos);
        self.mos_poor += u64::from(mos.is_some_and(|mos| mos < MOS_POOR));
        Ok(())
    }
}

/// Counts a word. The journal has few different ones; a damaged file must not fill the memory.
fn count_one(counts: &mut BTreeMap<String, u64>, word: &str) {
    if let Some(count) = counts.get_mut(word) {
        *count += 1;
    } else if counts.len() < WORDS_MAX {
        counts.insert(word.to_owned(), 1);
    } else {
        *counts.entry("…".to_owned()).or_default() += 1;
    }
}

/// Where a call came from that this node made to call a person back.
pub const CALL_BACK: &str = "call-back";
/// The outcome that such a call counts as.
const CALL_BACK_NOT_REACHED: &str = "not_reached";
/// Causes of call-backs to a person who was not reached.
const NOT_REACHED: [&str; 3] = ["busy", "no answer", "number unreachable"];
/// The cause of callers who hung up while they waited for an agent.
const LEFT_THE_QUEUE: &str = "queue_abandoned";
/// The cause of callers who asked for a person and were not connected.
const NO_PERSON: &str = "transfer_failed";
/// Outcomes of callers who got no service.
const UNSERVED: [CallOutcome; 3] = [CallOutcome::Abandoned, CallOutcome::Refused, CallOutcome::Failed];
const MOS_POOR: i64 = 360;
const WORDS_MAX: usize = 1000;
