//! Telephone events (RFC 4733) → one key per press.
//!
//! A press is several packets with one timestamp and a growing duration; the last one is sent three times
//! with the end bit. Any of them may be lost, doubled or late, and peers differ:
//!
//! - all end packets may be lost, or only they may arrive;
//! - a press held over 8 s goes on under a new timestamp, without an end before it (§2.5.1.3);
//! - some peers move the timestamp with every packet of one press, some leave it for the next press;
//! - the duration may stay zero.
//!
//! ```text
//!             packet of an unknown press ─► key
//!  None ───────────────────────────────────────► Down ── end bit ──► Up
//!                      ▲ newer packet of a new press ─► key            │
//!                      └───────────────────────────────────────────────┘
//! ```

use super::Header;
use base::Key;

/// Decodes the telephone events of one peer.
#[derive(Clone, Debug, Default)]
pub struct TelephoneEvents {
    current: Option<Press>,
    /// Timestamp and event of the presses before the current one, to recognise late packets.
    past: [Option<(u32, u8)>; PAST],
    oldest: usize,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    /// The timestamp of the first packet.
    began: u32,
    /// The timestamp of the newest packet.
    timestamp: u32,
    sequence: u16,
    duration: u16,
    ended: bool,
}

/// One event payload (RFC 4733 §2.3).
#[derive(Clone, Copy)]
struct Sighting {
    event: u8,
    end: bool,
    duration: u16,
    marker: bool,
    sequence: u16,
    timestamp: u32,
}

impl TelephoneEvents {
    /// Takes a packet of the event payload type; returns a key with the first packet that arrives of a press.
    pub fn packet(&mut self, header: &Header, payload: &[u8]) -> Option<Key> {
        let &[event, flags, high, low, ..] = payload else { return None };
        let sighting = Sighting {
            event,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([high, low]),
            marker: header.marker,
            sequence: header.sequence,
            timestamp: header.timestamp,
        };
        if let Some(press) = &mut self.current {
            if press.is_older(&sighting) && press.knows(&sighting) {
                return None;
            }
            if press.continues(&sighting) {
                press.follow(&sighting);
                return None;
            }
            if self.past.contains(&Some((sighting.timestamp, event))) && press.is_older(&sighting) {
                return None;
            }
        }
        self.begin(sighting);
        Key::from_event(event)
    }

    /// Starts over for a new source, whose sequence numbers and timestamps are unrelated.
    pub fn reset(&mut self) {
        *self = TelephoneEvents::default();
    }

    fn begin(&mut self, sighting: Sighting) {
        if let Some(press) = self.current {
            self.past[self.oldest] = Some((press.timestamp, press.event));
            self.oldest = (self.oldest + 1) % PAST;
        }
        self.current = Some(Press {
            event: sighting.event,
            began: sighting.timestamp,
            timestamp: sighting.timestamp,
            sequence: sighting.sequence,
            duration: sighting.duration,
            ended: sighting.end,
        });
    }
}

impl Press {
    /// Whether a packet was sent before the newest of this press, or repeats it.
    fn is_older(&self, sighting: &Sighting) -> bool {
        self.sequence.wrapping_sub(sighting.sequence) < 0x8000
    }

    /// Whether a packet's timestamp lies between the first and the newest of this press.
    fn knows(&self, sighting: &Sighting) -> bool {
        let span = self.timestamp.wrapping_sub(self.began);
        sighting.event == self.event && sighting.timestamp.wrapping_sub(self.began) <= span
    }

    /// Whether a newer packet belongs to this press.
    fn continues(&self, sighting: &Sighting) -> bool {
        if sighting.event != self.event || self.is_older(sighting) {
            return false;
        }
        let later = sighting.timestamp.wrapping_sub(self.timestamp);
        let grows = sighting.duration >= self.duration;
        match (later == 0, self.ended) {
            // The same timestamp: only a duration that restarts marks a new press of a peer that never moves the
            // timestamp; after the end, so does a packet with the marker and without the end bit.
            (true, false) => grows && !(sighting.marker && sighting.duration < FIRST_DURATION_MAX && self.aged()),
            (true, true) => sighting.end || grows && !sighting.marker,
            // A moved timestamp: the next segment of a long press, or a peer that moves it with every packet.
            (false, false) => !sighting.marker && (self.next_segment(later) || self.moving(later, grows)),
            // A repeated end of a peer that moves the timestamp: a new press cannot begin before this one is over.
            (false, true) => {
                sighting.end && !sighting.marker && sighting.duration == self.duration && self.overlaps(later)
            }
        }
    }

