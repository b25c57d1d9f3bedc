//! Where the peer's packets come from, and where ours go.

use super::*;

const OTHER_PORT: &str = "192.0.2.1:7777";
const STRANGER: &str = "198.51.100.9:4000";

impl Peer {
    /// Sound in packets of 20 ms from an address, of an SSRC of its own.
    fn speak(&mut self, from: &str, packets: u16) -> &mut Peer {
        let ssrc = u32::from(at(from).port());
        for _ in 0..packets {
            let sequence = self.sequence;
            self.sequence = sequence.wrapping_add(1);
            let header =
                Header { marker: false, payload_type: 8, sequence, timestamp: u32::from(sequence) * 160, ssrc };
            self.packet(from, header, &[0xD5; 160]).pass(ms(20));
        }
        self
    }

    /// A press of 100 ms.
    fn key_from(&mut self, from: &str, event: u8) -> &mut Peer {
        let timestamp = u32::from(self.sequence) * 160;
        for n in 1..=8u16 {
            let header = Header {
                marker: n == 1,
                payload_type: 101,
                sequence: self.sequence,
                timestamp,
                ssrc: u32::from(at(from).port()),
            };
            self.sequence = self.sequence.wrapping_add(1);
            let [high, low] = (n.min(5) * 160).to_be_bytes();
            self.packet(from, header, &[event, if n > 5 { 0x8A } else { 10 }, high, low]).pass(ms(20));
        }
        self
    }

    fn target(&self) -> String {
        self.stream.rtp_target().map_or_else(String::new, |target| target.to_string())
    }

    fn moved(&mut self, rtp: &str) -> &mut Peer {
        let rtcp = SocketAddr::new(at(rtp).ip(), at(rtp).port() + 1);
        let peer = Some(RemoteMedia { rtp: at(rtp), rtcp, rtcp_mux: false, learn: false });
        let symmetric = self.stream.setup.symmetric;
        self.tell(MediaCommand::Setup(Box::new(MediaSetup { peer, symmetric, ..setup() })))
    }
}

/// Where sound goes although packets come from `source`: to the address of the SDP, but for a symmetric trunk.
fn target_beside(source: &'static str, symmetric: bool) -> &'static str {
    if symmetric { source } else { PEER }
}

fn symmetric() -> MediaSetup {
    MediaSetup { symmetric: true, ..setup() }
}

#[test]
fn what_the_sdp_names_counts_from_its_first_packet() {
    let mut talk = Peer::new(setup());
    assert_eq!(talk.target(), PEER);
    talk.press(PEER, 3, 30);
    assert_eq!((talk.keys().as_str(), talk.stream.steady_source(talk.now)), ("3", Some(at(PEER))));
    talk.pass(ms(200));
    assert_eq!(talk.stream.steady_source(talk.now), None, "others may have to be heard");
}

#[test]
fn stray_packets_before_the_peers_first_one_change_nothing() {
    for strays in [1, 4, 200] {
        let mut talk = Peer::new(setup());
        talk.speak(OTHER_PORT, strays).key_from(OTHER_PORT, 7);
        talk.speak(PEER, 1);
        assert_eq!(talk.target(), PEER, "{strays}");
        let before = talk.keys().len();
        talk.key_from(PEER, 1).speak(OTHER_PORT, 1).key_from(PEER, 2);
        assert_eq!((&talk.keys()[before..], talk.target().as_str()), ("12", PEER), "{strays}");
    }
}

#[test]
fn a_source_that_goes_on_while_the_sdps_is_silent_is_believed_with_its_first_key() {
    for setup in [setup(), symmetric()] {
        let target = target_beside(OTHER_PORT, setup.symmetric);
        let mut talk = Peer::new(setup);
        talk.key_from(OTHER_PORT, 4).speak(OTHER_PORT, 2);
        assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("4", target));
        talk.key_from(OTHER_PORT, 4).press(PEER, 9, 77);
        assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("449", PEER));
    }
}

#[test]
fn sound_goes_to_the_port_of_the_sdp_although_it_comes_from_another_one() {
    let mut talk = Peer::new(setup());
    talk.speak(OTHER_PORT, 500).key_from(OTHER_PORT, 4);
    assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("4", PEER));
    assert_eq!(talk.sent.len(), 509, "the peer has shown itself");
    talk.stream.handle_rtcp(talk.now, &report_of(7777, &[]), at("192.0.2.1:7778"));
    assert_eq!(talk.stream.rtcp_target(), Some(at(PEER_RTCP)));
}

