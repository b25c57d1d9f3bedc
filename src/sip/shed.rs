//! Turns new calls away before they are parsed, while more come than can be answered.
//!
//! A node that parses each INVITE of a flood has no time left for the calls that it serves. So an INVITE is read as far as its
//! 503 needs it, and the ACK of that 503 is known by the tag that the 503 gave it. Nothing is kept of either.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use memchr::{memchr, memmem, memrchr};

use super::arrival::{Arrival, datagram_reply_address};
use super::dispatcher::Dispatcher;
use super::fields::Via;
use super::grammar;
use super::lexer::{Head, HeaderName, PlainLines, head_end};
use super::message::LegKey;
use super::name_addr::NameAddr;
use super::response::{line_of, write_top_via};

/// What a datagram is to a node that sheds new calls.
#[derive(Debug, PartialEq, Eq)]
pub enum Shed {
    /// An INVITE outside a dialog: its 503 goes there, unless the leg exists already.
    Call(SocketAddr),
    /// The ACK of such a 503: nothing to do.
    Done,
    /// Anything else: to be parsed. Also an INVITE that is not written plainly.
    Other,
}

/// The 503s to the datagrams of one turn, one after the other. Used again and again, since a flood would take and give back
/// memory for each of them.
#[derive(Debug, Default)]
pub struct ShedReplies {
    /// The text of all of them.
    text: String,
    /// Where each ends, and where it goes.
    each: Vec<(usize, SocketAddr)>,
    /// The leg of the last.
    key: LegKey,
}

impl ShedReplies {
    /// The leg of the last INVITE that was turned away.
    pub fn key(&self) -> &LegKey {
        &self.key
    }

    /// Takes the last one back: the leg exists.
    pub fn withdraw(&mut self) {
        self.each.pop();
        let end = self.each.last().map_or(0, |(end, _)| *end);
        self.text.truncate(end);
    }

    /// All of them, in order: text and receiver.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let begins = std::iter::once(0).chain(self.each.iter().map(|(end, _)| *end));
        begins.zip(&self.each).map(|(begin, (end, to))| (&self.text.as_bytes()[begin..*end], *to))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.text.clear();
        self.each.clear();
    }
}

impl Dispatcher {
    /// What to do with a datagram; its 503 is added to `replies`. `least` is the least Retry-After of the 503; each call gets
    /// another value, so that the callers do not come back together.
    pub fn shed(&self, datagram: &[u8], arrival: &Arrival, least: Duration, replies: &mut ShedReplies) -> Shed {
        if datagram.starts_with(b"ACK ") {
            let plainly = memmem::find(datagram, TAG_PARAMETER).is_some_and(|at| plainly_of_to(datagram, at));
            let ours = plainly || memmem::find(datagram, TAG.as_bytes()).is_some() && acknowledges(datagram);
            return if ours { Shed::Done } else { Shed::Other };
        }
        if !datagram.starts_with(b"INVITE ") {
            return Shed::Other;
        }
        self.turn_away(datagram, arrival, least, replies).map_or(Shed::Other, Shed::Call)
    }

    fn turn_away(
        &self,
        datagram: &[u8],
        arrival: &Arrival,
        least: Duration,
        replies: &mut ShedReplies,
    ) -> Option<SocketAddr> {
        let (end, _) = head_end(datagram, 0)?;
        let fields = Fields::read(&datagram[..end])?;
        let [first, others @ ..] = fields.vias() else { return None };
        let via = Via::read(first).ok()?;
        let (from, to) = (NameAddr::read(fields.from?).ok()?, NameAddr::read(fields.to?).ok()?);
        let (call_id, cseq) = (fields.call_id?, fields.cseq?);
        if to.tag().is_some() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed(), call_id, &via.branch).hash(&mut hasher);
        let hash = hasher.finish();
        let ShedReplies { text, each, key } = replies;
        let _ = write!(text, "SIP/2.0 503 {}\r\n", grammar::reason(503));
        write_top_via(text, first, &via, arrival);
        others.iter().for_each(|via| line_of(text, "Via", via));
        line_of(text, "From", fields.from?);
        let _ = write!(text, "To: {};tag={TAG}{hash:016x}\r\n", fields.to?);
        line_of(text, "Call-ID", call_id);
        line_of(text, "CSeq", cseq);
        let _ = write!(text, "Retry-After: {}\r\n", spread(least, hash).as_secs());
        fill(text, each.last().map_or(0, |(end, _)| *end));
        text.push_str(END);
        let peer = datagram_reply_address(Some(&via), arrival);
        each.push((text.len(), peer));
        key.call_id.clear();
        key.call_id.push_str(call_id);
        key.remote_tag.clear();
        key.remote_tag.push_str(from.tag().unwrap_or(""));
        Some(peer)
    }
}

