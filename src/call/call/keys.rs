//! One press, one key, also where a telephone sends it in several ways.
//!
//! Some send a press as RFC 4733 from its start and as INFO at its release, some as INFO at its start, some as a tone too.
//! The ways have delays of their own, so their order means nothing. Each way reports a press once at most:
//!
//! ```text
//!  key by a way ──► a recent press of this key that this way has not reported? ── yes ─► reported
//!                                                                                       └─ no ──► a new press
//! ```
//!
//! The time runs from when the key was last known to be down: a report at its release may say nothing of how long it was held, or
//! something else than what is true.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Call, Output, State};
use crate::media_control::KeySource;
use base::Key;

/// The last presses of a caller.
#[derive(Debug, Default)]
pub(crate) struct Presses {
    last: VecDeque<Press>,
    /// The caller's telephone sends its presses in several ways.
    several_ways: bool,
    /// It sends them as tones, too.
    pub(super) as_tones: bool,
}

#[derive(Debug)]
struct Press {
    key: Key,
    /// When the key was last known to be down: at the first report, or later by [`Presses::held`].
    until: Instant,
    reported_by: Vec<KeySource>,
}

impl Presses {
    /// Whether this is a new press. `held`: how long the key was held, if the report comes at its release.
    pub(crate) fn is_new(&mut self, now: Instant, key: Key, source: KeySource, held: Option<Duration>) -> bool {
        let apart = if self.several_ways { APART_WHEN_KNOWN } else { APART };
        let apart = apart + held.unwrap_or_default().min(HELD_MAX);
        self.last.retain(|press| now.duration_since(press.until) <= apart.max(KEPT));
        let known = self.last.iter_mut().find(|press| {
            press.key == key && !press.reported_by.contains(&source) && now.duration_since(press.until) <= apart
        });
        if let Some(press) = known {
            press.reported_by.push(source);
            self.several_ways = true;
            return false;
        }
        if self.last.len() == PRESSES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(Press { key, until: now, reported_by: vec![source] });
        true
    }

    /// The key of the last press in RTP was down until now.
    pub(crate) fn held(&mut self, now: Instant, key: Key) {
        let in_rtp = |press: &&mut Press| press.key == key && press.reported_by.contains(&KeySource::Rtp);
        if let Some(press) = self.last.iter_mut().rev().find(in_rtp) {
            press.until = now;
        }
    }
}

impl Call {
    pub(super) fn on_key(
        &mut self,
        now: Instant,
        key: Key,
        source: KeySource,
        held: Option<Duration>,
        out: &mut Vec<Output>,
    ) {
        if !source.counts(self.policy.dtmf) {
            return;
        }
        self.presses.as_tones |= source == KeySource::Tone;
        // The media session makes one key of an event and its tone.
        let way = if source == KeySource::Tone { KeySource::Rtp } else { source };
        if !self.presses.is_new(now, key, way, held) {
            return;
        }
        match self.state {
            State::Talking => self.take_key(now, key, source, out),
            // Media and signalling race each other: a key may overtake the ACK that it follows.
            State::Answered if self.early_keys.len() < EARLY_KEYS_MAX => self.early_keys.push((key, source)),
            State::Offered | State::Answered | State::Over | State::Gone => {}
        }
    }
}

