//! `name-addr` and `addr-spec`: the values of From, To, Contact, Route and Record-Route (RFC 3261 §20.10, §25.1).

use std::fmt;

use super::grammar::{GrammarError, end_of_quoted, find_outside, is_token, param, params};
use super::uri;

/// The value of From, To, Contact, Route and their like: `name-addr` or `addr-spec`, then parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty when there is none.
    pub display: &'a str,
    /// The URI without its angle brackets.
    pub uri: &'a str,
    /// Empty, or from the first semicolon.
    pub params: &'a str,
}

/// Prints no content: the value names a person.
impl fmt::Debug for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameAddr(_)")
    }
}

impl<'a> NameAddr<'a> {
    /// Reads one value. A display name that should be quoted (`Zhang, San <sip:…>`) is read, unless it could be a URI
    /// with parameters. Without brackets everything from the first semicolon is a parameter of the header
    /// (RFC 3261 §20), and a comma or question mark is not allowed (§20.10).
    ///
    /// # Errors
    /// It is no name-addr or addr-spec.
    pub fn read(text: &'a str) -> Result<NameAddr<'a>, GrammarError> {
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

    fn bracketed(text: &'a str, open: usize) -> Result<NameAddr<'a>, GrammarError> {
        let close = open + text[open..].find('>').ok_or(GrammarError("unbalanced <>"))?;
        let (display, uri, params) = (text[..open].trim(), text[open + 1..close].trim(), text[close + 1..].trim());
        let quoted = display.starts_with('"');
        if quoted && end_of_quoted(display.as_bytes(), 0)? != display.len() - 1 {
            return Err(GrammarError("text after a quoted name"));
        }
        if !quoted && (display.contains([';', '"']) || looks_like_uri(display)) {
            return Err(GrammarError("a name with special characters must be quoted"));
        }
        uri::check_shape(uri)?;
        Ok(NameAddr { display, uri, params })
    }

    fn bare(text: &'a str) -> Result<NameAddr<'a>, GrammarError> {
        let end = text.find(';').unwrap_or(text.len());
        let (uri, params) = (text[..end].trim(), text[end..].trim());
        if uri.contains([',', '?', '"', '>']) {
            return Err(GrammarError("a URI with , or ? must stand in <>"));
        }
        uri::check_shape(uri)?;
        Ok(NameAddr { display: "", uri, params })
    }

    /// The value as this side writes it: the display name quoted where it has to be.
    pub(super) fn written(&self) -> String {
        let NameAddr { display, uri, params } = self;
        let plain = |byte: u8| is_token(byte) || byte == b' ';
        match display {
            &"" => format!("<{uri}>{params}"),
            name if name.starts_with('"') || name.bytes().all(plain) => format!("{name} <{uri}>{params}"),
            name => format!("\"{}\" <{uri}>{params}", name.replace('\\', "\\\\")),
        }
    }

    /// The tag parameter; `None` when it is missing or empty.
    pub fn tag(&self) -> Option<&'a str> {
        param(self.params, "tag").filter(|tag| !tag.is_empty())
    }
}

fn looks_like_uri(display: &str) -> bool {
    let lower = display.to_ascii_lowercase();
    ["sip:", "sips:", "tel:"].iter().any(|scheme| lower.contains(scheme))
}
