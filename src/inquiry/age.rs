//! How old an answer is, and what follows from it.

use std::time::Duration;

use jiff::Timestamp;

/// What the age of the copy means for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// The age is told with the answer.
    Old,
    /// No answer: a person helps.
    TooOld,
}

impl Freshness {
    /// Judges by when the upstream last vouched for the copy. A moment ahead of `now` (two clocks) is fresh.
    pub fn of(as_of: Timestamp, now: Timestamp, tell_after: Duration, refuse_after: Duration) -> Freshness {
        let age = age(as_of, now);
        if age > refuse_after {
            Freshness::TooOld
        } else if age > tell_after {
            Freshness::Old
        } else {
            Freshness::Fresh
        }
    }
}

/// How long ago a moment was; zero when it is ahead.
pub fn age(as_of: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(as_of)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(seconds: i64) -> Freshness {
        let as_of = Timestamp::from_second(1_800_000_000).unwrap();
        let now = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        Freshness::of(as_of, now, Duration::from_secs(30 * 60), Duration::from_secs(24 * 3600))
    }

    #[test]
    fn age_is_told_past_the_first_limit_and_refused_past_the_second() {
        assert_eq!(judged(0), Freshness::Fresh);
        assert_eq!(judged(1800), Freshness::Fresh);
        assert_eq!(judged(1801), Freshness::Old);
        assert_eq!(judged(86_400), Freshness::Old);
        assert_eq!(judged(86_401), Freshness::TooOld);
    }

    #[test]
    fn an_upstream_clock_ahead_of_ours_is_fresh() {
        assert_eq!(judged(-3600), Freshness::Fresh);
    }
}
