//! The agents' page and its interface over HTTP: sessions as in the studio, what the queues say, and what agents and supervisors
//! do.
//!
//! ```text
//!  request ─► Access (the studio's) ─► a file of the page
//!                  └─► AgentApi: whose session? the page's own token? which role?
//!                         ├─► QueueHandle: state, call, figures; a change, a command
//!                         └─► Accounts: each look at a caller's card, and what supervisors do, is noted first
//! ```
//! The page asks for its state again and again; a request waits until it changes, for some seconds at most.

mod card;
mod recordings;
mod state;
mod supervisor;
mod transfer;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Serialize;

use crate::reply::{self, Reply};
use crate::studio::StudioService;
use crate::studio::access::{self, AGENT, PERMISSIONS, Peer, TOKEN};
use crate::studio::replies::json;
use crate::studio::service::Asked;
use journal::{AgentNote, Journal};
use os::clock;
use phone::{AgentPage, PageCall, PageCommand, QueueHandle};
use queue::{AgentChange, AgentError, AgentState};
use studio_store::accounts::RequestBy;
use web::RequestError;
use web::agent::{AgentApi, AgentNoteBody, CallBody, HoldBody, PauseBody, agent_api, page, without_numbers};
use web::studio::{Message, Query, RequiredAccess, StudioError};

/// The agents' part of the HTTP service. One for all sockets.
pub struct AgentService {
    studio: Arc<StudioService>,
    queue: QueueHandle,
    journal: Arc<Journal>,
    pauses: Vec<String>,
    reasons: Vec<String>,
    numbers: bool,
    listenings: recordings::Listenings,
}

/// A note as it is kept.
#[derive(Serialize)]
struct Noted {
    text: String,
}

#[derive(Serialize)]
struct Done {
    done: bool,
}

impl AgentService {
    /// A service beside the studio's, whose sessions it uses.
    pub(crate) fn new(
        studio: Arc<StudioService>,
        queue: QueueHandle,
        journal: Arc<Journal>,
        phone: &config::Phone,
    ) -> AgentService {
        let pauses = phone.queues.pauses.iter().map(ToString::to_string).collect();
        AgentService {
            studio,
            queue,
            journal,
            pauses,
            reasons: phone.call_reasons.clone(),
            numbers: phone.transfer.is_some(),
            listenings: recordings::Listenings::default(),
        }
    }

    /// Answers one request for a path below `/agent`, that came `from` as in [`StudioService::answer`].
    pub(crate) async fn answer(&self, from: (IpAddr, IpAddr), request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let Some(peer) = self.studio.access.admit(from, &head.headers) else {
            return reply::problem(&RequestError::NotFound);
        };
        if let Some(asset) = page(head.uri.path()) {
            return reply::page(asset, &head, PERMISSIONS);
        }
        match self.asked(&peer, &head, body).await {
            Ok(reply) => reply,
            Err(trouble) => {
                tracing::debug!(trouble = trouble.code(), status = trouble.status(), "an agent's request was refused");
                reply::trouble(&trouble)
            }
        }
    }

    async fn asked(&self, peer: &Peer, head: &Parts, body: Incoming) -> Result<Reply, StudioError> {
        let name = head.uri.path().strip_prefix("/agent/api/").ok_or(RequestError::NotFound)?;
        let api = agent_api(head.method.as_str(), name)?;
        self.studio.access.same_site(peer, api.changes(), &head.headers)?;
        if api.who() == RequiredAccess::Public {
            let json = self.studio.json(head, body).await?;
            return self.studio.sign_in(&AGENT, peer, &head.headers, &json).await;
        }
        let query = Query::read(head.uri.query().unwrap_or(""))?;
        // The page polls these even while nobody uses it; `active` says that somebody does.
        let is_poll = matches!(api, AgentApi::State | AgentApi::Desk) && query.get("active").is_none();
        let by = if is_poll { RequestBy::Page } else { RequestBy::Person };
        let session = self.studio.session(&AGENT, &head.headers, by).await?;
        let token = head.headers.get(TOKEN).map_or(&b""[..], |token| token.as_bytes());
        if api.changes() && !access::same(token, session.csrf.expose().as_bytes()) {
            return Err(StudioError::Token);
        }
        if session.must_change && !api.before_change() {
            return Err(StudioError::MustChange);
        }
        let role = session.operator.role;
        let is_refused = !role.may_answer() && !api.before_change();
        if is_refused || api.is_for_supervisors() && !role.may_supervise() {
            return Err(not_allowed());
        }
        let asked = Asked { session, origin: access::origin(&AGENT, peer, &head.headers), query };
        let body = if api.changes() { self.studio.json(head, body).await? } else { Bytes::new() };
        self.dispatch(api, peer, asked, head, &body).await
    }

