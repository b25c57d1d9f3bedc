//! A transfer to a queue of this node: the caller waits for an agent and talks to one, in this call.
//!
//! ```text
//!       transfer to queue:NAME        connected                        the agent hangs up
//!  Not ───────────────────────► Waiting ───────► Talking ─────────────────────────────────► Not: the transfer is done
//!                                 └── full, no agents, waited too long ───────────────────► Not: the transfer failed
//! ```
//!
//! Meanwhile the application waits without a limit of its own: the queue has limits. Keys go to the agent once there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Effect, Output, Telemetry};
use crate::media_control::{KeySource, MediaCommand};
use base::Key;
use flow::{PlayId, TransferOutcome};
use inquiry::{QueueOutcome, QueueVisit};
use speech::Piece;

/// What the queue says to a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueNotice {
    /// The queue is full.
    Full,
    /// No agent serves the caller: none is signed in, the queue is closed, the wait was too long, the node shuts down, the
    /// telephone of the agent is lost.
    Unavailable,
    /// An agent has answered, and both hear each other.
    Connected {
        /// The agent's name.
        agent: Arc<str>,
    },
    /// The agent has hung up.
    Ended,
}

/// Whether the caller waits for an agent, or talks to one.
#[derive(Debug, Default)]
pub(super) enum Queued {
    #[default]
    Not,
    Waiting {
        queue: Arc<str>,
        since: Instant,
    },
    Talking,
}

impl Queued {
    pub(super) fn is_queued(&self) -> bool {
        !matches!(self, Queued::Not)
    }
}

impl Call {
    /// The caller waits, and hears a telephone ring.
    pub(super) fn join_queue(&mut self, now: Instant, queue: &str, out: &mut Vec<Output>) {
        let queue: Arc<str> = queue.into();
        self.queued = Queued::Waiting { queue: Arc::clone(&queue), since: now };
        let pieces = vec![Piece::Ringing(LONGEST)];
        out.push(Effect::Media(MediaCommand::Play { id: WAITING, pieces }).into());
        let codec = self.negotiated.as_ref().map(|negotiated| negotiated.codec);
        out.push(Effect::JoinQueue { queue, codec }.into());
    }

    pub(super) fn on_queue(&mut self, now: Instant, notice: QueueNotice, out: &mut Vec<Output>) {
        match (std::mem::take(&mut self.queued), notice) {
            (Queued::Waiting { queue, since }, QueueNotice::Connected { agent }) => {
                self.queued = Queued::Talking;
                self.visited(&queue, since, now, QueueOutcome::Answered, Some(agent));
                self.cdr.transferred();
                self.stop(out);
            }
            (Queued::Waiting { queue, since }, QueueNotice::Full) => {
                self.visited(&queue, since, now, QueueOutcome::Full, None);
                self.leave_queue(now, TransferOutcome::Busy, out);
            }
            (Queued::Waiting { queue, since }, QueueNotice::Unavailable | QueueNotice::Ended) => {
                self.visited(&queue, since, now, QueueOutcome::Unavailable, None);
                self.leave_queue(now, TransferOutcome::Failed, out);
            }
            (Queued::Talking, QueueNotice::Connected { .. }) => self.queued = Queued::Talking,
            (Queued::Talking, QueueNotice::Ended) => self.leave_queue(now, TransferOutcome::Done, out),
            // The agent's telephone is lost: the flow helps the caller on.
            (Queued::Talking, QueueNotice::Full | QueueNotice::Unavailable) => {
                self.leave_queue(now, TransferOutcome::Failed, out);
            }
            // The call is over: the queue knows that, or will.
            (Queued::Not, _) => {}
        }
    }

    fn leave_queue(&mut self, now: Instant, how: TransferOutcome, out: &mut Vec<Output>) {
        self.stop(out);
        out.push(Telemetry::Transferred(how).into());
        self.feed_application(now, flow::Input::TransferEnded(how), out);
    }

    /// A key of a caller who talks to an agent is the agent's; a tone is in the sound already. False: it is the application's.
    pub(super) fn pass_key(&mut self, key: Key, source: KeySource, out: &mut Vec<Output>) -> bool {
        let talks = matches!(self.queued, Queued::Talking);
        if talks && source != KeySource::Tone {
            out.push(Effect::PassKey(key).into());
        }
        talks
    }

    /// The call is over.
    pub(super) fn end_queue(&mut self, now: Instant, out: &mut Vec<Output>) {
        match std::mem::take(&mut self.queued) {
            Queued::Not => return,
            Queued::Waiting { queue, since } => self.visited(&queue, since, now, QueueOutcome::Abandoned, None),
            Queued::Talking => {}
        }
        out.push(Effect::LeaveQueue.into());
    }

    fn visited(
        &mut self,
        queue: &Arc<str>,
        since: Instant,
        now: Instant,
        outcome: QueueOutcome,
        agent: Option<Arc<str>>,
    ) {
        let waited = now.saturating_duration_since(since);
        self.cdr.queued(QueueVisit { queue: Arc::clone(queue), waited, outcome, agent });
    }
}

/// The play that a waiting caller hears; the application numbers its own from 1.
const WAITING: PlayId = PlayId(u32::MAX);
/// Longer than any queue keeps a caller.
const LONGEST: Duration = Duration::from_secs(4 * 3600);
