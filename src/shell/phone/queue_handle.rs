//! What leads to the queues of a node: messages, and the figures that are known from outside.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use super::agent_pages::{AgentPage, Published};
use super::caller_card::CallerCard;
use super::inbox::insist;
use super::supervision::{SupervisorCommand, SupervisorError};
use super::transfer::{TransferCommand, TransferRefusal};
use base::{Codec, Key, Lang};
use call::{Input, MonitorMode, OutgoingEnd};
use media::SessionId;
use queue::{
    AgentChange, AgentError, AgentFigures, AgentState, CallBackFigures, CallBackId, CallBackRecord, CallBackResult,
    Join, Left, NewCallBack, NotReadyReason, OfferId, QueueFigures,
};
use speech::Piece;
use studio_store::AgentAccount;

/// A caller's name in messages to the queue, given before the queue has entered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WaitId(u64);

/// What leads to a caller who waits.
pub(crate) struct CallerLink {
    pub inbox: mpsc::Sender<Input>,
    pub session: SessionId,
    /// The codec of the caller's session.
    pub codec: Option<Codec>,
    /// The calling number; none: it is withheld.
    pub number: Option<String>,
    /// What the agent sees of the caller.
    pub card: Arc<CallerCard>,
    /// What the caller hears on hold.
    pub music: Vec<Piece>,
    /// As the caller joined: a caller who is given to another queue waits there so, too.
    pub priority: u8,
    pub announce_every: Option<Duration>,
    /// The caller was told that the conversation will be recorded.
    pub recording_announced: bool,
}

/// What the queue hears.
pub(crate) enum QueueMessage {
    /// A caller wants to wait.
    Join(WaitId, Box<(Join, Option<WaitId>, CallerLink)>),
    /// A caller waits or talks no longer.
    Leave(WaitId, Left),
    /// A caller who talks to an agent has pressed a key.
    Key(WaitId, Key),
    /// A caller gave a score after a conversation.
    Rated { queue: Arc<str>, agent: Arc<str>, score: u8 },
    /// News of call-backs.
    CallBack(CallBackMessage),
    /// News of the call to an agent.
    Agent(OfferId, AgentReport),
    /// An agent, or somebody for an agent, wants a change.
    Change { agent: String, change: AgentChange, reply: oneshot::Sender<Result<(), AgentError>> },
    /// The agent with this number has dialled a service code.
    Code { number: String, change: AgentChange, reply: oneshot::Sender<Result<(), AgentError>> },
    /// The accounts of agents and supervisors, as they are in the store.
    Accounts { agents: Vec<AgentAccount>, supervisors: Vec<AgentAccount> },
    /// An agent's page wants something of the call that it shows.
    Page { agent: String, call: u64, command: PageCommand, reply: oneshot::Sender<bool> },
    /// An agent's page wants to give the caller away, or to ask somebody.
    Transfer { agent: String, call: u64, command: TransferCommand, reply: oneshot::Sender<Result<(), TransferRefusal>> },
    /// A supervisor wants something.
    Supervise { by: String, command: SupervisorCommand, reply: oneshot::Sender<Result<(), SupervisorError>> },
    /// The node shuts down within this time.
    Drain(Duration),
}

/// What an agent does with a call from the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageCommand {
    /// Do not answer it: the caller goes to the next agent.
    Decline,
    /// End the conversation: the caller goes on in the flow.
    HangUp,
    /// Let the caller hear music and not the agent, or end that.
    Hold(bool),
    /// Let the other side hear silence and not the agent, or end that.
    Mute(bool),
    /// Record silence in place of what is said, or record again.
    PauseRecording(bool),
    /// Give the caller to a queue, and be free.
    Transfer(Arc<str>),
}

/// What the queue hears of call-backs.
pub(crate) enum CallBackMessage {
    /// A caller wants to be called back, at the place left by a key.
    Book(Box<NewCallBack>, Option<WaitId>, mpsc::Sender<Input>),
    /// The person who was called agrees, and waits.
    Agreed(WaitId, CallBackId, CallerLink),
    /// The person who was called did not come to the queue.
    NotAgreed(CallBackId, CallBackResult),
    /// Whether the record of a request is stored.
    Stored(CallBackId, bool),
    /// Somebody asks for the requests, and may withdraw one.
    List { cancel: Option<CallBackId>, reply: oneshot::Sender<Option<Vec<CallBackRecord>>> },
}

impl From<CallBackMessage> for QueueMessage {
    fn from(message: CallBackMessage) -> QueueMessage {
        QueueMessage::CallBack(message)
    }
}

/// News of a call to an agent.
pub(crate) enum AgentReport {
    Ringing,
    Answered,
    Key(Key),
    Over(OutgoingEnd),
}

