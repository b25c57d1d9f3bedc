//! Protected streams: what a peer with the keys hears and says, and what others achieve.

use srtp::{KeyGenerator, Receiver, Sender, Suite};

use super::*;
use sdp::SrtpKeys;

const OWN: u32 = 9;

fn keys(suite: Suite, seed: u8) -> Arc<SrtpKeys> {
    let mut generator = KeyGenerator::new([seed; 32]);
    Arc::new(SrtpKeys { ours: generator.next_key(suite), peer: generator.next_key(suite).into() })
}

fn protected(keys: &Arc<SrtpKeys>) -> MediaSetup {
    MediaSetup { srtp: Some(Arc::clone(keys)), ..setup() }
}

/// A stream, and the contexts of the telephone at its other end.
struct Secure {
    talk: Peer,
    sender: Sender,
    receiver: Receiver,
}

impl Secure {
    fn new(suite: Suite) -> Secure {
        let keys = keys(suite, 1);
        let mut secure = Secure {
            talk: Peer::new(protected(&keys)),
            sender: Sender::new(keys.peer.key.clone()),
            receiver: Receiver::new(keys.ours.clone().into()),
        };
        secure.talk.sequence = 100;
        secure
    }

    /// The next packet of the peer, protected.
    fn packet(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let sequence = self.talk.sequence;
        self.talk.sequence = sequence.wrapping_add(1);
        let mut fixed = [0; HEADER_OCTETS];
        Header { marker: false, payload_type, sequence, timestamp, ssrc: OWN }.write(&mut fixed);
        seal(&[&fixed, payload].concat(), |buffer, length| self.sender.protect_rtp(buffer, length))
    }

    fn key(&mut self, event: u8, timestamp: u32) -> Vec<u8> {
        self.packet(101, timestamp, &[event, 10, 0, 160])
    }

    fn report(&mut self) -> Vec<u8> {
        seal(&report_of(OWN, &[]), |buffer, length| self.sender.protect_rtcp(buffer, length))
    }

    fn arrives(&mut self, packet: &[u8], from: &str) {
        self.talk.stream.handle_packet(self.talk.now, packet, at(from), &mut self.talk.events);
    }

    /// What the peer hears, without headers.
    fn heard(&mut self) -> Vec<u8> {
        let (mut plain, now) = (Vec::new(), self.talk.now);
        let packets = std::mem::take(&mut self.talk.sent);
        let open = |packet: &Vec<u8>| {
            self.receiver.unprotect_rtp(now, packet, &mut plain).expect("it is under our key");
            plain[HEADER_OCTETS..].to_vec()
        };
        packets.iter().flat_map(open).collect()
    }

    fn dropped(&self, reason: SrtpDrop) -> u64 {
        self.talk.stream.quality().srtp_dropped.of(reason)
    }

    fn follow(&mut self, keys: &Arc<SrtpKeys>) {
        self.talk.tell(MediaCommand::Setup(Box::new(protected(keys))));
    }
}

fn seal(plain: &[u8], protect: impl FnOnce(&mut [u8], usize) -> Result<usize, srtp::SendError>) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + srtp::RTCP_TRAILER_MAX, 0);
    let length = protect(&mut buffer, plain.len()).expect("in order, with room");
    buffer.truncate(length);
    buffer
}

#[test]
fn a_peer_with_the_keys_hears_what_it_would_hear_without_and_its_keys_are_heard() {
    let mut clear = Peer::new(setup());
    clear.play(1, &[clip("a")]).pass(ms(2000));
    for suite in Suite::ALL {
        let mut secure = Secure::new(suite);
        secure.talk.play(1, &[clip("a")]).pass(ms(2000));
        assert_eq!(secure.heard(), clear.sound(), "{suite:?}");
        let (three, four) = (secure.key(3, 160), secure.key(4, 8000));
        secure.arrives(&three, PEER);
        secure.arrives(&four, PEER);
        assert_eq!(secure.talk.keys(), "34", "{suite:?}");
    }
}

