//! Registrations with carriers that challenge, go away, come back and lie, on a virtual clock.

use std::fmt::Write as _;
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::digest::ChallengeError;
use crate::digest::{Algorithm, DigestServer, Ha1};
use crate::test_peer::{addr, epoch};
use crate::{ConnectionId, Outgoing, Target, Transport, parse_datagram};

/// How a carrier's registrar behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    Silent,
    Unreachable,
    Refuses(u16),
    /// Its 200 states this time, whatever was asked for.
    Grants(u32),
    /// Its 200 lists another phone's contacts only.
    Rewrites,
    /// Every nonce is stale.
    Stale,
    /// It challenges for a realm that is not configured.
    OtherRealm,
    /// It refuses less than this.
    AtLeast(u32),
    /// It knows no outbound.
    NoOutbound,
    /// Calls come by the flow (RFC 5626).
    Outbound,
    /// It sees the node at another address.
    Nat,
}

struct Carrier {
    mood: Mood,
    digest: DigestServer,
    /// When its binding expires.
    bound_until: Option<Instant>,
    /// When requests came.
    requests: Vec<Instant>,
}

struct World {
    registration: Registration,
    carriers: Vec<Carrier>,
    start: Instant,
    now: Instant,
    keep_alives: usize,
    /// The carriers answer keep-alives.
    pongs: bool,
    /// Connections that the node gave up.
    closed: usize,
    events: Vec<RegistrationOutput>,
}

const ASKED: u64 = 600;

fn address_of(carrier: usize) -> String {
    format!("192.0.2.{}:5060", 10 + carrier)
}

/// How what a carrier sends arrives: by one connection, where the transport has any.
fn stream_of(carrier: usize, transport: Transport) -> Arrival {
    let id = NonZeroU64::MIN.saturating_add(carrier as u64);
    let connection = (!transport.is_unreliable()).then_some(ConnectionId(id));
    Arrival { transport, source: addr(&address_of(carrier)), local: addr("192.0.2.1:5060"), connection }
}

fn settings(carriers: usize, transport: Transport, seed: u64) -> RegistrationSettings {
    let local = addr("192.0.2.1:5060");
    let registrar = |at: usize| RegistrarAddress {
        uri: format!("sip:reg{at}.carrier"),
        domain: "sip:carrier".into(),
        target: Target::Address { transport, local, to: addr(&address_of(at)) },
        sent_by: "192.0.2.1:5060".into(),
        contact_uri: "sip:1001@192.0.2.1:5060".into(),
        is_listened: false,
    };
    RegistrationSettings {
        registrars: (0..carriers).map(registrar).collect(),
        address: "sip:1001@carrier".into(),
        expires: Duration::from_secs(ASKED),
        instance: "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".into(),
        seed,
    }
}

impl World {
    fn new(moods: &[Mood]) -> World {
        World::with(moods, Transport::Udp, "secret", 5)
    }

    fn with(moods: &[Mood], transport: Transport, password: &str, seed: u64) -> World {
        let now = epoch();
        let digest = DigestClient::new("1001", "carrier", password, seed);
        let carrier = |mood: &Mood| Carrier {
            mood: *mood,
            digest: DigestServer::new(now, "carrier", &[Algorithm::Sha256, Algorithm::Md5], [3; 32]),
            bound_until: None,
            requests: Vec::new(),
        };
        World {
            registration: Registration::new(now, settings(moods.len(), transport, seed), digest),
            carriers: moods.iter().map(carrier).collect(),
            start: now,
            now,
            keep_alives: 0,
            pongs: false,
            closed: 0,
            events: Vec::new(),
        }
    }

    fn input(&mut self, input: RegistrationInput) {
        let mut inputs = vec![input];
        let mut steps = 0;
        while let Some(input) = inputs.pop() {
            steps += 1;
            assert!(steps < 100, "requests without end at one moment");
            for output in self.registration.handle_input(self.now, input) {
                match output {
                    RegistrationOutput::Send(outgoing) => inputs.extend(self.deliver(&outgoing)),
                    RegistrationOutput::CloseFlow(arrival) => {
                        self.closed += 1;
                        inputs.push(RegistrationInput::FlowLost(arrival));
                    }
                    event => self.events.push(event),
                }
            }
        }
    }