    fn aged(&self) -> bool {
        self.duration > FIRST_DURATION_MAX
    }

    fn next_segment(&self, later: u32) -> bool {
        later == u32::from(self.duration) && later > 0
            || self.duration >= SEGMENT_MIN && later.abs_diff(0xFFFF) <= SEGMENT_SLACK
    }

    fn moving(&self, later: u32, grows: bool) -> bool {
        self.overlaps(later) || grows && self.duration > 0 && later <= MOVING_STEP_MAX
    }

    fn overlaps(&self, later: u32) -> bool {
        later < u32::from(self.duration)
    }

    fn follow(&mut self, sighting: &Sighting) {
        self.timestamp = sighting.timestamp;
        self.sequence = sighting.sequence;
        self.duration = sighting.duration;
        self.ended |= sighting.end;
    }
}

const PAST: usize = 4;
/// The longest duration of the first packet of a press: 60 ms.
const FIRST_DURATION_MAX: u16 = 480;
/// A segment ends near the largest duration, 8.19 s; its last packets may be lost.
const SEGMENT_MIN: u16 = 0xD000;
const SEGMENT_SLACK: u32 = 0x3000;
/// A peer that moves the timestamp moves it by a packet's time, at most 60 ms with losses.
const MOVING_STEP_MAX: u32 = 480;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A telephone that sends events.
    struct Phone {
        sequence: u16,
        timestamp: u32,
        sent: Vec<(Header, [u8; 4])>,
    }

    impl Phone {
        fn new() -> Phone {
            Phone { sequence: 65_530, timestamp: 4_294_960_000, sent: Vec::new() }
        }

        fn send(&mut self, event: u8, timestamp: u32, duration: u16, end: bool, marker: bool) -> &mut Phone {
            let header = Header { marker, payload_type: 101, sequence: self.sequence, timestamp, ssrc: 1 };
            let [high, low] = duration.to_be_bytes();
            self.sent.push((header, [event, u8::from(end) << 7 | 10, high, low]));
            self.sequence = self.sequence.wrapping_add(1);
            self
        }

        /// A press of 100 ms as RFC 4733 §2.5.1 says, then 100 ms of silence.
        fn press(&mut self, event: u8) -> &mut Phone {
            let timestamp = self.timestamp;
            for n in 1..=5 {
                self.send(event, timestamp, n * 160, false, n == 1);
            }
            for _ in 0..3 {
                self.send(event, timestamp, 800, true, false);
            }
            self.timestamp = timestamp.wrapping_add(1600);
            self
        }

        fn drop_if(&mut self, lost: impl Fn(&[u8; 4]) -> bool) -> &mut Phone {
            self.sent.retain(|(_, payload)| !lost(payload));
            self
        }

        fn heard(&self) -> String {
            heard(&self.sent)
        }
    }

    fn heard(packets: &[(Header, [u8; 4])]) -> String {
        let mut keys = TelephoneEvents::default();
        packets.iter().filter_map(|(header, payload)| keys.packet(header, payload)).map(Key::as_char).collect()
    }

    fn is_end(payload: &[u8; 4]) -> bool {
        payload[1] & 0x80 != 0
    }

    #[test]
    fn one_press_is_one_key_and_two_are_two() {
        assert_eq!(Phone::new().press(5).heard(), "5");
        assert_eq!(Phone::new().press(5).press(5).press(11).press(10).heard(), "55#*");
    }

    #[test]
    fn the_end_may_be_lost_every_time() {
        assert_eq!(Phone::new().press(1).press(1).press(2).press(1).drop_if(is_end).heard(), "1121");
    }

    #[test]
    fn the_end_may_be_all_that_arrives() {
        assert_eq!(Phone::new().press(1).press(1).press(2).drop_if(|payload| !is_end(payload)).heard(), "112");
    }

    #[test]
    fn doubled_and_late_packets_are_no_keys() {
        let mut phone = Phone::new();
        phone.press(1).press(1).press(3);
        let doubled: Vec<_> = phone.sent.iter().flat_map(|packet| [*packet, *packet]).collect();
        assert_eq!(heard(&doubled), "113");
        let mut late = phone.sent.clone();
        let straggler = late.remove(7);
        late.insert(10, straggler);
        let straggler = late.remove(2);
        late.insert(6, straggler);
        assert_eq!(heard(&late), "113");
    }

    #[test]
    fn end_packets_with_one_sequence_number_are_one_end() {
        let mut phone = Phone::new();
        phone.press(4).press(4);
        let end = phone.sent[5];
        phone.sent[6] = end;
        phone.sent[7] = end;
        assert_eq!(phone.heard(), "44");
    }

    #[test]
    fn a_key_held_for_20_seconds_is_one_key() {
        for lost_tail in [0, 10] {
            let mut phone = Phone::new();
            let mut start: u32 = 1000;
            for segment in 0..2 {
                for n in 1..=408u16 - lost_tail {
                    phone.send(7, start, n * 160, false, segment == 0 && n == 1);
                }
                if lost_tail == 0 {
                    phone.send(7, start, 0xFFFF, false, false);
                }
                start = start.wrapping_add(0xFFFF);
            }
            for n in 1..100 {
                phone.send(7, start, n * 160, n == 99, false);
            }
            assert_eq!(phone.heard(), "7", "{lost_tail}");
        }
    }

    #[test]
    fn a_peer_that_moves_the_timestamp_with_every_packet_presses_once() {
        let mut phone = Phone::new();
        for (press, start) in [(8, 0u32), (8, 3200), (9, 6400)] {
            for n in 1..=5u16 {
                phone.send(press, start + u32::from(n) * 160, n * 160, false, n == 1);
            }
            for n in 6..=8u32 {
                phone.send(press, start + n * 160, 960, true, false);
            }
        }
        assert_eq!(phone.heard(), "889");
    }

    #[test]
    fn a_peer_that_never_moves_the_timestamp_presses_as_often_as_it_does() {
        let mut phone = Phone::new();
        for event in [1, 1, 2, 2, 1] {
            phone.timestamp = 5000;
            phone.press(event);
        }
        assert_eq!(phone.heard(), "11221");
        assert_eq!(phone.drop_if(is_end).heard(), "11221");
    }

    #[test]
    fn a_duration_of_zero_throughout_is_one_key_a_press() {
        let mut phone = Phone::new();
        for start in [100, 1700] {
            for n in 0..6 {
                phone.send(6, start, 0, n > 2, n == 0);
            }
        }
        assert_eq!(phone.heard(), "66");
    }

    #[test]
    fn letters_flash_and_short_payloads_are_no_keys() {
        assert_eq!(Phone::new().press(12).press(15).press(16).press(200).press(0).heard(), "0");
        let header = Header { marker: true, payload_type: 101, sequence: 1, timestamp: 1, ssrc: 1 };
        assert_eq!(TelephoneEvents::default().packet(&header, &[1, 2, 3]), None);
        assert_eq!(TelephoneEvents::default().packet(&header, &[]), None);
    }

    #[test]
    fn a_new_source_may_repeat_the_numbers_of_the_old_one() {
        let mut phone = Phone::new();
        phone.press(3);
        let mut keys = TelephoneEvents::default();
        let mut count = || phone.sent.iter().filter_map(|(header, payload)| keys.packet(header, payload)).count();
        assert_eq!((count(), count()), (1, 0));
        keys.reset();
        let (header, payload) = &phone.sent[0];
        assert!(keys.packet(header, payload).is_some());
    }

    proptest! {
        #[test]
        fn any_loss_that_leaves_a_packet_of_each_press_leaves_each_key(
            events in proptest::collection::vec(0u8..12, 1..12),
            kept in proptest::collection::vec(1u8..=255, 12),
        ) {
            let mut phone = Phone::new();
            for event in &events {
                phone.press(*event);
            }
            let packets: Vec<_> = phone
                .sent
                .iter()
                .enumerate()
                .filter(|(n, _)| kept[n / 8] >> (n % 8) & 1 == 1)
                .map(|(_, packet)| *packet)
                .collect();
            let pressed: String = events.iter().filter_map(|event| Key::from_event(*event)).map(Key::as_char).collect();
            prop_assert_eq!(heard(&packets), pressed);
        }

        #[test]
        fn no_events_make_the_reader_panic(packets in proptest::collection::vec(any::<(u16, u32, bool, [u8; 4])>(), 0..100)) {
            let mut keys = TelephoneEvents::default();
            for (sequence, timestamp, marker, payload) in packets {
                let header = Header { marker, payload_type: 101, sequence, timestamp, ssrc: 1 };
                let _ = keys.packet(&header, &payload);
            }
        }
    }
}
