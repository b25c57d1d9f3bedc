//! A stream against a peer, on a clock that only the test moves.

mod addresses;
mod keys;
mod presence;
mod relay;
mod security;

use proptest::prelude::*;

use super::*;
use crate::test_clock;
use crate::{RecordMode, Signalling};
use audio::{encode_master, g711};
use base::{Codec, DtmfMode, Key, Lang};
use flow::PlayId;
use rtp::HEADER_OCTETS;
use rtp::rtcp::COMPOUND_MAX;
use sdp::{MediaAddress, MediaAddresses, RemoteMedia};
use speech::{Clip, Piece};

const LIMITS: MediaLimits =
    MediaLimits { media_timeout: Duration::from_secs(60), hold_timeout: Duration::from_secs(600) };
const PEER: &str = "192.0.2.1:4000";
const PEER_RTCP: &str = "192.0.2.1:4001";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn clip(id: &str) -> Piece {
    Piece::Clip(Clip { lang: Lang::Zh, id: id.into() })
}

fn setup() -> MediaSetup {
    MediaSetup {
        codec: Codec::Alaw,
        payload: 8,
        event_payload: Some(101),
        receive: vec![(8, Codec::Alaw), (0, Codec::Ulaw)],
        events: vec![101],
        ptime: ms(20),
        peer: Some(RemoteMedia { rtp: at(PEER), rtcp: at(PEER_RTCP), rtcp_mux: false, learn: false }),
        signalling_address: None,
        symmetric: false,
        dtmf: DtmfMode::Auto,
        lead_in: Duration::ZERO,
        jitter_buffer: Duration::ZERO,
        srtp: None,
        sending: true,
        receiving: true,
    }
}

/// SIP from this address, of a trunk without other hosts.
fn signalling_at(address: &str) -> Option<Signalling> {
    let media = MediaAddresses::new(|_| MediaAddress::Refused);
    Some(Signalling { address: address.parse().expect("an address"), media })
}

/// A stream, its clock, what it sent and its events.
struct Peer {
    stream: MediaSession,
    now: Instant,
    start: Instant,
    sent: Vec<Vec<u8>>,
    reports: Vec<Vec<u8>>,
    events: Vec<MediaEvent>,
    sequence: u16,
}

impl Peer {
    fn new(setup: MediaSetup) -> Peer {
        Peer::with(setup, LIMITS)
    }

    fn with(setup: MediaSetup, limits: MediaLimits) -> Peer {
        let one_second = encode_master(&[1000; 8000], 8000).expect("a good master");
        let bank = Bank::build([((Lang::Zh, "a".into()), one_second)]).expect("small");
        let now = test_clock::start();
        Peer {
            stream: MediaSession::new(setup, Arc::new(bank), limits, 42, now),
            now,
            start: now,
            sent: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            sequence: 100,
        }
    }

    /// Lets time pass; every deadline is met in time.
    fn pass(&mut self, time: Duration) -> &mut Peer {
        let until = self.now + time;
        while self.stream.deadline() <= until {
            self.now = self.stream.deadline();
            self.tick();
        }
        self.now = until;
        self
    }

    fn tick(&mut self) {
        let mut frame = MediaFrame::default();
        self.stream.tick(self.now, &mut [], &mut frame, &mut self.events);
        if !frame.rtp().is_empty() {
            self.sent.push(frame.rtp().to_vec());
        }
        if !frame.rtcp().is_empty() {
            self.reports.push(frame.rtcp().to_vec());
        }
    }

    fn tell(&mut self, command: MediaCommand) -> &mut Peer {
        self.stream.command(self.now, command, &mut self.events).expect("the clip is there");
        self
    }

    fn play(&mut self, id: u32, pieces: &[Piece]) -> &mut Peer {
        self.tell(MediaCommand::Play { id: PlayId(id), pieces: pieces.to_vec() })
    }

