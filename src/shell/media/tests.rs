//! Callers with real sockets on the loopback.

mod uring;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};

use super::{Hearing, MediaConfig, MediaPlane, OpenError, OpenSession, SessionId};
use audio::{Bank, encode_master};
use base::{Codec, DtmfMode, Lang, MediaIo};
use call::{MediaCommand, MediaEvent, MediaSetup, RecordMode};
use flow::PlayId;
use rtp::{HEADER_OCTETS, Header, Packet, rtcp};
use sdp::RemoteMedia;
use speech::{Clip, Piece};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// epoll, and io_uring where it works: it is forbidden in many containers.
fn ways() -> Vec<MediaIo> {
    let auto = plane(MediaIo::Auto, V4, 1);
    let uring = auto.in_use().iter().all(|in_use| in_use.instead.is_none());
    if uring { vec![MediaIo::Epoll, MediaIo::Uring] } else { vec![MediaIo::Epoll] }
}

/// A plane over a stretch of ports that the system says is free.
fn plane(media_io: MediaIo, address: IpAddr, pairs: u16) -> MediaPlane {
    loop {
        let probe = UdpSocket::bind((address, 0)).expect("loopback");
        let first = probe.local_addr().expect("bound").port() & !1;
        drop(probe);
        let Some(last) = first.checked_add(2 * pairs - 1) else { continue };
        let config = MediaConfig {
            addresses: vec![address],
            ports: (first, last),
            threads: 2,
            media_timeout: Duration::from_secs(60),
            hold_timeout: Duration::from_secs(600),
            media_io,
            pinned: false,
        };
        if let Ok(plane) = MediaPlane::start(&config) {
            return plane;
        }
    }
}

fn bank() -> Arc<Bank> {
    let ramp: Vec<i16> = (0..8000).map(|n| (n * 4) as i16).collect();
    let clip = encode_master(&ramp, 8000).expect("a good master");
    Arc::new(Bank::build([((Lang::Zh, "ramp".into()), clip)]).expect("small"))
}

fn ramp() -> Vec<Piece> {
    vec![Piece::Clip(Clip { lang: Lang::Zh, id: "ramp".into() })]
}

/// A telephone with sockets.
struct Caller {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    session: OpenSession,
    events: Receiver<MediaEvent>,
    sequence: u16,
}

impl Caller {
    fn of(plane: &MediaPlane, address: IpAddr) -> Caller {
        Caller::with_room(plane, address, 64)
    }

    /// A telephone whose session can be bridged with another one's.
    fn beside(plane: &MediaPlane, other: &Caller) -> Caller {
        let address = other.rtp.local_addr().expect("bound").ip();
        let session = plane.open_beside(other.session.id, address, 8).expect("ports are free");
        Caller::begin(plane, address, 64, session)
    }

    /// Sends the nth packet of its sound.
    fn speak(&self, n: u32, octet: u8) {
        let header = Header { marker: n == 0, payload_type: 8, sequence: n as u16, timestamp: n * 160, ssrc: 5 };
        let mut datagram = [octet; HEADER_OCTETS + 160];
        if let Some(fixed) = datagram.first_chunk_mut() {
            header.write(fixed);
        }
        let to = SocketAddr::new(self.rtp.local_addr().expect("bound").ip(), self.session.rtp_port);
        self.rtp.send_to(&datagram, to).expect("loopback");
    }

    /// A caller whose call takes so many events before it must be read.
    fn with_room(plane: &MediaPlane, address: IpAddr, room: usize) -> Caller {
        let session = plane.open(address, 7).expect("ports are free");
        Caller::begin(plane, address, room, session)
    }

    fn begin(plane: &MediaPlane, address: IpAddr, room: usize, session: OpenSession) -> Caller {
        let socket = || {
            let socket = UdpSocket::bind((address, 0)).expect("loopback");
            // Only a failure waits so long.
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
            socket
        };
        let (rtp, rtcp) = (socket(), socket());
        let named = |socket: &UdpSocket| socket.local_addr().expect("bound");
        let peer = RemoteMedia { rtp: named(&rtp), rtcp: named(&rtcp), rtcp_mux: false, learn: false };
        let (sender, events) = channel(room);
        plane.begin(session.id, Box::new(setup(peer)), bank(), sender).expect("the thread runs");
        Caller { rtp, rtcp, session, events, sequence: 0 }
    }

    /// The next packet from the gateway: its header and its sound.
    fn hear(&self) -> (Header, Vec<u8>) {
        let mut datagram = [0; 2048];
        let (length, from) = self.rtp.recv_from(&mut datagram).expect("a packet comes");
        assert_eq!(from.port(), self.session.rtp_port);
        let packet = Packet::read(&datagram[..length]).expect("we write RTP");
        (packet.header, packet.payload.to_vec())
    }

