//! A key of a telephone's keypad.

use std::fmt;

/// One of the twelve keys. RFC 4733 §3.2 also has A to D, which telephones lack; they are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// `*`
    Star,
    /// `#`
    Pound,
}

impl Key {
    /// Reads `0`–`9`, `*` or `#`.
    pub fn from_char(c: char) -> Option<Key> {
        match c {
            '0'..='9' => Some(Key::Digit(c as u8 - b'0')),
            '*' => Some(Key::Star),
            '#' => Some(Key::Pound),
            _ => None,
        }
    }

    /// Reads the event code of RFC 4733 §3.2: 0–9 digits, 10 `*`, 11 `#`.
    pub fn from_event(code: u8) -> Option<Key> {
        match code {
            0..=9 => Some(Key::Digit(code)),
            10 => Some(Key::Star),
            11 => Some(Key::Pound),
            _ => None,
        }
    }

    /// Its event code of RFC 4733 §3.2.
    pub fn event(self) -> u8 {
        match self {
            Key::Digit(digit) => digit,
            Key::Star => 10,
            Key::Pound => 11,
        }
    }

    /// The character on the key.
    pub fn as_char(self) -> char {
        match self {
            Key::Digit(d) => char::from(b'0' + d),
            Key::Star => '*',
            Key::Pound => '#',
        }
    }
}

/// Prints a placeholder: a pressed key may belong to a receipt number or a second factor, which logs must not contain.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(_)")
    }
}
