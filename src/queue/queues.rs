//! All queues of a node: who joins, who leaves, and what is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use base::{Deadline, earliest};

use crate::agent::{Agent, State};
use crate::call_back_record::CallBackRecord;
use crate::caller::{Announcing, CallerLine, Consultation, Entry, FIRST, Offer, Waiting};
use crate::counts::QueueDay;
use crate::estimate::Rates;
use crate::io::{Action, AgentChange, AgentError, CallBackId, CallerId, Join, Left, OfferId, OfferResult, Refusal};
use crate::moment::{Epoch, Moment, ms};
use crate::settings::{CallBackSettings, QueueSettings, SKILLS_MAX, Settings, SettingsError};

/// The queues, agents and call-backs of a node. See the crate's documentation for how it is driven.
pub struct Queues {
    pub(crate) epoch: Epoch,
    /// The time of the last call.
    pub(crate) now: Moment,
    pub(crate) queues: Vec<Queue>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) pauses: Vec<Arc<str>>,
    pub(crate) rules: CallBackSettings,
    /// The names of skills; a skill's index is its bit.
    skills: Vec<Arc<str>>,
    pub(crate) waiting: Waiting,
    pub(crate) offers: BTreeMap<OfferId, Offer>,
    pub(crate) connected: BTreeMap<CallerId, Connected>,
    /// Callers who were given to a number outside, and who gave them there.
    pub(crate) outside: BTreeMap<CallerId, (Entry, Option<usize>)>,
    /// Agents who are asked about callers.
    pub(crate) consultations: BTreeMap<OfferId, Consultation>,
    /// Callers who left by a key, until when their places are kept.
    pub(crate) left: BTreeMap<CallerId, (Entry, Moment)>,
    /// Whether numbers may be called now.
    pub(crate) may_call: bool,
    pub(crate) records: BTreeMap<CallBackId, CallBackRecord>,
    /// When the node ends its service of waiting callers.
    pub(crate) draining: Option<Moment>,
    /// The last identity given.
    pub(crate) ids: u64,
    /// Who is signed in, or what somebody can do, has changed.
    pub(crate) coverage_changed: bool,
    pub(crate) actions: Vec<Action>,
}

/// One queue with its figures.
pub(crate) struct Queue {
    pub settings: QueueSettings,
    pub open: bool,
    pub rates: Rates,
    pub counts: QueueDay,
}

/// A caller and an agent in conversation.
pub(crate) struct Connected {
    pub entry: Entry,
    /// None: somebody who is no agent of a queue has taken over.
    pub agent: Option<usize>,
    /// The offer that the agent accepted.
    pub offer: OfferId,
    /// When the agent's phone began to ring.
    pub offered: Moment,
    pub since: Moment,
}

impl Queues {
    /// Queues without callers; all agents are signed out. `unix_ms` is the time of day in milliseconds since 1970: records of
    /// call-backs refer to it.
    ///
    /// # Errors
    /// Every error of the settings.
    pub fn new(settings: Settings, now: Instant, unix_ms: i64) -> Result<Queues, Vec<SettingsError>> {
        let errors = settings.errors();
        if !errors.is_empty() {
            return Err(errors);
        }
        let queue = |settings: QueueSettings| Queue {
            open: settings.open,
            settings,
            rates: Rates::default(),
            counts: QueueDay::default(),
        };
        let mut queues = Queues {
            epoch: Epoch::new(now, unix_ms),
            now: unix_ms,
            queues: settings.queues.into_iter().map(queue).collect(),
            agents: Vec::new(),
            pauses: settings.pauses,
            rules: settings.call_backs,
            skills: Vec::new(),
            waiting: Waiting::default(),
            offers: BTreeMap::new(),
            connected: BTreeMap::new(),
            outside: BTreeMap::new(),
            consultations: BTreeMap::new(),
            left: BTreeMap::new(),
            may_call: true,
            records: BTreeMap::new(),
            draining: None,
            ids: 0,
            coverage_changed: false,
            actions: Vec::new(),
        };
        for agent in settings.agents {
            let served = agent.queues.iter().filter_map(|name| queues.queue_at(name)).map(|at| 1u64 << at);
            let served = served.fold(0, |all, one| all | one);
            let skills = queues.intern(&agent.skills).expect("the settings' skills were counted");
            queues.agents.push(Agent::new(agent.name, served, skills, unix_ms));
        }
        queues.add_lines();
        Ok(queues)
    }

    /// A caller waits, or takes an old place again.
    ///
    /// # Errors
    /// The caller cannot wait here; the flow goes on.
    pub fn join(&mut self, now: Instant, join: Join) -> Result<CallerId, Refusal> {
        self.at(now);
        let named = self.queue_at(&join.queue).ok_or(Refusal::Unknown)?;
        let result = self.admit(named, &join);
        let counts = &mut self.queues[named].counts;
        match result {
            Ok(caller) => {
                counts.joined += 1;
                Ok(caller)
            }
            Err(refusal) => {
                counts.refused += 1;
                Err(refusal)
            }
        }
    }

