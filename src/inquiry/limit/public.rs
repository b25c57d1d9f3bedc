//! Limits of the public page: by the network address and by the receipt number. Its clients are strangers, who state a
//! number and a second factor; whatever becomes scarce, they wait first.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::address::{hash, network};
use super::failures::ClientFailures;
use super::limiter::{Limiter, Rejected};
use super::shared::SharedCounts;
use super::window::ClientCounts;

/// Limits of one network address; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicLimits {
    /// Failures within `failure_window`.
    pub failures: Option<NonZeroU32>,
    /// How long a failure counts.
    pub failure_window: Duration,
    /// Look-ups within `look_up_window`, found or not.
    pub look_ups: Option<NonZeroU32>,
    /// How long a look-up counts.
    pub look_up_window: Duration,
}

/// Who asks on the public page for what. Prints nothing of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicClient {
    address: u64,
    receipt: Option<u64>,
}

impl PublicClient {
    /// A client by its address. `receipt` is [`crate::Keys::receipt`] of the number; absent when it is no receipt number.
    pub fn new(address: IpAddr, receipt: Option<u64>) -> PublicClient {
        PublicClient { address: hash(&network(address)), receipt }
    }
}

impl fmt::Debug for PublicClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicClient(_)")
    }
}

/// The counts of the public page.
#[derive(Debug)]
pub struct PublicLimiter {
    failures: ClientFailures,
    look_ups: ClientCounts,
}

impl PublicLimiter {
    /// A limiter without events.
    pub fn new(limits: PublicLimits) -> PublicLimiter {
        PublicLimiter {
            failures: ClientFailures::new(limits.failures, limits.failure_window),
            look_ups: ClientCounts::new(limits.look_ups, limits.look_up_window),
        }
    }
}

impl Limiter for PublicLimiter {
    type Client = PublicClient;

    fn check(&mut self, shared: &mut SharedCounts, now: Instant, client: &PublicClient) -> Result<(), Rejected> {
        let own = self.failures.wait(now, client.address).max(self.look_ups.wait(now, client.address));
        let strangers = shared.strangers_per_receipt;
        let receipt = client.receipt.and_then(|receipt| {
            shared.receipts.wait_at(now, receipt, strangers).max(shared.receipt_look_ups.wait(now, receipt))
        });
        let total = if shared.is_exceeded(now) { self.failures.wait_for_none(now, client.address) } else { None };
        match own.max(receipt).max(total) {
            Some(retry_after) => Err(Rejected { retry_after }),
            None => Ok(()),
        }
    }

    fn began(&mut self, shared: &mut SharedCounts, now: Instant, client: &PublicClient) {
        self.look_ups.add(now, client.address);
        shared.look_ups.add(now);
        if let Some(receipt) = client.receipt {
            shared.receipt_look_ups.add(now, receipt);
        }
    }

    fn failed(&mut self, shared: &mut SharedCounts, now: Instant, client: &PublicClient) {
        self.failures.add(now, client.address, None);
        shared.failures.add(now);
        if let Some(receipt) = client.receipt {
            shared.receipts.add(now, receipt, None);
        }
    }

    /// Clears nothing: an address may have many users.
    fn succeeded(&mut self, _client: &PublicClient) {}
}
