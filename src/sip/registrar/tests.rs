//! Phones that register, on a virtual clock.

use super::*;
use crate::digest::DigestClient;
use crate::grammar::Method;
use crate::test_peer::{addr, epoch};
use crate::{Target, Transport, parse_datagram};

const PHONE: &str = "203.0.113.7:40001";

struct World {
    registrar: Registrar,
    digest: DigestClient,
    now: Instant,
    source: SocketAddr,
    transport: Transport,
    cseq: u32,
    call_id: &'static str,
}

fn rules() -> RegistrarRules {
    RegistrarRules {
        realm: "desk".into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        expires_min: Duration::from_secs(60),
        expires_max: Duration::from_secs(600),
        contacts_max: 3,
    }
}

fn world() -> World {
    let now = epoch();
    World {
        registrar: Registrar::new(now, rules(), [9; 32]),
        digest: DigestClient::new("1001", "desk", "secret", 1),
        now,
        source: addr(PHONE),
        transport: Transport::Udp,
        cseq: 0,
        call_id: "c1",
    }
}

impl World {
    fn arrival(&self) -> Arrival {
        Arrival { transport: self.transport, source: self.source, local: addr("192.0.2.1:5060"), connection: None }
    }

    fn text(&self, to: &str, headers: &str) -> String {
        let World { cseq, call_id, .. } = self;
        format!(
            "REGISTER sip:desk SIP/2.0\r\nVia: SIP/2.0/{} 10.0.0.7:5060;rport;branch=z9hG4bK{call_id}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <{to}>;tag=1\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n\
             {headers}Content-Length: 0\r\n\r\n",
            self.transport.name()
        )
    }

    fn send(&mut self, text: &str) -> (Message, RegistrarOutcome) {
        let request = parse_datagram(text.as_bytes()).expect("well formed");
        let ha1 = |user: &str, algorithm| {
            ["1001", "1002"].contains(&user).then(|| Ha1::new(algorithm, user, "desk", "secret"))
        };
        let (response, outcome) = self.registrar.register(self.now, &request, &self.arrival(), ha1);
        (parse_datagram(&response.bytes).expect("well formed"), outcome)
    }

    /// One request with its challenge answered.
    fn register(&mut self, headers: &str) -> Message {
        self.register_to("sip:1001@desk", headers)
    }

    fn register_to(&mut self, to: &str, headers: &str) -> Message {
        for _ in 0..3 {
            self.cseq += 1;
            let lines = self.digest.authorize(&Method::Register, "sip:desk", b"");
            let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let (response, _) = self.send(&self.text(to, &format!("{lines}{headers}")));
            if response.status() != Some(401) {
                self.digest.accepted(&response);
                return response;
            }
            if self.digest.challenged(&response).is_err() {
                return response;
            }
        }
        panic!("challenged again and again");
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.bindings(self.now, "1001").iter().map(|binding| binding.uri.clone()).collect()
    }
}

fn status(response: &Message) -> u16 {
    response.status().expect("a response")
}

#[test]
fn nothing_is_registered_without_the_password() {
    let mut world = world();
    world.cseq = 1;
    let (response, outcome) = world.send(&world.text("sip:1001@desk", "Contact: <sip:1001@10.0.0.7>\r\n"));
    assert_eq!((status(&response), outcome), (401, RegistrarOutcome::Challenged));
    let offered: Vec<_> = response.headers_named("WWW-Authenticate").collect();
    assert!(offered[0].contains("SHA-256") && offered[1].contains("MD5"));
    world.digest = DigestClient::new("1001", "desk", "guess", 1);
    assert_eq!(status(&world.register("Contact: <sip:1001@10.0.0.7>\r\n")), 401);
    assert!(world.contacts().is_empty());
}

#[test]
fn a_phone_is_found_until_its_time_is_over() {
    let mut world = world();
    let response = world.register("Contact: <sip:1001@10.0.0.7:5060>;expires=120\r\n");
    assert_eq!(status(&response), 200);
    assert_eq!(response.header(HeaderName::Contact), Some("<sip:1001@10.0.0.7:5060>;expires=120"));
    assert_eq!(world.registrar.reachable(world.now), 1);
    world.now += Duration::from_secs(121);
    assert!(world.contacts().is_empty());
    world.registrar.clean(world.now, |_| true);
    assert!(world.registrar.accounts.is_empty());
}

