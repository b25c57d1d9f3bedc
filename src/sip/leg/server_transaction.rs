//! Server transactions of a leg: an INVITE retransmits its final response until the ACK (RFC 3261 §17.2.1), other requests
//! get the stored response when they are retransmitted (§17.2.2).
//!
//! ```text
//!              2xx                              ACK
//!  Pending ──────────► Accepted ─ resends 2xx ──────────► Confirmed   (RFC 3261 §13.3.1.4, on every transport)
//!     │                   └── 64·T1 without ACK ─► BYE
//!     └── 3xx–6xx ───► Refused ── resends (UDP) ── ACK or 64·T1 ─► Confirmed   (§17.2.1, Timers G, H)
//! ```

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::arrival::{Arrival, Outgoing};
use crate::grammar::Method;
use crate::limits::{self, GIVE_UP, T1, T2};
use crate::message::Message;

/// What identifies a server transaction: RFC 3261 §17.2.3, and the CSeq number, because some peers use one branch for all
/// requests of a call, and a second key must not count as a retransmission of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id {
    branch: String,
    host: String,
    port: Option<u16>,
    method: Method,
    cseq: u32,
}

impl Id {
    /// The transaction that a request belongs to; `None` for a response.
    pub(super) fn of(message: &Message) -> Option<Id> {
        let via = message.via();
        Some(Id {
            branch: via.branch.clone(),
            host: via.host.clone(),
            port: via.port,
            method: message.method()?.clone(),
            cseq: message.cseq().number,
        })
    }

    /// The INVITE that a CANCEL is for.
    pub(super) fn of_invite(mut self) -> Id {
        self.method = Method::Invite;
        self
    }

    /// Stands for the transaction where its octets are not kept. Who does not know the seed cannot find two that are alike.
    pub(super) fn hash(&self, seed: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (seed, &self.branch, &self.host, self.port, &self.method, self.cseq).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether an ACK of a rejection, or a CANCEL, is for this INVITE (RFC 3261 §9.2, §17.2.3).
    fn is_for(&self, invite: &Id) -> bool {
        self.branch == invite.branch && self.host == invite.host && self.port == invite.port && self.cseq == invite.cseq
    }
}

/// The retransmission timer of a final response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    /// `None` over a reliable transport.
    pub at: Option<Instant>,
    pub pause: Duration,
    pub until: Instant,
}

impl Repeat {
    pub(super) fn new(now: Instant, repeats: bool) -> Repeat {
        Repeat { at: repeats.then(|| now + T1), pause: T1, until: now + GIVE_UP }
    }

    /// Whether the response is due at `now`; doubles the interval, up to T2.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.pause = (self.pause * 2).min(T2);
            self.at = Some(now + self.pause);
        }
        due
    }

    pub(super) fn next(&self) -> Instant {
        self.at.map_or(self.until, |at| at.min(self.until))
    }
}

/// The state of an INVITE transaction.
#[derive(Debug)]
pub(super) enum Phase {
    /// No final response yet; the 100 is due at this moment unless it went out.
    Pending {
        trying_at: Option<Instant>,
    },
    Accepted(Repeat),
    Refused(Repeat),
    /// Acknowledged or timed out: retransmissions of the INVITE are absorbed.
    Confirmed,
}

/// The server transaction of one INVITE.
#[derive(Debug)]
pub(super) struct InviteServer {
    pub id: Id,
    pub phase: Phase,
    /// The INVITE, until its final response is written.
    pub request: Option<Box<(Message, Arrival)>>,
    /// The response that a retransmitted INVITE gets.
    pub last: Option<Outgoing>,
    /// The INVITE had no offer: the 2xx contains it, and the ACK the answer.
    pub delayed: bool,
}