    /// A packet of the peer's sound.
    fn hear(&mut self, from: &str, timestamp: u32, octets: &[u8]) -> &mut Peer {
        let header = Header {
            marker: false,
            payload_type: self.stream.setup.payload,
            sequence: self.sequence,
            timestamp,
            ssrc: 9,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.packet(from, header, octets)
    }

    /// A packet of a key's event.
    fn press(&mut self, from: &str, event: u8, timestamp: u32) -> &mut Peer {
        let header = Header { marker: true, payload_type: 101, sequence: self.sequence, timestamp, ssrc: 9 };
        self.sequence = self.sequence.wrapping_add(1);
        self.packet(from, header, &[event, 10, 0, 160])
    }

    fn packet(&mut self, from: &str, header: Header, payload: &[u8]) -> &mut Peer {
        let mut fixed = [0; HEADER_OCTETS];
        header.write(&mut fixed);
        let datagram = [&fixed, payload].concat();
        self.stream.handle_packet(self.now, &datagram, at(from), &mut self.events);
        self
    }

    fn headers(&self) -> Vec<Header> {
        self.sent.iter().map(|packet| Packet::read(packet).expect("we write RTP").header).collect()
    }

    /// What was sent, without headers.
    fn sound(&self) -> Vec<u8> {
        self.sent.iter().flat_map(|packet| packet[HEADER_OCTETS..].to_vec()).collect()
    }

    fn keys(&self) -> String {
        let key = |event: &MediaEvent| match event {
            MediaEvent::Key { key, .. } => Some(key.as_char()),
            MediaEvent::KeyHeld { .. }
            | MediaEvent::Played(_)
            | MediaEvent::Sound(_)
            | MediaEvent::Quiet(_)
            | MediaEvent::NextTake(_)
            | MediaEvent::Recorded { .. }
            | MediaEvent::PeerReport { .. }
            | MediaEvent::Quality(_)
            | MediaEvent::PeerLost => None,
        };
        self.events.iter().filter_map(key).collect()
    }

    fn played(&self) -> Vec<u32> {
        let played = |event: &MediaEvent| match event {
            MediaEvent::Played(id) => Some(id.0),
            MediaEvent::Key { .. }
            | MediaEvent::KeyHeld { .. }
            | MediaEvent::Sound(_)
            | MediaEvent::Quiet(_)
            | MediaEvent::NextTake(_)
            | MediaEvent::Recorded { .. }
            | MediaEvent::PeerReport { .. }
            | MediaEvent::Quality(_)
            | MediaEvent::PeerLost => None,
        };
        self.events.iter().filter_map(played).collect()
    }

    fn recorded(&self) -> Vec<Vec<i16>> {
        self.events.iter().filter(|event| matches!(event, MediaEvent::Recorded { .. })).map(take_of).collect()
    }

    /// What was reported of a recording while it ran.
    fn reported(&self) -> Vec<i16> {
        let part = |event: &MediaEvent| if let MediaEvent::Sound(part) = event { part.clone() } else { Vec::new() };
        self.events.iter().flat_map(part).collect()
    }

    fn lost(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, MediaEvent::PeerLost)).count()
    }
}

fn take_of(event: &MediaEvent) -> Vec<i16> {
    match event {
        MediaEvent::Recorded { take, .. } => take.samples(),
        MediaEvent::Key { .. }
        | MediaEvent::KeyHeld { .. }
        | MediaEvent::Played(_)
        | MediaEvent::Sound(_)
        | MediaEvent::Quiet(_)
        | MediaEvent::NextTake(_)
        | MediaEvent::PeerReport { .. }
        | MediaEvent::Quality(_)
        | MediaEvent::PeerLost => Vec::new(),
    }
}

/// A receiver report.
fn report_of(ssrc: u32, receptions: &[rtp::ReceptionReport]) -> Vec<u8> {
    let mut to = [0; COMPOUND_MAX];
    let own = rtcp::LocalReport { ssrc, sender: None, receptions, name: "x", bye: false };
    let length = rtcp::write(&own, &mut to);
    to[..length].to_vec()
}

