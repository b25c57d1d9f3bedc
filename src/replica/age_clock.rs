//! The age of the replica, by the upstream's clock.
//!
//! ```text
//!  upstream's time = time since boot + offset          age = upstream's time − as of
//!
//!  offset:  the upstream reports its time  ─► exactly that
//!           `as_of` lies in the future     ─► the upstream's clock is ahead: moved forward, never back
//!           neither so far                 ─► the wall clock, read once, when the program starts
//! ```
//!
//! The time since boot does not depend on the wall clock, so a jump of the wall clock in either direction changes no
//! age. It misses one case: a machine that slept, or was restored from a snapshot. There the wall clock advances hours
//! further than the time since boot. The clock follows it until the next report from the upstream: an age that is too
//! high costs a transfer to an agent, an age that is too low is a wrong answer.
//!
//! The offset is stored with the mark. After a restart without a boot it is exact; after a boot, the wall clock gives
//! the time between, never less than zero.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// One reading of a node's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Since the machine was booted, sleep included.
    pub boot: Duration,
    /// The wall clock; it may jump.
    pub wall: Timestamp,
}

/// What is kept with the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClock {
    /// Names this boot of the machine.
    pub boot_id: String,
    /// Upstream's time less time since boot, in microseconds.
    pub offset_us: i64,
    /// When the upstream last reported.
    pub reported: ClockReading,
}

/// The upstream's clock, as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeClock {
    boot_id: String,
    offset_us: i64,
    /// When the upstream last reported.
    told: ClockReading,
}

impl AgeClock {
    /// The clock of a program that starts at `now`; `kept` is what its last run stored.
    pub fn start(now: ClockReading, boot_id: &str, kept: Option<&StoredClock>) -> AgeClock {
        let boot_id = boot_id.to_owned();
        match kept {
            Some(kept) if kept.boot_id == boot_id && kept.reported.boot <= now.boot => {
                AgeClock { boot_id, offset_us: kept.offset_us, told: kept.reported }
            }
            Some(kept) => {
                let then = micros(kept.reported.boot).saturating_add(kept.offset_us);
                let offset_us = now.wall.as_microsecond().max(then) - micros(now.boot);
                AgeClock { boot_id, offset_us, told: now }
            }
            None => AgeClock { boot_id, offset_us: now.wall.as_microsecond() - micros(now.boot), told: now },
        }
    }

    /// The upstream's time.
    pub fn now(&self, now: ClockReading) -> Timestamp {
        let steady = micros(now.boot).saturating_add(self.offset_us);
        let boot = micros(now.boot) - micros(self.told.boot);
        let wall = now.wall.as_microsecond() - self.told.wall.as_microsecond();
        let slept = wall.saturating_sub(boot);
        let slept = if slept > micros(SLEPT_MIN) { slept } else { 0 };
        timestamp(steady.saturating_add(slept))
    }

    /// The upstream reported `as_of`, and the time of its own clock if it sends one. Returns `as_of`, cut off where it
    /// is further ahead than a wrong clock explains.
    pub fn upstream_reported(
        &mut self,
        now: ClockReading,
        as_of: Timestamp,
        upstream_now: Option<Timestamp>,
    ) -> Timestamp {
        let ceiling = self.now(now).max(now.wall) + SignedDuration::try_from(AHEAD_MAX).unwrap_or_default();
        let believed = if upstream_now.is_some() { as_of } else { as_of.min(ceiling) };
        if let Some(upstream) = upstream_now {
            self.offset_us = upstream.as_microsecond() - micros(now.boot);
        }
        self.offset_us = self.offset_us.max(believed.as_microsecond() - micros(now.boot));
        self.told = now;
        believed
    }

