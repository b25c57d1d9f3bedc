//! Slows the guessing of passwords: an address with too many wrong ones waits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong passwords of the last minute, by address.
#[derive(Debug, Default)]
pub(super) struct Guard(HashMap<IpAddr, Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Guard {
    /// How long requests of an address are refused; `None` if they are not.
    pub(super) fn wait(&self, now: Instant, address: IpAddr) -> Option<Duration> {
        let failures = self.0.get(&address)?;
        let until = failures.since + WINDOW;
        (failures.count >= FAILURES_MAX && until > now).then(|| until - now)
    }

    pub(super) fn note_failure(&mut self, now: Instant, address: IpAddr) {
        self.0.retain(|_, failures| failures.since + WINDOW > now);
        if self.0.len() < ADDRESSES_MAX || self.0.contains_key(&address) {
            self.0.entry(address).or_insert(Failures { since: now, count: 0 }).count += 1;
        }
    }
}

/// A desk of phones behind one address, each with a mistyped password, stays below it.
const FAILURES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);
/// Only addresses of the registrar's networks get this far.
const ADDRESSES_MAX: usize = 4096;
