//! Callers whom agents give away, and agents who are asked about a caller.
//!
//! ```text
//!                give_to_agent          accepted
//!  connected ───────────────► waits for one agent ─────────► connected
//!      │ ▲                        │ declined, no answer, away, too long
//!      │ │ complete               ├──► waits for the agent who gave the caller away ──► the head of the queue
//!      │ └── consulted agent      │
//!      │ give_outside             │ take_back: the number did not answer
//!      └────────────────────► outside ── leave ──► gone
//! ```
//!
//! Who was in conversation comes before all who were not, whatever their priority: such a caller has waited already. Each such wait
//! is counted as one more caller who joined the queue.

use std::time::{Duration, Instant};

use crate::agent::{State, Wanted};
use crate::caller::{CallerLine, Consultation, Entry, FIRST, Only};
use crate::io::{Action, CallerId, NotReadyReason, OfferId, OfferResult};
use crate::moment::{Moment, between, ms};
use crate::offer::REPORT;
use crate::queues::{Connected, Queues};

/// Why a caller is not given to somebody, or an agent not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The caller is in no conversation.
    #[error("the caller is in no conversation")]
    NoConversation,
    /// There is no such agent.
    #[error("there is no such agent")]
    UnknownAgent,
    /// It is the agent who talks to the caller.
    #[error("the agent talks to the caller already")]
    SameAgent,
    /// The agent is signed out, pauses, has no telephone, or is busy.
    #[error("the agent is not available")]
    NotAvailable,
}

impl Queues {
    /// Gives the caller of a conversation to another agent, who is called as soon as that agent is free, for the ring limit of the
    /// queue at most. Who gave the caller away is called next, then the caller is the first of the queue.
    ///
    /// # Errors
    /// Why not; the conversation goes on.
    pub fn give_to_agent(&mut self, now: Instant, caller: CallerId, agent: &str) -> Result<(), TransferError> {
        self.at(now);
        let to = self.other_agent(caller, agent)?;
        if !self.agents[to].works() {
            return Err(TransferError::NotAvailable);
        }
        let (entry, from) = self.release(caller, false).ok_or(TransferError::NoConversation)?;
        let until = self.now + ms(self.queues[entry.queue].settings.ring_limit);
        self.wait_first(entry, Some(Only { agent: to, until, back: from }));
        Ok(())
    }

    /// Makes the caller of a conversation the first of the queue. Whether there is such a conversation.
    pub fn give_to_queue(&mut self, now: Instant, caller: CallerId, is_phone_free: bool) -> bool {
        self.at(now);
        let Some((entry, _)) = self.release(caller, is_phone_free) else { return false };
        self.wait_first(entry, None);
        true
    }

    /// Gives the caller of a conversation to a number outside. Whether there is such a conversation.
    pub fn give_outside(&mut self, now: Instant, caller: CallerId, is_phone_free: bool) -> bool {
        self.at(now);
        let Some((entry, from)) = self.release(caller, is_phone_free) else { return false };
        self.outside.insert(caller, (entry, from));
        true
    }

    /// The number outside did not answer: the caller waits for the agent who gave the caller away, or at the head of the queue.
    /// Whether the caller was outside.
    pub fn take_back(&mut self, now: Instant, caller: CallerId) -> bool {
        self.at(now);
        let Some((entry, from)) = self.outside.remove(&caller) else { return false };
        self.wait_first(entry, from.map(|from| Only { agent: from, until: self.now, back: Some(from) }));
        self.next_target(caller);
        true
    }

    /// Reserves an agent who is ready, to be asked about the caller of a conversation. [`Queues::offer_result`] follows: accepted once
    /// the telephone is answered, and another one when it is free again.
    ///
    /// # Errors
    /// Why not.
    pub fn consult(
        &mut self,
        now: Instant,
        caller: CallerId,
        agent: &str,
    ) -> Result<(OfferId, Duration), TransferError> {
        self.at(now);
        let at = self.other_agent(caller, agent)?;
        if self.agents[at].state != State::Ready {
            return Err(TransferError::NotAvailable);
        }
        let limit = self.ring_limit_of(caller);
        let offer = self.next_offer();
        let until = Some(self.now + ms(limit) + REPORT);
        self.consultations.insert(offer, Consultation { agent: at, caller, since: self.now, until });
        self.enter(at, State::Consulted { offer, answered: false });
        Ok((offer, limit))
    }

    /// How long a telephone may ring for the caller of a conversation.
    pub fn ring_limit_of(&self, caller: CallerId) -> Duration {
        let queue = self.connected.get(&caller).map_or(0, |connected| connected.entry.queue);
        self.queues.get(queue).map_or(Duration::ZERO, |queue| queue.settings.ring_limit)
    }