    async fn dispatch(
        &self,
        api: AgentApi,
        peer: &Peer,
        asked: Asked,
        head: &Parts,
        body: &[u8],
    ) -> Result<Reply, StudioError> {
        let agent = asked.session.operator.name.clone();
        match api {
            AgentApi::SignIn => Err(RequestError::NotFound.into()),
            AgentApi::Me => Ok(self.studio.me(&asked.session)),
            AgentApi::SignOut => {
                // Nobody sits at the page any more; the telephone's *1 begins work again.
                let _ = self.queue.change(agent, AgentChange::SignOut).await;
                self.studio.sign_out(&AGENT, asked, peer).await
            }
            AgentApi::Password => self.studio.new_password(asked, body).await,
            AgentApi::Settings => Ok(self.settings()),
            AgentApi::State => self.state(&agent, &asked.query).await,
            AgentApi::Card => self.card(asked).await,
            AgentApi::Ready => self.change(agent, AgentChange::Ready).await,
            AgentApi::Pause => {
                let PauseBody { reason } = PauseBody::read(body)?;
                self.change(agent, AgentChange::Pause(reason.into())).await
            }
            AgentApi::Stop => self.change(agent, AgentChange::SignOut).await,
            AgentApi::Decline => self.command(agent, CallBody::read(body)?.call, PageCommand::Decline).await,
            AgentApi::HangUp => self.command(agent, CallBody::read(body)?.call, PageCommand::HangUp).await,
            AgentApi::Hold => {
                let HoldBody { call, on } = HoldBody::read(body)?;
                self.is_asking_nobody(&agent, call)?;
                self.command(agent, call, PageCommand::Hold(on)).await
            }
            AgentApi::Mute => {
                let HoldBody { call, on } = HoldBody::read(body)?;
                self.command(agent, call, PageCommand::Mute(on)).await
            }
            AgentApi::PauseRecording => {
                let HoldBody { call, on } = HoldBody::read(body)?;
                self.command(agent, call, PageCommand::PauseRecording(on)).await
            }
            AgentApi::Transfer | AgentApi::Consult => self.give_or_ask(api, asked, body).await,
            AgentApi::Complete | AgentApi::Swap | AgentApi::Back => self.consulting(api, agent, body).await,
            AgentApi::Note => self.note(agent, &AgentNoteBody::read(body)?),
            AgentApi::Desk => Ok(self.desk()),
            AgentApi::Recordings => self.recordings(&asked.query).await,
            AgentApi::Recording => self.recording(asked, head).await,
            AgentApi::Queue
            | AgentApi::Move
            | AgentApi::Agent
            | AgentApi::Monitor
            | AgentApi::MonitorEnd
            | AgentApi::Duty
            | AgentApi::CallBackCancel => self.supervise(api, agent, body).await,
        }
    }