#[test]
fn the_first_packet_leaves_at_once_and_the_others_every_20_ms() {
    let mut talk = Peer::new(setup());
    assert_eq!(talk.stream.deadline(), talk.start);
    talk.pass(ms(99));
    let headers = talk.headers();
    assert_eq!(headers.len(), 5);
    assert!(headers[0].marker && headers[1..].iter().all(|header| !header.marker));
    for pair in headers.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        assert_eq!((pair[1].ssrc, pair[1].payload_type), (pair[0].ssrc, 8));
    }
    assert!(talk.sound().iter().all(|octet| *octet == 0xD5));
}

#[test]
fn seeds_make_different_streams_and_the_same_seed_the_same() {
    let ssrc = |seed| {
        let bank = Arc::new(Bank::build([]).expect("small"));
        MediaSession::new(setup(), bank, LIMITS, seed, test_clock::start()).reports.ssrc()
    };
    assert_eq!(ssrc(1), ssrc(1));
    assert_ne!(ssrc(1), ssrc(2));
}

#[test]
fn a_play_is_reported_with_its_last_packet_and_silence_follows() {
    let mut talk = Peer::new(setup());
    talk.play(3, &[clip("a"), Piece::Silence(ms(10))]).pass(ms(999));
    assert!(talk.played().is_empty());
    talk.pass(ms(40));
    assert_eq!(talk.played(), [3]);
    let sound = talk.sound();
    assert!(sound[..8000].iter().all(|octet| *octet == 0xFA));
    assert!(sound[8000..].iter().all(|octet| *octet == 0xD5));
    talk.pass(ms(500));
    assert_eq!(talk.played(), [3]);
}

#[test]
fn stop_is_silent_with_the_next_packet_and_reports_nothing() {
    let mut talk = Peer::new(setup());
    talk.play(1, &[clip("a")]).pass(ms(50)).tell(MediaCommand::Stop).pass(ms(50));
    let sound = talk.sound();
    assert!(sound[..3 * 160].iter().all(|octet| *octet == 0xFA));
    assert!(sound[3 * 160..].iter().all(|octet| *octet == 0xD5));
    assert!(talk.pass(ms(2000)).played().is_empty());
}

#[test]
fn a_new_play_replaces_the_old_one_which_reports_nothing() {
    let mut talk = Peer::new(setup());
    talk.play(1, &[clip("a")]).pass(ms(100)).play(2, &[Piece::Silence(ms(40))]).pass(ms(2000));
    assert_eq!(talk.played(), [2]);
}

#[test]
fn an_empty_play_is_over_with_the_next_packet() {
    let mut talk = Peer::new(setup());
    assert_eq!(talk.play(1, &[]).pass(ms(20)).played(), [1]);
}

#[test]
fn a_missing_clip_is_named_and_the_rest_is_played() {
    let mut talk = Peer::new(setup());
    let pieces = vec![clip("nope"), clip("a")];
    let missing = talk.stream.command(talk.now, MediaCommand::Play { id: PlayId(1), pieces }, &mut talk.events);
    assert_eq!(missing.map_err(|missing| missing.to_string()), Err("the prompt set holds no recording zh/nope".into()));
    assert_eq!(talk.pass(ms(1100)).played(), [1]);
    assert_eq!(talk.sound()[0], 0xFA);
}

#[test]
fn lateness_is_skipped_and_never_repaid() {
    let mut talk = Peer::new(setup());
    talk.play(1, &[clip("a")]).pass(ms(0));
    talk.now += ms(105);
    talk.tick();
    assert_eq!(talk.sent.len(), 2);
    talk.tick();
    assert_eq!(talk.sent.len(), 2, "nothing is due until the next packet's time");
    assert_eq!(talk.stream.deadline(), talk.start + ms(120));
    let headers = talk.headers();
    assert_eq!(headers[1].timestamp, headers[0].timestamp.wrapping_add(5 * 160));
    assert_eq!(headers[1].sequence, headers[0].sequence.wrapping_add(1));
}

