//! What a supervisor, or the shell by the calendar, does to queues, callers and agents.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::State;
use crate::caller::Entry;
use crate::io::{Action, AgentError, CallerId, LeaveReason};
use crate::offer::REPORT;
use crate::queues::Queues;

impl Queues {
    /// Opens a queue, or closes it for new callers and call-backs; those who wait are served. Whether there is such a queue.
    pub fn set_open(&mut self, now: Instant, queue: &str, open: bool) -> bool {
        self.at(now);
        let Some(at) = self.queue_at(queue) else { return false };
        self.queues[at].open = open;
        true
    }

    /// Closes a queue and gives all who wait back to the flow. Whether there is such a queue.
    pub fn close_at_once(&mut self, now: Instant, queue: &str) -> bool {
        if !self.set_open(now, queue, false) {
            return false;
        }
        let at = self.queue_at(queue);
        for caller in self.waiting.which(|entry| Some(entry.queue) == at && entry.has_line()) {
            self.give_back(caller, LeaveReason::Closed);
        }
        true
    }

    /// Whether a queue is open; `None` if there is none of this name.
    pub fn is_open(&self, queue: &str) -> Option<bool> {
        self.queue_at(queue).map(|at| self.queues[at].open)
    }

    /// Puts a waiting caller into another queue, with the old arrival. Whether both exist.
    pub fn move_caller(&mut self, now: Instant, caller: CallerId, queue: &str) -> bool {
        self.at(now);
        let Some(at) = self.queue_at(queue) else { return false };
        let waits = self.waiting.entry(caller).is_some_and(Entry::has_line);
        if waits {
            self.move_to(caller, at, 0);
        }
        waits
    }

    /// Changes what an agent can do, from the next caller on.
    ///
    /// # Errors
    /// There is no such agent, or there are too many skills.
    pub fn set_skills(&mut self, now: Instant, agent: &str, skills: &[Arc<str>]) -> Result<(), AgentError> {
        self.at(now);
        let at = self.agent_at(agent)?;
        self.agents[at].skills = self.intern(skills).ok_or(AgentError::TooManySkills)?;
        self.coverage_changed = true;
        Ok(())
    }

    /// Ends in the books whatever an agent does: the offer, the reservation, the conversation. For a supervisor whose screen
    /// shows a conversation that nobody has.
    ///
    /// # Errors
    /// There is no such agent.
    pub fn free_agent(&mut self, now: Instant, agent: &str) -> Result<(), AgentError> {
        self.at(now);
        let at = self.agent_at(agent)?;
        match self.agents[at].state.clone() {
            State::Talking(caller) => {
                self.end_conversation(caller, true);
            }
            State::Offered(offer) => self.withdraw(offer),
            State::Consulted { offer, .. } => {
                self.consultations.remove(&offer);
                self.actions.push(Action::Withdraw { offer });
                self.enter(at, State::Withdrawing { offer, until: self.now + REPORT });
            }
            State::Reserved(caller) => {
                self.forget_reservation(caller);
                self.free(at);
            }
            State::WrapUp { .. } | State::Withdrawing { .. } => self.free(at),
            State::SignedOut | State::Ready | State::NotReady(_) => {}
        }
        Ok(())
    }

    /// The callers who wait, in order, with the name of their queue and for how long.
    pub fn waiting_callers(&mut self, now: Instant) -> Vec<(CallerId, Arc<str>, Duration)> {
        self.at(now);
        let with_line = self.waiting.iter().filter(|entry| entry.has_line());
        let name = |entry: &Entry| Arc::clone(&self.queues[entry.queue].settings.name);
        with_line.map(|entry| (entry.id, name(entry), self.waited(entry))).collect()
    }

    /// The callers who wait, in order, with the name of their queue.
    pub fn callers(&self) -> impl Iterator<Item = (CallerId, &Arc<str>)> {
        let with_line = self.waiting.iter().filter(|entry| entry.has_line());
        with_line.map(|entry| (entry.id, &self.queues[entry.queue].settings.name))
    }
}
