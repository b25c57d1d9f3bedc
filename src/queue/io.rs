//! What the shell tells the queues, and what the queues ask of the shell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Bilingual, Lang, Private};

use crate::call_back_record::CallBackRecord;
pub use crate::ids::{CallBackId, CallerId, OfferId};

/// A caller who wants to wait.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// The queue's name.
    pub queue: Arc<str>,
    /// Callers of a higher priority come first.
    pub priority: u8,
    /// What the agent must be able to do.
    pub skills: Vec<Arc<str>>,
    /// How often position and estimated wait are announced, at least 15 s apart; absent: never.
    pub announce_every: Option<Duration>,
    /// The longest wait, where it is shorter than the queue's.
    pub wait_max: Option<Duration>,
    /// The same caller, who left by a key up to two minutes ago, and takes the old place again.
    pub place_of: Option<CallerId>,
}

/// Why a caller cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such queue.
    #[error("there is no such queue")]
    Unknown,
    /// The queue is closed.
    #[error("the queue is closed")]
    Closed,
    /// The queue is full, and so are those that it overflows to.
    #[error("the queue is full")]
    Full,
    /// No agent is signed in who could serve the caller.
    #[error("no agent is signed in")]
    NoAgents,
    /// The node drains.
    #[error("the node drains")]
    Draining,
}

/// How a caller left the queue or the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The caller hung up.
    HungUp,
    /// The caller chose something else by a key. The place is kept for two minutes.
    Key,
}

/// Why the queue gives a caller back to the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The longest wait is over.
    WaitedTooLong,
    /// No agent is signed in any longer.
    NoAgents,
    /// The queue was closed, and waiting callers are not served.
    Closed,
    /// The node shuts down.
    Draining,
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferResult {
    /// The agent answered.
    Accepted,
    /// The agent declined, or is busy.
    Declined,
    /// The phone rang and was not answered.
    NoAnswer,
    /// The phone cannot be reached.
    Failed,
    /// This node could not call the phone, which may be in order: the agent stays ready, and the caller is offered again after a
    /// pause.
    NotMade,
    /// The phone rings no longer, as asked by [`Action::Withdraw`].
    Withdrawn,
}

/// What an agent, the agent's phone or a supervisor wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentChange {
    /// Begins work, ready.
    SignIn,
    /// Ends work; after a conversation, if there is one.
    SignOut,
    /// Takes callers; ends a pause or the wrap-up time.
    Ready,
    /// Takes no callers, for one of the settings' reasons; after a conversation, if there is one.
    Pause(Arc<str>),
    /// The phone is not registered any longer, or does not answer its heartbeat.
    PhoneLost,
    /// The phone is registered again.
    PhoneBack,
}

/// Why a change of an agent is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// There is no such agent.
    #[error("there is no such agent")]
    Unknown,
    /// The agent is not signed in.
    #[error("the agent is not signed in")]
    SignedOut,
    /// The settings have no such reason for a pause.
    #[error("this is not a reason for a pause")]
    UnknownReason,
    /// The agent's phone cannot be reached.
    #[error("the agent's phone cannot be reached")]
    NoPhone,
    /// There are too many skills.
    #[error("there are too many skills")]
    TooManySkills,
}

impl AgentError {
    /// What is wrong, and what to do.
    pub fn text(self) -> Bilingual {
        match self {
            AgentError::Unknown => Bilingual::fixed(
                "there is no such agent: jindu agent list shows all; jindu studio account add NAME --role agent opens an account, \
                 which is known within five seconds",
                "没有这名坐席：jindu agent list 列出全部坐席；可用 jindu studio account add 账号 --role agent 开立账号，五秒内生效",
            ),
            AgentError::SignedOut => Bilingual::fixed(
                "the agent is not signed in: jindu agent ready NAME first",
                "该坐席未签到：请先运行 jindu agent ready 账号",
            ),
            AgentError::UnknownReason => Bilingual::fixed(
                "this is not a reason for a pause: write one of phone.pause_reasons",
                "没有这种暂停原因：请写 phone.pause_reasons 中的一种",
            ),
            AgentError::NoPhone => Bilingual::fixed(
                "the agent's telephone is not registered: switch it on, and the agent is ready as soon as it registers; or give its \
                 address with jindu agent set NAME --address",
                "该坐席的话机未注册：请接通话机，注册后坐席即就绪；或用 jindu agent set 账号 --address 写明其地址",
            ),
            AgentError::TooManySkills => {
                Bilingual::fixed("there are too many skills: take some away", "技能过多：请减少")
            }
        }
    }
}

/// Why an agent is not ready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReadyReason {
    /// The agent's own reason.
    Pause(Arc<str>),
    /// The agent did not answer.
    NoAnswer,
    /// The agent declined.
    Declined,
    /// The phone cannot be reached.
    PhoneFailed,
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentState {
    /// Does not work.
    SignedOut,
    /// Waits for a caller.
    Ready,
    /// Takes no callers.
    NotReady(NotReadyReason),
    /// The phone rings for a caller, or is being told to stop.
    Offered,
    /// A call-back is being dialled for this agent.
    Reserved,
    /// Talks to a caller.
    Talking,
    /// Writes notes.
    WrapUp,
}