#[test]
fn hold_sends_nothing_stops_the_play_and_resume_goes_on() {
    let mut talk = Peer::new(setup());
    talk.hear(PEER, 0, &[0xD5; 160]).play(1, &[clip("a")]).pass(ms(99));
    let held = MediaSetup { sending: false, receiving: false, ..setup() };
    talk.tell(MediaCommand::Setup(Box::new(held))).pass(ms(200_000));
    assert_eq!((talk.sent.len(), talk.lost()), (5, 0));
    talk.tell(MediaCommand::Setup(Box::new(setup()))).pass(ms(1000));
    assert_eq!(talk.played(), [1]);
    let headers = talk.headers();
    assert!(headers[5].marker);
    let passed = headers[5].timestamp.wrapping_sub(headers[4].timestamp);
    assert_eq!(passed, 8 * 200_020, "the clock runs through the hold");
    assert!(talk.sound()[..8000].iter().all(|octet| *octet == 0xFA), "no sample is lost");
}

#[test]
fn codec_and_packet_time_change_in_the_middle_of_a_sentence() {
    let mut talk = Peer::new(setup());
    talk.play(1, &[clip("a")]).pass(ms(39));
    talk.tell(MediaCommand::Setup(Box::new(MediaSetup { codec: Codec::Ulaw, payload: 0, ptime: ms(30), ..setup() })))
        .pass(ms(2000));
    let sound = talk.sound();
    assert!(sound[..320].iter().all(|octet| *octet == 0xFA));
    assert!(sound[320..8000].iter().all(|octet| *octet == 0xCE));
    assert_eq!((talk.sent[2].len(), talk.headers()[2].payload_type), (HEADER_OCTETS + 240, 0));
    let headers = talk.headers();
    assert_eq!(headers[2].timestamp, headers[1].timestamp.wrapping_add(160));
    assert_eq!(headers[3].timestamp, headers[2].timestamp.wrapping_add(240));
}

#[test]
fn a_key_is_one_event_and_tones_are_not_heard_beside_it() {
    let mut talk = Peer::new(setup());
    talk.press(PEER, 5, 1000).press(PEER, 5, 1000).press(PEER, 11, 3000);
    let tone = tone_of_5();
    talk.hear_samples(&tone);
    assert_eq!(talk.keys(), "5#");
    assert!(matches!(talk.events[0], MediaEvent::Key { source: KeySource::Rtp, .. }));
}

/// 200 ms of key 5 in the sound.
fn tone_of_5() -> Vec<i16> {
    let low = audio::sine(770.0, -16.0, ms(200));
    let high = audio::sine(1336.0, -16.0, ms(200));
    low.iter().zip(&high).map(|(low, high)| low + high).collect()
}

impl Peer {
    /// Sound in packets of 20 ms, with silence behind it.
    fn hear_samples(&mut self, samples: &[i16]) {
        let codec = self.stream.setup.codec;
        let mut octets: Vec<u8> = samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        octets.extend([g711::idle(codec); 1600]);
        for (n, packet) in octets.chunks(160).enumerate() {
            self.hear(PEER, n as u32 * 160, packet);
        }
    }
}

#[test]
fn without_telephone_event_a_tone_is_a_key() {
    for codec in [Codec::Alaw, Codec::Ulaw] {
        let mut talk = Peer::new(MediaSetup {
            event_payload: None,
            events: Vec::new(),
            receive: vec![(8, codec)],
            codec,
            ..setup()
        });
        talk.hear_samples(&tone_of_5());
        assert_eq!(talk.keys(), "5");
        assert!(matches!(talk.events[0], MediaEvent::Key { source: KeySource::Tone, key: Key::Digit(5) }));
    }
}

