//! Client transactions of a leg: its INVITE and CANCEL, local BYE, REFER, UPDATE and re-INVITE (RFC 3261 §17.1).
//!
//! Over UDP a request is retransmitted after T1, 2·T1, 4·T1 …: an INVITE until any response, others at most every T2 until
//! a final one. Without a final response it fails after 64·T1; an INVITE with a provisional response, after three minutes.

use std::time::{Duration, Instant};

use crate::arrival::Outgoing;
use crate::grammar::{Class, Method, class};
use crate::limits::{self, GIVE_UP, T1, T2};
use crate::message::Message;

/// A local request that waits for its final response.
#[derive(Debug)]
pub(crate) struct Client {
    pub method: Method,
    pub branch: String,
    pub cseq: u32,
    pub request: Outgoing,
    repeat_at: Option<Instant>,
    pause: Duration,
    began: Instant,
    until: Instant,
    provisional: bool,
}

impl Client {
    pub(crate) fn new(now: Instant, method: Method, branch: String, cseq: u32, request: Outgoing) -> Client {
        let repeat_at = request.to.transport().is_unreliable().then(|| now + T1);
        let until = now + GIVE_UP;
        Client { method, branch, cseq, request, repeat_at, pause: T1, began: now, until, provisional: false }
    }

    /// The same request by another way: a new transaction, with the branch of `request`.
    pub(super) fn again(&self, now: Instant, request: Outgoing) -> Client {
        let branch = branch_of(&request.bytes).unwrap_or_else(|| self.branch.clone());
        Client::new(now, self.method.clone(), branch, self.cseq, request)
    }

    /// Fails after this time, because another way is left to try.
    pub(super) fn within(mut self, now: Instant, limit: Duration) -> Client {
        self.until = self.until.min(now + limit);
        self
    }

    /// Sends it no more.
    pub(super) fn stop_repeating(&mut self) {
        self.repeat_at = None;
    }

    /// Fails at this time, whatever its limit was.
    pub(super) fn end_by(&mut self, until: Instant) {
        self.until = until;
    }

    pub(super) fn has_provisional(&self) -> bool {
        self.provisional
    }

    /// Whether a peer that can be reached would have responded by now.
    fn is_overdue(&self, now: Instant) -> bool {
        !self.provisional && self.began + OVERDUE <= now
    }

    fn is_invite(&self) -> bool {
        self.method == Method::Invite
    }

    fn next(&self) -> (Instant, &'static str) {
        (self.repeat_at.map_or(self.until, |at| at.min(self.until)), "request retransmission")
    }

    fn note_provisional(&mut self, now: Instant) {
        if self.is_invite() {
            self.repeat_at = None;
            if !self.provisional {
                self.until = now + PROVISIONAL_WAIT;
            }
        } else {
            self.pause = T2;
        }
        self.provisional = true;
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.repeat_at.is_some_and(|at| at <= now);
        if due {
            self.pause = if self.is_invite() { self.pause * 2 } else { (self.pause * 2).min(T2) };
            self.repeat_at = Some(now + self.pause);
        }
        due
    }
}

/// The requests that a deadline concerns.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub again: Vec<Outgoing>,
    pub failed: Vec<Client>,
}

/// The pending client transactions.
#[derive(Debug, Default)]
pub(crate) struct Clients(Vec<Client>);

impl Clients {
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < limits::CLIENT_TRANSACTIONS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, client: Client) {
        self.0.push(client);
    }

    /// The first one that fits.
    pub(super) fn find(&mut self, fits: impl Fn(&Client) -> bool) -> Option<&mut Client> {
        self.0.iter_mut().find(|client| fits(client))
    }

    pub(crate) fn any(&self, method: &Method) -> bool {
        self.0.iter().any(|client| client.method == *method)
    }

    /// Removes and returns the transaction of this request.
    pub(crate) fn take(&mut self, request: &[u8]) -> Option<Client> {
        let at = self.0.iter().position(|client| client.request.bytes == request)?;
        Some(self.0.remove(at))
    }

    /// Whether a request goes unanswered for longer than a peer takes that can be reached.
    pub(crate) fn any_overdue(&self, now: Instant) -> bool {
        self.0.iter().any(|client| client.is_overdue(now))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn next(&self) -> Option<(Instant, &'static str)> {
        self.0.iter().map(Client::next).min_by_key(|next| next.0)
    }

    /// Removes and returns the request that this final response ends; `None` for a provisional or unmatched response.
    pub(crate) fn end(&mut self, now: Instant, response: &Message) -> Option<Client> {
        let cseq = response.cseq();
        let at = self.0.iter().position(|client| {
            client.branch == response.via().branch && client.cseq == cseq.number && client.method == cseq.method
        })?;
        match class(response.status()?)? {
            Class::Provisional => {
                self.0[at].note_provisional(now);
                None
            }
            Class::Success | Class::Failure => Some(self.0.remove(at)),
        }
    }

    /// The requests to retransmit at `now`, and those that timed out.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        let mut at = 0;
        while at < self.0.len() {
            if self.0[at].until <= now {
                due.failed.push(self.0.remove(at));
                continue;
            }
            if self.0[at].is_due(now) {
                due.again.push(self.0[at].request.clone());
            }
            at += 1;
        }
        due
    }
}

/// The branch of a request that the dialog wrote.
fn branch_of(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let (_, rest) = text.split_once(";branch=")?;
    rest.split([';', '\r']).next().map(Into::into)
}

/// Three retransmissions: 0.5 s, 1 s and 2 s (RFC 3261 §17.1.2.1), and time for a response to the last.
const OVERDUE: Duration = Duration::from_secs(4);
/// RFC 3261 §16.6 Timer C: more than three minutes between a provisional and a final response.
const PROVISIONAL_WAIT: Duration = Duration::from_secs(181);