/// A call-back request.
#[derive(Clone, Debug, Default)]
pub struct NewCallBack {
    /// The queue's name.
    pub queue: Arc<str>,
    /// The number to call: digits, with `+` before them if international.
    pub number: Private<String>,
    /// As in [`Join`].
    pub priority: u8,
    /// As in [`Join`].
    pub skills: Vec<Arc<str>>,
    /// The language to call in.
    pub lang: Option<Lang>,
    /// What the caller keyed, for the agent's screen.
    pub passed: BTreeMap<Arc<str>, Private<String>>,
    /// The waiting caller whose place the call-back takes, or who left by a key up to two minutes ago.
    pub place_of: Option<CallerId>,
}

/// Why a call-back is not booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallBackError {
    /// There is no such queue.
    #[error("there is no such queue")]
    UnknownQueue,
    /// The number is not one that may be called.
    #[error("the number may not be called")]
    NumberNotAllowed,
    /// The number waits for a call-back already.
    #[error("the number waits for a call-back already")]
    Waiting,
    /// The number had its call-backs of the day.
    #[error("the number had its call-backs of the day")]
    NumberLimit,
    /// There are too many call-backs.
    #[error("there are too many call-backs")]
    Full,
    /// No agent has one of the skills, signed in or not.
    #[error("no agent has the skills")]
    NoAgents,
}

/// How the call to a person who asked for it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallBackResult {
    /// The person answered and agreed by a key: a caller with [`Action::CallBack`]'s identity from here on.
    Agreed,
    /// The person answered and wants no conversation.
    Cancelled,
    /// Busy.
    Busy,
    /// The number rang, and nobody answered.
    NoAnswer,
    /// The call was answered and no key came: a machine.
    Machine,
    /// The number cannot be reached.
    Failed,
    /// The line did not carry the call, and nothing rang: it does not count as an attempt.
    LineFailed,
}

/// What the queues want done. Actions are performed in order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ring an agent's phone; exactly one [`crate::Queues::offer_result`] follows.
    Offer {
        /// This offer.
        offer: OfferId,
        /// The agent's name.
        agent: Arc<str>,
        /// The caller.
        caller: CallerId,
        /// The queue's name.
        queue: Arc<str>,
        /// How long it may ring.
        limit: Duration,
        /// How long the caller has waited.
        waited: Duration,
    },
    /// Ring no longer; [`OfferResult::Withdrawn`] follows once the phone is free. If it was answered meanwhile: hang up.
    Withdraw {
        /// The offer.
        offer: OfferId,
    },
    /// Connect the caller with the phone that answered. If that fails: [`crate::Queues::connection_failed`].
    Connect {
        /// The caller.
        caller: CallerId,
        /// The agent's name.
        agent: Arc<str>,
        /// The offer that was accepted.
        offer: OfferId,
    },
    /// Announce to a waiting caller. An announcement that cannot be played within 5 s is dropped.
    Announce {
        /// The caller.
        caller: CallerId,
        /// The position: 1 is next. It never grows from one announcement to the next.
        position: u32,
        /// The estimated wait in minutes: 1 to 10 or a multiple of 5, up to 60; absent where it cannot be estimated.
        minutes: Option<u32>,
    },
    /// The caller waits in another queue, because the first was full or kept the caller too long.
    Moved {
        /// The caller.
        caller: CallerId,
        /// The queue's name.
        queue: Arc<str>,
    },
    /// The caller waits no longer, and the flow goes on.
    Overflow {
        /// The caller.
        caller: CallerId,
        /// Why.
        reason: LeaveReason,
    },
    /// Tell a waiting caller that the node shuts down within this time, and offer a call-back.
    Draining {
        /// The caller.
        caller: CallerId,
        /// The time left.
        left: Duration,
    },
    /// Call a person; exactly one [`crate::Queues::call_back_result`] follows.
    CallBack {
        /// The request.
        call_back: CallBackId,
        /// Who the person is once the call is agreed to.
        caller: CallerId,
        /// The number.
        number: Private<String>,
        /// The queue's name.
        queue: Arc<str>,
        /// The language to call in.
        lang: Option<Lang>,
        /// What the person keyed when the request was made, for the agent's screen.
        passed: BTreeMap<Arc<str>, Private<String>>,
        /// How long it may ring.
        ring_limit: Duration,
        /// How long the person may take to agree.
        answer_limit: Duration,
        /// Which attempt this is, from 1.
        attempt: u8,
    },
    /// Give up a call-back's call: the request was withdrawn, or its time is over.
    HangUpCallBack {
        /// The request.
        call_back: CallBackId,
    },
    /// Store this record, in place of an earlier one of the same identity, before anything else is done.
    StoreCallBack(CallBackRecord),
    /// Delete the record.
    ForgetCallBack {
        /// The request.
        call_back: CallBackId,
    },
    /// An agent's state has changed.
    AgentState {
        /// The agent's name.
        agent: Arc<str>,
        /// The state.
        state: AgentState,
    },
}
