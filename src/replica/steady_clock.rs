//! The time by which records are deleted, sessions end and lock-outs run out.
//!
//! ```text
//!  steady time = time since boot + offset
//!
//!  offset:  the upstream reported its own time        ─► exactly that
//!           the upstream vouched for cases up to `as_of` ─► moved forward to `as_of`, never back
//!           no upstream was ever heard                ─► the wall clock at the start, and never later than the wall clock
//! ```
//!
//! What goes by it: the deletion of calls, scans, ratings, messages, tickets and recorded conversations (`shell/journal/writer.rs`), of kept feed
//! files and their notes (`shell/replica/spool/archive.rs`), of discarded takes (`shell/studio/review.rs`), of old releases
//! (`shell/release/retention.rs`) and of account events after 400 days; the length of sessions, and lock-outs (`shell/studio/accounts`).
//!
//! What goes by the wall clock, because nothing is lost by it: times in records, audit logs and alarms, today's date in
//! answers, the ends of certificates and of the working calendar. Limits of look-ups, registrations, calls and caches use the monotonic clock.
//!
//! It differs from [`AgeClock`](crate::AgeClock) in the side on which it errs. An age that is too high is harmless, so that
//! clock takes the later of two times. A time that is too late deletes what should be kept, so this one takes only time that
//! has certainly passed: a boot with a wall clock that is a year ahead changes nothing. While a node is off, and until the
//! upstream's first report afterwards, it is too early by at most the time off.

use jiff::Timestamp;

use crate::age_clock::{ClockReading, StoredClock};

/// The clock of retention, sessions and lock-outs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SteadyClock {
    /// Steady time less time since boot, in microseconds.
    offset_us: i64,
    /// Whether an upstream has reported; otherwise the wall clock limits it.
    confirmed: bool,
}

impl SteadyClock {
    /// The clock of a program that starts at `now`. `as_of` is the last time that an upstream vouched for, and `kept` when
    /// that was; without one the wall clock is all there is.
    pub fn start(
        now: ClockReading,
        boot_id: &str,
        as_of: Option<Timestamp>,
        kept: Option<&StoredClock>,
    ) -> SteadyClock {
        let Some(as_of) = as_of else { return SteadyClock { offset_us: offset(now.wall, now), confirmed: false } };
        let same_boot = kept.filter(|kept| kept.boot_id == boot_id && kept.reported.boot <= now.boot);
        let offset_us = match same_boot {
            Some(kept) => offset(as_of, kept.reported),
            // The whole time since this boot has passed since the report, which came in an earlier one.
            None => as_of.as_microsecond(),
        };
        SteadyClock { offset_us, confirmed: true }
    }

    /// The upstream vouched for its cases up to `as_of`, and sent the time of its own clock if it has one.
    pub fn upstream_reported(&mut self, now: ClockReading, as_of: Timestamp, upstream_now: Option<Timestamp>) {
        let reported = offset(upstream_now.unwrap_or(as_of), now);
        let exact = upstream_now.is_some() || !self.confirmed;
        self.offset_us = if exact { reported } else { self.offset_us.max(reported) };
        self.confirmed = true;
    }

    /// The steady time.
    pub fn now(&self, now: ClockReading) -> Timestamp {
        let boot = i64::try_from(now.boot.as_micros()).unwrap_or(i64::MAX / 4);
        let steady = Timestamp::from_microsecond(boot.saturating_add(self.offset_us)).unwrap_or(now.wall);
        if self.confirmed { steady } else { steady.min(now.wall) }
    }
}

fn offset(time: Timestamp, at: ClockReading) -> i64 {
    time.as_microsecond().saturating_sub(i64::try_from(at.boot.as_micros()).unwrap_or(i64::MAX / 4))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const YEAR: i64 = 365 * 86_400;
    const START: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(START + second).unwrap()
    }

    fn reading(boot: u64, wall: i64) -> ClockReading {
        ClockReading { boot: Duration::from_secs(boot), wall: at(wall) }
    }

    #[test]
    fn a_boot_with_a_clock_a_year_ahead_changes_nothing() {
        let kept = StoredClock { boot_id: "boot 1".into(), offset_us: 0, reported: reading(900, 0) };
        let clock = SteadyClock::start(reading(20, YEAR), "boot 2", Some(at(0)), Some(&kept));
        assert_eq!(clock.now(reading(30, YEAR)), at(30));
        assert_eq!(clock.now(reading(40, 40)), at(40));
    }

    #[test]
    fn a_restart_without_a_boot_goes_on_counting() {
        let kept = StoredClock { boot_id: "boot 1".into(), offset_us: 0, reported: reading(900, 0) };
        let clock = SteadyClock::start(reading(1_000, YEAR), "boot 1", Some(at(0)), Some(&kept));
        assert_eq!(clock.now(reading(1_010, -YEAR)), at(110));
    }

    #[test]
    fn the_upstream_moves_it_forward_and_its_own_clock_sets_it() {
        let mut clock = SteadyClock::start(reading(20, 0), "boot 2", Some(at(0)), None);
        clock.upstream_reported(reading(30, 0), at(5_000), None);
        clock.upstream_reported(reading(40, 0), at(100), None);
        assert_eq!(clock.now(reading(50, 0)), at(5_020));
        clock.upstream_reported(reading(60, 0), at(100), Some(at(110)));
        assert_eq!(clock.now(reading(70, 0)), at(120));
    }

    #[test]
    fn without_an_upstream_a_clock_that_comes_right_is_followed_back_and_a_jump_ahead_is_not() {
        let clock = SteadyClock::start(reading(20, YEAR), "boot 1", None, None);
        assert_eq!(clock.now(reading(30, YEAR + 10)), at(YEAR + 10));
        assert_eq!(clock.now(reading(40, 20)), at(20));
        let right = SteadyClock::start(reading(20, 0), "boot 1", None, None);
        assert_eq!(right.now(reading(30, YEAR)), at(10));
    }

    #[test]
    fn the_first_report_corrects_a_first_start_with_a_wrong_clock() {
        let mut clock = SteadyClock::start(reading(20, YEAR), "boot 1", None, None);
        clock.upstream_reported(reading(30, YEAR), at(0), None);
        assert_eq!(clock.now(reading(40, YEAR)), at(10));
    }
}
