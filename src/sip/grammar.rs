//! The words of the grammar: methods, status classes, name-addr, parameters, lists. The only file that touches `rsip`.
//!
//! From `rsip` 0.4 come the method names and the classes of status codes. What it cannot do is done here and in
//! [`lexer`](super::lexer), because each of these cost a call when it was tried:
//!
//! - its method reader ignores case, SIP's does not (RFC 3261 §7.1), and it knows no extension methods;
//! - its reasons are identifiers (`NotFound`), not the phrases of RFC 3261 §21;
//! - its URI reader ends a user at the first dot (`j.doe@host` has no user there), splits IPv6 references at their
//!   first colon, drops URI headers, and finds no scheme in `tel:` URIs;
//! - a From with a `tel:` URI, or with `<` inside a quoted name, has no tag there;
//! - a folded header, or one byte that is not UTF-8, loses the whole message there.
//!
//! URIs are read in [`uri`](super::uri). Everything here borrows from the text it reads; nothing allocates but
//! [`Method::Other`].

use std::fmt;
use std::str::FromStr;

use super::uri;

/// A request method, compared with case (RFC 3261 §7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Info,
    Update,
    Notify,
    Register,
    Prack,
    Refer,
    Subscribe,
    Message,
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

    /// As it stands on the wire.
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
pub enum Class {
    Provisional,
    Success,
    /// 300 to 699.
    Failure,
}

/// The class of a code between 100 and 699; `None` outside.
pub fn class(status: u16) -> Option<Class> {
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

/// The reason phrase of a status that this room sends (RFC 3261 §21).
pub fn reason(status: u16) -> &'static str {
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
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Walks `text` outside quoted strings and angle brackets, and stops at the first byte that `wanted` picks.
///
/// `None` inside the result means "not found"; `Err` an unbalanced quote or bracket.
fn find_outside(text: &str, wanted: impl Fn(u8) -> bool) -> Result<Option<usize>, Malformed> {
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
    if angle { Err(Malformed("unbalanced <>")) } else { Ok(None) }
}

/// The index of the quote that closes the one at `start`.
///
/// A backslash right after U+FFFD escapes nothing: it is the second byte of a GBK character whose first byte was
/// replaced, and taking it for an escape would swallow the closing quote of a caller's name.
fn end_of_quoted(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Ok(at),
            b'\\' if !bytes[..at].ends_with("\u{fffd}".as_bytes()) => at += 2,
            _ => at += 1,
        }
    }
    Err(Malformed("unbalanced quotes"))
}

/// What is wrong with a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// The first of several comma-separated values, and the rest after the comma.
pub fn first_value(text: &str) -> Result<(&str, Option<&str>), Malformed> {
    Ok(match find_outside(text, |byte| byte == b',')? {
        Some(comma) => (text[..comma].trim(), Some(&text[comma + 1..])),
        None => (text.trim(), None),
    })
}

/// The comma-separated values of one header line, commas in quotes and brackets kept. Ends at what is malformed.
pub fn values(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (value, more) = first_value(rest?).ok()?;
        rest = more;
        Some(value)
    })
}

/// One `;name` or `;name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    pub name: &'a str,
    /// Quoted strings keep their quotes.
    pub value: Option<&'a str>,
    /// Both as written, without the semicolon.
    pub text: &'a str,
}

/// The parameters in a text that is empty or starts with a semicolon.
pub fn params(text: &str) -> impl Iterator<Item = Result<Param<'_>, Malformed>> {
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

fn next_param(text: &str) -> Result<(Param<'_>, &str), Malformed> {
    let inner = text.strip_prefix(';').ok_or(Malformed("a parameter must follow a semicolon"))?;
    let end = find_outside(inner, |byte| byte == b';')?.unwrap_or(inner.len());
    let (text, rest) = (inner[..end].trim(), inner[end..].trim_start());
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (text, None),
    };
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b'"' | b'<')) {
        return Err(Malformed("a parameter needs a name"));
    }
    Ok((Param { name, value, text }, rest))
}

/// The value of a parameter, names compared without case. A malformed list has none.
pub fn param<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    params(text).flatten().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value.unwrap_or(""))
}

/// The value of From, To, Contact, Route and their like: `name-addr` or `addr-spec`, then parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// As written, quotes and all.
    pub display: &'a str,
    /// Without angle brackets.
    pub uri: &'a str,
    /// Empty, or from the first semicolon.
    pub params: &'a str,
}

/// Prints nothing: it names a person.
impl fmt::Debug for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameAddr(_)")
    }
}

impl<'a> NameAddr<'a> {
    /// Reads one value. Without brackets everything from the first semicolon is a parameter of the header
    /// (RFC 3261 §20), and a comma or question mark is not allowed (§20.10).
    pub fn read(text: &'a str) -> Result<NameAddr<'a>, Malformed> {
        let text = text.trim();
        let found = match find_outside(text, |byte| byte == b'<')? {
            Some(open) => NameAddr::bracketed(text, open)?,
            None => NameAddr::bare(text)?,
        };
        for param in params(found.params) {
            param?;
        }
        Ok(found)
    }

    fn bracketed(text: &'a str, open: usize) -> Result<NameAddr<'a>, Malformed> {
        let close = open + text[open..].find('>').ok_or(Malformed("unbalanced <>"))?;
        let (display, uri, params) = (text[..open].trim(), text[open + 1..close].trim(), text[close + 1..].trim());
        let quoted = display.starts_with('"');
        if quoted && end_of_quoted(display.as_bytes(), 0)? != display.len() - 1 {
            return Err(Malformed("text after a quoted name"));
        }
        if !quoted && display.bytes().any(|byte| matches!(byte, b',' | b';' | b'"' | b'@' | b':')) {
            return Err(Malformed("a name with special characters must be quoted"));
        }
        uri::check_shape(uri)?;
        Ok(NameAddr { display, uri, params })
    }

    fn bare(text: &'a str) -> Result<NameAddr<'a>, Malformed> {
        let end = text.find(';').unwrap_or(text.len());
        let (uri, params) = (text[..end].trim(), text[end..].trim());
        if uri.contains([',', '?', '"', '>']) {
            return Err(Malformed("a URI with , or ? must stand in <>"));
        }
        uri::check_shape(uri)?;
        Ok(NameAddr { display: "", uri, params })
    }

    /// The tag, if there is one that is not empty.
    pub fn tag(&self) -> Option<&'a str> {
        param(self.params, "tag").filter(|tag| !tag.is_empty())
    }
}