#[test]
fn a_peer_without_an_address_gets_nothing_and_is_not_heard() {
    let mut talk = Peer::new(MediaSetup { peer: None, ..setup() });
    talk.press(PEER, 1, 10).pass(ms(10_000));
    assert!(talk.sent.is_empty() && talk.reports.is_empty() && talk.keys().is_empty());
}

#[test]
fn reports_leave_every_5_seconds_or_so_and_tell_loss_and_round_trip() {
    let mut talk = Peer::new(setup());
    for n in 0..5000u32 {
        talk.pass(ms(20));
        if n % 2 == 0 {
            talk.hear(PEER, n * 160, &[0xD5; 160]);
        } else {
            talk.sequence = talk.sequence.wrapping_add(1);
        }
    }
    assert!((13..=40).contains(&talk.reports.len()), "{}", talk.reports.len());
    let ssrc = talk.headers()[0].ssrc;
    let last = talk.reports.last().expect("reports were sent");
    let report = rtcp::read(last, 9).expect("well-formed");
    let block = report.block.expect("about the peer");
    assert_eq!(report.ssrc, ssrc);
    assert!((120..=135).contains(&block.fraction_lost), "{}", block.fraction_lost);
    assert!((2400..=2500).contains(&talk.stream.quality().packets_lost));

    // The peer answers 30 ms later and says that it waited 10 ms.
    let sent = rtcp::read(last, 0).and_then(|report| report.sender_time).expect("a sender report");
    let mut talk = Peer::new(setup());
    while talk.reports.is_empty() {
        talk.pass(ms(20));
    }
    let time = rtcp::read(&talk.reports[0], 0).and_then(|report| report.sender_time).expect("a sender report");
    assert_ne!(time, sent);
    let ours = rtp::ReceptionReport { ssrc, lost: 4, last_report: time, delay: 655, ..Default::default() };
    let answer = report_of(9, &[ours]);
    let at_report = talk.stream.deadline() - ms(20);
    talk.stream.handle_rtcp(at_report + ms(30), &answer, at(PEER_RTCP));
    let quality = talk.stream.quality();
    assert_eq!(quality.peer_packets_lost, 4);
    let trip = quality.round_trip.expect("measured").as_millis();
    assert!((19..=21).contains(&trip), "{trip}");
    talk.pass(ms(20));
    let reports = |event: &MediaEvent| matches!(event, MediaEvent::PeerReport { packets_lost: 4, round_trip: Some(_) });
    assert_eq!(talk.events.iter().filter(|event| reports(event)).count(), 1);
}

#[test]
fn a_shared_port_separates_reports_from_sound() {
    let mux = RemoteMedia { rtp: at(PEER), rtcp: at(PEER), rtcp_mux: true, learn: false };
    let mut talk = Peer::new(MediaSetup { peer: Some(mux), ..setup() });
    let report = report_of(9, &[]);
    talk.stream.handle_packet(talk.now, &report, at(PEER), &mut talk.events);
    talk.press(PEER, 1, 10);
    assert_eq!((talk.keys().as_str(), talk.stream.quality().packets_refused), ("1", 0));
    assert_eq!(talk.stream.rtcp_target(), Some(at(PEER)));
}

#[test]
fn goodbye_is_said_by_a_stream_that_has_sent() {
    let mut talk = Peer::new(setup());
    let mut frame = MediaFrame::default();
    talk.stream.goodbye(talk.now, &mut frame);
    assert!(frame.rtcp().is_empty());
    talk.pass(ms(20));
    talk.stream.goodbye(talk.now, &mut frame);
    assert_eq!(rtcp::read(frame.rtcp(), 0).map(|report| report.bye), Some(true));
}

