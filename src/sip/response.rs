//! Writes responses (RFC 3261 §8.2.6) and requests as text.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::arrival::{Arrival, Outgoing, Target, Transport, reply_target};
use super::fields::Via;
use super::grammar::{self, Method};
use super::lexer::{Head, HeaderName};
use super::name_addr::NameAddr;
use super::uri;

/// A response being written; it starts with the lines that it copies from its request.
pub(super) struct Response {
    text: String,
    to: Target,
}

impl Response {
    /// Status line, Via, From, To, Call-ID and CSeq. `tag` is added to a To that has none; an empty
    /// one is not added (a 100 has no tag).
    pub(crate) fn new(
        head: &Head,
        via: Option<&Via>,
        arrival: &Arrival,
        status: u16,
        reason: &str,
        tag: &str,
    ) -> Response {
        let mut text = String::with_capacity(1024);
        let _ = write!(text, "SIP/2.0 {status} {reason}\r\n");
        let mut top = true;
        for line in head.values_of(HeaderName::Via) {
            match via {
                Some(via) if top => write_top_via(&mut text, line, via, arrival),
                Some(_) | None => line_of(&mut text, "Via", line),
            }
            top = false;
        }
        for (name, spelling) in [
            (HeaderName::From, "From"),
            (HeaderName::To, "To"),
            (HeaderName::CallId, "Call-ID"),
            (HeaderName::CSeq, "CSeq"),
        ] {
            let Some(value) = head.values_of(name).next() else { continue };
            let untagged = name == HeaderName::To && !tag.is_empty() && !has_tag(value);
            if untagged {
                let _ = write!(text, "To: {value};tag={tag}\r\n");
            } else {
                line_of(&mut text, spelling, value);
            }
        }
        Response { text, to: reply_target(via, arrival) }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Response {
        line_of(&mut self.text, name, value);
        self
    }

    /// Adds every line of a header of the request, as RFC 3261 §12.1.1 asks for Record-Route.
    pub(crate) fn copy(mut self, head: &Head, name: HeaderName, spelling: &str) -> Response {
        for value in head.values_of(name) {
            line_of(&mut self.text, spelling, value);
        }
        self
    }

    /// Ends the response without a body.
    pub(crate) fn done(mut self) -> Outgoing {
        self.text.push_str("Content-Length: 0\r\n\r\n");
        Outgoing { bytes: Bytes::from(self.text), to: self.to }
    }

    /// Ends the response with a body of this media type.
    pub(crate) fn body(mut self, kind: &str, body: &[u8]) -> Outgoing {
        let _ = write!(self.text, "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut bytes = self.text.into_bytes();
        bytes.extend_from_slice(body);
        Outgoing { bytes: Bytes::from(bytes), to: self.to }
    }
}

/// A `name: value` line.
pub(super) fn line_of(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.push_str(value);
    text.push_str("\r\n");
}

fn has_tag(value: &str) -> bool {
    NameAddr::read(value).is_ok_and(|party| party.tag().is_some())
}

/// The topmost Via with `received`, and `rport` if it was asked for (RFC 3261 §18.2.1, RFC 3581 §4).
pub(super) fn write_top_via(text: &mut String, line: &str, via: &Via, arrival: &Arrival) {
    let (value, more) = grammar::first_value(line).unwrap_or((line, None));
    let end = value.find(';').unwrap_or(value.len());
    let _ = write!(text, "Via: {}", value[..end].trim_end());
    for param in grammar::params(&value[end..]).flatten() {
        if !param.name.eq_ignore_ascii_case("received") && !param.name.eq_ignore_ascii_case("rport") {
            let _ = write!(text, ";{}", param.text);
        }
    }
    let source = SocketAddr::new(arrival.source.ip().to_canonical(), arrival.source.port());
    if via.rport || uri::address(&via.host).map(|ip| ip.to_canonical()) != Some(source.ip()) {
        let _ = write!(text, ";received={}", source.ip());
    }
    if via.rport {
        let _ = write!(text, ";rport={}", source.port());
    }
    if let Some(more) = more {
        let _ = write!(text, ",{more}");
    }
    text.push_str("\r\n");
}

/// An address as URIs and Via write it: IPv6 in brackets.
pub(super) fn host_of(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A tag or branch; the same seed and count give the same one.
pub(super) fn token(seed: u64, count: u64) -> String {
    let mut hasher = DefaultHasher::new();
    (seed, count).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The To tag of a stateless response: a retransmitted request gets the same one (RFC 3261 §8.2.7).
pub(super) fn stateless_tag(seed: u64, head: &Head) -> String {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        head.values_of(name).next().unwrap_or("").hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// A request inside a dialog.
pub(super) struct Request<'a> {
    pub method: &'a Method,
    pub uri: &'a str,
    pub transport: Transport,
    /// The sent-by address of Via, where responses arrive.
    pub sent_by: &'a str,
    pub branch: &'a str,
    /// Route values, in order.
    pub routes: &'a [String],
    pub from: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub cseq: u32,
}

impl Request<'_> {
    /// The common head of every request; the caller adds further headers and a body.
    pub(crate) fn head(&self) -> String {
        let mut text = String::with_capacity(1024);
        let Request { method, uri, sent_by, branch, from, to, call_id, cseq, .. } = self;
        let transport = self.transport.name();
        let _ = write!(text, "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch={branch};rport\r\n");
        for route in self.routes {
            line_of(&mut text, "Route", route);
        }
        let _ = write!(text, "Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n");
        let _ = write!(text, "CSeq: {cseq} {method}\r\n");
        text
    }
}
