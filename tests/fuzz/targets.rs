//! What is done with outside bytes, as functions that must neither panic nor take long: the fuzzer calls them with
//! bytes of its own, and `tests/fuzz_corpus.rs` with those of the corpus.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use audio::decode::decode;
use audio::decode::opus::{FRAMES_MAX, OpusError, OpusStream};
use inquiry::{CheckDigit, Formats, Keys, ReceiptFormat, ScanRules, SecondFactor};
use replica::Change;
use replica::gate::{FileReader, GateKeys, ReadDepth, read_public};
use rtp::{Packet, ReceptionReport, Sources, is_rtcp, rtcp};
use sdp::{self, LocalMedia, LocalSession, SrtpPolicy};
use sip::capture::{Mask, Masked, call_id};
use sip::digest::{Algorithm, AuthError, Challenge, Credentials, DigestClient, DigestServer, Ha1};
use sip::{
    Arrival, Dispatcher, Frame, HeaderName, IdentityTrust, Message, Method, NodeState, NumberPlan, StreamFramer,
    Transport, parse_datagram,
};
use srtp::{KeyGenerator, MasterKey, Receiver, Suite};
use studio::{Conditions, TakeSource, process};
use web::{InquiryRequest, RateRequest, ScanRequest, SpeechRequest};

/// One datagram on the SIP port.
pub(crate) fn sip_datagram(bytes: &[u8]) {
    masked(bytes);
    match parse_datagram(bytes) {
        Ok(message) => met(&message),
        Err(refusal) => {
            if let Some(reply) = refusal.reply(&arrival(Transport::Udp)) {
                // What was wrong may stand in it again (a Via is copied), but it is a response of bounded length.
                assert!(reply.bytes.starts_with(b"SIP/2.0 4") || reply.bytes.starts_with(b"SIP/2.0 5"));
                assert!(
                    reply.bytes.windows(4).any(|end| end == b"\r\n\r\n") && reply.bytes.len() <= bytes.len() + 2000
                );
            }
        }
    }
}

/// The same in a capture: a mask keeps the length and the call.
fn masked(bytes: &[u8]) {
    for level in [Masked::Secrets, Masked::Keys, Masked::Personal] {
        let mut octets = bytes.to_vec();
        Mask::new(level, ["96110110".to_owned()], NumberPlan::default()).apply(&mut octets);
        assert_eq!(octets.len(), bytes.len());
        assert_eq!(call_id(&octets), call_id(bytes));
    }
}

/// A TCP connection's octets; the first octet says in what pieces they come.
pub(crate) fn sip_stream(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let mut framer = StreamFramer::new();
    for piece in bytes.chunks(usize::from(*size).max(1)) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            if let Frame::Message(message) = frame {
                met(&message);
            }
        }
        if framer.is_closed() {
            return;
        }
    }
}

/// Lines of WWW-Authenticate, Authorization and Authentication-Info: each is read as all of them.
pub(crate) fn digest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let now = Instant::now();
    let mut server = DigestServer::new(now, "desk", &Algorithm::ALL, [1; 32]);
    for line in text.lines().take(8) {
        answered(line);
        let Ok(request) = parse_datagram(&digest_message("REGISTER sip:desk SIP/2.0", "Authorization", line)) else {
            continue;
        };
        let verified = server.verify(now, &request, |user, algorithm| Some(Ha1::new(algorithm, user, "desk", "guess")));
        assert!(verified.is_err(), "no nonce of this server is known: {line}");
        assert!(
            Credentials::read(line).is_some() || matches!(verified, Err(AuthError::Missing | AuthError::Malformed))
        );
    }
}

/// Answers the challenges of a line: the credentials name one of them.
fn answered(line: &str) {
    let status = "SIP/2.0 401 Unauthorized";
    let Ok(response) = parse_datagram(&digest_message(status, "WWW-Authenticate", line)) else { return };
    let Ok(accepted) = parse_datagram(&digest_message("SIP/2.0 200 OK", "Authentication-Info", line)) else { return };
    let challenges = Challenge::read_all(response.header_named("WWW-Authenticate").unwrap_or_default());
    for challenge in challenges.iter().filter(|challenge| !challenge.realm.contains('\\')) {
        let mut client = DigestClient::new("10\"0\\1", &challenge.realm, "secret", 1);
        client.challenged(&response).expect("a challenge of its realm");
        for _ in 0..2 {
            for (_, value) in client.authorize(&Method::Register, "sip:desk", b"body") {
                let sent = Credentials::read(&value).unwrap_or_else(|| panic!("complete: {value}"));
                assert_eq!((sent.user.as_str(), &sent.realm), ("10\"0\\1", &challenge.realm));
            }
            client.accepted(&accepted);
        }
    }
}

