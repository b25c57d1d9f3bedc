//! A browser becomes a kiosk: the page of the one-time address, and its form.

use std::sync::Arc;
use std::time::Instant;

use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION, SET_COOKIE};

use super::bounds::{CODES_TOTAL, CODES_WINDOW, CODES_WRONG};
use super::cookie::kiosk_cookie;
use super::peer::Peer;
use super::reply::{self, Reply};
use super::tries::Tries;
use base::Private;
use inquiry::Rejected;
use kiosk_store::KioskStore;
use web::{RequestError, enrol_page, form_value, read_enrol_form};

/// Enrols kiosks. One for the whole service.
pub(crate) struct EnrolmentService {
    wrong: Tries,
}

impl EnrolmentService {
    pub(crate) fn new() -> EnrolmentService {
        EnrolmentService { wrong: Tries::new(CODES_WRONG, CODES_TOTAL, CODES_WINDOW) }
    }

    /// `GET /kiosk/enrol`: asks first, since programs that preview addresses open them as well.
    pub(crate) fn page(&self, query: Option<&str>) -> Reply {
        let code = query.and_then(|query| form_value(query.as_bytes(), "code")).unwrap_or_default();
        let code: String = code.chars().take(CODE_CHARS_MAX).collect();
        reply::page_of(StatusCode::OK, enrol_page(&code, None))
    }

    /// `POST /kiosk/enrol`.
    pub(crate) async fn redeem(&self, kiosks: Option<&Arc<KioskStore>>, peer: &Peer, body: &[u8]) -> Reply {
        match self.enrolled(kiosks, peer, body).await {
            Ok(token) => {
                let mut reply = reply::page_of(StatusCode::SEE_OTHER, String::new());
                reply.headers_mut().insert(LOCATION, HeaderValue::from_static("/kiosk"));
                set_kiosk_cookie(&mut reply, &token, peer.is_secure);
                reply
            }
            Err(problem) => reply::problem_page(&problem, enrol_page("", Some(&problem))),
        }
    }

    async fn enrolled(
        &self,
        kiosks: Option<&Arc<KioskStore>>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Private<String>, RequestError> {
        let (now, client) = (Instant::now(), Tries::client(peer.address));
        let limited = |Rejected { retry_after }| RequestError::Limited { retry_after };
        self.wrong.check(now, &client).map_err(limited)?;
        let (Some(kiosks), Some(code)) = (kiosks.cloned(), read_enrol_form(body)) else {
            return Err(RequestError::EnrolmentCode);
        };
        // Counted before it is verified, so that parallel tries count as well.
        self.wrong.count(now, &client);
        let from = peer.address;
        let redeemed = tokio::task::spawn_blocking(move || kiosks.redeem(&code, from)).await;
        match redeemed {
            Ok(Ok(enrolled)) => {
                tracing::info!(kiosk = %enrolled.kiosk, %from, "kiosk enrolled");
                Ok(enrolled.token)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, %from, "a kiosk was not enrolled");
                Err(RequestError::EnrolmentCode)
            }
            Err(_) => Err(RequestError::EnrolmentCode),
        }
    }
}

/// Sets or renews the cookie of a kiosk.
pub(crate) fn set_kiosk_cookie(reply: &mut Reply, token: &Private<String>, is_secure: bool) {
    if let Ok(value) = HeaderValue::from_str(&kiosk_cookie(token, is_secure)) {
        reply.headers_mut().append(SET_COOKIE, value);
    }
}

const CODE_CHARS_MAX: usize = 64;
