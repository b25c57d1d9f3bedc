//! `sip:`, `sips:` and `tel:` URIs in their parts (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use memchr::memchr;

use super::grammar::{GrammarError, param};

/// Checks what every URI has: a scheme, and no white space, quotes or angle brackets.
pub(super) fn check_shape(uri: &str) -> Result<(), GrammarError> {
    let scheme = uri.split_once(':').ok_or(GrammarError("a URI has no scheme"))?.0;
    let starts = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if !starts || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
        return Err(GrammarError("a URI has no scheme"));
    }
    if uri.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>' | b'"')) {
        return Err(GrammarError("a URI contains spaces, quotes or angle brackets"));
    }
    Ok(())
}

/// A URI's scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`, reachable over TLS only.
    Sips,
    /// `tel:`, a telephone number (RFC 3966).
    Tel,
    /// Any other scheme; its parts are not read.
    Other,
}

/// A `sip:`, `sips:` or `tel:` URI in its parts, or only the scheme of another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uri<'a> {
    /// What the parts mean depends on it.
    pub scheme: Scheme,
    /// Escaped as written, password cut off; the number of a `tel:` URI.
    pub user: Option<&'a str>,
    /// Empty for a `tel:` URI; IPv6 references keep their brackets.
    pub host: &'a str,
    /// `None` means the default port of the transport.
    pub port: Option<u16>,
    /// Empty, or from the first semicolon.
    pub params: &'a str,
    /// What follows `?`.
    pub headers: Option<&'a str>,
}

/// Prints scheme, host and port, not the user.
impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({:?}, {}, {:?})", self.scheme, self.host, self.port)
    }
}

impl<'a> Uri<'a> {
    /// Reads a URI without angle brackets.
    pub(crate) fn read(text: &'a str) -> Result<Uri<'a>, GrammarError> {
        check_shape(text)?;
        let (scheme, rest) = text.split_once(':').ok_or(GrammarError("a URI has no scheme"))?;
        let scheme = match scheme {
            name if name.eq_ignore_ascii_case("sip") => Scheme::Sip,
            name if name.eq_ignore_ascii_case("sips") => Scheme::Sips,
            name if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
            _ => Scheme::Other,
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => Uri::read_sip(scheme, rest),
            Scheme::Tel => {
                let end = rest.find(';').unwrap_or(rest.len());
                let (user, params) = (Some(&rest[..end]), &rest[end..]);
                Ok(Uri { scheme, user, host: "", port: None, params, headers: None })
            }
            Scheme::Other => Ok(Uri { scheme, user: None, host: "", port: None, params: "", headers: None }),
        }
    }

    /// A user may hold `;` and `?` (RFC 3261 §25.1 user-unreserved), so the last `@` separates it from the host.
    fn read_sip(scheme: Scheme, rest: &'a str) -> Result<Uri<'a>, GrammarError> {
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user.split_once(':').map_or(user, |(user, _password)| user)), rest),
            None => (None, rest),
        };
        if user == Some("") {
            return Err(GrammarError("the user before @ is empty"));
        }
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        let end = rest.find(';').unwrap_or(rest.len());
        let (host, port) = host_port(&rest[..end])?;
        Ok(Uri { scheme, user, host, port, params: &rest[end..], headers })
    }

    /// The value of a URI parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&'a str> {
        param(self.params, name)
    }
}

/// Splits `host[:port]`; the host is a name, an IPv4 address or an IPv6 reference in brackets.
pub(crate) fn host_port(text: &str) -> Result<(&str, Option<u16>), GrammarError> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let close = inner.find(']').ok_or(GrammarError("an IPv6 reference has no closing bracket"))?;
            if !inner[..close].bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
                return Err(GrammarError("an IPv6 reference holds no address"));
            }
            let rest = inner[close + 1..].trim_start();
            let port = rest.strip_prefix(':').map(str::trim);
            if port.is_none() && !rest.is_empty() {
                return Err(GrammarError("text after an IPv6 reference"));
            }
            (&text[..close + 2], port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.trim_end(), Some(port.trim_start())),
            None => (text, None),
        },
    };
    let named =
        host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.is_empty() || !named {
        return Err(GrammarError("the host is not a name or address"));
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| GrammarError("the port is not a number from 0 to 65535"))?)
        }
        Some(_) => return Err(GrammarError("the port is not a number from 0 to 65535")),
        None => None,
    };
    Ok((host, port))
}

/// The address of a numeric host, with or without brackets; `None` for names. Three colons, which the ABNF of RFC 3261
/// allows by mistake, count as two (RFC 5118 §4.10).
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) if inner.contains(":::") => inner.replace(":::", "::").parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Decodes `%41` escapes; a malformed escape stays as written (RFC 3261 §19.1.2). Bytes that are not UTF-8 are replaced.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let code = pair
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<&str>, &str, Option<u16>, &str)> {
        Uri::read(text).ok().map(|uri| (uri.user, uri.host, uri.port, uri.params))
    }

    #[test]
    fn a_uri_has_its_parts() {
        assert_eq!(parts("sip:j.doe@h.example.com"), Some((Some("j.doe"), "h.example.com", None, "")));
        assert_eq!(parts("sip:a:secret@h:5080;lr;x=y"), Some((Some("a"), "h", Some(5080), ";lr;x=y")));
        assert_eq!(parts("SIP:[2001:db8::1]:5060"), Some((None, "[2001:db8::1]", Some(5060), "")));
        assert_eq!(parts("sip:user;par=u%40h@example.com"), Some((Some("user;par=u%40h"), "example.com", None, "")));
        assert_eq!(parts("tel:+86-20;phone-context=cn"), Some((Some("+86-20"), "", None, ";phone-context=cn")));
        assert_eq!(Uri::read("sip:h?Route=x").map(|uri| uri.headers), Ok(Some("Route=x")));
    }

    #[test]
    fn malformed_uris_are_rejected() {
        for text in [
            "",
            "sip",
            ":x",
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:h:port",
            "sip:h:99999",
            "sip:[::1",
            "sip:2001:db8::1",
            "<sip:h>",
        ] {
            assert!(Uri::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_malformed_ones_stay() {
        assert_eq!(unescape("%39196%2A"), "9196*");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%+1%4"), "%zz%+1%4");
        assert_eq!(unescape("%ff"), "\u{fffd}");
    }

    #[test]
    fn three_colons_count_as_two() {
        assert_eq!(address("[2001:db8:::192.0.2.1]"), address("[2001:db8::192.0.2.1]"));
        assert_eq!(address("h.example.com"), None);
        assert_eq!(address("192.0.2.1"), "192.0.2.1".parse().ok());
    }
}
