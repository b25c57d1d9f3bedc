//! Keys in INFO bodies.
//!
//! Two media types are in wide use, and neither has an RFC: `application/dtmf-relay` with lines `Signal=5` and
//! `Duration=160`, and `application/dtmf` with the bare key. Trunks also send: spaces around `=`, a colon in place of it, quotes,
//! lower case, bare LF, semicolons, commas or spaces in place of line ends, `Signal=10` and `Signal=11` for `*` and `#`, a bare `5` under either type, `d=5`
//! as `audio/telephone-event` or `application/vnd.nortelnetworks.digits`, `star` and `pound`, a zero octet at the end, and an empty body.

use std::time::Duration;

use base::Key;

/// The Accept value of a 415.
pub(super) const ACCEPT_KEYS: &str = "application/dtmf-relay, application/dtmf";

/// The content of an INFO body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InfoBody {
    /// A key of the keypad.
    Key {
        key: Key,
        /// How long it was pressed, in `Duration` lines of milliseconds.
        held: Option<Duration>,
    },
    /// An empty body, or a signal that no keypad has (A to D, a hook flash).
    Nothing,
    /// Not a signal: 400.
    Malformed,
    /// Another media type: 415.
    Foreign,
}

/// Reads a body under its media type (lower case, without parameters).
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> InfoBody {
    let end = body.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let body = body[..end].trim_ascii();
    if body.is_empty() {
        return InfoBody::Nothing;
    }
    if !content_type.is_some_and(|kind| MEDIA_TYPES.contains(&kind)) {
        return InfoBody::Foreign;
    }
    let Ok(text) = std::str::from_utf8(&body[..body.len().min(BODY_MAX)]) else { return InfoBody::Malformed };
    let lines = || text.split(['\r', '\n', ';', ',']).map(str::trim).filter(|line| !line.is_empty());
    let named = |names: &[&str]| {
        let is_named = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        lines().flat_map(pairs).find(|(name, _)| is_named(name)).map(|(_, value)| value)
    };
    let signal = named(&["signal", "d"]).or_else(|| lines().next());
    match read_signal(signal.unwrap_or("").trim_matches(QUOTES)) {
        Signal::Key(key) => {
            let held = named(&["duration"]).and_then(|text| text.trim_matches(QUOTES).parse().ok());
            InfoBody::Key { key, held: held.map(|ms: u32| Duration::from_millis(ms.into())) }
        }
        Signal::Nothing => InfoBody::Nothing,
        Signal::Malformed => InfoBody::Malformed,
    }
}

enum Signal {
    Key(Key),
    Nothing,
    Malformed,
}

/// The names and values of a line. A value ends at a space.
fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once(['=', ':'])?;
        let after = after.trim_start();
        let (value, more) = after.split_once([' ', '\t']).unwrap_or((after, ""));
        rest = more;
        Some((name.trim(), value))
    })
}

fn read_signal(signal: &str) -> Signal {
    let mut chars = signal.chars();
    match (chars.next(), chars.next()) {
        (Some(key), None) => match Key::from_char(key) {
            Some(key) => Signal::Key(key),
            None if key.is_ascii_alphabetic() || key == '!' => Signal::Nothing,
            None => Signal::Malformed,
        },
        (Some(_), Some(_)) => match signal.parse::<u8>() {
            Ok(code) => Key::from_event(code).map_or(Signal::Nothing, Signal::Key),
            Err(_) if STAR.iter().any(|name| name.eq_ignore_ascii_case(signal)) => Signal::Key(Key::Star),
            Err(_) if POUND.iter().any(|name| name.eq_ignore_ascii_case(signal)) => Signal::Key(Key::Pound),
            Err(_) if HOOK_FLASH.iter().any(|name| name.eq_ignore_ascii_case(signal)) => Signal::Nothing,
            Err(_) => Signal::Malformed,
        },
        (None, Some(_) | None) => Signal::Nothing,
    }
}

const MEDIA_TYPES: [&str; 4] =
    ["application/dtmf-relay", "application/dtmf", "audio/telephone-event", "application/vnd.nortelnetworks.digits"];
const STAR: [&str; 2] = ["star", "asterisk"];
const POUND: [&str; 2] = ["pound", "hash"];
const HOOK_FLASH: [&str; 3] = ["hf", "flash", "hookflash"];
const QUOTES: [char; 3] = ['"', '\'', ' '];
const BODY_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(body: &str) -> InfoBody {
        read(Some("application/dtmf-relay"), body.as_bytes())
    }

    #[test]
    fn every_spelling_seen_on_trunks_is_one_key() {
        let five = |held: Option<u64>| InfoBody::Key { key: Key::Digit(5), held: held.map(Duration::from_millis) };
        for (body, held) in [
            ("Signal=5\r\nDuration=160\r\n", Some(160)),
            ("Signal= 5\r\nDuration= 250", Some(250)),
            ("signal=5\nduration=100\n", Some(100)),
            ("Duration=160\r\nSIGNAL = 5\r\n", Some(160)),
            ("Signal=\"5\"\r\nDuration=\"90\"", Some(90)),
            ("Signal=5;Duration=160", Some(160)),
            ("Signal=5 Duration=160", Some(160)),
            ("Signal = '5' , Duration = '160'", Some(160)),
            ("Signal: 5\r\nDuration: 160\r\n", Some(160)),
            ("\tSignal\t=\t5\t\r\n\r\nDuration\t=\t160", Some(160)),
            ("\r\nSignal=5\r\nDuration=long\r\n", None),
            ("5", None),
        ] {
            assert_eq!(relay(body), five(held), "{body:?}");
        }
        for (kind, body) in [
            ("application/dtmf", "5\r\n"),
            ("application/dtmf", "Signal=5"),
            ("application/dtmf", "d=5"),
            ("audio/telephone-event", "5"),
            ("audio/telephone-event", "d=5\r\n"),
            ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\ny=Digits\r\nd=5\r\n"),
        ] {
            assert_eq!(read(Some(kind), body.as_bytes()), five(None), "{kind} {body:?}");
        }
    }

    #[test]
    fn star_and_pound_come_as_characters_and_as_event_codes() {
        for body in ["Signal=*", "Signal=10", "*", "Signal=star\r\nDuration=x", "Signal=*\r\n\0"] {
            assert_eq!(relay(body), InfoBody::Key { key: Key::Star, held: None }, "{body:?}");
        }
        for body in ["Signal=#", "Signal=11", "#", "Signal=Pound", "#\0"] {
            assert_eq!(relay(body), InfoBody::Key { key: Key::Pound, held: None }, "{body:?}");
        }
    }

    #[test]
    fn signals_that_no_keypad_has_are_no_keys() {
        for body in ["", "\r\n", "Signal=A", "Signal=16", "Signal=!", "Signal=hf", "Signal="] {
            assert_eq!(relay(body), InfoBody::Nothing, "{body:?}");
        }
        assert_eq!(relay("Signal=five"), InfoBody::Malformed);
        assert_eq!(read(Some("text/plain"), b"5"), InfoBody::Foreign);
        assert_eq!(read(None, b"5"), InfoBody::Foreign);
    }
}
