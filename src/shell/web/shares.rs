//! The share of each client ([`web::ClientShares`]), behind a lock, and given back however a request ends.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use web::{ClientNetwork, ClientShares, RequestError, ShareExceeded, ShareLimits};

/// The shares of all clients.
#[derive(Clone)]
pub(crate) struct Shares(Arc<Mutex<ClientShares>>);

/// An upload in progress; dropped when it is over.
pub(crate) struct OpenUpload {
    shares: Shares,
    client: ClientNetwork,
    took: Duration,
}

impl Shares {
    pub(crate) fn new(shares: config::WebShares) -> Shares {
        Shares(Arc::new(Mutex::new(ClientShares::new(ShareLimits {
            requests_per_second: shares.requests_per_second_max,
            uploads: shares.uploads_max,
            picture_time_per_minute: shares.picture_time_per_minute,
        }))))
    }

    /// Counts a request.
    pub(crate) fn request(&self, now: Instant, from: IpAddr) -> Result<(), RequestError> {
        self.lock().request(now, ClientNetwork::of(from)).map_err(refused)
    }

    /// Takes a place for an upload.
    pub(crate) fn upload(&self, now: Instant, from: IpAddr) -> Result<OpenUpload, RequestError> {
        let client = ClientNetwork::of(from);
        self.lock().begin_upload(now, client).map_err(refused)?;
        Ok(OpenUpload { shares: self.clone(), client, took: Duration::ZERO })
    }

    fn lock(&self) -> MutexGuard<'_, ClientShares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenUpload {
    /// Reading the picture took so long.
    pub(crate) fn took(&mut self, time: Duration) {
        self.took += time;
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        self.shares.lock().end_upload(Instant::now(), self.client, self.took);
    }
}

fn refused(ShareExceeded { retry_after }: ShareExceeded) -> RequestError {
    RequestError::ClientShare { retry_after }
}
