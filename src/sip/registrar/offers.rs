//! Which digests a phone is offered: all, the preferred first (RFC 8760 §2.3), or the plainest alone.
//!
//! ```text
//!  challenged with all ──► credentials come ──► all, the next time too
//!                     └──► another request without any ──► the plainest alone, as long as the phone goes on so
//! ```
//! A phone of before RFC 8760 may give up on a challenge whose algorithm it does not know, in whatever order they stand: libre 1.1
//! (baresip 1.0) answers one with MD5 alone. Nothing becomes weaker by that: who can take a challenge off the line could take
//! SHA-256 out of it as well.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::message::Message;

/// The phones that have not answered their last challenge, or were offered the plainest digest alone.
#[derive(Debug, Default)]
pub(super) struct Offers(VecDeque<Phone>);

#[derive(Debug)]
struct Phone {
    source: IpAddr,
    /// The address of record, as written.
    user: String,
    call_id: String,
    cseq: u32,
    plain: bool,
    until: Instant,
}

impl Offers {
    /// A request without credentials is challenged: whether with the plainest digest alone.
    pub(super) fn unanswered(&mut self, now: Instant, request: &Message, source: IpAddr) -> bool {
        self.0.retain(|phone| phone.until > now);
        let (user, call_id, cseq) = (request.to().uri, request.call_id(), request.cseq().number);
        if user.len() > USER_MAX {
            return false;
        }
        if let Some(phone) = self.0.iter_mut().find(|phone| phone.source == source && phone.user == user) {
            phone.plain |= phone.call_id != call_id || phone.cseq != cseq;
            phone.until = now + KEPT;
            return phone.plain;
        }
        if self.0.len() >= PHONES_MAX {
            self.0.pop_front();
        }
        let (user, call_id, until) = (user.to_owned(), call_id.to_owned(), now + KEPT);
        self.0.push_back(Phone { source, user, call_id, cseq, plain: false, until });
        false
    }

    /// A phone has sent credentials: whether its next challenge is one with the plainest digest alone.
    pub(super) fn answered(&mut self, request: &Message, source: IpAddr) -> bool {
        let user = request.to().uri;
        let is_it = |phone: &Phone| phone.source == source && phone.user == user;
        self.0.retain(|phone| phone.plain || !is_it(phone));
        self.0.iter().any(is_it)
    }
}

/// A phone that is offered one digest is offered all again after so long without it, or after a restart.
const KEPT: Duration = Duration::from_secs(86_400);
const PHONES_MAX: usize = 1024;
const USER_MAX: usize = 256;
