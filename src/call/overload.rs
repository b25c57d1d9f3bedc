//! Overload control (RFC 6357): which new calls are answered in time, and which are turned away before they cost anything.
//!
//! A new call waits behind the calls that were begun and are not answered yet. Their number times the measured time from one
//! answer to the next is its delay. What the kernel holds for us counts as well: the age of the oldest datagram that is read.
//!
//! ```text
//!  read ── age ≤ limit, unanswered × interval ≤ limit ──► begins ──► answered
//!     └─── else 503, by Dispatcher::shed
//! ```
//!
//! Without it, every caller waits for seconds as soon as more calls come than are answered, and most give up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Measures the delay of new calls. Shared by all tasks; no method waits.
#[derive(Debug)]
pub struct Overload {
    start: Instant,
    unanswered: AtomicUsize,
    /// When the last answer was given, in nanoseconds since `start`; 0: the next one is no measure, for nothing waited.
    answered_at: AtomicU64,
    /// The time from one answer to the next while calls wait: a moving average, in nanoseconds.
    interval: AtomicU64,
    /// Since when datagrams are read late, in nanoseconds since `start`; 0: they are not.
    late_since: AtomicU64,
}

impl Overload {
    /// Nothing waits.
    pub fn new(now: Instant) -> Overload {
        Overload {
            start: now,
            unanswered: AtomicUsize::new(0),
            answered_at: AtomicU64::new(0),
            interval: AtomicU64::new(INTERVAL_AT_FIRST),
            late_since: AtomicU64::new(0),
        }
    }

    /// Datagrams were read, the oldest of which had waited for `age`.
    pub fn read(&self, now: Instant, age: Duration) {
        if age <= DELAY_MAX {
            self.late_since.store(0, Ordering::Relaxed);
        } else {
            let _ = self.late_since.compare_exchange(0, self.at(now), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether a new call would be answered too late.
    pub fn sheds(&self, now: Instant) -> bool {
        let late_since = self.late_since.load(Ordering::Relaxed);
        let reads_late = late_since != 0 && self.at(now).saturating_sub(late_since) > LATE_FOR;
        let waiting = self.unanswered.load(Ordering::Relaxed);
        reads_late || (waiting >= UNANSWERED_MIN && self.delay_behind(waiting) > DELAY_MAX)
    }

    /// The delay of a call that begins now.
    pub fn delay(&self) -> Duration {
        self.delay_behind(self.unanswered.load(Ordering::Relaxed))
    }

    fn delay_behind(&self, waiting: usize) -> Duration {
        Duration::from_nanos(self.interval.load(Ordering::Relaxed).saturating_mul(waiting as u64))
    }

    /// A call begins.
    pub fn begin(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that has begun got its answer, or is gone.
    pub fn answered(&self, now: Instant) {
        let now = self.at(now);
        let nobody_waits = self.unanswered.fetch_sub(1, Ordering::Relaxed) == 1;
        let before = self.answered_at.swap(if nobody_waits { 0 } else { now }, Ordering::Relaxed);
        if before != 0 {
            // A stall of the machine is one sample: it must not close the line.
            let sample = now.saturating_sub(before).min(SAMPLE_MAX);
            let old = self.interval.load(Ordering::Relaxed);
            self.interval.store(old - old / WEIGHT + sample / WEIGHT, Ordering::Relaxed);
        }
    }

    fn at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// A new call that would wait longer for its answer is turned away: a second of ringing is no problem, but what waits
/// longer than the caller's retransmission timer (RFC 3261 §17.1.1.1: 500 ms) comes twice.
const DELAY_MAX: Duration = Duration::from_millis(100);
/// Datagrams must be late for so long, in nanoseconds: one late batch is a stall, and no overload.
const LATE_FOR: u64 = 100_000_000;
/// With fewer calls waiting nothing is turned away, however slow the machine is.
const UNANSWERED_MIN: usize = 48;
/// 5,000 answers a second, until it is measured.
const INTERVAL_AT_FIRST: u64 = 200_000;
const SAMPLE_MAX: u64 = 5_000_000;
const WEIGHT: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    /// Calls come at `offered` and are answered at `served` a second, in the order in which they come. Returns how many were
    /// answered a second, and the longest delay of an answered one.
    fn flood(offered: u64, served: u64) -> (u64, Duration) {
        let start = test_clock::start();
        let overload = Overload::new(start);
        let (every, cost) = (Duration::from_secs(1) / offered as u32, Duration::from_secs(1) / served as u32);
        let (mut waiting, mut free_at) = (std::collections::VecDeque::new(), start);
        let (mut answered, mut longest) = (0, Duration::ZERO);
        for n in 0..offered * 5 {
            let now = start + every * n as u32;
            while let Some(came) = waiting.front().copied().filter(|came| free_at.max(*came) + cost <= now) {
                waiting.pop_front();
                free_at = free_at.max(came) + cost;
                overload.answered(free_at);
                answered += 1;
                longest = longest.max(free_at - came);
            }
            if !overload.sheds(now) {
                overload.begin();
                waiting.push_back(now);
            }
        }
        (answered / 5, longest)
    }

    #[test]
    fn up_to_its_capacity_every_call_is_answered() {
        for offered in [10, 1_000, 5_800] {
            let (answered, _) = flood(offered, 6_000);
            assert!(answered + 1 >= offered, "{answered} of {offered}");
        }
    }

    #[test]
    fn beyond_its_capacity_as_many_are_answered_as_before_and_in_time() {
        for (offered, served) in [(12_000, 6_000), (30_000, 6_000), (1_500, 300), (60_000, 12_000)] {
            let (answered, longest) = flood(offered, served);
            assert!(answered * 100 >= served * 95, "{answered} of {served} with {offered} offered");
            assert!(longest <= Duration::from_millis(200), "{longest:?} with {offered} offered to {served}");
        }
    }

    #[test]
    fn a_burst_that_is_soon_answered_is_taken_whole() {
        let overload = Overload::new(test_clock::start());
        for _ in 0..400 {
            assert!(!overload.sheds(test_clock::start()));
            overload.begin();
        }
    }

    #[test]
    fn a_few_calls_are_answered_however_slow_the_machine_is() {
        let start = test_clock::start();
        let overload = Overload::new(start);
        for n in 0..1_000 {
            overload.begin();
            overload.begin();
            overload.answered(start + Duration::from_secs(n));
            assert!(n > 40 || !overload.sheds(start + Duration::from_secs(n)));
        }
    }

    #[test]
    fn a_stall_of_the_machine_turns_nobody_away_and_late_reading_does() {
        let start = test_clock::start();
        let overload = Overload::new(start);
        overload.read(start, Duration::from_secs(2));
        assert!(!overload.sheds(start));
        overload.read(start + Duration::from_millis(50), Duration::from_secs(2));
        assert!(!overload.sheds(start + Duration::from_millis(50)));
        assert!(overload.sheds(start + Duration::from_millis(101)));
        overload.read(start + Duration::from_millis(110), Duration::from_millis(1));
        assert!(!overload.sheds(start + Duration::from_millis(111)));
    }
}
