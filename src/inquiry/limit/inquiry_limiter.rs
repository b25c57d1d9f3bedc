//! The limiters of all doors, with what they count together.

use super::phone::{PhoneLimiter, PhoneLimits};
use super::public::{PublicLimiter, PublicLimits};
use super::scan::{ScanLimiter, ScanLimits};
use super::shared::{SharedCounts, SharedLimits};

/// The limits of all doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InquiryLimits {
    /// Of the telephone.
    pub phone: PhoneLimits,
    /// Of kiosks.
    pub scan: ScanLimits,
    /// Of the public page.
    pub public: PublicLimits,
    /// Of all doors together.
    pub shared: SharedLimits,
}

/// The limiters of all doors. A node has one, behind one lock, so that each door sees what the others counted.
#[derive(Debug)]
pub struct InquiryLimiter {
    /// Of the telephone.
    pub phone: PhoneLimiter,
    /// Of kiosks.
    pub scan: ScanLimiter,
    /// Of the public page.
    pub public: PublicLimiter,
    /// What the doors count together.
    pub shared: SharedCounts,
}

impl InquiryLimiter {
    /// Limiters without events.
    pub fn new(limits: InquiryLimits) -> InquiryLimiter {
        InquiryLimiter {
            phone: PhoneLimiter::new(limits.phone),
            scan: ScanLimiter::new(limits.scan),
            public: PublicLimiter::new(limits.public),
            shared: SharedCounts::new(limits.shared),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::limit::{Limiter, PhoneClient, PublicClient, ScanClient};
    use crate::virtual_time::start;

    const WINDOW: Duration = Duration::from_secs(600);
    const HOUR: Duration = Duration::from_secs(3600);

    fn limiter(total: u32) -> InquiryLimiter {
        let limit = NonZeroU32::new;
        InquiryLimiter::new(InquiryLimits {
            phone: PhoneLimits {
                failures: limit(60),
                failure_window: WINDOW,
                look_ups: limit(600),
                look_up_window: HOUR,
            },
            scan: ScanLimits::of_kiosks(limit(600), WINDOW),
            public: PublicLimits {
                failures: limit(60),
                failure_window: WINDOW,
                look_ups: limit(600),
                look_up_window: HOUR,
            },
            shared: SharedLimits {
                failures_per_receipt: limit(10),
                failures_total: limit(total),
                failure_window: WINDOW,
                look_ups_per_receipt: limit(20),
                look_ups_total: limit(1_000_000),
                look_up_window: HOUR,
            },
        })
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n))
    }

    /// A look-up of a guesser: whether it was permitted. A permitted one matches nothing.
    fn guess<L: Limiter>(door: &mut L, shared: &mut SharedCounts, now: Instant, client: &L::Client) -> bool {
        let permitted = door.check(shared, now, client).is_ok();
        if permitted {
            door.began(shared, now, client);
            door.failed(shared, now, client);
        }
        permitted
    }

    fn is_refused<L: Limiter>(door: &mut L, shared: &mut SharedCounts, now: Instant, client: &L::Client) -> bool {
        door.check(shared, now, client).is_err()
    }

    #[test]
    fn ten_thousand_wrong_numbers_over_all_doors_lock_out_no_caller_kiosk_or_visitor_who_has_not_failed() {
        let InquiryLimiter { phone, scan, public, shared } = &mut limiter(1000);
        let now = start();
        for n in 0..10_000_u32 {
            let (receipt, id) = (Some(1_000_000 + u64::from(n)), n / 50);
            match n % 3 {
                0 => guess(phone, shared, now, &PhoneClient { caller: Some(u64::from(id)), receipt }),
                1 => guess(public, shared, now, &PublicClient::new(address(id), receipt)),
                _ => guess(scan, shared, now, &ScanClient::new(address(id), "guesser").with_code(&n.to_string())),
            };
        }
        assert!(shared.is_exceeded(now));
        assert!(is_refused(public, shared, now, &PublicClient::new(address(0), Some(7))), "a guesser waits");
        assert!(
            is_refused(phone, shared, now, &PhoneClient { caller: Some(0), receipt: Some(7) }),
            "by telephone, too"
        );
        assert!(!is_refused(phone, shared, now, &PhoneClient { caller: Some(99_999), receipt: Some(7) }));
        assert!(!is_refused(scan, shared, now, &ScanClient::enrolled("north-1")));
        assert!(!is_refused(public, shared, now, &PublicClient::new(address(99_999), Some(7))));
        let delay = shared.delay(now);
        assert!(delay > Duration::ZERO && delay <= super::super::shared::DELAY_MAX, "a stranger waits {delay:?}");
        assert_eq!(shared.delay(now + HOUR * 2), Duration::ZERO);
    }

