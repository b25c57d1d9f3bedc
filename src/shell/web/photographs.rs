//! Photographs of barcodes: few of one client, few in memory and one being read at a time. Kiosks and strangers have places
//! of their own.
//!
//! ```text
//!  share of the client ─► body, at its own pace ─► place ─► process, or thread ─► text
//!                              └ room in memory      └ both are held, and the time is charged, until the search has ended
//! ```

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::backend::Backend;
use super::body::{self, Pace};
use super::bounds::{BUSY_RETRY, MEMORY_PIECE, PHOTOGRAPH_WAIT, PHOTOGRAPHS_MAX};
use super::photograph_process;
use super::shares::{OpenUpload, Shares};
use base::Private;
use inquiry::Scanned;
use web::{Photograph, PhotographError, PhotographLimits, RequestError};

/// Where photographs are searched.
#[derive(Clone, Debug, Default)]
pub enum PhotographReader {
    /// In a process of this program, which is ended with the request or the time.
    Process(PathBuf),
    /// In a thread, which cannot be ended.
    #[default]
    Thread,
}

/// The places for photographs.
pub(crate) struct Photographs {
    backend: Arc<dyn Backend>,
    reader: PhotographReader,
    /// Pieces of memory for bodies.
    memory: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    bytes_max: usize,
    request_timeout: Duration,
    shares: Shares,
}

/// A photograph with its places, which are given back, and whose time is charged, when it is dropped.
struct HeldPhotograph {
    bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
    _turn: OwnedSemaphorePermit,
    _own: OpenUpload,
}

impl Photographs {
    /// Places for as much memory as `uploads_max` of the largest photographs take.
    pub(crate) fn new(backend: Arc<dyn Backend>, web: &config::Web, uploads_max: usize, shares: Shares) -> Photographs {
        Photographs {
            backend,
            reader: PhotographReader::Thread,
            memory: Arc::new(Semaphore::new(uploads_max * web.image_bytes_max.div_ceil(MEMORY_PIECE))),
            reading: Arc::new(Semaphore::new(PHOTOGRAPHS_MAX)),
            bytes_max: web.image_bytes_max,
            request_timeout: web.request_timeout,
            shares,
        }
    }

    /// The same with another reader.
    pub(crate) fn read_by(self, reader: PhotographReader) -> Photographs {
        Photographs { reader, ..self }
    }

    /// Takes in a photograph; the outer error is the upload's, the inner one the picture's.
    pub(crate) async fn read(
        &self,
        from: IpAddr,
        head: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Result<Private<String>, RequestError>, RequestError> {
        let mut own = self.shares.upload(Instant::now(), from)?;
        let (bytes, memory) = self.received(head, body).await?;
        if let Err(error) = Photograph::check_kind(&bytes) {
            return Ok(Err(error.into()));
        }
        let turn = timeout(PHOTOGRAPH_WAIT, Arc::clone(&self.reading).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        own.begin_reading(Instant::now());
        let photograph = HeldPhotograph { bytes, _memory: memory, _turn: turn, _own: own };
        Ok(self.barcode(photograph).await.map_err(RequestError::from))
    }

    /// The body, and the memory that it takes.
    async fn received(
        &self,
        head: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), RequestError> {
        let mut memory: Option<OwnedSemaphorePermit> = None;
        let take = |length: usize| {
            let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = length.div_ceil(MEMORY_PIECE).saturating_sub(held);
            let more = u32::try_from(more).map_err(|_| busy())?;
            let more = Arc::clone(&self.memory).try_acquire_many_owned(more).map_err(|_| busy())?;
            match &mut memory {
                Some(memory) => memory.merge(more),
                None => memory = Some(more),
            }
            Ok(())
        };
        let pace = Pace::of_photographs(self.request_timeout);
        let bytes = body::photograph(head, body, self.bytes_max, pace, take).await?;
        Ok((bytes, memory))
    }

    async fn barcode(&self, photograph: HeldPhotograph) -> Result<Private<String>, PhotographError> {
        let limits = PhotographLimits::default();
        if let PhotographReader::Process(program) = &self.reader {
            let receipt_of = |text: &str| receipt_of(&*self.backend, text);
            match photograph_process::barcode(program, &photograph.bytes, limits, receipt_of).await {
                Ok(result) => return result,
                Err(error) => tracing::warn!(
                    %error,
                    program = %program.display(),
                    "photograph_reader_not_started: the photograph is read in a thread of the node"
                ),
            }
        }
        self.by_thread(photograph, limits).await
    }

    /// Looks for barcodes away from the threads that serve sockets. The thread holds the places, since it goes on when the
    /// request is dropped.
    async fn by_thread(
        &self,
        photograph: HeldPhotograph,
        limits: PhotographLimits,
    ) -> Result<Private<String>, PhotographError> {
        let began = Instant::now();
        let backend = Arc::clone(&self.backend);
        let search = tokio::task::spawn_blocking(move || {
            let picture = Photograph::read(&photograph.bytes, limits)?;
            picture.barcode(limits, || began.elapsed(), |text| receipt_of(&*backend, text))
        });
        // A panic in a decoder is a picture that cannot be read.
        search.await.map_err(|_| PhotographError::Damaged)?
    }
}

fn receipt_of(backend: &dyn Backend, text: &str) -> Option<Private<String>> {
    match backend.read(text) {
        Scanned::Receipt(receipt) => Some(receipt.number),
        Scanned::Waybill | Scanned::IdCard | Scanned::Unreadable(_) => None,
    }
}

fn busy() -> RequestError {
    RequestError::Busy { retry_after: BUSY_RETRY }
}