    /// Gives the caller to the agent who was asked and has answered. Whether both are there.
    pub fn complete_consultation(
        &mut self,
        now: Instant,
        caller: CallerId,
        offer: OfferId,
        is_phone_free: bool,
    ) -> bool {
        self.at(now);
        let asked = self.consultations.get(&offer).copied();
        let Some(Consultation { agent: to, since, .. }) = asked.filter(|asked| asked.caller == caller) else {
            return false;
        };
        if self.agents[to].state != (State::Consulted { offer, answered: true }) {
            return false;
        }
        let Some((entry, _)) = self.release(caller, is_phone_free) else { return false };
        self.consultations.remove(&offer);
        let agent = &mut self.agents[to];
        agent.missed = 0;
        agent.day.offered += 1;
        agent.day.answered += 1;
        self.enter(to, State::Talking(caller));
        self.connected.insert(caller, Connected { entry, agent: Some(to), offer, offered: since, since: self.now });
        true
    }

    fn other_agent(&self, caller: CallerId, agent: &str) -> Result<usize, TransferError> {
        let connected = self.connected.get(&caller).ok_or(TransferError::NoConversation)?;
        let to = self.agent_at(agent).map_err(|_| TransferError::UnknownAgent)?;
        if connected.agent == Some(to) { Err(TransferError::SameAgent) } else { Ok(to) }
    }

    /// Ends a conversation whose caller goes on. No agent: a supervisor talked to the caller.
    fn release(&mut self, caller: CallerId, is_phone_free: bool) -> Option<(Entry, Option<usize>)> {
        let Connected { entry, agent, .. } = self.connected.get(&caller)?;
        let (entry, agent) = (entry.clone(), *agent);
        self.end_conversation(caller, is_phone_free);
        Some((entry, agent))
    }

    /// The caller waits before all who were in no conversation.
    fn wait_first(&mut self, entry: Entry, only: Option<Only>) {
        self.ids += 1;
        let (now, order, caller, queue) = (self.now, self.ids, entry.id, entry.queue);
        let mut announcing = entry.announcing;
        if let Some(announcing) = &mut announcing {
            (announcing.next, announcing.lowest) = (now + FIRST, None);
        }
        self.waiting.insert(Entry {
            first: true,
            only,
            arrived: now,
            entered: now,
            order,
            visited: 1 << queue,
            announcing,
            offers: Vec::new(),
            offer_from: now,
            without_agents: None,
            // A call-back request was fulfilled by the first conversation.
            line: CallerLine::Open(None),
            ..entry
        });
        self.queues[queue].counts.joined += 1;
        self.coverage_changed = true;
        if let Some(until) = self.draining {
            self.actions.push(Action::Draining { caller, left: between(now, until) });
        }
    }

    /// The agent whom the caller waits for is not to be had.
    pub(crate) fn next_target(&mut self, caller: CallerId) {
        let Some(only) = self.waiting.entry(caller).and_then(|entry| entry.only) else { return };
        let back = only.back.filter(|at| self.may_be_called_back(*at));
        if let Some(at) = back.filter(|at| matches!(self.agents[*at].state, State::WrapUp { .. })) {
            self.free(at);
        }
        let until = self.now + REPORT;
        if let Some(entry) = self.waiting.entry_mut(caller) {
            entry.only = back.map(|agent| Only { agent, until, back: None });
        }
        self.coverage_changed = true;
    }

    /// Who gave a caller away is called again while nothing else has begun.
    fn may_be_called_back(&self, at: usize) -> bool {
        self.agents[at].works() && matches!(self.agents[at].state, State::Ready | State::WrapUp { ends: None, .. })
    }

    /// Callers who wait for one agent, and agents who are asked, for too long.
    pub(crate) fn expire_transfers(&mut self) {
        let over = |entry: &Entry| {
            let waits = entry.only.filter(|_| entry.offers.is_empty());
            waits.is_some_and(|only| only.until <= self.now || !self.agents[only.agent].works())
        };
        for caller in self.waiting.which(over) {
            self.next_target(caller);
        }
        let late = |asked: &Consultation| asked.until.is_some_and(|until| until <= self.now);
        let late: Vec<OfferId> =
            self.consultations.iter().filter(|(_, asked)| late(asked)).map(|(id, _)| *id).collect();
        for offer in late {
            self.actions.push(Action::Withdraw { offer });
            self.consultation_result(offer, OfferResult::NoAnswer);
        }
    }

    pub(crate) fn next_transfer(&self) -> Option<Moment> {
        let waits = self.waiting.iter().filter(|entry| entry.offers.is_empty());
        let waits = waits.filter_map(|entry| entry.only).map(|only| only.until);
        waits.chain(self.consultations.values().filter_map(|asked| asked.until)).min()
    }

    /// What became of the call to an agent who is asked; whether it was one.
    pub(crate) fn consultation_result(&mut self, offer: OfferId, result: OfferResult) -> bool {
        let Some(asked) = self.consultations.get_mut(&offer) else { return false };
        let at = asked.agent;
        let is_its = matches!(self.agents[at].state, State::Consulted { offer: its, .. } if its == offer);
        if result == OfferResult::Accepted {
            asked.until = None;
            if is_its {
                self.enter(at, State::Consulted { offer, answered: true });
            }
            return true;
        }
        self.consultations.remove(&offer);
        if is_its {
            if result == OfferResult::Failed {
                self.agents[at].wanted.get_or_insert(Wanted::NotReady(NotReadyReason::PhoneFailed));
            }
            // A colleague's question that was not answered is no missed caller.
            self.free(at);
        }
        true
    }
}
