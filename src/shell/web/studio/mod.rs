//! The prompt operators' page and its interface over HTTP.
//!
//! ```text
//!  request ─► Access: may this address? by TLS or from here? ─► a file of the page
//!                │ no: nothing is here                       └─► Api: whose session? the page's own token? which role?
//!                                                                   │ work that blocks: a few at a time,
//!                                                                   ▼ on threads of its own
//!                                                      Accounts, Studio ─► JSON, sound
//! ```
//! Nothing here waits on the threads that serve sockets: files, databases and Argon2 work on blocking threads, a bounded
//! number at once, and the uploads in progress are bounded in bytes.

pub(crate) mod access;
pub(crate) mod account;
mod exchange;
mod presence;
pub(crate) mod replies;
pub(crate) mod service;
mod telephone;
mod work;

pub use service::StudioService;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use tokio::time::timeout;

use self::access::{PERMISSIONS, Peer, STUDIO, TOKEN};
use self::service::{Asked, BUSY, BUSY_WAIT, RECORDING_WAIT, UPLOADS_MIB_MAX, mebibytes};
use super::body;
use super::reply::{self, Reply};
use studio_store::accounts::RequestBy;
use web::studio::{Body, JSON_BYTES_MAX, Query, RequiredAccess, StudioError, api, page};
use web::telephone::is_telephone;
use web::{self, RequestError};

impl StudioService {
    /// Answers one request for a path below `/studio`, or of the telephone in an agent's browser, that came from the other end of a
    /// connection, and from behind the balancers of the HTTP service.
    pub async fn answer(&self, from: (IpAddr, IpAddr), request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let Some(peer) = self.access.admit(from, &head.headers) else { return reply::problem(&RequestError::NotFound) };
        if is_telephone(head.uri.path()) {
            return self.telephone(&peer, &head, body).await;
        }
        if let Some(asset) = page(head.uri.path()) {
            return reply::page(asset, &head, PERMISSIONS);
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
        self.access.same_site(peer, asked.changes(), &head.headers)?;
        if asked.who() == RequiredAccess::Public {
            let json = self.json(head, body).await?;
            return self.sign_in(&STUDIO, peer, &head.headers, &json).await;
        }
        let session = self.session(&STUDIO, &head.headers, RequestBy::Person).await?;
        let token = head.headers.get(TOKEN).map_or(&b""[..], |token| token.as_bytes());
        if asked.changes() && !access::same(token, session.csrf.expose().as_bytes()) {
            return Err(StudioError::Token);
        }
        if session.must_change && !asked.before_change() {
            return Err(StudioError::MustChange);
        }
        let role = session.operator.role;
        // Agents have an account here, and may change its password.
        let refused = !role.may_record() && !asked.before_change();
        if refused || asked.who() == RequiredAccess::Approver && !role.may_approve() {
            return Err(StudioError::NotApprover);
        }
        let query = Query::read(head.uri.query().unwrap_or(""))?;
        let request = Asked { session, origin: access::origin(&STUDIO, peer, &head.headers), query };
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

    pub(crate) async fn json(&self, head: &Parts, mut body: Incoming) -> Result<Bytes, StudioError> {
        web::Body::Json.check_type(head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()))?;
        Ok(body::whole(&head.headers, &mut body, JSON_BYTES_MAX, self.request_timeout).await?)
    }

    /// A file's bytes. Its length must be given first, so that room can be reserved.
    async fn take_in(&self, head: &Parts, mut body: Incoming, limit: usize) -> Result<Bytes, StudioError> {
        let length = body.size_hint().exact().ok_or(StudioError::Length)?;
        let _room = if length > limit as u64 {
            None
        } else {
            let room = timeout(BUSY_WAIT, self.uploads.acquire_many(mebibytes(length))).await;
            Some(room.ok().and_then(Result::ok).ok_or(BUSY)?)
        };
        Ok(body::upload(&head.headers, &mut body, limit, self.request_timeout, UPLOAD_TIME).await?)
    }
}

/// Larger archives come by the command line.
const ARCHIVE_BYTES_MAX: usize = UPLOADS_MIB_MAX << 20;
/// The longest that one upload may take.
const UPLOAD_TIME: Duration = Duration::from_secs(900);
