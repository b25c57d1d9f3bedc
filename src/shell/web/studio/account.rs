//! Signing in and out, and one's own account.

use hyper::header::{HeaderMap, HeaderValue, SET_COOKIE};
use serde::Serialize;

use super::access::{self, Peer, Site};
use super::replies::json;
use super::service::{Asked, BUSY, StudioService};
use crate::cookie::cookie;
use crate::reply::Reply;
use base::Private;
use studio::Operator;
use studio_store::SignInError;
use studio_store::accounts::{AccountError, OpenSession, RequestBy, Session};
use web::studio::{EndSession, Message, NewPassword, NewPin, SignIn, StudioError};

/// The signed-in operator, as the page shows it.
#[derive(Serialize)]
struct Me<'a> {
    operator: &'a Operator,
    must_change: bool,
    csrf: &'a str,
    ends: String,
    /// The office's, by its IANA name; none: the browser's.
    time_zone: Option<String>,
}

#[derive(Serialize)]
struct Done {
    done: bool,
}

impl StudioService {
    /// The session of a request, by its cookie.
    pub(crate) async fn session(
        &self,
        site: &Site,
        headers: &HeaderMap,
        by: RequestBy,
    ) -> Result<Session, StudioError> {
        let token = cookie(headers, site.session).ok_or(StudioError::SignedOut)?;
        let found = self.blocking(move |stores| stores.accounts.session(&token, by).map_err(trouble)).await?;
        found.ok_or(StudioError::SignedOut)
    }

    pub(crate) async fn sign_in(
        &self,
        site: &Site,
        peer: &Peer,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Reply, StudioError> {
        let is_secure = self.access.secure_cookies(peer)?;
        let SignIn { name, password } = SignIn::read(body)?;
        let origin = access::origin(site, peer, headers);
        let signed_in =
            self.blocking(move |stores| stores.accounts.sign_in(&name, &password, &origin).map_err(refused)).await?;
        let (operator, page) = (&signed_in.session.operator.number, site.path);
        tracing::info!(operator, from = %peer.address, page, "signed in");
        let mut reply = self.me(&signed_in.session);
        let session = access::set_cookie(site, site.session, &signed_in.token, self.session.as_secs(), is_secure);
        let device = access::set_cookie(site, site.device, &signed_in.device, DEVICE_S, is_secure);
        for cookie in [session, device] {
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                reply.headers_mut().append(SET_COOKIE, value);
            }
        }
        Ok(reply)
    }

    pub(crate) async fn sign_out(&self, site: &Site, asked: Asked, peer: &Peer) -> Result<Reply, StudioError> {
        let Session { id, operator, .. } = asked.session;
        self.blocking(move |stores| stores.accounts.end_session(&operator, id, "sign_out").map_err(trouble)).await?;
        let mut reply = json(&Done { done: true });
        let gone = access::set_cookie(site, site.session, &Private::new(String::new()), 0, peer.is_secure);
        if let Ok(value) = HeaderValue::from_str(&gone) {
            reply.headers_mut().append(SET_COOKIE, value);
        }
        Ok(reply)
    }

    pub(crate) async fn new_password(&self, asked: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let NewPassword { old, new } = NewPassword::read(body)?;
        let Asked { session, origin, .. } = asked;
        self.blocking(move |stores| {
            stores.accounts.change_password(&session, &old, &new, &origin).map_err(not_confirmed)
        })
        .await?;
        Ok(json(&Done { done: true }))
    }

    pub(super) async fn new_pin(&self, asked: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let NewPin { password, pin } = NewPin::read(body)?;
        let Asked { session, origin, .. } = asked;
        self.blocking(move |stores| {
            stores.accounts.change_pin(&session, &password, &pin, &origin).map_err(not_confirmed)
        })
        .await?;
        Ok(json(&Done { done: true }))
    }

    pub(super) async fn sessions(&self, asked: Asked) -> Result<Reply, StudioError> {
        #[derive(Serialize)]
        struct Row {
            id: i64,
            agent: String,
            address: String,
            began: String,
            seen: String,
            here: bool,
        }
        #[derive(Serialize)]
        struct Rows {
            sessions: Vec<Row>,
        }
        let Session { id: here, operator, .. } = asked.session;
        let open = self.blocking(move |stores| stores.accounts.sessions(&operator).map_err(trouble)).await?;
        let row = |OpenSession { id, agent, address, began, seen }: OpenSession| {
            let (began, seen) = (began.to_string(), seen.to_string());
            Row { id, agent, address, began, seen, here: id == here }
        };
        Ok(json(&Rows { sessions: open.into_iter().map(row).collect() }))
    }

    /// Who is signed in.
    pub(crate) fn me(&self, session: &Session) -> Reply {
        let Session { operator, must_change, csrf, ends, .. } = session;
        let (must_change, ends, time_zone) = (*must_change, ends.to_string(), self.time_zone());
        json(&Me { operator, must_change, csrf: csrf.expose(), ends, time_zone })
    }

    pub(super) async fn end_session(&self, asked: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let EndSession { id } = EndSession::read(body)?;
        let operator = asked.session.operator;
        let ended = self
            .blocking(move |stores| stores.accounts.end_session(&operator, id, "end_session").map_err(trouble))
            .await?;
        Ok(json(&Done { done: ended }))
    }
}

/// The same where somebody is signed in, and only the password can be wrong.
fn not_confirmed(error: SignInError) -> StudioError {
    match error {
        SignInError::Credentials => StudioError::WrongPassword,
        other => refused(other),
    }
}

fn refused(refused: SignInError) -> StudioError {
    match refused {
        SignInError::Credentials => StudioError::Credentials,
        SignInError::LockedOut { retry_after } => StudioError::TooManyTries { retry_after },
        SignInError::MustChange { .. } => StudioError::MustChange,
        SignInError::Busy => BUSY.into(),
        SignInError::Account(error) => trouble(error),
    }
}

/// An error of an account. Faults of the node go to its log.
pub(crate) fn trouble(error: AccountError) -> StudioError {
    match error {
        AccountError::Rule(rule) => {
            let text = rule.text();
            let words = Message { zh: format!("{text:#}。"), en: text.en.into_owned() };
            StudioError::Refused { status: 422, code: "rule", words }
        }
        AccountError::Busy => BUSY.into(),
        AccountError::Unknown(_) => StudioError::SignedOut,
        error @ (AccountError::Sqlite(_)
        | AccountError::Newer { .. }
        | AccountError::Folder(_)
        | AccountError::NameTaken(_)
        | AccountError::NumberTaken(_)) => {
            tracing::error!(%error, "the studio's accounts failed");
            StudioError::Unavailable
        }
    }
}

/// A browser stays known for a year.
const DEVICE_S: u64 = 365 * 86_400;
