//! Calls to a telephone that writes what each test describes.

use std::net::SocketAddr;

use super::*;
use crate::test_clock;
use sip::{HeaderName, PeerAddresses, Transport, parse_datagram};

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                      m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

struct Desk {
    call: OutgoingCall,
    now: Instant,
    out: Vec<OutgoingOutput>,
    invite: Message,
}

impl Desk {
    fn called(prefer: Option<Codec>) -> Desk {
        let now = test_clock::start();
        let transport = Transport::Udp;
        let setup = OutgoingSetup {
            uri: "sip:801@192.0.2.9:5070".into(),
            to: Target::Address { transport, local: at("192.0.2.1:5060"), to: at("192.0.2.9:5070") },
            routes: Vec::new(),
            from: "<sip:110@192.0.2.1>".into(),
            credentials: None,
            local: Local {
                contact_uri: "sip:192.0.2.1:5060".into(),
                seed: 7,
                session_expires: Duration::from_secs(1800),
                min_se: Duration::from_secs(90),
                peers: PeerAddresses::new(|_| false),
            },
            media: LocalMedia {
                address: at("192.0.2.1:0").ip(),
                rtp_port: 20_000,
                rtcp_port: 20_001,
                session_id: 1,
                version: 1,
                codecs: Codecs::ALL,
                ptime: LocalMedia::PTIME,
            },
            prefer,
            policy: MediaPolicy::default(),
            media_secret: [1; 32],
            media_addresses: MediaAddresses::any(),
            ring_limit: Duration::from_secs(20),
        };
        let (call, out) = OutgoingCall::new(now, setup);
        let invite = sent(&out).remove(0);
        Desk { call, now, out, invite }
    }

    fn input(&mut self, input: OutgoingInput) -> &[OutgoingOutput] {
        self.out = self.call.handle_input(self.now, input);
        &self.out
    }

    fn respond(&mut self, status: u16, sdp: &str) -> &[OutgoingOutput] {
        let line = |name| self.invite.header(name).unwrap_or("").to_owned();
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=desk\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:801@192.0.2.9:5070>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            line(HeaderName::Via),
            line(HeaderName::From),
            line(HeaderName::To),
            line(HeaderName::CallId),
            sdp.len()
        );
        self.receive(&text)
    }

    fn request(&mut self, method: &str, cseq: u32, headers: &str, body: &str) -> &[OutgoingOutput] {
        let line = |name| self.invite.header(name).unwrap_or("").to_owned();
        let text = format!(
            "{method} sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{cseq}\r\n\
             From: {};tag=desk\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            line(HeaderName::To),
            line(HeaderName::From),
            line(HeaderName::CallId),
            body.len()
        );
        self.receive(&text)
    }

    fn receive(&mut self, text: &str) -> &[OutgoingOutput] {
        let message = parse_datagram(text.as_bytes()).expect("well formed");
        let (source, local) = (at("192.0.2.9:5070"), at("192.0.2.1:5060"));
        self.input(OutgoingInput::Sip(Box::new((
            message,
            Arrival { transport: Transport::Udp, source, local, connection: None },
        ))))
    }

    fn end(&self) -> Option<OutgoingEnd> {
        self.out.iter().find_map(|output| if let OutgoingOutput::Over(end) = output { Some(*end) } else { None })
    }
}

fn sent(out: &[OutgoingOutput]) -> Vec<Message> {
    let outgoing = out.iter().filter_map(|out| if let OutgoingOutput::Send(out) = out { Some(out) } else { None });
    outgoing.map(|outgoing| parse_datagram(&outgoing.bytes).expect("well formed")).collect()
}

#[test]
fn the_codec_of_the_caller_is_offered_first() {
    for (prefer, line) in
        [(None, "RTP/AVP 8 0 101"), (Some(Codec::Alaw), "RTP/AVP 8 0 101"), (Some(Codec::Ulaw), "RTP/AVP 0 8 101")]
    {
        let desk = Desk::called(prefer);
        assert!(String::from_utf8_lossy(&desk.invite.body).contains(line), "{prefer:?}");
    }
}

