//! Tokens of the grammar: methods, status classes, reason phrases, parameters, lists. The only file that uses `rsip`.
//!
//! `rsip` 0.4 supplies the method names and the classes of status codes, and nothing else. Its typed headers add no
//! value here: a user agent server copies Via, From, To, Call-ID, CSeq and Record-Route as written, and the typed forms
//! print them differently. Its digest service stays unused; [`digest`](super::digest) says why.
//! The rest of `rsip` fails on messages that trunks send, so this module and [`lexer`](super::lexer) read them:
//!
//! - its method reader ignores case, SIP's does not (RFC 3261 §7.1), and it knows no extension methods;
//! - its reasons are identifiers (`NotFound`), not the phrases of RFC 3261 §21;
//! - its URI reader ends a user at the first dot (`j.doe@host` has no user there), splits IPv6 references at their
//!   first colon, drops URI headers, and finds no scheme in `tel:` URIs;
//! - it finds no tag in a From with a `tel:` URI, or with `<` inside a quoted name;
//! - it rejects the whole message for one folded header or one byte that is not UTF-8.
//!
//! URIs are read in [`uri`](super::uri), From and To values in [`name_addr`](super::name_addr). Everything here borrows
//! from the text it reads; only [`Method::Other`] allocates.

use std::fmt;
use std::str::FromStr;

/// A request method, compared with case (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Begins a call, or changes one (RFC 3261 §13, §14).
    Invite,
    /// Confirms the final response to an INVITE (RFC 3261 §13.2.2.4, §17.1.1.3).
    Ack,
    /// Ends a call (RFC 3261 §15).
    Bye,
    /// Withdraws an INVITE that has no final response (RFC 3261 §9).
    Cancel,
    /// Asks for capabilities; trunks use it as a heartbeat (RFC 3261 §11).
    Options,
    /// Carries keys inside a call (RFC 6086).
    Info,
    /// Changes or refreshes a session without an INVITE (RFC 3311).
    Update,
    /// Reports the progress of a transfer (RFC 6665, RFC 3515).
    Notify,
    /// Binds an address of record (RFC 3261 §10); not served.
    Register,
    /// Confirms a reliable provisional response (RFC 3262); not served.
    Prack,
    /// Asks for a transfer (RFC 3515).
    Refer,
    /// Asks for notifications (RFC 6665); not served.
    Subscribe,
    /// Carries an instant message (RFC 3428); not served.
    Message,
    /// Publishes event state (RFC 3903); not served.
    Publish,
    /// An extension method, as written.
    Other(String),
}

impl Method {
    /// Reads a token; `None` if it is not one.
    pub fn read(token: &str) -> Option<Method> {
        if token.is_empty() || !token.bytes().all(is_token) {
            return None;
        }
        if token.bytes().any(|byte| !byte.is_ascii_uppercase()) {
            return Some(Method::Other(token.into()));
        }
        Some(match rsip::Method::from_str(token) {
            Ok(rsip::Method::Invite) => Method::Invite,
            Ok(rsip::Method::Ack) => Method::Ack,
            Ok(rsip::Method::Bye) => Method::Bye,
            Ok(rsip::Method::Cancel) => Method::Cancel,
            Ok(rsip::Method::Options) => Method::Options,
            Ok(rsip::Method::Info) => Method::Info,
            Ok(rsip::Method::Update) => Method::Update,
            Ok(rsip::Method::Notify) => Method::Notify,
            Ok(rsip::Method::Register) => Method::Register,
            Ok(rsip::Method::PRack) => Method::Prack,
            Ok(rsip::Method::Refer) => Method::Refer,
            Ok(rsip::Method::Subscribe) => Method::Subscribe,
            Ok(rsip::Method::Message) => Method::Message,
            Ok(rsip::Method::Publish) => Method::Publish,
            Err(_) => Method::Other(token.into()),
        })
    }