/// What an agent dials at the telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceCode {
    Ready,
    Pause,
    SignOut,
}

impl ServiceCode {
    /// The code that is dialled so.
    pub(crate) fn of(dialled: &str) -> Option<ServiceCode> {
        match dialled {
            "*1" => Some(ServiceCode::Ready),
            "*2" => Some(ServiceCode::Pause),
            "*0" => Some(ServiceCode::SignOut),
            _ => None,
        }
    }
}

/// What became of a service code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeOutcome {
    Done(ServiceCode),
    Refused(AgentError),
    /// This node has no queue, or it does not keep up.
    Unavailable,
}

impl CodeOutcome {
    /// Status and reason phrase. Without a call there is no sound: the user reads the phrase, or hears the tone of the status. What
    /// was done is "busy", as on telephones that show no phrase; what was refused sounds and reads otherwise.
    pub(crate) fn response(self) -> (u16, &'static str) {
        match self {
            CodeOutcome::Done(ServiceCode::Ready) => (486, "Done: ready for calls"),
            CodeOutcome::Done(ServiceCode::Pause) => (486, "Done: paused"),
            CodeOutcome::Done(ServiceCode::SignOut) => (486, "Done: signed out"),
            CodeOutcome::Refused(AgentError::Unknown) => (403, "Refused: no agent has this number"),
            CodeOutcome::Refused(AgentError::NoPhone) => (480, "Refused: telephone not registered"),
            CodeOutcome::Refused(AgentError::SignedOut) => (480, "Refused: not signed in"),
            CodeOutcome::Refused(AgentError::UnknownReason | AgentError::TooManySkills) => (480, "Refused"),
            CodeOutcome::Unavailable => (500, "Refused: no queue is served here"),
        }
    }
}

/// What is known of the queues from outside: renewed every second, and after each command.
#[derive(Clone, Debug, Default)]
pub struct QueueStatus {
    /// Each queue.
    pub queues: Vec<QueueFigures>,
    /// Each agent.
    pub agents: Vec<AgentFigures>,
    /// The call-back requests.
    pub call_backs: CallBackFigures,
    /// Callers who wait, in order.
    pub waiting: Vec<WaitingCaller>,
    /// The requests that wait or are being called, in order; the first of them where they are many.
    pub requests: Vec<WaitingCallBack>,
    /// Conversations with a supervisor.
    pub monitored: Vec<MonitoredConversation>,
    /// The telephone of each account that has the role of an agent.
    pub telephones: HashMap<Arc<str>, TelephoneState>,
}

/// Where an agent's telephone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TelephoneState {
    /// It is not registered, and the account has no address.
    Absent,
    /// It is registered here.
    Registered,
    /// It is at the account's address; whether it answers is seen when it is called.
    Address,
    /// It is a browser.
    Browser,
}

impl TelephoneState {
    /// The value in the output of commands.
    pub fn name(self) -> &'static str {
        match self {
            TelephoneState::Absent => "absent",
            TelephoneState::Registered => "registered",
            TelephoneState::Address => "address",
            TelephoneState::Browser => "browser",
        }
    }
}

/// A conversation that a supervisor is at, or is called to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoredConversation {
    /// The agent's account.
    pub agent: Arc<str>,
    /// The supervisor's account.
    pub by: Arc<str>,
    /// What the supervisor does there.
    pub mode: MonitorMode,
    /// The supervisor's telephone rings.
    pub rings: bool,
}

/// A call-back request, without what identifies the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingCallBack {
    /// Its number.
    pub id: u64,
    /// The queue's name.
    pub queue: Arc<str>,
    /// The last four digits of the number.
    pub number: String,
    /// The language to call in.
    pub lang: Option<Lang>,
    /// Since when the person waits.
    pub since: Timestamp,
    /// Calls so far.
    pub attempts: u8,
    /// The next call is not before.
    pub not_before: Timestamp,
    /// The number is being called.
    pub is_called: bool,
}

/// A caller who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingCaller {
    /// The caller's number in commands.
    pub caller: u64,
    /// The queue's name.
    pub queue: Arc<str>,
    /// For how long.
    pub waited: Duration,
    /// The language of the call.
    pub lang: Option<Lang>,
}

/// Leads to the queues.
#[derive(Clone)]
pub struct QueueHandle {
    pub(super) messages: mpsc::Sender<QueueMessage>,
    ids: Arc<AtomicU64>,
    pub(super) status: Arc<ArcSwap<QueueStatus>>,
    /// The pages of agents.
    pub(super) pages: Arc<watch::Sender<Published>>,
    /// Whether the queues are served: a node without queues has nobody for whom callers could wait.
    is_served: Arc<AtomicBool>,
    /// The node shuts down: pages must not keep it waiting.
    is_draining: Arc<AtomicBool>,
}

