//! What one press is, sender by sender.

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
    let start = clock();
    let paced = packets.iter().enumerate().map(|(n, packet)| (start + Duration::from_millis(20 * n as u64), *packet));
    decode(&mut TelephoneEvents::default(), paced)
}

fn decode(events: &mut TelephoneEvents, packets: impl IntoIterator<Item = (Instant, (Header, [u8; 4]))>) -> String {
    let mut keys = String::new();
    for (at, (header, payload)) in packets {
        events.packet(at, &header, &payload, |key| keys.push(key.key.as_char()));
    }
    keys
}

pub(super) fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
    Instant::now()
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
fn a_key_held_until_its_duration_starts_over_is_one_key() {
    for over in [5u32, 100, 300] {
        let mut phone = Phone::new();
        for n in 1..=409 + over {
            phone.send(7, 1000, (n * 160) as u16, false, n == 1);
        }
        for _ in 0..3 {
            phone.send(7, 1000, ((409 + over) * 160) as u16, true, false);
        }
        phone.timestamp = 1000u32.wrapping_add((409 + over) * 160 + 1600);
        assert_eq!(phone.press(7).heard(), "77", "{over}");
    }
}

#[test]
fn segments_that_each_have_the_marker_are_one_key() {
    let mut phone = Phone::new();
    for segment in 0..3u32 {
        let start = 1000 + segment * 40_000;
        for n in 1..=250 {
            phone.send(7, start, n * 160, segment == 2 && n == 250, n == 1);
        }
    }
    assert_eq!(phone.heard(), "7");
}

#[test]
fn a_packet_of_a_press_that_came_before_tells_that_its_key_is_down() {
    let mut phone = Phone::new();
    phone.press(4).press(5);
    let (mut events, now) = (TelephoneEvents::default(), clock());
    let held: String = phone
        .sent
        .iter()
        .map(|(header, payload)| events.packet(now, header, payload, |_| ()).map_or('-', Key::as_char))
        .collect();
    assert_eq!(held, "-4444444-5555555");
    assert!(!events.is_down());
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
    for payload in [[1, 2, 3].as_slice(), &[]] {
        TelephoneEvents::default().packet(clock(), &header, payload, |key| panic!("{key:?}"));
    }
}

#[test]
fn a_key_tells_when_it_was_pressed() {
    let now = clock() + Duration::from_secs(1);
    let header = Header { marker: false, payload_type: 101, sequence: 1, timestamp: 1, ssrc: 1 };
    let mut began = Vec::new();
    TelephoneEvents::default().packet(now, &header, &[4, 0x8A, 0x03, 0x20], |key| began.push(now - key.began));
    assert_eq!(began, [Duration::from_millis(100)]);
}

#[test]
fn short_events_that_share_a_packet_are_a_key_each_and_padding_is_none() {
    let now = clock();
    let send = |events: &mut TelephoneEvents, sequence, payload: &[u8]| {
        let header = Header { marker: true, payload_type: 101, sequence, timestamp: 1000, ssrc: 1 };
        let mut keys = String::new();
        events.packet(now, &header, payload, |key| keys.push(key.key.as_char()));
        keys
    };
    let mut events = TelephoneEvents::default();
    let both = [1, 0x8A, 1, 0x40, 2, 0x8A, 1, 0x40];
    assert_eq!(send(&mut events, 1, &both), "12");
    assert_eq!(send(&mut events, 2, &both), "");
    assert_eq!(send(&mut TelephoneEvents::default(), 1, &[5, 0x8A, 1, 0x40, 0, 0, 0, 0]), "5");
    assert_eq!(send(&mut TelephoneEvents::default(), 1, &[5, 0x0A, 1, 0x40, 6, 0x0A, 1, 0x40]), "5");
}

#[test]
fn another_source_takes_a_press_over() {
    let now = clock();
    let header = |ssrc, sequence, timestamp| Header { marker: false, payload_type: 101, sequence, timestamp, ssrc };
    let mut first = TelephoneEvents::default();
    first.packet(now, &header(1, 7, 900), &[5, 10, 0, 160], |_| ());
    let later = now + Duration::from_millis(20);
    assert!(first.is_continued_by(later, &header(2, 40_000, 77), &[5, 10, 1, 64]));
    assert!(first.is_continued_by(later, &header(2, 40_000, 900), &[5, 10, 0, 160]));
    assert!(!first.is_continued_by(later, &header(2, 40_000, 77), &[6, 10, 1, 64]));
    let marked = |ssrc| Header { marker: true, ..header(ssrc, 40_000, 900) };
    let press = |duration| [5, 10, 0, duration];
    assert!(!first.is_continued_by(now + Duration::from_millis(80), &marked(2), &press(80)), "another press");
    assert!(first.is_continued_by(later, &marked(2), &press(80)), "both SSRCs at once");
    let mut over = first.clone();
    over.packet(later, &header(1, 8, 900), &[5, 0x8A, 1, 64], |_| ());
    assert!(!over.is_continued_by(later, &header(2, 40_000, 900), &press(160)), "another press");
    assert!(over.is_continued_by(later, &header(2, 40_000, 900), &[5, 0x8A, 1, 64]), "its end again");
    assert!(!first.is_continued_by(now + Duration::from_secs(1), &header(2, 40_000, 77), &[5, 10, 1, 64]));
    let mut second = TelephoneEvents::default();
    second.adopt(later, &header(2, 40_000, 77), &[5, 10, 1, 64]);
    second.packet(later, &header(2, 40_001, 77), &[5, 0x8A, 1, 224], |key| panic!("{key:?}"));
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
    fn no_events_make_the_reader_panic(
        packets in proptest::collection::vec(any::<(u16, u32, bool, u16)>(), 0..100),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 100),
    ) {
        let mut events = TelephoneEvents::default();
        let mut now = clock();
        for ((sequence, timestamp, marker, pause), payload) in packets.into_iter().zip(payloads) {
            now += Duration::from_millis(u64::from(pause) / 100);
            let header = Header { marker, payload_type: 101, sequence, timestamp, ssrc: 1 };
            let _ = events.is_continued_by(now, &header, &payload);
            events.packet(now, &header, &payload, |_| ());
        }
    }
}
