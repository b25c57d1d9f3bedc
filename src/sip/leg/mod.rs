//! One call, seen from the side that is called: the INVITE, its answer, what happens inside the call, its end.
//!
//! ```text
//!            Answer               ACK, or any request in the call
//!  Offered ──────────► Answered ──────────────────────────────────► Established
//!     │ Refuse, CANCEL    │ BYE, no ACK, HangUp (BYE after the ACK)      │ BYE, HangUp, expired, lost
//!     └───────────────────┴──────────────────────────────────────────────┴──► Over ── timers done ──► Gone
//! ```
//!
//! The leg owns the transactions of its call. Repeats of requests are answered from memory and go no further; the
//! 2xx repeats until its ACK on every transport, refusals over UDP. After the end of a call over UDP the leg stays for
//! 64·T1, so that late repeats are not taken for a new call.
//!
//! Whoever runs the leg answers every [`LegOutput::Offer`] by `Answer` or `Refuse`, in order.

mod client;
mod dialog;
mod keys;
mod offers;
mod outgoing;
mod requests;
mod server;
mod session;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::Bytes;

use self::client::Clients;
use self::dialog::Dialog;
use self::server::{Id, InviteServer, Invites, Phase, Replies};
use self::session::Session;
use super::arrival::{Arrival, Outgoing};
use super::limits::{GIVE_UP, TRYING_AFTER};
use super::message::{LegKey, Message};
use base::{Deadline, Key, earliest};

/// Who we are in a call.
#[derive(Clone, Debug)]
pub struct Local {
    /// The URI that the other side reaches us by, without brackets: `sip:192.0.2.1:5060`. Never an unspecified address.
    /// `;transport=tcp` is added for a call that came over TCP.
    pub contact_uri: String,
    /// Makes tags and branches; random, of this call only.
    pub seed: u64,
    /// RFC 4028: the session interval that we ask for, and the smallest that we accept.
    pub session_expires: Duration,
    pub min_se: Duration,
}

/// What happens to a leg.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every input is a message")]
pub enum LegInput {
    /// A message of this call, the INVITE that began it included when it is repeated.
    Received { message: Message, arrival: Arrival },
    /// The answer to the oldest offer, or our own offer when it was `Offer { sdp: None }`.
    Answer { sdp: Vec<u8> },
    /// The oldest offer is refused; the first one's refusal ends the call.
    Refuse {
        status: u16,
        /// A code of RFC 3261 §20.43 and what to tell the other side's engineers.
        warning: Option<(u16, String)>,
        retry_after: Option<Duration>,
    },
    /// Send the other side elsewhere (RFC 3515).
    Refer { target_uri: String, referred_by: Option<String> },
    /// End the call. `reason` is a whole Reason value (RFC 3326): `Q.850;cause=16;text="Normal call clearing"`.
    HangUp { reason: Option<&'static str> },
    /// What was sent could not be delivered, and never will be.
    TransportFailed,
    /// [`Leg::deadline`] has come.
    Deadline,
}

/// What a leg wants done, or tells.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "outputs are few, and moved once")]
pub enum LegOutput {
    Send(Outgoing),
    /// An offer that waits for its answer; `None`: the other side wants our offer.
    Offer {
        sdp: Option<Bytes>,
    },
    /// The answer to an offer of ours.
    AnswerReceived {
        sdp: Bytes,
    },
    /// The other side knows that it is answered.
    Established,
    /// A key by INFO.
    Key(Key),
    /// How the REFER goes.
    Referred(Progress),
    /// The call is over: media and lines can be freed.
    Ended {
        why: Why,
    },
    /// An INVITE that begins another call under the key of this one, which is over: a caller that was refused tries
    /// again with its Call-ID and tag (RFC 4028 §7.3, RFC 3261 §22.2). `Gone` follows; then the INVITE is to be sorted
    /// as if it had just come.
    Renewed {
        message: Message,
        arrival: Arrival,
    },
    /// The last timer is done: the leg can be dropped.
    Gone,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Trying,
    Ringing,
    Done,
    Busy,
    Failed,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    ByeReceived,
    /// Before it was answered.
    Cancelled,
    /// The 2xx was never acknowledged.
    NoAck,
    /// The ACK brought no answer to our offer.
    NoAnswer,
    /// Nothing refreshed the session (RFC 4028 §10).
    SessionExpired,
    /// The other side knows the call no more (481, 408).
    PeerLost,
    TransportFailed,
    WeHungUp,
    /// The INVITE was not accepted.
    Refused,
}

/// A call's dialog and transactions.
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
    /// The other side takes UPDATE.
    peer_updates: bool,
    /// Our last session description, for a refresh by re-INVITE.
    sdp: Vec<u8>,
    /// The ACK of our last re-INVITE, by its CSeq number.
    ack: Option<(u32, Outgoing)>,
    subscription: Option<outgoing::Subscription>,
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Offered,
    Answered,
    Established,
    Over {
        until: Instant,
        /// The BYE that waits for the ACK (RFC 3261 §15).
        bye: Bye,
    },
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bye {
    /// None is owed: it was sent or received, or there never was a dialog.
    Nothing,
    /// Ours waits for the ACK of the 2xx.
    Waiting(Option<&'static str>),
    /// Ours is out, theirs may cross it.
    Sent,
}

impl Leg {
    /// Begins a call with its INVITE, sorted by [`Front`](super::Front). What comes out first is an `Offer`, or a
    /// refusal and `Ended`.
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
        };
        let mut out = Vec::new();
        leg.take_offer(now, invite, arrival, &mut out);
        (leg, out)
    }

