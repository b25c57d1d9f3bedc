//! Which stream is due in which millisecond.
//!
//! One bucket a millisecond, more of them than the longest packet time has. Streams that begin together are put where
//! the buckets are emptier, so that a thousand packets never want to leave in one instant.

use std::time::{Duration, Instant};

/// Streams by the millisecond of their next packet; `Id` names a stream.
#[derive(Debug)]
pub(super) struct Wheel<Id> {
    epoch: Instant,
    buckets: Vec<Vec<Id>>,
    /// The last millisecond that was run.
    done: u64,
    count: usize,
}

impl<Id: Copy> Wheel<Id> {
    pub(crate) fn new(now: Instant) -> Wheel<Id> {
        Wheel { epoch: now, buckets: vec![Vec::new(); BUCKETS], done: 0, count: 0 }
    }

    /// The millisecond at or after a time.
    fn slot(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_nanos().div_ceil(1_000_000) as u64
    }

    fn time(&self, slot: u64) -> Instant {
        self.epoch + Duration::from_millis(slot)
    }

    /// Where a stream with this packet time begins: in the present millisecond unless that has a quarter more streams than
    /// its share, else in the next one that has not. So the first packet waits little, and no millisecond has too much.
    pub(crate) fn place(&self, now: Instant, ptime: Duration) -> Instant {
        let width = (ptime.as_millis() as u64).clamp(1, BUCKETS as u64 / 2);
        let fair = self.count as u64 * 5 / 4 / width + 1;
        let first = self.slot(now);
        let load = |slot: &u64| self.buckets[(slot % BUCKETS as u64) as usize].len() as u64;
        let slot = (first..first + width).find(|slot| load(slot) <= fair).unwrap_or(first);
        self.time(slot)
    }

    /// Puts a stream where its next packet is due; what is already due comes with the next run.
    pub(crate) fn insert(&mut self, id: Id, due: Instant) {
        let slot = self.slot(due).clamp(self.done + 1, self.done + BUCKETS as u64 - 1);
        self.buckets[(slot % BUCKETS as u64) as usize].push(id);
        self.count += 1;
    }

    /// Takes out every stream that is due, in order.
    pub(crate) fn take_due(&mut self, now: Instant, due: &mut Vec<Id>) {
        due.clear();
        let passed = now.saturating_duration_since(self.epoch).as_millis() as u64;
        let from = (self.done + 1).max((passed + 1).saturating_sub(BUCKETS as u64));
        for slot in from..=passed {
            due.append(&mut self.buckets[(slot % BUCKETS as u64) as usize]);
        }
        self.done = self.done.max(passed);
        self.count -= due.len();
    }

    /// When the next stream is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let next = self.done + 1;
        (next..next + BUCKETS as u64)
            .find(|slot| !self.buckets[(slot % BUCKETS as u64) as usize].is_empty())
            .map(|slot| self.time(slot))
    }
}

/// More than two packet times of 60 ms.
const BUCKETS: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_stream_is_due_in_its_millisecond_and_not_before() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut due = Vec::new();
        wheel.insert(7, start + ms(20));
        assert_eq!(wheel.next(), Some(start + ms(20)));
        wheel.take_due(start + ms(19), &mut due);
        assert!(due.is_empty());
        wheel.take_due(start + ms(20), &mut due);
        assert_eq!((due.as_slice(), wheel.next()), ([7].as_slice(), None));
    }

    #[test]
    fn after_a_long_stall_everything_is_due_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for id in 0..60 {
            wheel.insert(id, start + ms(id));
        }
        let mut due = Vec::new();
        wheel.take_due(start + ms(5000), &mut due);
        due.sort_unstable();
        assert_eq!(due, (0..60).collect::<Vec<_>>());
        wheel.insert(1, start);
        wheel.take_due(start + ms(5001), &mut due);
        assert_eq!(due, [1]);
    }

    #[test]
    fn streams_that_begin_together_are_spread_over_a_packet_time() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for id in 0..1000 {
            let at = wheel.place(start + ms(1), ms(20));
            assert!(at >= start + ms(1) && at < start + ms(21));
            wheel.insert(id, at);
        }
        let mut due = Vec::new();
        for slot in 1..=20 {
            wheel.take_due(start + ms(slot), &mut due);
            assert!((0..=64).contains(&due.len()), "{slot}: {}", due.len());
        }
    }

    #[test]
    fn streams_that_begin_one_after_the_other_wait_little() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut due = Vec::new();
        for id in 0..1000u64 {
            let now = start + ms(id * 5 / 2);
            wheel.take_due(now, &mut due);
            due.drain(..).for_each(|id: u64| wheel.insert(id, now + ms(20)));
            let at = wheel.place(now, ms(20));
            assert!(at <= now + ms(10), "{id}: {:?}", at - now);
            wheel.insert(id, at);
        }
    }

    #[test]
    fn the_first_stream_begins_at_once() {
        let start = Instant::now();
        assert_eq!(Wheel::<u64>::new(start).place(start + ms(3), ms(20)), start + ms(3));
    }

    proptest! {
        #[test]
        fn every_stream_comes_out_exactly_once(steps in proptest::collection::vec((0u64..70, 0u64..300), 1..60)) {
            let start = Instant::now();
            let mut wheel = Wheel::new(start);
            let (mut now, mut seen, mut due) = (0, Vec::new(), Vec::new());
            for (id, (ahead, step)) in (0..).zip(&steps) {
                wheel.insert(id, start + ms(now + ahead));
                now += step;
                wheel.take_due(start + ms(now), &mut due);
                seen.append(&mut due);
            }
            wheel.take_due(start + ms(now + 1000), &mut due);
            seen.append(&mut due);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..steps.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(wheel.next(), None);
        }
    }
}
