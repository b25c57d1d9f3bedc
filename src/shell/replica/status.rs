//! The state of the replica, as JSON; `jindu replica status` shows it.

use jiff::Timestamp;

use crate::alarms::Alarm;
use crate::file::held::Held;

/// The state of the replica. The field names are those of the JSON output.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Whether a node serves from it.
    pub serving: bool,
    /// Cases in the replica.
    pub cases: u64,
    /// The source of the replica; `None` before the first batch.
    pub source: Option<String>,
    /// The number of the last batch, or the position of the last commit in the upstream's log.
    pub sequence: Option<u64>,
    /// The hash of the last feed file, or the position in the PostgreSQL log, in text form.
    pub position: Option<String>,
    /// The time for which the upstream confirmed the replica.
    pub as_of: Option<Timestamp>,
    /// Seconds since `as_of`, by the upstream's clock.
    pub age_s: Option<u64>,
    /// Rows that the source has sent and that are not applied.
    pub lag_rows: u64,
    /// Bytes that the source has sent, or holds for this node, and that are not applied.
    pub lag_bytes: u64,
    /// Rows applied per second, over the last five seconds.
    pub rows_per_second: u64,
    /// Rows in quarantine.
    pub quarantined: u64,
    /// Bad rows for which the quarantine had no room.
    pub quarantine_lost: u64,
    /// The batch that waits for an operator's decision.
    pub held: Option<Held>,
    /// Whether a full snapshot is requested from the source.
    pub rebuild_wanted: bool,
    /// Rebuilt copies that were swapped in since the start.
    pub rebuilds: u64,
    /// When the last scrub of the whole file ended without a fault.
    pub last_scrub: Option<Timestamp>,
    /// Seconds since `last_scrub`.
    pub last_scrub_age_s: Option<u64>,
    /// Faults that the last scrub found.
    pub damaged: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Size of its write-ahead log.
    pub log_bytes: u64,
    /// The active alarms.
    pub alarms: Vec<Alarm>,
}

/// `2 d 3 h`, `5 min 2 s`, `9 s`: the two largest units of a span.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        let spans = [9, 65, 3_660, 183_600].map(span);
        assert_eq!(spans, ["9 s", "1 min 5 s", "1 h 1 min", "2 d 3 h"]);
    }
}