    /// The carrier's response.
    fn deliver(&mut self, outgoing: &Outgoing) -> Option<RegistrationInput> {
        let (peer, transport, local) = match &outgoing.to {
            Target::Address { to, transport, local } => (*to, *transport, *local),
            Target::Same { peer, transport, local, .. } => (*peer, *transport, *local),
            Target::Host { .. } => panic!("an address"),
        };
        let at = (0..self.carriers.len()).find(|at| addr(&address_of(*at)) == peer).expect("a carrier");
        if &outgoing.bytes[..] == b"\r\n\r\n" {
            self.keep_alives += 1;
            return self.pongs.then(|| RegistrationInput::Ponged(stream_of(at, transport)));
        }
        let request = parse_datagram(&outgoing.bytes).expect("well formed");
        let arrival = Arrival { local, ..stream_of(at, transport) };
        match self.carriers[at].answer(self.now, &request) {
            Ok(message) => Some(RegistrationInput::Received { message, arrival }),
            Err(Lost::InTransit) => None,
            Err(Lost::Refused) => Some(RegistrationInput::SendFailed),
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.registration.deadline().filter(|deadline| deadline.at <= until) {
            self.now = self.now.max(deadline.at);
            self.input(RegistrationInput::Deadline);
        }
        self.now = until;
    }

    fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn registered(&self) -> Option<String> {
        self.registration.status(self.now).registered.map(|(registrar, _)| registrar)
    }

    fn error(&self) -> Option<RegistrationError> {
        self.registration.status(self.now).error
    }
}

enum Lost {
    InTransit,
    Refused,
}

impl Carrier {
    fn answer(&mut self, now: Instant, request: &Message) -> Result<Message, Lost> {
        self.requests.push(now);
        match self.mood {
            Mood::Silent => return Err(Lost::InTransit),
            Mood::Unreachable => return Err(Lost::Refused),
            Mood::Refuses(status) => return Ok(respond(request, status, "Retry-After: 7 (soon)\r\n")),
            Mood::OtherRealm => {
                let challenge = "WWW-Authenticate: Digest realm=\"evil\", nonce=\"n\", qop=\"auth\"\r\n";
                let sent = request.header_named("Authorization");
                assert!(!sent.is_some_and(|line| line.contains("evil")), "credentials for a foreign realm");
                return Ok(respond(request, 401, challenge));
            }
            Mood::NoOutbound if request.lists(HeaderName::Supported, "outbound") => {
                return Ok(respond(request, 439, ""));
            }
            _ => {}
        }
        let ha1 = |user: &str, algorithm| (user == "1001").then(|| Ha1::new(algorithm, user, "carrier", "secret"));
        let verified = self.digest.verify(now, request, ha1);
        if verified.is_err() || self.mood == Mood::Stale {
            let stale = self.mood == Mood::Stale || verified == Err(crate::digest::AuthError::Stale);
            let values = self.digest.challenge(now, stale).into_iter();
            let lines: String = values.map(|value| format!("WWW-Authenticate: {value}\r\n")).collect();
            return Ok(respond(request, 401, &lines));
        }
        Ok(self.bind(now, request))
    }

