//! RFC 4475 and RFC 5118, message by message, through parser, dispatcher and leg; then the same messages damaged.
//!
//! The messages are files, because they are the fuzzer's corpus too. Where an RFC leaves the outcome open, the table
//! decides and gives the reason.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::test_peer::{ANSWER, Call, OFFER, Peer, arrival, epoch, local, response_to, sent};
use super::*;

/// The outcome of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A response of this status.
    Status(u16),
    /// An offer of a new call, answered 200.
    Call,
    /// No response.
    Silence,
}

use Fate::{Silence, Status};

const MESSAGES: [(&str, Fate); 66] = [
    // RFC 4475 §3.1.1, valid. A REGISTER is sound and refused: this is no registrar.
    ("wsinv", Status(481)), // it has a To tag of an unknown call
    ("intmeth", Status(501)),
    ("esc01", Fate::Call),
    ("escnull", Status(405)),
    ("esc02", Status(501)),
    ("lwsdisp", Status(200)),
    ("longreq", Fate::Call),
    ("dblreq", Status(405)),
    ("semiuri", Status(200)),
    ("transports", Status(200)),
    ("mpart01", Status(405)),
    ("unreason", Silence),
    ("noreason", Silence),
    // RFC 4475 §3.1.2, invalid.
    ("badinv01", Status(400)),
    ("clerr", Status(400)),
    ("ncl", Status(400)),
    ("scalar02", Status(400)),
    ("scalarlg", Silence),
    ("quotbal", Status(400)),
    ("ltgtruri", Status(400)),
    ("lwsruri", Status(400)),
    ("lwsstart", Status(400)),
    ("trws", Status(400)),
    ("escruri", Status(400)),
    ("baddate", Fate::Call), // the Date is not read
    ("regbadct", Status(400)),
    ("badaspec", Status(200)), // spaces inside <> cannot be misread
    ("baddn", Status(200)),    // what stands before <> can only be a name
    ("badvers", Status(505)),
    ("mismatch01", Status(400)),
    ("mismatch02", Status(400)),
    ("bigcode", Silence),
    // RFC 4475 §3.2 to §3.4.
    ("badbranch", Status(200)),
    ("insuf", Status(400)),
    ("unkscm", Status(416)),
    ("novelsc", Status(416)),
    ("unksm2", Status(405)),
    ("bext01", Status(420)),
    ("invut", Status(415)),
    ("regaut01", Status(405)),
    ("multi01", Status(400)),
    ("mcl01", Status(400)),
    ("bcast", Silence),
    ("zeromf", Status(200)), // §3.3.11: an endpoint takes it as if hops were left; 483 is a proxy's
    ("cparam01", Status(405)),
    ("cparam02", Status(405)),
    ("regescrt", Status(405)),
    ("sdp01", Status(406)),
    ("inv2543", Fate::Call),
    // RFC 5118 §4.
    ("ipv6-good", Status(405)),
    ("ipv6-bad", Status(400)),
    ("port-ambiguous", Status(405)),
    ("port-unambiguous", Status(405)),
    ("via-received-param-with-delim", Status(481)),
    ("via-received-param-no-delim", Status(481)),
    ("mult-ip-in-header", Status(481)),
    ("ipv6-in-sdp", Fate::Call),
    ("mult-ip-in-sdp", Fate::Call),
    ("ipv4-mapped-ipv6", Fate::Call),
    ("ipv6-correct-abnf-2-colons", Status(200)),
    ("ipv6-bug-abnf-3-colons", Status(200)),
    // Seen on trunks.
    ("gbk-name", Fate::Call),
    ("gbk-name-backslash", Fate::Call),
    ("tel-from", Fate::Call),
    ("bare-tel-from", Fate::Call),
    ("angle-in-name", Fate::Call),
];

static CORPUS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| support::corpus::files("sip"));

