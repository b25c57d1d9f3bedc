//! The prompt operators' page and its interface over HTTP.
//!
//! ```text
//!  request ─► Access: may this address? by TLS or from here? ─► a file of the page
//!                │ no: nothing is here                       └─► Api: whose session? the page's own token? which role?
//!                                                                   │ work that blocks: a few at a time,
//!                                                                   ▼ on threads of its own
//!                                                      Accounts, Studio ─► JSON, sound
//! ```
//! Nothing here waits on the threads that serve the doors: files, databases and Argon2 are asked on blocking threads, a
//! bounded number at once, and what is uploaded at once is bounded in bytes.

mod access;
mod account;
mod exchange;
mod presence;
mod tell;
mod work;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use self::access::{Access, Peer};
use self::presence::Presence;
use super::body;
use super::reply::{self, Reply};
use base::Private;
use studio_store::accounts::{Origin, Session};
use studio_store::{Accounts, Studio};
use web::studio::{Body, JSON_BYTES_MAX, Query, RequiredAccess, StudioError, api, page};
use web::{self, RequestError};

/// The studio's door. One for the whole server.
pub struct StudioDoor {
    access: Access,
    request_timeout: Duration,
    upload_bytes_max: usize,
    session: Duration,
    parts: Option<Parted>,
    presence: Mutex<Presence>,
    work: Semaphore,
    /// Mebibytes that uploads may take at once.
    uploads: Semaphore,
    recordings: Semaphore,
    archives: Semaphore,
}

/// What the door leads to.
#[derive(Clone)]
struct Parted {
    accounts: Arc<Accounts>,
    studio: Arc<Studio>,
}

/// A request of somebody who is signed in.
struct Asked {
    session: Session,
    origin: Origin,
    query: Query,
}

impl StudioDoor {
    /// A door to these; where the node's studio cannot be used there is none, and the page says so.
    pub fn new(settings: &config::Settings, parts: Option<(Arc<Accounts>, Arc<Studio>)>) -> StudioDoor {
        let upload_bytes_max = usize::try_from(settings.studio.upload_bytes_max).unwrap_or(usize::MAX);
        StudioDoor {
            access: Access::new(&settings.studio),
            request_timeout: settings.web.request_timeout,
            upload_bytes_max,
            session: settings.studio.session,
            parts: parts.map(|(accounts, studio)| Parted { accounts, studio }),
            presence: Mutex::default(),
            work: Semaphore::new(WORK_MAX),
            uploads: Semaphore::new(UPLOADS_MIB_MAX.max(mebibytes(upload_bytes_max as u64) as usize)),
            recordings: Semaphore::new(RECORDINGS_MAX),
            archives: Semaphore::new(1),
        }
    }

    /// Answers one request for a path below `/studio`.
    pub async fn answer(&self, from: IpAddr, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let Some(peer) = self.access.admit(from, &head.headers) else { return reply::problem(&RequestError::NotFound) };
        if let Some(asset) = page(head.uri.path()) {
            return match head.method.as_str() {
                "GET" | "HEAD" => reply::page(asset, &head.headers, PERMISSIONS),
                _ => reply::problem(&RequestError::Method { allow: "GET, HEAD" }),
            };
        }
        match self.asked(&peer, &head, body).await {
            Ok(reply) => reply,
            Err(trouble) => {
                tracing::debug!(trouble = trouble.code(), status = trouble.status(), "a studio request was refused");
                reply::trouble(&trouble)
            }
        }
    }

    async fn asked(&self, peer: &Peer, head: &Parts, body: Incoming) -> Result<Reply, StudioError> {
        let name = head.uri.path().strip_prefix("/studio/api/").ok_or(RequestError::NotFound)?;
        let asked = api(head.method.as_str(), name)?;
        self.access.same_site(peer, asked, &head.headers)?;
        if asked.who() == RequiredAccess::Public {
            let json = self.json(head, body).await?;
            return self.sign_in(peer, &head.headers, &json).await;
        }
        let session = self.session(&head.headers).await?;
        let token = head.headers.get(TOKEN).map_or(&b""[..], |token| token.as_bytes());
        if asked.changes() && !access::same(token, session.csrf.expose().as_bytes()) {
            return Err(StudioError::Token);
        }
        if asked.who() == RequiredAccess::Approver && !session.operator.role.may_approve() {
            return Err(StudioError::NotApprover);
        }
        let query = Query::read(head.uri.query().unwrap_or(""))?;
        let request = Asked { session, origin: access::origin(peer, &head.headers), query };
        match asked.body() {
            Body::Nothing => self.read(asked, request).await,
            Body::Json => {
                let json = self.json(head, body).await?;
                self.change(asked, peer, request, &json).await
            }
            Body::Sound => {
                let bytes = self.take_in(head, body, self.upload_bytes_max).await?;
                let _turn = self.turn(&self.recordings, RECORDING_WAIT).await?;
                self.submit(bytes, request).await
            }
            Body::Archive => {
                let bytes = self.take_in(head, body, ARCHIVE_BYTES_MAX).await?;
                let _turn = self.turn(&self.archives, RECORDING_WAIT).await?;
                self.import(bytes, request).await
            }
        }
    }