impl InviteServer {
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. })
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.phase, Phase::Accepted(_))
    }

    /// Ends retransmission; a late INVITE is absorbed.
    pub(super) fn confirm(&mut self) {
        self.phase = Phase::Confirmed;
        self.request = None;
        self.last = None;
    }

    pub(super) fn is_numbered(&self, cseq: u32) -> bool {
        self.id.cseq == cseq
    }

    pub(super) fn is_cancelled_by(&self, cancel: &Id) -> bool {
        cancel.is_for(&self.id)
    }

    pub(super) fn next(&self) -> Option<(Instant, &'static str)> {
        match &self.phase {
            Phase::Pending { trying_at } => trying_at.map(|at| (at, "trying")),
            Phase::Accepted(repeat) => Some((repeat.next(), "2xx retransmission")),
            Phase::Refused(repeat) => Some((repeat.next(), "rejection retransmission")),
            Phase::Confirmed => None,
        }
    }
}

/// The INVITEs of a leg, oldest first, bounded.
#[derive(Debug, Default)]
pub(super) struct Invites(Vec<InviteServer>);

impl Invites {
    /// Adds a transaction, in place of the oldest confirmed one if all places are taken; `false` if none is confirmed.
    pub(super) fn push(&mut self, invite: InviteServer) -> bool {
        if self.0.len() >= limits::INVITES {
            match self.0.iter().position(|invite| matches!(invite.phase, Phase::Confirmed)) {
                Some(done) => drop(self.0.remove(done)),
                None => return false,
            }
        }
        self.0.push(invite);
        true
    }

    /// Ends the retransmission of every 2xx: the call ends with BYE.
    pub(super) fn stop_accepting(&mut self) {
        for invite in self.0.iter_mut().filter(|invite| invite.is_accepted()) {
            invite.confirm();
        }
    }

    /// The INVITE whose final response an ACK acknowledges: a rejected one by its branch, else an accepted one by its
    /// number. The ACK of a 2xx has a branch of its own (RFC 3261 §13.2.2.4), though some clients use the INVITE's.
    pub(super) fn acknowledged_by(&mut self, ack: &Id) -> Option<&mut InviteServer> {
        let refused = |invite: &InviteServer| matches!(invite.phase, Phase::Refused(_)) && ack.is_for(&invite.id);
        let accepted = |invite: &InviteServer| invite.is_accepted() && invite.is_numbered(ack.cseq);
        let at = self.0.iter().position(refused).or_else(|| self.0.iter().position(accepted))?;
        self.0.get_mut(at)
    }

    pub(super) fn find(&mut self, matches: impl Fn(&InviteServer) -> bool) -> Option<&mut InviteServer> {
        self.0.iter_mut().find(|invite| matches(invite))
    }

    pub(super) fn of(&mut self, id: &Id) -> Option<&mut InviteServer> {
        self.find(|invite| invite.id == *id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &InviteServer> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut InviteServer> {
        self.0.iter_mut()
    }
}

/// The last responses to requests other than INVITE, bounded.
#[derive(Debug, Default)]
pub(super) struct Replies(VecDeque<(Id, Option<Outgoing>)>);

impl Replies {
    /// `None`: unknown. `Some(None)`: known, without a response yet.
    pub(super) fn of(&self, id: &Id) -> Option<Option<&Outgoing>> {
        self.0.iter().rev().find(|(known, _)| known == id).map(|(_, reply)| reply.as_ref())
    }

    /// The requests that got a response, with its status.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (&Id, u16)> {
        let status = |reply: &Outgoing| std::str::from_utf8(reply.bytes.get(8..11)?).ok()?.parse().ok();
        self.0.iter().filter_map(move |(id, reply)| Some((id, reply.as_ref().and_then(status)?)))
    }

    /// Stores a request and its response, or that it has none yet; the oldest entry makes room.
    pub(super) fn note(&mut self, id: Id, reply: Option<Outgoing>) {
        if let Some(known) = self.0.iter_mut().find(|(known, _)| *known == id) {
            known.1 = reply;
            return;
        }
        if self.0.len() == limits::CACHED_RESPONSES {
            self.0.pop_front();
        }
        self.0.push_back((id, reply));
    }
}
