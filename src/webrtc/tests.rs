//! A browser as str0m makes one, with full ICE, and the telephones of a node, on a virtual clock and network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Codec, Private};
use proptest::prelude::*;
use rtp::{HEADER_OCTETS, Header, Packet};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output as Polled, Rtc, RtcConfig};

use super::*;

const CALL: CallNumber = CallNumber(7);
const STEP: Duration = Duration::from_millis(20);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn media() -> SocketAddr {
    address("127.0.0.1:20000")
}

/// The browser's side.
struct Browser {
    rtc: Rtc,
    address: SocketAddr,
    mid: Option<Mid>,
    id: String,
    heard: Vec<Vec<u8>>,
    sent: u64,
    due: Instant,
}

struct World {
    now: Instant,
    phones: BrowserPhones,
    browser: Browser,
    agent: Arc<str>,
    /// Nothing passes between browser and node.
    cut: bool,
    reports: Vec<LineReport>,
    /// What came to the media session.
    sound: Vec<Vec<u8>>,
}

fn browser(now: Instant, port: u16) -> Browser {
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let config = RtcConfig::new().set_crypto_provider(crypto).set_rtp_mode(true).clear_codecs();
    let mut rtc = config.enable_pcmu(true, false).enable_pcma(true, false).build(now);
    let address = SocketAddr::new(address("192.0.2.9:1").ip(), port);
    rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a candidate"));
    Browser { rtc, address, mid: None, id: String::new(), heard: Vec::new(), sent: 0, due: now }
}

impl World {
    fn new() -> World {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
        let now = Instant::now();
        World {
            now,
            phones: BrowserPhones::new(&[address("192.0.2.1:5004")]),
            browser: browser(now, 4000),
            agent: "li".into(),
            cut: false,
            reports: Vec::new(),
            sound: Vec::new(),
        }
    }