fn read(name: &str) -> Vec<u8> {
    let file = format!("{name}.sip");
    let found = CORPUS.iter().find(|(known, _)| *known == file);
    found.unwrap_or_else(|| panic!("{file} is not in the corpus")).1.clone()
}

fn state() -> NodeState {
    NodeState { known: false, draining: false, full: false, retry_after: Duration::from_secs(5) }
}

fn fate_of_message(message: Message, arrival: &Arrival) -> (Fate, Option<Outgoing>) {
    match Dispatcher::new(1).dispatch(&message, arrival, state()) {
        Disposition::Drop => (Silence, None),
        Disposition::Reply(reply) => fate_of_reply(reply),
        Disposition::Leg => panic!("no leg is known"),
        Disposition::Invite => {
            let now = epoch();
            let (mut leg, out) = Leg::new(now, message, arrival, local());
            assert!(matches!(out[..], [LegOutput::Offer { .. }]), "{out:?}");
            let out = leg.handle_input(now, LegInput::Answer { sdp: ANSWER.into() });
            assert_eq!(sent(&out)[0].status(), Some(200));
            (Fate::Call, None)
        }
    }
}

fn fate_of_reply(reply: Outgoing) -> (Fate, Option<Outgoing>) {
    let text = String::from_utf8_lossy(&reply.bytes).into_owned();
    let status = text.get(8..11).and_then(|status| status.parse().ok()).expect("a status");
    (Status(status), Some(reply))
}

fn fate_of(bytes: &[u8], arrival: &Arrival) -> (Fate, Option<Outgoing>) {
    match parse_datagram(bytes) {
        Ok(message) => fate_of_message(message, arrival),
        Err(refusal) => refusal.reply(arrival).map_or((Silence, None), fate_of_reply),
    }
}

