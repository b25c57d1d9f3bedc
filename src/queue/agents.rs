//! What changes the state of agents.

use crate::agent::{State, Wanted};
use crate::io::{Action, AgentChange, AgentError, AgentState, NotReadyReason};
use crate::queues::Queues;

impl Queues {
    pub(crate) fn agent_at(&self, name: &str) -> Result<usize, AgentError> {
        self.agents.iter().position(|agent| agent.line_of.is_none() && &*agent.name == name).ok_or(AgentError::Unknown)
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
            State::Talking(_) | State::Withdrawing { .. } | State::Consulted { .. } => {
                self.agents[at].wanted = Some(wanted);
            }
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
        if before != after && agent.line_of.is_none() {
            let agent = agent.name.clone();
            self.actions.push(Action::AgentState { agent, state: after });
        }
    }
}