/// Two ways report one press within this time, plus the time that the key was held if a way reports it.
const APART: Duration = Duration::from_secs(1);
/// As [`APART`] where each press is known to come twice: an INFO whose first copy was lost comes that late.
const APART_WHEN_KNOWN: Duration = Duration::from_secs(4);
/// No press counts as longer.
const HELD_MAX: Duration = Duration::from_secs(20);
const KEPT: Duration = Duration::from_secs(30);
const PRESSES_MAX: usize = 32;
/// Keys kept from before the ACK.
const EARLY_KEYS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_clock;

    /// What is heard of keys told at these milliseconds.
    fn heard(told: &[(u64, u8, KeySource, Option<u64>)]) -> String {
        let (mut presses, start) = (Presses::default(), test_clock::start());
        let mut told = told.to_vec();
        told.sort_by_key(|(at, ..)| *at);
        let new = told.iter().filter(|(at, digit, source, held)| {
            let now = start + Duration::from_millis(*at);
            presses.is_new(now, Key::Digit(*digit), *source, held.map(Duration::from_millis))
        });
        new.map(|(_, digit, ..)| char::from(b'0' + digit)).collect()
    }

    use KeySource::{Info, Rtp, Tone};

    #[test]
    fn a_press_told_from_its_start_and_at_its_release_is_one_key() {
        for held in [100, 250, 400, 800, 3000, 9000] {
            assert_eq!(heard(&[(0, 6, Rtp, None), (held + 20, 6, Info, Some(held))]), "6", "{held} ms");
            assert_eq!(heard(&[(0, 6, Tone, None), (held + 20, 6, Info, Some(held))]), "6", "{held} ms");
            assert_eq!(heard(&[(0, 6, Info, Some(250)), (held.min(900), 6, Rtp, None)]), "6", "{held} ms");
        }
        assert_eq!(heard(&[(0, 6, Rtp, None), (40, 6, Tone, None), (420, 6, Info, Some(400))]), "6");
    }

    #[test]
    fn keys_between_and_keys_told_once_are_kept() {
        assert_eq!(
            heard(&[(0, 5, Rtp, None), (200, 6, Rtp, None), (260, 5, Info, Some(150)), (400, 6, Info, Some(150))]),
            "56"
        );
        assert_eq!(heard(&[(0, 5, Rtp, None), (150, 5, Rtp, None), (300, 5, Rtp, None)]), "555");
        assert_eq!(heard(&[(0, 5, Info, Some(90)), (150, 5, Info, Some(90))]), "55");
        assert_eq!(
            heard(&[(0, 5, Rtp, None), (3000, 5, Info, Some(100))]),
            "55",
            "two presses of a peer that changes its way"
        );
    }

    #[test]
    fn a_late_info_is_known_once_the_peer_tells_everything_twice() {
        let first = [(0, 1, Rtp, None), (120, 1, Info, Some(100))];
        let late = [(1000, 2, Rtp, None), (3100, 2, Info, Some(100)), (3200, 2, Rtp, None), (3320, 2, Info, Some(100))];
        assert_eq!(heard(&[first.as_slice(), &late].concat()), "122");
    }

    /// Whether an INFO at these milliseconds, without a duration or with a false one, is another key than a press in RTP of this
    /// length.
    fn is_another(held: u64, info_at: u64, duration: Option<u64>) -> bool {
        let (mut presses, start) = (Presses::default(), test_clock::start());
        let at = |ms| start + Duration::from_millis(ms);
        presses.is_new(start, Key::Digit(6), Rtp, None);
        (1..=held / 500).for_each(|n| presses.held(at(n * 500), Key::Digit(6)));
        presses.is_new(at(info_at), Key::Digit(6), Info, duration.map(Duration::from_millis))
    }

    #[test]
    fn an_info_at_the_release_of_a_long_press_need_not_tell_its_length() {
        for held in [400, 900, 1200, 2000, 5490, 9000, 40_000] {
            for duration in [None, Some(0), Some(250)] {
                assert!(!is_another(held, held + 20, duration), "{held} ms");
                assert!(!is_another(held, held + 400, duration), "{held} ms");
            }
            assert!(is_another(held, held + 1300, None), "a press that came by INFO alone after {held} ms");
        }
    }

    proptest! {
        #[test]
        fn presses_of_any_length_told_by_rtp_and_at_their_release_are_heard_once_each(
            presses in proptest::collection::vec((0u8..3, 40u64..6000, 60u64..400, 0u64..60), 1..12),
        ) {
            let (mut machine, start, mut at) = (Presses::default(), test_clock::start(), 0);
            let mut heard = Vec::new();
            for (digit, held, gap, delay) in &presses {
                let (key, time) = (Key::Digit(*digit), |ms| start + Duration::from_millis(ms));
                heard.extend(machine.is_new(time(at), key, Rtp, None).then_some(*digit));
                (1..=held / 500).for_each(|n| machine.held(time(at + n * 500), key));
                heard.extend(machine.is_new(time(at + held + delay), key, Info, None).then_some(*digit));
                at += held + gap.max(delay);
            }
            prop_assert_eq!(heard, presses.iter().map(|(digit, ..)| *digit).collect::<Vec<_>>());
        }

        #[test]
        fn any_presses_told_in_two_ways_are_heard_once_each_in_their_order(
            presses in proptest::collection::vec((0u8..10, 40u64..900, 60u64..400, 0u64..250, any::<bool>()), 1..12),
            rtp_lost in proptest::option::of(0usize..12),
        ) {
            let (mut at, mut told) = (0, Vec::new());
            for (n, (digit, held, gap, delay, at_start)) in presses.iter().enumerate() {
                if rtp_lost != Some(n) {
                    told.push((at, *digit, Rtp, None));
                }
                let info_at = if *at_start { at + delay } else { at + held + delay };
                told.push((info_at, *digit, Info, Some(*held)));
                at += held + gap.max(delay);
            }
            let lost = rtp_lost.is_some_and(|n| n < presses.len());
            let heard = heard(&told);
            let all: String = presses.iter().map(|(digit, ..)| char::from(b'0' + digit)).collect();
            if lost {
                // A key that came by INFO alone is heard when its INFO comes.
                prop_assert_eq!(heard.len(), all.len());
            } else {
                prop_assert_eq!(heard, all);
            }
        }
    }
}
