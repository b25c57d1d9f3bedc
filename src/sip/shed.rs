//! Turns new calls away before they are parsed, while more come than can be answered.
//!
//! A node that parses each INVITE of a flood has no time left for the calls that it serves. So an INVITE is read as far as its
//! 503 needs it, and the ACK of that 503 is known by the tag that the 503 gave it. Nothing is kept of either.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use memchr::{memchr, memmem, memrchr};

use super::arrival::{Arrival, Outgoing};
use super::dispatcher::Dispatcher;
use super::fields::Via;
use super::grammar;
use super::lexer::{Head, HeaderName, head_end};
use super::message::LegKey;
use super::name_addr::NameAddr;
use super::response::Response;

/// What a datagram is to a node that sheds new calls.
#[derive(Debug)]
pub enum Shed {
    /// An INVITE outside a dialog: the 503 to send, unless the leg exists already.
    Call(LegKey, Outgoing),
    /// The ACK of such a 503: nothing to do.
    Done,
    /// Anything else: to be parsed. Also an INVITE that cannot be read without doubt.
    Other,
}

impl Dispatcher {
    /// What to do with a datagram. `least` is the least Retry-After of the 503; each call gets another value, so that the
    /// callers do not come back together.
    pub fn shed(&self, datagram: &[u8], arrival: &Arrival, least: Duration) -> Shed {
        if datagram.starts_with(b"ACK ") {
            let plainly = memmem::find(datagram, TAG_PARAMETER).is_some_and(|at| plainly_of_to(datagram, at));
            let ours = plainly || memmem::find(datagram, TAG.as_bytes()).is_some() && acknowledges(datagram);
            return if ours { Shed::Done } else { Shed::Other };
        }
        if !datagram.starts_with(b"INVITE ") {
            return Shed::Other;
        }
        self.turn_away(datagram, arrival, least).map_or(Shed::Other, |(key, reply)| Shed::Call(key, reply))
    }

    fn turn_away(&self, datagram: &[u8], arrival: &Arrival, least: Duration) -> Option<(LegKey, Outgoing)> {
        let (end, _) = head_end(datagram, 0)?;
        let head = Head::read(&datagram[..end]);
        if head.fault.is_some() {
            return None;
        }
        let via = Via::read(head.values_of(HeaderName::Via).next()?).ok()?;
        let from = NameAddr::read(head.only(HeaderName::From, "").ok()??).ok()?;
        let to = NameAddr::read(head.only(HeaderName::To, "").ok()??).ok()?;
        let call_id = head.only(HeaderName::CallId, "").ok()??;
        head.only(HeaderName::CSeq, "").ok()??;
        if to.tag().is_some() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed(), call_id, &via.branch).hash(&mut hasher);
        let hash = hasher.finish();
        let tag = format!("{TAG}{hash:016x}");
        let seconds = spread(least, hash).as_secs().to_string();
        let reply = Response::new(&head, Some(&via), arrival, 503, grammar::reason(503), &tag)
            .header("Retry-After", &seconds)
            .done();
        let key = LegKey { call_id: call_id.into(), remote_tag: from.tag().unwrap_or("").into() };
        Some((key, reply))
    }
}

/// Whether the parameter at this place is that of the To header as most peers write it, which is seen without reading the head:
/// in a line that begins with the header's name, after its address.
fn plainly_of_to(datagram: &[u8], at: usize) -> bool {
    let begin = memrchr(b'\n', &datagram[..at]).map_or(0, |end| end + 1);
    let end = memchr(b'\r', &datagram[at..]).map_or(datagram.len(), |end| at + end);
    let before = &datagram[begin..at];
    let is_to = before.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"to:")) || before.starts_with(b"t:");
    is_to && before.ends_with(b">") && !datagram[at..end].contains(&b'>')
}

/// Whether the tag of the To header is that of a 503 of these.
fn acknowledges(datagram: &[u8]) -> bool {
    let Some((end, _)) = head_end(datagram, 0) else { return false };
    let head = Head::read(&datagram[..end]);
    let to = head.values_of(HeaderName::To).next().and_then(|to| NameAddr::read(to).ok());
    to.is_some_and(|to| to.tag().is_some_and(|tag| tag.starts_with(TAG)))
}

/// The Retry-After of one call, by a hash of what names it: whole seconds from `least` to twice as long. The same call gets
/// the same with each retransmission, and callers who were refused together do not come back together.
pub fn spread(least: Duration, hash: u64) -> Duration {
    let least = least.as_secs().max(1);
    Duration::from_secs(least + hash % (least + 1))
}