/// The headers of a request that a response copies, where they lie.
#[derive(Default)]
struct Fields<'a> {
    vias: [&'a str; VIAS],
    vias_read: usize,
    from: Option<&'a str>,
    to: Option<&'a str>,
    call_id: Option<&'a str>,
    cseq: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// `None` for a head that the lexer would have to mend, or in which one of them occurs twice.
    fn read(head: &'a [u8]) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        for line in PlainLines::of_request(head)? {
            let (name, value) = line?;
            let place = match name {
                HeaderName::Via => {
                    *fields.vias.get_mut(fields.vias_read)? = value;
                    fields.vias_read += 1;
                    continue;
                }
                HeaderName::From => &mut fields.from,
                HeaderName::To => &mut fields.to,
                HeaderName::CallId => &mut fields.call_id,
                HeaderName::CSeq => &mut fields.cseq,
                _not_copied => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(fields)
    }

    fn vias(&self) -> &[&'a str] {
        &self.vias[..self.vias_read]
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

/// Makes the reply that begins at `begin` a multiple of [`ALIKE`] long without its [`END`], by a header with a comment (RFC
/// 3261 §20.35): replies of one length to one peer are sent as one (`shell/os/datagrams.rs`).
fn fill(text: &mut String, begin: usize) {
    let least = SERVER.len() + SERVER_END.len();
    let missing = ALIKE - (text.len() - begin + least) % ALIKE;
    text.push_str(SERVER);
    text.extend(std::iter::repeat_n(' ', missing));
    text.push_str(SERVER_END);
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
const SERVER: &str = "Server: jindu (busy";
const SERVER_END: &str = ")\r\n";
const END: &str = "Content-Length: 0\r\n\r\n";
/// More than the lengths of one peer's INVITEs differ by.
const ALIKE: usize = 64;
/// Via lines of an INVITE that is turned away unparsed.
const VIAS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arrival::{Target, Transport};
    use crate::message::{Message, parse_datagram};
    use crate::response::Response;
    use crate::test_peer::arrival;

    const LEAST: Duration = Duration::from_secs(10);
    /// The first five are what every INVITE needs; the next seven may be there, too, and the others make it one to be parsed.
    const LINES: [&str; 16] = [
        "Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport",
        "f :\"李明\" <sip:a@192.0.2.9>;x=1",
        "To: <sip:96110110@192.0.2.1>",
        "i: call@peer",
        "CSeq:  1 INVITE ",
        "v: SIP/2.0/TCP proxy.example;branch=z9hG4bK2, SIP/2.0/UDP 192.0.2.8",
        "Max-Forwards: 70",
        "Subject: a: b",
        "Contact: <sip:a@192.0.2.9:5070>",
        "X-Empty:",
        "Record-Route: <sip:192.0.2.7;lr>",
        "Content-Length: 0",
        "From: <sip:b@192.0.2.9>",
        "no header",
        "To <sip:x@y>: z",
        "CSeq: 2 INVITE",
    ];

    fn invite() -> String {
        "INVITE sip:96110110@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport\r\n\
         Max-Forwards: 70\r\nf: <sip:a@192.0.2.9>;tag=1\r\nTo: <sip:96110110@192.0.2.1>\r\ni: call@peer\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.9:5070>\r\nContent-Length: 0\r\n\r\n"
            .into()
    }

    fn shed(text: &str) -> Shed {
        Dispatcher::new(7).shed(text.as_bytes(), &arrival(Transport::Udp), LEAST, &mut ShedReplies::default())
    }

    /// Where its 503 goes, and the text; none: it is to be parsed.
    fn turned_away(text: &str) -> Option<(SocketAddr, String, LegKey)> {
        let mut replies = ShedReplies::default();
        let shed = Dispatcher::new(7).shed(text.as_bytes(), &arrival(Transport::Udp), LEAST, &mut replies);
        let Shed::Call(to) = shed else {
            assert!(replies.is_empty());
            return None;
        };
        let each: Vec<_> = replies.iter().collect();
        let [(octets, receiver)] = each[..] else { panic!("one reply, not {}", each.len()) };
        assert_eq!(receiver, to);
        Some((to, String::from_utf8(octets.to_vec()).expect("text"), replies.key().clone()))
    }

    fn parsed(text: &str) -> Message {
        parse_datagram(text.as_bytes()).expect("a message")
    }

    #[test]
    fn an_invite_gets_a_503_of_its_own_and_the_same_when_it_comes_again() {
        let first = turned_away(&invite()).expect("an INVITE is a new call");
        assert_eq!(turned_away(&invite()), Some(first.clone()));
        let (to, reply, key) = first;
        assert_eq!(key, parsed(&invite()).leg_key());
        assert_eq!(parsed(&reply).status(), Some(503));
        let response = parsed(&invite()).respond(&arrival(Transport::Udp), 503, "").done();
        let Target::Same { peer, .. } = response.to else { panic!("{:?}", response.to) };
        assert_eq!(to, peer, "it goes where any response goes");
    }

    #[test]
    fn replies_lie_one_after_the_other_and_the_last_can_be_taken_back() {
        let (dispatcher, mut replies) = (Dispatcher::new(7), ShedReplies::default());
        let other = invite().replace("call@peer", "other@peer").replace("192.0.2.9:5070;", "192.0.2.9:5072;");
        let texts = [invite(), other, invite()];
        for text in &texts {
            assert!(matches!(
                dispatcher.shed(text.as_bytes(), &arrival(Transport::Udp), LEAST, &mut replies),
                Shed::Call(_)
            ));
        }
        replies.withdraw();
        let expected = texts.map(|text| turned_away(&text).expect("a new call"));
        let each: Vec<_> = replies.iter().map(|(octets, to)| (to, octets.to_vec())).collect();
        let two = expected.into_iter().take(2).map(|(to, text, _)| (to, text.into_bytes()));
        assert_eq!(each, two.collect::<Vec<_>>());
        replies.clear();
        assert!(replies.is_empty() && replies.iter().next().is_none());
    }

    #[test]
    fn replies_to_invites_of_different_lengths_are_alike() {
        let lengths: std::collections::BTreeSet<usize> = (0..200)
            .map(|n| invite().replace("call@peer", &format!("{}@peer", "c".repeat(n))))
            .map(|text| turned_away(&text).expect("a new call").1.len())
            .collect();
        assert!(lengths.iter().all(|length| (length - END.len()).is_multiple_of(ALIKE)), "{lengths:?}");
        assert!(lengths.len() <= 200_usize.div_ceil(ALIKE) + 1, "{lengths:?}");
    }

    #[test]
    fn its_ack_is_dropped_and_other_acks_are_not() {
        let (_, text, _) = turned_away(&invite()).expect("a new call");
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
                Dispatcher::new(7).shed(&datagram, &arrival(Transport::Udp), LEAST, &mut ShedReplies::default());
            }
        }

        /// Whatever is answered unparsed is answered as if it had been parsed.
        #[test]
        fn the_503_is_that_of_the_parsed_invite(
            lines in proptest::collection::vec(prop_oneof![20 => 5_usize..12, 1 => 0..LINES.len()], 0..8),
            ends in proptest::collection::vec(prop_oneof![60 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\n ")], 12),
        ) {
            let needed = [0, 1, 2, 3, 4].into_iter().chain(lines).zip(ends.iter().cycle());
            let text: String = needed.map(|(line, end)| format!("{}{end}", LINES[line])).collect();
            let text = format!("INVITE sip:9@h SIP/2.0\r\n{text}\r\n");
            if let Some((_, reply, _)) = turned_away(&text) {
                let (end, _) = head_end(text.as_bytes(), 0).expect("a head");
                let head = Head::read(&text.as_bytes()[..end]);
                prop_assert_eq!(head.fault, None);
                let via = Via::read(head.values_of(HeaderName::Via).next().expect("a Via")).expect("read");
                let field = |name: &str| reply.split(name).nth(1).and_then(|rest| rest.split("\r\n").next()).expect("it is there");
                let expected = Response::new(&head, Some(&via), &arrival(Transport::Udp), 503, grammar::reason(503), field(";tag="))
                    .header("Retry-After", field("Retry-After: "))
                    .header("Server", field("Server: "))
                    .done();
                prop_assert_eq!(reply.as_bytes(), &expected.bytes[..]);
            }
        }
    }
}
