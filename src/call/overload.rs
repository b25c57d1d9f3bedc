//! Overload control (RFC 6357): which new calls are answered in time, and which are turned away before they cost anything.
//!
//! A new call waits behind the calls that were begun and are not answered yet. Their number times the measured time for one
//! answer is its delay. What the kernel holds for us counts as well: the age of the oldest datagram that is read.
//!
//! ```text
//!  read ── age ≤ limit, unanswered × interval ≤ limit ──► begins ──► answered
//!     ├─── else: its trunk is below its share ──────────► begins
//!     └─── else 503, by Dispatcher::shed
//! ```
//!
//! Without it, every caller waits for seconds as soon as more calls come than are answered, and most give up. Without shares,
//! one trunk that floods the node takes the places of the callers of all other trunks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Measures the delay of new calls. Shared by all tasks; no method waits.
#[derive(Debug)]
pub struct Overload {
    start: Instant,
    unanswered: AtomicUsize,
    trunks: Vec<TrunkLoad>,
    /// New calls of all trunks, halved with theirs.
    offered: AtomicU64,
    /// Since when so many calls wait that answers are measured, in nanoseconds since `start`; 0: fewer wait.
    busy_since: AtomicU64,
    /// The time before, in nanoseconds, in which as many waited, since `interval` was measured last.
    busy: AtomicU64,
    /// Answers in all that time.
    busy_answers: AtomicU64,
    /// The time for one answer while calls wait: a moving average, in nanoseconds.
    interval: AtomicU64,
    /// Since when datagrams are read late, in nanoseconds since `start`; 0: they are not.
    late_since: AtomicU64,
    /// Datagrams that were read since then.
    late: AtomicUsize,
    /// When the last of them was read, in nanoseconds since `start`.
    late_at: AtomicU64,
}

#[derive(Debug, Default)]
struct TrunkLoad {
    unanswered: AtomicUsize,
    /// New calls of late, those that were turned away included.
    offered: AtomicU64,
}

impl Overload {
    /// Nothing waits. `trunks`: how many there are; a trunk is named by its place among them.
    pub fn new(now: Instant, trunks: usize) -> Overload {
        Overload {
            start: now,
            unanswered: AtomicUsize::new(0),
            trunks: (0..trunks).map(|_| TrunkLoad::default()).collect(),
            offered: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            busy_answers: AtomicU64::new(0),
            interval: AtomicU64::new(INTERVAL_AT_FIRST),
            late_since: AtomicU64::new(0),
            late: AtomicUsize::new(0),
            late_at: AtomicU64::new(0),
        }
    }

    /// So many datagrams were read, the oldest of which had waited for `age`.
    pub fn read(&self, now: Instant, age: Duration, datagrams: usize) {
        if age <= DELAY_MAX {
            self.late_since.store(0, Ordering::Relaxed);
            self.late.store(0, Ordering::Relaxed);
        } else {
            let at = self.at(now);
            if at.saturating_sub(self.late_at.load(Ordering::Relaxed)) > LATE_VALID {
                self.late_since.store(0, Ordering::Relaxed);
                self.late.store(0, Ordering::Relaxed);
            }
            let _ = self.late_since.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
            self.late.fetch_add(datagrams, Ordering::Relaxed);
            self.late_at.store(at, Ordering::Relaxed);
        }
    }

    /// Whether new calls would be answered too late, so that trunks with more than their share have to wait.
    pub fn is_over(&self, now: Instant) -> bool {
        let waiting = self.unanswered.load(Ordering::Relaxed);
        self.reads_late(now) || (waiting >= UNANSWERED_MIN && self.delay_behind(waiting) > DELAY_MAX)
    }

    /// Whether a new call of a trunk is turned away: it would be answered too late, and its trunk has its share already.
    pub fn sheds(&self, now: Instant, trunk: usize) -> bool {
        self.is_over(now) && !self.is_below_share(now, trunk)
    }

