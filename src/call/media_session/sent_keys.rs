//! Keys that this side sends: telephone events (RFC 4733 §2.5.1), or tones where telephone-event was not agreed on.
//!
//! ```text
//!            key             100 ms               three packets with the end bit        50 ms of sound
//!  Silent ────────► Pressed ────────► Released ───────────────────────────────► Pause ───────────────► Silent
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use audio::{dtmf_tone, g711};
use base::{Codec, Key};

/// The keys that wait, and the one that is being sent.
#[derive(Debug, Default)]
pub(super) struct SentKeys {
    waiting: VecDeque<Key>,
    pressed: Option<Pressed>,
    /// Samples of sound before the next key.
    pause: usize,
    /// Octets of tones that leave in place of sound.
    tones: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    event: u8,
    began: u32,
    duration: u16,
    /// Packets with the end bit that went out.
    ends: u8,
}

/// One packet of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventPacket {
    pub first: bool,
    /// When the event began.
    pub timestamp: u32,
    pub payload: [u8; 4],
}

impl SentKeys {
    /// Sends a key after those that wait; more than [`WAITING_MAX`] are dropped.
    pub(super) fn send(&mut self, key: Key) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(key);
        }
    }

    /// The packet that is due at this time of the RTP clock, if it is one of an event.
    pub(super) fn event(&mut self, timestamp: u32, samples: usize) -> Option<EventPacket> {
        if self.pressed.is_none() {
            self.pause = self.pause.saturating_sub(samples);
            if self.pause > 0 {
                return None;
            }
            let event = self.waiting.pop_front()?.event();
            self.pressed = Some(Pressed { event, began: timestamp, duration: 0, ends: 0 });
        }
        let pressed = self.pressed.as_mut()?;
        let first = pressed.duration == 0;
        if pressed.ends == 0 {
            pressed.duration = pressed.duration.saturating_add(samples as u16);
        }
        let ended = pressed.duration >= PRESS;
        pressed.ends += u8::from(ended);
        let [high, low] = pressed.duration.to_be_bytes();
        let packet = EventPacket {
            first,
            timestamp: pressed.began,
            payload: [pressed.event, u8::from(ended) << 7 | VOLUME, high, low],
        };
        if pressed.ends == ENDS {
            (self.pressed, self.pause) = (None, PAUSE + samples);
        }
        Some(packet)
    }

    /// Writes tones of the keys that wait over the sound of a packet.
    pub(super) fn tones(&mut self, codec: Codec, sound: &mut [u8]) {
        if self.tones.is_empty()
            && let Some(key) = self.waiting.pop_front()
        {
            let tone = dtmf_tone(key, TONE).into_iter().map(|sample| g711::encode(codec, sample));
            self.tones.extend(tone.chain(std::iter::repeat_n(g711::idle(codec), PAUSE)));
        }
        for (octet, tone) in sound.iter_mut().zip(std::iter::from_fn(|| self.tones.pop_front())) {
            *octet = tone;
        }
    }
}

/// 100 ms, in samples: more than any receiver needs (ITU-T Q.24: 40 ms).
const PRESS: u16 = 800;
const TONE: Duration = Duration::from_millis(100);
/// RFC 4733 §2.5.1.4: the packet with the end bit is sent three times.
const ENDS: u8 = 3;
/// 60 ms of sound between two keys.
const PAUSE: usize = 480;
/// -10 dBm0.
const VOLUME: u8 = 10;
const WAITING_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use audio::DtmfDetector;

    #[test]
    fn a_key_is_an_event_that_grows_ends_three_times_and_pauses() {
        let mut keys = SentKeys::default();
        keys.send(Key::Digit(5));
        keys.send(Key::Pound);
        let packets: Vec<_> = (0..22).map(|n| keys.event(n * 160, 160)).collect();
        let first = packets[0].expect("at once");
        assert_eq!((first.first, first.timestamp, first.payload), (true, 0, [5, 10, 0, 160]));
        let durations: Vec<u16> = packets[..7]
            .iter()
            .map(|packet| packet.map_or(0, |packet| u16::from_be_bytes([packet.payload[2], packet.payload[3]])))
            .collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let ended = |n: usize| packets[n].is_some_and(|packet| packet.payload[1] & 0x80 != 0);
        assert!(!ended(3) && ended(4) && ended(5) && ended(6));
        assert!(packets[7..10].iter().all(Option::is_none), "sound between two keys");
        let second = packets[10].expect("the next key");
        assert_eq!((second.first, second.timestamp, second.payload[0]), (true, 1600, 11));
    }

    #[test]
    fn without_events_a_key_is_a_tone() {
        for codec in Codec::ALL {
            let mut keys = SentKeys::default();
            "1590*#".chars().filter_map(Key::from_char).for_each(|key| keys.send(key));
            let (mut heard, mut detector) = (String::new(), DtmfDetector::default());
            for _ in 0..80 {
                let mut sound = [g711::idle(codec); 160];
                keys.tones(codec, &mut sound);
                detector.feed(sound.iter().map(|octet| g711::decode(codec, *octet)), |key| heard.push(key.as_char()));
            }
            assert_eq!(heard, "1590*#");
        }
    }
}
