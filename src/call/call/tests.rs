//! A call as its peer sees it: offers and answers, transfers, and what does not arrive.

mod call_back;
mod queue;
mod security;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::*;
use crate::line_test::LineTest;
use crate::media_control::MediaSetup;
use crate::test_clock;
use base::{Codec, DtmfMode, Lang};
use inquiry::{CallRecord, TransferResult};
use sip::{Method, Transport, parse_datagram};

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const TALK: &str = "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const HOLD: &str = "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";

fn sdp_of(version: u32, lines: &str) -> String {
    format!("v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{lines}")
}

/// A call to the line test, and its peer.
struct Peer {
    call: Call,
    now: Instant,
    cseq: u32,
    branch: u32,
    to_tag: String,
    contact: &'static str,
    /// The outputs of the last step.
    out: Vec<Output>,
}

impl Peer {
    fn invites(sdp: &str) -> Peer {
        Peer::invites_from("192.0.2.9:5070", sdp)
    }

    fn invites_from(contact: &'static str, sdp: &str) -> Peer {
        Peer::invites_by(MediaPolicy::default(), contact, sdp)
    }

    fn invites_by(policy: MediaPolicy, contact: &'static str, sdp: &str) -> Peer {
        let now = test_clock::start();
        let setup = CallSetup {
            received: now,
            application: Application::LineTest(LineTest::new(Lang::Zh)),
            origin: Origin::Incoming {
                invite: Box::new(message("INVITE", 1, 1, "", contact, "", sdp)),
                arrival: arrival(),
            },
            local: Local {
                contact_uri: "sip:192.0.2.1:5060".into(),
                seed: 7,
                session_expires: Duration::from_secs(1800),
                min_se: Duration::from_secs(90),
                peers: sip::PeerAddresses::new(|_| true),
            },
            media: LocalMedia {
                address: OURS,
                rtp_port: 20000,
                rtcp_port: 20001,
                session_id: 77,
                version: 1,
                codecs: base::Codecs::ALL,
                ptime: LocalMedia::PTIME,
            },
            policy,
            media_addresses: MediaAddresses::any(),
            media_secret: [3; 32],
            transfer_targets: Arc::new(BTreeMap::from([("desk".to_owned(), "sip:desk@192.0.2.50".to_owned())])),
            transfers_max: 3,
            message_max: Duration::from_secs(300),
            limit: Duration::from_secs(3600),
            cdr: CdrBuilder::new(Timestamp::UNIX_EPOCH, "abc".into(), "carrier".into(), "192.0.2.9".into(), None),
        };
        let (call, out) = Call::new(now, setup);
        let mut peer = Peer { call, now, cseq: 1, branch: 1, to_tag: String::new(), contact, out };
        peer.to_tag = peer.sent().last().map_or(String::new(), |response| response.to_tag().into());
        peer
    }

    /// A call that is talking.
    fn talks() -> Peer {
        Peer::talks_from("192.0.2.9:5070")
    }

    fn talks_from(contact: &'static str) -> Peer {
        let mut peer = Peer::invites_from(contact, &sdp_of(1, TALK));
        peer.acknowledges("");
        peer
    }

    fn acknowledges(&mut self, sdp: &str) {
        self.branch += 1;
        self.sends(message("ACK", self.cseq, self.branch, &self.to_tag, self.contact, "", sdp));
    }

    fn asks(&mut self, method: &str, headers: &str, body: &str) {
        self.cseq += 1;
        self.branch += 1;
        self.sends(message(method, self.cseq, self.branch, &self.to_tag, self.contact, headers, body));
    }

    fn sends(&mut self, message: Message) {
        self.gives(Input::Sip(Box::new((message, arrival()))));
    }

    fn gives(&mut self, input: Input) {
        self.out = self.call.handle_input(self.now, input);
    }

    /// The application asks for a transfer.
    fn is_transferred(&mut self) {
        self.out.clear();
        let (now, mut out) = (self.now, Vec::new());
        self.call.transfer(now, "desk", Duration::from_secs(20), &mut out);
        self.out = out;
    }

