//! Keys: as events, as tones, and before the first sound.

use super::*;

impl Peer {
    fn event(&mut self, ssrc: u32, sequence: u16, timestamp: u32, block: [u8; 4]) -> &mut Peer {
        let marker = block[2..] == [0, 160];
        self.packet(PEER, Header { marker, payload_type: 101, sequence, timestamp, ssrc }, &block)
    }

    fn with_mode(dtmf: DtmfMode) -> Peer {
        Peer::new(MediaSetup { dtmf, ..setup() })
    }
}

#[test]
fn keys_in_a_source_of_their_own_beside_the_sound_are_one_key_each() {
    let mut talk = Peer::new(setup());
    let (mut sequence, mut timestamp) = (7000, 500_000);
    for event in [4, 4, 7] {
        for n in 1..=8u16 {
            talk.hear(PEER, u32::from(sequence) * 160, &[0xD5; 160]).pass(ms(20));
            let [high, low] = (n.min(5) * 160).to_be_bytes();
            talk.event(0x0BAD_CAFE, sequence, timestamp, [event, if n > 5 { 0x8A } else { 10 }, high, low]);
            sequence += 1;
        }
        timestamp += 3200;
    }
    assert_eq!(talk.keys(), "447");
    assert_eq!(talk.stream.quality().packets_lost, 0);
}

#[test]
fn a_report_has_a_block_for_each_source() {
    let mut talk = Peer::new(setup());
    for n in 0..100u16 {
        talk.hear(PEER, u32::from(n) * 160, &[0xD5; 160]).event(77, n, 5, [1, 10, 0, 160]).pass(ms(20));
        talk.pass(ms(60));
    }
    let report = talk.reports.last().expect("reports were sent");
    assert_eq!(report[0] & 0x1F, 2);
    for ssrc in [9, 77] {
        assert!(rtcp::read(report, ssrc).and_then(|report| report.block).is_some(), "{ssrc}");
    }
}

#[test]
fn tones_count_until_the_first_event_although_events_were_agreed() {
    let mut talk = Peer::with_mode(DtmfMode::Auto);
    talk.hear_samples(&tone_of_5());
    assert_eq!(talk.keys(), "5");
    talk.pass(ms(400)).press(PEER, 7, 90_000).hear_samples(&tone_of_5());
    assert_eq!(talk.keys(), "57");
}

#[test]
fn tones_count_again_after_a_description_without_events() {
    let mut talk = Peer::with_mode(DtmfMode::Auto);
    talk.press(PEER, 1, 10_000).hear_samples(&tone_of_5());
    // The number of before is heard still: its last packets may be late.
    talk.tell(MediaCommand::Setup(Box::new(MediaSetup { event_payload: None, ..setup() })));
    talk.pass(ms(2000)).hear_samples(&tone_of_5());
    talk.pass(ms(2000)).hear_samples(&tone_of_5());
    assert_eq!(talk.keys(), "155");
}

#[test]
fn a_long_press_is_reported_as_held() {
    let mut talk = Peer::new(setup());
    for n in 1..=120u16 {
        let [high, low] = (n * 160).to_be_bytes();
        talk.event(9, n, 5000, [4, if n == 120 { 0x8A } else { 10 }, high, low]).pass(ms(20));
    }
    let held = talk.events.iter().filter(|event| matches!(event, MediaEvent::KeyHeld { key: Key::Digit(4) }));
    assert_eq!((talk.keys().as_str(), held.count()), ("4", 4));
}

#[test]
fn keys_that_each_have_an_ssrc_of_their_own_are_heard_beside_the_sound() {
    let mut talk = Peer::new(setup());
    for (n, event) in (0u32..).zip([3, 1, 4, 4, 4, 0, 1, 6, 3, 2, 3, 4, 7, 1, 9, 2]) {
        for packet in 1..=6u16 {
            talk.hear(PEER, u32::from(talk.sequence) * 160, &[0xD5; 160]).pass(ms(20));
            let [high, low] = (packet.min(3) * 160).to_be_bytes();
            talk.event(1000 + n, packet, 0, [event, if packet > 3 { 0x8A } else { 10 }, high, low]);
        }
    }
    assert_eq!((talk.keys().as_str(), talk.stream.quality().packets_refused), ("3144401632347192", 0));
}

#[test]
fn tones_of_a_conversation_are_for_the_other_side_and_keys_again_after_it() {
    let mut talk = Peer::with_mode(DtmfMode::Inband);
    talk.stream.set_relaying(0, true);
    talk.hear_samples(&tone_of_5());
    assert_eq!(talk.keys(), "");
    talk.stream.set_relaying(0, false);
    talk.pass(ms(2000)).hear_samples(&tone_of_5());
    assert_eq!(talk.keys(), "5");
}

