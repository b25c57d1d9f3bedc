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

/// A caller waiting for an agent, or talking to one.
pub(super) struct Queueing {
    pub queue: Queue,
    /// The queue reports nothing after this.
    pub until: Instant,
    pub hint_at: Option<Instant>,
    /// What is announced once the present sentence ends.
    pub pending: Vec<Announcement>,
    pub connected: bool,
}

/// Something that a caller is to hear while waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    Position { position: u32, minutes: Option<u32>, until: Instant },
    Draining,
}

impl Queueing {
    pub(super) fn new(queue: Queue, now: Instant) -> Queueing {
        let hint_at = queue.hint.as_ref().map(|(after, _)| now + *after);
        let until = now + queue.max_wait + QUEUE_PATIENCE;
        Queueing { queue, until, hint_at, pending: Vec::new(), connected: false }
    }

    pub(super) fn deadline(&self, speaking: bool) -> Option<Deadline> {
        if self.connected {
            return None;
        }
        let hint = self.hint_at.filter(|_| !speaking).map(|at| Deadline { at, why: "hint" });
        earliest([hint, Some(Deadline { at: self.until, why: "longest wait" })])
    }
}

/// How much longer than its longest wait a queue may keep a caller: a phone may ring at that moment.
const QUEUE_PATIENCE: Duration = Duration::from_secs(150);
/// How long the media plane may take to end a recording, or the journal to give its ticket.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
