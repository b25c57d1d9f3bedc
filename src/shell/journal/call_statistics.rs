//! How many calls there were, and how they went: one pass over the journal's rows, in bounded memory.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use inquiry::CallOutcome;

use crate::reading::{column, failed, open};

/// Which calls are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Only calls that were abandoned, in a queue too, were refused or failed.
    pub failed: bool,
    /// Only those of the trunk with this name.
    pub trunk: Option<String>,
}

/// Calls, counted. Calls of operators to the recording service are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallStatistics {
    /// All calls.
    pub calls: u64,
    /// By outcome: [`CallOutcome::name`].
    pub outcomes: BTreeMap<String, u64>,
    /// By the cause that the record names, among calls that were abandoned, were refused or failed; `queue_abandoned`: while they
    /// waited for an agent.
    pub causes: BTreeMap<String, u64>,
    /// By the last node, among calls of callers who hung up or gave up.
    pub left_at: BTreeMap<String, u64>,
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

fn count(connection: &Connection, filter: &CallFilter) -> rusqlite::Result<CallStatistics> {
    let (mos, wait) = (column(connection, "calls", "mos_hundredths")?, column(connection, "calls", "queue_outcome")?);
    let sql = format!(
        "SELECT outcome, cause, path, look_ups, trunk, answered_ms, duration_ms, {mos}, {wait} FROM calls
        WHERE at_us >= ?1 AND (?2 IS NULL OR trunk = ?2) AND path NOT LIKE '(%' ORDER BY at_us"
    );
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params![filter.since.as_microsecond(), filter.trunk])?;
    let mut counted = CallStatistics::default();
    while let Some(row) = rows.next()? {
        let outcome = row.get_ref(0)?.as_str()?;
        let cause = match row.get_ref(8)?.as_str_or_null()? {
            _ if UNSERVED.iter().any(|unserved| unserved.name() == outcome) => {
                Some(row.get_ref(1)?.as_str_or_null()?.unwrap_or("-"))
            }
            Some("abandoned") => Some(LEFT_THE_QUEUE),
            _ => None,
        };
        if cause.is_some() || !filter.failed {
            counted.add(row, outcome, cause)?;
        }
    }
    Ok(counted)
}

impl CallStatistics {
    fn add(&mut self, row: &Row<'_>, outcome: &str, cause: Option<&str>) -> rusqlite::Result<()> {
        self.calls += 1;
        count_one(&mut self.outcomes, outcome);
        if let Some(cause) = cause {
            count_one(&mut self.causes, cause);
        }
        if [CallOutcome::HungUp, CallOutcome::Abandoned].iter().any(|left| left.name() == outcome) {
            let last = row.get_ref(2)?.as_str()?.rsplit(',').next().filter(|node| !node.is_empty());
            count_one(&mut self.left_at, last.unwrap_or("-"));
        }
        for result in row.get_ref(3)?.as_str()?.split(',').filter(|result| !result.is_empty()) {
            count_one(&mut self.look_ups, result);
        }
        count_one(&mut self.trunks, row.get_ref(4)?.as_str()?);
        self.answered_ms.add(row.get(5)?);
        self.duration_ms.add(row.get(6)?);
        let mos: Option<i64> = row.get(7)?;
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

/// The cause of callers who hung up while they waited for an agent.
const LEFT_THE_QUEUE: &str = "queue_abandoned";
/// Outcomes of callers who got no service.
const UNSERVED: [CallOutcome; 3] = [CallOutcome::Abandoned, CallOutcome::Refused, CallOutcome::Failed];
const MOS_POOR: i64 = 360;
const WORDS_MAX: usize = 1000;
