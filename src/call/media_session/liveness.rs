//! Whether the peer is still there.
//!
//! A peer that suppresses silence (RFC 3389, RFC 3551 §4.1) sends no sound while its caller listens, but comfort noise,
//! RTCP or session refreshes; each of them shows that it is there. A peer is lost that sends nothing at all. One that
//! announced silence, or holds the call, need not send; it is given longer, by a limit of its own, but not all time.

use std::time::{Duration, Instant};

/// Since when the peer has been silent.
#[derive(Debug)]
pub(super) struct Liveness {
    /// None once its loss was reported.
    silent_since: Option<Instant>,
    announced: bool,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Liveness {
        Liveness { silent_since: Some(now), announced: false }
    }

    /// A packet of the peer's sound came, or one that announces silence.
    pub(super) fn heard(&mut self, now: Instant, announces_silence: bool) {
        self.alive(now);
        self.announced = announces_silence;
    }

    /// Something else showed that the peer is there.
    pub(super) fn alive(&mut self, now: Instant) {
        if let Some(since) = &mut self.silent_since {
            *since = now;
        }
    }

    /// Whether the peer is lost; true once. `expected`: it should send; else the longer `hold_timeout` counts.
    pub(super) fn is_lost(&mut self, now: Instant, timeout: Duration, hold_timeout: Duration, expected: bool) -> bool {
        let limit = if expected && !self.announced { timeout } else { hold_timeout };
        let lost = self.silent_since.is_some_and(|since| now.saturating_duration_since(since) >= limit);
        if lost {
            self.silent_since = None;
        }
        lost
    }
}

/// Whether a packet is comfort noise: payload type 13, 19 of older senders, or one of a number that was not agreed on
/// and so short that it can only describe noise (RFC 3389 §3: a level, and a few coefficients).
pub(super) fn is_comfort_noise(payload_type: u8, payload: &[u8]) -> bool {
    matches!(payload_type, 13 | 19) || payload_type >= 96 && (1..=NOISE_OCTETS).contains(&payload.len())
}

const NOISE_OCTETS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    #[test]
    fn a_peer_that_need_not_send_is_lost_after_a_limit_of_its_own() {
        let (now, timeout, hold) = (test_clock::start(), Duration::from_secs(60), Duration::from_secs(90));
        let lost = |after: u64, expected| {
            Liveness::new(now).is_lost(now + Duration::from_secs(after), timeout, hold, expected)
        };
        assert_eq!([lost(59, true), lost(60, true), lost(89, false), lost(90, false)], [false, true, false, true]);
    }
}
