//! Masks bodies: keys of SRTP in session descriptions, keys that a caller pressed, and what names a person.

use super::cover::{MASK, visible};
use super::layout::Layout;
use crate::grammar::param;

/// What is known of a body.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Content-Type as written, with parameters.
    pub kind: Option<String>,
    /// Compressed, or otherwise unreadable.
    pub is_encoded: bool,
    /// It belongs to an INFO.
    pub is_info: bool,
}

impl Content {
    /// Whether it may hold keys that were pressed (`src/sip/leg/info.rs` has the types), or reports of them (RFC 4730).
    pub(super) fn holds_keys(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or("").to_ascii_lowercase();
        self.is_info || KEYS.iter().any(|known| kind.contains(known))
    }

    /// Whether its type begins so; a body without a type may be a session description.
    pub(super) fn is(&self, beginning: &str) -> bool {
        let kind = self.kind.as_deref().unwrap_or("application/sdp").trim_start();
        kind.get(..beginning.len()).is_some_and(|found| found.eq_ignore_ascii_case(beginning))
    }
}

/// Masks keys of SRTP in a body of whatever type: `a=crypto` (RFC 4568 §9.1), `k=` (RFC 4566 §5.12), `a=key-mgmt`
/// (RFC 4567) and the passwords of ICE (RFC 8839 §5.4).
pub(super) fn secrets(body: &mut [u8]) {
    for line in body.split_mut(|octet| matches!(octet, b'\r' | b'\n')) {
        let start = line.len() - line.trim_ascii_start().len();
        let has =
            |prefix: &[u8]| line[start..].get(..prefix.len()).is_some_and(|found| found.eq_ignore_ascii_case(prefix));
        let secret = SECRETS.iter().find(|prefix| has(prefix)).map(|prefix| start + prefix.len());
        if let Some(at) = find(line, 0, INLINE) {
            inline_keys(line, at);
        } else if let Some(from) = secret {
            visible(&mut line[from..]);
        }
    }
}

/// The key and salt of each `inline:`, up to what says how long they live.
fn inline_keys(line: &mut [u8], first: usize) {
    let mut next = Some(first);
    while let Some(at) = next {
        let from = at + INLINE.len();
        let blank = line[from..].len() - line[from..].trim_ascii_start().len();
        let end = line[from + blank..].iter().position(|octet| matches!(octet, b'|' | b';' | b' ' | b'\t'));
        let end = end.map_or(line.len(), |length| from + blank + length);
        visible(&mut line[from..end]);
        next = find(line, end, INLINE);
    }
}

/// Masks a body that holds keys. Of lines as `Signal=5` the name stays, and of `Duration=160` all.
pub(super) fn keys(body: &mut [u8]) {
    for line in body.split_mut(|octet| matches!(octet, b'\r' | b'\n' | b';')) {
        let Some(equals) = line.iter().position(|octet| *octet == b'=') else {
            visible(line);
            continue;
        };
        let name = line[..equals].trim_ascii();
        if name.eq_ignore_ascii_case(b"duration") {
            continue;
        }
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_alphabetic);
        visible(&mut line[if is_name { equals + 1 } else { 0 }..]);
    }
}

/// Masks what may name a person: all that is no session description, and in one the names.
pub(super) fn personal(content: &Content, body: &mut [u8]) {
    if content.is_encoded {
        opaque(body);
    } else if content.is("application/sdp") && body.starts_with(b"v=") {
        description(body);
    } else if content.is("multipart/") {
        let kind = content.kind.as_deref().unwrap_or("");
        let params = kind.find(';').map_or("", |at| &kind[at..]);
        let boundary = param(params, "boundary").map(|text| text.trim_matches('"'));
        match boundary.filter(|boundary| !boundary.is_empty()) {
            Some(boundary) => parts(body, format!("--{boundary}").as_bytes()),
            None => opaque(body),
        }
    } else {
        opaque(body);
    }
}

/// The parts of a multipart body (RFC 2046 §5.1.1), of which only session descriptions are read.
fn parts(body: &mut [u8], delimiter: &[u8]) {
    let length = body.len();
    let mut next = find_delimiter(body, 0, delimiter);
    opaque(&mut body[..next.unwrap_or(length)]);
    while let Some(at) = next {
        let line = body[at..].iter().position(|octet| *octet == b'\n').map_or(length, |end| at + end + 1);
        // What follows the boundary in its line is white space, or the end.
        opaque(&mut body[(at + delimiter.len() + 2).min(line)..line]);
        next = find_delimiter(body, line, delimiter);
        part(&mut body[line..next.unwrap_or(length)]);
    }
}

fn part(part: &mut [u8]) {
    let layout = Layout::of_part(part);
    let kind = layout.value(part, &["content-type", "c"]).map(|value| value.to_ascii_lowercase());
    for field in &layout.fields {
        let is_known = part[field.name.clone()].get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        if !is_known {
            visible(&mut part[field.value.clone()]);
        }
    }
    let body = &mut part[layout.body..];
    let is_sdp = kind.is_none_or(|kind| kind.starts_with(b"application/sdp")) && body.starts_with(b"v=");
    if is_sdp { description(body) } else { opaque(body) }
}

/// Where a delimiter begins that stands at the start of a line.
fn find_delimiter(body: &[u8], from: usize, delimiter: &[u8]) -> Option<usize> {
    let mut at = from;
    while let Some(found) = find(body, at, delimiter) {
        if found == 0 || body[found - 1] == b'\n' {
            return Some(found);
        }
        at = found + 1;
    }
    None
}

/// Of a session description (RFC 8866): addresses, ports, formats and attributes stay; names do not.
fn description(body: &mut [u8]) {
    for line in body.split_mut(|octet| matches!(octet, b'\r' | b'\n')) {
        match line {
            // A connection of another network may be a number (RFC 7195 §4.1).
            [b'c', b'=', b'I', b'N', b' ', ..] | [b'v' | b'b' | b't' | b'r' | b'z' | b'm', b'=', ..] => {}
            [b'o', b'=', rest @ ..] => {
                let end = rest.iter().position(|octet| *octet == b' ').unwrap_or(rest.len());
                name(&mut rest[..end]);
            }
            [b's', b'=', rest @ ..] => name(rest),
            [b'a', b'=', ..] => {
                if let Some(at) = find(line, 0, b"cname:") {
                    visible(&mut line[at + b"cname:".len()..]);
                }
            }
            line => visible(line),
        }
    }
}

/// A name; `-` stands for none.
fn name(text: &mut [u8]) {
    if text != b"-" {
        visible(text);
    }
}

/// Replaces every octet but line ends: what is not text holds digits in two halves of an octet.
fn opaque(body: &mut [u8]) {
    for octet in body {
        if !matches!(octet, b'\r' | b'\n') {
            *octet = MASK;
        }
    }
}

/// Where a text stands, letters of either case.
fn find(within: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let within = within.get(from..)?;
    within.windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted)).map(|found| from + found)
}

const INLINE: &[u8] = b"inline:";
const SECRETS: [&[u8]; 4] = [b"a=crypto:", b"k=", b"a=key-mgmt:", b"a=ice-pwd:"];
const KEYS: [&str; 4] = ["dtmf", "telephone-event", "nortelnetworks.digits", "kpml"];
