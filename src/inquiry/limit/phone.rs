//! Limits of the telephone: by the caller's number and by the receipt number.
//!
//! A caller without a failure is not refused for what others do, with one exception: a receipt whose second factor is being
//! guessed is not looked up for a while, and its callers get a person.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::failures::ClientFailures;
use super::limiter::{Limiter, Rejected};
use super::shared::SharedCounts;
use super::window::ClientCounts;
use crate::keyed_hash::Keys;

/// Limits of one calling number, or of one call where the caller withholds it; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhoneLimits {
    /// Failures within `failure_window`.
    pub failures: Option<NonZeroU32>,
    /// How long a failure counts.
    pub failure_window: Duration,
    /// Look-ups within `look_up_window`, found or not.
    pub look_ups: Option<NonZeroU32>,
    /// How long a look-up counts.
    pub look_up_window: Duration,
}

/// Who asks by telephone for what: keyed hashes, which say nothing about either number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneClient {
    /// [`Keys::client`] of the calling number, or of the call where the caller withholds it; absent: this limit is not met.
    pub caller: Option<u64>,
    /// [`Keys::receipt`] of the receipt number; absent when what was keyed in is no receipt number.
    pub receipt: Option<u64>,
}

impl PhoneClient {
    /// The client for a caller, who is hashed once a call, and the receipt number of one look-up.
    pub fn new(keys: &Keys, caller: Option<u64>, receipt: Option<&str>) -> PhoneClient {
        PhoneClient { caller, receipt: receipt.map(|number| keys.receipt(number)) }
    }
}

/// The counts of the telephone.
#[derive(Debug)]
pub struct PhoneLimiter {
    callers: ClientFailures,
    look_ups: ClientCounts,
}

impl PhoneLimiter {
    /// A limiter without events.
    pub fn new(limits: PhoneLimits) -> PhoneLimiter {
        PhoneLimiter {
            callers: ClientFailures::new(limits.failures, limits.failure_window),
            look_ups: ClientCounts::new(limits.look_ups, limits.look_up_window),
        }
    }
}

impl Limiter for PhoneLimiter {
    type Client = PhoneClient;

    fn check(&mut self, shared: &mut SharedCounts, now: Instant, client: &PhoneClient) -> Result<(), Rejected> {
        let failed_receipt = client.receipt.and_then(|receipt| shared.receipts.wait(now, receipt));
        let is_scarce = client.receipt.is_some_and(|receipt| shared.receipt_look_ups.wait(now, receipt).is_some())
            || shared.is_exceeded(now);
        let caller = client.caller.and_then(|caller| {
            let failures = match is_scarce {
                true => self.callers.wait_for_none(now, caller),
                false => self.callers.wait(now, caller),
            };
            failures.max(self.look_ups.wait(now, caller))
        });
        match caller.max(failed_receipt) {
            Some(retry_after) => Err(Rejected { retry_after }),
            None => Ok(()),
        }
    }

    fn began(&mut self, shared: &mut SharedCounts, now: Instant, client: &PhoneClient) {
        shared.look_ups.add(now);
        if let Some(caller) = client.caller {
            self.look_ups.add(now, caller);
        }
        if let Some(receipt) = client.receipt {
            shared.receipt_look_ups.add(now, receipt);
        }
    }