    fn answers(&mut self, request: &Message, status: u16) {
        let line = |name| request.header(name).unwrap_or("").to_owned();
        let mut text = format!("SIP/2.0 {status} Whatever\r\n");
        for (name, known) in [
            ("Via", sip::HeaderName::Via),
            ("From", sip::HeaderName::From),
            ("To", sip::HeaderName::To),
            ("Call-ID", sip::HeaderName::CallId),
            ("CSeq", sip::HeaderName::CSeq),
        ] {
            let _ = write!(text, "{name}: {}\r\n", line(known));
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        self.sends(parse_datagram(text.as_bytes()).expect("well formed"));
    }

    fn notifies(&mut self, state: &str, fragment: &str) {
        let headers = format!("Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
        self.asks("NOTIFY", &headers, fragment);
    }

    fn sent(&self) -> Vec<Message> {
        let outgoing = self.out.iter().filter_map(|output| match output {
            Output::Effect(Effect::Send(outgoing)) => Some(outgoing),
            Output::Effect(_) | Output::Telemetry(_) => None,
        });
        outgoing.map(|outgoing| parse_datagram(&outgoing.bytes).expect("our messages are well formed")).collect()
    }

    fn sent_request(&self, method: &Method) -> Message {
        self.sent().into_iter().find(|message| message.is(method)).expect("the request")
    }

    /// The bytes of the last message did not leave.
    fn loses_last(&mut self) {
        let lost = self.out.iter().rev().find_map(|output| match output {
            Output::Effect(Effect::Send(outgoing)) => Some(outgoing.bytes.clone()),
            Output::Effect(_) | Output::Telemetry(_) => None,
        });
        self.gives(Input::Undelivered(lost.expect("a message")));
    }

    /// The last description of the media session in this step.
    fn media(&self) -> Option<MediaSetup> {
        self.out.iter().rev().find_map(|output| match output {
            Output::Effect(Effect::StartMedia(setup) | Effect::Media(MediaCommand::Setup(setup))) => {
                Some((**setup).clone())
            }
            Output::Effect(_) | Output::Telemetry(_) => None,
        })
    }

    fn record(&self) -> Option<CallRecord> {
        self.out.iter().find_map(|output| match output {
            Output::Effect(Effect::Over { record, .. }) => Some((**record).clone()),
            Output::Effect(_) | Output::Telemetry(_) => None,
        })
    }

    fn transfers(&self) -> Vec<TransferOutcome> {
        let told = self.out.iter().filter_map(|output| match output {
            Output::Telemetry(Telemetry::Transferred(how)) => Some(*how),
            Output::Effect(_) | Output::Telemetry(_) => None,
        });
        told.collect()
    }

    /// The version in the description of the last response.
    fn version(&self) -> u64 {
        let sdp = self.sent().last().and_then(Message::sdp).expect("a description");
        let text = String::from_utf8_lossy(&sdp).into_owned();
        let origin = text.lines().find_map(|line| line.strip_prefix("o=")).expect("an o= line");
        origin.split(' ').nth(2).and_then(|version| version.parse().ok()).expect("a version")
    }
}

fn arrival() -> Arrival {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    Arrival {
        transport: Transport::Udp,
        source: address("192.0.2.9:5070"),
        local: address("192.0.2.1:5060"),
        connection: None,
    }
}

fn message(method: &str, cseq: u32, branch: u32, tag: &str, contact: &str, headers: &str, body: &str) -> Message {
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let kind = if body.starts_with("v=0") { "Content-Type: application/sdp\r\n" } else { "" };
    let text = format!(
        "{method} sip:9196@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{branch}\r\n\
         From: <sip:1001@192.0.2.9>;tag=peer\r\nTo: <sip:9196@192.0.2.1>{tag}\r\nCall-ID: call@peer\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:peer@{contact}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    parse_datagram(text.as_bytes()).expect("well formed")
}

#[test]
fn an_answer_in_the_ack_is_heard_by_the_numbers_of_both_sides() {
    let mut peer = Peer::invites("");
    peer.acknowledges(&sdp_of(1, "m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n"));
    let media = peer.media().expect("the media session begins");
    assert_eq!((media.codec, media.payload, media.event_payload), (Codec::Ulaw, 0, Some(96)));
    assert_eq!(media.receive, [(8, Codec::Alaw), (0, Codec::Ulaw)]);
    assert_eq!(media.events, [101, 96]);
}

#[test]
fn versions_count_what_was_described_by_invite_reinvite_and_update() {
    let mut peer = Peer::invites("");
    assert_eq!(peer.version(), 1);
    peer.acknowledges(&sdp_of(1, TALK));
    for (method, lines, version) in [
        ("INVITE", HOLD, 2),
        ("UPDATE", HOLD, 2),
        ("UPDATE", TALK, 3),
        ("INVITE", "", 4),
        ("INVITE", "", 4),
        ("UPDATE", TALK, 5),
    ] {
        let sdp = if lines.is_empty() { String::new() } else { sdp_of(1, lines) };
        peer.asks(method, "", &sdp);
        assert_eq!(peer.version(), version, "{method} {lines}");
        if method == "INVITE" {
            let answer = if lines.is_empty() { sdp_of(1, TALK) } else { String::new() };
            peer.acknowledges(&answer);
        }
    }
}

#[test]
fn a_moved_stream_reaches_the_media_session_before_its_answer_leaves() {
    for method in ["INVITE", "UPDATE"] {
        let mut peer = Peer::talks();
        let moved = "m=audio 6000 RTP/AVP 8 101\r\nc=IN IP4 192.0.2.77\r\na=rtpmap:101 telephone-event/8000\r\n";
        peer.asks(method, "", &sdp_of(1, moved));
        let is_setup = |output: &Output| matches!(output, Output::Effect(Effect::Media(MediaCommand::Setup(_))));
        let is_answer = |output: &Output| matches!(output, Output::Effect(Effect::Send(_)));
        let (setup, answer) = (peer.out.iter().position(is_setup), peer.out.iter().position(is_answer));
        assert!(setup.expect("a setup") < answer.expect("an answer"), "{method}");
        let rtp = peer.media().and_then(|media| media.peer).map(|peer| peer.rtp.to_string());
        assert_eq!(rtp.as_deref(), Some("192.0.2.77:6000"));
    }
}

#[test]
fn an_unusable_offer_is_refused_with_the_reason_and_changes_no_call() {
    let unusable = [
        ("m=audio 4000 RTP/AVP 8\r\nc=IN IP9 192.0.2.9\r\n", 488, "301", "no usable media"),
        ("m=audio 4000 RTP/AVP 18\r\n", 488, "305", "no codec in common"),
        ("m=audio 0 RTP/AVP 8\r\n", 488, "304", "no usable media"),
        ("m=audio x RTP/AVP 8\r\n", 400, "399", "malformed session description"),
    ];
    for (lines, status, warning, cause) in unusable {
        let peer = Peer::invites(&sdp_of(1, lines));
        let response = &peer.sent()[0];
        assert_eq!(response.status(), Some(status), "{lines}");
        assert_eq!(response.header_named("Warning").and_then(|text| text.split(' ').next()), Some(warning), "{lines}");
        let record = peer.record().expect("it is over");
        assert_eq!((record.outcome, record.cause), (CallOutcome::Refused, Some(cause)), "{lines}");
        for method in ["INVITE", "UPDATE"] {
            let mut peer = Peer::talks();
            peer.asks(method, "", &sdp_of(2, lines));
            assert_eq!(peer.sent()[0].status(), Some(status), "{method} {lines}");
            assert!(peer.media().is_none() && peer.record().is_none(), "{method} {lines}");
        }
        let mut peer = Peer::invites("");
        peer.acknowledges(&sdp_of(1, lines));
        assert_eq!(peer.record().and_then(|record| record.cause), Some(cause), "{lines}");
        peer.sent_request(&Method::Bye);
    }
}

#[test]
fn a_delayed_reinvite_without_an_answer_changes_nothing() {
    let mut peer = Peer::talks();
    peer.asks("INVITE", "", "");
    peer.acknowledges("");
    assert!(peer.record().is_none() && peer.media().is_none() && peer.sent().is_empty());
}

/// What the peer does after the REFER.
enum Does {
    Accepts(u16),
    Notifies(&'static str, &'static str),
    LosesTheRefer,
    HangsUp,
    Waits(u64),
}

#[test]
fn a_caller_who_leaves_with_an_accepted_transfer_counts_as_transferred() {
    use Does::{Accepts, HangsUp, LosesTheRefer, Notifies, Waits};
    use inquiry::TransferResult::{Done, NoAnswer, NoReport, Refused};
    const ACTIVE: &str = "active;expires=60";
    const OVER: &str = "terminated;reason=noresource";
    let scenes: [(&[Does], CallOutcome, &[TransferOutcome]); 11] = [
        (&[Accepts(202), HangsUp], CallOutcome::Transferred, &[TransferOutcome::Done]),
        (&[Accepts(200), HangsUp], CallOutcome::Transferred, &[TransferOutcome::Done]),
        (
            &[Accepts(202), Notifies(ACTIVE, "SIP/2.0 100 Trying"), HangsUp],
            CallOutcome::Transferred,
            &[TransferOutcome::Done],
        ),
        (&[Notifies(ACTIVE, "SIP/2.0 180 Ringing"), HangsUp], CallOutcome::Transferred, &[TransferOutcome::Done]),
        (
            &[Accepts(202), Notifies(OVER, "SIP/2.0 200 OK"), HangsUp],
            CallOutcome::Transferred,
            &[TransferOutcome::Done],
        ),
        (
            &[Accepts(202), Notifies(OVER, "SIP/2.0 486 Busy Here"), HangsUp],
            CallOutcome::HungUp,
            &[TransferOutcome::Busy],
        ),
        (
            &[Accepts(202), Notifies(OVER, "SIP/2.0 404 Not Found"), HangsUp],
            CallOutcome::HungUp,
            &[TransferOutcome::Failed],
        ),
        (&[Accepts(603), HangsUp], CallOutcome::HungUp, &[TransferOutcome::Failed]),
        (&[Accepts(302), HangsUp], CallOutcome::HungUp, &[TransferOutcome::Failed]),
        (&[HangsUp], CallOutcome::HungUp, &[]),
        (&[Accepts(202), Waits(21), HangsUp], CallOutcome::HungUp, &[TransferOutcome::Failed]),
    ];
    let results =
        [Done; 5].into_iter().chain([486, 404, 603, 302].map(Refused)).map(Some).chain([None, Some(NoAnswer)]);
    for (at, ((steps, outcome, told), result)) in scenes.into_iter().zip(results).enumerate() {
        let (record, transfers) = perform(Peer::talks(), steps);
        assert_eq!((record.outcome, &*transfers, record.transfer), (outcome, told, result), "scene {at}");
    }
    let (record, transfers) = perform(Peer::talks_from("sbc.example.invalid"), &[LosesTheRefer, HangsUp]);
    assert_eq!((record.outcome, record.cause), (CallOutcome::HungUp, Some("peer unreachable")));
    assert_eq!(record.transfer, Some(NoReport));
    assert_eq!(transfers, [TransferOutcome::Failed]);
}

/// Transfers the caller, and returns the record and how the transfer went.
fn perform(mut peer: Peer, steps: &[Does]) -> (CallRecord, Vec<TransferOutcome>) {
    peer.is_transferred();
    let refer = peer.sent_request(&Method::Refer);
    let mut transfers = Vec::new();
    for step in steps {
        match step {
            Does::Accepts(status) => peer.answers(&refer, *status),
            Does::Notifies(state, fragment) => peer.notifies(state, fragment),
            Does::LosesTheRefer => peer.loses_last(),
            Does::HangsUp => peer.asks("BYE", "", ""),
            Does::Waits(seconds) => {
                peer.now += Duration::from_secs(*seconds);
                peer.gives(Input::Deadline);
            }
        }
        transfers.extend(peer.transfers());
        // A transfer that is done ends the call at once.
        if let Some(record) = peer.record() {
            return (record, transfers);
        }
    }
    panic!("the call is not over")
}

#[test]
fn an_ack_from_the_callers_host_shows_that_the_host_is_the_callers() {
    let alive = |peer: &Peer| {
        peer.out.iter().filter(|out| matches!(out, Output::Effect(Effect::Media(MediaCommand::PeerAlive)))).count()
    };
    let mut peer = Peer::talks();
    assert_eq!(alive(&peer), 1);
    peer.acknowledges("");
    assert_eq!(alive(&peer), 0, "once");
    peer.asks("INVITE", "", &sdp_of(2, &TALK.replace("4000", "6000")));
    peer.acknowledges("");
    assert_eq!(alive(&peer), 1, "of the next address, too");
    let mut peer = Peer::invites(&sdp_of(1, TALK));
    let ack = message("ACK", peer.cseq, 2, &peer.to_tag, peer.contact, "", "");
    let elsewhere = Arrival { source: "192.0.2.77:5070".parse().expect("an address"), ..arrival() };
    peer.gives(Input::Sip(Box::new((ack, elsewhere))));
    assert_eq!(alive(&peer), 0, "another host");
}

#[test]
fn keys_of_a_trunk_that_hears_no_events_are_not_agreed_on_as_events() {
    for (dtmf, agreed) in
        [(DtmfMode::Auto, true), (DtmfMode::Rfc4733, true), (DtmfMode::Info, false), (DtmfMode::Inband, false)]
    {
        let peer = Peer::invites_by(MediaPolicy { dtmf, ..MediaPolicy::default() }, "192.0.2.9:5070", &sdp_of(1, TALK));
        let answer = peer.sent().pop().expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body).contains("telephone-event"), agreed, "{dtmf:?}");
        assert_eq!(peer.media().and_then(|setup| setup.event_payload).is_some(), agreed, "{dtmf:?}");
    }
}

#[test]
fn a_key_by_rtp_and_by_info_at_its_release_is_one_key() {
    for held in [100u64, 250, 400, 800] {
        let mut peer = Peer::talks();
        let keys = |peer: &Peer| {
            let keys = peer.out.iter().filter(|o| matches!(o, Output::Telemetry(Telemetry::LineTestKey { .. })));
            keys.count()
        };
        peer.gives(Input::Media(MediaEvent::Key { key: Key::Digit(6), source: KeySource::Rtp }));
        assert_eq!(keys(&peer), 1);
        peer.now += Duration::from_millis(held + 30);
        let info = format!("Signal=6\r\nDuration={held}\r\n");
        peer.asks("INFO", "Content-Type: application/dtmf-relay\r\n", &info);
        assert_eq!((keys(&peer), peer.sent()[0].status()), (0, Some(200)), "{held} ms");
    }
}

#[test]
fn a_call_is_transferred_so_often_and_then_fails_at_once_without_a_refer() {
    let mut peer = Peer::talks();
    for _ in 0..3 {
        peer.is_transferred();
        assert!(peer.out.iter().any(|output| matches!(output, Output::Telemetry(Telemetry::TransferBegun))));
        let (now, mut out) = (peer.now, Vec::new());
        peer.call.transfer_failed(now, TransferOutcome::Failed, TransferResult::NoReport, &mut out);
    }
    peer.is_transferred();
    assert!(!peer.out.iter().any(|output| matches!(output, Output::Telemetry(Telemetry::TransferBegun))));
    assert_eq!(peer.transfers(), [TransferOutcome::Failed]);
}
