//! One press is one key, whether it comes as a telephone event, as a tone in the sound, or as both.
//!
//! ```text
//!             auto, the first event
//!  Tones, Events ──────────────────► Events        rfc4733: Events    inband: Tones    info: neither
//! ```
//!
//! A trunk that agreed on telephone-event may send tones all the same, so both are heard until the first event comes.
//! From then on tones are not looked for: that would cost time, and a tone would be a second sign of the same key. Where a later
//! description does without telephone-event, tones are looked for again. While another session hears the sound, tones are part of
//! it, and are not looked for either.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use audio::DtmfDetector;
use base::{Codec, DtmfMode, Key};
use rtp::EventKey;

/// Which signs of keys are heard.
#[derive(Debug, Default)]
pub(super) struct Keys {
    mode: DtmfMode,
    events_agreed: bool,
    /// An event has come from this peer.
    events_came: bool,
    tones: Option<Box<DtmfDetector>>,
    /// The last keys that came as tones, and when: their events may follow.
    last_tones: VecDeque<(Key, Instant)>,
    /// The last key that came as an event alone, and when it was pressed: its tone may follow.
    last_event: Option<(Key, Instant)>,
    /// The last key that came as an event, and when it was last known and reported to be down.
    down: Option<(Key, Instant)>,
}

impl Keys {
    /// Takes what is agreed on at present. Another peer, and one that does without events from here on, may send its keys
    /// otherwise than before.
    pub(super) fn describe(&mut self, mode: DtmfMode, events_agreed: bool, other_peer: bool) {
        (self.mode, self.events_agreed) = (mode, events_agreed);
        self.events_came &= events_agreed && !other_peer;
        self.listen();
    }

    /// A key of an event, unless a tone has brought it.
    pub(super) fn event(&mut self, event: EventKey) -> Option<Key> {
        match self.mode {
            DtmfMode::Auto | DtmfMode::Rfc4733 => {}
            DtmfMode::Info | DtmfMode::Inband => return None,
        }
        self.events_came = true;
        self.listen();
        self.down = Some((event.key, event.began));
        let is_its_tone = |(key, at): &(Key, Instant)| *key == event.key && event.began <= *at + SAME_PRESS;
        if let Some(place) = self.last_tones.iter().position(is_its_tone) {
            self.last_tones.drain(..=place);
            return None;
        }
        self.last_tones.clear();
        self.last_event = Some((event.key, event.began));
        Some(event.key)
    }

    /// Takes that the key of an event is down still; returns the key where that is to be reported, once in a while.
    pub(super) fn held(&mut self, now: Instant, key: Key) -> Option<Key> {
        let (down, at) = self.down.as_mut()?;
        if *down != key || now.saturating_duration_since(*at) < HELD_EVERY {
            return None;
        }
        *at = now;
        Some(key)
    }

    /// Looks for tones in sound.
    pub(super) fn sound(&mut self, now: Instant, codec: Codec, octets: &[u8], mut on_key: impl FnMut(Key)) {
        let Some(tones) = &mut self.tones else { return };
        let (last_tones, last_event) = (&mut self.last_tones, &mut self.last_event);
        tones.feed_octets(codec, octets, |key| {
            if last_event.take().is_some_and(|(known, began)| known == key && now <= began + SAME_PRESS) {
                return;
            }
            if last_tones.len() == TONES_MAX {
                last_tones.pop_front();
            }
            last_tones.push_back((key, now));
            on_key(key);
        });
    }

    /// Starts tone detection afresh after a time in which the sound was not examined.
    pub(super) fn forget_tone(&mut self) {
        if let Some(tones) = &mut self.tones {
            **tones = DtmfDetector::default();
        }
    }

    fn listen(&mut self) {
        let listens = match self.mode {
            DtmfMode::Auto => !(self.events_agreed && self.events_came),
            DtmfMode::Inband => true,
            DtmfMode::Rfc4733 | DtmfMode::Info => false,
        };
        if !listens {
            self.tones = None;
        } else if self.tones.is_none() {
            self.tones = Some(Box::default());
        }
    }
}