    /// Connects the browser, and runs until its telephone is registered.
    fn connect(&mut self, id: &str) {
        let mut change = self.browser.rtc.sdp_api();
        self.browser.mid = Some(change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = change.apply().expect("an offer");
        let secrets =
            Secrets { id: id.into(), fragment: format!("u{id}"), password: "0123456789abcdef01234567".into() };
        let (offer, agent) = (offer.to_sdp_string(), Arc::clone(&self.agent));
        let mut out = Vec::new();
        let accepted = self.phones.connect(self.now, &agent, &offer, &secrets, &mut out).expect("accepted");
        assert!(accepted.answer.contains("a=ice-lite") && accepted.answer.contains("192.0.2.1 5004 typ host"));
        self.perform(out);
        let answer = SdpAnswer::from_sdp_string(&accepted.answer).expect("an answer");
        self.browser.rtc.sdp_api().accept_answer(pending, answer).expect("accepted");
        self.browser.id = accepted.id;
        self.run(Duration::from_secs(3));
        assert_eq!(self.events(0).first(), Some(&PhoneEvent::Registered));
    }

    fn is_registered(&self) -> bool {
        self.phones.registered().any(|(agent, _)| *agent == self.agent)
    }

    fn events(&mut self, after: u64) -> Vec<PhoneEvent> {
        self.phones.events(self.now, "li", &self.browser.id, after).map(|(events, _)| events).unwrap_or_default()
    }

    fn ring(&mut self) {
        let number = Some(Private::new("13800138000".to_owned()));
        let ring = Ring { call: CALL, number, codec: Codec::Alaw, limit: Duration::from_secs(20) };
        let mut out = Vec::new();
        assert!(self.phones.ring(self.now, "li", ring, media(), &mut out));
        self.perform(out);
    }

    fn press(&mut self, press: Press) -> Result<(), PhoneError> {
        let mut out = Vec::new();
        let done = self.phones.press(self.now, "li", &self.browser.id.clone(), press, &mut out);
        self.perform(out);
        done
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Transmit { to, octets } if !self.cut && to == self.browser.address => {
                    let from = address("192.0.2.1:5004");
                    let received = Receive::new(Protocol::Udp, from, to, &octets).expect("a datagram");
                    self.browser.rtc.handle_input(Input::Receive(self.now, received)).expect("taken");
                    self.poll_browser();
                }
                Output::Transmit { .. } | Output::News => {}
                Output::Sound { to, octets } => {
                    assert_eq!(to, media());
                    self.sound.push(octets);
                }
                Output::Report(call, report) => {
                    assert_eq!(call, CALL);
                    self.reports.push(report);
                }
            }
        }
    }

    fn poll_browser(&mut self) {
        loop {
            match self.browser.rtc.poll_output().expect("it goes on") {
                Polled::Timeout(at) => return self.browser.due = at,
                Polled::Transmit(sent) => {
                    let mut out = Vec::new();
                    if !self.cut {
                        self.phones.datagram(self.now, self.browser.address, &sent.contents, &mut out);
                    }
                    self.perform(out);
                }
                Polled::Event(Event::RtpPacket(packet)) => self.browser.heard.push(packet.payload.to_vec()),
                Polled::Event(_) => {}
            }
        }
    }

    /// Time passes. The page asks for events all the while, as far as the network lets it.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            if !self.cut {
                self.events(0);
            }
            if self.browser.due <= self.now {
                self.browser.rtc.handle_input(Input::Timeout(self.now)).expect("taken");
                self.poll_browser();
            }
            if self.phones.deadline().is_some_and(|due| due.at <= self.now) {
                let mut out = Vec::new();
                self.phones.time(self.now, &mut out);
                self.perform(out);
            }
        }
    }

    fn browser_says(&mut self, octets: &[u8]) {
        let mid = self.browser.mid.expect("connected");
        let params = self.browser.rtc.codec_config().params().iter();
        let payload =
            params.clone().find(|params| params.spec().codec == str0m::format::Codec::PCMA).expect("A-law").pt();
        let mut direct = self.browser.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("a stream");
        self.browser.sent += 1;
        let n = self.browser.sent;
        stream.write_rtp(RtpWrite::new(payload, n.into(), n as u32 * 160, self.now, octets));
        self.poll_browser();
        self.run(STEP);
    }

    fn session_says(&mut self, sequence: u16, octets: &[u8]) {
        let header =
            Header { marker: false, payload_type: 8, sequence, timestamp: u32::from(sequence) * 160, ssrc: 0xABCD };
        let mut packet = [0; HEADER_OCTETS];
        header.write(&mut packet);
        let mut out = Vec::new();
        self.phones.sound(self.now, media(), &[&packet[..], octets].concat(), &mut out);
        self.perform(out);
        self.run(STEP);
    }
}

/// A connected browser whose agent talks.
fn talking() -> World {
    let mut world = World::new();
    world.connect("1");
    world.ring();
    assert_eq!(world.press(Press::Answer(CALL)), Ok(()));
    assert_eq!(world.reports, [LineReport::Ringing, LineReport::Answered]);
    world
}