    /// The share of a trunk is the same part of the calls that can be answered in time for each trunk that has new calls.
    fn is_below_share(&self, now: Instant, trunk: usize) -> bool {
        let Some(load) = self.trunks.get(trunk) else { return false };
        let has_calls = |other: &&TrunkLoad| other.offered.load(Ordering::Relaxed) > 0;
        let active = self.trunks.iter().filter(has_calls).count().max(1);
        let in_time = DELAY_MAX.as_nanos() as u64 / self.interval.load(Ordering::Relaxed).max(1);
        let share = (in_time as usize).max(UNANSWERED_MIN) / active;
        let offered = load.offered.load(Ordering::Relaxed).saturating_mul(active as u64);
        // What waits in the kernel is not sorted by trunk: there the new calls of late decide who has more than a share.
        let is_light = offered < self.offered.load(Ordering::Relaxed);
        load.unanswered.load(Ordering::Relaxed) < share && (is_light || !self.reads_late(now))
    }

    fn reads_late(&self, now: Instant) -> bool {
        let late_since = self.late_since.load(Ordering::Relaxed);
        let since = |at: u64| self.at(now).saturating_sub(at);
        let is_late = late_since != 0 && since(late_since) > LATE_FOR;
        // Without datagrams nothing measures the lateness, and calls by TCP and TLS go on.
        let is_current = since(self.late_at.load(Ordering::Relaxed)) <= LATE_VALID;
        is_late && is_current && self.late.load(Ordering::Relaxed) >= LATE_MIN
    }

    /// The delay of a call that begins now.
    pub fn delay(&self) -> Duration {
        self.delay_behind(self.unanswered.load(Ordering::Relaxed))
    }

    fn delay_behind(&self, waiting: usize) -> Duration {
        Duration::from_nanos(self.interval.load(Ordering::Relaxed).saturating_mul(waiting as u64))
    }

