//! When a message is tried again.

use std::time::Duration;

/// The waits between attempts: each twice as long as the one before, and up to a quarter longer, so that many messages that failed
/// together are not tried together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Retry {
    /// The wait after so many failures; `seed` spreads it.
    pub fn wait(&self, failures: u32, seed: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let wait = self.first.saturating_mul(1 << doublings).min(self.longest);
        let mixed = (seed ^ u64::from(failures)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let quarter = u32::try_from(mixed).unwrap_or(0);
        wait + wait / 4 * quarter / 1024
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry { first: Duration::from_secs(5), longest: Duration::from_secs(60) };
        let waits: Vec<u64> = (1..=6).map(|n| retry.wait(n, 7).as_secs()).collect();
        for (wait, least) in waits.iter().zip([5, 10, 20, 40, 60, 60]) {
            assert!((least..=least + least / 4).contains(wait), "{waits:?}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_bounds(first in 1u64..100, longest in 100u64..4000, failures: u32, seed: u64) {
            let retry = Retry { first: Duration::from_secs(first), longest: Duration::from_secs(longest) };
            let wait = retry.wait(failures, seed);
            prop_assert!(wait >= retry.first && wait <= retry.longest * 5 / 4);
        }
    }
}
