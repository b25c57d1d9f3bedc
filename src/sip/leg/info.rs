//! Keys in INFO bodies.
//!
//! Two media types are in use, and neither has an RFC: `application/dtmf-relay` with lines `Signal=5` and
//! `Duration=160`, and `application/dtmf` with the bare key. Trunks also send: a space after `=`, lower case, bare LF,
//! `Signal=10` and `Signal=11` for `*` and `#`, a bare `5` under either type, and an empty body.

use base::Key;

/// The Accept value of a 415.
pub(super) const ACCEPT_KEYS: &str = "application/dtmf-relay, application/dtmf";

/// The content of an INFO body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InfoBody {
    /// A key of the keypad.
    Key(Key),
    /// An empty body, or a signal that no keypad has (A to D, a hook flash).
    Nothing,
    /// Not a signal: 400.
    Malformed,
    /// Another media type: 415.
    Foreign,
}

/// Reads a body under its media type (lower case, without parameters).
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> InfoBody {
    let body = body.trim_ascii();
    if body.is_empty() {
        return InfoBody::Nothing;
    }
    if !matches!(content_type, Some("application/dtmf-relay" | "application/dtmf")) {
        return InfoBody::Foreign;
    }
    let Ok(text) = std::str::from_utf8(&body[..body.len().min(BODY_MAX)]) else { return InfoBody::Malformed };
    let signal = text.lines().find_map(signal_of).or_else(|| text.lines().next());
    signal.map_or(InfoBody::Nothing, |signal| read_signal(signal.trim()))
}

fn signal_of(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    name.trim().eq_ignore_ascii_case("signal").then_some(value)
}

fn read_signal(signal: &str) -> InfoBody {
    let mut chars = signal.chars();
    match (chars.next(), chars.next()) {
        (Some(key), None) => match Key::from_char(key) {
            Some(key) => InfoBody::Key(key),
            None if key.is_ascii_alphabetic() || key == '!' => InfoBody::Nothing,
            None => InfoBody::Malformed,
        },
        (Some(_), Some(_)) => match signal.parse::<u8>() {
            Ok(code) => Key::from_event(code).map_or(InfoBody::Nothing, InfoBody::Key),
            Err(_) => InfoBody::Malformed,
        },
        (None, Some(_) | None) => InfoBody::Nothing,
    }
}

const BODY_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(body: &str) -> InfoBody {
        read(Some("application/dtmf-relay"), body.as_bytes())
    }

    #[test]
    fn every_spelling_seen_on_trunks_is_one_key() {
        let five = || InfoBody::Key(Key::Digit(5));
        for body in ["Signal=5\r\nDuration=160\r\n", "Signal= 5\r\nDuration= 250", "signal=5\nduration=100\n", "5"] {
            assert_eq!(relay(body), five(), "{body:?}");
        }
        assert_eq!(relay("Duration=160\r\nSIGNAL = 5\r\n"), five());
        assert_eq!(read(Some("application/dtmf"), b"5\r\n"), five());
        assert_eq!(read(Some("application/dtmf"), b"Signal=5"), five());
    }

    #[test]
    fn star_and_pound_come_as_characters_and_as_event_codes() {
        for body in ["Signal=*", "Signal=10", "*"] {
            assert_eq!(relay(body), InfoBody::Key(Key::Star), "{body:?}");
        }
        for body in ["Signal=#", "Signal=11", "#"] {
            assert_eq!(relay(body), InfoBody::Key(Key::Pound), "{body:?}");
        }
    }

    #[test]
    fn signals_that_no_keypad_has_are_no_keys() {
        for body in ["", "\r\n", "Signal=A", "Signal=16", "Signal=!", "Signal="] {
            assert_eq!(relay(body), InfoBody::Nothing, "{body:?}");
        }
        assert_eq!(relay("Signal=five"), InfoBody::Malformed);
        assert_eq!(read(Some("text/plain"), b"5"), InfoBody::Foreign);
        assert_eq!(read(None, b"5"), InfoBody::Foreign);
    }
}