    #[test]
    fn an_enrolled_kiosk_that_has_failed_is_not_refused_when_a_total_is_exceeded() {
        let InquiryLimiter { scan, public, shared, .. } = &mut limiter(10);
        let (now, kiosk) = (start(), ScanClient::enrolled("north-1"));
        assert!(guess(scan, shared, now, &kiosk.with_code("1")));
        for n in 0..20 {
            guess(public, shared, now, &PublicClient::new(address(n), None));
        }
        assert!(shared.is_exceeded(now));
        assert!(!is_refused(scan, shared, now, &kiosk));
        assert!(is_refused(public, shared, now, &PublicClient::new(address(0), None)));
    }

    #[test]
    fn telephone_and_public_page_share_the_failures_of_a_receipt_and_strangers_reach_its_limit_first() {
        let InquiryLimiter { phone, public, shared, .. } = &mut limiter(1000);
        let now = start();
        let stranger = |n| PublicClient::new(address(n), Some(7));
        let caller = |id| PhoneClient { caller: Some(id), receipt: Some(7) };
        assert!((0..5).all(|n| guess(public, shared, now, &stranger(n))));
        assert!(is_refused(public, shared, now, &stranger(100)), "half of ten");
        assert!(!is_refused(phone, shared, now, &caller(0)), "the holder still has the other half");
        assert!((0..5).all(|id| guess(phone, shared, now, &caller(id))));
        assert!(is_refused(phone, shared, now, &caller(100)));
        assert!(!is_refused(public, shared, now, &PublicClient::new(address(100), Some(8))), "another receipt");
    }

    #[test]
    fn look_ups_are_counted_whether_they_find_a_case_or_not() {
        let InquiryLimiter { phone, public, shared, .. } = &mut limiter(1000);
        let (now, receipt) = (start(), Some(7));
        for n in 0..20 {
            let client = PublicClient::new(address(n), receipt);
            assert!(!is_refused(public, shared, now, &client));
            public.began(shared, now, &client);
            public.succeeded(&client);
        }
        assert!(is_refused(public, shared, now, &PublicClient::new(address(100), receipt)));
        let caller = PhoneClient { caller: Some(1), receipt };
        assert!(!is_refused(phone, shared, now, &caller), "a caller who has not failed");
        assert!(guess(phone, shared, now, &PhoneClient { receipt: None, ..caller }));
        assert!(is_refused(phone, shared, now, &caller), "a caller who has");
        let busy = PublicClient::new(address(5), None);
        (0..600).for_each(|_| public.began(shared, now, &busy));
        assert!(is_refused(public, shared, now, &busy));
        assert!(!is_refused(public, shared, now + HOUR, &busy));
    }

    #[test]
    fn a_success_clears_the_failures_of_no_other_client() {
        let InquiryLimiter { phone, public, scan, shared } = &mut limiter(1000);
        let now = start();
        let guesser = PublicClient::new(address(1), None);
        for _ in 0..60 {
            guess(public, shared, now, &guesser);
        }
        public.succeeded(&guesser);
        phone.succeeded(&PhoneClient { caller: Some(1), receipt: None });
        scan.succeeded(&ScanClient::enrolled("north-1"));
        assert!(is_refused(public, shared, now, &guesser));
    }
}
