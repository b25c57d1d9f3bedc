//! An agent, and what the agent does.

use std::sync::Arc;

use crate::counts::AgentDay;
use crate::io::{AgentState, CallerId, NotReadyReason, OfferId};
use crate::moment::Moment;

/// One agent.
pub(crate) struct Agent {
    pub name: Arc<str>,
    /// It is a line to the call centre of this queue, and no person.
    pub line_of: Option<usize>,
    /// The queues served, as bits.
    pub queues: u64,
    /// The skills, as bits.
    pub skills: u64,
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// What the agent becomes once free: set while an offer or a conversation lasts.
    pub wanted: Option<Wanted>,
    /// The end of the last conversation: the longest idle comes first.
    pub idle_since: Moment,
    /// Missed offers in a row.
    pub missed: u8,
    /// The phone can be reached.
    pub has_phone: bool,
    pub day: AgentDay,
}

/// What an agent does, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    SignedOut,
    Ready,
    NotReady(NotReadyReason),
    Offered(OfferId),
    /// The phone is being told to stop; a phone that says nothing is free at `until`.
    Withdrawing {
        offer: OfferId,
        until: Moment,
    },
    Reserved(CallerId),
    /// The phone is called, or was answered, for an agent who asks about a caller.
    Consulted {
        offer: OfferId,
        answered: bool,
    },
    Talking(CallerId),
    WrapUp {
        until: Moment,
        /// The time is not for notes: it ends with the phone's call for this offer.
        ends: Option<OfferId>,
    },
}

/// What an agent becomes once free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    NotReady(NotReadyReason),
    SignedOut,
}

impl Agent {
    /// An agent who is signed out, with a phone.
    pub(crate) fn new(name: Arc<str>, queues: u64, skills: u64, now: Moment) -> Agent {
        Agent {
            name,
            line_of: None,
            queues,
            skills,
            state: State::SignedOut,
            since: now,
            wanted: None,
            idle_since: now,
            missed: 0,
            has_phone: true,
            day: AgentDay::default(),
        }
    }

    /// A call centre elsewhere is asked for no skills.
    pub(crate) fn serves(&self, queue: usize, skills: u64) -> bool {
        self.queues & (1 << queue) != 0 && (self.line_of.is_some() || self.skills & skills == skills)
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.state != State::SignedOut
    }

    /// Whether callers may wait for the agent: who pauses comes back, whose telephone has failed cannot be called.
    pub(crate) fn is_there(&self) -> bool {
        self.is_signed_in() && self.state != State::NotReady(NotReadyReason::PhoneFailed)
    }

    /// Whether the agent takes callers, now or after the present one.
    pub(crate) fn works(&self) -> bool {
        self.wanted.is_none()
            && match self.state {
                State::SignedOut | State::NotReady(_) => false,
                State::Ready
                | State::Offered(_)
                | State::Withdrawing { .. }
                | State::Reserved(_)
                | State::Consulted { .. }
                | State::Talking(_)
                | State::WrapUp { .. } => true,
            }
    }

    pub(crate) fn shown(&self) -> AgentState {
        match &self.state {
            State::SignedOut => AgentState::SignedOut,
            State::Ready => AgentState::Ready,
            State::NotReady(reason) => AgentState::NotReady(reason.clone()),
            State::Offered(_) | State::Withdrawing { .. } | State::Consulted { answered: false, .. } => {
                AgentState::Offered
            }
            State::Reserved(_) => AgentState::Reserved,
            State::Talking(_) | State::Consulted { answered: true, .. } => AgentState::Talking,
            State::WrapUp { .. } => AgentState::WrapUp,
        }
    }
}
