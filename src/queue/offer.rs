//! Who is offered to whom, and what becomes of an offer.

use crate::agent::{State, Wanted};
use crate::caller::{CallerLine, Entry, Offer};
use crate::io::{Action, CallerId, NotReadyReason, OfferId, OfferResult};
use crate::moment::{Moment, between, ms};
use crate::queues::{Connected, Queues};
use crate::settings::Ring;

/// What a caller at the head of the order gets.
enum Decision {
    Offer { caller: CallerId, agents: Vec<usize> },
    Dial { caller: CallerId, agent: usize },
}

impl Queues {
    /// Gives waiting callers to ready agents: in the order of the callers, the longest idle agent first.
    pub(crate) fn match_up(&mut self) {
        for decision in self.decisions() {
            match decision {
                Decision::Offer { caller, agents } => agents.into_iter().for_each(|agent| self.offer(caller, agent)),
                Decision::Dial { caller, agent } => self.dial(caller, agent),
            }
        }
    }

    fn decisions(&self) -> Vec<Decision> {
        let is_ready = |at: &usize| self.agents[*at].state == State::Ready;
        let mut idle: Vec<usize> = (0..self.agents.len()).filter(is_ready).collect();
        idle.sort_by_key(|at| (self.agents[*at].idle_since, *at));
        let mut may_dial = self.call_backs_at_once();
        let mut decisions = Vec::new();
        for entry in self.waiting.iter() {
            if idle.is_empty() {
                break;
            }
            let wants = match entry.line {
                CallerLine::Open(_) => entry.offers.is_empty() && entry.offer_from <= self.now,
                CallerLine::None { not_before, .. } => {
                    may_dial > 0 && not_before <= self.now && self.draining.is_none() && self.queues[entry.queue].open
                }
                CallerLine::Dialling { .. } => false,
            };
            if !wants {
                continue;
            }
            let wanted = if entry.has_line() { self.queues[entry.queue].rings_at_once() } else { 1 };
            let agents = take(&mut idle, wanted, |at| match entry.only {
                Some(only) => only.agent == at,
                None => self.agents[at].serves(entry.queue, entry.skills),
            });
            match agents.first() {
                None => {}
                Some(_) if entry.has_line() => decisions.push(Decision::Offer { caller: entry.id, agents }),
                Some(agent) => {
                    may_dial -= 1;
                    decisions.push(Decision::Dial { caller: entry.id, agent: *agent });
                }
            }
        }
        decisions
    }

    pub(crate) fn offer(&mut self, caller: CallerId, agent: usize) {
        let Some(entry) = self.waiting.entry_mut(caller) else { return };
        self.ids += 1;
        let offer = OfferId(self.ids);
        entry.offers.push(offer);
        let (queue, arrived) = (entry.queue, entry.arrived);
        let settings = &self.queues[queue].settings;
        let limit = settings.ring_limit;
        let until = self.now + ms(limit) + REPORT;
        self.offers.insert(offer, Offer { agent, caller, since: self.now, until });
        self.actions.push(Action::Offer {
            offer,
            agent: self.agents[agent].name.clone(),
            caller,
            queue: settings.name.clone(),
            limit,
            waited: between(arrived, self.now),
        });
        self.agents[agent].day.offered += 1;
        self.enter(agent, State::Offered(offer));
    }

    /// Tells a phone to stop; the agent is free once it has.
    pub(crate) fn withdraw(&mut self, offer: OfferId) {
        let Some(ringing) = self.offers.remove(&offer) else { return };
        if let Some(entry) = self.waiting.entry_mut(ringing.caller) {
            entry.offers.retain(|one| *one != offer);
        }
        self.actions.push(Action::Withdraw { offer });
        self.enter(ringing.agent, State::Withdrawing { offer, until: self.now + REPORT });
    }