#[test]
fn behind_a_nat_a_phone_is_reached_where_it_came_from() {
    let mut world = world();
    world.register("Contact: <sip:1001@10.0.0.7:5060>\r\n");
    let target = world.registrar.bindings(world.now, "1001")[0].target().expect("a target");
    assert!(matches!(target, Target::Same { peer, .. } if peer == addr(PHONE)));
    let mut open = self::world();
    open.register("Contact: <sip:1001@203.0.113.7:5062>\r\n");
    let target = open.registrar.bindings(open.now, "1001")[0].target();
    assert!(matches!(target, Some(Target::Address { to, .. }) if to == addr("203.0.113.7:5062")));
    let mut proxied = self::world();
    proxied.register("Supported: path\r\nPath: <sip:203.0.113.7;lr>\r\nContact: <sip:1001@10.0.0.7>\r\n");
    let binding = proxied.registrar.bindings(proxied.now, "1001")[0].clone();
    assert!(matches!(binding.target(), Some(Target::Address { to, .. }) if to == addr("203.0.113.7:5060")));
    assert_eq!(binding.path, ["<sip:203.0.113.7;lr>"]);
}

#[test]
fn a_phone_names_no_foreign_address() {
    for lines in [
        "Supported: path\r\nPath: <sip:203.0.113.9;lr>\r\nContact: <sip:1001@10.0.0.7>\r\n",
        "Contact: <sip:1001@198.51.100.1:53>\r\n",
        "Contact: <sip:1001@victim.example.com>\r\n",
    ] {
        let mut world = world();
        world.register(lines);
        let target = world.registrar.bindings(world.now, "1001")[0].target();
        let source = matches!(&target, Some(Target::Same { peer, otherwise: None, .. }) if *peer == addr(PHONE));
        assert!(source, "{lines}: {target:?}");
    }
}

#[test]
fn several_contacts_are_kept_by_preference_and_the_oldest_gives_way() {
    let mut world = world();
    world.register("Contact: <sip:a@10.0.0.1>;q=0.3, <sip:b@10.0.0.2>\r\n");
    assert_eq!(world.contacts(), ["sip:b@10.0.0.2", "sip:a@10.0.0.1"]);
    world.now += Duration::from_secs(1);
    world.register("Contact: <sip:c@10.0.0.3>;q=0.9\r\n");
    let response = world.register("Contact: <sip:d@10.0.0.4>;q=0.5\r\n");
    assert_eq!(response.list(HeaderName::Contact).count(), 3);
    assert_eq!(world.contacts().len(), 3);
    let many = "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>, <sip:4@h>\r\n";
    assert_eq!(status(&world.register(many)), 403);
}

#[test]
fn contacts_are_fetched_and_removed() {
    let mut world = world();
    world.register("Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.2>\r\n");
    assert_eq!(world.register("").list(HeaderName::Contact).count(), 2);
    world.register("Contact: <sip:a@10.0.0.1>;expires=0\r\n");
    assert_eq!(world.contacts(), ["sip:b@10.0.0.2"]);
    for wrong in ["Contact: *\r\n", "Contact: *\r\nExpires: 60\r\n", "Contact: *, <sip:a@h>\r\nExpires: 0\r\n"] {
        assert_eq!(status(&world.register(wrong)), 400, "{wrong}");
    }
    assert_eq!(status(&world.register("Contact: *\r\nExpires: 0\r\n")), 200);
    assert!(world.contacts().is_empty());
}

#[test]
fn a_late_request_of_the_same_phone_changes_nothing() {
    let mut world = world();
    world.register("Contact: <sip:a@10.0.0.1>\r\n");
    world.cseq = 0;
    assert_eq!(status(&world.register("Contact: <sip:a@10.0.0.1>;expires=0\r\n")), 500);
    world.cseq = 0;
    assert_eq!(status(&world.register("Contact: *\r\nExpires: 0\r\n")), 500);
    assert_eq!(world.contacts().len(), 1);
    world.call_id = "c2";
    assert_eq!(status(&world.register("Contact: <sip:a@10.0.0.1>;expires=0\r\n")), 200, "it was started again");
    assert!(world.contacts().is_empty());
}

