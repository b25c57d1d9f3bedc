//! Masks names and URIs: display names, user parts, and parameters that are not known to be harmless.
//!
//! ```text
//!  "Zhang San" <sip:+8613800138000;phone-context=+86@h;user=phone>;tag=1
//!  "xxxxx xxx" <sip:+xxxxxxxxxxxxx;phone-context=+xx@h;user=phone>;tag=1
//! ```

use super::cover::words;
use super::level::Mask;

/// Masks the value of a header of names and URIs, one or several.
pub(super) fn parties(value: &mut [u8], mask: &Mask) {
    let mut at = 0;
    let mut has_brackets = false;
    while let Some(open) = unquoted(&value[at..], b"<").map(|found| at + found) {
        between(&mut value[at..open], has_brackets);
        let close = value[open..].iter().position(|octet| *octet == b'>').map_or(value.len(), |found| open + found);
        uri(&mut value[open + 1..close], mask);
        has_brackets = true;
        at = (close + 1).min(value.len());
    }
    if has_brackets {
        between(&mut value[at..], true);
    } else {
        bare(value, mask);
    }
}

/// What stands between two URIs in brackets: parameters of the first, a comma, the name of the next.
fn between(text: &mut [u8], after_uri: bool) {
    let comma = if after_uri { unquoted(text, b",").unwrap_or(text.len()) } else { 0 };
    let (params, name) = text.split_at_mut(comma);
    mask_params(params);
    words(name);
}

/// URIs without brackets, whose parameters are the header's (RFC 3261 §20).
fn bare(value: &mut [u8], mask: &Mask) {
    let mut rest = value;
    while !rest.is_empty() {
        let end = unquoted(rest, b",").map_or(rest.len(), |comma| comma + 1);
        let (one, others) = std::mem::take(&mut rest).split_at_mut(end);
        rest = others;
        let blank = one.len() - one.trim_ascii_start().len();
        let one = &mut one[blank..];
        // An `@` after a semicolon belongs to a user part with parameters.
        let from = one.iter().rposition(|octet| *octet == b'@').unwrap_or(0);
        let params = one[from..].iter().position(|octet| *octet == b';').map_or(one.len(), |found| from + found);
        let (address, params) = one.split_at_mut(params);
        if !matches!(address.trim_ascii(), b"*" | b"*,") {
            uri(address, mask);
        }
        mask_params(params);
    }
}

/// Masks a URI: the user part of `sip:` and `sips:`, the number of `tel:`, all of another.
pub(super) fn uri(uri: &mut [u8], mask: &Mask) {
    let Some(colon) = uri.iter().position(|octet| *octet == b':') else { return words(uri) };
    let (scheme, rest) = uri.split_at_mut(colon + 1);
    match scheme.trim_ascii().to_ascii_lowercase().as_slice() {
        b"sip:" | b"sips:" => sip_uri(rest, mask),
        b"tel:" => user(rest, mask),
        b"urn:" | b"http:" | b"https:" | b"mailto:" | b"im:" | b"pres:" | b"cid:" => words(rest),
        _ => words(uri),
    }
}

fn sip_uri(rest: &mut [u8], mask: &Mask) {
    let (before, host) = match rest.iter().rposition(|octet| *octet == b'@') {
        Some(at) => rest.split_at_mut(at),
        None => (&mut [][..], rest),
    };
    user(before, mask);
    let headers = host.iter().position(|octet| *octet == b'?').unwrap_or(host.len());
    let (host, headers) = host.split_at_mut(headers);
    words(headers);
    let params = host.iter().position(|octet| *octet == b';').unwrap_or(host.len());
    let (host, params) = host.split_at_mut(params);
    // A number where a host should be.
    let is_number =
        !host.contains(&b'.') && !host.contains(&b'[') && host.iter().filter(|o| o.is_ascii_digit()).count() > 5;
    if before.is_empty() && is_number {
        words(host);
    }
    mask_params(params);
}

/// A user part with its parameters, or the number of a `tel:` URI.
fn user(user: &mut [u8], mask: &Mask) {
    let params = user.iter().position(|octet| *octet == b';').unwrap_or(user.len());
    let is_own = mask.is_own(user[..params].trim_ascii());
    let (number, params) = user.split_at_mut(params);
    if !is_own {
        words(number);
    }
    mask_params(params);
}

/// Masks the values of parameters that are not known, and what may be no name.
fn mask_params(params: &mut [u8]) {
    let mut rest = params;
    while !rest.is_empty() {
        let end = unquoted(&rest[1..], b";").map_or(rest.len(), |found| found + 1);
        let (param, others) = std::mem::take(&mut rest).split_at_mut(end);
        rest = others;
        if param.trim_ascii_start().first() != Some(&b';') {
            words(param);
            continue;
        }
        let equals = param.iter().position(|octet| *octet == b'=').unwrap_or(param.len());
        let name = param[..equals].trim_ascii().trim_ascii_start();
        let name = name.strip_prefix(b";").unwrap_or(name).trim_ascii();
        // A quote may not end, and then holds what follows.
        let is_known = KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is_known && !param.contains(&b'"') {
            continue;
        }
        let is_name = equals < param.len() && !name.iter().any(u8::is_ascii_digit);
        words(&mut param[if is_name { equals } else { 0 }..]);
    }
}

/// Where the first of some octets stands that is not in quotes. After a quote that does not end there is none.
fn unquoted(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            octet if !quoted && wanted.contains(octet) => return Some(at),
            _ => {}
        }
    }
    None
}

const KNOWN: &[&str] = &[
    "tag",
    "transport",
    "lr",
    "maddr",
    "ttl",
    "method",
    "user",
    "expires",
    "q",
    "index",
    "reason",
    "counter",
    "limit",
    "screen",
    "privacy",
    "party",
    "id-type",
    "ob",
    "reg-id",
    "cpc",
    "oli",
    "cause",
    "npdi",
    "comp",
    "ftag",
];
