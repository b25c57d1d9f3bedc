//! Limits of failed look-ups at kiosks, against guessing of receipt numbers.
//!
//! A failed look-up is counted for a window of time: by kiosk, by network address, and in total. A receipt that is not in
//! the replica yet and is scanned repeatedly counts once.
//!
//! When the total is used up, a kiosk without failures may still scan, and a single failure makes it wait.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Kiosk;
use base::Private;

/// How many failures are accepted within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimits {
    /// For one kiosk name at one address.
    pub per_kiosk: u32,
    /// For one address, since a kiosk may change its name; the kiosks of a hall may share an address.
    pub per_address: u32,
    /// Over all kiosks.
    pub total: u32,
    /// How long a failure counts.
    pub window: Duration,
}

/// The failures of the last window.
#[derive(Debug)]
pub struct Failures {
    limits: FailureLimits,
    kiosks: HashMap<u64, Failed>,
    addresses: HashMap<u64, Failed>,
    all: VecDeque<Instant>,
}

/// Time and hash of the receipt, so that one receipt counts once.
type Failed = VecDeque<(Instant, u64)>;

impl Failures {
    /// Starts without failures.
    pub fn new(limits: FailureLimits) -> Failures {
        Failures { limits, kiosks: HashMap::new(), addresses: HashMap::new(), all: VecDeque::new() }
    }

    /// How long a kiosk must wait before its next scan; `None` if it may scan now.
    pub fn wait(&mut self, now: Instant, from: IpAddr, kiosk: &Kiosk) -> Option<Duration> {
        if self.all.is_empty() {
            return None;
        }
        let window = self.limits.window;
        while self.all.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
            self.all.pop_front();
        }
        let spent = self.all.len() >= self.limits.total as usize;
        let limit = |usual: u32| if spent { 1 } else { usual as usize };
        let by_kiosk = wait_of(&mut self.kiosks, kiosk_key(from, kiosk), limit(self.limits.per_kiosk), now, window);
        let by_address = wait_of(&mut self.addresses, address_key(from), limit(self.limits.per_address), now, window);
        by_kiosk.max(by_address)
    }

    /// Counts a scan without a match.
    pub fn failed(&mut self, now: Instant, from: IpAddr, kiosk: &Kiosk, code: &Private<String>) {
        let receipt = hash(code.expose());
        let window = self.limits.window;
        let new = count_failure(&mut self.kiosks, kiosk_key(from, kiosk), receipt, now, self.limits.per_kiosk, window);
        count_failure(&mut self.addresses, address_key(from), receipt, now, self.limits.per_address, window);
        if new {
            if self.all.len() >= self.limits.total as usize {
                self.all.pop_front();
            }
            self.all.push_back(now);
        }
    }
}

fn kiosk_key(from: IpAddr, kiosk: &Kiosk) -> u64 {
    hash(&(network(from), kiosk))
}

fn address_key(from: IpAddr) -> u64 {
    hash(&network(from))
}

/// One IPv6 subscriber has a whole /64.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) & !u128::from(u64::MAX),
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn wait_of(map: &mut HashMap<u64, Failed>, key: u64, limit: usize, now: Instant, window: Duration) -> Option<Duration> {
    let failed = map.get_mut(&key)?;
    forget(failed, now, window);
    if failed.is_empty() {
        map.remove(&key);
        return None;
    }
    let over = failed.len().checked_sub(limit)?;
    let (at, _) = failed.get(over).or_else(|| failed.back())?;
    Some(window.saturating_sub(now.saturating_duration_since(*at)).max(Duration::from_secs(1)))
}

/// Counts a receipt under a key; false if it is counted already.
fn count_failure(
    map: &mut HashMap<u64, Failed>,
    key: u64,
    receipt: u64,
    now: Instant,
    limit: u32,
    window: Duration,
) -> bool {
    if map.len() >= KEYS_MAX && !map.contains_key(&key) {
        map.retain(|_, failed| failed.back().is_some_and(|(at, _)| now.saturating_duration_since(*at) < window));
        if map.len() >= KEYS_MAX {
            return true; // it counts in the total; a flood of new names evicts no key
        }
    }
    let failed = map.entry(key).or_default();
    forget(failed, now, window);
    if failed.iter().any(|(_, known)| *known == receipt) {
        return false;
    }
    if failed.len() >= (limit as usize).max(1) {
        failed.pop_front();
    }
    failed.push_back((now, receipt));
    true
}

fn forget(failed: &mut Failed, now: Instant, window: Duration) {
    while failed.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= window) {
        failed.pop_front();
    }
}

/// The most kiosks and the most addresses counted at once.
const KEYS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const HALL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    struct Scanner {
        failures: Failures,
        start: Instant,
    }

    #[expect(clippy::disallowed_methods, reason = "an origin for the times of these tests, which never wait")]
    fn origin() -> Instant {
        Instant::now()
    }

    impl Scanner {
        fn new(total: u32) -> Scanner {
            let window = Duration::from_secs(600);
            let limits = FailureLimits { per_kiosk: 3, per_address: 5, total, window };
            Scanner { failures: Failures::new(limits), start: origin() }
        }

        fn fails(&mut self, second: u64, from: IpAddr, kiosk: &str, code: &str) {
            let at = self.start + Duration::from_secs(second);
            self.failures.failed(at, from, &Kiosk::named(kiosk), &Private::new(code.into()));
        }

        fn waits(&mut self, second: u64, from: IpAddr, kiosk: &str) -> Option<u64> {
            let at = self.start + Duration::from_secs(second);
            self.failures.wait(at, from, &Kiosk::named(kiosk)).map(|wait| wait.as_secs())
        }
    }

    #[test]
    fn the_third_failure_makes_a_kiosk_wait_until_the_first_is_forgotten() {
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
    fn the_same_receipt_scanned_repeatedly_is_one_failure() {
        let mut scanner = Scanner::new(100);
        for second in 0..50 {
            scanner.fails(second, HALL, "a", "the same");
        }
        assert_eq!(scanner.waits(50, HALL, "a"), None);
    }

    #[test]
    fn a_new_name_does_not_lift_the_limit_of_an_address() {
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
    fn when_the_total_is_used_up_only_kiosks_with_failures_wait() {
        let mut scanner = Scanner::new(4);
        for n in 0..4 {
            scanner.fails(n, format!("192.0.2.{n}").parse().unwrap(), "a", &n.to_string());
        }
        assert!(scanner.waits(5, "192.0.2.1".parse().unwrap(), "a").is_some());
        assert_eq!(scanner.waits(5, "192.0.2.200".parse().unwrap(), "a"), None);
        assert_eq!(scanner.waits(601, "192.0.2.1".parse().unwrap(), "a"), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut scanner = Scanner::new(50);
        for n in 0..(KEYS_MAX as u32 + 100) {
            scanner.fails(1, IpAddr::V4(n.into()), "a", &n.to_string());
        }
        assert!(scanner.failures.kiosks.len() <= KEYS_MAX && scanner.failures.all.len() <= 50);
        scanner.fails(700, HALL, "a", "later");
        assert!(scanner.failures.kiosks.len() < 10);
    }
}
