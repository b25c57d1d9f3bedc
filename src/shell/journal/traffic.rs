//! Counts the paths of recent calls, for the diagram of a flow.
//!
//! The node counts each call when its record is committed, by hours, so that the diagram reads no file. At the start the
//! calls of the last day are counted from the file once, a row at a time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use flow::Traffic;
use inquiry::{CallOutcome, CallRecord, is_of_no_flow};
use os::clock;

/// The traffic of the last `span`; `None` while there is no journal. Rows are counted as they are read.
///
/// # Errors
/// The journal cannot be read.
pub fn traffic(journal: &Path, span: Duration) -> rusqlite::Result<Option<Traffic>> {
    if !journal.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    let mut traffic = Traffic::default();
    each_since(&connection, before(clock::timestamp(), span), |_, path, hung_up| {
        traffic.add(path.split(','), hung_up)
    })?;
    Ok(Some(traffic))
}

/// The calls of the last day, by hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentTraffic(Arc<Mutex<Hours>>);

/// Counts by the hours that the calls began in, the newest last.
#[derive(Debug, Default)]
struct Hours(VecDeque<(i64, Traffic)>);

impl RecentTraffic {
    /// Counts the calls of the last day that a file holds.
    pub(crate) fn seed(&self, connection: &Connection) -> rusqlite::Result<()> {
        let now = clock::timestamp();
        let mut seeded = Hours::default();
        each_since(connection, before(now, DAY), |at_us, path, hung_up| {
            seeded.add(hour(now), at_us.div_euclid(HOUR_US), path.split(','), hung_up);
        })?;
        self.with(|hours| *hours = seeded);
        Ok(())
    }

    /// Counts a call whose record is committed.
    pub(crate) fn add(&self, record: &CallRecord) {
        let nodes = record.path.iter().map(|node| &**node);
        if nodes.clone().all(str::is_empty) || record.path.first().is_some_and(|node| is_of_no_flow(node)) {
            return;
        }
        let hung_up = record.outcome == CallOutcome::HungUp;
        self.with(|hours| hours.add(hour(clock::timestamp()), hour(record.started), nodes, hung_up));
    }

    /// The sum of the last 24 hours, the current one included.
    pub(crate) fn sum(&self) -> Traffic {
        let now = hour(clock::timestamp());
        self.with(|hours| {
            hours.forget(now);
            let mut sum = Traffic::default();
            hours.0.iter().for_each(|(_, traffic)| sum.merge(traffic));
            sum
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Hours) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hours {
    /// A call of a later hour than the current one, or of one that is forgotten, is not counted.
    fn add<'a>(&mut self, now: i64, hour: i64, path: impl IntoIterator<Item = &'a str>, hung_up: bool) {
        self.forget(now);
        if !(now - HOURS < hour && hour <= now) {
            return;
        }
        let place = self.0.partition_point(|(of, _)| *of < hour);
        if self.0.get(place).is_none_or(|(of, _)| *of != hour) {
            self.0.insert(place, (hour, Traffic::default()));
        }
        if let Some((_, traffic)) = self.0.get_mut(place) {
            traffic.add(path, hung_up);
        }
    }

    /// The clock may have been set back as well as forward.
    fn forget(&mut self, now: i64) {
        self.0.retain(|(of, _)| now - HOURS < *of && *of <= now);
    }
}

/// Gives each call since `since_us` to `take`: when it began, its path, and whether the caller hung up.
fn each_since(connection: &Connection, since_us: i64, mut take: impl FnMut(i64, &str, bool)) -> rusqlite::Result<()> {
    let sql = "SELECT at_us, path, outcome FROM calls WHERE at_us >= ?1 AND path <> '' AND path NOT LIKE '(%'";
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query(params![since_us])?;
    while let Some(row) = rows.next()? {
        let (path, outcome) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        take(row.get(0)?, path, outcome == CallOutcome::HungUp.name());
    }
    Ok(())
}

fn before(now: Timestamp, span: Duration) -> i64 {
    now.checked_sub(span).unwrap_or(Timestamp::MIN).as_microsecond()
}

fn hour(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(HOUR_US)
}

/// An hour of traffic.
pub const HOUR: Duration = Duration::from_secs(3600);
/// A day of traffic.
pub const DAY: Duration = Duration::from_secs(86_400);
const HOURS: i64 = 24;
const HOUR_US: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_24_hours_whichever_way_the_clock_is_set() {
        let mut hours = Hours::default();
        for hour in [100, 99, 77, 76, 101] {
            hours.add(100, hour, ["a", "b"], false);
        }
        let kept = |hours: &Hours| hours.0.iter().map(|(of, _)| *of).collect::<Vec<_>>();
        assert_eq!(kept(&hours), [77, 99, 100]);
        hours.forget(101);
        assert_eq!(kept(&hours), [99, 100]);
        hours.forget(99);
        assert_eq!(kept(&hours), [99]);
    }
}