#[test]
fn an_agent_answers_in_the_browser_and_octets_pass_unchanged() {
    let mut world = World::new();
    world.connect("1");
    world.ring();
    world.browser_says(&[9; 160]);
    world.session_says(1, &[9; 160]);
    assert!(world.sound.is_empty() && world.browser.heard.is_empty(), "nobody is heard before the answer");
    assert_eq!(world.press(Press::Answer(CALL)), Ok(()));
    assert_eq!(world.reports, [LineReport::Ringing, LineReport::Answered]);
    let (to_agent, to_caller) = ([1; 160], [2; 160]);
    for n in 2..12 {
        world.session_says(n, &to_agent);
        world.browser_says(&to_caller);
    }
    assert_eq!(world.browser.heard, vec![to_agent.to_vec(); 10]);
    assert_eq!(world.sound.len(), 10);
    for packet in &world.sound {
        let packet = Packet::read(packet).expect("RTP");
        assert_eq!((packet.header.payload_type, packet.payload), (8, &to_caller[..]));
    }
    assert_eq!(world.press(Press::HangUp(CALL)), Ok(()));
    assert_eq!(world.reports.last(), Some(&LineReport::Over(LineEnd::HungUp)));
    assert_eq!(world.press(Press::HangUp(CALL)), Err(PhoneError::CallOver));
    let kinds = serde_json::to_string(&world.events(0)).expect("JSON");
    assert_eq!(
        kinds,
        "[{\"kind\":\"registered\"},{\"kind\":\"incoming\",\"call\":7,\"number\":\"13800138000\",\"codec\":\"audio/PCMA\"},\
         {\"kind\":\"connected\",\"call\":7,\"codec\":\"audio/PCMA\"},{\"kind\":\"ended\",\"call\":7,\"why\":\"hung_up\"}]"
    );
}

#[test]
fn a_network_that_is_gone_for_five_seconds_ends_no_conversation_and_for_a_minute_it_does() {
    let mut world = talking();
    world.cut = true;
    world.run(Duration::from_secs(5));
    world.cut = false;
    world.run(Duration::from_secs(5));
    world.browser_says(&[3; 160]);
    world.session_says(1, &[4; 160]);
    assert_eq!((world.sound.len(), world.browser.heard.len()), (1, 1), "both are heard again");
    world.cut = true;
    world.run(Duration::from_secs(60));
    assert_eq!(world.reports.last(), Some(&LineReport::Over(LineEnd::Lost)));
    assert!(!world.is_registered());
    assert_eq!(world.press(Press::HangUp(CALL)), Err(PhoneError::Gone));
    assert_eq!(world.phones.deadline(), None, "nothing is kept");
}

#[test]
fn a_page_that_is_loaded_again_goes_on_with_the_conversation() {
    let mut world = talking();
    assert_eq!(world.press(Press::Leave), Ok(()));
    assert!(!world.is_registered());
    let old = world.browser.id.clone();
    world.browser = browser(world.now, 4001);
    world.run(Duration::from_secs(1));
    world.connect("2");
    assert!(world.is_registered());
    assert_eq!(world.events(0).last(), Some(&PhoneEvent::Connected { call: CALL, codec: Codec::Alaw }));
    world.browser_says(&[5; 160]);
    assert_eq!((world.sound.len(), world.reports.len()), (1, 2));
    let of_old = world.phones.events(world.now, "li", &old, 0);
    assert_eq!(of_old, Err(PhoneError::Replaced));
    // The other page leaves, too, and does not come back.
    assert_eq!(world.press(Press::Leave), Ok(()));
    world.run(Duration::from_secs(6));
    assert_eq!(world.reports.last(), Some(&LineReport::Over(LineEnd::Lost)));
}

#[test]
fn a_connection_that_the_browser_closes_is_waited_for_like_a_page_that_is_loaded_again() {
    let mut world = talking();
    world.browser.rtc.close().expect("closed");
    world.poll_browser();
    world.run(Duration::from_secs(1));
    assert!(!world.is_registered());
    assert_eq!(world.reports.len(), 2, "the call waits");
    world.browser = browser(world.now, 4001);
    world.connect("2");
    assert_eq!(world.events(0).last(), Some(&PhoneEvent::Connected { call: CALL, codec: Codec::Alaw }));
    world.browser.rtc.close().expect("closed");
    world.poll_browser();
    world.run(Duration::from_secs(6));
    assert_eq!(world.reports.last(), Some(&LineReport::Over(LineEnd::Lost)));
}

