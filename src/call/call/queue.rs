//! A caller who waits for an agent of this node and talks to one, in this call: the flow's own queue, or a transfer whose
//! target is a queue.
//!
//! ```text
//!       EnterQueue, or a transfer to queue:NAME    connected                   the agent hangs up
//!  Not ───────────────────────────────────────► Waiting ───────► Talking ───────────────────────► Not
//!                                                 └── full, no agents, waited too long, a key ──► Not
//! ```
//!
//! In the flow's own queue the flow plays music, announces and takes keys. A transfer rings, and the application waits without a
//! limit of its own: the queue has limits. Keys go to the agent once there is one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Effect, Output, Telemetry};
use crate::application::Application;
use crate::caller_context::CallerContext;
use crate::media_control::{KeySource, MediaCommand};
use base::Key;
use flow::{PlayId, QueueEvent, TransferOutcome};
use inquiry::{HandlingStep, QueueOutcome, QueueVisit};
use speech::Piece;

/// Where a caller wants to wait, and how.
#[derive(Clone, Debug, Default)]
pub struct QueueRequest {
    /// The queue's name.
    pub queue: Arc<str>,
    /// Callers of a higher priority come first.
    pub priority: u8,
    /// What the agent must be able to do.
    pub skills: Vec<Arc<str>>,
    /// How often position and estimated wait are announced; absent: never.
    pub announce_every: Option<Duration>,
    /// The longest wait, where it is shorter than the queue's.
    pub wait_max: Option<Duration>,
    /// The person was called back and agrees: the place is the one of the request.
    pub called_back: bool,
    /// What the caller did, for the agent's screen.
    pub context: CallerContext,
    /// The announcement that the conversation will be recorded was played in this call.
    pub recording_announced: bool,
}

/// What the queue says to a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueNotice {
    /// The caller does not wait, or waits no longer.
    Left(flow::QueueOutcome),
    /// Position and estimated wait.
    Announce {
        /// 1 for the next caller.
        position: u32,
        /// In minutes; absent where it cannot be estimated.
        minutes: Option<u32>,
    },
    /// The node shuts down.
    Draining,
    /// An agent has answered, and both hear each other.
    Connected {
        /// The agent's name.
        agent: Arc<str>,
    },
    /// The conversation with the agent is recorded.
    Recorded {
        /// The name of the recording.
        id: Arc<str>,
    },
    /// The agent has hung up.
    Ended,
    /// A supervisor talks to the caller in the agent's place.
    TakenOver {
        /// The supervisor's name.
        by: Arc<str>,
    },
    /// The agent gives the caller away, or the one who got the caller is not to be had: the caller waits again.
    Transferred {
        /// The queue's name.
        queue: Arc<str>,
        /// What the agent did.
        step: HandlingStep,
    },
    /// Something was done with the conversation, which goes on.
    Handled(HandlingStep),
}

/// Whether the caller waits for an agent, or talks to one.
#[derive(Debug, Default)]
pub(super) enum Queued {
    #[default]
    Not,
    Waiting {
        queue: Arc<str>,
        since: Instant,
        by: By,
    },
    Talking {
        since: Instant,
        by: By,
    },
}

/// What brought the caller to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Flow,
    Transfer,
}

impl Queued {
    /// Whether the queue's limits count, and not the call's own.
    pub(super) fn is_queued(&self) -> bool {
        !matches!(self, Queued::Not)
    }

    /// Whether the application's own limits rest.
    pub(super) fn holds_application(&self) -> bool {
        match self {
            Queued::Not | Queued::Waiting { by: By::Flow, .. } => false,
            Queued::Waiting { by: By::Transfer, .. } | Queued::Talking { .. } => true,
        }
    }
}

impl Call {
    /// The caller waits, and hears a telephone ring.
    pub(super) fn join_queue(&mut self, now: Instant, queue: &str, out: &mut Vec<Output>) {
        ring(out);
        self.wait(now, QueueRequest { queue: queue.into(), ..QueueRequest::default() }, By::Transfer, out);
    }

    /// The caller waits, and hears what the flow plays.
    pub(super) fn enter_queue(&mut self, now: Instant, request: QueueRequest, out: &mut Vec<Output>) {
        if request.called_back {
            self.call_back_agreed();
        }
        self.wait(now, request, By::Flow, out);
    }

    fn wait(&mut self, now: Instant, mut request: QueueRequest, by: By, out: &mut Vec<Output>) {
        request.recording_announced = self.recording_announced;
        request.context.lang = self.application.as_ref().and_then(Application::lang);
        request.context.path = self.cdr.path().to_vec();
        request.context.inquiry = self.inquiries.last().cloned();
        self.queued = Queued::Waiting { queue: Arc::clone(&request.queue), since: now, by };
        let codec = self.negotiated.as_ref().map(|negotiated| negotiated.codec);
        out.push(Effect::JoinQueue { request: Box::new(request), codec }.into());
    }