    fn press(&mut self, socket: &UdpSocket, event: u8) {
        let timestamp = u32::from(self.sequence) * 1600;
        let header = Header { marker: true, payload_type: 101, sequence: self.sequence, timestamp, ssrc: 5 };
        self.sequence += 1;
        let mut datagram = [0; HEADER_OCTETS + 4];
        if let Some(fixed) = datagram.first_chunk_mut() {
            header.write(fixed);
        }
        datagram[HEADER_OCTETS..].copy_from_slice(&[event, 10, 0, 160]);
        let to = SocketAddr::new(socket.local_addr().expect("bound").ip(), self.session.rtp_port);
        socket.send_to(&datagram, to).expect("loopback");
    }

    fn event(&mut self) -> Option<MediaEvent> {
        self.events.blocking_recv()
    }

    fn key(&mut self) -> char {
        match self.event() {
            Some(MediaEvent::Key { key, .. }) => key.as_char(),
            other => panic!("{other:?}"),
        }
    }
}

/// What an A-law caller with telephone events agrees on.
fn setup(peer: RemoteMedia) -> MediaSetup {
    MediaSetup {
        srtp: None,
        codec: Codec::Alaw,
        payload: 8,
        event_payload: Some(101),
        receive: vec![(8, Codec::Alaw), (0, Codec::Ulaw)],
        events: vec![101],
        ptime: Duration::from_millis(20),
        peer: Some(peer),
        signalling_address: None,
        symmetric: false,
        dtmf: DtmfMode::Auto,
        lead_in: Duration::ZERO,
        jitter_buffer: Duration::ZERO,
        sending: true,
        receiving: true,
    }
}

fn play(id: u32, pieces: Vec<Piece>) -> MediaCommand {
    MediaCommand::Play { id: PlayId(id), pieces }
}

#[test]
fn a_caller_hears_the_prompt_sample_by_sample() {
    for way in ways() {
        for address in [V4, V6] {
            let plane = plane(way, address, 8);
            let mut caller = Caller::of(&plane, address);
            plane.command(caller.session.id, play(1, ramp())).expect("the thread runs");
            let mut sound = Vec::new();
            while sound.len() < 8000 {
                let (_, payload) = caller.hear();
                if !sound.is_empty() || payload.iter().any(|octet| *octet != 0xD5) {
                    sound.extend(payload);
                }
            }
            let bank = bank();
            assert_eq!(Some(sound.as_slice()), bank.octets(Lang::Zh, &"ramp".into(), Codec::Alaw));
            assert!(matches!(caller.event(), Some(MediaEvent::Played(PlayId(1)))));
        }
    }
}

#[test]
fn a_key_comes_through_and_a_stop_is_heard_at_once() {
    for way in ways() {
        let plane = plane(way, V4, 8);
        let mut caller = Caller::of(&plane, V4);
        plane.command(caller.session.id, play(1, ramp())).expect("the thread runs");
        while caller.hear().1.iter().all(|octet| *octet == 0xD5) {}
        let socket = caller.rtp.try_clone().expect("a socket");
        caller.press(&socket, 11);
        assert_eq!(caller.key(), '#');
        plane.command(caller.session.id, MediaCommand::Stop).expect("the thread runs");
        while caller.hear().1.iter().any(|octet| *octet != 0xD5) {}
        assert!(caller.hear().1.iter().all(|octet| *octet == 0xD5));
    }
}

#[test]
fn a_stranger_is_not_heard_once_the_caller_is_known() {
    for way in ways() {
        let plane = plane(way, V4, 8);
        let mut caller = Caller::of(&plane, V4);
        let own = caller.rtp.try_clone().expect("a socket");
        caller.press(&own, 1);
        assert_eq!(caller.key(), '1');
        let stranger = UdpSocket::bind((V4, 0)).expect("loopback");
        caller.press(&stranger, 2);
        caller.press(&own, 3);
        assert_eq!(caller.key(), '3');
    }
}

#[test]
fn closing_says_goodbye_and_frees_the_ports() {
    for way in ways() {
        let plane = plane(way, V4, 1);
        let mut caller = Caller::of(&plane, V4);
        caller.hear();
        assert!(matches!(plane.open(V4, 1), Err(OpenError::PortsExhausted)));
        plane
            .command(caller.session.id, MediaCommand::Record { max: Duration::from_secs(9), mode: RecordMode::Whole })
            .expect("the thread runs");
        plane.close(caller.session.id);
        assert!(matches!(caller.event(), Some(MediaEvent::Recorded { .. })));
        assert!(caller.event().is_none(), "the session has let go of the call");
        let mut datagram = [0; 500];
        let length = caller.rtcp.recv(&mut datagram).expect("a goodbye comes");
        assert_eq!(rtcp::read(&datagram[..length], 0).map(|report| report.bye), Some(true));
        // The goodbye is sent a moment before the ports are free.
        let again = std::iter::repeat_with(|| plane.open(V4, 1)).take(1_000_000).find_map(Result::ok);
        assert_eq!(again.map(|session| session.rtp_port), Some(caller.session.rtp_port));
    }
}

