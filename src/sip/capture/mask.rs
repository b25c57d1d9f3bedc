//! Masks what must not leave the node, octet for octet, so that every length stays as it is.
//!
//! | [`Masked`] | `a=crypto`, digest responses | keys in INFO | numbers, names, unknown headers and bodies |
//! |---|---|---|---|
//! | `Nothing` | shown | shown | shown |
//! | `Secrets` | masked | shown | shown |
//! | `Keys` | masked | masked | shown |
//! | `Personal` | masked | masked | masked |
//!
//! `Personal` keeps what is known to name no person, and masks the rest: a header or a body that is not known here shows
//! its length and its punctuation.

use std::borrow::Cow;

use super::body;
use super::cover::{visible, words};
use super::credentials;
use super::layout::{Field, Layout};
use super::level::{Mask, Masked};
use super::party;

impl Mask {
    /// Masks a message in place.
    pub fn apply(&self, octets: &mut [u8]) {
        if self.level() == Masked::Nothing {
            return;
        }
        let layout = Layout::of(octets);
        let text = |names: &[&str]| layout.value(octets, names).map(String::from_utf8_lossy);
        let content = body::Content {
            kind: text(&["content-type", "c"]).map(Cow::into_owned),
            is_encoded: text(&["content-encoding", "e"]).is_some_and(|value| !value.eq_ignore_ascii_case("identity")),
            is_info: is_info(octets, &layout),
        };
        self.head(octets, &layout);
        let body = &mut octets[layout.body..];
        body::secrets(body);
        if self.level() >= Masked::Keys && content.holds_keys() {
            body::keys(body);
        } else if self.level() >= Masked::Personal {
            self.body(&content, body);
        }
    }

    fn head(&self, octets: &mut [u8], layout: &Layout) {
        if self.level() >= Masked::Personal {
            self.start_line(&mut octets[layout.start.clone()]);
        }
        for Field { name, value } in &layout.fields {
            let class = Class::of(&octets[name.clone()]);
            let value = &mut octets[value.clone()];
            match class {
                Class::Credentials => credentials::mask(value, self.level(), self),
                // May be a line of a body that no empty line stands before.
                Class::Nameless if self.level() >= Masked::Keys => visible(value),
                Class::Party if self.level() >= Masked::Personal => party::parties(value, self),
                Class::Unknown if self.level() >= Masked::Personal => words(value),
                Class::Known | Class::Nameless | Class::Party | Class::Unknown => {}
            }
        }
    }

    /// `METHOD URI VERSION`; a status line names no person.
    fn start_line(&self, line: &mut [u8]) {
        if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return;
        }
        let first = line.iter().position(|octet| *octet == b' ');
        let last = line.iter().rposition(|octet| *octet == b' ');
        match (first, last) {
            (Some(first), Some(last)) if first < last => party::uri(&mut line[first + 1..last], self),
            _ => words(line),
        }
    }

    fn body(&self, content: &body::Content, body: &mut [u8]) {
        if content.is("message/sipfrag") && !content.is_encoded {
            let layout = Layout::of(body);
            self.head(body, &layout);
            visible(&mut body[layout.body..]);
        } else {
            body::personal(content, body);
        }
    }
}

/// An INFO, or the answer to one.
fn is_info(octets: &[u8], layout: &Layout) -> bool {
    let starts = octets[layout.start.clone()].get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"INFO "));
    let cseq = layout.value(octets, &["cseq"]);
    starts || cseq.is_some_and(|cseq| cseq.to_ascii_uppercase().ends_with(b"INFO"))
}

/// What a header may hold.
#[derive(Clone, Copy)]
enum Class {
    /// Nothing that names a person.
    Known,
    /// Names and URIs.
    Party,
    /// Authorization, and what confirms it.
    Credentials,
    /// A line without a name.
    Nameless,
    Unknown,
}

impl Class {
    fn of(name: &[u8]) -> Class {
        let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if name.is_empty() {
            Class::Nameless
        } else if is(KNOWN) {
            Class::Known
        } else if is(PARTIES) {
            Class::Party
        } else if is(CREDENTIALS) {
            Class::Credentials
        } else {
            Class::Unknown
        }
    }
}

const CREDENTIALS: &[&str] =
    &["authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"];

const PARTIES: &[&str] = &[
    "from",
    "f",
    "to",
    "t",
    "contact",
    "m",
    "p-asserted-identity",
    "p-preferred-identity",
    "p-called-party-id",
    "p-associated-uri",
    "remote-party-id",
    "diversion",
    "history-info",
    "refer-to",
    "r",
    "referred-by",
    "b",
    "reply-to",
    "route",
    "record-route",
    "service-route",
    "path",
];

const KNOWN: &[&str] = &[
    "via",
    "v",
    "call-id",
    "i",
    "cseq",
    "max-forwards",
    "content-type",
    "c",
    "content-length",
    "l",
    "content-encoding",
    "e",
    "content-disposition",
    "content-language",
    "content-transfer-encoding",
    "mime-version",
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "allow-events",
    "u",
    "supported",
    "k",
    "require",
    "proxy-require",
    "unsupported",
    "expires",
    "min-expires",
    "session-expires",
    "x",
    "min-se",
    "user-agent",
    "server",
    "date",
    "timestamp",
    "retry-after",
    "reason",
    "warning",
    "event",
    "o",
    "subscription-state",
    "rseq",
    "rack",
    "privacy",
    "www-authenticate",
    "proxy-authenticate",
    "p-early-media",
    "p-charging-vector",
    "flow-timer",
    "refer-sub",
    "sip-etag",
    "sip-if-match",
];
