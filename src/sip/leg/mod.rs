//! A leg: one side of a call (RFC 3261 §12, §13): the INVITE, its answer, requests inside the dialog, its end.
//!
//! ```text
//!            Answer               ACK, or any request in the call
//!  Offered ──────────► Answered ──────────────────────────────────► Established ◄── 2xx ── Calling
//!     │ Refuse, CANCEL    │ BYE, no ACK, HangUp (BYE after the ACK)      │ BYE, HangUp, expired, lost   │ 3xx–6xx, HangUp
//!     └───────────────────┴──────────────────────────────────────────────┴──────────────────────────────┴──► Over ──► Gone
//! ```
//!
//! A call that comes in begins as Offered ([`Leg::new`]), a call of this side as Calling ([`Leg::call`], `calling.rs`);
//! what follows the answer is the same.
//!
//! The leg owns the dialog and its transactions. Retransmitted requests get the stored response; the 2xx is retransmitted
//! until its ACK on every transport, a rejection over UDP. After the end of a call over UDP the leg stays for 64·T1, so
//! that a late retransmission does not begin a new call.
//!
//! The caller of [`Leg::handle_input`] answers every [`LegOutput::Offer`] with `Answer` or `Refuse`, in order.

mod calling;
mod client_requests;
pub(super) mod client_transaction;
mod dialog;
mod ended;
mod events;
mod info;
mod offers;
mod server_requests;
mod server_transaction;
mod session_timer;
#[cfg(test)]
mod tests;
mod undelivered;

use std::time::{Duration, Instant};

pub use self::calling::Invitation;
use self::client_transaction::Clients;
use self::dialog::Dialog;
pub use self::ended::{EndedLeg, Late};
pub use self::events::{EndCause, LegInput, LegOutput, Local, TransferProgress};
use self::server_transaction::{Id, InviteServer, Invites, Phase, Replies};
use self::session_timer::Session;
use super::arrival::{Arrival, Outgoing};
use super::limits::{GIVE_UP, TRYING_AFTER};
use super::message::{LegKey, Message};
use base::{Deadline, earliest};

/// The dialog and transactions of one call.
#[derive(Debug)]
pub struct Leg {
    local: Local,
    dialog: Dialog,
    stage: Stage,
    invites: Invites,
    replies: Replies,
    clients: Clients,
    offers: offers::Offers,
    session: Option<Session>,
    /// The peer supports UPDATE.
    peer_updates: bool,
    /// The last local session description, for a refresh by re-INVITE.
    sdp: Vec<u8>,
    /// The ACK of the last local re-INVITE, by its CSeq number.
    ack: Option<(u32, Outgoing)>,
    subscription: Option<client_requests::Subscription>,
    /// That of an earlier REFER without an end so far.
    given_up: Option<client_requests::Subscription>,
    /// Of a call of this side: its INVITE, and the 2xx to it.
    calling: Option<Box<calling::Calling>>,
}