/// While it lives callers may join.
pub(super) struct Served(Arc<AtomicBool>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl QueueHandle {
    /// A handle, and what arrives by it.
    pub(crate) fn new() -> (QueueHandle, mpsc::Receiver<QueueMessage>) {
        let (messages, arrivals) = mpsc::channel(MESSAGES_MAX);
        let (ids, status, is_served) = (Arc::default(), Arc::default(), Arc::default());
        let pages = Arc::new(watch::Sender::new(Published::new()));
        let is_draining = Arc::default();
        (QueueHandle { messages, ids, status, pages, is_served, is_draining }, arrivals)
    }

    /// Lets callers join from now on.
    pub(super) fn serve(&self) -> Served {
        self.is_served.store(true, Ordering::Relaxed);
        Served(Arc::clone(&self.is_served))
    }

    /// Whether this node has queues that are served.
    pub(super) fn is_served(&self) -> bool {
        self.is_served.load(Ordering::Relaxed)
    }

    /// Enters a caller, who may have left `before` by a key; none: the queue cannot be reached.
    pub(crate) fn join(&self, join: Join, before: Option<WaitId>, link: CallerLink) -> Option<WaitId> {
        if !self.is_served() {
            return None;
        }
        let id = WaitId(self.ids.fetch_add(1, Ordering::Relaxed));
        self.messages.try_send(QueueMessage::Join(id, Box::new((join, before, link)))).ok().map(|()| id)
    }

    /// Takes a caller out.
    pub(crate) fn leave(&self, id: WaitId, how: Left) {
        insist(&self.messages, QueueMessage::Leave(id, how));
    }

    /// Books a call-back for a caller who may have left `before` by a key; `inbox` is answered. False: the queue cannot be
    /// reached.
    pub(crate) fn book_call_back(
        &self,
        request: NewCallBack,
        before: Option<WaitId>,
        inbox: mpsc::Sender<Input>,
    ) -> bool {
        self.is_served.load(Ordering::Relaxed)
            && self.messages.try_send(CallBackMessage::Book(Box::new(request), before, inbox).into()).is_ok()
    }

    /// The person who was called back agrees, and waits from here on; none: the queue cannot be reached.
    pub(crate) fn agreed(&self, call_back: CallBackId, link: CallerLink) -> Option<WaitId> {
        if !self.is_served.load(Ordering::Relaxed) {
            return None;
        }
        let id = WaitId(self.ids.fetch_add(1, Ordering::Relaxed));
        self.messages.try_send(CallBackMessage::Agreed(id, call_back, link).into()).ok().map(|()| id)
    }

    /// The person who was called back did not come to the queue.
    pub(crate) fn call_back_ended(&self, call_back: CallBackId, result: CallBackResult) {
        insist(&self.messages, CallBackMessage::NotAgreed(call_back, result).into());
    }

    /// The call-back requests, from a thread without a runtime; before that `cancel` is withdrawn. None: it does not
    /// wait, or the queues are not served.
    pub fn call_backs_blocking(&self, cancel: Option<CallBackId>) -> Option<Vec<CallBackRecord>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.blocking_send(CallBackMessage::List { cancel, reply }.into());
        answer.blocking_recv().ok().flatten()
    }

    /// A caller gave a score, from 1 for the best, after a conversation with an agent of a queue.
    pub(crate) fn rated(&self, queue: Arc<str>, agent: Arc<str>, score: u8) {
        insist(&self.messages, QueueMessage::Rated { queue, agent, score });
    }

    /// Gives a caller's key to the agent.
    pub(crate) fn key(&self, id: WaitId, key: Key) {
        let _ = self.messages.try_send(QueueMessage::Key(id, key));
    }

    /// Tells waiting callers that the node shuts down; nobody joins any more.
    pub fn drain(&self, left: Duration) {
        self.is_draining.store(true, Ordering::Relaxed);
        let _ = self.messages.try_send(QueueMessage::Drain(left));
    }

    /// Does what a service code asks for, which the telephone of a number has dialled, and says what became of it.
    pub(crate) async fn dialled(&self, number: String, code: ServiceCode) -> CodeOutcome {
        let change = match code {
            ServiceCode::Ready => AgentChange::Ready,
            ServiceCode::Pause => AgentChange::Pause(Arc::default()),
            ServiceCode::SignOut => AgentChange::SignOut,
        };
        let (reply, answer) = oneshot::channel();
        if !self.is_served() || self.messages.try_send(QueueMessage::Code { number, change, reply }).is_err() {
            return CodeOutcome::Unavailable;
        }
        match tokio::time::timeout(CODE_PATIENCE, answer).await {
            Ok(Ok(Ok(()))) => CodeOutcome::Done(code),
            Ok(Ok(Err(error))) => CodeOutcome::Refused(error),
            Ok(Err(_)) | Err(_) => CodeOutcome::Unavailable,
        }
    }

    /// Changes what an agent does, from a thread without a runtime.
    ///
    /// # Errors
    /// Why not.
    pub fn change_blocking(&self, agent: String, change: AgentChange) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.blocking_send(QueueMessage::Change { agent, change, reply });
        answer.blocking_recv().unwrap_or(Err(AgentError::Unknown))
    }

    /// Changes what an agent does.
    ///
    /// # Errors
    /// Why not.
    pub async fn change(&self, agent: String, change: AgentChange) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.send(QueueMessage::Change { agent, change, reply }).await;
        answer.await.unwrap_or(Err(AgentError::Unknown))
    }

    /// Does something with the call on an agent's page; false: it is not there any more.
    pub async fn command(&self, agent: String, call: u64, command: PageCommand) -> bool {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.send(QueueMessage::Page { agent, call, command, reply }).await;
        answer.await.unwrap_or(false)
    }

    /// Gives the caller of the conversation on an agent's page away, or asks somebody about the caller.
    ///
    /// # Errors
    /// Why not; the conversation goes on.
    pub async fn transfer(&self, agent: String, call: u64, command: TransferCommand) -> Result<(), TransferRefusal> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.send(QueueMessage::Transfer { agent, call, command, reply }).await;
        answer.await.unwrap_or(Err(TransferRefusal::NoCall))
    }

    /// Does what a supervisor wants.
    ///
    /// # Errors
    /// Why not.
    pub async fn supervise(&self, by: String, command: SupervisorCommand) -> Result<(), SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.send(QueueMessage::Supervise { by, command, reply }).await;
        answer.await.unwrap_or(Err(SupervisorError::NotServed))
    }

    /// Whether the node shuts down.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// The same from a thread without a runtime.
    ///
    /// # Errors
    /// Why not.
    pub fn supervise_blocking(&self, by: String, command: SupervisorCommand) -> Result<(), SupervisorError> {
        if !self.is_served() {
            return Err(SupervisorError::NotServed);
        }
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.blocking_send(QueueMessage::Supervise { by, command, reply });
        answer.blocking_recv().unwrap_or(Err(SupervisorError::NotServed))
    }

    /// An agent's page.
    pub fn page(&self, agent: &str) -> AgentPage {
        self.pages.borrow().get(agent).cloned().unwrap_or_default()
    }

    /// The same once it is another one than this version, at the latest after `limit`.
    pub async fn page_after(&self, agent: &str, version: u64, limit: Duration) -> AgentPage {
        let mut pages = self.pages.subscribe();
        let is_another = |pages: &Published| pages.get(agent).is_some_and(|page| page.version != version);
        let limit = if self.is_draining() { limit.min(DRAINING_LIMIT) } else { limit };
        let _ = tokio::time::timeout(limit, pages.wait_for(is_another)).await;
        self.page(agent)
    }

    /// The figures.
    pub fn status(&self) -> Arc<QueueStatus> {
        self.status.load_full()
    }
}

