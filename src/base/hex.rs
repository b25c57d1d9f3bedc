//! Octets as text.

use std::fmt::Write;

/// Octets as lower-case hexadecimal digits (RFC 4648 §8), two for each.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