#[test]
fn a_telephone_rings_answers_presses_keys_holds_and_hangs_up() {
    let mut desk = Desk::called(None);
    assert!(matches!(desk.respond(180, ""), [OutgoingOutput::Ringing]));
    assert!(desk.respond(183, ANSWER).is_empty(), "once");
    let out = desk.respond(200, ANSWER);
    let [OutgoingOutput::Send(_), OutgoingOutput::StartMedia(setup), OutgoingOutput::Answered, proven] = out else {
        panic!("{out:?}")
    };
    assert!(matches!(proven, OutgoingOutput::Media(MediaCommand::PeerAlive)), "its host answered");
    assert_eq!((setup.codec, setup.event_payload, setup.sending), (Codec::Ulaw, Some(101), true));
    let key = MediaEvent::Key { key: Key::Digit(5), source: KeySource::Rtp };
    assert!(matches!(desk.input(OutgoingInput::Media(key)), [OutgoingOutput::Key(Key::Digit(5))]));
    let headers = "Content-Type: application/dtmf-relay\r\n";
    let out = desk.request("INFO", 1, headers, "Signal=5\r\nDuration=160\r\n");
    assert!(!out.iter().any(|output| matches!(output, OutgoingOutput::Key(_))), "one press, told twice");
    desk.input(OutgoingInput::Media(MediaEvent::Key { key: Key::Digit(6), source: KeySource::Rtp }));
    desk.now += Duration::from_secs(5);
    assert!(desk.input(OutgoingInput::Media(MediaEvent::KeyHeld { key: Key::Digit(6) })).is_empty());
    let out = desk.request("INFO", 2, headers, "Signal=6");
    assert!(!out.iter().any(|output| matches!(output, OutgoingOutput::Key(_))), "one long press, told twice");
    let tone = MediaEvent::Key { key: Key::Digit(7), source: KeySource::Tone };
    assert!(desk.input(OutgoingInput::Media(tone)).is_empty(), "it is heard in the sound");
    let hold = format!("{ANSWER}a=sendonly\r\n");
    let contact = "Contact: <sip:801@192.0.2.9:5070>\r\nContent-Type: application/sdp\r\n";
    let out = desk.request("INVITE", 3, contact, &hold);
    assert!(matches!(&out[0], OutgoingOutput::Media(MediaCommand::Setup(setup)) if !setup.sending), "{out:?}");
    assert_eq!(sent(out)[0].status(), Some(200));
    desk.request("BYE", 4, "", "");
    assert_eq!(desk.end(), Some(OutgoingEnd::HungUp));
}

#[test]
fn every_way_not_to_answer_has_its_name() {
    for (status, end) in [
        (486, OutgoingEnd::Declined),
        (603, OutgoingEnd::Declined),
        (480, OutgoingEnd::NoAnswer),
        (404, OutgoingEnd::Failed(Some(404))),
        (503, OutgoingEnd::Failed(Some(503))),
    ] {
        let mut desk = Desk::called(None);
        desk.respond(status, "");
        assert_eq!(desk.end(), Some(end));
    }
    let mut desk = Desk::called(None);
    desk.respond(180, "");
    desk.now += Duration::from_secs(20);
    assert_eq!(desk.call.deadline().map(|deadline| deadline.why), Some("ring limit"));
    desk.input(OutgoingInput::Deadline);
    assert_eq!(desk.end(), Some(OutgoingEnd::NoAnswer));
    assert!(sent(&desk.out).iter().any(|message| message.is(&sip::Method::Cancel)));
    let mut desk = Desk::called(None);
    desk.respond(180, "");
    desk.input(OutgoingInput::HangUp);
    assert_eq!(desk.end(), Some(OutgoingEnd::Withdrawn));
    let mut desk = Desk::called(None);
    desk.respond(200, &ANSWER.replace("RTP/AVP 0 101", "RTP/AVP 18"));
    assert_eq!(desk.end(), Some(OutgoingEnd::Failed(None)));
    assert!(!desk.out.iter().any(|output| matches!(output, OutgoingOutput::Answered)));
    assert!(sent(&desk.out).iter().any(|message| message.is(&sip::Method::Bye)));
}