    /// Who the cookie belongs to.
    async fn session(&self, headers: &HeaderMap) -> Result<Session, StudioError> {
        let token = access::cookie(headers, access::SESSION).ok_or(StudioError::SignedOut)?;
        let found = self.blocking(move |parts| parts.accounts.by_token(&token).map_err(account::trouble)).await?;
        found.ok_or(StudioError::SignedOut)
    }

    async fn json(&self, head: &Parts, body: Incoming) -> Result<Bytes, StudioError> {
        web::Body::Json.check_type(head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
        Ok(body::whole(&head.headers, body, JSON_BYTES_MAX, self.request_timeout).await?)
    }

    /// A file's bytes. How long it is must be said first, so that there is room for it.
    async fn take_in(&self, head: &Parts, body: Incoming, limit: usize) -> Result<Bytes, StudioError> {
        let length = body.size_hint().exact().ok_or(StudioError::Length)?;
        let _room = if length > limit as u64 {
            None
        } else {
            let room = timeout(BUSY_WAIT, self.uploads.acquire_many(mebibytes(length))).await;
            Some(room.ok().and_then(Result::ok).ok_or(BUSY)?)
        };
        Ok(body::upload(&head.headers, body, limit, self.request_timeout, UPLOAD_TIME).await?)
    }

    /// Waits for one of few places.
    async fn turn<'a>(&self, places: &'a Semaphore, patience: Duration) -> Result<SemaphorePermit<'a>, StudioError> {
        let turn = timeout(patience, places.acquire()).await;
        Ok(turn.ok().and_then(Result::ok).ok_or(BUSY)?)
    }

    /// Work on a recording, which has its turn already.
    async fn recording<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Studio) -> Result<T, StudioError> + Send + 'static,
    ) -> Result<T, StudioError> {
        let parts = self.parts.clone().ok_or(StudioError::Unavailable)?;
        finished(tokio::task::spawn_blocking(move || work(&parts.studio)).await)
    }

    /// Work that may wait for a disk, away from the threads that serve sockets.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parted) -> Result<T, StudioError> + Send + 'static,
    ) -> Result<T, StudioError> {
        let parts = self.parts.clone().ok_or(StudioError::Unavailable)?;
        let _turn = self.turn(&self.work, BUSY_WAIT).await?;
        finished(tokio::task::spawn_blocking(move || work(&parts)).await)
    }

    fn others(&self, session: &Session, at: Option<&speech::Clip>) -> Vec<String> {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.others(&session.operator, at, std::time::Instant::now())
    }
}

/// A panic ends one request.
fn finished<T>(done: Result<Result<T, StudioError>, tokio::task::JoinError>) -> Result<T, StudioError> {
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "the studio failed at a request");
        Err(StudioError::Unavailable)
    })
}

fn json<T: serde::Serialize>(told: &T) -> Reply {
    match serde_json::to_vec(told) {
        Ok(body) => reply::studio(StatusCode::OK, reply::JSON, body),
        Err(error) => {
            tracing::error!(%error, "a reply of the studio cannot be written");
            reply::trouble(&StudioError::Unavailable)
        }
    }
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).max(1)
}

/// Nobody guesses what a token is for: it is private all the way.
type Token = Private<String>;

/// The header that carries the session's token.
const TOKEN: &str = "x-studio-token";
const PERMISSIONS: &str = "microphone=(self), camera=(), geolocation=()";
/// Requests that ask files or databases at once.
const WORK_MAX: usize = 8;
const BUSY_WAIT: Duration = Duration::from_secs(10);
const BUSY_RETRY: Duration = Duration::from_secs(3);
const BUSY: RequestError = RequestError::Busy { retry_after: BUSY_RETRY };
const UPLOADS_MIB_MAX: usize = 256;
/// Larger archives come by the command line.
const ARCHIVE_BYTES_MAX: usize = UPLOADS_MIB_MAX << 20;
const UPLOAD_TIME: Duration = Duration::from_secs(900);
/// Recordings that are worked on, or wait for it, on a blocking thread.
const RECORDINGS_MAX: usize = 2;
const RECORDING_WAIT: Duration = Duration::from_secs(60);
