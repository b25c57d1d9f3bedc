//! A call of this node to a person who asked to be called back: until the answer, and what became of the request.
//!
//! ```text
//!            180        2xx                 a key: agrees            an agent answers
//!  Offered ─────► ... ─────► the flow asks ───────────────► waiting ──────────────────► talking
//!     │ busy, no answer           │ a key: declines; no key: a machine
//!     └───────────────────────────┴──► CallBackEnded ──► Over
//! ```
//!
//! Who agrees waits in the queue as every other caller, at the place of the request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Effect, Output, State};
use base::{Lang, Private};
use inquiry::CallOutcome;
use sip::Target;
use sip::digest::DigestClient;

/// The INVITE of a call-back.
pub struct CallBackInvite {
    /// The URI that is called, without angle brackets.
    pub uri: String,
    /// Where the INVITE goes.
    pub to: Target,
    /// The From value without a tag.
    pub from: String,
    /// Answers challenges of the other side.
    pub credentials: Option<DigestClient>,
    /// How long it may ring.
    pub ring_limit: Duration,
}

/// A caller's call-back request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallBackRequest {
    /// The queue's name.
    pub queue: Arc<str>,
    /// The number, as the caller sent or typed it.
    pub number: Private<String>,
    /// Callers of a higher priority come first.
    pub priority: u8,
    /// What the agent must be able to do.
    pub skills: Vec<Arc<str>>,
    /// The caller's language.
    pub lang: Option<Lang>,
    /// What the agent is shown: variables and their values.
    pub passed: BTreeMap<Arc<str>, Private<String>>,
}

/// Why a person who was called did not come to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallBackEnd {
    /// The person wants no conversation.
    Declined,
    /// Busy, or the call was rejected.
    Busy,
    /// It rang, and nobody answered.
    NoAnswer,
    /// The call was answered, and no key came: a machine, or a person who hung up.
    Machine,
    /// The number could not be reached.
    Failed,
    /// The line did not carry the call, and nothing rang.
    LineFailed,
}

/// How far a call-back is.
#[derive(Debug)]
pub(super) struct CallBack {
    ring_until: Instant,
    /// The person came to the queue: the request is the queue's.
    agreed: bool,
    declined: bool,
    /// A provisional response above 100 arrived.
    progressed: bool,
    /// Why nobody answered.
    unanswered: Option<CallBackEnd>,
}

impl CallBack {
    pub(super) fn new(ring_until: Instant) -> CallBack {
        CallBack { ring_until, agreed: false, declined: false, progressed: false, unanswered: None }
    }
}

impl Call {
    /// Whether this node calls.
    pub(super) fn is_call_back(&self) -> bool {
        self.call_back.is_some()
    }

    /// Until when the person may let it ring.
    pub(super) fn ring_until(&self) -> Option<Instant> {
        self.call_back.as_ref().map(|call_back| call_back.ring_until).filter(|_| self.state == State::Offered)
    }

    pub(super) fn ring_limit(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.has_progressed() {
            self.unanswered(CallBackEnd::NoAnswer);
            self.end(now, CallOutcome::Abandoned, Some("no answer"), out);
        } else {
            self.unanswered(CallBackEnd::LineFailed);
            self.end(now, CallOutcome::Failed, Some("line failed"), out);
        }
    }

    pub(super) fn progressed(&mut self) {
        if let Some(call_back) = &mut self.call_back {
            call_back.progressed = true;
        }
    }

    fn has_progressed(&self) -> bool {
        self.call_back.as_ref().is_some_and(|call_back| call_back.progressed)
    }

    fn unanswered(&mut self, end: CallBackEnd) {
        if let Some(call_back) = &mut self.call_back {
            call_back.unanswered.get_or_insert(end);
        }
    }

    /// The INVITE failed with this status (RFC 3261 §21). Returns what the call's record says.
    pub(super) fn call_failed(&mut self, status: u16) -> (CallOutcome, Option<&'static str>) {
        let (end, outcome, cause) = match status {
            486 | 600 | 603 | 607 => (CallBackEnd::Busy, CallOutcome::Abandoned, "busy"),
            480 | 487 => (CallBackEnd::NoAnswer, CallOutcome::Abandoned, "no answer"),
            // The carrier itself: credentials, no response, errors and overload of the server.
            401 | 407 | 408 | 500 | 503 if !self.has_progressed() => {
                (CallBackEnd::LineFailed, CallOutcome::Failed, "line failed")
            }
            _ => (CallBackEnd::Failed, CallOutcome::Failed, "number unreachable"),
        };
        self.unanswered(end);
        (outcome, Some(cause))
    }

    pub(super) fn call_back_agreed(&mut self) {
        if let Some(call_back) = &mut self.call_back {
            call_back.agreed = true;
        }
    }

    pub(super) fn call_back_declined(&mut self) {
        if let Some(call_back) = &mut self.call_back {
            call_back.declined = true;
        }
    }

    /// The call is over, and was in this state.
    pub(super) fn end_call_back(&mut self, state: State, out: &mut Vec<Output>) {
        let Some(call_back) = self.call_back.as_ref().filter(|call_back| !call_back.agreed) else { return };
        let end = match state {
            _ if call_back.declined => CallBackEnd::Declined,
            State::Talking => CallBackEnd::Machine,
            State::Offered | State::Answered | State::Over | State::Gone => {
                call_back.unanswered.unwrap_or(CallBackEnd::Failed)
            }
        };
        out.push(Effect::CallBackEnded(end).into());
    }

    /// A request of the caller.
    pub(super) fn book_call_back(&mut self, request: CallBackRequest, out: &mut Vec<Output>) {
        let lang = self.cdr.spoken();
        out.push(Effect::BookCallBack(Box::new(CallBackRequest { lang, ..request })).into());
    }
}
