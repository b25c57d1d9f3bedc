//! What leads to the queues of a node: messages, and the figures that are known from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use base::{Codec, Key};
use call::{Input, OutgoingEnd};
use media::SessionId;
use queue::{AgentChange, AgentError, AgentFigures, AgentState, Join, Left, OfferId, QueueFigures};
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
}

/// What the queue hears.
pub(crate) enum QueueMessage {
    /// A caller wants to wait.
    Join(WaitId, Box<(Join, Option<WaitId>, CallerLink)>),
    /// A caller waits or talks no longer.
    Leave(WaitId, Left),
    /// A caller who talks to an agent has pressed a key.
    Key(WaitId, Key),
    /// News of the call to an agent.
    Agent(OfferId, AgentReport),
    /// An agent, or somebody for an agent, wants a change.
    Change { agent: String, change: AgentChange, reply: oneshot::Sender<Result<(), AgentError>> },
    /// The agent with this number has dialled a service code.
    Code { number: String, change: AgentChange, reply: oneshot::Sender<Result<(), AgentError>> },
    /// The accounts of agents, as they are in the store.
    Accounts(Vec<AgentAccount>),
    /// The node shuts down within this time.
    Drain(Duration),
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
}

/// Leads to the queues.
#[derive(Clone)]
pub struct QueueHandle {
    pub(super) messages: mpsc::Sender<QueueMessage>,
    ids: Arc<AtomicU64>,
    pub(super) status: Arc<ArcSwap<QueueStatus>>,
    /// Whether the queues are served: a node without queues has nobody for whom callers could wait.
    is_served: Arc<AtomicBool>,
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
        (QueueHandle { messages, ids, status, is_served }, arrivals)
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

    /// Takes a caller out. This message waits for room: it must not be lost.
    pub(crate) fn leave(&self, id: WaitId, how: Left) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(QueueMessage::Leave(id, how)) {
            let messages = self.messages.clone();
            tokio::spawn(async move { messages.send(message).await });
        }
    }

    /// Gives a caller's key to the agent.
    pub(crate) fn key(&self, id: WaitId, key: Key) {
        let _ = self.messages.try_send(QueueMessage::Key(id, key));
    }

    /// Tells waiting callers that the node shuts down; nobody joins any more.
    pub fn drain(&self, left: Duration) {
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

    /// The figures.
    pub fn status(&self) -> Arc<QueueStatus> {
        self.status.load_full()
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

/// How long a telephone waits for what its service code does: less than its INVITE is repeated after (RFC 3261 §17.1.1.2, T1).
const CODE_PATIENCE: Duration = Duration::from_millis(400);
/// Messages that wait for the queues.
const MESSAGES_MAX: usize = 4096;
