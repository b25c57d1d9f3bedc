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
    reading_since: Option<Instant>,
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
        Ok(OpenUpload { shares: self.clone(), client, reading_since: None })
    }

    fn lock(&self) -> MutexGuard<'_, ClientShares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenUpload {
    /// The picture is being read from now on, until this is dropped.
    pub(crate) fn begin_reading(&mut self, now: Instant) {
        self.reading_since = Some(now);
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        let now = Instant::now();
        let took = self.reading_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.shares.lock().end_upload(now, self.client, took);
    }
}

fn refused(ShareExceeded { retry_after }: ShareExceeded) -> RequestError {
    RequestError::ClientShare { retry_after }
}