#[test]
fn a_recording_holds_what_was_said_with_silence_for_what_was_lost() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(5000), mode: RecordMode::Whole });
    talk.hear(PEER, 1000, &[0xFA; 160]).pass(ms(60));
    talk.sequence += 1;
    talk.hear(PEER, 1320, &[0xFA; 160]).tell(MediaCommand::StopRecord).tell(MediaCommand::StopRecord);
    let takes = talk.recorded();
    assert_eq!(takes.len(), 1);
    let loud = g711::decode(Codec::Alaw, 0xFA);
    assert_eq!(takes[0], [vec![loud; 160], vec![8; 160], vec![loud; 160]].concat());
}

#[test]
fn a_recording_is_reported_while_it_runs_with_late_packets_in_place() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(5000), mode: RecordMode::Whole });
    for n in (0..20u32).filter(|n| *n != 7) {
        talk.sequence = 100 + n as u16;
        talk.hear(PEER, n * 160, &[0xFA; 160]).pass(ms(20));
        if n == 9 {
            talk.sequence = 107;
            talk.hear(PEER, 7 * 160, &[0xFA; 160]);
        }
    }
    talk.tell(MediaCommand::StopRecord);
    let loud = g711::decode(Codec::Alaw, 0xFA);
    let told: Vec<&Vec<i16>> = talk
        .events
        .iter()
        .filter_map(|event| if let MediaEvent::Sound(part) = event { Some(part) } else { None })
        .collect();
    assert_eq!(told, [&vec![loud; 1600]]);
    assert_eq!(talk.recorded(), [vec![loud; 3200]]);
}

#[test]
fn a_streamed_recording_takes_no_more_memory_the_longer_it_is() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(600_000), mode: RecordMode::Streamed });
    let (mut samples, mut most) = (0, 0);
    // A minute of speech, a pause of two minutes without a packet, and speech again.
    for n in (0..3000u32).chain(9000..9100) {
        if n == 9000 {
            talk.pass(ms(120_000));
        }
        // A sender that pauses goes on with the next number.
        talk.sequence = if n < 9000 { n } else { n - 6000 } as u16;
        talk.hear(PEER, n * 160, &[0xFA; 160]).pass(ms(20));
        most = most.max(talk.stream.recording.as_ref().map_or(0, Recording::held));
    }
    talk.tell(MediaCommand::StopRecord);
    let loud = g711::decode(Codec::Alaw, 0xFA);
    for event in &talk.events {
        if let MediaEvent::Sound(part) = event {
            assert!(part.iter().all(|sample| *sample == loud) && part.len() <= 2400, "{}", part.len());
            samples += part.len();
        } else if let MediaEvent::Quiet(silence) = event {
            samples += silence;
        } else if let MediaEvent::Recorded { take, .. } = event {
            samples += take.octets.len();
        }
    }
    assert_eq!(samples, 9100 * 160, "nothing is lost or doubled");
    assert!(most <= 2400 + 160, "{most}");
    assert!(talk.events.iter().any(|event| matches!(event, MediaEvent::Quiet(silence) if *silence == 6000 * 160)));
}

#[test]
fn takes_follow_one_another_without_a_pause() {
    let mut talk = Peer::new(setup());
    let (first, second) = (Take::of(&[8000; 320]), Take::of(&[-8000; 200]));
    talk.tell(MediaCommand::Load(first)).play(1, &[Piece::Message]).tell(MediaCommand::LoadNext(second)).pass(ms(80));
    let (one, two) = (g711::encode(Codec::Alaw, 8000), g711::encode(Codec::Alaw, -8000));
    assert_eq!(talk.sound()[..520], [vec![one; 320], vec![two; 200]].concat());
    assert_eq!(talk.played(), [1], "both are one play");
    assert!(talk.events.iter().any(|event| matches!(event, MediaEvent::NextTake(_))));
}

