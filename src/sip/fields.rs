//! The header fields that every message must have, and those that must be well formed where they occur.

use super::grammar::{self, GrammarError, Method};
use super::lexer::{Fault, Head, HeaderName, Start};
use super::limits;
use super::name_addr::NameAddr;
use super::uri::{self, Uri};

/// The topmost Via value (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Upper case: `UDP`, `TCP`.
    pub transport: String,
    /// The sent-by host as written; IPv6 references keep their brackets.
    pub host: String,
    /// The sent-by port; `None` means the default port of the transport.
    pub port: Option<u16>,
    /// Empty when there is none (RFC 2543) or none after `branch=`.
    pub branch: String,
    /// Whether the client asks for symmetric routing (RFC 3581 §3).
    pub rport: bool,
}

/// A CSeq value (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2³¹.
    pub number: u32,
    /// The method of the request, also in its responses.
    pub method: Method,
}

/// The values that every message must have, read once.
pub(super) struct Core {
    pub via: Via,
    pub from_tag: String,
    pub to_tag: String,
    pub call_id: String,
    pub cseq: CSeq,
}

/// Reads the mandatory values and checks the Request-URI, Max-Forwards and Contact of a request.
pub(super) fn read_core(head: &Head) -> Result<Core, Fault> {
    let via = head.values_of(HeaderName::Via).next().ok_or_else(|| Fault::bad("Via is missing"))?;
    let via = Via::read(via).map_err(|wrong| Fault::bad(wrong.0))?;
    if head.values_of(HeaderName::Via).count() > limits::VIAS {
        return Err(Fault::bad("too many Via headers"));
    }
    let from_tag = read_tag(head.only(HeaderName::From, "From occurs more than once")?, "From is missing")?;
    let to_tag = read_tag(head.only(HeaderName::To, "To occurs more than once")?, "To is missing")?;
    let call_id = head
        .only(HeaderName::CallId, "Call-ID occurs more than once")?
        .ok_or_else(|| Fault::bad("Call-ID is missing"))?;
    if call_id.is_empty() || call_id.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(Fault::bad("Call-ID is empty or contains white space"));
    }
    let cseq =
        head.only(HeaderName::CSeq, "CSeq occurs more than once")?.ok_or_else(|| Fault::bad("CSeq is missing"))?;
    let cseq = read_cseq(cseq)?;
    if let Some(Start::Request { method, uri }) = &head.start {
        check_request(head, method, &head.text[uri.clone()], &cseq)?;
    }
    Ok(Core { via, from_tag, to_tag, call_id: call_id.into(), cseq })
}

fn read_tag(value: Option<&str>, missing: &'static str) -> Result<String, Fault> {
    let party = NameAddr::read(value.ok_or_else(|| Fault::bad(missing))?).map_err(|wrong| Fault::bad(wrong.0))?;
    Ok(party.tag().unwrap_or("").into())
}

fn read_cseq(text: &str) -> Result<CSeq, Fault> {
    let fault = Fault::bad("CSeq is not a number below 2^31 and a method");
    let (number, method) = text.split_once([' ', '\t']).ok_or(fault)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault);
    }
    let number = number.parse().ok().filter(|number| *number < 1 << 31).ok_or(fault)?;
    Ok(CSeq { number, method: Method::read(method.trim()).ok_or(fault)? })
}

fn check_request(head: &Head, method: &Method, uri: &str, cseq: &CSeq) -> Result<(), Fault> {
    if cseq.method != *method {
        return Err(Fault::bad("the CSeq method differs from the request method"));
    }
    let uri = Uri::read(uri).map_err(|wrong| Fault::bad(wrong.0))?;
    if uri.headers.is_some() {
        return Err(Fault::bad("the Request-URI has headers"));
    }
    // An endpoint does not count hops, so that it does not matter which of several is right.
    let is_hops = |hops: &str| hops.bytes().all(|byte| byte.is_ascii_digit()) && hops.parse::<u8>().is_ok();
    if !head.values_of(HeaderName::MaxForwards).all(is_hops) {
        return Err(Fault::bad("Max-Forwards is not a number from 0 to 255"));
    }
    head.values_of(HeaderName::Contact).try_for_each(check_contacts)
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
    pub(super) fn read(line: &str) -> Result<Via, GrammarError> {
        let (value, more) = grammar::first_value(line)?;
        if more.is_some_and(|more| grammar::values(more).any(str::is_empty)) {
            return Err(GrammarError("a Via value is empty"));
        }
        let end = value.find(';').unwrap_or(value.len());
        let (sent, params) = (&value[..end], &value[end..]);
        let mut parts = sent.splitn(3, '/').map(str::trim);
        let (name, version) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if !name.eq_ignore_ascii_case("SIP") || version.is_empty() {
            return Err(GrammarError("Via lacks SIP/2.0 and a transport"));
        }
        let rest = parts.next().ok_or(GrammarError("Via lacks SIP/2.0 and a transport"))?;
        let (transport, by) = rest.split_once([' ', '\t']).ok_or(GrammarError("Via lacks the sent-by address"))?;
        let (host, port) = uri::host_port(by)?;
        let mut via = Via {
            transport: transport.to_ascii_uppercase(),
            host: host.into(),
            port,
            branch: String::new(),
            rport: false,
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
        }
    }
}

/// The Content-Length value; `None` when the header is missing.
pub(super) fn content_length(head: &Head) -> Result<Option<usize>, Fault> {
    let Some(text) = head.only(HeaderName::ContentLength, "Content-Length occurs more than once")? else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(length) if digits => Ok(Some(length)),
        Ok(_) | Err(_) => Err(Fault::bad("Content-Length is not a number")),
    }
}
