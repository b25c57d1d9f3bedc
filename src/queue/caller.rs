//! The callers who wait, in their order.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::io::{CallBackId, CallerId, OfferId};
use crate::moment::Moment;

/// The order: who was in conversation first, then higher priority, then by arrival; of one millisecond, who came first.
pub(crate) type Place = (Reverse<bool>, Reverse<u8>, Moment, u64);

/// One who waits: a caller, or a call-back without a line.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub id: CallerId,
    pub queue: usize,
    pub priority: u8,
    /// The caller was in conversation, and comes before all who were not.
    pub first: bool,
    /// The one agent whom the caller waits for.
    pub only: Option<Only>,
    pub arrived: Moment,
    /// Unique; a caller who takes an old place again has the old one.
    pub order: u64,
    /// Since when the caller is in this queue: the longest wait counts from here.
    pub entered: Moment,
    /// The caller's own longest wait.
    pub wait_max: Option<Moment>,
    pub skills: u64,
    /// Queues that the caller has been in.
    pub visited: u64,
    pub announcing: Option<Announcing>,
    /// Phones that ring for this caller.
    pub offers: Vec<OfferId>,
    /// No phone rings for this caller before this moment: a call to an agent, or the connection, failed in this node.
    pub offer_from: Moment,
    /// Since when no agent is signed in who could serve.
    pub without_agents: Option<Moment>,
    pub line: CallerLine,
}

/// Whether there is a line to the person.
#[derive(Clone, Debug)]
pub(crate) enum CallerLine {
    /// The person is in a call; one who was called back, by this request.
    Open(Option<CallBackId>),
    /// A call-back that waits for its turn, not before this moment.
    None { call_back: CallBackId, not_before: Moment },
    /// A call-back that is being dialled for this agent, who may have gone meanwhile.
    Dialling { call_back: CallBackId, agent: Option<usize>, until: Moment },
}

/// When a caller's position is announced next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcing {
    pub every: Moment,
    pub next: Moment,
    /// The lowest position announced so far.
    pub lowest: Option<u32>,
}

/// The one agent whom a caller waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Only {
    pub agent: usize,
    /// Until when the agent must be free; a telephone that rings has a limit of its own.
    pub until: Moment,
    /// Who gave the caller away, and is called if this agent does not answer.
    pub back: Option<usize>,
}

/// An agent who is asked about a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consultation {
    pub agent: usize,
    pub caller: CallerId,
    pub since: Moment,
    /// Until when the telephone may ring; none: it is answered.
    pub until: Option<Moment>,
}

impl Entry {
    pub(crate) fn place(&self) -> Place {
        (Reverse(self.first), Reverse(self.priority), self.arrived, self.order)
    }

    pub(crate) fn has_line(&self) -> bool {
        matches!(self.line, CallerLine::Open(_))
    }

    pub(crate) fn call_back(&self) -> Option<CallBackId> {
        match self.line {
            CallerLine::Open(call_back) => call_back,
            CallerLine::None { call_back, .. } | CallerLine::Dialling { call_back, .. } => Some(call_back),
        }
    }

    /// Whether the entry stands before others at a moment; a call-back that is tried again later does not.
    pub(crate) fn counts(&self, now: Moment) -> bool {
        match self.line {
            CallerLine::Open(_) | CallerLine::Dialling { .. } => true,
            CallerLine::None { not_before, .. } => not_before <= now,
        }
    }
}

/// All who wait, in the order in which they are served.
#[derive(Default)]
pub(crate) struct Waiting {
    in_order: BTreeMap<Place, Entry>,
    places: BTreeMap<CallerId, Place>,
}

impl Waiting {
    pub(crate) fn insert(&mut self, entry: Entry) {
        let place = entry.place();
        self.places.insert(entry.id, place);
        self.in_order.insert(place, entry);
    }

    pub(crate) fn remove(&mut self, caller: CallerId) -> Option<Entry> {
        self.places.remove(&caller).and_then(|place| self.in_order.remove(&place))
    }

    pub(crate) fn entry(&self, caller: CallerId) -> Option<&Entry> {
        self.places.get(&caller).and_then(|place| self.in_order.get(place))
    }

    /// An entry to change; what makes its place must stay as it is.
    pub(crate) fn entry_mut(&mut self, caller: CallerId) -> Option<&mut Entry> {
        self.places.get(&caller).and_then(|place| self.in_order.get_mut(place))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.in_order.values()
    }

    /// Entries to change; what makes their places must stay as it is.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.in_order.values_mut()
    }

    /// How many callers with a line wait in a queue.
    pub(crate) fn with_line(&self, queue: usize) -> usize {
        self.iter().filter(|entry| entry.queue == queue && entry.has_line()).count()
    }

    /// The callers of whom something holds.
    pub(crate) fn which(&self, holds: impl Fn(&Entry) -> bool) -> Vec<CallerId> {
        self.iter().filter(|entry| holds(entry)).map(|entry| entry.id).collect()
    }
}

/// One ringing of one phone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub agent: usize,
    pub caller: CallerId,
    pub since: Moment,
    pub until: Moment,
}

/// The first announcement comes after the words that greet a caller in the queue.
pub(crate) const FIRST: Moment = 8_000;
