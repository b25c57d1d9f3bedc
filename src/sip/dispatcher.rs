//! The dispatcher: decides which call a message belongs to, and answers requests that need no call.
//!
//! ```text
//! response, ACK ──────── known call? ─► Leg, else Drop (an ACK and a stray response get no response)
//! request with To tag ── known call? ─► Leg, else 481
//! OPTIONS ────────────── 200, or 503 while draining: the heartbeat of a trunk
//! INVITE ─────────────── known call? ─► Leg; 416, 420, 415, 406; 503 when full or draining; else a new call
//! other methods ──────── 405 (known to SIP) or 501, with Allow
//! ```
//!
//! The dispatcher keeps no state: the To tag of a reply is derived from the request, so a retransmission gets the same
//! reply.

use std::time::Duration;

use super::arrival::{Arrival, Outgoing};
use super::body::{self, media_type};
use super::grammar::Method;
use super::lexer::HeaderName;
use super::limits;
use super::message::Message;
use super::response::{Response, host_of, stateless_tag};
use super::uri::{Scheme, Uri};

/// The Allow value: the methods that a call accepts.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
/// The Accept value: the body that an INVITE may carry.
pub(crate) const ACCEPT: &str = "application/sdp";
/// The Supported value: session timers (RFC 4028).
pub(crate) const SUPPORTED: &str = "timer";

/// The disposition of a message.
#[derive(Debug)]
pub enum Disposition {
    /// A stray response or ACK: no action.
    Drop,
    /// A stateless response, to be sent.
    Reply(Outgoing),
    /// For the existing leg of the message's key.
    Leg,
    /// A new call under the message's key.
    Invite,
}

/// The state of the node when a message arrives.
#[derive(Clone, Copy, Debug)]
pub struct NodeState {
    /// [`Message::leg_key`] of this message names an existing leg.
    pub known: bool,
    /// The node finishes its calls and takes no new ones.
    pub draining: bool,
    /// No line is free.
    pub full: bool,
    /// The Retry-After of a 503.
    pub retry_after: Duration,
}

/// The dispatcher.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    seed: u64,
}