    /// What to store with the mark.
    pub fn kept(&self) -> StoredClock {
        StoredClock { boot_id: self.boot_id.clone(), offset_us: self.offset_us, reported: self.told }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// The wall clock's lead over the time since boot past which the machine is taken to have slept.
const SLEPT_MIN: Duration = Duration::from_secs(2 * 3600);
/// How far the upstream's clock may be ahead of everything that this node knows.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3600;
    const START: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// So many seconds after the start, with a wall clock that is so many seconds wrong.
    fn moment(second: i64, wrong: i64) -> ClockReading {
        ClockReading { boot: Duration::from_secs(1_000 + second.unsigned_abs()), wall: at(START + second + wrong) }
    }

    fn age(clock: &AgeClock, as_of: Timestamp, now: ClockReading) -> i64 {
        clock.now(now).as_second() - as_of.as_second()
    }

    fn started() -> AgeClock {
        AgeClock::start(moment(0, 0), "boot 1", None)
    }

    #[test]
    fn a_wall_clock_that_jumps_an_hour_changes_nothing() {
        let mut clock = started();
        let as_of = clock.upstream_reported(moment(10, 0), at(START + 10), None);
        for wrong in [-HOUR, 0, HOUR, -24 * HOUR] {
            assert_eq!(age(&clock, as_of, moment(70, wrong)), 60, "{wrong}");
        }
        let as_of = clock.upstream_reported(moment(100, HOUR), at(START + 100), None);
        assert_eq!(age(&clock, as_of, moment(130, -HOUR)), 30);
    }

    #[test]
    fn a_report_delayed_for_hours_keeps_its_age() {
        let mut clock = started();
        let as_of = clock.upstream_reported(moment(10, 0), at(START - 8 * HOUR), None);
        assert_eq!(age(&clock, as_of, moment(10, 0)), 8 * HOUR + 10);
    }

    #[test]
    fn an_upstreams_time_overrides_the_nodes_clock() {
        for wrong in [-5 * HOUR, 0, 5 * HOUR] {
            let mut clock = AgeClock::start(moment(0, wrong), "boot 1", None);
            let as_of = clock.upstream_reported(moment(10, wrong), at(START + 7), Some(at(START + 10)));
            assert_eq!(age(&clock, as_of, moment(40, wrong)), 33, "{wrong}");
        }
    }

    #[test]
    fn a_node_whose_clock_is_behind_learns_it_and_nonsense_is_cut_off() {
        let mut clock = AgeClock::start(moment(0, -HOUR / 2), "boot 1", None);
        let as_of = clock.upstream_reported(moment(10, -HOUR / 2), at(START + 10), None);
        assert_eq!(age(&clock, as_of, moment(70, -HOUR / 2)), 60);
        let far = clock.upstream_reported(moment(80, 0), at(START + 1_000 * HOUR), None);
        assert_eq!(far, at(START + 80 + HOUR));
    }

    #[test]
    fn a_machine_that_slept_three_days_says_so_until_the_upstream_speaks() {
        let mut clock = started();
        let as_of = clock.upstream_reported(moment(10, 0), at(START + 10), None);
        assert_eq!(age(&clock, as_of, moment(20, 72 * HOUR)), 72 * HOUR + 10);
        let as_of = clock.upstream_reported(moment(30, 72 * HOUR), at(START + 30 + 72 * HOUR), None);
        assert_eq!(age(&clock, as_of, moment(40, 72 * HOUR)), 10);
    }

    #[test]
    fn a_restart_goes_on_counting_and_a_reboot_takes_the_wall_clock_but_never_backwards() {
        let mut clock = started();
        let as_of = clock.upstream_reported(moment(10, 0), at(START + 10), None);
        let kept = clock.kept();
        let again = AgeClock::start(moment(50, HOUR), "boot 1", Some(&kept));
        assert_eq!(age(&again, as_of, moment(60, HOUR)), 50);
        let booted = ClockReading { boot: Duration::from_secs(5), wall: at(START + 500) };
        assert_eq!(age(&AgeClock::start(booted, "boot 2", Some(&kept)), as_of, booted), 490);
        let behind = ClockReading { wall: at(START - HOUR), ..booted };
        assert_eq!(age(&AgeClock::start(behind, "boot 2", Some(&kept)), as_of, behind), 0);
    }

    proptest! {
        #[test]
        fn no_wall_clock_makes_a_copy_younger_than_the_time_that_went_by(
            words in proptest::collection::vec((1i64..5_000, -3_600i64..3_600, any::<bool>()), 1..30),
        ) {
            let (mut clock, mut now, mut last) = (started(), 0, 0);
            let mut as_of = clock.upstream_reported(moment(0, 0), at(START), None);
            for (passed, wrong, speaks) in words {
                now += passed;
                if speaks {
                    as_of = clock.upstream_reported(moment(now, wrong), at(START + now), None);
                    last = now;
                }
                prop_assert_eq!(age(&clock, as_of, moment(now, wrong)), now - last);
            }
        }
    }
}
