//! What every limiter of look-ups answers.

use std::time::{Duration, Instant};

use super::shared::SharedCounts;

/// A client has failed or asked too often: no look-up is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// When the oldest event that counts leaves its window; at least a second.
    pub retry_after: Duration,
}

/// How one door limits the look-ups of its clients. `shared` is what all doors count together.
pub trait Limiter {
    /// Who asks, as this door knows it.
    type Client;

    /// Whether this client may make a look-up.
    ///
    /// # Errors
    /// [`Rejected`] while the client is over a limit.
    fn check(&mut self, shared: &mut SharedCounts, now: Instant, client: &Self::Client) -> Result<(), Rejected>;

    /// Counts a look-up that begins, whatever becomes of it.
    fn began(&mut self, shared: &mut SharedCounts, now: Instant, client: &Self::Client);

    /// Counts a look-up that matched nothing: wrong number, wrong second factor and too new alike.
    fn failed(&mut self, shared: &mut SharedCounts, now: Instant, client: &Self::Client);

    /// Takes note of a look-up that found its case.
    fn succeeded(&mut self, client: &Self::Client);
}
