//! How often one caller may be transferred within a time: who presses 0 again and again rings the desk a few times, and
//! then hears what callers hear when the desk does not answer.
//!
//! Callers who withhold their number cannot be told apart; they are bounded by call alone.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The transfers of callers.
#[derive(Debug)]
pub struct TransferLimiter {
    most: Option<NonZeroU32>,
    window: Duration,
    callers: HashMap<u64, Transfers>,
}

#[derive(Clone, Copy, Debug)]
struct Transfers {
    since: Instant,
    count: u32,
}

impl TransferLimiter {
    /// At most so many transfers of one caller within the window; none: no limit.
    pub fn new(most: Option<NonZeroU32>, window: Duration) -> TransferLimiter {
        TransferLimiter { most, window, callers: HashMap::new() }
    }

    /// How many more transfers a caller, named by a keyed hash, may have.
    pub fn left(&self, now: Instant, caller: u64) -> u32 {
        let Some(most) = self.most else { return u32::MAX };
        let current = |transfers: &&Transfers| now.saturating_duration_since(transfers.since) < self.window;
        let count = self.callers.get(&caller).filter(current).map_or(0, |transfers| transfers.count);
        most.get().saturating_sub(count)
    }

    /// Counts transfers of a caller from before this start, the first of them at `since`.
    pub fn count(&mut self, since: Instant, caller: u64, count: u32) {
        if self.callers.len() < CALLERS_MAX || self.callers.contains_key(&caller) {
            self.callers.insert(caller, Transfers { since, count });
        }
    }

    /// Counts a transfer of a caller. While too many callers are known, further ones are not counted.
    pub fn begun(&mut self, now: Instant, caller: u64) {
        let window = self.window;
        if self.callers.len() >= CALLERS_MAX && !self.callers.contains_key(&caller) {
            self.callers.retain(|_, transfers| now.saturating_duration_since(transfers.since) < window);
            if self.callers.len() >= CALLERS_MAX {
                return;
            }
        }
        let transfers = self.callers.entry(caller).or_insert(Transfers { since: now, count: 0 });
        if now.saturating_duration_since(transfers.since) >= window {
            *transfers = Transfers { since: now, count: 0 };
        }
        transfers.count = transfers.count.saturating_add(1);
    }
}

/// Callers that are counted at once; in more than that, no one caller stands out.
const CALLERS_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_caller_is_transferred_so_often_within_the_window_and_others_are_not_affected() {
        let (now, window) = (test_clock::start() + DAY, Duration::from_secs(600));
        let mut limiter = TransferLimiter::new(NonZeroU32::new(3), window);
        for left in [3, 2, 1, 0, 0] {
            assert_eq!(limiter.left(now, 1), left);
            limiter.begun(now, 1);
        }
        assert_eq!((limiter.left(now, 2), limiter.left(now + window / 2, 1), limiter.left(now + window, 1)), (3, 0, 3));
        limiter.count(now - window / 2, 3, 2);
        limiter.begun(now, 3);
        assert_eq!((limiter.left(now, 3), limiter.left(now + window / 2, 3)), (0, 3));
        assert_eq!(TransferLimiter::new(None, window).left(now, 1), u32::MAX);
    }

    #[test]
    fn memory_is_bounded_and_the_past_forgotten() {
        let (now, window) = (test_clock::start(), Duration::from_secs(600));
        let mut limiter = TransferLimiter::new(NonZeroU32::new(1), window);
        (0..CALLERS_MAX as u64 + 10).for_each(|caller| limiter.begun(now, caller));
        assert_eq!(limiter.callers.len(), CALLERS_MAX);
        limiter.begun(now + window, u64::MAX);
        assert_eq!(limiter.callers.len(), 1);
    }
}