/// The state of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Calling,
    Offered,
    Answered,
    Established,
    Over { until: Instant, bye: Bye },
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bye {
    /// None is due: the peer sent one, or there never was a dialog.
    Nothing,
    /// The local BYE waits for the ACK of the 2xx (RFC 3261 §15).
    Waiting(Option<&'static str>),
    /// The local BYE is out; the peer's may cross it.
    Sent,
}

impl Leg {
    /// Begins a call with an INVITE that [`Dispatcher`](super::Dispatcher) dispatched. The first outputs are an `Offer`, or a
    /// rejection and `Ended`.
    pub fn new(now: Instant, invite: Message, arrival: &Arrival, local: Local) -> (Leg, Vec<LegOutput>) {
        let mut leg = Leg {
            dialog: Dialog::new(&invite, arrival, &local),
            local,
            stage: Stage::Offered,
            invites: Invites::default(),
            replies: Replies::default(),
            clients: Clients::default(),
            offers: offers::Offers::default(),
            session: None,
            peer_updates: false,
            sdp: Vec::new(),
            ack: None,
            subscription: None,
            given_up: None,
            calling: None,
        };
        let mut out = Vec::new();
        leg.take_offer(now, invite, arrival, &mut out);
        (leg, out)
    }

    /// The key of this leg; the remote tag of a call of this side is empty until its answer.
    pub fn key(&self) -> &LegKey {
        &self.dialog.key
    }

    /// The local tag: the To tag of responses.
    pub fn local_tag(&self) -> &str {
        &self.dialog.local_tag
    }

    /// Whether the call is over and the leg stays only for late retransmissions.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. } | Stage::Gone)
    }

    /// Whether a transaction is pending: a local request waits for its final response, or a final response for its ACK.
    pub fn has_pending_transactions(&self) -> bool {
        !self.clients.is_empty() || self.invites.iter().any(|invite| invite.next().is_some())
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: LegInput) -> Vec<LegOutput> {
        let mut out = Vec::new();
        match input {
            LegInput::Received { message, arrival } => self.receive(now, message, &arrival, &mut out),
            LegInput::Answer { sdp } => self.answer(now, sdp, &mut out),
            LegInput::Reject { status, warning, retry_after } => {
                self.refuse(now, &offers::Refusing { status, warning, retry_after }, &mut out);
            }
            LegInput::Refer { target_uri, referred_by } => {
                self.refer(now, &target_uri, referred_by.as_deref(), &mut out);
            }
            LegInput::HangUp { reason } => self.hang_up(now, reason, EndCause::HungUp, &mut out),
            LegInput::Undelivered { message } => self.undelivered(now, &message, &mut out),
            LegInput::Deadline => self.run_timers(now, &mut out),
        }
        self.finish(now, &mut out);
        out
    }

    /// When [`LegInput::Deadline`] is due; `None` once the leg is gone.
    pub fn deadline(&self) -> Option<Deadline> {
        let due = |next: Option<(Instant, &'static str)>| next.map(|(at, why)| Deadline { at, why });
        let stage = match self.stage {
            Stage::Over { until, .. } => Some((until, "late retransmissions")),
            Stage::Calling | Stage::Offered | Stage::Answered | Stage::Established => None,
            Stage::Gone => return None,
        };
        let session = self.session.filter(|_| !self.is_over());
        earliest([
            due(self.invites.iter().filter_map(InviteServer::next).min_by_key(|next| next.0)),
            due(self.clients.next()),
            due(session.map(|session| (session.ends_at, "session expires"))),
            due(session.and_then(|session| session.refresh_at).map(|at| (at, "session refresh"))),
            due(stage),
        ])
    }

    fn run_timers(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        self.repeat_responses(now, out);
        self.repeat_requests(now, out);
        let Some(session) = self.session.filter(|_| !self.is_over()) else { return };
        if session.ends_at <= now {
            self.hang_up(now, Some(EXPIRED), EndCause::SessionExpired, out);
        } else if session.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_session(now, out);
        }
    }

    fn repeat_responses(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let (mut unacknowledged, mut trying) = (false, Vec::new());
        for invite in self.invites.iter_mut() {
            match &mut invite.phase {
                Phase::Pending { trying_at } => {
                    if trying_at.is_some_and(|at| at <= now) {
                        *trying_at = None;
                        trying.push(invite.id.clone());
                    }
                    continue;
                }
                Phase::Accepted(repeat) | Phase::Refused(repeat) if repeat.until > now => {
                    if repeat.is_due(now) {
                        out.extend(invite.last.clone().map(LegOutput::Send));
                    }
                    continue;
                }
                Phase::Accepted(_) => unacknowledged = true,
                Phase::Refused(_) | Phase::Confirmed => {}
            }
            invite.confirm();
        }
        for id in trying {
            self.send_trying(&id, out);
        }
        if unacknowledged {
            self.give_up_on_ack(now, out);
        }
    }

    /// RFC 3261 §13.3.1.4: no ACK for 64·T1 ends the session by a BYE.
    fn give_up_on_ack(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        match self.stage {
            Stage::Over { until, bye: Bye::Waiting(reason) } => {
                self.stage = Stage::Over { until, bye: Bye::Sent };
                self.send_bye(now, reason, out);
            }
            Stage::Answered | Stage::Established => {
                self.send_bye(now, Some(NO_ACK), out);
                self.end(now, Bye::Sent, EndCause::NoAck, out);
            }
            Stage::Calling | Stage::Offered | Stage::Over { .. } | Stage::Gone => {}
        }
    }

    fn hang_up(&mut self, now: Instant, reason: Option<&'static str>, why: EndCause, out: &mut Vec<LegOutput>) {
        match self.stage {
            Stage::Calling => {
                self.cancel(now, out);
                self.end(now, Bye::Nothing, why, out);
            }
            Stage::Offered => {
                let refusing = offers::Refusing { status: 480, warning: None, retry_after: None };
                self.refuse_pending(now, &refusing, out);
                self.end(now, Bye::Nothing, why, out);
            }
            Stage::Answered => {
                self.refuse_all(now, 487, out);
                self.end(now, Bye::Waiting(reason), why, out);
            }
            Stage::Established => {
                self.refuse_all(now, 487, out);
                self.send_bye(now, reason, out);
                self.end(now, Bye::Sent, why, out);
            }
            Stage::Over { .. } | Stage::Gone => {}
        }
    }

    /// Ends the call. The leg stays for late retransmissions.
    fn end(&mut self, now: Instant, bye: Bye, why: EndCause, out: &mut Vec<LegOutput>) {
        // Over TCP nothing is retransmitted: only pending transactions keep the leg.
        let late = if self.dialog.arrival.transport.is_unreliable() { GIVE_UP } else { Duration::ZERO };
        self.stage = Stage::Over { until: now + late, bye };
        self.offers = offers::Offers::default();
        self.session = None;
        (self.subscription, self.given_up) = (None, None);
        self.sdp = Vec::new();
        out.push(LegOutput::Ended { why });
    }

    /// Drops a leg whose call is over after its waiting time and its last transaction, whichever is later.
    fn finish(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let Stage::Over { until, bye } = self.stage else { return };
        if until > now {
            return;
        }
        let rest = self.invites.iter().filter_map(InviteServer::next).chain(self.clients.next());
        match rest.map(|(at, _)| at).max() {
            Some(at) => self.stage = Stage::Over { until: at.max(now), bye },
            None => {
                self.stage = Stage::Gone;
                out.push(LegOutput::Gone);
            }
        }
    }

    fn push_invite(&mut self, now: Instant, message: Message, arrival: &Arrival) -> Option<Id> {
        let id = Id::of(&message)?;
        let delayed = message.sdp().is_none();
        let phase = Phase::Pending { trying_at: Some(now + TRYING_AFTER) };
        let request = Some(Box::new((message, *arrival)));
        let invite = InviteServer { id: id.clone(), phase, request, last: None, delayed };
        self.invites.push(invite).then_some(id)
    }
}

const EXPIRED: &str = "SIP;cause=200;text=\"Session expired\"";
const NO_ACK: &str = "SIP;cause=408;text=\"No ACK\"";
