//! Limits of scans: by the kiosk and by the network address.
//!
//! An enrolled kiosk answers for its own failures only. A kiosk that is not enrolled can call itself anything, so its
//! address is counted, too. A receipt that is not in the replica yet, scanned again and again by its holder, is one
//! failure.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::address::{hash, network};
use super::failures::ClientFailures;
use super::limiter::{Limiter, Rejected};
use super::shared::SharedCounts;

/// Failures within the window from which on scans are rejected; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Of one enrolled kiosk, or of one name at one address.
    pub per_kiosk: Option<NonZeroU32>,
    /// Of one address: a kiosk that is not enrolled can call itself anything.
    pub per_address: Option<NonZeroU32>,
    /// How long a failure counts.
    pub window: Duration,
}

impl ScanLimits {
    /// The limits that follow from a kiosk's: an address is a hall, and may fail as often as [`KIOSKS_PER_ADDRESS`].
    pub fn of_kiosks(per_kiosk: Option<NonZeroU32>, window: Duration) -> ScanLimits {
        let per_address = per_kiosk.map(|limit| limit.saturating_mul(KIOSKS_PER_ADDRESS));
        ScanLimits { per_kiosk, per_address, window }
    }
}

/// Who scans what. Prints nothing of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScanClient {
    kiosk: u64,
    /// Of a kiosk that is not enrolled.
    address: Option<u64>,
    code: Option<u64>,
}

impl ScanClient {
    /// A kiosk that is not enrolled, by its address and the name it gives itself, empty if none.
    pub fn new(address: IpAddr, kiosk: &str) -> ScanClient {
        let network = network(address);
        ScanClient { kiosk: hash(&(network, kiosk)), address: Some(hash(&network)), code: None }
    }

    /// An enrolled kiosk, by its name.
    pub fn enrolled(kiosk: &str) -> ScanClient {
        ScanClient { kiosk: hash(&("enrolled", kiosk)), address: None, code: None }
    }

    /// The same with what it scanned, of which a repeated failure counts once.
    #[must_use]
    pub fn with_code(self, code: &str) -> ScanClient {
        ScanClient { code: Some(hash(&code)), ..self }
    }
}

impl fmt::Debug for ScanClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanClient(_)")
    }
}

/// The failures of scans.
#[derive(Debug)]
pub struct ScanLimiter {
    kiosks: ClientFailures,
    addresses: ClientFailures,
}

impl ScanLimiter {
    /// A limiter without failures.
    pub fn new(limits: ScanLimits) -> ScanLimiter {
        ScanLimiter {
            kiosks: ClientFailures::new(limits.per_kiosk, limits.window),
            addresses: ClientFailures::new(limits.per_address, limits.window),
        }
    }
}

impl Limiter for ScanLimiter {
    type Client = ScanClient;

    fn check(&mut self, shared: &mut SharedCounts, now: Instant, client: &ScanClient) -> Result<(), Rejected> {
        let own = self.kiosks.wait(now, client.kiosk);
        let wait = match client.address {
            None => own,
            Some(address) if shared.is_exceeded(now) => {
                self.kiosks.wait_for_none(now, client.kiosk).max(self.addresses.wait_for_none(now, address))
            }
            Some(address) => own.max(self.addresses.wait(now, address)),
        };
        match wait {
            Some(retry_after) => Err(Rejected { retry_after }),
            None => Ok(()),
        }
    }

    fn began(&mut self, shared: &mut SharedCounts, now: Instant, _client: &ScanClient) {
        shared.look_ups.add(now);
    }

    fn failed(&mut self, shared: &mut SharedCounts, now: Instant, client: &ScanClient) {
        if let Some(address) = client.address {
            self.addresses.add(now, address, client.code);
        }
        if self.kiosks.add(now, client.kiosk, client.code) {
            shared.failures.add(now);
        }
    }

    /// Clears nothing: the next visitor at the kiosk may be the one who guesses.
    fn succeeded(&mut self, _client: &ScanClient) {}
}

