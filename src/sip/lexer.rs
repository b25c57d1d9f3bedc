//! Bytes → start line and header lines, bounded, without an allocation per header.
//!
//! The head of a message becomes one `String`, in which folds, stray control characters and bytes that are not UTF-8
//! are replaced; every header is a pair of ranges in it. So no value that is copied into a response contains a line
//! break, and a display name in GBK loses its letters, never the call.
//!
//! A fault does not stop the lexer: it reads on, because a 400 needs the Via, From, To, Call-ID and CSeq of the request
//! that it answers (RFC 3261 §8.2.6.2).

use std::fmt;
use std::ops::Range;

use memchr::{memchr, memchr2_iter};

use super::grammar::{self, Method};
use super::limits;

/// A header's name, compact forms resolved (RFC 3261 §7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderName {
    /// Media types that a response may carry (RFC 3261 §20.1).
    Accept,
    /// Methods that the sender supports (§20.5).
    Allow,
    /// Call-ID (§20.8).
    CallId,
    /// Where the sender takes requests (§20.10).
    Contact,
    /// Encoding of the body (§20.12).
    ContentEncoding,
    /// Octets of the body (§20.14).
    ContentLength,
    /// Media type of the body (§20.15).
    ContentType,
    /// CSeq (§20.16).
    CSeq,
    /// The caller (§20.20).
    From,
    /// Hops left (§20.22).
    MaxForwards,
    /// Smallest session interval, RFC 4028 §5.
    MinSe,
    /// Proxies that stay on the path (RFC 3261 §20.30).
    RecordRoute,
    /// Extensions that the receiver must support (§20.32).
    Require,
    /// When to try again (§20.33).
    RetryAfter,
    /// Session interval, RFC 4028 §4.
    SessionExpires,
    /// State of a subscription, RFC 6665 §8.2.3.
    SubscriptionState,
    /// Extensions that the sender supports (RFC 3261 §20.37).
    Supported,
    /// The called party (§20.39).
    To,
    /// The path of the request (§20.42).
    Via,
    /// Any other header; [`Message::header_named`](super::Message::header_named) finds it by its spelling.
    Other,
}

impl HeaderName {
    fn read(text: &str) -> HeaderName {
        let candidates: &[(&str, HeaderName)] = match text.len() {
            1 => &[
                ("v", HeaderName::Via),
                ("f", HeaderName::From),
                ("t", HeaderName::To),
                ("i", HeaderName::CallId),
                ("m", HeaderName::Contact),
                ("l", HeaderName::ContentLength),
                ("c", HeaderName::ContentType),
                ("k", HeaderName::Supported),
                ("e", HeaderName::ContentEncoding),
                ("x", HeaderName::SessionExpires),
            ],
            2 => &[("To", HeaderName::To)],
            3 => &[("Via", HeaderName::Via)],
            4 => &[("From", HeaderName::From), ("CSeq", HeaderName::CSeq)],
            5 => &[("Allow", HeaderName::Allow)],
            6 => &[("Accept", HeaderName::Accept), ("Min-SE", HeaderName::MinSe)],
            7 => &[("Call-ID", HeaderName::CallId), ("Contact", HeaderName::Contact), ("Require", HeaderName::Require)],
            9 => &[("Supported", HeaderName::Supported)],
            11 => &[("Retry-After", HeaderName::RetryAfter)],
            12 => &[
                ("Max-Forwards", HeaderName::MaxForwards),
                ("Content-Type", HeaderName::ContentType),
                ("Record-Route", HeaderName::RecordRoute),
            ],
            14 => &[("Content-Length", HeaderName::ContentLength)],
            15 => &[("Session-Expires", HeaderName::SessionExpires)],
            16 => &[("Content-Encoding", HeaderName::ContentEncoding)],
            18 => &[("Subscription-State", HeaderName::SubscriptionState)],
            _ => &[],
        };
        let known = candidates.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map_or(HeaderName::Other, |(_, name)| *name)
    }
}

/// One header line, as ranges of the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub name: HeaderName,
    pub spelling: Range<usize>,
    pub value: Range<usize>,
}

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Request { method: Method, uri: Range<usize> },
    Response { status: u16, reason: Range<usize> },
}

/// What is wrong with a message: a response status and a short text for the Warning header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {why}")]
pub struct Fault {
    /// The status of the response: 400, 408, 505 or 513.
    pub status: u16,
    /// Names the field and what is wrong with it; contains nothing of the message.
    pub why: &'static str,
}

