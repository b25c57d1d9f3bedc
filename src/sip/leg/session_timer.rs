//! Session timers of a user agent server (RFC 4028 §9).
//!
//! One side, the refresher, refreshes the session at half its interval, by UPDATE or re-INVITE; without a refresh both
//! sides end the call. The caller's side is the refresher wherever it can be: it knows whether its caller is still there.

use std::time::{Duration, Instant};

use crate::grammar;
use crate::lexer::HeaderName;
use crate::message::Message;

/// The session terms of a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub interval: Duration,
    pub we_refresh: bool,
    /// The 2xx requires the extension, because the peer supports it.
    pub required: bool,
}

impl Terms {
    /// The Session-Expires value of a response; the peer is the UAC.
    pub(super) fn header(&self) -> String {
        format!("{};refresher={}", self.interval.as_secs(), if self.we_refresh { "uas" } else { "uac" })
    }
}

/// The interval is below the local minimum: a 422 with this Min-SE.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSmall(pub Duration);

/// A session with an expiry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub interval: Duration,
    /// The next local refresh; `None` if the peer is the refresher.
    pub refresh_at: Option<Instant>,
    /// When the call ends without a refresh (RFC 4028 §10).
    pub ends_at: Instant,
    pub tries: u8,
}

impl Session {
    pub(super) fn new(now: Instant, interval: Duration, we_refresh: bool) -> Session {
        let early = (interval / 3).min(Duration::from_secs(32));
        let refresh_at = we_refresh.then(|| now + interval / 2);
        Session { interval, refresh_at, ends_at: now + (interval - early), tries: 0 }
    }
}

/// Chooses the terms for an INVITE or UPDATE (RFC 4028 §9, Table 2).
///
/// A caller that neither supports session timers nor asks for one gets none; the media timeout ends its call.
pub(super) fn negotiate(message: &Message, ours: Duration, min_se: Duration) -> Result<Option<Terms>, TooSmall> {
    let supported = message.lists(HeaderName::Supported, "timer") || message.lists(HeaderName::Require, "timer");
    let their_min = message.header(HeaderName::MinSe).and_then(seconds).unwrap_or(Duration::ZERO);
    let floor = their_min.max(min_se);
    let asked = message.header(HeaderName::SessionExpires);
    let interval = match asked.and_then(seconds) {
        Some(asked) if asked < min_se && supported => return Err(TooSmall(floor)),
        Some(asked) => asked.min(ours.max(floor)).max(SHORTEST),
        None if supported => ours.max(floor),
        None => return Ok(None),
    };
    let refresher = asked.and_then(refresher);
    let we_refresh = !supported || refresher.is_some_and(|name| name.eq_ignore_ascii_case("uas"));
    Ok(Some(Terms { interval, we_refresh, required: supported }))
}

/// The session that a 2xx to a local refresh grants, in which this side is the UAC; `None` if the peer keeps no timer.
pub(super) fn granted(now: Instant, response: &Message) -> Option<Session> {
    let text = response.header(HeaderName::SessionExpires)?;
    let we_refresh = !refresher(text).is_some_and(|name| name.eq_ignore_ascii_case("uas"));
    Some(Session::new(now, seconds(text)?.max(SHORTEST), we_refresh))
}

/// The delta-seconds before the parameters, at most a day.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let end = text.find(';').unwrap_or(text.len());
    let digits = text[..end].trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)).min(LONGEST))
}

fn refresher(text: &str) -> Option<&str> {
    grammar::param(&text[text.find(';')?..], "refresher")
}

/// RFC 4028 §4: no Min-SE may be smaller than 90 s.
const SHORTEST: Duration = Duration::from_secs(90);
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;
    use crate::test_peer::{OFFER, Peer};

    const OURS: Duration = Duration::from_secs(1800);
    const MIN: Duration = Duration::from_secs(90);

    fn terms(headers: &str) -> Result<Option<String>, TooSmall> {
        let invite = Peer::new(Transport::Udp).request("INVITE", headers, OFFER);
        negotiate(&invite, OURS, MIN).map(|terms| terms.map(|terms| terms.header()))
    }

    #[test]
    fn the_caller_refreshes_unless_it_cannot_or_will_not() {
        let header = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(terms("Supported: timer\r\n"), header("1800;refresher=uac"));
        assert_eq!(terms("Supported: timer\r\nSession-Expires: 600\r\n"), header("600;refresher=uac"));
        assert_eq!(terms("Supported: timer\r\nx: 600 ; refresher=UAS\r\n"), header("600;refresher=uas"));
        assert_eq!(terms("Session-Expires: 600\r\n"), header("600;refresher=uas"));
        assert_eq!(terms("Require: timer\r\nSession-Expires: 600;refresher=uac\r\n"), header("600;refresher=uac"));
        assert_eq!(terms(""), Ok(None));
    }

    #[test]
    fn an_interval_is_lowered_to_the_local_one_but_never_below_either_minimum() {
        let header = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(terms("k: timer\r\nx: 7200\r\n"), header("1800;refresher=uac"));
        assert_eq!(terms("k: timer\r\nx: 7200\r\nMin-SE: 3600\r\n"), header("3600;refresher=uac"));
        assert_eq!(terms("k: timer\r\nMin-SE: 3600\r\n"), header("3600;refresher=uac"));
        assert_eq!(terms("k: timer\r\nx: 60\r\nMin-SE: 120\r\n"), Err(TooSmall(Duration::from_secs(120))));
        assert_eq!(terms("x: 60\r\n"), header("90;refresher=uas"), "a caller that knows no 422 is not given one");
        assert_eq!(terms("k: timer\r\nx: 99999999999999999999\r\n"), header("1800;refresher=uac"));
    }
}