    fn failed(&mut self, shared: &mut SharedCounts, now: Instant, client: &PhoneClient) {
        shared.failures.add(now);
        if let Some(caller) = client.caller {
            self.callers.add(now, caller, None);
        }
        if let Some(receipt) = client.receipt {
            shared.receipts.add(now, receipt, None);
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
    use super::super::shared::SharedLimits;
    use super::*;
    use crate::virtual_time::start;

    const WINDOW: Duration = Duration::from_secs(600);
    const LIMITS: PhoneLimits =
        PhoneLimits { failures: NonZeroU32::new(3), failure_window: WINDOW, look_ups: None, look_up_window: WINDOW };
    const SHARED: SharedLimits = SharedLimits {
        failures_per_receipt: NonZeroU32::new(4),
        failures_total: NonZeroU32::new(50),
        failure_window: WINDOW,
        ..SharedLimits::NONE
    };

    /// The telephone's limiter with what is counted for all doors.
    struct Phone {
        limiter: PhoneLimiter,
        shared: SharedCounts,
    }

    impl Phone {
        fn new(limits: PhoneLimits, shared: SharedLimits) -> Phone {
            Phone { limiter: PhoneLimiter::new(limits), shared: SharedCounts::new(shared) }
        }

        fn check(&mut self, now: Instant, client: &PhoneClient) -> Result<(), Rejected> {
            self.limiter.check(&mut self.shared, now, client)
        }

        fn failed(&mut self, now: Instant, client: &PhoneClient) {
            self.limiter.failed(&mut self.shared, now, client);
        }
    }

    fn caller(id: u64) -> PhoneClient {
        PhoneClient { caller: Some(id), receipt: None }
    }

    #[test]
    fn the_third_failure_rejects_the_caller_until_the_window_is_over() {
        let (mut limiter, now) = (Phone::new(LIMITS, SHARED), start());
        for second in 0..3 {
            assert_eq!(limiter.check(now, &caller(1)), Ok(()));
            limiter.failed(now + Duration::from_secs(second), &caller(1));
        }
        let retry_after = Duration::from_secs(590);
        assert_eq!(limiter.check(now + Duration::from_secs(10), &caller(1)), Err(Rejected { retry_after }));
        assert_eq!(limiter.check(now, &caller(2)), Ok(()));
        assert_eq!(limiter.check(now + WINDOW, &caller(1)), Ok(()));
    }

    #[test]
    fn a_success_clears_its_caller_but_not_the_receipt() {
        let (mut limiter, now) = (Phone::new(LIMITS, SHARED), start());
        let client = PhoneClient { caller: Some(1), receipt: Some(9) };
        for _ in 0..4 {
            limiter.failed(now, &client);
        }
        limiter.limiter.succeeded(&client);
        assert_eq!(limiter.check(now, &caller(1)), Ok(()));
        assert!(limiter.check(now, &PhoneClient { receipt: Some(9), ..caller(2) }).is_err());
    }

    #[test]
    fn over_the_total_a_caller_who_has_failed_is_refused_and_another_is_not() {
        let (mut limiter, now) = (Phone::new(LIMITS, SHARED), start());
        (0..50).for_each(|id| limiter.failed(now, &caller(id)));
        assert!(limiter.check(now, &caller(1)).is_err());
        assert_eq!(limiter.check(now, &caller(1000)), Ok(()));
        assert_eq!(limiter.check(now + WINDOW, &caller(1)), Ok(()));
    }

    #[test]
    fn an_absent_limit_rejects_no_client() {
        let (mut limiter, now) = (Phone::new(PhoneLimits { failures: None, ..LIMITS }, SharedLimits::NONE), start());
        let client = PhoneClient { caller: Some(1), receipt: Some(9) };
        for _ in 0..1000 {
            limiter.failed(now, &client);
        }
        assert_eq!(limiter.check(now, &client), Ok(()));
    }

    #[test]
    fn a_hidden_number_meets_the_limit_of_the_receipt() {
        let (mut limiter, now) = (Phone::new(LIMITS, SHARED), start());
        let hidden = PhoneClient { caller: None, receipt: Some(9) };
        for _ in 0..4 {
            assert_eq!(limiter.check(now, &hidden), Ok(()));
            limiter.failed(now, &hidden);
        }
        assert!(limiter.check(now, &hidden).is_err());
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_new_callers_frees_no_old_one() {
        let mut limiter = Phone::new(LIMITS, SharedLimits { failures_total: None, ..SHARED });
        let now = start();
        (0..3).for_each(|_| limiter.failed(now, &caller(0)));
        for id in 1..(2 * CLIENTS_MAX as u64) {
            limiter.failed(now, &caller(id));
        }
        assert_eq!(limiter.limiter.callers.clients(), CLIENTS_MAX);
        assert!(limiter.check(now, &caller(0)).is_err());
        limiter.failed(now + WINDOW, &caller(u64::MAX));
        assert_eq!(limiter.limiter.callers.clients(), 1);
    }

    proptest! {
        #[test]
        fn within_one_window_no_caller_fails_more_often_than_the_limit(
            steps in proptest::collection::vec((0u64..4, 0u64..120), 1..200),
        ) {
            let (mut limiter, mut now) = (Phone::new(LIMITS, SHARED), start());
            let mut made: Vec<(u64, Instant)> = Vec::new();
            for (id, wait) in steps {
                now += Duration::from_secs(wait);
                match limiter.check(now, &caller(id)) {
                    Ok(()) => {
                        limiter.failed(now, &caller(id));
                        made.push((id, now));
                        let recent = made.iter().filter(|(other, at)| *other == id && now - *at < WINDOW);
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