#[test]
fn a_request_changes_all_or_nothing() {
    let mut world = world();
    for (headers, expected) in [
        ("Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.2>;expires=5\r\n", 423),
        ("Contact: <sip:a@10.0.0.1>, <tel:110>\r\n", 416),
        ("Require: gruu\r\nContact: <sip:a@10.0.0.1>\r\n", 420),
    ] {
        assert_eq!(status(&world.register(headers)), expected, "{headers}");
        assert!(world.contacts().is_empty());
    }
    let brief = world.register("Contact: <sip:a@10.0.0.1>;expires=5\r\n");
    assert_eq!(brief.header_named("Min-Expires"), Some("60"));
    let long = world.register("Contact: <sip:a@10.0.0.1>;expires=99999999999\r\nExpires: 99999\r\n");
    assert_eq!(long.header(HeaderName::Contact), Some("<sip:a@10.0.0.1>;expires=600"));
}

#[test]
fn an_account_registers_itself_only() {
    let mut world = world();
    for other in ["sip:1002@desk", "tel:1001", "sip:desk"] {
        assert_eq!(status(&world.register_to(other, "Contact: <sip:a@10.0.0.1>\r\n")), 403, "{other}");
    }
    assert_eq!(status(&world.register_to("sip:%31001@desk", "Contact: <sip:a@10.0.0.1>\r\n")), 200);
}

#[test]
fn a_phone_that_started_again_replaces_its_binding() {
    let mut world = world();
    let instance = "+sip.instance=\"<urn:uuid:1>\"";
    world.register(&format!("Contact: <sip:a@10.0.0.1:5060>;{instance}\r\n"));
    world.call_id = "c2";
    world.cseq = 0;
    world.register(&format!("Contact: <sip:a@10.0.0.9:5999>;{instance}\r\n"));
    assert_eq!(world.contacts(), ["sip:a@10.0.0.9:5999"]);
}

#[test]
fn a_retransmission_gets_the_same_response() {
    let mut world = world();
    world.register("");
    world.cseq += 1;
    let lines = world.digest.authorize(&Method::Register, "sip:desk", b"");
    let text = world.text("sip:1001@desk", &format!("Authorization: {}\r\nContact: <sip:a@10.0.0.1>\r\n", lines[0].1));
    let (first, _) = world.send(&text);
    let (again, outcome) = world.send(&text);
    assert_eq!((status(&first), outcome), (200, RegistrarOutcome::Repeated));
    assert_eq!(first.header(HeaderName::To), again.header(HeaderName::To));
    world.source = addr("203.0.113.8:40001");
    let (replayed, _) = world.send(&text);
    assert_eq!(status(&replayed), 401, "from elsewhere it is a replay");
}

#[test]
fn guesses_are_slowed() {
    let mut world = world();
    world.digest = DigestClient::new("1001", "desk", "guess", 1);
    let refused = (0..200).map(|_| status(&world.register(""))).filter(|status| *status == 503).count();
    assert!(refused > 100, "{refused}");
    world.now += Duration::from_secs(61);
    world.digest = DigestClient::new("1001", "desk", "secret", 1);
    assert_eq!(status(&world.register("")), 200);
}

#[test]
fn a_telephone_with_an_old_password_does_not_keep_the_others_behind_its_address_out() {
    let mut world = world();
    world.digest = DigestClient::new("1001", "desk", "guess", 1);
    (0..100).for_each(|_| drop(world.register("")));
    world.digest = DigestClient::new("1002", "desk", "secret", 1);
    assert_eq!(status(&world.register_to("sip:1002@desk", "")), 200);
    world.digest = DigestClient::new("1001", "desk", "secret", 1);
    assert_eq!(status(&world.register("")), 503, "its account waits");
}

