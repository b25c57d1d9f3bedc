//! Limits of failed look-ups, so that receipt numbers and second factors cannot be guessed.
//!
//! Only a look-up that matches nothing is a failure, and it counts for one window. A client over its limit makes no
//! look-up, so nothing more is counted and the window runs out: no client is locked out permanently.
//!
//! The two doors count the same failures by the same windows and differ in policy:
//!
//! | | telephone ([`PhoneLimiter`]) | scan ([`ScanLimiter`]) |
//! |---|---|---|
//! | clients | the caller's number, the receipt number | the kiosk at its address, the address |
//! | the same receipt again | a new failure: the second factor may be guessed | no new failure |
//! | a look-up that finds its case | clears the caller | clears nothing: a kiosk has many visitors |
//! | the total is reached | every look-up is rejected | only clients that have failed are rejected |
//!
//! A limit is `Option<NonZeroU32>`: `None` means no limit. Zero cannot be written, so it cannot mean "no limit" to one
//! reader and "reject everything" to another.

mod failures;
mod phone;
mod scan;

use std::time::{Duration, Instant};

pub use phone::{PhoneClient, PhoneLimiter, PhoneLimits};
pub use scan::{KIOSKS_PER_ADDRESS, ScanClient, ScanLimiter, ScanLimits};

/// A client has failed too often: no look-up is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// When the oldest failure that counts leaves the window; at least a second.
    pub retry_after: Duration,
}

/// How one door limits the failed look-ups of its clients.
pub trait Limiter {
    /// Who asks, as this door knows it.
    type Client;

    /// Whether this client may make a look-up.
    ///
    /// # Errors
    /// [`Rejected`] while the client, or the door as a whole, is over its limit.
    fn check(&mut self, now: Instant, client: &Self::Client) -> Result<(), Rejected>;

    /// Counts a look-up that matched nothing: wrong number, wrong second factor and too new alike.
    fn failed(&mut self, now: Instant, client: &Self::Client);

    /// Takes note of a look-up that found its case.
    fn succeeded(&mut self, client: &Self::Client);
}