#[test]
fn reports_are_protected_in_both_directions_on_either_port() {
    for (suite, mux) in [(Suite::AeadAes256Gcm, false), (Suite::AesCm128HmacSha1Tag32, true)] {
        let mut secure = Secure::new(suite);
        secure.talk.pass(ms(10_000));
        let mut frame = MediaFrame::default();
        secure.talk.stream.goodbye(secure.talk.now, &mut frame);
        let reports = [std::mem::take(&mut secure.talk.reports), vec![frame.rtcp().to_vec()]].concat();
        let mut plain = Vec::new();
        for report in &reports {
            assert!(rtcp::read(report, 1).is_none_or(|report| report.block.is_none()));
            secure.receiver.unprotect_rtcp(secure.talk.now, report, &mut plain).expect("it is under our key");
            assert!(rtcp::read(&plain, 1).is_some());
        }
        assert!(reports.len() >= 2 && rtcp::read(&plain, 1).is_some_and(|report| report.bye));
        let first = secure.packet(8, 0, &[0xD5; 160]);
        secure.arrives(&first, PEER);
        for _ in 0..30 {
            secure.talk.pass(ms(5000));
            let report = secure.report();
            let now = secure.talk.now;
            if mux {
                secure.arrives(&report, PEER);
            } else {
                secure.talk.stream.handle_rtcp(now, &report, at(PEER_RTCP));
            }
        }
        assert_eq!(secure.talk.lost(), 0, "its reports show that it is there");
    }
}

#[test]
fn forged_replayed_and_plain_packets_are_counted_and_change_nothing() {
    let mut secure = Secure::new(Suite::AesCm128HmacSha1Tag80);
    let genuine = secure.key(1, 160);
    secure.arrives(&genuine, PEER);
    let target = secure.talk.stream.rtp_target();
    let mut forged = secure.key(2, 8000);
    forged[13] ^= 1;
    let mut not_encrypted = secure.report();
    let word = not_encrypted.len() - 14;
    not_encrypted[word] &= 0x7F;
    for n in 0..70_u32 {
        secure.talk.pass(ms(1000));
        let other = format!("192.0.2.1:{}", 5000 + n);
        for from in [PEER, &other, "198.51.100.9:4000"] {
            secure.arrives(&genuine, from);
            secure.arrives(&forged, from);
            secure.arrives(&forged[..9], from);
            secure.arrives(&not_encrypted, from);
            secure.arrives(&report_of(OWN, &[]), from);
        }
        // A telephone that forgot that it had agreed on SRTP.
        secure.talk.press(PEER, 7, n * 8000);
        secure.talk.hear(PEER, n * 8000, &[0xD5; 160]);
    }
    assert_eq!((secure.talk.keys().as_str(), secure.talk.stream.rtp_target()), ("1", target));
    assert_eq!(secure.talk.lost(), 1, "none of it shows that the peer is there");
    assert_eq!(secure.dropped(SrtpDrop::Replayed), 210);
    assert_eq!(secure.dropped(SrtpDrop::Forged), 280);
    assert_eq!(secure.dropped(SrtpDrop::NotEncrypted) + secure.dropped(SrtpDrop::Malformed), 700);
    let last = secure.key(5, 80_000_000);
    secure.arrives(&last, PEER);
    assert_eq!(secure.talk.keys(), "15", "the stream goes on");
}

#[test]
fn a_change_of_key_keeps_what_is_under_way_and_hold_keeps_the_counters() {
    let suite = Suite::AeadAes128Gcm;
    let mut secure = Secure::new(suite);
    let (first, late) = (secure.key(1, 160), secure.key(2, 8000));
    secure.arrives(&first, PEER);
    secure.talk.pass(ms(100));
    secure.heard();
    let next = keys(Suite::AeadAes256Gcm, 2);
    secure.follow(&next);
    secure.arrives(&late, PEER);
    secure.sender = Sender::new(next.peer.key.clone());
    secure.receiver.set_key(secure.talk.now, &next.ours.clone().into());
    let three = secure.key(3, 16_000);
    secure.arrives(&three, PEER);
    secure.talk.pass(ms(100));
    assert_eq!((secure.talk.keys().as_str(), secure.heard().len()), ("123", 5 * 160));
    // 30 minutes with a hold each minute: the sequence numbers wrap, and the keys stay.
    for _ in 0..30 {
        let held = MediaSetup { sending: false, receiving: false, ..protected(&next) };
        secure.talk.tell(MediaCommand::Setup(Box::new(held))).pass(ms(1000));
        secure.follow(&next);
        secure.talk.pass(ms(59_000));
        let sound = secure.heard();
        assert!(sound.len() >= 2949 * 160, "{}", sound.len());
    }
    secure.arrives(&three, PEER);
    assert_eq!((secure.talk.keys().as_str(), secure.dropped(SrtpDrop::Replayed)), ("123", 1));
    // Peers that keep their rollover counter and those that begin at 0 agree on a new source alone.
    let ssrc = |packet: &Vec<u8>| u32::from_be_bytes(packet[8..12].try_into().expect("a header"));
    secure.talk.pass(ms(20));
    let before = ssrc(&secure.talk.sent[0]);
    secure.heard();
    let last = keys(suite, 3);
    secure.follow(&last);
    secure.talk.pass(ms(100));
    assert!(secure.talk.sent.iter().all(|packet| ssrc(packet) != before && packet[2] < 0x80));
    secure.receiver = Receiver::new(last.ours.clone().into());
    assert_eq!(secure.heard().len(), 5 * 160);
}