#[test]
fn a_recording_holds_what_arrived_before_its_end() {
    for way in ways() {
        let plane = plane(way, V4, 32);
        // So many that the threads sleep by the clock, and find the sound and the end of the call together.
        let mut callers: Vec<Caller> = (0..24).map(|_| Caller::of(&plane, V4)).collect();
        for caller in &mut callers {
            let record = MediaCommand::Record { max: Duration::from_secs(9), mode: RecordMode::Whole };
            plane.command(caller.session.id, record).expect("the thread runs");
            plane.command(caller.session.id, play(1, Vec::new())).expect("the thread runs");
            assert!(matches!(caller.event(), Some(MediaEvent::Played(PlayId(1)))), "the recording has begun");
        }
        for caller in &callers {
            (0..5).for_each(|n| caller.speak(n, 0x55));
            plane.close(caller.session.id);
        }
        for caller in &mut callers {
            let Some(MediaEvent::Recorded { take, .. }) = caller.event() else { panic!("a recording") };
            assert_eq!(take.octets.len(), 800);
        }
    }
}

#[test]
fn a_call_that_takes_no_events_loses_its_session() {
    for way in ways() {
        let plane = plane(way, V4, 4);
        let mut caller = Caller::with_room(&plane, V4, 1);
        let socket = caller.rtp.try_clone().expect("a socket");
        for event in 0..3 {
            caller.press(&socket, event);
        }
        while plane.metrics().events_dropped.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(caller.key(), '0');
        assert!(caller.event().is_none());
    }
}

