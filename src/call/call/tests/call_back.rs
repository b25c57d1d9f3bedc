//! A call to a person who asked to be called back: how it begins, and what is reported of each end.

use super::*;
use base::Codecs;
use flow::{Conversation, Environment, Release, Sources, WallClock};
use sip::{HeaderName, Target};

const FLOW: &str = r#"
schema = 1
flow   = "f"
langs  = ["zh"]
start  = "bye"
called_back = "asked"
[menu.asked]
say    = "asked"
keys.1 = "wait"
keys.2 = "bye"
silent = []
give_up = "bye"
[queue.wait]
queue  = "desk"
max_wait = "5m"
on     = { ended = "bye", full = "bye", timeout = "bye", nobody = "bye", closed = "bye" }
[say.bye]
say  = "bye"
next = "@end"
[defaults]
first_key = "5s"
next_key  = "3s"
silent_end = "bye"
wrong      = ["bye"]
give_up    = "bye"
keys       = {}
"#;
const SCRIPT: &str =
    "[menu_line]\nzh = \"{opt}按{key}。\"\n[prompt]\nasked = { zh = \"您好。\" }\nbye = { zh = \"再见。\" }\n";

fn release() -> Arc<Release> {
    let environment = Environment {
        receipt: Box::new(|typed| Ok((typed.into(), Vec::new()))),
        receipt_formats: Vec::new(),
        desk_number: String::new(),
    };
    let sources = Sources { flow: ("f", FLOW), script: ("s", SCRIPT), calendar: ("c", "") };
    Release::load(sources, environment).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"))
}

/// A person whose telephone is called.
struct Person {
    call: Call,
    now: Instant,
    out: Vec<Output>,
    invite: Message,
}

impl Person {
    fn is_called() -> Person {
        let now = test_clock::start();
        let wall = WallClock { at: now, civil: jiff::civil::date(2026, 11, 24).at(10, 0, 0, 0) };
        let conversation = Conversation::new(release(), flow::Caller::default(), wall, false, now);
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let to = Target::Address {
            transport: Transport::Udp,
            local: address("192.0.2.1:5060"),
            to: address("192.0.2.9:5070"),
        };
        let invite = CallBackInvite {
            uri: "sip:13800138000@192.0.2.9:5070".into(),
            to,
            from: "<sip:96110110@192.0.2.1>".into(),
            credentials: None,
            ring_limit: Duration::from_secs(30),
        };
        let setup = CallSetup {
            received: now,
            application: Application::Hotline(Box::new(conversation)),
            origin: Origin::CallBack(Box::new(invite)),
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
                codecs: Codecs::ALL,
                ptime: LocalMedia::PTIME,
            },
            policy: MediaPolicy::default(),
            media_addresses: MediaAddresses::any(),
            media_secret: [3; 32],
            transfer_targets: Arc::default(),
            transfers_max: 3,
            message_max: Duration::from_secs(300),
            limit: Duration::from_secs(3600),
            cdr: CdrBuilder::new(Timestamp::UNIX_EPOCH, "abc".into(), "carrier".into(), "call-back".into(), None),
        };
        let (call, out) = Call::new(now, setup);
        let invite = out.iter().find_map(|output| match output {
            Output::Effect(Effect::Send(sent)) => parse_datagram(&sent.bytes).ok(),
            _ => None,
        });
        Person { call, now, out, invite: invite.expect("an INVITE") }
    }

    fn responds(&mut self, status: u16, sdp: &str) {
        let line = |name| self.invite.header(name).unwrap_or("").to_owned();
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=person\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:13800138000@192.0.2.9:5070>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            line(HeaderName::Via),
            line(HeaderName::From),
            line(HeaderName::To),
            line(HeaderName::CallId),
            sdp.len()
        );
        let message = parse_datagram(text.as_bytes()).expect("well formed");
        self.gives(Input::Sip(Box::new((message, arrival()))));
    }

    fn gives(&mut self, input: Input) {
        self.out = self.call.handle_input(self.now, input);
    }

    fn presses(&mut self, key: u8) {
        self.now += Duration::from_millis(500);
        self.gives(Input::Media(MediaEvent::Key { key: Key::Digit(key), source: KeySource::Rtp }));
    }

    /// What plays ends by itself.
    fn hears_the_end(&mut self) {
        let play = self.out.iter().rev().find_map(|output| match output {
            Output::Effect(Effect::Media(MediaCommand::Play { id, .. })) => Some(*id),
            _ => None,
        });
        self.gives(Input::Media(MediaEvent::Played(play.expect("something plays"))));
    }

    fn waits(&mut self, time: Duration) {
        let until = self.now + time;
        let mut all = Vec::new();
        while let Some(due) = self.call.deadline().filter(|due| due.at <= until) {
            self.now = self.now.max(due.at);
            self.gives(Input::Deadline);
            all.append(&mut self.out);
        }
        (self.now, self.out) = (until, all);
    }

    fn end(&self) -> Option<CallBackEnd> {
        self.out.iter().find_map(|output| match output {
            Output::Effect(Effect::CallBackEnded(end)) => Some(*end),
            _ => None,
        })
    }

    fn joins(&self) -> Option<bool> {
        self.out.iter().find_map(|output| match output {
            Output::Effect(Effect::JoinQueue { request, .. }) => Some(request.called_back),
            _ => None,
        })
    }
}