#[test]
fn a_stream_becomes_protected_or_clear_by_its_description() {
    let suite = Suite::AesCm128HmacSha1Tag32;
    let mut secure = Secure::new(suite);
    let mut talk = Peer::new(setup());
    std::mem::swap(&mut secure.talk, &mut talk);
    secure.talk.press(PEER, 1, 160);
    secure.follow(&keys(suite, 1));
    let two = secure.key(2, 8000);
    secure.arrives(&two, PEER);
    secure.talk.press(PEER, 3, 16_000);
    secure.talk.tell(MediaCommand::Setup(Box::new(setup()))).press(PEER, 4, 24_000);
    assert_eq!(secure.talk.keys(), "124");
}

/// What reaches the port beside the peer's packets.
#[derive(Clone, Debug)]
enum Step {
    Press(u8),
    Again(usize),
    Damaged(usize, usize),
    Noise(Vec<u8>),
    Plain(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..10).prop_map(Step::Press),
        2 => (0usize..8).prop_map(Step::Again),
        2 => ((0usize..8), (0usize..40)).prop_map(|(packet, octet)| Step::Damaged(packet, octet)),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Step::Noise),
        1 => (0u8..10).prop_map(Step::Plain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever others send in between, each press of the peer is heard once and nothing else is.
    #[test]
    fn only_the_peers_own_packets_are_heard(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        steps in prop::collection::vec((step(), any::<bool>()), 1..40),
    ) {
        let mut secure = Secure::new(suite);
        let (mut pressed, mut packets) = (String::new(), Vec::<Vec<u8>>::new());
        for (n, (step, stranger)) in steps.into_iter().enumerate() {
            let from = if stranger { "198.51.100.9:4000" } else { PEER };
            let time = n as u32 * 8000;
            secure.talk.pass(ms(100));
            match step {
                Step::Press(digit) => {
                    pressed.push((b'0' + digit) as char);
                    let packet = secure.key(digit, time);
                    secure.arrives(&packet, PEER);
                    packets.push(packet);
                }
                Step::Again(at) => {
                    let packet = packets.get(at).cloned().unwrap_or_default();
                    secure.arrives(&packet, from);
                }
                Step::Damaged(at, octet) => {
                    let mut packet = packets.get(at).cloned().unwrap_or_default();
                    if let Some(octet) = packet.get_mut(octet) {
                        *octet ^= 0x55;
                    }
                    secure.arrives(&packet, from);
                }
                Step::Noise(bytes) => secure.arrives(&bytes, from),
                Step::Plain(digit) => {
                    secure.talk.press(from, digit, time);
                }
            }
        }
        prop_assert_eq!(secure.talk.keys(), pressed);
    }
}

#[test]
fn another_ssrc_after_a_collision_is_under_the_same_key() {
    for suite in Suite::ALL {
        let mut secure = Secure::new(suite);
        secure.talk.pass(ms(100));
        let ours = secure.talk.headers()[0].ssrc;
        let sequence = secure.talk.sequence;
        let mut fixed = [0; HEADER_OCTETS];
        Header { marker: false, payload_type: 8, sequence, timestamp: 0, ssrc: ours }.write(&mut fixed);
        // The peer's contexts are those of its own key.
        let mut peer = Sender::new(keys(suite, 1).peer.key.clone());
        let packet =
            seal(&[fixed.as_slice(), &[0xD5; 160]].concat(), |buffer, length| peer.protect_rtp(buffer, length));
        secure.arrives(&packet, PEER);
        secure.talk.pass(ms(100));
        let last = secure.talk.headers().last().map(|header| header.ssrc);
        assert!(last.is_some_and(|ssrc| ssrc != ours), "{suite:?}");
        assert_eq!(secure.heard().len(), 10 * 160 + 160, "{suite:?}: each packet can be read");
    }
}