/// A trunk with media gateways in 192.0.2.0/24.
fn of_trunk() -> Option<Signalling> {
    let media = MediaAddresses::new(|address| {
        let of_trunk = address.ip().to_string().starts_with("192.0.2.");
        if of_trunk { MediaAddress::Allowed } else { MediaAddress::Refused }
    });
    Some(Signalling { address: at(PEER).ip(), media })
}

#[test]
fn another_media_gateway_of_the_trunk_is_heard_and_gets_nothing() {
    let gateway = "192.0.2.77:6000";
    let mut talk = Peer::new(MediaSetup { signalling_address: of_trunk(), ..setup() });
    talk.speak(gateway, 400).key_from(gateway, 4).speak(STRANGER, 100).key_from(STRANGER, 9);
    assert_eq!((talk.keys().as_str(), talk.target().as_str(), talk.lost()), ("4", PEER, 0));
    talk.speak(OTHER_PORT, 10).key_from(OTHER_PORT, 5).speak(PEER, 1).key_from(gateway, 6);
    assert_eq!(talk.keys(), "45", "the machine of the SDP comes first");
}

#[test]
fn a_stream_that_moves_without_a_new_sdp_is_followed_and_loses_no_key() {
    for setup in [setup(), symmetric()] {
        let target = target_beside(OTHER_PORT, setup.symmetric);
        let mut talk = Peer::new(setup);
        talk.speak(PEER, 50).key_from(PEER, 1).key_from(OTHER_PORT, 2).speak(OTHER_PORT, 60).key_from(OTHER_PORT, 3);
        assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("123", target));
        talk.speak(PEER, 1);
        assert_eq!(talk.target(), PEER);
    }
}

#[test]
fn a_source_that_speaks_beside_the_sdps_is_never_believed() {
    let mut talk = Peer::new(setup());
    for _ in 0..200 {
        talk.press(OTHER_PORT, 5, 10).speak(PEER, 1);
    }
    assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("", PEER));
}

#[test]
fn a_peer_that_announces_silence_is_not_replaced() {
    for key_in_the_silence in [false, true] {
        let mut talk = Peer::new(symmetric());
        talk.speak(PEER, 5);
        let noise = Header { marker: false, payload_type: 13, sequence: talk.sequence, timestamp: 0, ssrc: 4000 };
        talk.packet(PEER, noise, &[0x40]);
        if key_in_the_silence {
            talk.key_from(PEER, 3);
        }
        talk.speak(OTHER_PORT, 200);
        assert_eq!(talk.target(), PEER);
        talk.speak(OTHER_PORT, 500);
        assert_eq!(talk.target(), OTHER_PORT);
    }
}

#[test]
fn of_two_sources_that_speak_at_once_one_is_believed() {
    let mut talk = Peer::new(symmetric());
    for _ in 0..40 {
        talk.speak(OTHER_PORT, 1).speak("192.0.2.1:7779", 1);
    }
    assert_eq!(talk.target(), OTHER_PORT);
}

#[test]
fn a_stranger_is_not_heard_however_long_it_goes_on() {
    let mut talk = Peer::new(setup());
    talk.speak(STRANGER, 200).key_from(STRANGER, 1);
    assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("", PEER));
    assert_eq!(talk.stream.quality().packets_refused, 208);
}

#[test]
fn sound_may_come_from_where_the_callers_sip_comes_from() {
    for setup in [setup(), symmetric()] {
        let target = target_beside("127.0.0.1:4000", setup.symmetric);
        let mut talk = Peer::new(MediaSetup { signalling_address: signalling_at("127.0.0.1"), ..setup });
        talk.speak("127.0.0.1:4000", 3).key_from("127.0.0.1:4000", 2).press(STRANGER, 1, 9);
        assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("2", target));
    }
}

#[test]
fn behind_nat_any_source_is_believed_and_gives_way_to_the_callers_machine() {
    let mut talk = Peer::new(MediaSetup { signalling_address: signalling_at("203.0.113.5"), ..symmetric() });
    talk.speak(STRANGER, 10);
    assert_eq!(talk.target(), STRANGER);
    for _ in 0..10 {
        talk.speak("203.0.113.5:1024", 1).speak(STRANGER, 1);
    }
    assert_eq!(talk.target(), "203.0.113.5:1024");
    talk.speak(STRANGER, 20);
    assert_eq!(talk.target(), "203.0.113.5:1024", "it was heard half a second ago");
    talk.speak(STRANGER, 40);
    assert_eq!(talk.target(), STRANGER, "the port that NAT maps may change");
}

