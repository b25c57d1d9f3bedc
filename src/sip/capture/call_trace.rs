//! Which messages belong to the one call that is traced, and when the trace is over.
//!
//! ```text
//!              INVITE that is selected            BYE, CANCEL, or the INVITE is refused
//!  Waiting ────────────────────────────► Following ─────────────────────────────► Closing
//!     │                                     ▲ └──── another INVITE of the call ──────┘ │
//!     └── time, stopped ──► Over ◄── time, size, stopped ──┘            AFTER_CALL ────┘
//! ```

use std::time::{Duration, Instant};

use super::layout::{Layout, call_id};
use super::{Packet, pcap};
use crate::identity::IdentityHeader;
use crate::message::parse_datagram;
use crate::number::{NumberPlan, matches_user};
use crate::uri::Uri;
use crate::{Message, Method, NameAddr};
use base::Deadline;

/// Which call is traced.
#[derive(Clone, PartialEq, Eq)]
pub enum Selection {
    /// The call with this Call-ID, which may be in progress.
    CallId(String),
    /// The next call of a trunk, by its place.
    Trunk(usize),
    /// The next call from or to a number.
    Number(String),
}

/// How much is captured.
#[derive(Clone, Copy, Debug)]
pub struct TraceLimits {
    /// When the trace ends at the latest.
    pub until: Instant,
    /// Octets of the file.
    pub octets: u64,
}

/// Why a trace is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceEnd {
    /// The call has ended.
    CallEnded,
    /// The time was up.
    Time,
    /// The file would be too large.
    Size,
    /// It was stopped.
    Stopped,
}

/// The trace of one call.
pub struct CallTrace {
    selection: Selection,
    plan: NumberPlan,
    limits: TraceLimits,
    octets: u64,
    state: State,
}

enum State {
    Waiting,
    Following { call_id: String, is_answered: bool },
    Closing { call_id: String, until: Instant },
    Over { call_id: Option<String>, end: TraceEnd },
}

/// What a message does to a call.
enum Step {
    Begins,
    Answers,
    Refuses,
    Ends,
    Other,
}

impl CallTrace {
    /// A trace that begins. Numbers are compared by `plan`.
    pub fn new(selection: Selection, plan: NumberPlan, limits: TraceLimits) -> CallTrace {
        let state = match &selection {
            // Whether it was answered is not known; a refused re-INVITE must not end the trace.
            Selection::CallId(call_id) => State::Following { call_id: call_id.clone(), is_answered: true },
            Selection::Trunk(_) | Selection::Number(_) => State::Waiting,
        };
        let header = u64::try_from(pcap::FILE_HEADER).unwrap_or(0);
        CallTrace { selection, plan, limits, octets: header, state }
    }

    /// Whether the trunk of a received INVITE matters.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Whether a message is to be captured. `trunk`: the trunk of a received message, while the trace waits for a call.
    pub fn takes(&mut self, now: Instant, packet: &Packet<'_>, trunk: Option<usize>) -> bool {
        self.on_time(now);
        let is_of_call = match &self.state {
            State::Waiting => self.is_selected(packet, trunk),
            State::Following { call_id: ours, .. } | State::Closing { call_id: ours, .. } => {
                call_id(packet.octets) == Some(ours)
            }
            State::Over { .. } => false,
        };
        if !is_of_call {
            return false;
        }
        if !self.has_room(pcap::record_length(packet)) {
            return false;
        }
        self.follow(now, packet.octets);
        true
    }

    /// Whether a record of so many octets finds room in the file, which has it then. The trace ends where it does not.
    pub fn has_room(&mut self, octets: usize) -> bool {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        if self.ended().is_some() {
            return false;
        }
        if octets > self.limits.octets.saturating_sub(self.octets) {
            self.end(TraceEnd::Size);
            return false;
        }
        self.octets += octets;
        true
    }

    /// Ends what is over by `now`.
    pub fn on_time(&mut self, now: Instant) {
        match &self.state {
            State::Over { .. } => {}
            State::Closing { until, .. } if now >= *until => self.end(TraceEnd::CallEnded),
            _ if now >= self.limits.until => self.end(TraceEnd::Time),
            State::Waiting | State::Following { .. } | State::Closing { .. } => {}
        }
    }

    /// When [`CallTrace::on_time`] is due; `None` once the trace is over.
    pub fn deadline(&self) -> Option<Deadline> {
        let limit = self.limits.until;
        match &self.state {
            State::Over { .. } => None,
            State::Closing { until, .. } => Some(Deadline { at: limit.min(*until), why: "the call has ended" }),
            State::Waiting | State::Following { .. } => Some(Deadline { at: limit, why: "the trace's time is up" }),
        }
    }

