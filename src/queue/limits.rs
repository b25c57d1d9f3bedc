//! The limits of waiting: too long, without agents, a closed queue, the end of the node.

use std::time::{Duration, Instant};

use crate::caller::Entry;
use crate::io::{Action, CallerId, LeaveReason};
use crate::moment::{Moment, between, ms};
use crate::queues::Queues;

impl Queues {
    /// The node shuts down: new callers are refused, waiting ones are told, and served up to the limit. Call-backs that are not
    /// under way stay in their records.
    pub fn drain(&mut self, now: Instant, limit: Duration) {
        self.at(now);
        self.draining = Some(self.now + ms(limit));
        for caller in self.waiting.which(Entry::has_line) {
            self.actions.push(Action::Draining { caller, left: limit });
        }
    }

    /// Whether nobody waits or talks, and no phone rings.
    pub fn is_idle(&self) -> bool {
        let talks = !self.connected.is_empty() || !self.outside.is_empty() || !self.consultations.is_empty();
        !talks && self.offers.is_empty() && !self.waiting.iter().any(Entry::is_under_way)
    }

    pub(crate) fn expire_waits(&mut self) {
        self.left.retain(|_, (_, until)| *until > self.now);
        if self.coverage_changed {
            self.watch_coverage();
        }
        let over = |entry: &Entry| self.limit(entry).is_some_and(|(at, _)| at <= self.now);
        for caller in self.waiting.which(over) {
            let Some(entry) = self.waiting.entry(caller) else { continue };
            let Some((_, reason)) = self.limit(entry) else { continue };
            if reason != LeaveReason::WaitedTooLong || !self.move_on(caller) {
                self.give_back(caller, reason);
            }
        }
    }

    /// Notes since when callers wait for an agent to sign in.
    fn watch_coverage(&mut self) {
        self.coverage_changed = false;
        for caller in self.waiting.which(Entry::has_line) {
            let Some(entry) = self.waiting.entry(caller) else { continue };
            let covered = entry.only.is_some() || self.is_covered(entry.queue, entry.skills);
            let now = self.now;
            let Some(entry) = self.waiting.entry_mut(caller) else { continue };
            entry.without_agents = if covered { None } else { entry.without_agents.or(Some(now)) };
        }
    }

    /// The first limit that a caller comes to. While a phone rings there is none: ringing has its own.
    fn limit(&self, entry: &Entry) -> Option<(Moment, LeaveReason)> {
        if !entry.has_line() || !entry.offers.is_empty() {
            return None;
        }
        let drained = self.draining.map(|at| (at, LeaveReason::Draining));
        if entry.only.is_some() {
            return drained;
        }
        let settings = &self.queues[entry.queue].settings;
        let own = entry.wait_max.map_or(Moment::MAX, |most| entry.arrived.saturating_add(most));
        let waited = Some((own.min(entry.entered + ms(settings.wait_max)), LeaveReason::WaitedTooLong));
        let without = entry.without_agents.map(|since| (since + ms(settings.without_agents), LeaveReason::NoAgents));
        [drained, without, waited].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    pub(crate) fn next_limit(&self) -> Option<Moment> {
        self.waiting.iter().filter_map(|entry| self.limit(entry)).map(|(at, _)| at).min()
    }

    /// A caller who waited too long goes to the queue that this one overflows to.
    fn move_on(&mut self, caller: CallerId) -> bool {
        let Some(entry) = self.waiting.entry(caller) else { return false };
        // The flow's own limit is for the whole wait.
        if entry.wait_max.is_some_and(|most| entry.arrived.saturating_add(most) <= self.now) {
            return false;
        }
        let (visited, skills) = (entry.visited, entry.skills);
        let Some(next) = self.overflow_of(entry.queue, visited) else { return false };
        match self.room_in(next, skills) {
            Some((queue, on_the_way)) if visited & (1 << queue) == 0 => {
                self.counts_overflow(caller);
                self.move_to(caller, queue, on_the_way);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Puts a caller into another queue, with the old arrival.
    pub(crate) fn move_to(&mut self, caller: CallerId, queue: usize, on_the_way: u64) {
        let Some(mut entry) = self.depart(caller) else { return };
        entry.queue = queue;
        entry.entered = self.now;
        entry.visited |= on_the_way | 1 << queue;
        entry.without_agents = None;
        entry.only = None;
        // Positions in another queue begin again.
        if let Some(announcing) = &mut entry.announcing {
            announcing.lowest = None;
        }
        self.waiting.insert(entry);
        self.coverage_changed = true;
        let queue = self.queues[queue].settings.name.clone();
        self.actions.push(Action::Moved { caller, queue });
    }

    fn counts_overflow(&mut self, caller: CallerId) {
        if let Some(entry) = self.waiting.entry(caller) {
            let queue = &mut self.queues[entry.queue];
            queue.counts.overflowed += 1;
            queue.rates.waited(self.now - entry.entered, false);
        }
    }

    /// Gives a caller back to the flow.
    pub(crate) fn give_back(&mut self, caller: CallerId, reason: LeaveReason) {
        self.counts_overflow(caller);
        let Some(entry) = self.depart(caller) else { return };
        self.actions.push(Action::Overflow { caller, reason });
        self.gave_up(&entry);
        // A call-back that the flow offers next takes this place.
        self.keep_place(entry);
    }

    /// How long a caller has waited in all.
    pub(crate) fn waited(&self, entry: &Entry) -> Duration {
        between(entry.arrived, self.now)
    }
}

impl Entry {
    fn is_under_way(&self) -> bool {
        match self.line {
            crate::caller::CallerLine::Open(_) | crate::caller::CallerLine::Dialling { .. } => true,
            crate::caller::CallerLine::None { .. } => false,
        }
    }
}
