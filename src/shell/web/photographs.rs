//! Photographs of barcodes: few of one client, few in memory and fewer being read at once. Kiosks and strangers have places of their own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backend::Backend;
use super::body;
use super::bounds::{BUSY_RETRY, PHOTOGRAPH_WAIT, PHOTOGRAPHS_MAX};
use super::shares::Shares;
use base::Private;
use inquiry::Scanned;
use web::{Photograph, PhotographLimits, RequestError};

/// The places for photographs.
pub(crate) struct Photographs {
    backend: Arc<dyn Backend>,
    uploads: Semaphore,
    reading: Semaphore,
    bytes_max: usize,
    request_timeout: Duration,
    shares: Shares,
}

impl Photographs {
    pub(crate) fn new(backend: Arc<dyn Backend>, web: &config::Web, uploads_max: usize, shares: Shares) -> Photographs {
        Photographs {
            backend,
            uploads: Semaphore::new(uploads_max),
            reading: Semaphore::new(PHOTOGRAPHS_MAX),
            bytes_max: web.image_bytes_max,
            request_timeout: web.request_timeout,
            shares,
        }
    }

    /// Takes in a photograph; the outer error is the upload's, the inner one the picture's.
    pub(crate) async fn read(
        &self,
        from: IpAddr,
        head: &HeaderMap,
        body: Incoming,
    ) -> Result<Result<Private<String>, RequestError>, RequestError> {
        let busy = || RequestError::Busy { retry_after: BUSY_RETRY };
        let mut own = self.shares.upload(Instant::now(), from)?;
        let _upload = self.uploads.try_acquire().map_err(|_| busy())?;
        let bytes = body::whole(head, body, self.bytes_max, self.request_timeout).await?;
        let turn = timeout(PHOTOGRAPH_WAIT, self.reading.acquire()).await;
        let _turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        let reading = Instant::now();
        let barcode = self.barcode(bytes).await;
        own.took(reading.elapsed());
        Ok(barcode)
    }

    /// Looks for barcodes away from the threads that serve sockets, and takes the one that is a receipt.
    async fn barcode(&self, bytes: Bytes) -> Result<Private<String>, RequestError> {
        let began = Instant::now();
        let limits = PhotographLimits::default();
        let backend = Arc::clone(&self.backend);
        let search = tokio::task::spawn_blocking(move || {
            let photograph = Photograph::read(&bytes, limits)?;
            let is_receipt = |text: &str| matches!(backend.read(text), Scanned::Receipt(_));
            photograph.barcode(limits, || began.elapsed(), is_receipt)
        });
        // A panic in a decoder is a picture that cannot be read.
        Ok(search.await.map_err(|_| RequestError::PictureDamaged)??)
    }
}