#[test]
fn a_forged_request_counts_against_no_account() {
    let mut world = world();
    let header =
        "Authorization: Digest username=\"1001\", realm=\"desk\", nonce=\"0\", uri=\"sip:desk\", response=\"0\"\r\n";
    for _ in 0..100 {
        world.cseq += 1;
        let text = world.text("sip:1001@desk", header);
        assert_eq!(status(&world.send(&text).0), 401);
    }
    assert_eq!(status(&world.register("")), 200);
}

#[test]
fn over_tcp_the_connection_is_the_way_back() {
    let mut world = world();
    world.transport = Transport::Tcp;
    world.register("Contact: <sip:a@203.0.113.7:5060;transport=tcp>\r\n");
    let target = world.registrar.bindings(world.now, "1001")[0].target();
    assert!(matches!(target, Some(Target::Same { peer, otherwise: Some(_), .. }) if peer == addr(PHONE)));
    world.registrar.clean(world.now, |account| account != "1001");
    assert!(world.contacts().is_empty(), "the account is gone");
}

/// What a REGISTER without credentials is offered.
fn offered(world: &mut World) -> Vec<String> {
    world.cseq += 1;
    let (response, outcome) = world.send(&world.text("sip:1001@desk", "Contact: <sip:1001@10.0.0.7>\r\n"));
    assert_eq!((status(&response), outcome), (401, RegistrarOutcome::Challenged));
    response.headers_named("WWW-Authenticate").map(str::to_owned).collect()
}

#[test]
fn a_phone_that_answers_no_offer_of_several_digests_is_offered_the_plainest_alone() {
    let mut world = world();
    assert_eq!(offered(&mut world).len(), 2);
    world.cseq -= 1;
    assert_eq!(offered(&mut world).len(), 2, "a retransmission");
    let second = offered(&mut world);
    assert!(second.len() == 1 && second[0].contains("algorithm=MD5"), "{second:?}");
    // It answers this one, and begins each refresh without credentials.
    assert_eq!(status(&world.register("Contact: <sip:1001@10.0.0.7>\r\n")), 200);
    assert_eq!(offered(&mut world).len(), 1);
    let other = SocketAddr::from(([203, 0, 113, 8], 5060));
    world.source = other;
    assert_eq!(offered(&mut world).len(), 2, "a phone elsewhere");
    assert_eq!(status(&world.register("Contact: <sip:1001@10.0.0.8>\r\n")), 200);
    assert_eq!(offered(&mut world).len(), 2, "it has answered the offer of both");
    world.source = addr(PHONE);
    world.now += Duration::from_secs(90_000);
    assert_eq!(offered(&mut world).len(), 2, "forgotten");
}

/// A telephone that dials a service code: whose it is, or the status of the answer.
fn dials(world: &mut World, from: &str, headers: &str) -> Result<String, Box<Message>> {
    world.cseq += 1;
    let text =
        world.text(from, headers).replace("REGISTER sip:desk", "INVITE sip:*1@desk").replace(" REGISTER", " INVITE");
    let request = parse_datagram(text.as_bytes()).expect("well formed");
    let ha1 = |user: &str, algorithm| Some(Ha1::new(algorithm, user, "desk", "secret"));
    let identified = world.registrar.identify(world.now, &request, &world.arrival(), ha1);
    identified.map_err(|refused| Box::new(parse_datagram(&refused.0.bytes).expect("well formed")))
}

#[test]
fn a_telephone_on_a_new_connection_is_known_by_its_password_and_as_no_other() {
    let mut world = world();
    world.transport = Transport::Tcp;
    let own = "sip:1001@desk";
    let challenge = dials(&mut world, own, "").expect_err("no credentials");
    assert_eq!(status(&challenge), 401);
    world.digest.challenged(&challenge).expect("a digest");
    let mut lines = || {
        let lines = world.digest.authorize(&Method::Invite, "sip:*1@desk", b"");
        lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>()
    };
    let (first, second) = (lines(), lines());
    assert_eq!(dials(&mut world, own, &first).ok().as_deref(), Some("1001"));
    let repeated = dials(&mut world, own, &first).expect_err("a replay");
    assert_eq!(status(&repeated), 401);
    let foreign = dials(&mut world, "sip:1002@desk", &second).expect_err("another number");
    assert_eq!(status(&foreign), 403);
}