    /// Ends the trace.
    pub fn stop(&mut self) {
        self.end(TraceEnd::Stopped);
    }

    /// Why it is over; `None` while it is not.
    pub fn ended(&self) -> Option<TraceEnd> {
        match &self.state {
            State::Over { end, .. } => Some(*end),
            State::Waiting | State::Following { .. } | State::Closing { .. } => None,
        }
    }

    /// The Call-ID of the call; `None` while it waits for one.
    pub fn call_id(&self) -> Option<&str> {
        match &self.state {
            State::Waiting => None,
            State::Following { call_id, .. } | State::Closing { call_id, .. } => Some(call_id),
            State::Over { call_id, .. } => call_id.as_deref(),
        }
    }

    fn end(&mut self, end: TraceEnd) {
        if self.ended().is_none() {
            self.state = State::Over { call_id: self.call_id().map(str::to_owned), end };
        }
    }

    fn is_selected(&self, packet: &Packet<'_>, trunk: Option<usize>) -> bool {
        if !packet.octets.trim_ascii_start().starts_with(b"INVITE ") {
            return false;
        }
        let Ok(invite) = parse_datagram(packet.octets) else { return false };
        if !invite.is(&Method::Invite) || !invite.to_tag().is_empty() {
            return false;
        }
        match &self.selection {
            Selection::CallId(call_id) => invite.call_id() == call_id,
            Selection::Trunk(wanted) => trunk == Some(*wanted),
            Selection::Number(number) => users(&invite).any(|user| matches_user(number, &user, &self.plan)),
        }
    }

    fn follow(&mut self, now: Instant, octets: &[u8]) {
        let closing = |call_id: &str| State::Closing { call_id: call_id.to_owned(), until: now + AFTER_CALL };
        let next = match (&self.state, step(octets)) {
            (State::Waiting, _) => {
                call_id(octets).map(|call_id| State::Following { call_id: call_id.to_owned(), is_answered: false })
            }
            (State::Following { call_id, .. }, Step::Ends) => Some(closing(call_id)),
            (State::Following { call_id, is_answered: false }, Step::Refuses) => Some(closing(call_id)),
            (State::Following { call_id, .. }, Step::Answers) => {
                Some(State::Following { call_id: call_id.clone(), is_answered: true })
            }
            (State::Following { call_id, .. } | State::Closing { call_id, .. }, Step::Begins) => {
                Some(State::Following { call_id: call_id.clone(), is_answered: false })
            }
            (State::Following { .. } | State::Closing { .. } | State::Over { .. }, _) => None,
        };
        if let Some(next) = next {
            self.state = next;
        }
    }
}

/// The user parts that an INVITE names: called, calling, asserted, diverted.
fn users(invite: &Message) -> impl Iterator<Item = String> {
    let headers = IdentityHeader::ALL.into_iter().flat_map(|header| invite.headers_named(header.name()));
    let parties = headers.flat_map(crate::grammar::values).filter_map(|value| NameAddr::read(value).ok());
    let uris = [invite.from(), invite.to()].into_iter().chain(parties).map(|party| party.uri.to_owned());
    let named = uris.filter_map(|uri| Uri::read(&uri).ok().and_then(|uri| uri.user.map(str::to_owned)));
    invite.called_user().into_iter().chain(named)
}

fn step(octets: &[u8]) -> Step {
    let layout = Layout::of(octets);
    let start = &octets[layout.start.clone()];
    if start.starts_with(b"BYE ") || start.starts_with(b"CANCEL ") {
        return Step::Ends;
    }
    let begins = || {
        let to = layout.value(octets, &["to", "t"]).map(String::from_utf8_lossy);
        to.is_some_and(|to| NameAddr::read(&to).is_ok_and(|to| to.tag().is_none()))
    };
    if start.starts_with(b"INVITE ") {
        return if begins() { Step::Begins } else { Step::Other };
    }
    let cseq = layout.value(octets, &["cseq"]);
    if !cseq.is_some_and(|cseq| cseq.ends_with(b"INVITE")) {
        return Step::Other;
    }
    match start.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.first()) {
        Some(b'2') => Step::Answers,
        Some(b'3'..=b'6') => Step::Refuses,
        _ => Step::Other,
    }
}

/// Late retransmissions, and the response to a BYE, belong to the call.
const AFTER_CALL: Duration = Duration::from_secs(5);
