//! A SIP message: its start line, its headers in order, its body, and what every request and response must have, read
//! once.
//!
//! ```text
//! bytes ─► Head (lexer) ─► Message: Via, From, To, Call-ID, CSeq, Max-Forwards, Contact are there and well formed
//!                    └───► Refusal: answered by a 400-type response if it was a request, else by silence
//! ```

use std::fmt::Write as _;

use bytes::Bytes;

use super::arrival::{Arrival, Outgoing};
use super::grammar::{self, Malformed, Method, NameAddr, Uri};
use super::lexer::{Fault, Head, Name, Start, head_end};
use super::limits;
use super::response::{Response, stateless_tag};

/// A request or response that can be worked with.
#[derive(Clone, Debug)]
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

/// The topmost Via value (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Upper case: `UDP`, `TCP`.
    pub transport: String,
    /// As written; IPv6 references keep their brackets.
    pub host: String,
    pub port: Option<u16>,
    /// Empty when there is none (RFC 2543) or none after `branch=`.
    pub branch: String,
    /// Whether the client asks for symmetric routing (RFC 3581 §3).
    pub rport: bool,
    pub maddr: Option<String>,
}

/// CSeq: the number, below 2³¹, and the method, which is the request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

/// What finds a call: Call-ID and the tag of the other side. Prints as nothing that identifies a caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LegKey {
    pub call_id: String,
    /// Empty for user agents of RFC 2543.
    pub remote_tag: String,
}

impl std::fmt::Debug for LegKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LegKey(_)")
    }
}

/// A message that cannot be worked with.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub fault: Fault,
    head: Box<Head>,
}

impl Refusal {
    pub(super) fn new(fault: Fault, head: Head) -> Refusal {
        Refusal { fault, head: Box::new(head) }
    }

    /// The response that tells the sender, if it sent a request that may be answered.
    pub fn reply(&self, arrival: &Arrival) -> Option<Outgoing> {
        let via = self.head.values_of(Name::Via).next()?;
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

/// Reads a datagram. What follows the body that Content-Length names is ignored; without one the body is the rest
/// (RFC 3261 §18.3).
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, Refusal> {
    let skip = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[skip..];
    let (end, body) = head_end(bytes, 0).unwrap_or((bytes.len(), bytes.len()));
    let mut head = Head::read(&bytes[..end]);
    if end == body {
        head.complain(Fault::bad("the empty line after the headers is missing"));
    }
    let rest = &bytes[body..];
    let length = match content_length(&head) {
        Ok(Some(length)) if length <= rest.len() => length,
        Ok(None) => rest.len(),
        Ok(Some(_)) => return refuse(head, Fault::bad("the body is shorter than Content-Length says")),
        Err(fault) => return refuse(head, fault),
    };
    Message::from_parts(head, &rest[..length])
}

fn refuse(mut head: Head, fault: Fault) -> Result<Message, Refusal> {
    head.complain(fault);
    Err(Refusal::new(head.fault.unwrap_or(fault), head))
}

/// The length that the head states.
pub(super) fn content_length(head: &Head) -> Result<Option<usize>, Fault> {
    let Some(text) = head.only(Name::ContentLength, "more than one Content-Length")? else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(length) if digits => Ok(Some(length)),
        Ok(_) | Err(_) => Err(Fault::bad("Content-Length is a number")),
    }
}

impl Message {
    /// Interprets a head and takes its body.
    pub(super) fn from_parts(head: Head, body: &[u8]) -> Result<Message, Refusal> {
        if let Some(fault) = head.fault {
            return Err(Refusal::new(fault, head));
        }
        match read_core(&head) {
            Ok(core) => {
                let Core { via, from_tag, to_tag, call_id, cseq } = core;
                Ok(Message { head, body: Bytes::copy_from_slice(body), via, from_tag, to_tag, call_id, cseq })
            }
            Err(fault) => Err(Refusal::new(fault, head)),
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

    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    pub fn cseq(&self) -> &CSeq {
        &self.cseq
    }

    /// The first value line of a header.
    pub fn header(&self, name: Name) -> Option<&str> {
        self.head.values_of(name).next()
    }

    /// All value lines of a header, in order; one line may hold several values.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &str> {
        self.head.values_of(name)
    }

    /// All values of a header of comma-separated values, in order.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &str> {
        self.head.values_of(name).flat_map(grammar::values).filter(|value| !value.is_empty())
    }