/// A hall's kiosks may share one address.
pub const KIOSKS_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::failures::CLIENTS_MAX;
    use super::super::shared::SharedLimits;
    use super::*;
    use crate::virtual_time::start;

    const HALL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    struct Scanner {
        limiter: ScanLimiter,
        shared: SharedCounts,
        start: Instant,
    }

    impl Scanner {
        fn new(total: u32) -> Scanner {
            let limits = ScanLimits {
                per_kiosk: NonZeroU32::new(3),
                per_address: NonZeroU32::new(5),
                window: Duration::from_secs(600),
            };
            let total = SharedLimits {
                failures_total: NonZeroU32::new(total),
                failure_window: limits.window,
                ..SharedLimits::NONE
            };
            Scanner { limiter: ScanLimiter::new(limits), shared: SharedCounts::new(total), start: start() }
        }

        fn fails(&mut self, second: u64, from: IpAddr, kiosk: &str, code: &str) {
            let at = self.start + Duration::from_secs(second);
            self.limiter.failed(&mut self.shared, at, &ScanClient::new(from, kiosk).with_code(code));
        }

        fn waits(&mut self, second: u64, from: IpAddr, kiosk: &str) -> Option<u64> {
            let at = self.start + Duration::from_secs(second);
            let checked = self.limiter.check(&mut self.shared, at, &ScanClient::new(from, kiosk));
            checked.err().map(|rejected| rejected.retry_after.as_secs())
        }
    }

    #[test]
    fn the_third_failure_makes_a_kiosk_wait_until_the_first_leaves_the_window() {
        let mut scanner = Scanner::new(100);
        for (second, code) in [(0, "1"), (10, "2"), (20, "3")] {
            assert_eq!(scanner.waits(second, HALL, "a"), None);
            scanner.fails(second, HALL, "a", code);
        }
        assert_eq!(scanner.waits(30, HALL, "a"), Some(570));
        assert_eq!(scanner.waits(30, HALL, "b"), None);
        assert_eq!(scanner.waits(600, HALL, "a"), None);
    }

    #[test]
    fn the_same_receipt_scanned_again_and_again_is_one_failure() {
        let mut scanner = Scanner::new(100);
        for second in 0..50 {
            scanner.fails(second, HALL, "a", "the same");
        }
        assert_eq!(scanner.waits(50, HALL, "a"), None);
    }

    #[test]
    fn without_a_code_every_event_counts() {
        let mut scanner = Scanner::new(100);
        let client = ScanClient::new(HALL, "a");
        (0..3).for_each(|_| scanner.limiter.failed(&mut scanner.shared, scanner.start, &client));
        assert_eq!(scanner.waits(0, HALL, "a"), Some(600));
    }

    #[test]
    fn another_name_does_not_help_an_address() {
        let mut scanner = Scanner::new(100);
        for n in 0..5 {
            scanner.fails(n, HALL, &format!("k{n}"), &n.to_string());
        }
        assert!(scanner.waits(6, HALL, "fresh").is_some());
        assert_eq!(scanner.waits(6, "192.0.2.8".parse().unwrap(), "fresh"), None);
    }

    #[test]
    fn the_hosts_of_one_ipv6_network_are_one_address() {
        let mut scanner = Scanner::new(100);
        for n in 0..5 {
            scanner.fails(n, format!("2001:db8::{n}").parse().unwrap(), &format!("k{n}"), &n.to_string());
        }
        assert!(scanner.waits(6, "2001:db8::99".parse().unwrap(), "x").is_some());
        assert!(scanner.waits(6, "2001:db8:0:1::1".parse().unwrap(), "x").is_none());
    }

    #[test]
    fn over_the_total_only_clients_that_have_failed_wait() {
        let mut scanner = Scanner::new(4);
        for n in 0..4 {
            scanner.fails(n, format!("192.0.2.{n}").parse().unwrap(), "a", &n.to_string());
        }
        assert!(scanner.waits(5, "192.0.2.1".parse().unwrap(), "a").is_some());
        assert_eq!(scanner.waits(5, "192.0.2.200".parse().unwrap(), "a"), None);
        assert_eq!(scanner.waits(601, "192.0.2.1".parse().unwrap(), "a"), None);
    }

    #[test]
    fn an_enrolled_kiosk_waits_for_its_own_failures_only() {
        let mut scanner = Scanner::new(4);
        for n in 0..5 {
            scanner.fails(n, HALL, &format!("k{n}"), &n.to_string());
        }
        let kiosk = ScanClient::enrolled("k0");
        let check = |scanner: &mut Scanner| scanner.limiter.check(&mut scanner.shared, scanner.start, &kiosk);
        assert_eq!(check(&mut scanner), Ok(()));
        for code in ["1", "2", "3"] {
            scanner.limiter.failed(&mut scanner.shared, scanner.start, &kiosk.with_code(code));
        }
        assert!(check(&mut scanner).is_err());
    }

    #[test]
    fn an_address_may_fail_as_often_as_its_kiosks_together() {
        let limits = ScanLimits::of_kiosks(NonZeroU32::new(600), Duration::from_secs(600));
        assert_eq!(limits.per_address.map(NonZeroU32::get), Some(12_000));
        assert_eq!(ScanLimits::of_kiosks(None, Duration::ZERO).per_address, None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut scanner = Scanner::new(50);
        for n in 0..(CLIENTS_MAX as u32 + 100) {
            scanner.fails(1, IpAddr::V4(n.into()), "a", &n.to_string());
        }
        assert!(scanner.limiter.kiosks.clients() <= CLIENTS_MAX);
        scanner.fails(700, HALL, "a", "later");
        assert!(scanner.limiter.kiosks.clients() < 10);
    }

    proptest! {
        #[test]
        fn a_kiosk_that_never_failed_never_waits_unless_its_address_did(
            steps in proptest::collection::vec((0u8..3, 0u8..3, 0u8..6, 0u64..90), 1..200),
        ) {
            let (mut scanner, mut second) = (Scanner::new(8), 0);
            for (address, kiosk, code, wait) in steps {
                second += wait;
                let from = IpAddr::from([192, 0, 2, address]);
                prop_assert_eq!(scanner.waits(second, IpAddr::from([192, 0, 2, 99]), "new"), None);
                match scanner.waits(second, from, &kiosk.to_string()) {
                    Some(wait) => prop_assert!((1..=600).contains(&wait)),
                    None => scanner.fails(second, from, &kiosk.to_string(), &code.to_string()),
                }
            }
        }
    }
}