/// A tone is certain 40 ms after its beginning; its event, which may come at its end, has begun by then, but for the
/// delays of the gateway that tells it.
const SAME_PRESS: Duration = Duration::from_millis(400);
/// Tones whose events may follow: two presses are 80 ms apart at least.
const TONES_MAX: usize = 6;
/// How often it is reported that a key is down still.
const HELD_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    fn tone(keys: &mut Keys, now: Instant) -> usize {
        let low = audio::sine(770.0, -16.0, Duration::from_millis(100));
        let high = audio::sine(1336.0, -16.0, Duration::from_millis(100));
        let mut octets: Vec<u8> =
            low.iter().zip(&high).map(|(low, high)| audio::g711::encode(Codec::Alaw, low + high)).collect();
        octets.extend([audio::g711::idle(Codec::Alaw); 800]);
        let mut heard = 0;
        keys.sound(now, Codec::Alaw, &octets, |key| heard += usize::from(key == Key::Digit(5)));
        heard
    }

    fn keys(mode: DtmfMode) -> Keys {
        let mut keys = Keys::default();
        keys.describe(mode, true, true);
        keys
    }

    #[test]
    fn each_mode_hears_what_it_says() {
        let now = test_clock::start();
        let event = EventKey { key: Key::Digit(7), began: now };
        for (mode, tones, events, tones_after) in [
            (DtmfMode::Auto, 1, true, 0),
            (DtmfMode::Rfc4733, 0, true, 0),
            (DtmfMode::Info, 0, false, 0),
            (DtmfMode::Inband, 1, false, 1),
        ] {
            let mut keys = keys(mode);
            assert_eq!(tone(&mut keys, now), tones, "{mode:?}");
            assert_eq!(keys.event(event).is_some(), events, "{mode:?}");
            assert_eq!(tone(&mut keys, now), tones_after, "{mode:?}");
            assert_eq!(keys.tones.is_some(), tones_after > 0, "{mode:?}");
        }
    }

    #[test]
    fn a_press_that_comes_both_ways_is_one_key_and_the_next_one_another() {
        let now = test_clock::start();
        for after in [0, 100, 1500] {
            let mut keys = keys(DtmfMode::Auto);
            assert_eq!(tone(&mut keys, now), 1);
            // The event may come at the end of the press, and then tells how long it was.
            assert_eq!(keys.event(EventKey { key: Key::Digit(5), began: now }), None);
            let next = now + Duration::from_millis(300 + after);
            assert_eq!(keys.event(EventKey { key: Key::Digit(5), began: next }), Some(Key::Digit(5)));
        }
        let mut keys = keys(DtmfMode::Auto);
        tone(&mut keys, now);
        assert_eq!(keys.event(EventKey { key: Key::Digit(6), began: now }), Some(Key::Digit(6)));
    }

    #[test]
    fn another_peer_may_send_tones_again() {
        let now = test_clock::start();
        let mut keys = keys(DtmfMode::Auto);
        let _ = keys.event(EventKey { key: Key::Digit(1), began: now });
        keys.describe(DtmfMode::Auto, true, false);
        assert_eq!(tone(&mut keys, now), 0);
        keys.describe(DtmfMode::Auto, true, true);
        assert_eq!(tone(&mut keys, now), 1);
    }

    #[test]
    fn a_peer_that_does_without_events_from_here_on_sends_tones() {
        let now = test_clock::start();
        let mut keys = keys(DtmfMode::Auto);
        let event = |began| EventKey { key: Key::Digit(5), began };
        let _ = keys.event(event(now));
        keys.describe(DtmfMode::Auto, false, false);
        let later = now + Duration::from_secs(1);
        assert_eq!(tone(&mut keys, later), 1);
        let _ = keys.event(event(later + Duration::from_secs(1)));
        assert_eq!(tone(&mut keys, later + Duration::from_millis(1050)), 0, "the tone of the event");
        assert_eq!(tone(&mut keys, later + Duration::from_secs(2)), 1, "an event that comes all the same ends nothing");
        keys.describe(DtmfMode::Auto, true, false);
        assert_eq!(tone(&mut keys, later + Duration::from_secs(3)), 0);
    }

    #[test]
    fn events_that_come_after_their_tones_are_no_keys() {
        let start = test_clock::start();
        for delay in [0u64, 120, 200, 300, 380] {
            let (mut keys, mut heard) = (keys(DtmfMode::Auto), 0);
            let at = |ms: u64| start + Duration::from_millis(ms);
            heard += tone(&mut keys, at(50)) + if delay > 250 { tone(&mut keys, at(300)) } else { 0 };
            heard += usize::from(keys.event(EventKey { key: Key::Digit(5), began: at(delay) }).is_some());
            heard += usize::from(keys.event(EventKey { key: Key::Digit(5), began: at(250 + delay) }).is_some());
            assert_eq!(heard, 2, "{delay} ms");
        }
    }

    #[test]
    fn a_long_press_is_reported_as_held_twice_a_second() {
        let now = test_clock::start();
        let mut keys = keys(DtmfMode::Rfc4733);
        let _ = keys.event(EventKey { key: Key::Digit(5), began: now });
        let at = |n: u64| now + Duration::from_millis(20 * n);
        let held: Vec<u64> = (0..120).filter(|n| keys.held(at(*n), Key::Digit(5)).is_some()).collect();
        assert_eq!(held, [25, 50, 75, 100]);
        assert_eq!(keys.held(at(500), Key::Digit(6)), None);
    }
}