#[test]
fn a_recording_counts_its_lost_packets() {
    let mut talk = Peer::new(setup());
    talk.hear(PEER, 0, &[0xFA; 160]);
    talk.sequence += 5;
    talk.hear(PEER, 6 * 160, &[0xFA; 160]).tell(MediaCommand::Record { max: ms(5000), mode: RecordMode::Whole });
    talk.hear(PEER, 7 * 160, &[0xFA; 160]).pass(ms(60));
    talk.sequence += 2;
    talk.hear(PEER, 10 * 160, &[0xFA; 160]).tell(MediaCommand::StopRecord);
    let Some(MediaEvent::Recorded { take, packets_lost }) = talk.events.last() else { panic!("a recording") };
    assert_eq!((take.octets.len(), *packets_lost), (640, 2));
}

#[test]
fn another_take_can_be_put_in_the_place_of_the_calls_own() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Load(Take::of(&[8000; 160]))).play(1, &[Piece::Message]).pass(ms(20));
    assert_eq!(talk.sound()[..160], vec![g711::encode(Codec::Alaw, 8000); 160]);
}

#[test]
fn a_recording_ends_at_its_limit_even_if_nothing_is_heard() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(100), mode: RecordMode::Whole }).pass(ms(200));
    assert_eq!(talk.recorded(), [[0i16; 0]]);
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(100), mode: RecordMode::Whole });
    for n in 0..20 {
        talk.hear(PEER, n * 160, &[0xFA; 160]);
    }
    assert_eq!(talk.recorded().iter().map(|take| take.len()).collect::<Vec<_>>(), [800]);
}

#[test]
fn a_leaping_clock_of_the_peer_does_not_stretch_a_recording() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(60_000), mode: RecordMode::Whole });
    talk.hear(PEER, 1000, &[0xFA; 160]);
    talk.hear(PEER, 3_000_000_000, &[0xFA; 160]);
    talk.hear(PEER, 3_000_000_160, &[0xFA; 160]);
    talk.tell(MediaCommand::Close);
    assert_eq!(talk.recorded().iter().map(|take| take.len()).collect::<Vec<_>>(), [480]);
}

#[test]
fn a_clock_of_the_peer_that_goes_back_or_stands_still_loses_nothing_of_a_recording() {
    let clocks: [fn(u32) -> u32; 4] = [
        |n| n * 160 + if n < 100 { 8000 * 6 } else { 0 },
        |n| (n * 160).wrapping_sub(if n < 100 { 0 } else { 8000 * 3600 }),
        |_| 4711,
        |n| n * 80,
    ];
    for (clock, timestamp) in clocks.iter().enumerate() {
        for mode in [RecordMode::Whole, RecordMode::Streamed] {
            let mut talk = Peer::new(setup());
            talk.tell(MediaCommand::Record { max: ms(60_000), mode });
            for n in 0..200u32 {
                talk.hear(PEER, timestamp(n), &[n as u8; 160]).pass(ms(20));
            }
            talk.tell(MediaCommand::StopRecord);
            let expected: Vec<i16> = (0..200u32).flat_map(|n| [g711::decode(Codec::Alaw, n as u8); 160]).collect();
            let (reported, take) = (talk.reported(), talk.recorded().remove(0));
            let all = if mode == RecordMode::Whole { take } else { [reported, take].concat() };
            assert!(all == expected, "{clock} {mode:?}: {} samples", all.len());
        }
    }
}

#[test]
fn a_take_is_played_back_to_its_caller() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Record { max: ms(5000), mode: RecordMode::Whole });
    talk.hear(PEER, 0, &[0xFA; 160]).tell(MediaCommand::StopRecord);
    talk.play(1, &[Piece::Message]).pass(ms(39));
    assert_eq!(talk.sound()[..160], [0xFA; 160]);
    assert_eq!((talk.sound()[160], talk.played()), (0xD5, vec![1]));
}

