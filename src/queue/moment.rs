//! Times inside the queues: milliseconds since 1970, counted on by the monotonic clock.

use std::time::{Duration, Instant};

/// Milliseconds since 1970 at the start, and monotonic from there. Negative and far times are possible, unlike with [`Instant`].
pub(crate) type Moment = i64;

/// Where the monotonic clock and the calendar met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    at: Instant,
    unix_ms: Moment,
}

impl Epoch {
    pub(crate) fn new(at: Instant, unix_ms: i64) -> Epoch {
        Epoch { at, unix_ms }
    }

    pub(crate) fn moment(&self, now: Instant) -> Moment {
        self.unix_ms.saturating_add(ms(now.saturating_duration_since(self.at)))
    }

    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        let later = moment.saturating_sub(self.unix_ms).clamp(0, FAR);
        self.at + Duration::from_millis(later.unsigned_abs())
    }
}

pub(crate) fn ms(time: Duration) -> Moment {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The time from one moment to a later one.
pub(crate) fn between(from: Moment, to: Moment) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// Further deadlines are of no use: a year.
const FAR: Moment = 365 * 86_400_000;