    fn settings(&self) -> Reply {
        #[derive(Serialize)]
        struct Settings<'a> {
            pauses: &'a [String],
            reasons: &'a [String],
            /// Callers may be given to numbers.
            numbers: bool,
        }
        json(&Settings { pauses: &self.pauses, reasons: &self.reasons, numbers: self.numbers })
    }

    async fn state(&self, agent: &str, query: &Query) -> Result<Reply, StudioError> {
        let after = query.get("after").map(|after| after.parse::<u64>());
        let after = after.transpose().map_err(|_| RequestError::Field { field: "after", must: "must be a version" })?;
        let page = match after {
            Some(version) => self.queue.page_after(agent, version, PATIENCE).await,
            None => self.queue.page(agent),
        };
        Ok(json(&state::State::of(agent, &page, &self.queue.status())))
    }

    async fn change(&self, agent: String, change: AgentChange) -> Result<Reply, StudioError> {
        self.queue.change(agent, change).await.map_err(refused)?;
        Ok(json(&Done { done: true }))
    }

    async fn command(&self, agent: String, call: u64, command: PageCommand) -> Result<Reply, StudioError> {
        if self.queue.command(agent, call, command).await {
            Ok(json(&Done { done: true }))
        } else {
            Err(no_such_call())
        }
    }

    /// A caller is given only to a queue that takes callers, and has somebody who serves them.
    async fn transfer(&self, agent: String, call: u64, queue: String) -> Result<Reply, StudioError> {
        let status = self.queue.status();
        let figures = status.queues.iter().find(|figures| *figures.queue == *queue);
        let is_served = figures.is_some_and(|figures| {
            figures.open && figures.agents.iter().any(|(state, _)| *state != AgentState::SignedOut)
        });
        if !is_served {
            return Err(queue_not_served());
        }
        self.is_asking_nobody(&agent, call)?;
        self.command(agent, call, PageCommand::Transfer(queue.into())).await
    }

    /// The call that the page shows, if it is this one.
    fn call(&self, agent: &str, id: u64) -> Result<PageCall, StudioError> {
        let AgentPage { call, .. } = self.queue.page(agent);
        call.filter(|call| call.id == id).ok_or_else(no_such_call)
    }

    /// # Errors
    /// The agent asks somebody about the caller.
    fn is_asking_nobody(&self, agent: &str, id: u64) -> Result<(), StudioError> {
        let consultation = self.call(agent, id)?.consultation;
        let asks = consultation.is_some_and(|consultation| consultation.stage.is_in_progress());
        if asks { Err(transfer::consulting()) } else { Ok(()) }
    }

    fn note(&self, agent: String, note: &AgentNoteBody) -> Result<Reply, StudioError> {
        let AgentPage { call, before, .. } = self.queue.page(&agent);
        let noted = call.into_iter().chain(before).find(|call| call.id == note.call);
        let call = noted.ok_or_else(no_such_call)?;
        let reason = Some(note.reason.clone()).filter(|reason| !reason.is_empty());
        if reason.as_ref().is_some_and(|reason| !self.reasons.contains(reason)) {
            return Err(RequestError::Field { field: "reason", must: "must be one of phone.call_reasons" }.into());
        }
        let (queue, text) = (call.queue.to_string(), without_numbers(&note.text));
        let noted = json(&Noted { text: text.clone() });
        let note = AgentNote { at: clock::steady(), call: call.card.tag.clone(), agent, queue, reason, text };
        if self.journal.record_note(note) { Ok(noted) } else { Err(StudioError::Unavailable) }
    }
}

fn refused(error: AgentError) -> StudioError {
    let (code, zh, en) = match error {
        AgentError::Unknown => (
            "no_agent",
            "该账号不是坐席，或刚刚建立：请几秒后再试。",
            "This is not the account of an agent, or it is new: try again in some seconds.",
        ),
        AgentError::SignedOut => ("not_signed_in", "尚未签到。", "You are not signed in."),
        AgentError::UnknownReason => (
            "reason",
            "没有这个暂停原因；见设置中的 phone.pause_reasons。",
            "There is no such reason for a pause; see phone.pause_reasons.",
        ),
        AgentError::NoPhone => (
            "no_phone",
            "话机不可用：请检查话机是否已注册，或启用浏览器电话。",
            "Your telephone cannot be reached: check that it is registered, or use this browser as telephone.",
        ),
        AgentError::TooManySkills => ("skills", "技能过多。", "There are too many skills."),
    };
    StudioError::Refused { status: 409, code, words: Message { zh: zh.into(), en: en.into() } }
}

fn not_allowed() -> StudioError {
    let words = Message {
        zh: "此页面供坐席和班长使用；请联系系统管理员更改角色。".into(),
        en: "This page is for agents and supervisors; ask the administrator for the role.".into(),
    };
    StudioError::Refused { status: 403, code: "not_agent", words }
}

fn queue_not_served() -> StudioError {
    let words = Message {
        zh: "该队列已关闭或没有坐席签到，不能转接。".into(),
        en: "This queue is closed, or no agent of it is signed in: the caller cannot go there.".into(),
    };
    StudioError::Refused { status: 409, code: "queue_not_served", words }
}

fn no_such_call() -> StudioError {
    let words = Message { zh: "该通话已不在。".into(), en: "This call is not there any more.".into() };
    StudioError::Refused { status: 409, code: "no_call", words }
}

/// How long a request for the state waits for a change: the figures are as old at most.
const PATIENCE: Duration = Duration::from_secs(5);
