//! Events within a window, counted without keeping each: of all clients together, and of each client.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Events of all clients together. The window moves in [`STEPS`] steps, so memory is constant.
#[derive(Debug)]
pub(super) struct WindowTotal {
    limit: Option<NonZeroU32>,
    step: Duration,
    /// When the first event was counted.
    start: Option<Instant>,
    /// The step of the newest event, counted from `start`.
    newest: u64,
    counts: [u32; STEPS],
}

impl WindowTotal {
    pub(super) fn new(limit: Option<NonZeroU32>, window: Duration) -> WindowTotal {
        let step = (window / STEPS as u32).max(STEP_MIN);
        WindowTotal { limit, step, start: None, newest: 0, counts: [0; STEPS] }
    }

    pub(super) fn add(&mut self, now: Instant) {
        self.start.get_or_insert(now);
        self.advance(now);
        let count = &mut self.counts[(self.newest % STEPS as u64) as usize];
        *count = count.saturating_add(1);
    }

    /// How far the count is beyond the limit, in twentieths of the limit and at least 1; 0 below it.
    pub(super) fn excess(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let count: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let Some(limit) = self.limit.map(|limit| u64::from(limit.get())) else { return 0 };
        count.checked_sub(limit).map_or(0, |over| 1 + over * 20 / limit)
    }

    /// Drops what lies before the window.
    fn advance(&mut self, now: Instant) {
        let Some(start) = self.start else { return };
        let step = now.saturating_duration_since(start).as_nanos() / self.step.as_nanos();
        let step = u64::try_from(step).unwrap_or(u64::MAX).max(self.newest);
        for passed in (self.newest + 1..=step).take(STEPS) {
            self.counts[(passed % STEPS as u64) as usize] = 0;
        }
        self.newest = step;
    }
}

/// Events of each client, from its first one on for one window. Memory is bounded by [`COUNTED_MAX`].
#[derive(Debug)]
pub(super) struct ClientCounts {
    limit: Option<NonZeroU32>,
    window: Duration,
    clients: HashMap<u64, (Instant, u32)>,
    /// A full table is swept at most once in [`SWEEP_EVERY`].
    sweep_at: Option<Instant>,
}

impl ClientCounts {
    pub(super) fn new(limit: Option<NonZeroU32>, window: Duration) -> ClientCounts {
        ClientCounts { limit, window, clients: HashMap::new(), sweep_at: None }
    }

    /// How long until this client is below its limit; `None`: it is.
    pub(super) fn wait(&self, now: Instant, client: u64) -> Option<Duration> {
        let (began, count) = self.clients.get(&client)?;
        let left = self.window.saturating_sub(now.saturating_duration_since(*began));
        (*count >= self.limit?.get() && !left.is_zero()).then(|| left.max(WAIT_MIN))
    }

    /// Counts an event. A client that finds the table full is not counted here; the total still counts it.
    pub(super) fn add(&mut self, now: Instant, client: u64) {
        let window = self.window;
        let is_over = |began: Instant| now.saturating_duration_since(began) >= window;
        if self.clients.len() >= COUNTED_MAX && !self.clients.contains_key(&client) {
            if self.sweep_at.is_some_and(|at| at > now) {
                return;
            }
            self.sweep_at = Some(now + SWEEP_EVERY);
            self.clients.retain(|_, (began, _)| !is_over(*began));
            if self.clients.len() >= COUNTED_MAX {
                return;
            }
        }
        let counted = self.clients.entry(client).or_insert((now, 0));
        if is_over(counted.0) {
            *counted = (now, 0);
        }
        counted.1 = counted.1.saturating_add(1);
    }
}

const STEPS: usize = 60;
const STEP_MIN: Duration = Duration::from_millis(1);
/// Clients of one kind that are counted at once: some 5 MB.
const COUNTED_MAX: usize = 131_072;
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const WAIT_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_total_grows_beyond_its_limit_and_leaves_the_window() {
        let (mut total, now) = (WindowTotal::new(NonZeroU32::new(100), HOUR), start());
        (0..99).for_each(|_| total.add(now));
        assert_eq!(total.excess(now), 0);
        total.add(now);
        assert_eq!(total.excess(now), 1);
        (0..100).for_each(|_| total.add(now + HOUR / 2));
        assert_eq!(total.excess(now + HOUR / 2), 21);
        assert_eq!(total.excess(now + HOUR), 1, "the first hundred have left");
        assert_eq!(total.excess(now + HOUR * 2), 0);
    }

    #[test]
    fn a_total_without_a_limit_is_never_exceeded() {
        let (mut total, now) = (WindowTotal::new(None, Duration::ZERO), start());
        (0..1000).for_each(|_| total.add(now));
        assert_eq!(total.excess(now + HOUR), 0);
    }

    #[test]
    fn a_client_waits_until_its_window_is_over() {
        let (mut counts, now) = (ClientCounts::new(NonZeroU32::new(2), HOUR), start());
        counts.add(now, 1);
        assert_eq!(counts.wait(now, 1), None);
        counts.add(now + HOUR / 2, 1);
        assert_eq!(counts.wait(now + HOUR / 2, 1), Some(HOUR / 2));
        assert_eq!((counts.wait(now, 2), counts.wait(now + HOUR, 1)), (None, None));
        counts.add(now + HOUR, 1);
        assert_eq!(counts.wait(now + HOUR, 1), None, "a new window has begun");
    }

    #[test]
    fn counted_clients_are_bounded() {
        let (mut counts, now) = (ClientCounts::new(NonZeroU32::new(2), HOUR), start());
        (0..COUNTED_MAX as u64 + 100).for_each(|client| counts.add(now, client));
        assert_eq!(counts.clients.len(), COUNTED_MAX);
        counts.add(now + HOUR, u64::MAX);
        assert_eq!(counts.clients.len(), 1);
    }
}