impl Dispatcher {
    /// `seed` makes the To tags of stateless replies unique to this node.
    pub fn new(seed: u64) -> Dispatcher {
        Dispatcher { seed }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The disposition of one message.
    pub fn dispatch(&self, message: &Message, arrival: &Arrival, state: NodeState) -> Disposition {
        let Some(method) = message.method() else { return sort_response(message, state) };
        let asked = match method {
            Method::Ack if state.known => return Disposition::Leg,
            Method::Ack => return Disposition::Drop,
            Method::Invite | Method::Bye | Method::Cancel | Method::Info | Method::Update | Method::Notify => true,
            Method::Options => !message.to_tag().is_empty(),
            Method::Register
            | Method::Prack
            | Method::Refer
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => return self.refuse_method(message, arrival, state),
        };
        if asked && state.known {
            return Disposition::Leg;
        }
        if !message.to_tag().is_empty() || !matches!(method, Method::Invite | Method::Options) {
            return Disposition::Reply(self.reply(message, arrival, 481).done());
        }
        if let Some(reply) = self.check(message, arrival) {
            return Disposition::Reply(reply);
        }
        if *method == Method::Options {
            return Disposition::Reply(self.heartbeat(message, arrival, state));
        }
        match self.check_offer(message, arrival).or_else(|| self.check_room(message, arrival, state)) {
            Some(reply) => Disposition::Reply(reply),
            None => Disposition::Invite,
        }
    }

    /// A 481 to a request whose leg has ended meanwhile; `None` for an ACK or a response.
    pub fn no_such_leg(&self, message: &Message, arrival: &Arrival) -> Option<Outgoing> {
        let silent = message.method().is_none_or(|method| *method == Method::Ack);
        (!silent).then(|| self.reply(message, arrival, 481).done())
    }

    /// A rejection of a new call that the caller of this crate decides: number unknown (404), not a trunk (403), fault (500).
    pub fn reject(&self, message: &Message, arrival: &Arrival, status: u16) -> Outgoing {
        self.reply(message, arrival, status).done()
    }

    /// The same with a reason phrase of its own, which telephones show to their user (RFC 3261 §7.2).
    pub fn reject_saying(&self, message: &Message, arrival: &Arrival, status: u16, reason: &str) -> Outgoing {
        message.respond_saying(arrival, status, reason, &stateless_tag(self.seed, &message.head)).done()
    }

    /// A 503 with Retry-After: no line is free, or the call rate is above its limit.
    pub fn unavailable(&self, message: &Message, arrival: &Arrival, state: NodeState) -> Outgoing {
        let seconds = state.retry_after.as_secs().max(1).to_string();
        self.reply(message, arrival, 503).header("Retry-After", &seconds).done()
    }

    fn reply(&self, message: &Message, arrival: &Arrival, status: u16) -> Response {
        message.respond(arrival, status, &stateless_tag(self.seed, &message.head))
    }

    /// A request inside a known call goes to its leg, whose 405 or 501 carries the dialog's tag.
    fn refuse_method(&self, message: &Message, arrival: &Arrival, state: NodeState) -> Disposition {
        if state.known && !message.to_tag().is_empty() {
            return Disposition::Leg;
        }
        let status = status_of_refused(message.method());
        Disposition::Reply(self.reply(message, arrival, status).header("Allow", ALLOW).done())
    }

    /// The checks that OPTIONS and INVITE share: URI scheme (416) and required extensions (420).
    fn check(&self, message: &Message, arrival: &Arrival) -> Option<Outgoing> {
        let scheme = Uri::read(message.request_uri()).map_or(Scheme::Other, |uri| uri.scheme);
        if scheme == Scheme::Other {
            return Some(self.reply(message, arrival, 416).done());
        }
        let tags = unsupported(message)?;
        Some(self.reply(message, arrival, 420).header("Unsupported", &tags).done())
    }

    fn check_offer(&self, message: &Message, arrival: &Arrival) -> Option<Outgoing> {
        if let Some(encoding) = foreign_encoding(message) {
            return Some(self.reply(message, arrival, 415).header("Accept-Encoding", encoding).done());
        }
        if has_foreign_body(message) {
            return Some(self.reply(message, arrival, 415).header("Accept", ACCEPT).done());
        }
        (!accepts_sdp(message)).then(|| self.reply(message, arrival, 406).header("Accept", ACCEPT).done())
    }

    fn check_room(&self, message: &Message, arrival: &Arrival, state: NodeState) -> Option<Outgoing> {
        (state.draining || state.full).then(|| self.unavailable(message, arrival, state))
    }

    fn heartbeat(&self, message: &Message, arrival: &Arrival, state: NodeState) -> Outgoing {
        if state.draining {
            return self.unavailable(message, arrival, state);
        }
        let mut response = self.reply(message, arrival, 200);
        if let Some(contact) = contact_of(arrival) {
            response = response.header("Contact", &contact);
        }
        capabilities(response).done()
    }
}

fn sort_response(message: &Message, state: NodeState) -> Disposition {
    // More than one Via: the response belongs to another element (RFC 3261 §8.1.3.3).
    let expected = state.known && message.list(HeaderName::Via).count() == 1;
    if expected { Disposition::Leg } else { Disposition::Drop }
}

/// 501 for an extension method, 405 for a known method that is not served.
pub(super) fn status_of_refused(method: Option<&Method>) -> u16 {
    if matches!(method, Some(Method::Other(_))) { 501 } else { 405 }
}

/// The capability headers of a 200 to OPTIONS (RFC 3261 §11.2).
pub(super) fn capabilities(response: Response) -> Response {
    response
        .header("Allow", ALLOW)
        .header("Accept", ACCEPT)
        .header("Accept-Encoding", "identity")
        .header("Accept-Language", "zh, en")
        .header("Supported", SUPPORTED)
}

/// The listener's address as a Contact; `None` for an unspecified address, which is unreachable.
fn contact_of(arrival: &Arrival) -> Option<String> {
    let local = arrival.local;
    if local.ip().is_unspecified() {
        return None;
    }
    let transport = arrival.transport.uri_param();
    Some(format!("<sip:{}:{}{transport}>", host_of(local.ip()), local.port()))
}

/// The required extensions that are not supported, as an Unsupported value.
///
/// `100rel` is accepted: a call gets its final response without a reliable provisional one, so no PRACK is needed.
pub(super) fn unsupported(message: &Message) -> Option<String> {
    let unknown = message
        .list(HeaderName::Require)
        .filter(|tag| !["timer", "100rel"].iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .take(limits::UNSUPPORTED_TAGS);
    let tags = unknown.collect::<Vec<_>>().join(", ");
    (!tags.is_empty()).then_some(tags)
}

/// The Accept-Encoding value of a 415, if the body has another encoding.
pub(super) fn foreign_encoding(message: &Message) -> Option<&'static str> {
    let foreign = message.list(HeaderName::ContentEncoding).any(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    (foreign && !message.body.is_empty()).then_some("identity")
}

/// Whether the body holds no session description and its handling is not optional.
pub(super) fn has_foreign_body(message: &Message) -> bool {
    let optional = body::is_optional(message.header_named("Content-Disposition"))
        || body::may_be_ignored(message.header(HeaderName::ContentType), &message.body);
    !message.body.is_empty() && message.sdp().is_none() && !optional
}

/// Whether the caller accepts a session description in the response (RFC 3261 §20.1).
fn accepts_sdp(message: &Message) -> bool {
    let mut kinds = message.list(HeaderName::Accept).map(media_type).peekable();
    kinds.peek().is_none() || kinds.any(|kind| matches!(kind.as_str(), "application/sdp" | "application/*" | "*/*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;
    use crate::test_peer::{OFFER, Peer, addr, arrival};
    use crate::{Target, parse_datagram};

    const IDLE: NodeState =
        NodeState { known: false, draining: false, full: false, retry_after: Duration::from_secs(9) };

    fn sort(message: &Message, state: NodeState) -> Disposition {
        Dispatcher::new(1).dispatch(message, &arrival(Transport::Udp), state)
    }

    fn reply(message: &Message, state: NodeState) -> Message {
        match sort(message, state) {
            Disposition::Reply(reply) => parse_datagram(&reply.bytes).expect("our messages are well formed"),
            other => panic!("{other:?}"),
        }
    }

    fn peer() -> Peer {
        Peer::new(Transport::Udp)
    }

    #[test]
    fn options_is_200_or_503_while_draining() {
        let options = peer().request("OPTIONS", "", "");
        let up = reply(&options, IDLE);
        assert_eq!((up.status(), up.header(HeaderName::Contact)), (Some(200), Some("<sip:192.0.2.1:5060>")));
        assert!(up.lists(HeaderName::Allow, "INVITE") && up.lists(HeaderName::Supported, "timer"));
        let down = reply(&options, NodeState { draining: true, ..IDLE });
        assert_eq!((down.status(), down.header(HeaderName::RetryAfter)), (Some(503), Some("9")));
        assert_eq!(reply(&options, NodeState { full: true, ..IDLE }).status(), Some(200), "full is not down");
    }

    #[test]
    fn an_unspecified_listener_is_never_advertised() {
        let options = peer().request("OPTIONS", "", "");
        for any in ["0.0.0.0:5060", "[::]:5060"] {
            let arrival = Arrival { local: addr(any), ..arrival(Transport::Udp) };
            let Disposition::Reply(reply) = Dispatcher::new(1).dispatch(&options, &arrival, IDLE) else {
                panic!("a reply")
            };
            assert!(!String::from_utf8_lossy(&reply.bytes).contains("Contact"));
        }
    }

    #[test]
    fn a_new_call_is_refused_while_draining_or_full_and_a_known_one_is_not() {
        let invite = peer().request("INVITE", "", OFFER);
        assert!(matches!(sort(&invite, IDLE), Disposition::Invite));
        for state in [NodeState { draining: true, ..IDLE }, NodeState { full: true, ..IDLE }] {
            let refused = reply(&invite, state);
            assert_eq!((refused.status(), refused.header(HeaderName::RetryAfter)), (Some(503), Some("9")));
            assert!(matches!(sort(&invite, NodeState { known: true, ..state }), Disposition::Leg));
        }
    }

    #[test]
    fn a_retransmission_gets_the_same_tag_and_another_request_another() {
        let mut peer = peer();
        let invite = peer.request("INVITE", "", OFFER);
        let full = NodeState { full: true, ..IDLE };
        assert_eq!(reply(&invite, full).to_tag(), reply(&invite, full).to_tag());
        let other = peer.request("INVITE", "", OFFER);
        assert_ne!(reply(&invite, full).to_tag(), reply(&other, full).to_tag());
    }

    #[test]
    fn requests_of_unknown_calls_are_481_and_acks_get_no_response() {
        let mut peer = peer();
        peer.to_tag = "gone".into();
        for method in ["BYE", "INFO", "UPDATE", "NOTIFY", "CANCEL", "INVITE", "OPTIONS"] {
            let request = peer.request(method, "", "");
            assert_eq!(reply(&request, IDLE).status(), Some(481), "{method}");
            assert!(matches!(sort(&request, NodeState { known: true, ..IDLE }), Disposition::Leg), "{method}");
            assert!(Dispatcher::new(1).no_such_leg(&request, &arrival(Transport::Udp)).is_some());
        }
        let ack = peer.ack(1, "");
        assert!(matches!(sort(&ack, IDLE), Disposition::Drop));
        assert!(Dispatcher::new(1).no_such_leg(&ack, &arrival(Transport::Udp)).is_none());
    }

    #[test]
    fn a_response_goes_to_its_leg_and_strays_are_dropped() {
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:us@h>;tag=us\r\n\
                    To: <sip:them@h>;tag=them\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
        let response = parse_datagram(text.as_bytes()).expect("sound");
        assert!(matches!(sort(&response, IDLE), Disposition::Drop));
        let known = NodeState { known: true, ..IDLE };
        assert!(matches!(sort(&response, known), Disposition::Leg));
        let key = response.leg_key();
        assert_eq!((key.call_id.as_str(), key.remote_tag.as_str()), ("c", "them"));
        let proxied = text.replacen("From", "Via: SIP/2.0/UDP 192.0.2.3\r\nFrom", 1);
        assert!(matches!(sort(&parse_datagram(proxied.as_bytes()).expect("sound"), known), Disposition::Drop));
    }

    #[test]
    fn unsupported_requirements_of_an_invite_are_rejected_by_name() {
        let mut peer = peer();
        let refused = reply(&peer.request("INVITE", "Require: replaces, timer, 100rel\r\n", OFFER), IDLE);
        assert_eq!((refused.status(), refused.header_named("Unsupported")), (Some(420), Some("replaces")));
        let refused = reply(&peer.request("INVITE", "Content-Encoding: gzip\r\n", OFFER), IDLE);
        assert_eq!((refused.status(), refused.header_named("Accept-Encoding")), (Some(415), Some("identity")));
        let refused = reply(&peer.request("INVITE", "Content-Type: text/plain\r\n", "hello"), IDLE);
        assert_eq!((refused.status(), refused.header(HeaderName::Accept)), (Some(415), Some("application/sdp")));
        let optional = "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n";
        assert!(matches!(sort(&peer.request("INVITE", optional, "hello"), IDLE), Disposition::Invite));
        assert!(matches!(sort(&peer.request("INVITE", "Accept: */*\r\n", OFFER), IDLE), Disposition::Invite));
    }

    #[test]
    fn a_known_call_rejects_unknown_methods_itself() {
        let mut peer = peer();
        let message = peer.request("MESSAGE", "", "");
        assert_eq!(reply(&message, NodeState { known: true, ..IDLE }).status(), Some(405));
        peer.to_tag = "ours".into();
        let message = peer.request("MESSAGE", "", "");
        assert!(matches!(sort(&message, NodeState { known: true, ..IDLE }), Disposition::Leg));
    }

    #[test]
    fn replies_go_back_on_the_socket_of_the_request() {
        let options = peer().request("OPTIONS", "", "");
        let Disposition::Reply(reply) = sort(&options, IDLE) else { panic!("a reply") };
        let expected = addr("192.0.2.1:5060");
        assert!(matches!(reply.to, Target::Same { local, .. } if local == expected));
    }
}