    /// The first line of a header by its spelling, without case: for headers that have no [`Name`].
    pub fn header_named(&self, name: &str) -> Option<&str> {
        let text = &self.head.text;
        let line = self.head.lines.iter().find(|line| text[line.spelling.clone()].eq_ignore_ascii_case(name))?;
        Some(&text[line.value.clone()])
    }

    /// Whether a list header holds a token, without case: `Supported: timer`.
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.list(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// The From value: who calls.
    pub fn from(&self) -> NameAddr<'_> {
        self.party(Name::From)
    }

    /// The To value: who was called.
    pub fn to(&self) -> NameAddr<'_> {
        self.party(Name::To)
    }

    fn party(&self, name: Name) -> NameAddr<'_> {
        let text = self.header(name).unwrap_or("");
        NameAddr::read(text).unwrap_or(NameAddr { display: "", uri: "", params: "" })
    }

    /// The first Contact, if there is one.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        NameAddr::read(self.list(Name::Contact).next()?).ok()
    }

    /// The user of the Request-URI, unescaped: the extension that was dialled.
    pub fn called_user(&self) -> Option<String> {
        Uri::read(self.request_uri()).ok()?.user.map(grammar::unescape)
    }

    /// The user of the From URI, unescaped: the number of the caller, as far as From tells it.
    pub fn calling_user(&self) -> Option<String> {
        Uri::read(self.from().uri).ok()?.user.map(grammar::unescape)
    }

    /// The media type of the body, lower case, without parameters: `application/sdp`.
    pub fn content_type(&self) -> Option<String> {
        let text = self.header(Name::ContentType)?;
        Some(media_type(text))
    }

    /// The session description in the body, alone or inside a multipart body (RFC 5621 §3.1: SIP-I trunks send it
    /// beside ISUP).
    pub fn sdp(&self) -> Option<Bytes> {
        if self.body.is_empty() {
            return None;
        }
        let Some(text) = self.header(Name::ContentType) else {
            return self.body.starts_with(b"v=0").then(|| self.body.clone());
        };
        match media_type(text).as_str() {
            "application/sdp" => Some(self.body.clone()),
            kind if kind.starts_with("multipart/") => sdp_part(text, &self.body),
            _ => None,
        }
    }

    /// The call that this message belongs to, seen from us: the remote tag is From's in a request that we receive, and
    /// To's in a response to a request of ours.
    pub fn leg_key(&self) -> LegKey {
        let remote_tag = if self.method().is_some() { &self.from_tag } else { &self.to_tag };
        LegKey { call_id: self.call_id.clone(), remote_tag: remote_tag.clone() }
    }
}

pub(super) fn media_type(text: &str) -> String {
    let end = text.find(';').unwrap_or(text.len());
    text[..end].chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

fn sdp_part(content_type: &str, body: &Bytes) -> Option<Bytes> {
    let boundary = grammar::param(&content_type[content_type.find(';')?..], "boundary")?.trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let mut mark = String::from("--");
    let _ = write!(mark, "{boundary}");
    let starts: Vec<usize> = find_all(body, mark.as_bytes()).take(limits::BODY_PARTS + 1).collect();
    starts.windows(2).find_map(|pair| {
        let part = body.slice(pair[0] + mark.len()..pair[1]);
        let skip = part.iter().position(|byte| *byte == b'\n')? + 1;
        let part = part.slice(skip..);
        let (end, start) = head_end(&part, 0)?;
        let head = Head::read(&[b"X\r\n", &part[..end]].concat());
        let is_sdp = head.values_of(Name::ContentType).next().is_some_and(|text| media_type(text) == "application/sdp");
        is_sdp.then(|| part.slice(start..))
    })
}

fn find_all<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(mark.len()).enumerate().filter(move |(_, window)| *window == mark).map(|(at, _)| at)
}

struct Core {
    via: Via,
    from_tag: String,
    to_tag: String,
    call_id: String,
    cseq: CSeq,
}

