//! Positions and waits that are announced, and when.

use crate::caller::Entry;
use crate::estimate::minutes;
use crate::io::{Action, CallerId};
use crate::moment::Moment;
use crate::queues::Queues;

/// A caller's position at one moment.
struct Position {
    caller: CallerId,
    position: u32,
    /// Those of all queues before the caller who compete for the same agents.
    before: usize,
    agents: usize,
}

impl Entry {
    /// When something is announced next; while a phone rings, or the caller waits for one agent, nothing is.
    pub(crate) fn announced_at(&self) -> Option<Moment> {
        let waits = self.has_line() && self.offers.is_empty() && self.only.is_none();
        self.announcing.filter(|_| waits).map(|announcing| announcing.next)
    }
}

impl Queues {
    pub(crate) fn announce(&mut self) {
        let due = |entry: &Entry| entry.announced_at().is_some_and(|at| at <= self.now);
        if !self.waiting.iter().any(due) {
            return;
        }
        for position in self.positions(due) {
            self.announce_to(position);
        }
    }

    /// Positions in one pass over all callers.
    fn positions(&self, due: impl Fn(&Entry) -> bool) -> Vec<Position> {
        let mut before = vec![0usize; self.queues.len()];
        let mut positions = Vec::new();
        for entry in self.waiting.iter() {
            if due(entry) {
                let (agents, shared) = self.able(entry);
                let competing = before.iter().enumerate().filter(|(queue, _)| shared & (1 << queue) != 0);
                positions.push(Position {
                    caller: entry.id,
                    position: u32::try_from(before[entry.queue] + 1).unwrap_or(u32::MAX),
                    before: competing.map(|(_, callers)| callers).sum(),
                    agents,
                });
            }
            before[entry.queue] += usize::from(entry.counts(self.now));
        }
        positions
    }

    /// How many agents work who could serve a caller, and the queues that they serve.
    fn able(&self, entry: &Entry) -> (usize, u64) {
        let able = self.agents.iter().filter(|agent| agent.works() && agent.serves(entry.queue, entry.skills));
        able.fold((0, 0), |(agents, queues), agent| (agents + 1, queues | agent.queues))
    }

    /// A position that would be higher than the last one is not announced, and nothing else either.
    fn announce_to(&mut self, at: Position) {
        let now = self.now;
        let Some(entry) = self.waiting.entry_mut(at.caller) else { return };
        let wait = self.queues[entry.queue].rates.wait(at.before, at.agents);
        let Some(announcing) = &mut entry.announcing else { return };
        announcing.next = now + announcing.every;
        if announcing.lowest.is_some_and(|lowest| at.position > lowest) {
            return;
        }
        announcing.lowest = Some(at.position);
        let minutes = wait.and_then(minutes);
        self.actions.push(Action::Announce { caller: at.caller, position: at.position, minutes });
    }
}