/// What the To tags of these 503s begin with; no tag of a call or of another response does.
const TAG: &str = "shed-";
const TAG_PARAMETER: &[u8] = b";tag=shed-";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrival::Transport;
    use crate::message::{Message, parse_datagram};
    use crate::test_peer::arrival;

    const LEAST: Duration = Duration::from_secs(10);

    fn invite() -> String {
        "INVITE sip:96110110@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport\r\n\
         Max-Forwards: 70\r\nf: <sip:a@192.0.2.9>;tag=1\r\nTo: <sip:96110110@192.0.2.1>\r\ni: call@peer\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n"
            .into()
    }

    fn shed(text: &str) -> Shed {
        Dispatcher::new(7).shed(text.as_bytes(), &arrival(Transport::Udp), LEAST)
    }

    fn parsed(text: &str) -> Message {
        parse_datagram(text.as_bytes()).expect("a message")
    }

    #[test]
    fn an_invite_gets_a_503_of_its_own_and_the_same_when_it_comes_again() {
        let (Shed::Call(key, first), Shed::Call(_, again)) = (shed(&invite()), shed(&invite())) else {
            panic!("an INVITE is a new call");
        };
        assert_eq!(key, parsed(&invite()).leg_key());
        assert_eq!(first, again);
        let reply = parse_datagram(&first.bytes).expect("a response");
        assert_eq!(reply.status(), Some(503));
        let to = parsed(&invite()).respond(&arrival(Transport::Udp), 503, "").done().to;
        assert_eq!(first.to, to, "it goes where any response goes");
    }

    #[test]
    fn its_ack_is_dropped_and_other_acks_are_not() {
        let Shed::Call(_, reply) = shed(&invite()) else { panic!("a new call") };
        let text = String::from_utf8(reply.bytes.to_vec()).expect("text");
        let tag = text.split(";tag=shed-").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a tag");
        let ack = invite().replace("INVITE", "ACK");
        let to = ack.lines().find(|line| line.starts_with("To:")).expect("To").to_owned();
        assert!(matches!(shed(&ack.replace(&to, &format!("{to};tag=shed-{tag}"))), Shed::Done));
        assert!(matches!(shed(&ack.replace(&to, &format!("{to};tag=3fe1"))), Shed::Other));
        assert!(matches!(shed(&ack.replace(&to, &format!("{to};x=shed-1"))), Shed::Other));
        for (ours, to) in [
            (true, format!("T:<sip:a@b>;tag=shed-{tag}")),
            (true, format!("to : sip:a@b\r\n ;tag=shed-{tag}")),
            (true, format!("t: \"x\" <sip:a@b>;x=1;TAG=shed-{tag};y")),
            (false, format!("To: \"<x>;tag=shed-{tag}\" <sip:a@b>;tag=3fe1")),
            (false, format!("Top: <sip:a@b>;tag=shed-{tag}\r\nTo: <sip:a@b>;tag=3fe1")),
        ] {
            let read = shed(&ack.replace("To: <sip:96110110@192.0.2.1>", &to));
            assert_eq!(matches!(read, Shed::Done), ours, "{to}: {read:?}");
        }
    }

    #[test]
    fn what_is_in_a_dialog_or_in_doubt_is_parsed() {
        let to = invite().lines().find(|line| line.starts_with("To:")).expect("To").to_owned();
        assert!(matches!(shed(&invite().replace(&to, &format!("{to};tag=1"))), Shed::Other));
        assert!(matches!(shed(&invite().replace("INVITE sip", "BYE sip")), Shed::Other));
        assert!(matches!(shed(&invite().replace(&to, &format!("{to}\r\nTo: <sip:other@192.0.2.1>"))), Shed::Other));
        assert!(matches!(shed("INVITE "), Shed::Other));
    }

    #[test]
    fn callers_are_asked_to_come_back_at_different_times() {
        let seconds: std::collections::BTreeSet<u64> = (0..1_000).map(|hash| spread(LEAST, hash).as_secs()).collect();
        assert_eq!(seconds, (10..=20).collect());
        assert_eq!(spread(Duration::ZERO, 0).as_secs(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let with = |start: &[u8]| [start, &bytes].concat();
            for datagram in [with(b"INVITE sip:a@b SIP/2.0\r\n"), with(b"ACK sip:a@b SIP/2.0\r\nTo: <sip:a@b>;tag=shed-\r\n")] {
                Dispatcher::new(7).shed(&datagram, &arrival(Transport::Udp), LEAST);
            }
        }
    }
}
