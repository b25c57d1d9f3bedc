//! The one place that reads the time.

use std::time::Instant;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// A moment for deadlines. Follows tokio's clock, so that tests can pause it.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The moment on the wall.
pub fn timestamp() -> Timestamp {
    Timestamp::now()
}

/// The local time of a zone.
pub fn local(zone: &TimeZone) -> DateTime {
    timestamp().to_zoned_datetime(zone.clone()).datetime()
}

/// A number that nobody can guess, for tags, branches and synchronisation sources.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    u64::from_ne_bytes(bytes)
}