impl Fault {
    pub(super) fn bad(why: &'static str) -> Fault {
        Fault { status: 400, why }
    }
}

/// A message's head, read as far as it can be.
#[derive(Clone)]
pub(super) struct Head {
    pub text: String,
    pub lines: Vec<Line>,
    pub start: Option<Start>,
    /// The first fault.
    pub fault: Option<Fault>,
    /// The first line that is no header and was left out: the reason why something is missing, if something is.
    pub left_out: Option<Fault>,
    /// An ACK or a response, which never gets a response, even if it is malformed.
    pub unanswerable: bool,
}

/// Prints no content: headers contain phone numbers.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} lines, {:?})", self.lines.len(), self.fault)
    }
}

impl Head {
    /// Reads the bytes before the empty line.
    pub(crate) fn read(bytes: &[u8]) -> Head {
        let text = clean(bytes);
        let lines = Vec::with_capacity(24);
        let mut head = Head { text, lines, start: None, fault: None, left_out: None, unanswerable: false };
        let end = line_end(&head.text, 0);
        head.read_start(end.0);
        let mut at = end.1;
        while at < head.text.len() {
            let (end, next) = line_end(&head.text, at);
            head.read_line(at..end);
            at = next;
        }
        head
    }

    pub(crate) fn note_fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn read_start(&mut self, end: usize) {
        let line = &self.text[..end];
        self.unanswerable = starts_with(line, "SIP/") || line.starts_with("ACK ");
        match read_start_line(line) {
            Ok(start) => self.start = Some(start),
            Err(fault) => self.note_fault(fault),
        }
    }

    fn read_line(&mut self, line: Range<usize>) {
        let text = &self.text[line.clone()];
        let Some(colon) = memchr(b':', text.as_bytes()) else {
            return self.leave_out(line, "a header line has no colon");
        };
        let name = text[..colon].trim_end_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(grammar::is_token) {
            return self.leave_out(line, "a header name is not a token");
        }
        if text.len() > limits::LINE_BYTES {
            return self.note_fault(Fault::bad("a header line is too long"));
        }
        if self.lines.len() == limits::HEADER_LINES {
            return self.note_fault(Fault::bad("too many header lines"));
        }
        let value = text[colon + 1..].trim_matches([' ', '\t']);
        let from = value.as_ptr() as usize - text.as_ptr() as usize + line.start;
        let spelling = line.start..line.start + name.len();
        let line = Line { name: HeaderName::read(name), spelling, value: from..from + value.len() };
        self.lines.push(line);
    }

    /// RFC 3261 §8.2: malformed header fields that are not needed are ignored. A line that begins like one that may be
    /// needed is a fault.
    fn leave_out(&mut self, line: Range<usize>, why: &'static str) {
        let text = &self.text[line];
        let word = text.split([' ', '\t', ':']).next().unwrap_or("");
        let fault = Fault::bad(why);
        // One letter begins many words.
        let name = if word.len() > 1 { HeaderName::read(word) } else { HeaderName::Other };
        match name {
            HeaderName::Other => self.left_out = self.left_out.or(Some(fault)),
            _needed => self.note_fault(fault),
        }
    }

    pub(crate) fn values_of(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |line| line.name == name).map(|line| &self.text[line.value.clone()])
    }

    /// The value of a header that may occur once; a fault with the text `twice` if it occurs with several values.
    pub(crate) fn only(&self, name: HeaderName, twice: &'static str) -> Result<Option<&str>, Fault> {
        let mut values = self.values_of(name);
        let first = values.next();
        if values.any(|value| Some(value) != first) { Err(Fault::bad(twice)) } else { Ok(first) }
    }
}

/// Where the head ends and the body begins; `None` without an empty line.
///
/// Both CRLF and a bare LF end a line: some gateways send the latter.
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(found) = memchr(b'\n', &bytes[at..]) {
        let after = at + found + 1;
        match &bytes[after..] {
            [b'\n', ..] => return Some((after, after + 1)),
            [b'\r', b'\n', ..] => return Some((after, after + 2)),
            _ => at = after,
        }
    }
    None
}

/// The end of the line at `at` without its line break, and where the next begins.
fn line_end(text: &str, at: usize) -> (usize, usize) {
    match memchr(b'\n', &text.as_bytes()[at..]) {
        Some(length) => (at + length - usize::from(text[at..at + length].ends_with('\r')), at + length + 1),
        None => (text.len(), text.len()),
    }
}