    /// The key that finds this leg.
    pub fn key(&self) -> &LegKey {
        &self.dialog.key
    }

    /// Our tag, as it stands in the To of responses.
    pub fn local_tag(&self) -> &str {
        &self.dialog.local_tag
    }

    /// Whether the call is over and only late repeats are awaited.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. } | Stage::Gone)
    }

    /// Whether something is owed: a request of ours waits for its answer, or an answer of ours for its ACK.
    pub fn owes(&self) -> bool {
        !self.clients.is_empty() || self.invites.iter().any(|invite| invite.next().is_some())
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: LegInput) -> Vec<LegOutput> {
        let mut out = Vec::new();
        match input {
            LegInput::Received { message, arrival } => self.receive(now, message, &arrival, &mut out),
            LegInput::Answer { sdp } => self.answer(now, sdp, &mut out),
            LegInput::Refuse { status, warning, retry_after } => {
                self.refuse(now, &offers::Refusing { status, warning, retry_after }, &mut out);
            }
            LegInput::Refer { target_uri, referred_by } => {
                self.refer(now, &target_uri, referred_by.as_deref(), &mut out);
            }
            LegInput::HangUp { reason } => self.hang_up(now, reason, Why::WeHungUp, &mut out),
            LegInput::TransportFailed => self.lose_transport(now, &mut out),
            LegInput::Deadline => self.run_timers(now, &mut out),
        }
        self.finish(now, &mut out);
        out
    }

    /// When [`LegInput::Deadline`] is due; `None` once the leg is gone.
    pub fn deadline(&self) -> Option<Deadline> {
        let due = |next: Option<(Instant, &'static str)>| next.map(|(at, why)| Deadline { at, why });
        let stage = match self.stage {
            Stage::Over { until, .. } => Some((until, "late repeats")),
            Stage::Offered | Stage::Answered | Stage::Established => None,
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
            self.hang_up(now, Some(EXPIRED), Why::SessionExpired, out);
        } else if session.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_session(now, out);
        }
    }

    fn repeat_responses(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let (mut unheard, mut trying) = (false, Vec::new());
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
                Phase::Accepted(_) => unheard = true,
                Phase::Refused(_) | Phase::Confirmed => {}
            }
            invite.confirm();
        }
        for id in trying {
            self.send_trying(&id, out);
        }
        if unheard {
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
                self.end(now, Bye::Sent, Why::NoAck, out);
            }
            Stage::Offered | Stage::Over { .. } | Stage::Gone => {}
        }
    }

    fn hang_up(&mut self, now: Instant, reason: Option<&'static str>, why: Why, out: &mut Vec<LegOutput>) {
        match self.stage {
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

    fn lose_transport(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        self.clients.clear();
        self.invites.iter_mut().for_each(InviteServer::confirm);
        match self.stage {
            Stage::Offered | Stage::Answered | Stage::Established => {
                self.end(now, Bye::Nothing, Why::TransportFailed, out);
            }
            Stage::Over { .. } | Stage::Gone => {}
        }
    }

    /// The call is over. The leg stays for what may still come late.
    fn end(&mut self, now: Instant, bye: Bye, why: Why, out: &mut Vec<LegOutput>) {
        // Over TCP nothing comes late: what is left is only what waits for its ACK or response.
        let late = if self.dialog.arrival.transport.is_unreliable() { GIVE_UP } else { Duration::ZERO };
        self.stage = Stage::Over { until: now + late, bye };
        self.offers = offers::Offers::default();
        self.session = None;
        self.subscription = None;
        self.sdp = Vec::new();
        out.push(LegOutput::Ended { why });
    }

    /// A leg that is over goes when its time is, or when its last transaction is, whichever is later.
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