/// Why an agent is not ready: the agent's own reason, or a word of this program.
pub fn reason_of(state: &AgentState) -> Option<String> {
    match state {
        AgentState::NotReady(NotReadyReason::Pause(reason)) => Some(reason.to_string()),
        AgentState::NotReady(NotReadyReason::NoAnswer) => Some("no_answer".into()),
        AgentState::NotReady(NotReadyReason::Declined) => Some("declined".into()),
        AgentState::NotReady(NotReadyReason::PhoneFailed) => Some("phone_failed".into()),
        AgentState::SignedOut
        | AgentState::Ready
        | AgentState::Offered
        | AgentState::Reserved
        | AgentState::Talking
        | AgentState::WrapUp => None,
    }
}

/// The word of a state in log, status and metrics.
pub fn name_of(state: &AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed_out",
        AgentState::Ready => "ready",
        AgentState::NotReady(_) => "not_ready",
        AgentState::Offered => "ringing",
        AgentState::Reserved => "reserved",
        AgentState::Talking => "talking",
        AgentState::WrapUp => "wrap_up",
    }
}

/// How long a page waits for a change while the node shuts down.
const DRAINING_LIMIT: Duration = Duration::from_secs(1);
/// How long a telephone waits for what its service code does: less than its INVITE is repeated after (RFC 3261 §17.1.1.2, T1).
const CODE_PATIENCE: Duration = Duration::from_millis(400);
/// Messages that wait for the queues.
const MESSAGES_MAX: usize = 4096;