#[test]
fn a_new_port_in_the_sdp_takes_over_at_once_and_late_packets_do_not_win_back() {
    for late in [0, 1, 3, 40] {
        let mut talk = Peer::new(setup());
        talk.speak(PEER, 20).key_from(PEER, 1).moved("192.0.2.1:6000");
        assert_eq!(talk.target(), "192.0.2.1:6000");
        talk.speak(PEER, late);
        assert_eq!(talk.target(), "192.0.2.1:6000", "{late}");
        talk.speak("192.0.2.1:6000", 10).key_from("192.0.2.1:6000", 2).speak(PEER, 1);
        assert_eq!((talk.keys().as_str(), talk.target().as_str()), ("12", "192.0.2.1:6000"), "{late}");
    }
}

#[test]
fn a_key_that_is_down_while_the_sdp_changes_is_one_key() {
    let mut talk = Peer::new(setup());
    for n in 1..=4u8 {
        let header = Header { marker: n == 1, payload_type: 101, sequence: n.into(), timestamp: 900, ssrc: 5 };
        talk.packet(PEER, header, &[8, 10, 0, n * 40]).pass(ms(20));
    }
    talk.moved("192.0.2.50:6000");
    for (n, from) in [(5u8, PEER), (6, "192.0.2.50:6000"), (7, PEER), (8, "192.0.2.50:6000")] {
        let header = Header { marker: false, payload_type: 101, sequence: n.into(), timestamp: 900, ssrc: 5 };
        talk.packet(from, header, &[8, 0x8A, 1, n]).pass(ms(20));
    }
    assert_eq!(talk.keys(), "8");
}

#[test]
fn the_same_sdp_again_and_a_hold_keep_what_was_learnt() {
    let mut talk = Peer::new(symmetric());
    talk.speak(OTHER_PORT, 10).tell(MediaCommand::Setup(Box::new(symmetric())));
    assert_eq!(talk.target(), OTHER_PORT);
    talk.tell(MediaCommand::Setup(Box::new(MediaSetup { peer: None, ..symmetric() }))).key_from(OTHER_PORT, 1);
    assert_eq!((talk.target().as_str(), talk.keys().as_str()), ("", "1"));
    talk.tell(MediaCommand::Setup(Box::new(symmetric())));
    assert_eq!(talk.target(), OTHER_PORT);
}

#[test]
fn a_peer_that_holds_the_call_without_an_address_is_heard_and_gets_nothing() {
    let mut talk = Peer::new(symmetric());
    talk.speak(PEER, 10).key_from(PEER, 1);
    let held = MediaSetup { peer: None, sending: false, receiving: false, ..symmetric() };
    talk.tell(MediaCommand::Setup(Box::new(held)))
        .tell(MediaCommand::Record { max: ms(5000), mode: RecordMode::Whole });
    let sent = talk.sent.len();
    talk.speak(PEER, 10).key_from(PEER, 2).speak(STRANGER, 50).key_from(STRANGER, 9).tell(MediaCommand::StopRecord);
    assert_eq!((talk.keys().as_str(), talk.sent.len()), ("12", sent));
    assert_eq!(talk.recorded()[0].len(), 1600, "music that another host plays is not the peer's");
    talk.stream.handle_rtcp(talk.now, &report_of(4000, &[]), at(PEER_RTCP));
    assert_eq!(talk.stream.quality().packets_refused, 58, "its reports show that it is there");
}

#[test]
fn reports_go_where_the_sdp_says_unless_a_peer_behind_nat_reports_from_elsewhere() {
    let mut talk = Peer::new(symmetric());
    let report = report_of(4000, &[]);
    let target = |talk: &Peer| talk.stream.rtcp_target().map(|target| target.to_string()).unwrap_or_default();
    talk.stream.handle_rtcp(talk.now, &report, at("192.0.2.1:9999"));
    assert_eq!(target(&talk), PEER_RTCP, "no packet of this source has come");
    talk.speak(PEER, 3);
    talk.stream.handle_rtcp(talk.now, &report, at("192.0.2.1:9999"));
    assert_eq!(target(&talk), "192.0.2.1:9999");
    talk.stream.handle_rtcp(talk.now, &report, at(PEER_RTCP));
    talk.stream.handle_rtcp(talk.now, &report, at("192.0.2.1:9999"));
    assert_eq!(target(&talk), PEER_RTCP);
}

/// A source by its number: the SDP's, another port of the same machine, the machine of the SIP, strangers.
fn source(number: u8) -> &'static str {
    [PEER, OTHER_PORT, "192.0.2.1:7779", "203.0.113.5:5000", STRANGER][usize::from(number)]
}