fn digest_message(start: &str, header: &str, line: &str) -> Vec<u8> {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:1001@desk>;tag=1\r\n\
         To: <sip:1001@desk>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{header}: {line}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// An offer, the answer to our offer, and a re-INVITE's offer.
pub(crate) fn sdp(bytes: &[u8]) {
    if let Ok((negotiated, _)) = sdp::answer(bytes, &OURS) {
        assert!((10..=60).contains(&negotiated.ptime.as_millis()), "{negotiated:?}");
    }
    let _ = sdp::accept(bytes, &OURS);
    for policy in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required] {
        let mut session = LocalSession::new(OURS).with_srtp(policy, KeyGenerator::new([1; 32]));
        let answered = session.answer(bytes);
        session.offer();
        let accepted = session.accept(bytes);
        session.offer();
        for negotiated in [answered.map(|(negotiated, _)| negotiated), accepted].into_iter().flatten() {
            assert!(negotiated.srtp.is_some() || policy != SrtpPolicy::Required);
            assert!(negotiated.srtp.is_none() || policy != SrtpPolicy::Off);
        }
    }
}

const TRUSTED: IdentityTrust = IdentityTrust { asserted_identity: true, remote_party_id: true, diversion: true };

/// Packets on a media port: each begins with its length.
pub(crate) fn rtp(bytes: &[u8]) {
    let start = Instant::now();
    let mut sources = Sources::new(start);
    let mut reports = [ReceptionReport::default(); rtcp::REPORTS_MAX];
    let mut rest = bytes;
    let mut now = start;
    while let Some((length, after)) = rest.split_first() {
        let (packet, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        now += Duration::from_millis(20);
        if is_rtcp(packet) {
            let _ = rtcp::read(packet, 7);
        }
        if let Ok(packet) = Packet::read(packet) {
            let header = packet.header;
            sources.packet(now, &header, true);
            sources.sound(now, header.ssrc, Duration::from_millis(20));
            sources.event(now, &header, packet.payload, |_| ());
            let _ = sources.reports(now, &mut reports);
        }
    }
}

/// Packets on a protected media port: the first octet names the suite, and each packet begins with its length. The key is
/// the one that the corpus was protected with.
pub(crate) fn srtp(bytes: &[u8]) {
    let Some((suite, mut rest)) = bytes.split_first() else { return };
    let suite = Suite::ALL[usize::from(*suite) % Suite::ALL.len()];
    let octets: Vec<u8> = (0..suite.master_octets()).map(|at| (7 * at + 3) as u8).collect();
    let key = MasterKey::new(suite, &octets).expect("its length");
    let (mut now, mut plain) = (Instant::now(), Vec::new());
    let mut receiver = Receiver::new(key.clone().into());
    while let Some((length, after)) = rest.split_first() {
        let (packet, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        now += Duration::from_millis(20);
        let result = if is_rtcp(packet) {
            receiver.unprotect_rtcp(now, packet, &mut plain)
        } else {
            receiver.unprotect_rtp(now, packet, &mut plain)
        };
        assert!(result.is_err() || plain.len() < packet.len());
        if result.is_ok() {
            let again = receiver.unprotect_rtp(now, packet, &mut plain).is_ok();
            assert!(!again && receiver.unprotect_rtcp(now, packet, &mut plain).is_err(), "accepted once");
        }
        // A change of key between packets, and back.
        if length % 7 == 0 {
            let other = MasterKey::new(Suite::AeadAes128Gcm, &[1; 28]).expect("its length");
            receiver.set_key(now, &if length % 2 == 0 { other } else { key.clone() }.into());
        }
    }
}

/// A body that a kiosk posts, and the code in it.
pub(crate) fn scan(bytes: &[u8]) {
    let _ = (SpeechRequest::read(bytes), RateRequest::read(bytes));
    let _ = (InquiryRequest::read(bytes), InquiryRequest::read_form(bytes));
    let (formats, rules) = (formats(), rules());
    if let Ok(request) = ScanRequest::read(bytes) {
        let _ = formats.from_scan(request.code.expose(), &rules);
    }
    let _ = formats.from_scan(&String::from_utf8_lossy(bytes), &rules);
}

/// A feed file; the first octet says in what pieces it comes. What a file is does not depend on them.
pub(crate) fn feed(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let read = |size: usize| {
        let (mut intake, mut rows) = (FileReader::new(ReadDepth::Rows), 0u64);
        let mut take = |change: Change| {
            rows += 1;
            if let Change::Put(case) = change {
                let _ = case.to_row(&Keys::new(&[1; 32]));
            }
        };
        for piece in bytes.chunks(size) {
            intake.push(piece, &mut take)?;
        }
        intake.end(&mut take).map(|whole| (whole, rows))
    };
    let (pieces, at_once) = (read(usize::from(*size).max(1)), read(bytes.len().max(1)));
    assert_eq!(pieces.is_ok(), at_once.is_ok());
    if let (Ok((whole, rows)), Ok(other)) = (&pieces, &at_once) {
        assert_eq!((whole, *rows), (&other.0, whole.header.lines));
        let _ = GateKeys::default().check(whole);
    }
    let _ = read_public(&String::from_utf8_lossy(bytes));
}

/// A recording that an operator sends, and the master that is made of it.
pub(crate) fn recording(bytes: &[u8]) {
    let longest = Duration::from_secs(20);
    let Ok(sound) = decode(bytes, longest) else { return };
    assert!(
        !sound.samples.is_empty() && (8000..=192_000).contains(&sound.rate),
        "{} at {}",
        sound.samples.len(),
        sound.rate
    );
    assert!(sound.duration() <= longest, "{:?}", sound.duration());
    assert!(sound.samples.iter().all(|sample| sample.abs() <= 4.0), "bounded, and a number");
    // The checks look through every sample, which is the fuzzer's time: the longest would say nothing more.
    if sound.duration() <= Duration::from_secs(2) {
        let expected = Duration::from_secs(1);
        let conditions =
            Conditions { kind: TakeSource::File, expected, longest, sitting_dbov: Vec::new(), voice: None };
        assert!(process(sound, &conditions).master.starts_with(b"RIFF"));
    }
}

/// An Opus stream: the length of its header in one octet, the header, then packets, each after its length in two octets.
pub(crate) fn opus(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (head, mut rest) = rest.split_at(rest.len().min(usize::from(*length)));
    let Ok(mut stream) = OpusStream::new(head, None) else { return };
    let channels = stream.channels();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (packet, next) = after.split_at(after.len().min(usize::from(u16::from_be_bytes(*length))));
        rest = next;
        match stream.decode(packet) {
            Ok(samples) => assert!(samples.len() <= FRAMES_MAX * channels && samples.len().is_multiple_of(channels)),
            Err(OpusError::Panicked) => return,
            Err(OpusError::Packet(_) | OpusError::Channels(_)) => {}
        }
    }
}

/// Everything that is asked of a message before a call takes it, and the reply.
fn met(message: &Message) {
    let _ = (message.from(), message.to(), message.contact(), message.called_user(), message.caller_number(TRUSTED));
    let _ = (message.content_type(), message.leg_key(), message.list(HeaderName::Via).count());
    if let Some(body) = message.sdp() {
        sdp(&body);
    }
    let state = NodeState { known: false, draining: false, full: false, retry_after: Duration::from_secs(5) };
    let _ = Dispatcher::new(1).dispatch(message, &arrival(Transport::Tcp), state);
}

fn arrival(transport: Transport) -> Arrival {
    let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
    Arrival { transport, source: address(4000), local: address(5060), connection: None }
}

fn formats() -> Formats {
    let city = ReceiptFormat {
        name: "city".into(),
        length: 15,
        prefix: "4401".into(),
        groups: vec![4, 4, 4, 3],
        check: CheckDigit::None,
        second_factor: SecondFactor::IdTail,
    };
    Formats::new(vec![city]).expect("a sound format")
}

fn rules() -> ScanRules {
    let pattern = "https://crj.example.gov.cn/r/{receipt}".to_owned();
    ScanRules::new(vec!["%".into()], vec!["$".into()], &[pattern]).expect("sound rules")
}

const OURS: LocalMedia = LocalMedia {
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)),
    rtp_port: 20_000,
    rtcp_port: 20_001,
    session_id: 1,
    version: 1,
    codecs: base::Codecs::ALL,
    ptime: LocalMedia::PTIME,
};
