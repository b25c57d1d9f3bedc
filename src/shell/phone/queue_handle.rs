//! What leads to the queues of a node: messages, and the figures that are known from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::inbox::insist;
use base::{Codec, Key};
use call::{Input, OutgoingEnd};
use media::SessionId;
use queue::{
    AgentChange, AgentError, AgentFigures, AgentState, CallBackFigures, CallBackId, CallBackRecord, CallBackResult,
    CallBackWish, Join, Left, OfferId, QueueFigures,
};
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
    /// A caller wants to be called back, at the place left by a key.
    Book(Box<CallBackWish>, Option<WaitId>, mpsc::Sender<Input>),
    /// The person who was called agrees, and waits.
    Agreed(WaitId, CallBackId, CallerLink),
    /// The person who was called did not come to the queue.
    NotAgreed(CallBackId, CallBackResult),
    /// Whether the record of a wish is stored.
    Stored(CallBackId, bool),
    /// Somebody asks for the wishes, and may withdraw one.
    CallBacks { cancel: Option<CallBackId>, reply: oneshot::Sender<Option<Vec<CallBackRecord>>> },
    /// News of the call to an agent.
    Agent(OfferId, AgentReport),
    /// An agent, or somebody for an agent, wants a change.
    Change { agent: String, change: AgentChange, reply: oneshot::Sender<Result<(), AgentError>> },
    /// The agent with this number has dialled a service code.
    Code { number: String, change: AgentChange },
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

/// What is known of the queues from outside: renewed every second, and after each command.
#[derive(Clone, Debug, Default)]
pub struct QueueStatus {
    /// Each queue.
    pub queues: Vec<QueueFigures>,
    /// Each agent.
    pub agents: Vec<AgentFigures>,
    /// The wishes to be called back.
    pub call_backs: CallBackFigures,
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

    /// Enters a caller, who may have left `before` by a key; none: the queue cannot be reached.
    pub(crate) fn join(&self, join: Join, before: Option<WaitId>, link: CallerLink) -> Option<WaitId> {
        if !self.is_served.load(Ordering::Relaxed) {
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
        wish: CallBackWish,
        before: Option<WaitId>,
        inbox: mpsc::Sender<Input>,
    ) -> bool {
        self.is_served.load(Ordering::Relaxed)
            && self.messages.try_send(QueueMessage::Book(Box::new(wish), before, inbox)).is_ok()
    }

    /// The person who was called back agrees, and waits from here on; none: the queue cannot be reached.
    pub(crate) fn agreed(&self, call_back: CallBackId, link: CallerLink) -> Option<WaitId> {
        if !self.is_served.load(Ordering::Relaxed) {
            return None;
        }
        let id = WaitId(self.ids.fetch_add(1, Ordering::Relaxed));
        self.messages.try_send(QueueMessage::Agreed(id, call_back, link)).ok().map(|()| id)
    }

    /// The person who was called back did not come to the queue.
    pub(crate) fn call_back_ended(&self, call_back: CallBackId, result: CallBackResult) {
        insist(&self.messages, QueueMessage::NotAgreed(call_back, result));
    }

    /// The wishes to be called back, from a thread without a runtime; before that `cancel` is withdrawn. None: it does not
    /// wait, or the queues are not served.
    pub fn call_backs_blocking(&self, cancel: Option<CallBackId>) -> Option<Vec<CallBackRecord>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.messages.blocking_send(QueueMessage::CallBacks { cancel, reply });
        answer.blocking_recv().ok().flatten()
    }

    /// Gives a caller's key to the agent.
    pub(crate) fn key(&self, id: WaitId, key: Key) {
        let _ = self.messages.try_send(QueueMessage::Key(id, key));
    }

    /// Tells waiting callers that the node shuts down; nobody joins any more.
    pub fn drain(&self, left: Duration) {
        let _ = self.messages.try_send(QueueMessage::Drain(left));
    }

    /// Does what a service code asks for, which the telephone of a number has dialled; false: there is no such code.
    pub(crate) fn dialled(&self, number: String, code: &str) -> bool {
        let change = match code {
            "*1" => AgentChange::Ready,
            "*2" => AgentChange::Pause(Arc::default()),
            "*0" => AgentChange::SignOut,
            _ => return false,
        };
        self.messages.try_send(QueueMessage::Code { number, change }).is_ok()
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

/// Messages that wait for the queues.
const MESSAGES_MAX: usize = 4096;