    /// A call of a trunk begins.
    pub fn begin(&self, now: Instant, trunk: usize) {
        let now = self.at(now);
        if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 == BUSY {
            self.busy_since.store(now, Ordering::Relaxed);
        }
        self.measure(now);
        if let Some(load) = self.trunks.get(trunk) {
            load.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        self.count_offered(trunk);
    }

    /// A call of a trunk was turned away.
    pub fn turned_away(&self, trunk: usize) {
        self.count_offered(trunk);
    }

    fn count_offered(&self, trunk: usize) {
        let Some(load) = self.trunks.get(trunk) else { return };
        load.offered.fetch_add(1, Ordering::Relaxed);
        if self.offered.fetch_add(1, Ordering::Relaxed) >= OFFERED_MAX {
            // A trunk without new calls counts for less and less.
            let halve = |count: &AtomicU64| {
                let half = count.load(Ordering::Relaxed) / 2;
                count.store(half, Ordering::Relaxed);
                half
            };
            let total = self.trunks.iter().map(|load| halve(&load.offered)).sum();
            self.offered.store(total, Ordering::Relaxed);
        }
    }

    /// A call that has begun on a trunk got its answer, or is gone.
    pub fn answered(&self, now: Instant, trunk: usize) {
        if let Some(load) = self.trunks.get(trunk) {
            load.unanswered.fetch_sub(1, Ordering::Relaxed);
        }
        let waiting = self.unanswered.fetch_sub(1, Ordering::Relaxed);
        if waiting >= BUSY {
            self.busy_answers.fetch_add(1, Ordering::Relaxed);
        }
        if waiting == BUSY {
            let since = self.busy_since.swap(0, Ordering::Relaxed);
            self.busy.fetch_add(self.at(now).saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// Measures the time for one answer. A new call is the moment for it: reading and answering take turns, so that the
    /// answers of a turn are complete.
    fn measure(&self, now: u64) {
        let since = self.busy_since.load(Ordering::Relaxed);
        let this_time = if since == 0 { 0 } else { now.saturating_sub(since) };
        let busy = self.busy.load(Ordering::Relaxed).saturating_add(this_time);
        let answers = self.busy_answers.load(Ordering::Relaxed);
        if busy < MEASURED || (answers == 0 && busy < MEASURED_WITHOUT_ANSWER) {
            return;
        }
        self.busy.store(0, Ordering::Relaxed);
        self.busy_answers.store(0, Ordering::Relaxed);
        if since != 0 {
            self.busy_since.store(now, Ordering::Relaxed);
        }
        let old = self.interval.load(Ordering::Relaxed);
        // A stall of the machine is measured once: it must not close the line.
        let sample = (busy / answers.max(1)).min(old.saturating_mul(GROWTH_MAX));
        self.interval.store(old.midpoint(sample).max(1), Ordering::Relaxed);
    }

    fn at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// A new call that would wait longer for its answer is turned away. Everybody else waits as long as well: the ACK and the BYE
/// of the calls that were answered stand in the same queues, which makes up to six times as much of it (measured; what waits
/// longer than the caller's retransmission timer, RFC 3261 §17.1.1.1: 500 ms, comes twice).
const DELAY_MAX: Duration = Duration::from_millis(50);
/// Datagrams must be late for so long, in nanoseconds: one late batch is a stall, and no overload.
const LATE_FOR: u64 = 30_000_000;
/// How long a late datagram counts, in nanoseconds.
const LATE_VALID: u64 = 200_000_000;
/// With fewer late datagrams nothing is turned away: a machine that others keep busy reads late, too, and answers a few calls
/// all the same.
const LATE_MIN: usize = 96;
/// With fewer calls waiting nothing is turned away, however slow the machine is.
const UNANSWERED_MIN: usize = 48;
/// 7,000 answers a second, until it is measured.
const INTERVAL_AT_FIRST: u64 = 140_000;
/// While fewer calls wait, the time to the next answer says nothing of how many could be answered.
const BUSY: usize = 16;
/// The least time that a measurement takes, in nanoseconds; without a single answer, this.
const MEASURED: u64 = 10_000_000;
const MEASURED_WITHOUT_ANSWER: u64 = 100_000_000;
/// How many times the average before a measurement may be.
const GROWTH_MAX: u64 = 8;
/// New calls after which their counts are halved.
const OFFERED_MAX: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    /// What became of the calls of a trunk.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    struct Served {
        offered: u64,
        /// A second.
        answered: u64,
        shed: u64,
        longest: Duration,
    }

    /// Calls come by each trunk at `offered` and are answered at `served` a second, in the order in which they come; those
    /// of one `turn` are answered at its end.
    fn flood(offered: &[u64], served: u64, turn: Duration) -> Vec<Served> {
        const SECONDS: u64 = 5;
        let start = test_clock::start();
        let overload = Overload::new(start, offered.len());
        let second = Duration::from_secs(1);
        let comes = |(trunk, rate): (usize, &u64)| {
            let every = second / *rate as u32;
            (0..rate * SECONDS).map(move |n| (every * n as u32, trunk))
        };
        let mut calls: Vec<_> = offered.iter().enumerate().flat_map(comes).collect();
        calls.sort_unstable();
        let cost = second / served as u32;
        let (mut waiting, mut free_at) = (std::collections::VecDeque::new(), Duration::ZERO);
        let mut result = vec![Served::default(); offered.len()];
        for (now, trunk) in calls {
            while let Some((came, trunk)) = waiting.front().copied() {
                let done = free_at.max(came) + cost;
                let at = turn * done.div_duration_f64(turn).ceil() as u32;
                if at > now {
                    break;
                }
                waiting.pop_front();
                free_at = done;
                overload.answered(start + at, trunk);
                let result: &mut Served = &mut result[trunk];
                result.answered += 1;
                result.longest = result.longest.max(at - came);
            }
            result[trunk].offered += 1;
            if overload.sheds(start + now, trunk) {
                overload.turned_away(trunk);
                result[trunk].shed += 1;
            } else {
                overload.begin(start + now, trunk);
                waiting.push_back((now, trunk));
            }
        }
        for result in &mut result {
            result.answered /= SECONDS;
        }
        result
    }

    const AT_ONCE: Duration = Duration::from_micros(10);

    #[test]
    fn up_to_its_capacity_every_call_is_answered() {
        for offered in [10, 1_000, 5_600] {
            for turn in [AT_ONCE, Duration::from_millis(20)] {
                let answered = flood(&[offered], 6_000, turn)[0].answered;
                assert!(answered * 50 >= offered * 49 - 100, "{answered} of {offered}");
            }
        }
    }

    #[test]
    fn beyond_its_capacity_as_many_are_answered_as_before_and_in_time() {
        // A turn is no longer than the calls that may wait take.
        let turns = [AT_ONCE, Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(25)];
        for (offered, served) in [(12_000, 6_000), (30_000, 6_000), (1_500, 600), (60_000, 12_000)] {
            for turn in turns {
                let Served { answered, longest, .. } = flood(&[offered], served, turn)[0];
                assert!(answered * 100 >= served * 95, "{answered} of {served} with {offered} offered, {turn:?}");
                assert!(longest <= Duration::from_millis(200), "{longest:?}, {offered} offered to {served}, {turn:?}");
            }
        }
    }

    #[test]
    fn a_trunk_that_floods_takes_no_more_than_its_share() {
        let served = flood(&[30_000, 500, 100], 6_000, AT_ONCE);
        for quiet in &served[1..] {
            assert!(quiet.shed * 100 <= quiet.offered, "{quiet:?}");
            assert!(quiet.longest <= Duration::from_millis(200), "{quiet:?}");
        }
        assert!(served[0].answered >= 5_000, "{served:?}");
    }

    #[test]
    fn trunks_that_flood_alike_are_answered_alike() {
        let served = flood(&[20_000, 20_000, 40_000], 6_000, AT_ONCE);
        for trunk in &served {
            assert!((1_500..2_500).contains(&trunk.answered), "{served:?}");
        }
    }

    #[test]
    fn a_quiet_trunk_is_answered_while_another_fills_the_sockets() {
        let start = test_clock::start();
        let overload = Overload::new(start, 2);
        (0..1_000).for_each(|_| overload.turned_away(0));
        overload.turned_away(1);
        overload.read(start, Duration::from_secs(2), LATE_MIN);
        let later = start + Duration::from_millis(150);
        assert!(overload.sheds(later, 0) && !overload.sheds(later, 1));
    }

    #[test]
    fn a_burst_that_is_soon_answered_is_taken_whole() {
        let overload = Overload::new(test_clock::start(), 2);
        for _ in 0..200 {
            assert!(!overload.sheds(test_clock::start(), 0));
            overload.begin(test_clock::start(), 0);
        }
    }

    #[test]
    fn a_few_calls_are_answered_however_slow_the_machine_is() {
        let start = test_clock::start();
        let overload = Overload::new(start, 2);
        for n in 0..1_000 {
            let now = start + Duration::from_secs(n);
            overload.begin(now, 0);
            overload.begin(now, 0);
            overload.answered(now, 0);
            assert!(n > 40 || !overload.sheds(now, 0));
        }
    }

    #[test]
    fn a_stall_of_the_machine_turns_nobody_away_and_late_reading_does() {
        let start = test_clock::start();
        let overload = Overload::new(start, 2);
        overload.read(start, Duration::from_secs(2), 1);
        assert!(!overload.sheds(start, 0));
        overload.read(start + Duration::from_millis(20), Duration::from_secs(2), LATE_MIN);
        assert!(!overload.sheds(start + Duration::from_millis(20), 0));
        assert!(overload.sheds(start + Duration::from_millis(31), 0));
        overload.read(start + Duration::from_millis(40), Duration::from_millis(1), 1);
        assert!(!overload.sheds(start + Duration::from_millis(41), 0));
    }

    #[test]
    fn lateness_ends_with_the_datagrams() {
        let start = test_clock::start();
        let overload = Overload::new(start, 1);
        overload.read(start, Duration::from_secs(2), LATE_MIN);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(overload.sheds(at(100), 0));
        assert!(!overload.sheds(at(201), 0), "calls come by streams");
    }

    #[test]
    fn a_few_calls_that_are_read_late_are_answered_for_as_long_as_it_lasts() {
        let start = test_clock::start();
        let overload = Overload::new(start, 2);
        for n in 1..LATE_MIN as u32 {
            let now = start + Duration::from_millis(100) * n;
            overload.read(now, Duration::from_millis(80), 1);
            assert!(!overload.sheds(now, 0));
        }
    }
}
