//! The states that wait for a key or an answer, and their deadlines.

use std::time::{Duration, Instant};

use crate::io::LookUpAnswer;
use crate::model::{InputPolicy, Lookup, Queue, Record};
use base::{Deadline, earliest};

/// A question that waits for keys.
pub(super) struct Question {
    pub manner: InputPolicy,
    pub typed: String,
    /// Absent while the question plays.
    pub until: Option<Instant>,
    pub no_inputs: usize,
    pub no_matches: usize,
}

impl Question {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let why = if self.typed.is_empty() { "first key" } else { "next key" };
        self.until.map(|at| Deadline { at, why })
    }

    pub(super) fn listen(&mut self, now: Instant) {
        let wait = if self.typed.is_empty() { self.manner.first_key } else { self.manner.next_key };
        self.until = Some(now + wait);
    }
}

/// A look-up under way.
pub(super) struct Looking {
    pub lookup: Lookup,
    pub filler_at: Option<Instant>,
    pub until: Instant,
    /// The answer came while a filler was playing.
    pub answer: Option<LookUpAnswer>,
}

impl Looking {
    pub(super) fn deadline(&self, playing: bool) -> Option<Deadline> {
        if self.answer.is_some() {
            return None;
        }
        let filler = self.filler_at.filter(|_| !playing).map(|at| Deadline { at, why: "filler" });
        earliest([filler, Some(Deadline { at: self.until, why: "look-up" })])
    }
}

/// A message being left.
pub(super) struct Recording {
    pub record: Record,
    pub phase: Phase,
}

/// ```text
///  Intro ─► Taking ─► Stopping ─► Reviewing ⇄ Listening
///             └────────────────────────┴────► Asking ─► Saving
/// ```
pub(super) enum Phase {
    Intro,
    Taking {
        until: Instant,
    },
    Stopping {
        until: Instant,
    },
    /// Plays the keys, then waits for one.
    Reviewing {
        until: Option<Instant>,
    },
    Listening,
    /// Asks whether the calling number may be kept.
    Asking {
        /// Keys that come sooner answer nothing.
        from: Instant,
        until: Option<Instant>,
    },
    Saving {
        until: Instant,
    },
}

impl Recording {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (at, why) = match self.phase {
            Phase::Taking { until } | Phase::Stopping { until } => (Some(until), "recording"),
            Phase::Reviewing { until } => (until, "review"),
            Phase::Asking { until, .. } => (until, "consent"),
            Phase::Saving { until } => (Some(until), "ticket"),
            Phase::Intro | Phase::Listening => (None, ""),
        };
        at.map(|at| Deadline { at, why })
    }
}

/// A caller waiting for an agent, simulated.
pub(super) struct Queueing {
    pub queue: Queue,
    pub since: Instant,
    pub tell_at: Option<Instant>,
    pub hint_at: Option<Instant>,
}

impl Queueing {
    pub(super) fn new(queue: Queue, now: Instant) -> Queueing {
        let tell_at = queue.tell.as_ref().map(|(every, _)| now + *every);
        let hint_at = queue.hint.as_ref().map(|(after, _)| now + *after);
        Queueing { queue, since: now, tell_at, hint_at }
    }

    pub(super) fn until(&self) -> Instant {
        self.since + self.queue.max_wait
    }

    pub(super) fn deadline(&self, playing: bool) -> Option<Deadline> {
        let due = |at: Option<Instant>, why| at.filter(|_| !playing).map(|at| Deadline { at, why });
        let limit = Some(Deadline { at: self.until(), why: "longest wait" });
        earliest([due(self.hint_at, "hint"), due(self.tell_at, "place in the queue"), limit])
    }
}

/// How long the media plane may take to end a recording, or the journal to give its ticket.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
