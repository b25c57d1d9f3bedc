//! A SIP message: start line, headers in order, body, and the values that every message must have, read once.
//!
//! ```text
//! bytes ─► Head (lexer) ─► Message: Via, From, To, Call-ID and CSeq are there; they, Max-Forwards and Contact are sound
//!                    └───► Refusal: a malformed request gets a 4xx or 5xx, a malformed response or ACK gets nothing
//! ```

use std::fmt;

use bytes::Bytes;

use super::arrival::{Arrival, Outgoing};
use super::body::{self, media_type};
use super::fields::{CSeq, Core, Via, content_length, read_core};
use super::grammar::{self, Method};
use super::lexer::{Fault, Head, HeaderName, Start, head_end};
use super::name_addr::NameAddr;
use super::response::{Response, stateless_tag};
use super::uri::{Scheme, Uri};

/// A well-formed request or response.
#[derive(Clone)]
pub struct Message {
    pub(super) head: Head,
    /// Exactly as long as Content-Length says.
    pub body: Bytes,
    via: Via,
    from_tag: String,
    to_tag: String,
    call_id: String,
    cseq: CSeq,
}

/// Prints status, number and method, and nothing that identifies a caller or a key.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CSeq { number, method } = &self.cseq;
        match self.status() {
            Some(status) => write!(f, "Message({status} to {number} {method})"),
            None => write!(f, "Message({number} {method})"),
        }
    }
}

/// What identifies a leg: Call-ID and remote tag. Its debug form identifies no caller.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct LegKey {
    /// The Call-ID value as written.
    pub call_id: String,
    /// Empty for user agents of RFC 2543.
    pub remote_tag: String,
}

impl fmt::Debug for LegKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegKey(_)")
    }
}

/// A malformed message.
#[derive(Clone, Debug)]
pub struct MalformedMessage {
    /// The first fault.
    pub fault: Fault,
    head: Box<Head>,
}

impl MalformedMessage {
    pub(super) fn new(fault: Fault, head: Head) -> MalformedMessage {
        MalformedMessage { fault, head: Box::new(head) }
    }

    /// The response to a malformed request, with the fault in its Warning; `None` for an ACK, a response, or a request
    /// without Via.
    pub fn reply(&self, arrival: &Arrival) -> Option<Outgoing> {
        let via = self.head.values_of(HeaderName::Via).next()?;
        if self.head.unanswerable {
            return None;
        }
        let via = Via::read(via).ok();
        let tag = stateless_tag(0, &self.head);
        let reason = grammar::reason(self.fault.status);
        let response = Response::new(&self.head, via.as_ref(), arrival, self.fault.status, reason, &tag);
        let warning = format!("399 jindu \"{}\"", self.fault.why);
        Some(response.header("Warning", &warning).done())
    }
}

/// Whether octets hold no message but keep an address of a NAT: empty lines (RFC 5626 §3.5.1, RFC 3261 §7.5), or NULs.
pub fn is_keep_alive(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | b'\0'))
}

/// Reads a datagram. Empty lines before it are skipped (RFC 3261 §7.5). What follows the body that Content-Length names is ignored; without one the body is the rest
/// (RFC 3261 §18.3).
///
/// # Errors
/// It is no SIP message, or lacks what a response to it would need.
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, MalformedMessage> {
    let skip = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[skip..];
    let (end, body) = head_end(bytes, 0).unwrap_or((bytes.len(), bytes.len()));
    let mut head = Head::read(&bytes[..end]);
    if end == body {
        head.note_fault(Fault::bad("the empty line after the headers is missing"));
    }
    let rest = &bytes[body..];
    let length = match content_length(&head) {
        Ok(Some(length)) if length <= rest.len() => length,
        Ok(None) => rest.len(),
        Ok(Some(_)) => return refuse(head, Fault::bad("the body is shorter than Content-Length")),
        Err(fault) => return refuse(head, fault),
    };
    Message::from_parts(head, &rest[..length])
}

fn refuse(mut head: Head, fault: Fault) -> Result<Message, MalformedMessage> {
    head.note_fault(fault);
    Err(MalformedMessage::new(head.fault.unwrap_or(fault), head))
}

