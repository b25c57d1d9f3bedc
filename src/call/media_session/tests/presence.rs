//! Whether the peer is there, and how the call sounds.

use super::*;

const OWN: u32 = 9;

#[test]
fn a_silent_peer_is_lost_once() {
    let mut talk = Peer::new(setup());
    talk.pass(ms(30_000)).hear(PEER, 0, &[0xD5; 160]);
    talk.pass(ms(59_000));
    assert_eq!(talk.lost(), 0);
    talk.pass(ms(3_000_000));
    assert_eq!(talk.lost(), 1);
}

#[test]
fn strangers_and_noise_do_not_keep_a_lost_peer_alive() {
    let mut talk = Peer::new(setup());
    for _ in 0..70 {
        talk.pass(ms(1000)).hear("198.51.100.9:4000", 0, &[0xD5; 160]);
        talk.stream.handle_packet(talk.now, b"\x80", at(PEER), &mut talk.events);
        // A STUN binding request (RFC 8489).
        talk.stream.handle_packet(talk.now, b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl", at(PEER), &mut talk.events);
        talk.stream.handle_rtcp(talk.now, b"rubbish", at(PEER_RTCP));
        talk.stream.handle_rtcp(talk.now, &report_of(77, &[]), at("192.0.2.1:9999"));
    }
    assert_eq!(talk.lost(), 1);
}

#[test]
fn a_peers_reports_alone_show_that_it_is_there() {
    for from in [PEER_RTCP, "192.0.2.1:9999", PEER] {
        let mut talk = Peer::new(setup());
        talk.hear(PEER, 0, &[0xD5; 160]);
        for _ in 0..30 {
            talk.pass(ms(5000));
            let (now, report) = (talk.now, report_of(OWN, &[]));
            if from == PEER {
                talk.stream.handle_packet(now, &report, at(from), &mut talk.events);
            } else {
                talk.stream.handle_rtcp(now, &report, at(from));
            }
        }
        assert_eq!(talk.lost(), 0, "{from}");
    }
}

#[test]
fn a_peer_that_suppresses_silence_is_there() {
    for (payload_type, payload) in [(13, [0x40].as_slice()), (19, &[0x40]), (13, &[0x40, 1, 2, 3]), (98, &[0x40])] {
        let mut talk = Peer::new(setup());
        talk.hear(PEER, 0, &[0xD5; 160]);
        let noise = Header { marker: false, payload_type, sequence: talk.sequence, timestamp: 160, ssrc: OWN };
        talk.packet(PEER, noise, payload).pass(ms(599_000));
        assert_eq!(talk.lost(), 0, "{payload_type}");
        talk.pass(ms(2_000));
        assert_eq!(talk.lost(), 1, "not for ever: {payload_type}");
    }
}

#[test]
fn a_key_in_announced_silence_does_not_end_it_and_sound_does() {
    for (sound_follows, limit) in [(false, 600_000), (true, 60_000)] {
        let mut talk = Peer::new(setup());
        talk.hear(PEER, 0, &[0xD5; 160]);
        let noise = Header { marker: false, payload_type: 13, sequence: talk.sequence, timestamp: 160, ssrc: OWN };
        talk.packet(PEER, noise, &[0x40]).pass(ms(300));
        talk.sequence += 1;
        talk.press(PEER, 1, 2400);
        if sound_follows {
            talk.hear(PEER, 4000, &[0xD5; 160]);
        }
        talk.pass(ms(limit - 1000));
        assert_eq!((talk.keys().as_str(), talk.lost()), ("1", 0), "{sound_follows}");
        assert_eq!(talk.pass(ms(2000)).lost(), 1, "{sound_follows}");
    }
}

#[test]
fn an_ssrc_that_the_peer_uses_too_is_left_once() {
    let mut talk = Peer::new(setup());
    let ours = talk.pass(ms(100)).headers()[0].ssrc;
    let reflect = |talk: &mut Peer| {
        let last = talk.headers().last().copied().expect("packets were sent");
        talk.packet(PEER, last, &[0xD5; 160]).pass(ms(40));
    };
    reflect(&mut talk);
    let bye = talk.reports.iter().filter_map(|report| rtcp::read(report, 0)).find(|report| report.bye);
    assert_eq!(bye.map(|report| report.ssrc), Some(ours));
    let headers = talk.headers();
    let (first, last) = (headers[headers.len() - 2], headers[headers.len() - 1]);
    assert_ne!(last.ssrc, ours);
    assert_eq!(last.timestamp, headers[0].timestamp + 160 * (headers.len() as u32 - 1), "the clock goes on");
    assert!(last.marker || first.ssrc != ours && first.marker);
    for _ in 0..20 {
        reflect(&mut talk);
    }
    assert_eq!(talk.headers().last().map(|header| header.ssrc), Some(last.ssrc), "its own packets come back");
    talk.press(PEER, 5, 90_000);
    assert_eq!(talk.keys(), "5");
}

#[test]
fn a_refreshed_session_shows_that_the_peer_is_there() {
    let mut talk = Peer::new(setup());
    for _ in 0..30 {
        talk.pass(ms(50_000)).tell(MediaCommand::PeerAlive);
    }
    assert_eq!(talk.lost(), 0);
    assert_eq!(talk.pass(ms(60_000)).lost(), 1);
}

#[test]
fn a_peer_on_hold_that_sends_nothing_at_all_is_lost_later() {
    let held = MediaSetup { sending: false, receiving: false, ..setup() };
    let mut talk = Peer::new(held);
    assert_eq!(talk.pass(ms(599_000)).lost(), 0);
    assert_eq!(talk.pass(ms(1_000)).lost(), 1);
}

#[test]
fn a_new_description_shows_that_the_peer_is_there() {
    let mut talk = Peer::new(setup());
    talk.pass(ms(59_000)).tell(MediaCommand::Setup(Box::new(setup()))).pass(ms(59_000));
    assert_eq!(talk.lost(), 0);
}

#[test]
fn the_worse_direction_is_the_calls_quality() {
    let mos = |talk: &Peer| talk.stream.quality().mos.map(|mos| mos.hundredths());
    let mut talk = Peer::new(setup());
    assert_eq!(mos(&talk), None);
    for n in 0..500u32 {
        talk.hear(PEER, n * 160, &[0xD5; 160]).pass(ms(20));
    }
    assert_eq!(mos(&talk), Some(441));
    let ssrc = talk.headers()[0].ssrc;
    let lost = rtp::ReceptionReport { ssrc, lost: 50, ..Default::default() };
    talk.stream.handle_rtcp(talk.now, &report_of(OWN, &[lost]), at(PEER_RTCP));
    let worse = mos(&talk).expect("known");
    assert!((300..360).contains(&worse), "10 % lost: {worse}");
    talk.pass(ms(20));
    let told = talk.events.iter().rev().find_map(|event| match event {
        MediaEvent::Quality(mos) => Some(mos.hundredths()),
        MediaEvent::Key { .. }
        | MediaEvent::KeyHeld { .. }
        | MediaEvent::Played(_)
        | MediaEvent::Sound(_)
        | MediaEvent::Quiet(_)
        | MediaEvent::NextTake(_)
        | MediaEvent::Recorded { .. }
        | MediaEvent::PeerReport { .. }
        | MediaEvent::PeerLost => None,
    });
    assert_eq!(told, Some(worse));
}