#[test]
fn every_torture_message_has_its_outcome_as_a_datagram() {
    let wrong: Vec<_> = MESSAGES
        .iter()
        .map(|(name, fate)| (*name, *fate, fate_of(&read(name), &arrival(Transport::Udp)).0))
        .filter(|(_, expected, got)| expected != got)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_torture_message_has_its_outcome_on_a_stream() {
    for (name, expected) in MESSAGES {
        let mut framer = StreamFramer::new();
        framer.push(&read(name));
        let got = match framer.next() {
            Some(Frame::Message(message)) => fate_of_message(message, &arrival(Transport::Tcp)).0,
            Some(Frame::Malformed(refusal)) => {
                refusal.reply(&arrival(Transport::Tcp)).map_or(Silence, |reply| fate_of_reply(reply).0)
            }
            Some(Frame::Ping | Frame::Pong) => panic!("{name} is no keep-alive"),
            None => Silence,
        };
        let expected = match name {
            "clerr" => Silence,       // the rest of its body may still come
            "inv2543" => Status(400), // without Content-Length its end cannot be known
            _ => expected,
        };
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn the_corpus_and_the_table_name_the_same_messages() {
    let files: Vec<String> = CORPUS.iter().map(|(name, _)| name.clone()).collect();
    let mut names: Vec<String> = MESSAGES.iter().map(|(name, _)| format!("{name}.sip")).collect();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn every_reply_is_itself_a_sound_message_and_the_same_for_a_repeat() {
    for (name, fate) in MESSAGES {
        let (_, reply) = fate_of(&read(name), &arrival(Transport::Udp));
        let Some(reply) = reply else { continue };
        assert_eq!(fate_of(&read(name), &arrival(Transport::Udp)).1.as_ref(), Some(&reply), "{name}");
        if fate != Status(400) && fate != Status(505) {
            let message = parse_datagram(&reply.bytes).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
            assert!(!message.to_tag().is_empty(), "{name}");
        }
    }
}

/// Every step that outside bytes go through.
fn digest(bytes: &[u8]) {
    let arrival = arrival(Transport::Udp);
    match parse_datagram(bytes) {
        Ok(message) => digest_message(message, &arrival),
        Err(refusal) => drop(refusal.reply(&arrival)),
    }
    let mut framer = StreamFramer::new();
    framer.push(bytes);
    while let Some(frame) = framer.next() {
        if let Frame::Message(message) = frame {
            digest_message(message, &arrival);
        }
    }
}

fn digest_message(message: Message, arrival: &Arrival) {
    let _ = (
        message.called_user(),
        message.caller_number(IdentityTrust::default()),
        message.contact().is_some(),
        message.sdp().is_some(),
    );
    let dispatcher = Dispatcher::new(1);
    drop(dispatcher.no_such_leg(&message, arrival));
    drop(dispatcher.dispatch(&message, arrival, NodeState { known: true, ..state() }));
    if let Disposition::Invite = dispatcher.dispatch(&message, arrival, state()) {
        let (mut leg, _) = Leg::new(epoch(), message.clone(), arrival, local());
        drop(leg.handle_input(epoch(), LegInput::Answer { sdp: ANSWER.into() }));
    }
    let mut call = Call::established(Transport::Udp);
    call.receive(message);
}

fn mutate(mut bytes: Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, kind, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *byte),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// An event of a call, for the law that every state accepts every input.
#[derive(Clone, Debug)]
enum Event {
    Request {
        method: usize,
        old: bool,
        tagged: bool,
        sdp: bool,
        header: usize,
    },
    Response {
        status: u16,
        sdp: bool,
    },
    Ack,
    Answer,
    Refuse,
    Refer,
    HangUp,
    /// One of the last messages did not leave.
    Lost(usize),
    Time(u64),
}

const METHODS: [&str; 10] =
    ["INVITE", "CANCEL", "BYE", "INFO", "UPDATE", "NOTIFY", "OPTIONS", "REFER", "PRACK", "STRANGE"];
const HEADERS: [&str; 6] = [
    "",
    "Supported: timer\r\nSession-Expires: 120;refresher=uas\r\nAllow: UPDATE\r\n",
    "Session-Expires: 10\r\nSupported: timer\r\n",
    "Event: refer\r\nSubscription-State: terminated\r\n",
    "Require: nothing\r\n",
    "Content-Type: application/dtmf\r\n",
];

fn event() -> impl Strategy<Value = Event> {
    let request = (0..METHODS.len(), any::<bool>(), prop::bool::weighted(0.9), any::<bool>(), 0..HEADERS.len())
        .prop_map(|(method, old, tagged, sdp, header)| Event::Request { method, old, tagged, sdp, header });
    let status = prop::sample::select(vec![100, 180, 200, 202, 401, 408, 422, 481, 486, 491, 500, 603]);
    prop_oneof![
        6 => request,
        3 => (status, any::<bool>()).prop_map(|(status, sdp)| Event::Response { status, sdp }),
        3 => Just(Event::Ack),
        3 => Just(Event::Answer),
        1 => Just(Event::Refuse),
        1 => Just(Event::Refer),
        1 => Just(Event::HangUp),
        2 => (0usize..4).prop_map(Event::Lost),
        4 => (0u64..70_000).prop_map(Event::Time),
    ]
}

fn happen(call: &mut Call, event: &Event, asked: &[Message], left: &[Bytes]) -> Vec<LegOutput> {
    match event {
        Event::Request { method, old, tagged, sdp, header } => {
            let mut peer = call.peer.clone();
            if !tagged {
                peer.to_tag.clear();
            }
            if !old {
                call.peer.cseq += 1;
                call.peer.branch += 1;
            }
            let (cseq, branch) = (call.peer.cseq, call.peer.branch);
            call.receive(peer.write(METHODS[*method], cseq, branch, HEADERS[*header], if *sdp { OFFER } else { "" }));
        }
        Event::Response { status, sdp } => {
            let Some(request) = asked.last() else { return Vec::new() };
            call.receive(response_to(request, *status, "Min-SE: 200\r\n", if *sdp { OFFER } else { "" }));
        }
        Event::Ack => {
            let ack = call.peer.write("ACK", call.peer.cseq, call.peer.branch, "", "");
            call.receive(ack);
        }
        Event::Answer => drop(call.input(LegInput::Answer { sdp: ANSWER.into() })),
        Event::Refuse => drop(call.input(LegInput::Reject { status: 488, warning: None, retry_after: None })),
        Event::Refer => {
            call.input(LegInput::Refer { target_uri: "sip:desk@192.0.2.50".into(), referred_by: None });
        }
        Event::HangUp => drop(call.input(LegInput::HangUp { reason: None })),
        Event::Lost(which) => {
            let message = left.iter().rev().nth(*which).cloned().unwrap_or_default();
            call.input(LegInput::Undelivered { message });
        }
        Event::Time(millis) => {
            return call.pass(Duration::from_millis(*millis)).into_iter().map(|(_, output)| output).collect();
        }
    }
    std::mem::take(&mut call.out)
}

fn bytes_of(output: &LegOutput) -> Option<Bytes> {
    if let LegOutput::Send(outgoing) = output { Some(outgoing.bytes.clone()) } else { None }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        digest(&bytes);
    }

    #[test]
    fn damaged_messages_never_panic(
        which in 0..MESSAGES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        digest(&mutate(read(MESSAGES[which].0), &edits));
    }

    #[test]
    fn the_pieces_of_a_stream_do_not_change_its_messages(cuts in prop::collection::vec(1usize..400, 1..40)) {
        let peer = Peer::new(Transport::Tcp);
        let text: String = (1..6).map(|n| peer.text("OPTIONS", n, n, "", if n % 2 == 0 { OFFER } else { "" })).collect();
        let (mut framer, mut rest, mut cseqs) = (StreamFramer::new(), text.as_bytes(), Vec::new());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            framer.push(now);
            while let Some(frame) = framer.next() {
                let Frame::Message(message) = frame else { panic!("{frame:?}") };
                cseqs.push(message.cseq().number);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cseqs, vec![1, 2, 3, 4, 5]);
        framer.push(peer.text("OPTIONS", 6, 6, "", "").as_bytes());
        let last = framer.next();
        prop_assert!(matches!(&last, Some(Frame::Message(message)) if message.cseq().number == 6), "no octet is left over");
    }

    #[test]
    fn every_state_accepts_every_input(tcp in any::<bool>(), first in 0..HEADERS.len(), events in prop::collection::vec(event(), 1..40)) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let mut call = Call::with(transport, if first == 4 { "" } else { HEADERS[first] }, if first == 0 { "" } else { OFFER });
        let mut all = std::mem::take(&mut call.out);
        let mut asked = Vec::new();
        for event in &events {
            let left: Vec<Bytes> = all.iter().filter_map(bytes_of).collect();
            let out = happen(&mut call, event, &asked, &left);
            asked.extend(sent(&out).into_iter().filter(|message| message.method().is_some_and(|m| *m != Method::Ack)));
            all.extend(out);
        }
        all.extend(call.input(LegInput::HangUp { reason: None }).iter().filter(|o| matches!(o, LegOutput::Ended { .. })).map(|_| LegOutput::Ended { why: EndCause::HungUp }));
        all.extend(call.pass(Duration::from_secs(400)).into_iter().map(|(_, output)| output));
        let count = |wanted: fn(&LegOutput) -> bool| all.iter().filter(|output| wanted(output)).count();
        prop_assert_eq!(count(|output| matches!(output, LegOutput::Ended { .. })), 1, "a call ends once");
        prop_assert_eq!(count(|output| matches!(output, LegOutput::Gone)), 1, "a leg goes");
        prop_assert!(count(|output| matches!(output, LegOutput::Established)) <= 1);
        prop_assert_eq!(call.leg.deadline(), None);
    }
}