impl Message {
    /// Reads the mandatory values of a head and adds the body.
    pub(super) fn from_parts(head: Head, body: &[u8]) -> Result<Message, MalformedMessage> {
        if let Some(fault) = head.fault {
            return Err(MalformedMessage::new(fault, head));
        }
        match read_core(&head) {
            Ok(core) => {
                let Core { via, from_tag, to_tag, call_id, cseq } = core;
                Ok(Message { head, body: Bytes::copy_from_slice(body), via, from_tag, to_tag, call_id, cseq })
            }
            Err(fault) => Err(MalformedMessage::new(head.left_out.unwrap_or(fault), head)),
        }
    }

    /// The method of a request; `None` for a response.
    pub fn method(&self) -> Option<&Method> {
        match self.head.start.as_ref()? {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// Whether it is a request of this method.
    pub fn is(&self, method: &Method) -> bool {
        self.method() == Some(method)
    }

    /// The status of a response; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match self.head.start.as_ref()? {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(*status),
        }
    }

    /// The reason phrase of a response, which may be empty.
    pub fn reason(&self) -> &str {
        match &self.head.start {
            Some(Start::Response { reason, .. }) => &self.head.text[reason.clone()],
            Some(Start::Request { .. }) | None => "",
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &str {
        match &self.head.start {
            Some(Start::Request { uri, .. }) => &self.head.text[uri.clone()],
            Some(Start::Response { .. }) | None => "",
        }
    }

    /// The topmost Via.
    pub fn via(&self) -> &Via {
        &self.via
    }

    /// Empty for user agents of RFC 2543.
    pub fn from_tag(&self) -> &str {
        &self.from_tag
    }

    /// Empty in a request that begins a call.
    pub fn to_tag(&self) -> &str {
        &self.to_tag
    }

    /// The Call-ID as written.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Number and method.
    pub fn cseq(&self) -> &CSeq {
        &self.cseq
    }

    /// The first line of a header.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.head.values_of(name).next()
    }

    /// All lines of a header, in order; one line may hold several values.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.head.values_of(name)
    }

    /// All values of a header of comma-separated values, in order.
    pub fn list(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.head.values_of(name).flat_map(grammar::values).filter(|value| !value.is_empty())
    }

    /// The first line of a header by its spelling, without case: for headers that have no [`HeaderName`].
    pub fn header_named(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// All lines of a header by its spelling, in order.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        let text = &self.head.text;
        let lines = self.head.lines.iter().filter(move |line| text[line.spelling.clone()].eq_ignore_ascii_case(name));
        lines.map(move |line| &text[line.value.clone()])
    }

    /// Whether a list header holds a token, without case: `Supported: timer`.
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        self.list(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// The From value: the calling party.
    pub fn from(&self) -> NameAddr<'_> {
        self.party(HeaderName::From)
    }

    /// The To value: the called party.
    pub fn to(&self) -> NameAddr<'_> {
        self.party(HeaderName::To)
    }

    fn party(&self, name: HeaderName) -> NameAddr<'_> {
        let text = self.header(name).unwrap_or("");
        NameAddr::read(text).unwrap_or(NameAddr { display: "", uri: "", params: "" })
    }

    /// The first Contact, if there is one.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        NameAddr::read(self.list(HeaderName::Contact).next()?).ok()
    }

    /// The user of the Request-URI as written: the number that was dialled, with its parameters.
    pub fn called_user(&self) -> Option<String> {
        let uri = Uri::read(self.request_uri()).ok()?;
        let params = if uri.scheme == Scheme::Tel { uri.params } else { "" };
        uri.user.map(|user| format!("{user}{params}"))
    }

    /// The user of the From URI as written.
    pub fn from_user(&self) -> Option<String> {
        Uri::read(self.from().uri).ok()?.user.map(str::to_owned)
    }

    /// The media type of the body, lower case, without parameters: `application/sdp`.
    pub fn content_type(&self) -> Option<String> {
        let text = self.header(HeaderName::ContentType)?;
        Some(media_type(text))
    }

    /// The session description in the body, alone or inside a multipart body.
    pub fn sdp(&self) -> Option<Bytes> {
        body::sdp(self.header(HeaderName::ContentType), &self.body)
    }

    /// The leg that this message belongs to: the remote tag is From's in a received request, and To's in a response to a
    /// request that the leg sent.
    pub fn leg_key(&self) -> LegKey {
        let remote_tag = if self.method().is_some() { &self.from_tag } else { &self.to_tag };
        LegKey { call_id: self.call_id.clone(), remote_tag: remote_tag.clone() }
    }
}