    pub(crate) fn take_result(&mut self, offer: OfferId, result: OfferResult) {
        if self.consultation_result(offer, result) {
            return;
        }
        let Some(ringing) = self.offers.get(&offer).copied() else { return self.late_result(offer, result) };
        if result == OfferResult::Accepted {
            return self.accepted(offer, ringing);
        }
        self.offers.remove(&offer);
        if let Some(entry) = self.waiting.entry_mut(ringing.caller) {
            entry.offers.retain(|one| *one != offer);
        }
        let at = ringing.agent;
        if result == OfferResult::NotMade {
            self.pause_offers(ringing.caller);
            let day = &mut self.agents[at].day;
            day.offered = day.offered.saturating_sub(1);
            return self.free(at);
        }
        if self.agents[at].line_of.is_some() {
            return self.line_refused(at, result);
        }
        // An agent who missed a caller comes after those who did not.
        self.agents[at].idle_since = self.now;
        let reason = match result {
            OfferResult::Declined => self.missed(at, ringing.caller).then_some(NotReadyReason::Declined),
            OfferResult::NoAnswer => self.missed(at, ringing.caller).then_some(NotReadyReason::NoAnswer),
            OfferResult::Failed => Some(NotReadyReason::PhoneFailed),
            OfferResult::Withdrawn | OfferResult::Accepted | OfferResult::NotMade => None,
        };
        if let Some(reason) = reason.filter(|_| self.agents[at].wanted.is_none()) {
            self.agents[at].wanted = Some(Wanted::NotReady(reason));
        }
        self.free(at);
        if self.waiting.entry(ringing.caller).is_some_and(|entry| entry.offers.is_empty()) {
            self.next_target(ringing.caller);
        }
    }

    /// The caller keeps the place, and is offered again a little later.
    fn pause_offers(&mut self, caller: CallerId) {
        if let Some(entry) = self.waiting.entry_mut(caller) {
            entry.offer_from = self.now + AGAIN;
        }
    }

    /// Counts a missed offer; whether it was one too many.
    fn missed(&mut self, at: usize, caller: CallerId) -> bool {
        let most = self.waiting.entry(caller).map_or(1, |entry| self.queues[entry.queue].settings.missed_offers_max);
        let agent = &mut self.agents[at];
        agent.day.missed += 1;
        agent.missed = agent.missed.saturating_add(1);
        agent.missed >= most
    }

    /// The result of an offer that was withdrawn, or whose caller left: the phone is free, or was answered too late.
    fn late_result(&mut self, offer: OfferId, result: OfferResult) {
        let is_its = |state: &State| match state {
            State::Withdrawing { offer: its, .. } | State::WrapUp { ends: Some(its), .. } => *its == offer,
            State::SignedOut
            | State::Ready
            | State::NotReady(_)
            | State::Offered(_)
            | State::Reserved(_)
            | State::Consulted { .. }
            | State::Talking(_)
            | State::WrapUp { ends: None, .. } => false,
        };
        let Some(at) = self.agents.iter().position(|agent| is_its(&agent.state)) else {
            if result == OfferResult::Accepted {
                self.actions.push(Action::Withdraw { offer });
            }
            return;
        };
        match result {
            OfferResult::Accepted => self.actions.push(Action::Withdraw { offer }),
            OfferResult::Failed if self.agents[at].line_of.is_none() => {
                self.agents[at].wanted.get_or_insert(Wanted::NotReady(NotReadyReason::PhoneFailed));
                self.free(at);
            }
            OfferResult::Failed
            | OfferResult::Declined
            | OfferResult::NoAnswer
            | OfferResult::Withdrawn
            | OfferResult::NotMade => {
                self.free(at);
            }
        }
    }

    fn accepted(&mut self, offer: OfferId, ringing: Offer) {
        let Some(mut entry) = self.waiting.remove(ringing.caller) else { return };
        self.offers.remove(&offer);
        let others = std::mem::take(&mut entry.offers);
        others.into_iter().filter(|one| *one != offer).for_each(|one| self.withdraw(one));
        let at = ringing.agent;
        let waited = self.now - entry.arrived;
        self.agents[at].missed = 0;
        self.agents[at].day.answered += 1;
        self.enter(at, State::Talking(entry.id));
        let agent = self.agents[at].name.clone();
        self.actions.push(Action::Connect { caller: entry.id, agent, offer });
        self.queues[entry.queue].connected(self.now - entry.entered, waited, &entry);
        self.served(&entry);
        let connected = Connected { entry, agent: Some(at), offer, offered: ringing.since, since: self.now };
        self.connected.insert(ringing.caller, connected);
    }