#[test]
fn who_does_not_answer_is_told_apart_by_the_status_and_the_time() {
    // Where nothing rang, the carrier's own failures are not the number's.
    for (rings, status, end) in [
        (true, 486, CallBackEnd::Busy),
        (true, 603, CallBackEnd::Busy),
        (true, 480, CallBackEnd::NoAnswer),
        (true, 404, CallBackEnd::Failed),
        (true, 503, CallBackEnd::Failed),
        (true, 408, CallBackEnd::Failed),
        (false, 486, CallBackEnd::Busy),
        (false, 404, CallBackEnd::Failed),
        (false, 403, CallBackEnd::Failed),
        (false, 401, CallBackEnd::LineFailed),
        (false, 407, CallBackEnd::LineFailed),
        (false, 500, CallBackEnd::LineFailed),
        (false, 503, CallBackEnd::LineFailed),
    ] {
        let mut person = Person::is_called();
        if rings {
            person.responds(180, "");
            assert_eq!(person.end(), None);
        }
        person.responds(status, "");
        assert_eq!(person.end(), Some(end), "{status}, rings: {rings}");
    }
    let mut person = Person::is_called();
    person.waits(Duration::from_secs(31));
    assert_eq!(person.end(), Some(CallBackEnd::LineFailed));
    let mut person = Person::is_called();
    person.responds(180, "");
    person.waits(Duration::from_secs(31));
    assert_eq!(person.end(), Some(CallBackEnd::NoAnswer));
}

#[test]
fn who_agrees_comes_to_the_queue_and_no_end_is_told() {
    let mut person = Person::is_called();
    person.responds(200, &sdp_of(1, TALK));
    person.presses(1);
    assert_eq!((person.joins(), person.end()), (Some(true), None));
    person.gives(Input::End);
    assert_eq!(person.end(), None, "the queue knows by the leaving");
}

#[test]
fn who_declines_by_a_key_is_not_called_again_and_a_machine_is() {
    let mut person = Person::is_called();
    person.responds(200, &sdp_of(1, TALK));
    person.presses(2);
    person.hears_the_end();
    assert_eq!(person.end(), Some(CallBackEnd::Declined));
    let mut machine = Person::is_called();
    machine.responds(200, &sdp_of(1, TALK));
    machine.gives(Input::Media(MediaEvent::PeerLost));
    assert_eq!(machine.end(), Some(CallBackEnd::Machine));
}
