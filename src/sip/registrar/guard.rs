//! Slows the guessing of passwords: an account with too many wrong ones waits, and so does an address with very many. Telephones
//! behind the same address whose passwords are right go on meanwhile.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong passwords of the last minute, by address and account.
#[derive(Debug, Default)]
pub(super) struct Guard(HashMap<IpAddr, Failures>);

#[derive(Clone, Debug)]
struct Failures {
    since: Instant,
    count: u32,
    accounts: HashMap<String, u32>,
}

impl Guard {
    /// How long requests of an account from an address are refused; `None` if they are not.
    pub(super) fn wait(&self, now: Instant, address: IpAddr, account: &str) -> Option<Duration> {
        let failures = self.0.get(&address)?;
        let until = failures.since + WINDOW;
        let of_account = failures.accounts.get(account).copied().unwrap_or(0);
        let is_blocked = of_account >= OF_ACCOUNT_MAX || failures.count >= OF_ADDRESS_MAX;
        (is_blocked && until > now).then(|| until - now)
    }

    pub(super) fn note_failure(&mut self, now: Instant, address: IpAddr, account: &str) {
        self.0.retain(|_, failures| failures.since + WINDOW > now);
        if self.0.len() < ADDRESSES_MAX || self.0.contains_key(&address) {
            let new = || Failures { since: now, count: 0, accounts: HashMap::new() };
            let failures = self.0.entry(address).or_insert_with(new);
            failures.count += 1;
            // Bounded by the count of the address.
            *failures.accounts.entry(account.to_owned()).or_default() += 1;
        }
    }
}

/// One telephone that asks again and again with an old password.
const OF_ACCOUNT_MAX: u32 = 20;
/// A desk of telephones behind one address, each with a mistyped password, stays below it.
const OF_ADDRESS_MAX: u32 = 600;
const WINDOW: Duration = Duration::from_secs(60);
/// Only addresses of the registrar's networks get this far.
const ADDRESSES_MAX: usize = 4096;
