//! The service's state, and how its work is bounded: a few requests at once, each on a blocking thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::access::Access;
use super::presence::Presence;
use browser_phone::BrowserTelephones;
use speech::Clip;
use studio_store::accounts::{Origin, Session};
use studio_store::{Accounts, Studio};
use web::RequestError;
use web::studio::{Query, StudioError};

/// The prompt operators' part of the HTTP service. One for all sockets.
pub struct StudioService {
    pub(crate) access: Access,
    pub(super) request_timeout: Duration,
    pub(super) upload_bytes_max: usize,
    pub(super) session: Duration,
    stores: Option<Stores>,
    /// The telephones in agents' browsers.
    pub(super) browsers: Option<Arc<BrowserTelephones>>,
    pub(super) presence: Mutex<Presence>,
    /// Requests that ask files or databases.
    work: Semaphore,
    /// Mebibytes that uploads may take at once.
    pub(super) uploads: Semaphore,
    pub(super) recordings: Semaphore,
    pub(super) archives: Semaphore,
    /// The IANA name of the office's time zone, in which pages show times.
    zone: OfficeZone,
}

/// Tells the name of the office's time zone, which a publication can change.
type OfficeZone = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The stores behind the page.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) accounts: Arc<Accounts>,
    pub(super) studio: Arc<Studio>,
}

/// A request of a signed-in operator.
pub(crate) struct Asked {
    pub(crate) session: Session,
    pub(crate) origin: Origin,
    pub(crate) query: Query,
}

impl StudioService {
    /// A service of these stores; without them the page says that the studio is not available.
    pub fn new(settings: &config::Settings, stores: Option<(Arc<Accounts>, Arc<Studio>)>) -> StudioService {
        let upload_bytes_max = usize::try_from(settings.studio.upload_bytes_max).unwrap_or(usize::MAX);
        StudioService {
            access: Access::new(&settings.studio),
            request_timeout: settings.web.request_timeout,
            upload_bytes_max,
            session: settings.studio.session,
            stores: stores.map(|(accounts, studio)| Stores { accounts, studio }),
            browsers: None,
            presence: Mutex::default(),
            work: Semaphore::new(WORK_MAX),
            uploads: Semaphore::new(UPLOADS_MIB_MAX.max(mebibytes(upload_bytes_max as u64) as usize)),
            recordings: Semaphore::new(RECORDINGS_MAX),
            archives: Semaphore::new(1),
            zone: Box::new(|| None),
        }
    }

    /// The same with pages that show times in the office's time zone, in place of the browser's own.
    #[must_use]
    pub fn in_zone(self, zone: impl Fn() -> Option<String> + Send + Sync + 'static) -> StudioService {
        StudioService { zone: Box::new(zone), ..self }
    }

    /// The IANA name of the office's time zone.
    pub(crate) fn time_zone(&self) -> Option<String> {
        (self.zone)()
    }

    /// The same with telephones in agents' browsers.
    #[must_use]
    pub fn with_browsers(self, browsers: Option<Arc<BrowserTelephones>>) -> StudioService {
        StudioService { browsers, ..self }
    }

    /// Waits for one of few places.
    pub(super) async fn turn<'a>(
        &self,
        places: &'a Semaphore,
        patience: Duration,
    ) -> Result<SemaphorePermit<'a>, StudioError> {
        let turn = timeout(patience, places.acquire()).await;
        Ok(turn.ok().and_then(Result::ok).ok_or(BUSY)?)
    }

    /// Work on a recording by a request that has its turn already.
    pub(super) async fn recording<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Studio) -> Result<T, StudioError> + Send + 'static,
    ) -> Result<T, StudioError> {
        let stores = self.stores.clone().ok_or(StudioError::Unavailable)?;
        finished(tokio::task::spawn_blocking(move || work(&stores.studio)).await)
    }

    /// Work that may wait for a disk, away from the threads that serve sockets.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stores) -> Result<T, StudioError> + Send + 'static,
    ) -> Result<T, StudioError> {
        let stores = self.stores.clone().ok_or(StudioError::Unavailable)?;
        let _turn = self.turn(&self.work, BUSY_WAIT).await?;
        finished(tokio::task::spawn_blocking(move || work(&stores)).await)
    }

    pub(super) fn others(&self, session: &Session, at: Option<&Clip>) -> Vec<String> {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.others(&session.operator, at, Instant::now())
    }
}

/// A panic ends one request.
fn finished<T>(done: Result<Result<T, StudioError>, tokio::task::JoinError>) -> Result<T, StudioError> {
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "the studio failed at a request");
        Err(StudioError::Unavailable)
    })
}

pub(super) fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).max(1)
}

/// Requests that ask files or databases at once.
const WORK_MAX: usize = 8;
/// How long a request waits for its turn.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(10);
const BUSY_RETRY: Duration = Duration::from_secs(3);
pub(super) const BUSY: RequestError = RequestError::Busy { retry_after: BUSY_RETRY };
pub(super) const UPLOADS_MIB_MAX: usize = 256;
/// Recordings in work, or in wait for it, on a blocking thread.
const RECORDINGS_MAX: usize = 2;
pub(super) const RECORDING_WAIT: Duration = Duration::from_secs(60);