/// The headers of a request's head that needs no mending, each a name and a value as [`Head`] reads them, where they lie. `None`
/// in place of a line that the lexer would mend, leave out or refuse; the rest is not to be read then.
pub(super) struct PlainLines<'a> {
    rest: &'a str,
    left: usize,
}

impl<'a> PlainLines<'a> {
    /// `None` unless the head is UTF-8 and begins with a request line.
    pub(super) fn of_request(head: &'a [u8]) -> Option<PlainLines<'a>> {
        let mut lines = PlainLines { rest: std::str::from_utf8(head).ok()?, left: limits::HEADER_LINES };
        let start = read_start_line(lines.line()?).ok()?;
        matches!(start, Start::Request { .. }).then_some(lines)
    }

    /// The next line, which ends with CR LF and has no other of either.
    fn line(&mut self) -> Option<&'a str> {
        let end = memchr(b'\r', self.rest.as_bytes())?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix("\r\n")?;
        (line.len() <= limits::LINE_BYTES && memchr(b'\n', line.as_bytes()).is_none()).then_some(line)
    }

    fn header(&mut self) -> Option<(HeaderName, &'a str)> {
        self.left = self.left.checked_sub(1)?;
        let (name, value) = self.line()?.split_once(':')?;
        let name = name.trim_end_matches([' ', '\t']);
        let is_name = !name.is_empty() && name.bytes().all(grammar::is_token);
        is_name.then(|| (HeaderName::read(name), value.trim_matches([' ', '\t'])))
    }
}

impl<'a> Iterator for PlainLines<'a> {
    type Item = Option<(HeaderName, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() { None } else { Some(self.header()) }
    }
}

/// The head as text: unfolded (RFC 3261 §7.3.1), without CR or LF inside a line, replaced where it is not UTF-8.
fn clean(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let octets = text.as_bytes();
    let is_mended = memchr2_iter(b'\n', b'\r', octets).any(|at| match (octets[at], octets.get(at + 1)) {
        (b'\n', Some(next)) => matches!(next, b' ' | b'\t'),
        (_, Some(next)) => *next != b'\n',
        (_, None) => false,
    });
    if is_mended { unfold(text) } else { text }
}

fn unfold(text: String) -> String {
    let mut bytes = text.into_bytes();
    for at in 0..bytes.len() {
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            b'\n' if matches!(next, Some(b' ' | b'\t')) => {
                bytes[at] = b' ';
                if at > 0 && bytes[at - 1] == b'\r' {
                    bytes[at - 1] = b' ';
                }
            }
            b'\r' if next.is_some_and(|next| next != b'\n') => bytes[at] = b' ',
            _ => {}
        }
    }
    String::from_utf8(bytes).expect("ASCII was replaced by ASCII")
}

/// `METHOD SP URI SP SIP/2.0` or `SIP/2.0 SP status SP reason`, single spaces only (RFC 3261 §7.1).
fn read_start_line(line: &str) -> Result<Start, Fault> {
    if starts_with(line, "SIP/2.0 ") {
        return read_status_line(line, &line["SIP/2.0 ".len()..]);
    }
    let (Some(first), Some(last)) = (line.find(' '), line.rfind(' ')) else {
        return Err(Fault::bad("the request line does not have three parts"));
    };
    let version = &line[last + 1..];
    if !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/")) {
        return Err(Fault::bad("the request line does not end with the SIP version"));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Fault { status: 505, why: "the SIP version is not 2.0" });
    }
    let uri = if first < last { first + 1..last } else { last..last };
    let text = &line[uri.clone()];
    if text.is_empty() || text.contains([' ', '\t', '<', '>', '"']) {
        return Err(Fault::bad("the Request-URI is empty or has spaces, quotes or angle brackets"));
    }
    let method = Method::read(&line[..first]).ok_or_else(|| Fault::bad("the method is not a token"))?;
    Ok(Start::Request { method, uri })
}

fn starts_with(line: &str, start: &str) -> bool {
    line.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

fn read_status_line(line: &str, rest: &str) -> Result<Start, Fault> {
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    match code.parse() {
        Ok(status) if digits && grammar::class(status).is_some() => {
            Ok(Start::Response { status, reason: line.len() - reason.len()..line.len() })
        }
        Ok(_) | Err(_) => Err(Fault::bad("the status is not a number from 100 to 699")),
    }
}
