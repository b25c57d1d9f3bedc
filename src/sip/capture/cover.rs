//! Covers octets, each with one of its own.

/// Replaces letters, digits, keys and all that is not ASCII.
pub(super) fn words(octets: &mut [u8]) {
    for octet in octets {
        if octet.is_ascii_alphanumeric() || !octet.is_ascii() || matches!(octet, b'*' | b'#') {
            *octet = MASK;
        }
    }
}

/// Replaces all but white space.
pub(super) fn visible(octets: &mut [u8]) {
    for octet in octets {
        if !octet.is_ascii_whitespace() {
            *octet = MASK;
        }
    }
}

/// What stands for an octet: no digit, no key, and allowed in every place.
pub(super) const MASK: u8 = b'x';