impl Message {
    /// Begins the response to this request; `tag` goes on a To that has none (a 100 takes an empty one).
    pub(super) fn respond(&self, arrival: &Arrival, status: u16, tag: &str) -> Response {
        self.respond_saying(arrival, status, grammar::reason(status), tag)
    }

    /// The same with another reason phrase.
    pub(super) fn respond_saying(&self, arrival: &Arrival, status: u16, reason: &str, tag: &str) -> Response {
        Response::new(&self.head, Some(&self.via), arrival, status, reason, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_peer::{OFFER, Peer, arrival};
    use crate::{IdentityTrust, Transport};

    fn invite() -> String {
        Peer::new(Transport::Udp).text("INVITE", 1, 1, "", OFFER)
    }

    fn read(text: &str) -> Message {
        parse_datagram(text.as_bytes()).unwrap_or_else(|wrong| panic!("{:?}", wrong.fault))
    }

    /// The status and the text of the Warning.
    fn refused(text: &str) -> Option<(String, String)> {
        let reply = parse_datagram(text.as_bytes()).err()?.reply(&arrival(Transport::Udp))?;
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        let warning = text.split("399 jindu \"").nth(1)?.split('"').next()?;
        Some((text[8..11].into(), warning.into()))
    }

    #[test]
    fn a_datagram_without_content_length_has_the_rest_as_its_body() {
        let text = invite().replace(&format!("Content-Length: {}\r\n", OFFER.len()), "");
        assert_eq!(read(&text).body, OFFER);
    }

    #[test]
    fn a_body_is_cut_where_content_length_says_and_a_short_one_is_400() {
        assert_eq!(read(&(invite() + "trailing")).body, OFFER);
        let short = &invite()[..invite().len() - 1];
        assert_eq!(refused(short).expect("a reply").0, "400");
    }

    #[test]
    fn what_can_be_read_without_doubt_is_read() {
        let from = "\"Caller\" <sip:13800000000@192.0.2.9>";
        let broken = "Max-Forwards: 70\r\nX-Broken-By-ALG\r\nX Charging Vector: a\r\n: nameless\r\n";
        for (what, with) in [
            (from, "Zhang, San <sip:13800000000@192.0.2.9>"),
            (from, "1001@pbx <sip:13800000000@192.0.2.9>"),
            (from, "Hall: (North) [2] <sip:13800000000@192.0.2.9>"),
            ("Max-Forwards: 70\r\n", broken),
            ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nMax-Forwards: 69\r\n"),
            ("Call-ID: call@peer\r\n", "Call-ID: call@peer\r\ni: call@peer\r\n"),
            ("Content-Length", "l: 0000\r\nContent-Length"),
        ] {
            let text = invite().replacen(what, with, 1).replace("l: 0000", &format!("l: {}", OFFER.len()));
            let message = read(&text);
            assert_eq!((message.body.len(), message.from_tag()), (OFFER.len(), "peer"), "{with}");
        }
        assert_eq!(read(&invite().replace(from, "A, B <sip:1@h>")).from().uri, "sip:1@h");
    }

    #[test]
    fn what_could_mean_two_things_is_400_with_the_reason() {
        let from = "\"Caller\" <sip:13800000000@192.0.2.9>";
        for (what, with) in [
            (from, "sip:1001@pbx;tag=x <sip:13800000000@192.0.2.9>"),
            (from, "sip:1001@pbx <sip:13800000000@192.0.2.9>"),
            (from, "A \"b\" c <sip:13800000000@192.0.2.9>"),
            ("Max-Forwards: 70", "Max-Forwards 70"),
            ("Max-Forwards: 70", "Require nothing\r\nMax-Forwards: 70"),
            ("Call-ID: call@peer", "Call-ID: call@peer\r\nCall-ID: other@peer"),
            ("Contact: ", "Contact: Zhang, San "),
            ("Content-Length", "Content-Length: 3\r\nContent-Length"),
        ] {
            assert_eq!(refused(&invite().replacen(what, with, 1)).expect("a reply").0, "400", "{with}");
        }
    }

    #[test]
    fn the_largest_datagram_is_read() {
        let text = invite().replace(&format!("Content-Length: {}\r\n", OFFER.len()), "");
        let padded = format!("{text}{}", "a=x\r\n".repeat(12_900));
        assert!((64_000..=crate::limits::MESSAGE_BYTES).contains(&padded.len()));
        assert!(read(&padded).body.len() > 60_000);
    }

    #[test]
    fn compact_names_folds_and_bare_line_feeds_are_read() {
        let text = invite()
            .replace("From:", "f  :")
            .replace("To:", "t:\r\n\t")
            .replace("Call-ID:", "i:")
            .replace("Via:", "V:")
            .replace("Contact:", "m:");
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        let message = read(&format!("{}\n\n{body}", head.replace("\r\n", "\n")));
        assert_eq!(message.body, OFFER);
        assert_eq!((message.from_tag(), message.call_id()), ("peer", "call@peer"));
        assert_eq!(message.called_user().as_deref(), Some("9196"));
        assert!(message.caller_number(IdentityTrust::default()).is_some());
    }

    #[test]
    fn tags_are_found_in_every_form_of_from() {
        for (from, tag) in [
            ("tel:+8620;tag=a", "a"),
            ("<tel:+8620;phone-context=x>;tag=b", "b"),
            ("\"<sip:evil>;tag=no\" <sip:x@h>;tag=c", "c"),
            ("sip:x@h;tag=d", "d"),
            ("<sip:j.doe;tag=no@h;tag=no>;x=\"a;tag=no\";TAG=e", "e"),
            ("\"a\\\"b\" <sip:x@h> ; tag = f", "f"),
        ] {
            let text = invite().replace("\"Caller\" <sip:13800000000@192.0.2.9>;tag=peer", from);
            assert_eq!(read(&text).from_tag(), tag, "{from}");
        }
    }

    #[test]
    fn a_name_in_gbk_loses_its_letters_and_not_the_call() {
        let text = invite();
        let at = text.find("Caller").expect("a name");
        for name in [b"\xb9\xe3\xd6\xdd".as_slice(), b"\xb9\x5c", b"\xff\xfe\x80"] {
            let bytes = [&text.as_bytes()[..at], name, &text.as_bytes()[at + 6..]].concat();
            let message = parse_datagram(&bytes).expect("well formed except for its name");
            assert_eq!(message.from_tag(), "peer");
        }
    }

    #[test]
    fn a_400_says_what_is_wrong_and_copies_what_it_can() {
        for (from, to, why) in [
            ("CSeq: 1 INVITE\r\n", "", "CSeq is missing"),
            ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", "CSeq is not a number below 2^31 and a method"),
            ("Call-ID: call@peer\r\n", "", "Call-ID is missing"),
            ("Max-Forwards: 70", "Max-Forwards: many", "Max-Forwards is not a number from 0 to 255"),
            ("Call-ID:", "Call-ID", "a header line has no colon"),
        ] {
            let (status, warning) = refused(&invite().replace(from, to)).expect("a reply");
            assert_eq!((status.as_str(), warning.as_str()), ("400", why));
        }
    }

    #[test]
    fn a_malformed_ack_or_response_or_a_request_without_via_gets_no_reply() {
        assert!(refused(&invite().replace("INVITE", "ACK").replace("CSeq: 1 ACK", "CSeq: x ACK")).is_none());
        assert!(refused("SIP/2.0 200 OK\r\nVia: x\r\n\r\n").is_none());
        assert!(refused("hello\r\n\r\n").is_none());
        assert!(refused("INVITE sip:h SIP/2.0\r\nFrom: x\r\n\r\n").is_none());
    }

    #[test]
    fn nothing_of_a_message_is_printed_by_debug() {
        let message = read(&invite());
        let printed = format!("{message:?} {:?} {:?}", message.from(), message.leg_key());
        assert_eq!(printed, "Message(1 INVITE) NameAddr(_) LegKey(_)");
    }

    #[test]
    fn no_line_break_can_be_smuggled_into_a_reply() {
        let text = invite().replace("call@peer", "call@peer\rX-Evil: 1");
        let reply = parse_datagram(text.as_bytes()).err().and_then(|wrong| wrong.reply(&arrival(Transport::Udp)));
        assert!(!String::from_utf8_lossy(&reply.expect("a 400").bytes).contains("\rX-Evil"));
    }
}
