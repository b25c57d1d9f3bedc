//! The age of an answer, and what follows from it.

use std::time::Duration;

use jiff::Timestamp;

/// What the age of the replica means for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// The answer needs no age.
    Fresh,
    /// The answer says its age.
    Old,
    /// The answer is refused: an agent helps.
    TooOld,
}

/// From which ages on an answer says its age, and is refused; `None`: at no age. The release sets both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeLimits {
    /// Older answers say how old they are.
    pub tell_after: Option<Duration>,
    /// Older answers are refused.
    pub refuse_after: Option<Duration>,
}

impl AgeLimits {
    /// Judges an age. `None`, a replica that the upstream never vouched for, is older than every limit.
    pub fn judge(self, age: Option<Duration>) -> Freshness {
        let over = |limit: Duration| age.is_none_or(|age| age > limit);
        if self.refuse_after.is_some_and(over) {
            Freshness::TooOld
        } else if age.is_none() || self.tell_after.is_some_and(over) {
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
        let (tell_after, refuse_after) = (Duration::from_secs(30 * 60), Duration::from_secs(24 * 3600));
        AgeLimits { tell_after: Some(tell_after), refuse_after: Some(refuse_after) }.judge(Some(age(as_of, now)))
    }

    #[test]
    fn an_answer_says_its_age_past_the_first_limit_and_is_refused_past_the_second() {
        assert_eq!(judged(0), Freshness::Fresh);
        assert_eq!(judged(1800), Freshness::Fresh);
        assert_eq!(judged(1801), Freshness::Old);
        assert_eq!(judged(86_400), Freshness::Old);
        assert_eq!(judged(86_401), Freshness::TooOld);
    }

    #[test]
    fn an_absent_limit_bounds_no_age_and_an_unknown_age_exceeds_every_limit() {
        let week = Some(Duration::from_secs(7 * 86_400));
        let tell = AgeLimits { tell_after: Some(Duration::from_secs(60)), refuse_after: None };
        assert_eq!(AgeLimits::default().judge(week), Freshness::Fresh);
        assert_eq!(tell.judge(week), Freshness::Old);
        assert_eq!(AgeLimits { refuse_after: week, ..tell }.judge(None), Freshness::TooOld);
        assert_eq!(AgeLimits::default().judge(None), Freshness::Old);
    }

    #[test]
    fn an_upstream_clock_ahead_of_the_local_one_is_fresh() {
        assert_eq!(judged(-3600), Freshness::Fresh);
    }
}