#[test]
fn a_call_that_is_gone_takes_its_session_along() {
    for way in ways() {
        let plane = plane(way, V4, 4);
        let mut caller = Caller::of(&plane, V4);
        caller.events.close();
        while plane.metrics().sessions.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn orders_for_unknown_sessions_change_nothing() {
    for way in ways() {
        let plane = plane(way, V4, 4);
        let gone = SessionId { place: 99, serial: 0 };
        plane.command(gone, MediaCommand::Stop).expect("the thread runs");
        plane.close(gone);
        let caller = Caller::of(&plane, V4);
        caller.hear();
        drop(plane);
    }
}

#[test]
fn what_is_counted_can_be_read() {
    for way in ways() {
        let plane = plane(way, V4, 4);
        let mut caller = Caller::of(&plane, V4);
        let socket = caller.rtp.try_clone().expect("a socket");
        caller.press(&socket, 1);
        caller.key();
        caller.hear();
        caller.hear();
        let metrics = plane.metrics();
        assert!(metrics.packets_sent.load(Ordering::Relaxed) >= 1);
        assert_eq!(metrics.packets_received.load(Ordering::Relaxed), 1);
        assert_eq!(metrics.sessions.load(Ordering::Relaxed), 1);
        assert!(metrics.lateness.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>() >= 1);
    }
}

#[test]
fn an_order_for_an_ended_session_does_not_reach_the_next_one_on_its_ports() {
    for way in ways() {
        let plane = plane(way, V4, 1);
        let ended = Caller::of(&plane, V4);
        // Its first packet shows that it has begun.
        plane.command(ended.session.id, play(8, ramp())).expect("the thread runs");
        ended.hear();
        plane.close(ended.session.id);
        let mut next = loop {
            if plane.metrics().sessions.load(Ordering::Relaxed) == 0 {
                break Caller::of(&plane, V4);
            }
            std::thread::yield_now();
        };
        assert_eq!(next.session.rtp_port, ended.session.rtp_port);
        plane.close(ended.session.id);
        plane.command(ended.session.id, play(9, ramp())).expect("the thread runs");
        plane.command(next.session.id, play(1, ramp())).expect("the thread runs");
        assert!(matches!(next.event(), Some(MediaEvent::Played(PlayId(1)))));
    }
}

#[test]
fn a_stream_that_begins_in_silence_sends_each_packet_once_when_it_may() {
    for way in ways() {
        let plane = plane(way, V4, 4);
        let (rtp, rtcp) = (UdpSocket::bind((V4, 0)).expect("loopback"), UdpSocket::bind((V4, 0)).expect("loopback"));
        rtp.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
        let named = |socket: &UdpSocket| socket.local_addr().expect("bound");
        let peer = RemoteMedia { rtp: named(&rtp), rtcp: named(&rtcp), rtcp_mux: false, learn: false };
        let session = plane.open(V4, 7).expect("ports are free");
        let (sender, events) = channel(8);
        let silent = MediaSetup { sending: false, ..setup(peer) };
        plane.begin(session.id, Box::new(silent), bank(), sender).expect("the thread runs");
        // The second description changes nothing.
        for _ in 0..2 {
            plane.command(session.id, MediaCommand::Setup(Box::new(setup(peer)))).expect("the thread runs");
        }
        let caller = Caller { rtp, rtcp, session, events, sequence: 0 };
        let heard: Vec<Header> = (0..10).map(|_| caller.hear().0).collect();
        for pair in heard.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            let samples = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert!(samples > 0 && samples % 160 == 0, "{samples}");
        }
    }
}

/// Speaks for as long as it takes until the other side hears it; the sequence numbers of what that side heard meanwhile.
fn until_heard(speaker: &Caller, listener: &Caller, octet: u8) -> Vec<u16> {
    until_heard_from(0, speaker, listener, octet)
}

/// The same, where the speaker has sent packets before: the numbers go on from `first`.
fn until_heard_from(first: u32, speaker: &Caller, listener: &Caller, octet: u8) -> Vec<u16> {
    let mut heard = Vec::new();
    for n in first..first + 250 {
        speaker.speak(n, octet);
        let (header, payload) = listener.hear();
        heard.push(header.sequence);
        if payload == [octet; 160] {
            return heard;
        }
    }
    panic!("it was not heard");
}

#[test]
fn two_sessions_hear_each_other_until_one_ends() {
    let plane = plane(MediaIo::Auto, V4, 16);
    let caller = Caller::of(&plane, V4);
    let agent = Caller::beside(&plane, &caller);
    assert_eq!(caller.session.id.place % 2, agent.session.id.place % 2, "one thread has both");
    plane.command(caller.session.id, play(1, ramp())).expect("the thread runs");
    let first = caller.hear().0;
    plane.command(caller.session.id, MediaCommand::Stop).expect("the thread runs");
    plane.bridge(caller.session.id, agent.session.id).expect("the thread runs");
    let heard = until_heard(&agent, &caller, 0x11);
    let steps = heard.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    assert!(steps && heard[0] == first.sequence.wrapping_add(1), "nothing is missing where music and speech join");
    until_heard(&caller, &agent, 0x22);
    plane.close(agent.session.id);
    let idle = |caller: &Caller| (0..250).any(|_| caller.hear().1 == [0xD5; 160]);
    assert!(idle(&caller), "the caller's session goes on");
    let other = Caller::beside(&plane, &caller);
    plane.bridge(caller.session.id, other.session.id).expect("the thread runs");
    until_heard(&other, &caller, 0x33);
    plane.unbridge(other.session.id);
    assert!(idle(&caller) && idle(&other), "both go on alone");
}

#[test]
fn a_third_session_hears_two_and_takes_the_place_of_one_of_them() {
    let plane = plane(MediaIo::Auto, V4, 16);
    let caller = Caller::of(&plane, V4);
    let (agent, third) = (Caller::beside(&plane, &caller), Caller::beside(&plane, &caller));
    let hearing = |listener: &Caller, sources: [Option<&Caller>; 2]| Hearing {
        listener: listener.session.id,
        sources: sources.map(|source| source.map(|one| one.session.id)),
    };
    plane.bridge(caller.session.id, agent.session.id).expect("the thread runs");
    plane.hear(vec![hearing(&third, [Some(&caller), Some(&agent)])]).expect("the thread runs");
    until_heard_from(0, &caller, &third, 0x22);
    until_heard_from(0, &agent, &third, 0x11);
    until_heard_from(300, &caller, &agent, 0x23);
    until_heard_from(300, &agent, &caller, 0x12);
    let instead =
        [hearing(&caller, [Some(&third), None]), hearing(&third, [Some(&caller), None]), hearing(&agent, [None; 2])];
    plane.hear(instead.to_vec()).expect("the thread runs");
    until_heard_from(0, &third, &caller, 0x33);
    until_heard_from(600, &caller, &third, 0x24);
    let idle = |caller: &Caller| (0..250).any(|_| caller.hear().1 == [0xD5; 160]);
    assert!(idle(&agent), "the agent hears neither");
    plane.close(third.session.id);
    assert!(idle(&caller), "the caller's session goes on");
    plane.bridge(caller.session.id, agent.session.id).expect("the thread runs");
    until_heard_from(900, &caller, &agent, 0x25);
}