#[test]
fn each_trunk_setting_hears_its_own_way() {
    for (mode, keys) in
        [(DtmfMode::Auto, "57"), (DtmfMode::Rfc4733, "7"), (DtmfMode::Info, ""), (DtmfMode::Inband, "5")]
    {
        let mut talk = Peer::with_mode(mode);
        talk.hear_samples(&tone_of_5());
        talk.pass(ms(400)).press(PEER, 7, 90_000);
        assert_eq!(talk.keys(), keys, "{mode:?}");
    }
}

#[test]
fn the_first_press_that_comes_as_a_tone_and_as_an_event_is_one_key() {
    // The event with the tone's beginning, in its middle, and only at its end.
    for told_after in [2, 5, 10] {
        let mut talk = Peer::new(setup());
        let octets: Vec<u8> = tone_of_5().iter().map(|sample| g711::encode(Codec::Alaw, *sample)).collect();
        for (n, packet) in octets.chunks(160).enumerate() {
            let n = n as u16 + 1;
            talk.hear(PEER, u32::from(n) * 160, packet).pass(ms(20));
            if n >= told_after {
                let [high, low] = (n * 160).to_be_bytes();
                let sequence = talk.sequence;
                talk.sequence += 1;
                talk.event(9, sequence, 160, [5, if n == 10 { 0x8A } else { 10 }, high, low]);
            }
        }
        assert_eq!(talk.keys(), "5", "{told_after}");
        talk.pass(ms(60)).press(PEER, 5, 90_000);
        assert_eq!(talk.keys(), "55", "{told_after}");
    }
}

#[test]
fn a_lead_in_is_sent_once_before_the_first_sound() {
    let mut talk = Peer::new(MediaSetup { lead_in: ms(300), ..setup() });
    talk.play(1, &[clip("a")]).pass(ms(1299));
    let sound = talk.sound();
    assert!(sound[..2400].iter().all(|octet| *octet == 0xD5));
    assert!(sound[2400..10_400].iter().all(|octet| *octet == 0xFA), "the whole clip follows");
    assert_eq!(talk.played(), [1]);
    talk.play(2, &[clip("a")]).pass(ms(20));
    assert_eq!(talk.sound()[10_400], 0xFA);
}

#[test]
fn a_lead_in_begins_with_the_first_packet_that_may_leave() {
    let lead_in = ms(200);
    let mut talk = Peer::new(MediaSetup { lead_in, sending: false, receiving: false, ..setup() });
    talk.pass(ms(2000)).tell(MediaCommand::Setup(Box::new(MediaSetup { lead_in, ..setup() }))).play(1, &[clip("a")]);
    talk.pass(ms(400));
    assert_eq!(talk.sound().iter().position(|octet| *octet == 0xFA), Some(1600));
}

#[test]
fn a_key_ends_the_lead_in() {
    for by_info in [false, true] {
        let mut talk = Peer::new(MediaSetup { lead_in: ms(1000), ..setup() });
        talk.play(1, &[clip("a")]).pass(ms(99));
        if by_info {
            talk.tell(MediaCommand::Stop).play(2, &[clip("a")]);
        } else {
            talk.press(PEER, 1, 5);
        }
        talk.pass(ms(20));
        assert_eq!(talk.sound().iter().position(|octet| *octet == 0xFA), Some(800), "{by_info}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_press_is_one_key_by_event_by_tone_or_by_both(
        presses in proptest::collection::vec((any::<bool>(), 4u16..20, 4u16..20, 0u16..3), 1..6),
        events_first in any::<bool>(),
        as_tone in any::<bool>(),
        as_event in any::<bool>(),
    ) {
        prop_assume!(as_tone || as_event);
        let mut talk = Peer::new(setup());
        let (mut timestamp, mut expected) = (0u32, String::new());
        let tone: Vec<u8> = tone_of_5().iter().map(|sample| g711::encode(Codec::Alaw, *sample)).collect();
        for (_, hold, pause, late) in presses {
            expected.push('5');
            let began = timestamp;
            for n in 1..=hold + pause {
                let sounds = as_tone && n <= hold;
                let sound = if sounds { &tone[usize::from(n - 1) % 10 * 160..][..160] } else { &[0xD5; 160] };
                let told = n.saturating_sub(late).min(hold);
                let [high, low] = (told * 160).to_be_bytes();
                let block = [5, if told >= hold { 0x8A } else { 10 }, high, low];
                let event = as_event && n > late && n <= hold + late + 2;
                let sequence = talk.sequence;
                if event && events_first {
                    talk.sequence += 1;
                    talk.event(9, sequence, began, block);
                }
                talk.hear(PEER, timestamp, sound);
                let sequence = talk.sequence;
                if event && !events_first {
                    talk.sequence += 1;
                    talk.event(9, sequence, began, block);
                }
                talk.pass(ms(20));
                timestamp += 160;
            }
        }
        prop_assert_eq!(talk.keys(), expected);
    }
}