    /// Ends the conversation of a caller; the agent has time for notes, and is not called again before the phone is free.
    pub(crate) fn end_conversation(&mut self, caller: CallerId, is_phone_free: bool) -> bool {
        self.end_agents_part(caller, is_phone_free);
        self.connected.remove(&caller).is_some()
    }

    /// The same of the agent alone: the caller goes on talking. Whether there is an agent.
    pub(crate) fn end_agents_part(&mut self, caller: CallerId, is_phone_free: bool) -> bool {
        let Some(connected) = self.connected.get_mut(&caller) else { return false };
        let Some(at) = connected.agent.take() else { return false };
        let (offer, offered) = (connected.offer, connected.offered);
        let queue = &mut self.queues[connected.entry.queue];
        let is_line = self.agents[at].line_of.is_some();
        let wrap_up = if is_line { 0 } else { ms(queue.settings.wrap_up) };
        queue.rates.handled(self.now - offered + wrap_up);
        self.agents[at].idle_since = self.now;
        if self.agents[at].wanted.is_some() || (wrap_up == 0 && is_phone_free) {
            self.free(at);
        } else if wrap_up == 0 {
            self.enter(at, State::WrapUp { until: self.now + REPORT, ends: Some(offer) });
        } else {
            self.enter(at, State::WrapUp { until: self.now + wrap_up, ends: None });
        }
        true
    }

    /// The phone answered, and this node could not connect it: the caller has the old place, the agent's phone is to stop.
    pub(crate) fn undo_connection(&mut self, caller: CallerId) {
        let Some(connected) = self.connected.remove(&caller) else { return };
        let waited = connected.since - connected.entry.arrived;
        self.queues[connected.entry.queue].not_connected(&connected.entry, waited);
        self.connection_undone(&connected.entry);
        self.waiting.insert(connected.entry);
        self.pause_offers(caller);
        if let Some(agent) = connected.agent {
            self.enter(agent, State::Withdrawing { offer: connected.offer, until: self.now + REPORT });
        }
    }

    pub(crate) fn withdraw_all(&mut self, entry: &mut Entry) {
        for offer in std::mem::take(&mut entry.offers) {
            self.withdraw(offer);
        }
    }

    /// Offers and phones that say nothing for too long.
    pub(crate) fn expire_offers(&mut self) {
        let late: Vec<OfferId> =
            self.offers.iter().filter(|(_, offer)| offer.until <= self.now).map(|(id, _)| *id).collect();
        for offer in late {
            self.actions.push(Action::Withdraw { offer });
            self.take_result(offer, OfferResult::NoAnswer);
        }
        for at in 0..self.agents.len() {
            match self.agents[at].state {
                State::Withdrawing { until, .. } if until <= self.now => self.free(at),
                State::WrapUp { until, .. } if until <= self.now => self.free(at),
                State::SignedOut
                | State::Ready
                | State::NotReady(_)
                | State::Offered(_)
                | State::Withdrawing { .. }
                | State::Reserved(_)
                | State::Consulted { .. }
                | State::Talking(_)
                | State::WrapUp { .. } => {}
            }
        }
    }
}

impl crate::queues::Queue {
    fn rings_at_once(&self) -> usize {
        match self.settings.ring {
            Ring::LongestIdle => 1,
            Ring::Group(most) => most.into(),
        }
    }
}

/// Takes up to so many that fit, in order.
fn take(idle: &mut Vec<usize>, most: usize, fits: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut taken = Vec::new();
    idle.retain(|at| {
        let takes = taken.len() < most && fits(*at);
        if takes {
            taken.push(*at);
        }
        !takes
    });
    taken
}

/// How long the shell may take to report what became of a phone.
pub(crate) const REPORT: Moment = 5_000;
/// What has failed in this node is not tried again at once.
const AGAIN: Moment = 2_000;