    pub(super) fn on_queue(&mut self, now: Instant, notice: QueueNotice, out: &mut Vec<Output>) {
        if let QueueNotice::Recorded { id } = notice {
            return self.cdr.recorded(id);
        }
        match (std::mem::take(&mut self.queued), notice) {
            (Queued::Waiting { queue, since, by }, QueueNotice::Connected { agent }) => {
                self.queued = Queued::Talking { since: now, by };
                self.visited(&queue, since, now, QueueOutcome::Answered, None);
                self.cdr.handled(HandlingStep::Agent(agent));
                self.cdr.transferred();
                self.stop(out);
                match by {
                    By::Flow => self.tell_flow(now, QueueEvent::Connected, out),
                    By::Transfer => out.push(Telemetry::Transferred(TransferOutcome::Done).into()),
                }
            }
            (Queued::Waiting { queue, since, by }, QueueNotice::Left(why)) => {
                let outcome =
                    if why == flow::QueueOutcome::Full { QueueOutcome::Full } else { QueueOutcome::Unavailable };
                self.visited(&queue, since, now, outcome, None);
                self.left(now, by, why, out);
            }
            (waiting @ Queued::Waiting { by: By::Flow, .. }, QueueNotice::Announce { position, minutes }) => {
                self.queued = waiting;
                self.tell_flow(now, QueueEvent::Position { position, minutes }, out);
            }
            (waiting @ Queued::Waiting { by: By::Flow, .. }, QueueNotice::Draining) => {
                self.queued = waiting;
                self.tell_flow(now, QueueEvent::Draining, out);
            }
            (Queued::Talking { since, by }, QueueNotice::Ended) => {
                self.limit_at += now.saturating_duration_since(since);
                match by {
                    By::Flow => self.tell_flow(now, QueueEvent::Ended, out),
                    By::Transfer => {
                        self.feed_application(now, flow::Input::TransferEnded(TransferOutcome::Done), out);
                    }
                }
            }
            (talking @ Queued::Talking { .. }, QueueNotice::TakenOver { by }) => {
                self.queued = talking;
                self.cdr.taken_over(by);
            }
            (talking @ Queued::Talking { .. }, QueueNotice::Handled(step)) => {
                self.queued = talking;
                self.cdr.handled(step);
            }
            (Queued::Talking { since, by }, QueueNotice::Transferred { queue, step }) => {
                self.cdr.handled(step);
                self.limit_at += now.saturating_duration_since(since);
                self.queued = Queued::Waiting { queue, since: now, by };
                match by {
                    By::Flow => self.tell_flow(now, QueueEvent::Disconnected, out),
                    By::Transfer => ring(out),
                }
            }
            // The agent's telephone is lost: the flow helps the caller on.
            (Queued::Talking { since, by }, QueueNotice::Left(why)) => {
                self.limit_at += now.saturating_duration_since(since);
                self.left(now, by, why, out);
            }
            // The call is over: the queue knows that, or will. The rest is late, or nothing that a ringing tone is stopped for.
            (queued, _) => self.queued = queued,
        }
    }

    fn tell_flow(&mut self, now: Instant, event: QueueEvent, out: &mut Vec<Output>) {
        self.feed_application(now, flow::Input::Queue(event), out);
    }

    fn left(&mut self, now: Instant, by: By, why: flow::QueueOutcome, out: &mut Vec<Output>) {
        self.stop(out);
        match by {
            By::Flow => self.tell_flow(now, QueueEvent::Left(why), out),
            By::Transfer => {
                let how = if why == flow::QueueOutcome::Full { TransferOutcome::Busy } else { TransferOutcome::Failed };
                out.push(Telemetry::Transferred(how).into());
                self.feed_application(now, flow::Input::TransferEnded(how), out);
            }
        }
    }

    /// A key of a caller who talks to an agent is the agent's; a tone is in the sound already, and what INFO says of it is the same
    /// press. False: it is the application's.
    pub(super) fn pass_key(&mut self, key: Key, source: KeySource, out: &mut Vec<Output>) -> bool {
        let talks = matches!(self.queued, Queued::Talking { .. });
        let is_in_the_sound = source == KeySource::Tone || source == KeySource::Info && self.presses.as_tones;
        if talks && !is_in_the_sound {
            out.push(Effect::PassKey(key).into());
        }
        talks
    }

    /// The flow takes the caller out, by a key.
    pub(super) fn leave_by_key(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.leave(now, true, out);
    }

    /// The call is over.
    pub(super) fn end_queue(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.leave(now, false, out);
    }

    fn leave(&mut self, now: Instant, by_key: bool, out: &mut Vec<Output>) {
        match std::mem::take(&mut self.queued) {
            Queued::Not => return,
            Queued::Waiting { queue, since, by } => {
                let outcome = if by_key { QueueOutcome::Left } else { QueueOutcome::Abandoned };
                self.visited(&queue, since, now, outcome, None);
                if by == By::Transfer {
                    out.push(Telemetry::Transferred(TransferOutcome::Failed).into());
                }
            }
            Queued::Talking { .. } => {}
        }
        out.push(Effect::LeaveQueue { by_key }.into());
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
        // What the queue takes does not count against the longest call.
        self.limit_at += waited;
        self.cdr.queued(QueueVisit { queue: Arc::clone(queue), waited, outcome, agent, taken_over_by: None });
    }
}

/// The caller hears a telephone ring.
fn ring(out: &mut Vec<Output>) {
    let pieces = vec![Piece::Ringing(LONGEST)];
    out.push(Effect::Media(MediaCommand::Play { id: WAITING, pieces }).into());
}

/// The play that a waiting caller hears; the application numbers its own from 1.
const WAITING: PlayId = PlayId(u32::MAX);
/// Longer than any queue keeps a caller.
const LONGEST: Duration = Duration::from_secs(4 * 3600);
