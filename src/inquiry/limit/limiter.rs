//! What every limiter of failed look-ups answers.

use std::time::{Duration, Instant};

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
