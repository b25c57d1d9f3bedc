//! The telephone in an agent's browser: requests of its page, in the sessions of the studio.

use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Serialize;

use super::access::{self, AGENT, PERMISSIONS, Peer, TOKEN};
use super::replies::json;
use super::service::StudioService;
use crate::reply::{self, Reply};
use browser_phone::{BrowserTelephones, CallNumber, ConnectError, OfferError, PhoneError, PhoneEvent, Press};
use studio_store::accounts::{RequestBy, Session};
use web::studio::{Query, StudioError};
use web::telephone::{Connect, Leave, OfCall, TelephoneError, TelephoneRoute, telephone_route, telephone_script};
use web::{self, RequestError};

#[derive(Serialize)]
struct Connected {
    telephone: String,
    sdp: String,
}

#[derive(Serialize)]
struct Events {
    events: Vec<PhoneEvent>,
    next: u64,
}

#[derive(Serialize)]
struct Done {
    done: bool,
}

impl StudioService {
    /// Answers a request for the script, or of a page that uses it.
    pub(super) async fn telephone(&self, peer: &Peer, head: &Parts, body: Incoming) -> Reply {
        if let Some(script) = telephone_script(head.uri.path()) {
            return reply::page(script, head, PERMISSIONS);
        }
        match self.of_telephone(peer, head, body).await {
            Ok(reply) => reply,
            Err(trouble) => {
                tracing::debug!(trouble = trouble.code(), status = trouble.status(), "a telephone request was refused");
                reply::trouble(&trouble)
            }
        }
    }

    async fn of_telephone(&self, peer: &Peer, head: &Parts, body: Incoming) -> Result<Reply, StudioError> {
        let route = telephone_route(head.method.as_str(), head.uri.path())?;
        self.access.same_site(peer, route.changes(), &head.headers)?;
        let by = if route == TelephoneRoute::Events { RequestBy::Page } else { RequestBy::Person };
        let session = self.session(&AGENT, &head.headers, by).await?;
        let token = head.headers.get(TOKEN).map_or(&b""[..], |token| token.as_bytes());
        if route.changes() && !access::same(token, session.csrf.expose().as_bytes()) {
            return Err(StudioError::Token);
        }
        let agent = agent(&session)?;
        let browsers = self.browsers.as_ref().ok_or(TelephoneError::NoQueue)?;
        if route == TelephoneRoute::Events {
            return events(browsers, agent, head.uri.query().unwrap_or("")).await;
        }
        let body = self.json(head, body).await?;
        match route {
            TelephoneRoute::Connect => connect(browsers, agent, &body).await,
            TelephoneRoute::Leave => {
                let Leave { telephone } = Leave::read(&body)?;
                press(browsers, agent, telephone, Press::Leave).await
            }
            TelephoneRoute::Answer => press_of(browsers, agent, &body, Press::Answer).await,
            TelephoneRoute::Decline => press_of(browsers, agent, &body, Press::Decline).await,
            TelephoneRoute::HangUp => press_of(browsers, agent, &body, Press::HangUp).await,
            TelephoneRoute::Events => Err(RequestError::NotFound.into()),
        }
    }
}

/// The name of the agent whose session it is.
fn agent(session: &Session) -> Result<&str, StudioError> {
    if session.must_change {
        return Err(StudioError::MustChange);
    }
    if session.operator.role.may_answer() { Ok(&session.operator.name) } else { Err(TelephoneError::NotAgent.into()) }
}

async fn connect(browsers: &BrowserTelephones, agent: &str, body: &[u8]) -> Result<Reply, StudioError> {
    let Connect { sdp } = Connect::read(body)?;
    let accepted = browsers.connect(agent, sdp).await.map_err(|error| match error {
        ConnectError::Offer(OfferError::Malformed(why)) => TelephoneError::Offer(why),
        ConnectError::Offer(OfferError::NoCodec) => TelephoneError::NoCodec,
        ConnectError::Offer(OfferError::Full { .. }) | ConnectError::Busy => TelephoneError::Busy,
    })?;
    Ok(json(&Connected { telephone: accepted.id, sdp: accepted.answer }))
}

async fn events(browsers: &BrowserTelephones, agent: &str, query: &str) -> Result<Reply, StudioError> {
    let query = Query::read(query)?;
    let after = query.get("after").unwrap_or("0").parse();
    let after = after.map_err(|_| RequestError::Field { field: "after", must: "must be a number" })?;
    let telephone = query.get("telephone").unwrap_or("").to_owned();
    let (events, next) = browsers.events(agent, telephone, after).await.map_err(refused)?;
    Ok(json(&Events { events, next }))
}

async fn press_of(
    browsers: &BrowserTelephones,
    agent: &str,
    body: &[u8],
    what: impl FnOnce(CallNumber) -> Press,
) -> Result<Reply, StudioError> {
    let OfCall { telephone, call } = OfCall::read(body)?;
    press(browsers, agent, telephone, what(CallNumber(call))).await
}

async fn press(browsers: &BrowserTelephones, agent: &str, id: String, press: Press) -> Result<Reply, StudioError> {
    browsers.press(agent, id, press).await.map_err(refused)?;
    Ok(json(&Done { done: true }))
}

fn refused(error: PhoneError) -> TelephoneError {
    match error {
        PhoneError::Replaced => TelephoneError::Replaced,
        PhoneError::Gone => TelephoneError::Gone,
        PhoneError::CallOver => TelephoneError::CallOver,
    }
}