proptest! {
    #[test]
    fn whatever_came_before_the_sdps_source_is_heard_from_its_first_packet_on(
        symmetric in any::<bool>(),
        before in proptest::collection::vec((1u8..5, 1u16..80, any::<bool>()), 0..12),
        after in proptest::collection::vec((1u8..5, 1u16..9), 0..12),
        renamed in any::<bool>(),
    ) {
        let signalling_address = signalling_at("203.0.113.5");
        let mut talk = Peer::new(MediaSetup { symmetric, signalling_address, ..setup() });
        for (number, packets, key) in before {
            talk.speak(source(number), packets);
            if key {
                talk.key_from(source(number), 0);
            }
        }
        let named = if renamed { "192.0.2.1:6000" } else { PEER };
        if renamed {
            talk.moved(named);
            prop_assert_eq!(talk.target(), named);
        }
        talk.speak(named, 1);
        let heard = talk.keys().len();
        for (n, (number, packets)) in after.iter().enumerate() {
            prop_assert_eq!(talk.target(), named);
            // They speak for less than the half second that would make the SDP's source silent.
            talk.speak(source(*number), *packets).key_from(named, n as u8 % 10);
        }
        let keys: String = (0..after.len()).map(|n| (b'0' + n as u8 % 10) as char).collect();
        prop_assert_eq!(&talk.keys()[heard..], keys);
        prop_assert_eq!(talk.target(), named);
    }
}

/// Packets that leave in this time.
fn sent_in(talk: &mut Peer, time: u64) -> usize {
    let before = talk.sent.len();
    talk.pass(ms(time));
    talk.sent.len() - before
}

#[test]
fn an_address_that_nothing_comes_from_gets_packets_for_five_seconds() {
    let mut talk = Peer::new(setup());
    assert_eq!(sent_in(&mut talk, 60_000), 250);
    assert!(talk.reports.len() <= 2, "nor does it get reports");
    talk.key_from(PEER, 5);
    assert_eq!(talk.keys(), "5");
    assert_eq!(sent_in(&mut talk, 30_000), 1500, "it has shown itself");
    talk.moved("192.0.2.1:5000");
    assert_eq!(sent_in(&mut talk, 30_000), 250, "each address has to");
}

#[test]
fn a_strangers_packets_do_not_prolong_it() {
    let mut talk = Peer::new(setup());
    for _ in 0..10 {
        talk.speak(STRANGER, 50);
        talk.stream.handle_rtcp(talk.now, &report_of(9, &[]), at(STRANGER));
    }
    assert_eq!(talk.sent.len(), 250);
}

#[test]
fn reports_and_signalling_of_its_host_prolong_it() {
    let mut talk = Peer::new(setup());
    talk.hear(PEER, 0, &[0xD5; 160]).moved("192.0.2.1:5000");
    talk.stream.handle_rtcp(talk.now, &report_of(100, &[]), at("192.0.2.1:5001"));
    assert!(sent_in(&mut talk, 30_000) >= 1500);
    for (signalling, packets) in [("192.0.2.1", 1501), ("192.0.2.200", 250)] {
        let mut talk = Peer::new(MediaSetup { signalling_address: signalling_at(signalling), ..setup() });
        talk.tell(MediaCommand::PeerAlive);
        assert_eq!(sent_in(&mut talk, 30_000), packets, "{signalling}");
    }
}

#[test]
fn a_peer_that_only_receives_need_not_send() {
    let mut talk = Peer::new(MediaSetup { receiving: false, ..setup() });
    assert_eq!(sent_in(&mut talk, 30_000), 1501);
}

#[test]
fn an_address_to_be_learnt_gets_nothing_until_it_sends() {
    let peer = RemoteMedia { rtp: at("10.0.0.9:4000"), rtcp: at("10.0.0.9:4001"), rtcp_mux: false, learn: true };
    for (symmetric, receiving) in [(true, true), (true, false)] {
        let mut talk = Peer::new(MediaSetup { peer: Some(peer), symmetric, receiving, ..setup() });
        assert_eq!(sent_in(&mut talk, 10_000), 0);
        assert!(talk.reports.is_empty());
        talk.speak(STRANGER, 10);
        assert_eq!(talk.target(), STRANGER);
        assert!(sent_in(&mut talk, 10_000) >= 500);
    }
}

#[test]
fn a_port_of_a_systems_service_is_never_learnt() {
    let mut talk = Peer::new(MediaSetup { symmetric: true, ..setup() });
    talk.speak("192.0.2.1:53", 50);
    assert_eq!(talk.target(), PEER);
}