    fn admit(&mut self, named: usize, join: &Join) -> Result<CallerId, Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::Draining);
        }
        if !self.queues[named].open {
            return Err(Refusal::Closed);
        }
        let asked: &[Arc<str>] = if self.queues[named].settings.lines > 0 { &[] } else { &join.skills };
        let skills = self.bits(asked).filter(|skills| self.is_covered(named, *skills)).ok_or(Refusal::NoAgents)?;
        let (queue, visited) = self.room_in(named, skills).ok_or(Refusal::Full)?;
        let left = join.place_of.and_then(|caller| self.left.remove(&caller)).map(|(entry, _)| entry);
        self.ids += 1;
        let id = CallerId(self.ids);
        let announcing = join.announce_every.map(|every| Announcing {
            every: ms(every).max(ANNOUNCEMENTS_APART),
            next: self.now + FIRST,
            lowest: left.as_ref().filter(|left| left.queue == queue).and_then(|left| left.announcing?.lowest),
        });
        self.waiting.insert(Entry {
            id,
            queue,
            priority: join.priority,
            first: left.as_ref().is_some_and(|left| left.first),
            only: None,
            arrived: left.as_ref().map_or(self.now, |left| left.arrived),
            order: left.as_ref().map_or(id.0, |left| left.order),
            entered: left.as_ref().filter(|left| left.queue == queue).map_or(self.now, |left| left.entered),
            wait_max: join.wait_max.map(ms),
            skills,
            visited,
            announcing,
            offers: Vec::new(),
            offer_from: self.now,
            without_agents: None,
            line: CallerLine::Open(None),
        });
        if queue != named {
            let queue = self.queues[queue].settings.name.clone();
            self.actions.push(Action::Moved { caller: id, queue });
        }
        Ok(id)
    }

    /// A caller waits or talks no longer. An unknown caller is ignored: it left before.
    pub fn leave(&mut self, now: Instant, caller: CallerId, how: Left) {
        self.at(now);
        if self.outside.remove(&caller).is_some() || self.end_conversation(caller, false) {
            return;
        }
        if how == Left::HungUp {
            self.left.remove(&caller);
        }
        let Some(entry) = self.depart(caller) else { return };
        if !entry.has_line() {
            // A call-back's identity; it becomes a caller only when the person agrees.
            self.waiting.insert(entry);
            return;
        }
        let queue = &mut self.queues[entry.queue];
        queue.rates.waited(self.now - entry.entered, how == Left::HungUp);
        match how {
            Left::HungUp => queue.counts.abandoned(self.now - entry.arrived, ms(queue.settings.service_level)),
            Left::Key => queue.counts.left_by_key += 1,
        }
        self.gave_up(&entry);
        if how == Left::Key {
            self.keep_place(entry);
        }
    }

    /// A conversation is over, and the agent's phone is free. After [`Queues::leave`] of a connected caller it is free when the
    /// result of its offer comes.
    pub fn ended(&mut self, now: Instant, caller: CallerId) {
        self.at(now);
        self.end_conversation(caller, true);
    }

    /// Somebody who is no agent of a queue, as a supervisor, talks to a connected caller from here on. The agent has time for notes,
    /// and is free when the result of its offer comes. The conversation lasts until [`Queues::ended`] or [`Queues::leave`]. Whether
    /// the caller talks to an agent.
    pub fn take_over(&mut self, now: Instant, caller: CallerId) -> bool {
        self.at(now);
        self.end_agents_part(caller, false)
    }

    /// An identity for a call to a telephone that is offered no caller, as a supervisor's: no offer has it.
    pub fn next_offer(&mut self) -> OfferId {
        self.ids += 1;
        OfferId(self.ids)
    }

    /// [`Action::Connect`] failed in this node, and the caller is still there: the old place, and another offer after a pause. The
    /// agent is free when the phone is, as after [`Action::Withdraw`].
    pub fn connection_failed(&mut self, now: Instant, caller: CallerId) {
        self.at(now);
        self.undo_connection(caller);
    }

    /// An agent, the agent's phone or a supervisor changes what the agent does.
    ///
    /// # Errors
    /// The change is refused, and nothing happens.
    pub fn agent(&mut self, now: Instant, agent: &str, change: AgentChange) -> Result<(), AgentError> {
        self.at(now);
        let at = self.agent_at(agent)?;
        self.change_agent(at, change)
    }

    /// What became of [`Action::Offer`]. A result that comes too late is harmless.
    pub fn offer_result(&mut self, now: Instant, offer: OfferId, result: OfferResult) {
        self.at(now);
        self.take_result(offer, result);
    }

    /// Does what is due, and returns everything that this and the calls before it caused, in order.
    #[must_use]
    pub fn poll(&mut self, now: Instant) -> Vec<Action> {
        self.at(now);
        self.expire_offers();
        self.expire_transfers();
        self.expire_call_backs();
        self.expire_waits();
        self.match_up();
        self.announce();
        std::mem::take(&mut self.actions)
    }

    /// When [`Queues::poll`] is due without any other call.
    pub fn deadline(&self) -> Option<Deadline> {
        let deadline = |at: Option<Moment>, why| at.map(|at| Deadline { at: self.epoch.instant(at), why });
        let offers = self.offers.values().map(|offer| offer.until).min();
        let agents = self.agents.iter().filter_map(|agent| match agent.state {
            State::Withdrawing { until, .. } | State::WrapUp { until, .. } => Some(until),
            State::SignedOut
            | State::Ready
            | State::NotReady(_)
            | State::Offered(_)
            | State::Reserved(_)
            | State::Consulted { .. }
            | State::Talking(_) => None,
        });
        let announcements = self.waiting.iter().filter_map(Entry::announced_at).min();
        let left = self.left.values().map(|(_, until)| *until).min();
        let again = self.waiting.iter().map(|entry| entry.offer_from).filter(|from| *from > self.now).min();
        earliest([
            deadline((!self.actions.is_empty()).then_some(self.now), "actions"),
            deadline(offers, "offer"),
            deadline(agents.min(), "agent"),
            deadline(announcements, "announcement"),
            deadline(self.next_limit(), "longest wait"),
            deadline(self.next_transfer(), "transfer"),
            deadline(left, "place kept"),
            deadline(again, "another offer"),
            deadline(self.next_call_back(), "call-back"),
        ])
    }

    /// Time never runs backwards.
    pub(crate) fn at(&mut self, now: Instant) {
        self.now = self.now.max(self.epoch.moment(now));
    }

    pub(crate) fn queue_at(&self, name: &str) -> Option<usize> {
        self.queues.iter().position(|queue| &*queue.settings.name == name)
    }

    /// Skills as bits; `None` if no agent ever had one of them.
    pub(crate) fn bits(&self, names: &[Arc<str>]) -> Option<u64> {
        let bit = |name| self.skills.iter().position(|skill| skill == name).map(|at| 1u64 << at);
        names.iter().map(bit).try_fold(0, |all, one| one.map(|one| all | one))
    }

    /// Skills as bits, with new ones; `None` if there are too many.
    pub(crate) fn intern(&mut self, names: &[Arc<str>]) -> Option<u64> {
        for name in names {
            if !self.skills.contains(name) {
                if self.skills.len() == SKILLS_MAX {
                    return None;
                }
                self.skills.push(name.clone());
            }
        }
        self.bits(names)
    }

    pub(crate) fn skill_names(&self, bits: u64) -> Vec<Arc<str>> {
        let has = |(at, _): &(usize, &Arc<str>)| bits & (1 << at) != 0;
        self.skills.iter().enumerate().filter(has).map(|(_, name)| name.clone()).collect()
    }

    /// Whether an agent is signed in who could serve, and has a telephone.
    pub(crate) fn is_covered(&self, queue: usize, skills: u64) -> bool {
        self.agents.iter().any(|agent| agent.is_there() && agent.serves(queue, skills))
    }

    /// The queue itself, or the first of those that it overflows to, that takes one more caller; with all on the way.
    pub(crate) fn room_in(&self, named: usize, skills: u64) -> Option<(usize, u64)> {
        let (mut queue, mut visited) = (named, 0);
        loop {
            visited |= 1 << queue;
            let has_room = self.waiting.with_line(queue) < self.queues[queue].settings.waiting_max;
            if has_room && self.queues[queue].open && self.is_covered(queue, skills) {
                return Some((queue, visited));
            }
            queue = self.overflow_of(queue, visited)?;
        }
    }

    pub(crate) fn overflow_of(&self, queue: usize, visited: u64) -> Option<usize> {
        let next = self.queues[queue].settings.overflow.as_ref().and_then(|name| self.queue_at(name));
        next.filter(|next| visited & (1 << next) == 0)
    }

    /// Keeps the place of a caller who left, for a time.
    pub(crate) fn keep_place(&mut self, entry: Entry) {
        if entry.call_back().is_none() && self.left.len() < LEFT_MAX {
            self.left.insert(entry.id, (entry, self.now + PLACE_KEPT));
        }
    }

    /// Takes a caller out of the order; phones that ring for the caller are told to stop.
    pub(crate) fn depart(&mut self, caller: CallerId) -> Option<Entry> {
        let mut entry = self.waiting.remove(caller)?;
        self.withdraw_all(&mut entry);
        Some(entry)
    }
}

impl Queue {
    pub(crate) fn connected(&mut self, in_queue: Moment, waited: Moment, entry: &Entry) {
        if entry.call_back().is_none() {
            self.rates.waited(in_queue, false);
            self.counts.answered(waited, ms(self.settings.service_level));
        }
    }

    /// The answer that [`Queue::connected`] counted was none.
    pub(crate) fn not_connected(&mut self, entry: &Entry, waited: Moment) {
        if entry.call_back().is_none() {
            self.counts.not_answered(waited, ms(self.settings.service_level));
        }
    }
}

/// Announcements to one caller are no closer.
const ANNOUNCEMENTS_APART: Moment = 15_000;
/// How long a caller who left by a key may come back to the old place.
const PLACE_KEPT: Moment = 120_000;
/// Places kept at once.
const LEFT_MAX: usize = 10_000;
