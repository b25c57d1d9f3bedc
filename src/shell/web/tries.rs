//! Tries of what is not a look-up: ratings, one-time codes, photographs of strangers. Counted like failures.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use inquiry::{Limiter, Rejected, ScanClient, ScanLimiter, ScanLimits, SharedCounts, SharedLimits};

/// The tries of one kind.
pub(crate) struct Tries(Mutex<(ScanLimiter, SharedCounts)>);

impl Tries {
    /// At most `each` of one client, and `total` of all, within a window.
    pub(crate) fn new(each: Option<NonZeroU32>, total: Option<NonZeroU32>, window: Duration) -> Tries {
        let limits = ScanLimits { per_kiosk: each, per_address: each, window };
        let shared = SharedLimits { failures_total: total, failure_window: window, ..SharedLimits::NONE };
        Tries(Mutex::new((ScanLimiter::new(limits), SharedCounts::new(shared))))
    }

    /// Whether a client may try.
    ///
    /// # Errors
    /// [`Rejected`] over its limit, or over the limit of all if it has tried.
    pub(crate) fn check(&self, now: Instant, client: &ScanClient) -> Result<(), Rejected> {
        let (limiter, shared) = &mut *self.lock();
        limiter.check(shared, now, client)
    }

    /// Counts a try.
    pub(crate) fn count(&self, now: Instant, client: &ScanClient) {
        let (limiter, shared) = &mut *self.lock();
        limiter.failed(shared, now, client);
    }

    /// A client that is known by its address alone.
    pub(crate) fn client(address: IpAddr) -> ScanClient {
        ScanClient::new(address, "")
    }

    fn lock(&self) -> MutexGuard<'_, (ScanLimiter, SharedCounts)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
