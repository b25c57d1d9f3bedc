//! How long a client must wait after wrong passwords or PINs.
//!
//! ```text
//!  failures   1 … free    free + 1   free + 2   …          a success, or a day without failures
//!  wait            none       first   2 × first  … longest ──────────────► none
//! ```
//! Every wait ends, so no attacker can lock the account's holder out permanently. Tries during a wait are refused without
//! checking the password, and do not extend the wait.

use std::time::Duration;

/// The limit of one kind of tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutRule {
    /// Failures without a wait.
    pub free: u32,
    /// The wait after the next failure; each further one doubles it.
    pub first_wait: Duration,
    /// The upper limit of a wait.
    pub longest_wait: Duration,
}

impl LockoutRule {
    /// The rest of the wait after `failures`, the last of them `since_last` ago.
    pub fn wait(&self, failures: u32, since_last: Duration) -> Option<Duration> {
        if failures < self.free || since_last >= FORGOTTEN_AFTER {
            return None;
        }
        let doubled = 1_u32.checked_shl(failures - self.free).unwrap_or(u32::MAX).max(1);
        let wait = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        wait.checked_sub(since_last).filter(|left| !left.is_zero())
    }
}

/// Failures are forgotten this long after the last one.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Of one account name. A browser that has signed in to the account before is counted on its own.
pub const BY_NAME: LockoutRule =
    LockoutRule { free: 5, first_wait: Duration::from_secs(30), longest_wait: Duration::from_secs(900) };
/// Of all names from one address; a whole office may share one.
pub const BY_ADDRESS: LockoutRule =
    LockoutRule { free: 30, first_wait: Duration::from_secs(30), longest_wait: Duration::from_secs(900) };
/// Of one operator number by telephone: at one try an hour a PIN of six digits withstands more than a century.
pub const BY_NUMBER: LockoutRule =
    LockoutRule { free: 5, first_wait: Duration::from_secs(60), longest_wait: Duration::from_secs(3600) };
/// Of all operator numbers from one caller.
pub const BY_CALLER: LockoutRule =
    LockoutRule { free: 10, first_wait: Duration::from_secs(60), longest_wait: Duration::from_secs(3600) };

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: LockoutRule =
        LockoutRule { free: 3, first_wait: Duration::from_secs(30), longest_wait: Duration::from_secs(600) };

    #[test]
    fn the_wait_doubles_after_the_free_tries() {
        let wait = |failures| RULE.wait(failures, Duration::ZERO).map(|wait| wait.as_secs());
        assert_eq!(
            [0, 2, 3, 4, 5, 8, 40, u32::MAX].map(wait),
            [None, None, Some(30), Some(60), Some(120), Some(600), Some(600), Some(600)]
        );
        assert_eq!(RULE.wait(4, Duration::from_secs(59)), Some(Duration::from_secs(1)));
        assert_eq!(RULE.wait(4, Duration::from_secs(60)), None);
    }

    proptest! {
        #[test]
        fn every_wait_ends(failures: u32, since_s in 0_u64..100_000) {
            let wait = RULE.wait(failures, Duration::from_secs(since_s)).unwrap_or_default();
            prop_assert!(wait <= RULE.longest_wait);
            prop_assert_eq!(RULE.wait(failures, RULE.longest_wait), None);
        }
    }
}
