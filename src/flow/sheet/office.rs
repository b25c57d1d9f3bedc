//! The office behind a call of a sheet: who takes callers, and where the caller is.

use std::collections::BTreeSet;

use crate::io::QueueOutcome;

/// The office behind a call.
#[derive(Clone, Debug)]
pub(super) struct Office {
    /// Agents who take callers.
    pub(super) ready: BTreeSet<String>,
    /// The queue is full or closed.
    pub(super) refuses: Option<QueueOutcome>,
    pub(super) books: bool,
    /// The flow may offer a call-back: the sheet says so.
    pub(super) offers: bool,
    pub(super) calls_back: bool,
    /// Conversations are recorded.
    pub(super) records: bool,
    /// The node sends text messages, and the caller may get one.
    pub(super) texts: bool,
    /// The office accepts a text message.
    pub(super) accepts_texts: bool,
    pub(super) caller: Caller,
}

/// Where the caller is, as the office sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Elsewhere,
    Waiting,
    Connected,
}

impl Default for Office {
    fn default() -> Self {
        Office {
            ready: BTreeSet::new(),
            refuses: None,
            books: true,
            offers: false,
            calls_back: false,
            records: false,
            texts: false,
            accepts_texts: true,
            caller: Caller::Elsewhere,
        }
    }
}

impl Office {
    /// A caller comes; an outcome sends the caller away at once.
    pub(super) fn enter(&mut self) -> Option<QueueOutcome> {
        let outcome = self.refuses.or_else(|| self.ready.is_empty().then_some(QueueOutcome::NoAgents));
        self.caller = if outcome.is_none() { Caller::Waiting } else { Caller::Elsewhere };
        outcome
    }

    pub(super) fn leave(&mut self) {
        self.caller = Caller::Elsewhere;
    }
}