#[test]
fn the_line_test_tone_plays_and_is_reported() {
    let mut talk = Peer::new(setup());
    talk.tell(MediaCommand::Play { id: PlayId(9), pieces: vec![Piece::Tone(ms(3000))] }).pass(ms(3000));
    assert_eq!(talk.played(), [9]);
    let samples: Vec<i16> = talk.sound()[..24_000].iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect();
    let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
    let dbov = 10.0 * (power / 32768f64.powi(2)).log10();
    assert!((dbov + 20.0).abs() < 0.2, "{dbov}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_recording_holds_each_packet_in_its_order_whatever_the_clock_says(
        clock in proptest::collection::vec(prop_oneof![9 => Just(160u32), 1 => any::<u32>(), 1 => 0u32..16_000], 1..200),
    ) {
        let mut talk = Peer::new(setup());
        talk.tell(MediaCommand::Record { max: ms(600_000), mode: RecordMode::Whole });
        let mut timestamp = 0u32;
        for (n, step) in clock.iter().enumerate() {
            talk.hear(PEER, timestamp, &[n as u8 | 1; 160]).pass(ms(20));
            timestamp = timestamp.wrapping_add(*step);
        }
        talk.tell(MediaCommand::StopRecord);
        let idle = g711::decode(Codec::Alaw, g711::idle(Codec::Alaw));
        let heard: Vec<i16> = talk.recorded().remove(0).into_iter().filter(|sample| *sample != idle).collect();
        let sent = (0..clock.len()).flat_map(|n| [g711::decode(Codec::Alaw, n as u8 | 1); 160]);
        prop_assert_eq!(heard, sent.filter(|sample| *sample != idle).collect::<Vec<_>>());
    }
}

fn command() -> impl Strategy<Value = MediaCommand> {
    prop_oneof![
        (10u64..=60, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(ptime, sending, receiving, events, peer)| {
                let event_payload = events.then_some(101);
                let peer = setup().peer.filter(|_| peer);
                let lead_in = ms(ptime * 3);
                let new = MediaSetup { ptime: ms(ptime), sending, receiving, event_payload, peer, lead_in, ..setup() };
                MediaCommand::Setup(Box::new(new))
            }
        ),
        (0u32..9, 0u64..200).prop_map(|(id, length)| MediaCommand::Play {
            id: PlayId(id),
            pieces: vec![Piece::Tone(ms(250)), Piece::Silence(ms(length)), Piece::Message, clip("a")]
        }),
        Just(MediaCommand::Stop),
        Just(MediaCommand::PeerAlive),
        (0u64..500, any::<bool>()).prop_map(|(max, whole)| MediaCommand::Record {
            max: ms(max),
            mode: if whole { RecordMode::Whole } else { RecordMode::Streamed },
        }),
        Just(MediaCommand::Load(Take { octets: vec![0xFA; 99], codec: Some(Codec::Alaw) })),
        Just(MediaCommand::StopRecord),
        Just(MediaCommand::Close),
        (0u64..500).prop_map(|length| MediaCommand::Play { id: PlayId(0), pieces: vec![Piece::Tone(ms(length))] }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_state_meets_every_input_and_the_clock_stays_even(
        steps in proptest::collection::vec((command(), 0u64..300, proptest::collection::vec(any::<u8>(), 0..60)), 1..30),
    ) {
        let mut talk = Peer::new(setup());
        for (command, pause, datagram) in steps {
            let _ = talk.stream.command(talk.now, command, &mut talk.events);
            talk.pass(ms(pause));
            talk.stream.handle_packet(talk.now, &datagram, at(PEER), &mut talk.events);
            talk.stream.handle_rtcp(talk.now, &datagram, at(PEER_RTCP));
            prop_assert!(talk.stream.deadline() > talk.now && talk.stream.deadline() <= talk.now + ms(60));
        }
        let (first, last) = (talk.headers().first().copied(), talk.headers().last().copied());
        if let (Some(first), Some(last)) = (first, last) {
            let sequence = last.sequence.wrapping_sub(first.sequence);
            prop_assert_eq!(usize::from(sequence) + 1, talk.sent.len());
            prop_assert!(last.timestamp.wrapping_sub(first.timestamp) <= 8 * (talk.now - talk.start).as_millis() as u32);
        }
    }
}
