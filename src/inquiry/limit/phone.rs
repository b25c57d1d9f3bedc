//! Limits of the telephone: by the caller's number, by the receipt number, and in total.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::failures::{ClientFailures, TotalFailures};
use super::limiter::{Limiter, Rejected};
use crate::keyed_hash::Keys;

/// Failures within the window from which on look-ups by telephone are rejected; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhoneLimits {
    /// Of one calling number; of one call where the caller withholds it.
    pub per_caller: Option<NonZeroU32>,
    /// Of one receipt number, by all callers together: its second factor is being guessed.
    pub per_receipt: Option<NonZeroU32>,
    /// Of all callers together. Over it every look-up by telephone is rejected.
    pub total: Option<NonZeroU32>,
    /// How long a failure counts.
    pub window: Duration,
}

impl PhoneLimits {
    /// No limits: for rehearsals, where the caller is a call sheet.
    pub const NONE: PhoneLimits =
        PhoneLimits { per_caller: None, per_receipt: None, total: None, window: Duration::ZERO };
}

/// Who asks by telephone for what: keyed hashes, which say nothing about either number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneClient {
    /// [`Keys::client`] of the calling number, or of the call where the caller withholds it; absent: this limit is not met.
    pub caller: Option<u64>,
    /// [`Keys::client`] of the receipt number; absent when what was keyed in is no receipt number.
    pub receipt: Option<u64>,
}

impl PhoneClient {
    /// The client for a caller, who is hashed once a call, and the receipt number of one look-up.
    pub fn new(keys: &Keys, caller: Option<u64>, receipt: Option<&str>) -> PhoneClient {
        PhoneClient { caller, receipt: receipt.map(|number| keys.client("receipt", number)) }
    }
}

/// The failures of the telephone.
#[derive(Debug)]
pub struct PhoneLimiter {
    callers: ClientFailures,
    receipts: ClientFailures,
    total: TotalFailures,
}

impl PhoneLimiter {
    /// A limiter without failures.
    pub fn new(limits: PhoneLimits) -> PhoneLimiter {
        PhoneLimiter {
            callers: ClientFailures::new(limits.per_caller, limits.window),
            receipts: ClientFailures::new(limits.per_receipt, limits.window),
            total: TotalFailures::new(limits.total, limits.window),
        }
    }
}

impl Limiter for PhoneLimiter {
    type Client = PhoneClient;

    fn check(&mut self, now: Instant, client: &PhoneClient) -> Result<(), Rejected> {
        let caller = client.caller.and_then(|caller| self.callers.wait(now, caller));
        let receipt = client.receipt.and_then(|receipt| self.receipts.wait(now, receipt));
        match caller.max(receipt).max(self.total.wait(now)) {
            Some(retry_after) => Err(Rejected { retry_after }),
            None => Ok(()),
        }
    }

    fn failed(&mut self, now: Instant, client: &PhoneClient) {
        self.total.add(now);
        if let Some(caller) = client.caller {
            self.callers.add(now, caller, None);
        }
        if let Some(receipt) = client.receipt {
            self.receipts.add(now, receipt, None);
        }
    }