fn read_core(head: &Head) -> Result<Core, Fault> {
    let via = head.values_of(Name::Via).next().ok_or(Fault::bad("Via is missing"))?;
    let via = Via::read(via).map_err(|wrong| Fault::bad(wrong.0))?;
    if head.values_of(Name::Via).count() > limits::VIAS {
        return Err(Fault::bad("too many Via headers"));
    }
    let from_tag = read_tag(head.only(Name::From, "more than one From")?, "From is missing")?;
    let to_tag = read_tag(head.only(Name::To, "more than one To")?, "To is missing")?;
    let call_id = head.only(Name::CallId, "more than one Call-ID")?.ok_or(Fault::bad("Call-ID is missing"))?;
    if call_id.is_empty() || call_id.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(Fault::bad("Call-ID is one word"));
    }
    let cseq = head.only(Name::CSeq, "more than one CSeq")?.ok_or(Fault::bad("CSeq is missing"))?;
    let cseq = read_cseq(cseq)?;
    if let Some(Start::Request { method, uri }) = &head.start {
        check_request(head, method, &head.text[uri.clone()], &cseq)?;
    }
    Ok(Core { via, from_tag, to_tag, call_id: call_id.into(), cseq })
}

fn read_tag(value: Option<&str>, missing: &'static str) -> Result<String, Fault> {
    let party = NameAddr::read(value.ok_or(Fault::bad(missing))?).map_err(|wrong| Fault::bad(wrong.0))?;
    Ok(party.tag().unwrap_or("").into())
}

fn read_cseq(text: &str) -> Result<CSeq, Fault> {
    let fault = Fault::bad("CSeq is a number below 2^31 and a method");
    let (number, method) = text.split_once([' ', '\t']).ok_or(fault)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault);
    }
    let number = number.parse().ok().filter(|number| *number < 1 << 31).ok_or(fault)?;
    Ok(CSeq { number, method: Method::read(method.trim()).ok_or(fault)? })
}

fn check_request(head: &Head, method: &Method, uri: &str, cseq: &CSeq) -> Result<(), Fault> {
    if cseq.method != *method {
        return Err(Fault::bad("CSeq names another method"));
    }
    let uri = Uri::read(uri).map_err(|wrong| Fault::bad(wrong.0))?;
    if uri.headers.is_some() {
        return Err(Fault::bad("the request URI has no headers"));
    }
    if let Some(hops) = head.only(Name::MaxForwards, "more than one Max-Forwards")?
        && (!hops.bytes().all(|byte| byte.is_ascii_digit()) || hops.parse::<u8>().is_err())
    {
        return Err(Fault::bad("Max-Forwards is a number from 0 to 255"));
    }
    head.values_of(Name::Contact).try_for_each(check_contacts)
}

/// Several contacts are legal (a REGISTER has them); each must be well formed.
fn check_contacts(line: &str) -> Result<(), Fault> {
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (value, more) = grammar::first_value(text).map_err(|wrong| Fault::bad(wrong.0))?;
        if value != "*" {
            NameAddr::read(value).map_err(|wrong| Fault::bad(wrong.0))?;
        }
        rest = more;
    }
    Ok(())
}

impl Via {
    /// Reads the first value of a Via line. White space may stand around its separators (RFC 3261 §25.1).
    fn read(line: &str) -> Result<Via, Malformed> {
        let (value, more) = grammar::first_value(line)?;
        if more.is_some_and(|more| grammar::values(more).any(str::is_empty)) {
            return Err(Malformed("an empty Via value"));
        }
        let end = value.find(';').unwrap_or(value.len());
        let (sent, params) = (&value[..end], &value[end..]);
        let mut parts = sent.splitn(3, '/').map(str::trim);
        let (name, version) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if !name.eq_ignore_ascii_case("SIP") || version.is_empty() {
            return Err(Malformed("Via names SIP/2.0 and a transport"));
        }
        let rest = parts.next().ok_or(Malformed("Via names SIP/2.0 and a transport"))?;
        let (transport, by) = rest.split_once([' ', '\t']).ok_or(Malformed("Via names who sent it"))?;
        let (host, port) = grammar::host_port(by)?;
        let mut via = Via {
            transport: transport.to_ascii_uppercase(),
            host: host.into(),
            port,
            branch: String::new(),
            rport: false,
            maddr: None,
        };
        for param in grammar::params(params) {
            via.take(param?);
        }
        Ok(via)
    }

    fn take(&mut self, param: grammar::Param<'_>) {
        let value = param.value.unwrap_or("");
        if param.name.eq_ignore_ascii_case("branch") {
            self.branch = value.into();
        } else if param.name.eq_ignore_ascii_case("rport") {
            self.rport = true;
        } else if param.name.eq_ignore_ascii_case("maddr") {
            self.maddr = Some(value.into());
        }
    }
}
