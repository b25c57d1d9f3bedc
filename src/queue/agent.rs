//! The agents: what each does, and what changes it.

use std::sync::Arc;

use crate::figures::AgentDay;
use crate::io::{Action, AgentChange, AgentError, AgentState, CallerId, NotReadyReason, OfferId};
use crate::moment::Moment;
use crate::queues::Queues;

/// One agent.
pub(crate) struct Agent {
    pub name: Arc<str>,
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
    pub(crate) fn serves(&self, queue: usize, skills: u64) -> bool {
        self.queues & (1 << queue) != 0 && self.skills & skills == skills
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.state != State::SignedOut
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
                | State::Talking(_)
                | State::WrapUp { .. } => true,
            }
    }

    pub(crate) fn shown(&self) -> AgentState {
        match &self.state {
            State::SignedOut => AgentState::SignedOut,
            State::Ready => AgentState::Ready,
            State::NotReady(reason) => AgentState::NotReady(reason.clone()),
            State::Offered(_) | State::Withdrawing { .. } => AgentState::Offered,
            State::Reserved(_) => AgentState::Reserved,
            State::Talking(_) => AgentState::Talking,
            State::WrapUp { .. } => AgentState::WrapUp,
        }
    }
}

impl Queues {
    pub(crate) fn agent_at(&self, name: &str) -> Result<usize, AgentError> {
        self.agents.iter().position(|agent| &*agent.name == name).ok_or(AgentError::Unknown)
    }

    pub(crate) fn change_agent(&mut self, at: usize, change: AgentChange) -> Result<(), AgentError> {
        if !self.agents[at].is_signed_in()
            && !matches!(change, AgentChange::SignIn | AgentChange::PhoneLost | AgentChange::PhoneBack)
        {
            return if change == AgentChange::SignOut { Ok(()) } else { Err(AgentError::SignedOut) };
        }
        match change {
            AgentChange::SignIn => {
                if !self.agents[at].is_signed_in() {
                    self.agents[at].missed = 0;
                    self.agents[at].idle_since = self.now;
                    let ready = self.agents[at].has_phone;
                    self.enter(at, if ready { State::Ready } else { State::NotReady(NotReadyReason::PhoneFailed) });
                }
            }
            AgentChange::SignOut => self.want(at, Wanted::SignedOut),
            AgentChange::Ready => self.make_ready(at)?,
            AgentChange::Pause(reason) => {
                if !self.pauses.contains(&reason) {
                    return Err(AgentError::UnknownReason);
                }
                self.want(at, Wanted::NotReady(NotReadyReason::Pause(reason)));
            }
            AgentChange::PhoneLost => {
                self.agents[at].has_phone = false;
                if self.agents[at].works() {
                    self.want(at, Wanted::NotReady(NotReadyReason::PhoneFailed));
                }
            }
            AgentChange::PhoneBack => self.phone_back(at),
        }
        Ok(())
    }

    fn phone_back(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        agent.has_phone = true;
        if agent.wanted == Some(Wanted::NotReady(NotReadyReason::PhoneFailed)) {
            agent.wanted = None;
        }
        if agent.state == State::NotReady(NotReadyReason::PhoneFailed) {
            self.enter(at, State::Ready);
        }
    }

    fn make_ready(&mut self, at: usize) -> Result<(), AgentError> {
        if !self.agents[at].has_phone {
            return Err(AgentError::NoPhone);
        }
        self.agents[at].missed = 0;
        self.agents[at].wanted = None;
        if matches!(self.agents[at].state, State::NotReady(_) | State::WrapUp { ends: None, .. }) {
            self.enter(at, State::Ready);
        }
        Ok(())
    }

    /// Takes an agent off: at once, or after the conversation. A ringing phone is told to stop, the caller keeps the place.
    fn want(&mut self, at: usize, wanted: Wanted) {
        match self.agents[at].state.clone() {
            State::Talking(_) | State::Withdrawing { .. } => self.agents[at].wanted = Some(wanted),
            State::Offered(offer) => {
                self.agents[at].wanted = Some(wanted);
                self.withdraw(offer);
            }
            State::Reserved(caller) => {
                self.forget_reservation(caller);
                self.agents[at].wanted = Some(wanted);
                self.free(at);
            }
            State::SignedOut | State::Ready | State::NotReady(_) | State::WrapUp { .. } => {
                self.agents[at].wanted = Some(wanted);
                self.free(at);
            }
        }
    }

    /// An agent has nothing to do: ready, or what was wanted.
    pub(crate) fn free(&mut self, at: usize) {
        let state = match self.agents[at].wanted.take() {
            None if self.agents[at].has_phone => State::Ready,
            None => State::NotReady(NotReadyReason::PhoneFailed),
            Some(Wanted::NotReady(reason)) => State::NotReady(reason),
            Some(Wanted::SignedOut) => State::SignedOut,
        };
        self.enter(at, state);
    }

    pub(crate) fn enter(&mut self, at: usize, state: State) {
        let now = self.now;
        let agent = &mut self.agents[at];
        let before = agent.shown();
        agent.day.spent(&before, now.saturating_sub(agent.since));
        agent.state = state;
        agent.since = now;
        let after = agent.shown();
        self.coverage_changed |= (before == AgentState::SignedOut) != (after == AgentState::SignedOut);
        if before != after {
            let agent = agent.name.clone();
            self.actions.push(Action::AgentState { agent, state: after });
        }
    }
}