#[test]
fn a_page_that_does_not_ask_for_events_is_no_telephone_and_is_not_cut_off() {
    let mut world = World::new();
    world.connect("1");
    let silent = |world: &mut World, seconds| {
        for _ in 0..seconds * 50 {
            let now = world.now + STEP;
            world.now = now;
            if world.browser.due <= now {
                world.browser.rtc.handle_input(Input::Timeout(now)).expect("taken");
                world.poll_browser();
            }
            let mut out = Vec::new();
            world.phones.time(now, &mut out);
            world.perform(out);
        }
    };
    world.ring();
    assert_eq!(world.press(Press::Answer(CALL)), Ok(()));
    silent(&mut world, 70);
    assert_eq!(world.reports.last(), Some(&LineReport::Answered), "the conversation goes on");
    assert_eq!(world.press(Press::HangUp(CALL)), Ok(()));
    silent(&mut world, 1);
    assert!(!world.is_registered());
}

#[test]
fn what_is_no_offer_of_g711_is_refused() {
    let mut world = World::new();
    let secrets = Secrets { id: "1".into(), fragment: "abcd".into(), password: "0123456789abcdef01234567".into() };
    let agent = Arc::clone(&world.agent);
    let mut refused = |offer: &str| world.phones.connect(world.now, &agent, offer, &secrets, &mut Vec::new()).err();
    for offer in ["", "v=0", &"v=0\r\n".repeat(10_000)] {
        assert!(matches!(refused(offer), Some(OfferError::Malformed(_))), "{offer:.9}");
    }
    let crypto = Arc::new(str0m::crypto::from_feature_flags());
    let config = RtcConfig::new().set_crypto_provider(crypto).clear_codecs().enable_opus(true, false);
    let mut rtc = config.build(world.now);
    let mut change = rtc.sdp_api();
    change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
    let (offer, _pending) = change.apply().expect("an offer");
    let refusal = world.phones.connect(world.now, &agent, &offer.to_sdp_string(), &secrets, &mut Vec::new());
    assert_eq!(refusal, Err(OfferError::NoCodec));
    assert!(!world.is_registered());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// From a stranger, and from the browser's own address: changed octets of what it sent, and any others.
    #[test]
    fn hostile_datagrams_and_packets_end_nothing(
        mut hostile in proptest::collection::vec(any::<u8>(), 0..200),
        kind in any::<u8>(),
        place in any::<proptest::sample::Index>(),
    ) {
        let mut world = talking();
        if let Some(first) = hostile.first_mut() {
            // STUN, DTLS, RTP and RTCP, by their first octets (RFC 7983 §7).
            *first = [0, 1, 20, 22, 23, 128, 144, 255][usize::from(kind % 8)];
        }
        let mut out = Vec::new();
        for from in [world.browser.address, address("203.0.113.5:9")] {
            world.phones.datagram(world.now, from, &hostile, &mut out);
        }
        world.phones.sound(world.now, media(), &hostile, &mut out);
        world.perform(out);
        world.browser_says(&[7; 160]);
        prop_assert_eq!(world.sound.len(), 1);
        let mut packet = world.sound[0].clone();
        let at = place.index(packet.len());
        packet[at] ^= kind | 1;
        let mut out = Vec::new();
        world.phones.sound(world.now, media(), &packet, &mut out);
        world.perform(out);
        prop_assert!(world.is_registered());
    }

    #[test]
    fn hostile_offers_are_refused_or_answered(
        cut in any::<proptest::sample::Index>(),
        put in "[ -~\r\n]{0,20}",
    ) {
        let mut world = World::new();
        let mut change = world.browser.rtc.sdp_api();
        change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, _pending) = change.apply().expect("an offer");
        let mut offer = offer.to_sdp_string();
        let at = cut.index(offer.len());
        offer.replace_range(at..(at + put.len()).min(offer.len()), &put);
        let secrets = Secrets { id: "1".into(), fragment: "abcd".into(), password: "0123456789abcdef01234567".into() };
        let agent = Arc::clone(&world.agent);
        let _ = world.phones.connect(world.now, &agent, &offer, &secrets, &mut Vec::new());
    }
}