    /// As written in a start line.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Notify => "NOTIFY",
            Method::Register => "REGISTER",
            Method::Prack => "PRACK",
            Method::Refer => "REFER",
            Method::Subscribe => "SUBSCRIBE",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The class of a status code (RFC 3261 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// 100 to 199: the final response follows.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Failure,
}

/// The class of a code between 100 and 699; `None` outside.
pub(crate) fn class(status: u16) -> Option<Class> {
    match rsip::StatusCode::from(status).kind() {
        rsip::StatusCodeKind::Provisional => Some(Class::Provisional),
        rsip::StatusCodeKind::Successful => Some(Class::Success),
        rsip::StatusCodeKind::Redirection
        | rsip::StatusCodeKind::RequestFailure
        | rsip::StatusCodeKind::ServerFailure
        | rsip::StatusCodeKind::GlobalFailure => Some(Class::Failure),
        rsip::StatusCodeKind::Other => None,
    }
}

/// The reason phrase of a status that this crate sends (RFC 3261 §21).
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        _ => "Refused",
    }
}

/// A character of `token` (RFC 3261 §25.1).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Walks `text` outside quoted strings and angle brackets, and stops at the first byte that `wanted` picks.
///
/// `None` inside the result means "not found"; `Err` an unbalanced quote or bracket.
pub(super) fn find_outside(text: &str, wanted: impl Fn(u8) -> bool) -> Result<Option<usize>, GrammarError> {
    let bytes = text.as_bytes();
    let (mut at, mut angle) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'"' if !angle => at = end_of_quoted(bytes, at)?,
            b'<' if !angle && !wanted(b'<') => angle = true,
            b'>' if angle => angle = false,
            byte if !angle && wanted(byte) => return Ok(Some(at)),
            _ => {}
        }
        at += 1;
    }
    if angle { Err(GrammarError("unbalanced <>")) } else { Ok(None) }
}

/// The index of the quote that closes the one at `start`.
///
/// A backslash right after U+FFFD escapes nothing: it is the second byte of a GBK character whose first byte was
/// replaced, and taking it for an escape would swallow the closing quote of a caller's name.
pub(super) fn end_of_quoted(bytes: &[u8], start: usize) -> Result<usize, GrammarError> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Ok(at),
            b'\\' if !bytes[..at].ends_with("\u{fffd}".as_bytes()) => at += 2,
            _ => at += 1,
        }
    }
    Err(GrammarError("unbalanced quotes"))
}

/// What is wrong with a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GrammarError(pub &'static str);

/// The first of several comma-separated values, and the rest after the comma.
pub(crate) fn first_value(text: &str) -> Result<(&str, Option<&str>), GrammarError> {
    Ok(match find_outside(text, |byte| byte == b',')? {
        Some(comma) => (text[..comma].trim(), Some(&text[comma + 1..])),
        None => (text.trim(), None),
    })
}

/// The comma-separated values of one header line, commas in quotes and brackets kept. Ends at what is malformed.
pub(crate) fn values(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (value, more) = first_value(rest?).ok()?;
        rest = more;
        Some(value)
    })
}

/// One `;name` or `;name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Param<'a> {
    /// As written; parameter names are compared without case.
    pub name: &'a str,
    /// After the equals sign. Quoted strings keep their quotes.
    pub value: Option<&'a str>,
    /// Name and value as written, without the semicolon.
    pub text: &'a str,
}

/// The parameters in a text that is empty or starts with a semicolon.
pub(crate) fn params(text: &str) -> impl Iterator<Item = Result<Param<'_>, GrammarError>> {
    let mut rest = text.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = next_param(rest);
        rest = match &item {
            Ok((_, more)) => more,
            Err(_) => "",
        };
        Some(item.map(|(param, _)| param))
    })
}

fn next_param(text: &str) -> Result<(Param<'_>, &str), GrammarError> {
    let inner = text.strip_prefix(';').ok_or(GrammarError("a parameter must follow a semicolon"))?;
    let end = find_outside(inner, |byte| byte == b';')?.unwrap_or(inner.len());
    let (text, rest) = (inner[..end].trim(), inner[end..].trim_start());
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (text, None),
    };
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b'"' | b'<')) {
        return Err(GrammarError("a parameter needs a name"));
    }
    Ok((Param { name, value, text }, rest))
}

/// The value of a parameter, names compared without case. A malformed list has none.
pub(crate) fn param<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    params(text).flatten().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value.unwrap_or(""))
}
