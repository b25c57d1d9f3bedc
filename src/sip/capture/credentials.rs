//! Masks the values of Authorization, Proxy-Authorization and of the headers that confirm them.
//!
//! Of a digest (RFC 7616 §3.4) everything stays that a carrier's engineer needs: realm, nonce, algorithm, count. What is
//! computed from the password is masked, and all that is not known here.

use super::cover::MASK;
use super::level::{Mask, Masked};
use super::party;

/// Masks such a value; the user's name too where numbers and names are.
pub(super) fn mask(value: &mut [u8], level: Masked, by: &Mask) {
    let blank = value.len() - value.trim_ascii_start().len();
    let value = &mut value[blank..];
    let word = value.iter().position(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
    let scheme = &value[..word.unwrap_or(value.len())];
    let length = scheme.len();
    // Authentication-Info has parameters alone.
    let from = match scheme {
        scheme if scheme.eq_ignore_ascii_case(b"Digest") => length,
        scheme if scheme.contains(&b'=') => 0,
        _ => return secret(&mut value[length..]),
    };
    let mut rest = &mut value[from..];
    while !rest.is_empty() {
        let end = comma(rest).map_or(rest.len(), |found| found + 1);
        let (param, others) = rest.split_at_mut(end);
        rest = others;
        let Some(equals) = param.iter().position(|octet| *octet == b'=') else {
            secret(param);
            continue;
        };
        let (name, value) = param.split_at_mut(equals + 1);
        let name = name[..equals].trim_ascii().to_ascii_lowercase();
        match name.as_slice() {
            b"realm" | b"nonce" | b"algorithm" | b"opaque" | b"qop" | b"nc" | b"cnonce" | b"stale" | b"userhash"
            | b"nextnonce" => {}
            b"username" | b"uri" if level < Masked::Personal => {}
            b"uri" => party::uri(inner(value), by),
            _ => secret(inner(value)),
        }
    }
}

/// A value without the comma after it, white space and quotes.
fn inner(value: &mut [u8]) -> &mut [u8] {
    let outside = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b'"' | b',');
    let start = value.iter().position(|octet| !outside(octet)).unwrap_or(value.len());
    let end = value.iter().rposition(|octet| !outside(octet)).map_or(start, |last| last + 1);
    &mut value[start..end]
}

fn secret(octets: &mut [u8]) {
    for octet in octets {
        if !matches!(octet, b'\r' | b'\n' | b' ' | b'\t') {
            *octet = MASK;
        }
    }
}

fn comma(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return *octet == b',' && !quoted,
        }
        false
    })
}