    /// Clears the caller, who does not guess. Failures at the receipt stay: they may be another caller's.
    fn succeeded(&mut self, client: &PhoneClient) {
        if let Some(caller) = client.caller {
            self.callers.clear(caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::failures::CLIENTS_MAX;
    use super::*;
    use crate::virtual_time::start;

    const LIMITS: PhoneLimits = PhoneLimits {
        per_caller: NonZeroU32::new(3),
        per_receipt: NonZeroU32::new(4),
        total: NonZeroU32::new(50),
        window: Duration::from_secs(600),
    };

    fn caller(id: u64) -> PhoneClient {
        PhoneClient { caller: Some(id), receipt: None }
    }

    #[test]
    fn the_third_failure_rejects_the_caller_until_the_window_is_over() {
        let (mut limiter, now) = (PhoneLimiter::new(LIMITS), start());
        for second in 0..3 {
            assert_eq!(limiter.check(now, &caller(1)), Ok(()));
            limiter.failed(now + Duration::from_secs(second), &caller(1));
        }
        let retry_after = Duration::from_secs(590);
        assert_eq!(limiter.check(now + Duration::from_secs(10), &caller(1)), Err(Rejected { retry_after }));
        assert_eq!(limiter.check(now, &caller(2)), Ok(()));
        assert_eq!(limiter.check(now + LIMITS.window, &caller(1)), Ok(()));
    }

    #[test]
    fn a_success_clears_its_caller_but_not_the_receipt() {
        let (mut limiter, now) = (PhoneLimiter::new(LIMITS), start());
        let client = PhoneClient { caller: Some(1), receipt: Some(9) };
        for _ in 0..4 {
            limiter.failed(now, &client);
        }
        limiter.succeeded(&client);
        assert_eq!(limiter.check(now, &caller(1)), Ok(()));
        assert!(limiter.check(now, &PhoneClient { receipt: Some(9), ..caller(2) }).is_err());
    }

    #[test]
    fn many_callers_together_reach_the_total() {
        let (mut limiter, now) = (PhoneLimiter::new(LIMITS), start());
        (0..50).for_each(|id| limiter.failed(now, &caller(id)));
        assert!(limiter.check(now, &caller(1000)).is_err());
        assert_eq!(limiter.check(now + LIMITS.window, &caller(1000)), Ok(()));
    }

    #[test]
    fn an_absent_limit_rejects_no_client() {
        let (mut limiter, now) = (PhoneLimiter::new(PhoneLimits::NONE), start());
        let client = PhoneClient { caller: Some(1), receipt: Some(9) };
        for _ in 0..1000 {
            limiter.failed(now, &client);
        }
        assert_eq!(limiter.check(now, &client), Ok(()));
    }

    #[test]
    fn a_hidden_number_meets_the_limit_of_the_receipt() {
        let (mut limiter, now) = (PhoneLimiter::new(LIMITS), start());
        let hidden = PhoneClient { caller: None, receipt: Some(9) };
        for _ in 0..4 {
            assert_eq!(limiter.check(now, &hidden), Ok(()));
            limiter.failed(now, &hidden);
        }
        assert!(limiter.check(now, &hidden).is_err());
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_new_callers_frees_no_old_one() {
        let mut limiter = PhoneLimiter::new(PhoneLimits { total: None, ..LIMITS });
        let now = start();
        (0..3).for_each(|_| limiter.failed(now, &caller(0)));
        for id in 1..(2 * CLIENTS_MAX as u64) {
            limiter.failed(now, &caller(id));
        }
        assert_eq!(limiter.callers.clients(), CLIENTS_MAX);
        assert!(limiter.check(now, &caller(0)).is_err());
        limiter.failed(now + LIMITS.window, &caller(u64::MAX));
        assert_eq!(limiter.callers.clients(), 1);
    }

    proptest! {
        #[test]
        fn within_one_window_no_caller_fails_more_often_than_the_limit(
            steps in proptest::collection::vec((0u64..4, 0u64..120), 1..200),
        ) {
            let (mut limiter, mut now) = (PhoneLimiter::new(LIMITS), start());
            let mut made: Vec<(u64, Instant)> = Vec::new();
            for (id, wait) in steps {
                now += Duration::from_secs(wait);
                match limiter.check(now, &caller(id)) {
                    Ok(()) => {
                        limiter.failed(now, &caller(id));
                        made.push((id, now));
                        let recent = made.iter().filter(|(other, at)| *other == id && now - *at < LIMITS.window);
                        prop_assert!(recent.count() <= 3);
                    }
                    Err(Rejected { retry_after }) => {
                        now += retry_after;
                        prop_assert_eq!(limiter.check(now, &caller(id)), Ok(()));
                    }
                }
            }
        }
    }
}