    fn bind(&mut self, now: Instant, request: &Message) -> Message {
        let asked: u32 = request.header_named("Expires").and_then(|text| text.parse().ok()).expect("a number");
        let contact = request.contact().expect("a Contact").uri;
        let (granted, contact) = match self.mood {
            Mood::AtLeast(min) if asked != 0 && asked < min => {
                return respond(request, 423, &format!("Min-Expires: {min}\r\n"));
            }
            Mood::Grants(time) => (time, contact),
            Mood::Rewrites => (asked, "sip:2@192.0.2.2>, <sip:3@192.0.2.3"),
            _ => (asked, contact),
        };
        self.bound_until = (asked > 0).then(|| now + Duration::from_secs(granted.into()));
        let mut headers = format!("Contact: <{contact}>;expires={granted}\r\n");
        let _ = write!(headers, "Service-Route: <sip:edge.carrier;lr>\r\n");
        match self.mood {
            Mood::Outbound => respond(request, 200, &format!("{headers}Require: outbound\r\n")),
            Mood::Nat => respond_seen(request, 200, &headers, ";received=198.51.100.9"),
            _ => respond(request, 200, &headers),
        }
    }
}

fn respond(request: &Message, status: u16, headers: &str) -> Message {
    respond_seen(request, status, headers, "")
}

/// With what the carrier adds to Via.
fn respond_seen(request: &Message, status: u16, headers: &str, seen: &str) -> Message {
    let line = |name| request.header(name).unwrap_or("").to_owned();
    let text = format!(
        "SIP/2.0 {status} Whatever\r\nVia: {}{seen}\r\nFrom: {}\r\nTo: {};tag=reg\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         {headers}Content-Length: 0\r\n\r\n",
        line(HeaderName::Via),
        line(HeaderName::From),
        line(HeaderName::To),
        line(HeaderName::CallId),
        line(HeaderName::CSeq),
    );
    parse_datagram(text.as_bytes()).expect("well formed")
}

#[test]
fn it_registers_with_a_digest_and_stays_registered() {
    let mut world = World::new(&[Mood::Honest]);
    world.pass_s(0);
    assert_eq!(world.registered().as_deref(), Some("sip:reg0.carrier"));
    assert_eq!(world.registration.service_route(), ["<sip:edge.carrier;lr>"]);
    for _ in 0..100 {
        world.pass_s(60);
        assert!(world.carriers[0].bound_until.is_some_and(|until| until > world.now));
    }
    assert_eq!(world.events.len(), 1, "a refresh is no event");
    let refreshes = world.carriers[0].requests.len();
    assert!((10..=30).contains(&refreshes), "{refreshes}");
    assert!((200..=280).contains(&world.keep_alives), "{}", world.keep_alives);
}

#[test]
fn a_request_states_what_the_rfcs_ask_for() {
    let mut registration =
        Registration::new(epoch(), settings(1, Transport::Tcp, 5), DigestClient::new("1001", "carrier", "secret", 5));
    let out = registration.handle_input(epoch(), RegistrationInput::Deadline);
    let Some(RegistrationOutput::Send(outgoing)) = out.first() else { panic!("{out:?}") };
    let request = parse_datagram(&outgoing.bytes).expect("well formed");
    assert_eq!(request.request_uri(), "sip:carrier");
    assert_eq!((request.to().uri, request.from().uri), ("sip:1001@carrier", "sip:1001@carrier"));
    assert_eq!(request.via().transport, "TCP");
    assert_eq!(request.header_named("Expires"), Some("600"));
    assert!(request.header(HeaderName::Contact).is_some_and(|contact| contact.contains("reg-id=1")));
    assert!(request.lists(HeaderName::Supported, "path"));
}

#[test]
fn every_address_of_a_registrar_is_asked_before_the_next_registrar() {
    for (mood, tries) in [(Mood::Silent, 2), (Mood::Refuses(503), 2), (Mood::Refuses(403), 1), (Mood::Unreachable, 1)] {
        let mut world = World::new(&[mood, Mood::Honest]);
        let first = world.registration.handle_input(world.now, RegistrationInput::Deadline);
        let Some(RegistrationOutput::Send(outgoing)) = first.into_iter().next() else { panic!("a request") };
        world.input(RegistrationInput::Addresses(2));
        if let Some(response) = world.deliver(&outgoing) {
            world.input(response);
        }
        world.pass_s(70);
        let at_once = |event: &&RegistrationOutput| {
            matches!(event, RegistrationOutput::Failed { registrar, retry_in, .. }
                if registrar == "sip:reg0.carrier" && retry_in.is_zero())
        };
        assert_eq!(world.events.iter().filter(at_once).count(), tries, "{mood:?}");
        assert_eq!(world.registered().as_deref(), Some("sip:reg1.carrier"), "{mood:?}");
    }
}

#[test]
fn a_lost_request_is_repeated_and_then_the_next_registrar_is_asked() {
    let mut world = World::new(&[Mood::Silent, Mood::Honest]);
    world.pass_s(31);
    assert_eq!(world.carriers[0].requests.len(), 10, "RFC 3261 §17.1.2.1: 0, 0.5, 1.5, 3.5, 7.5, 11.5 … 27.5 s");
    assert_eq!(world.registered(), None);
    world.pass_s(2);
    assert_eq!(world.registered().as_deref(), Some("sip:reg1.carrier"));
    assert!(matches!(world.events[0], RegistrationOutput::Failed { error: RegistrationError::Timeout, .. }));
}

#[test]
fn it_returns_to_the_first_registrar() {
    let mut world = World::new(&[Mood::Unreachable, Mood::Honest]);
    world.pass_s(1);
    assert_eq!(world.registered().as_deref(), Some("sip:reg1.carrier"));
    world.carriers[0].mood = Mood::Honest;
    world.pass_s(2 * ASKED);
    assert_eq!(world.registered().as_deref(), Some("sip:reg0.carrier"));
}

#[test]
fn while_a_refresh_fails_the_binding_counts_until_its_end() {
    let mut world = World::new(&[Mood::Honest]);
    world.pass_s(0);
    world.carriers[0].mood = Mood::Refuses(503);
    world.pass_s(ASKED * 95 / 100);
    assert!(world.registered().is_some());
    assert_eq!(world.error(), Some(RegistrationError::Refused(503)));
    world.pass_s(ASKED / 10);
    assert_eq!(world.registered(), None);
    world.carriers[0].mood = Mood::Honest;
    world.pass_s(1800);
    assert!(world.registered().is_some() && world.error().is_none());
}

#[test]
fn a_wrong_password_is_not_repeated_soon() {
    let mut world = World::with(&[Mood::Honest], Transport::Udp, "guess", 5);
    world.pass_s(290);
    assert_eq!(world.carriers[0].requests.len(), 2, "one without and one with credentials");
    assert_eq!(world.error(), Some(RegistrationError::Credentials(ChallengeError::Rejected)));
    world.pass_s(3600);
    assert!(world.carriers[0].requests.len() <= 24);
}

#[test]
fn a_foreign_realm_gets_no_credentials_and_is_named_as_the_reason() {
    let mut world = World::new(&[Mood::OtherRealm]);
    world.pass_s(3600);
    assert_eq!(world.error(), Some(RegistrationError::Credentials(ChallengeError::OtherRealm)));
}

#[test]
fn what_the_registrar_asks_for_is_given() {
    let mut brief = World::new(&[Mood::AtLeast(1200)]);
    brief.pass_s(0);
    let left = brief.registration.status(brief.now).registered.expect("registered").1;
    assert_eq!(left, Duration::from_secs(1200));
    let mut plain = World::new(&[Mood::NoOutbound]);
    plain.pass_s(0);
    assert!(plain.registered().is_some());
    let mut absurd = World::new(&[Mood::AtLeast(u32::MAX)]);
    absurd.pass_s(20);
    assert_eq!(absurd.error(), Some(RegistrationError::Refused(423)));
}

#[test]
fn a_registrar_that_lies_about_its_time_is_asked_in_time_and_not_too_often() {
    let mut short = World::new(&[Mood::Grants(1)]);
    short.pass_s(600);
    assert!(short.carriers[0].requests.len() <= 130, "{}", short.carriers[0].requests.len());
    let mut long = World::new(&[Mood::Grants(u32::MAX)]);
    long.pass_s(6000);
    assert!(long.carriers[0].requests.len() > 10);
    let mut zero = World::new(&[Mood::Grants(0)]);
    zero.pass_s(10);
    assert_eq!((zero.registered(), zero.error()), (None, Some(RegistrationError::NotBound)));
}

#[test]
fn contacts_that_were_all_rewritten_are_believed() {
    // Two nodes of one account behind a border controller.
    let mut rewritten = World::new(&[Mood::Rewrites]);
    rewritten.pass_s(10);
    assert!(rewritten.registered().is_some() && rewritten.error().is_none());
    rewritten.pass_s(6000);
    assert!(rewritten.registered().is_some(), "it is refreshed in time");
}

#[test]
fn a_lost_connection_is_registered_again_within_seconds() {
    let mut world = World::with(&[Mood::Honest], Transport::Tcp, "secret", 5);
    world.pass_s(10);
    let ours = stream_of(0, Transport::Tcp);
    world.input(RegistrationInput::FlowLost(Arrival { source: addr("192.0.2.99:5060"), ..ours }));
    world.input(RegistrationInput::FlowLost(Arrival { connection: stream_of(1, Transport::Tcp).connection, ..ours }));
    assert!(world.registered().is_some(), "other connections");
    world.input(RegistrationInput::FlowLost(ours));
    assert_eq!(world.registered(), None);
    world.pass_s(2);
    assert!(world.registered().is_some());
}

#[test]
fn a_registrar_that_closes_its_connections_is_asked_less_and_less_often() {
    let mut world = World::with(&[Mood::Honest], Transport::Tcp, "secret", 5);
    let mut asked = Vec::new();
    for _ in 0..7 {
        while world.registered().is_none() {
            world.pass_s(1);
        }
        asked.push(world.now);
        world.input(RegistrationInput::FlowLost(stream_of(0, Transport::Tcp)));
    }
    let pauses: Vec<u64> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(pauses[0] <= 3, "{pauses:?}");
    for (n, pause) in pauses.iter().skip(1).enumerate() {
        assert!((15 << n..=(30 << n) + 1).contains(pause), "{pauses:?}");
    }
    while world.registered().is_none() {
        world.pass_s(1);
    }
    world.pass_s(130);
    world.input(RegistrationInput::FlowLost(stream_of(0, Transport::Tcp)));
    world.pass_s(3);
    assert!(world.registered().is_some(), "this connection had lasted");
}

#[test]
fn where_one_registrar_closes_its_connections_the_next_one_is_asked() {
    let mut world = World::with(&[Mood::Honest, Mood::Honest], Transport::Tcp, "secret", 5);
    for _ in 0..2 {
        world.pass_s(3);
        assert_eq!(world.registered().as_deref(), Some("sip:reg0.carrier"));
        world.input(RegistrationInput::FlowLost(stream_of(0, Transport::Tcp)));
    }
    assert_eq!(world.registered().as_deref(), Some("sip:reg1.carrier"));
}

#[test]
fn a_binding_of_a_contact_that_is_listened_at_outlives_its_connection() {
    let listened = |carrier: Mood| {
        let mut world = World::with(&[carrier], Transport::Tcp, "secret", 5);
        world.registration.settings.registrars[0].is_listened = true;
        world.pass_s(10);
        world.input(RegistrationInput::FlowLost(stream_of(0, Transport::Tcp)));
        world
    };
    let mut world = listened(Mood::Honest);
    let before = world.carriers[0].requests.len();
    assert!(world.registered().is_some() && world.error().is_none());
    world.pass_s(300);
    assert_eq!((world.carriers[0].requests.len(), world.keep_alives), (before, 0));
    world.pass_s(ASKED);
    assert!(world.registered().is_some() && world.carriers[0].requests.len() > before, "it is refreshed in time");

    world.pass_s(130);
    let before = world.carriers[0].requests.len();
    world.input(RegistrationInput::FlowLost(stream_of(0, Transport::Tcp)));
    world.pass_s(3);
    assert!(
        world.carriers[0].requests.len() > before,
        "a connection that had lasted: the registrar may have restarted"
    );
    assert_eq!(listened(Mood::Outbound).registered(), None, "calls come by the flow");
    assert_eq!(listened(Mood::Nat).registered(), None, "it sees another address");
}

#[test]
fn a_short_binding_does_not_lapse_while_one_registrar_is_silent() {
    for granted in [60, 75, 90, 120, 180] {
        let mut world = World::new(&[Mood::Grants(granted), Mood::Honest]);
        world.pass_s(1);
        world.carriers[0].mood = Mood::Silent;
        for second in 0..600 {
            world.pass_s(1);
            assert!(world.registered().is_some(), "{granted} s granted, after {second} s");
        }
        assert_eq!(world.registered().as_deref(), Some("sip:reg1.carrier"));
    }
}

#[test]
fn a_refresh_that_failed_is_tried_again_within_the_binding() {
    for seed in 0..20 {
        let mut world = World::with(&[Mood::Grants(120)], Transport::Udp, "secret", seed);
        world.pass_s(1);
        world.carriers[0].mood = Mood::Refuses(500);
        while world.error().is_none() {
            world.pass_s(1);
        }
        world.carriers[0].mood = Mood::Grants(120);
        for _ in 0..60 {
            world.pass_s(1);
            assert!(world.registered().is_some(), "seed {seed}");
        }
        assert_eq!(world.error(), None);
    }
}

#[test]
fn a_connection_whose_pongs_cease_is_closed_and_the_node_registers_again() {
    let mut world = World::with(&[Mood::Honest], Transport::Tcp, "secret", 5);
    world.pongs = true;
    world.pass_s(3600);
    assert_eq!(world.closed, 0);
    world.pongs = false;
    let before = world.carriers[0].requests.len();
    world.pass_s(119 + 10);
    assert_eq!(world.closed, 1, "RFC 5626 §4.4.1: within 10 s of the ping");
    world.pass_s(3);
    assert!(world.carriers[0].requests.len() > before && world.registered().is_some());
}

#[test]
fn a_registrar_that_says_that_it_knows_outbound_must_answer_the_first_ping() {
    let mut world = World::with(&[Mood::Outbound], Transport::Tls, "secret", 5);
    world.pass_s(119 + 10);
    assert_eq!(world.closed, 1);
}

#[test]
fn a_registrar_that_never_answered_a_ping_keeps_its_connection() {
    let mut world = World::with(&[Mood::Honest], Transport::Tcp, "secret", 5);
    world.pass_s(10);
    world.input(RegistrationInput::Ponged(stream_of(0, Transport::Tcp)));
    world.pass_s(3600);
    assert!(world.keep_alives > 20 && world.closed == 0, "an empty line that answers nothing shows nothing");
}

#[test]
fn a_drain_removes_the_binding_once() {
    let mut world = World::new(&[Mood::Honest]);
    world.pass_s(400);
    world.input(RegistrationInput::Drain);
    assert_eq!(world.carriers[0].bound_until, None);
    assert!(matches!(world.events.last(), Some(RegistrationOutput::Over)));
    assert!(world.registration.deadline().is_none());
    world.input(RegistrationInput::Drain);
    let overs = world.events.iter().filter(|event| matches!(event, RegistrationOutput::Over)).count();
    assert_eq!(overs, 1);
}

#[test]
fn a_drain_does_not_wait_long_for_a_silent_registrar() {
    let mut world = World::new(&[Mood::Honest]);
    world.pass_s(1);
    world.carriers[0].mood = Mood::Silent;
    world.input(RegistrationInput::Drain);
    assert!(world.registration.deadline().is_some());
    world.pass(LEAVE_LIMIT);
    assert!(matches!(world.events.last(), Some(RegistrationOutput::Over)));
    let mut never = World::new(&[Mood::Silent]);
    never.pass_s(1);
    never.input(RegistrationInput::Drain);
    assert!(matches!(never.events.last(), Some(RegistrationOutput::Over)));
}

#[test]
fn a_response_of_another_request_changes_nothing() {
    let mut world = World::new(&[Mood::Honest]);
    world.pass_s(1);
    let before = world.registration.status(world.now);
    let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKother\r\nFrom: <sip:a@h>;tag=1\r\n\
                To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 9 REGISTER\r\nContent-Length: 0\r\n\r\n";
    let message = parse_datagram(text.as_bytes()).expect("well formed");
    let arrival = crate::test_peer::arrival(Transport::Udp);
    world.input(RegistrationInput::Received { message, arrival });
    assert_eq!(world.registration.status(world.now), before);
}

fn moods() -> impl Strategy<Value = Mood> {
    prop_oneof![
        3 => Just(Mood::Honest),
        1 => Just(Mood::Silent),
        1 => Just(Mood::Unreachable),
        1 => prop_oneof![Just(403u16), Just(404), Just(480), Just(500), Just(503), Just(600), Just(302)].prop_map(Mood::Refuses),
        1 => prop_oneof![Just(0u32), Just(1), Just(30), Just(3600), Just(u32::MAX)].prop_map(Mood::Grants),
        1 => Just(Mood::Rewrites),
        1 => Just(Mood::Stale),
        1 => Just(Mood::OtherRealm),
        1 => prop_oneof![Just(60u32), Just(900), Just(u32::MAX)].prop_map(Mood::AtLeast),
        1 => Just(Mood::NoOutbound),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever carriers did before: once one of them is honest, the node is registered within the longest pause, what it
    /// believes is what the carrier holds, and no carrier is stormed.
    #[test]
    fn it_comes_back_whatever_happened(
        first in moods(),
        second in moods(),
        turns in prop::collection::vec((0..2usize, moods(), 0..3000u64, any::<bool>()), 0..12),
        seed in any::<u64>(),
        tcp in any::<bool>(),
    ) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let mut world = World::with(&[first, second], transport, "secret", seed);
        for (carrier, mood, seconds, cut) in turns {
            world.pass_s(seconds);
            world.carriers[carrier].mood = mood;
            if cut {
                world.input(RegistrationInput::FlowLost(stream_of(carrier, transport)));
            }
            prop_assert!(world.registration.deadline().is_some());
        }
        world.carriers[1].mood = Mood::Honest;
        world.carriers[0].mood = Mood::Unreachable;
        world.pass(PAUSE_MAX + Duration::from_secs(ASKED));
        prop_assert_eq!(world.registered(), Some("sip:reg1.carrier".into()));
        prop_assert!(world.carriers[1].bound_until.is_some_and(|until| until > world.now));
        let hours = world.now.duration_since(world.start).as_secs_f64() / 3600.0;
        for carrier in &world.carriers {
            prop_assert!((carrier.requests.len() as f64) < 60.0 + hours * 1600.0, "{}", carrier.requests.len());
        }
        world.input(RegistrationInput::Drain);
        world.pass(LEAVE_LIMIT);
        prop_assert!(world.registration.deadline().is_none());
    }
}
