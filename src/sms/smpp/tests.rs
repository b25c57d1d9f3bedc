//! A session against octets as SMPP 3.4 writes them, without the library that the session uses.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base::Private;
use proptest::prelude::*;

use super::*;
use crate::Outcome;
use crate::outbox::Attempt;
use crate::record::SmsId;
use crate::settings::SmppCarrier;

fn carrier() -> SmppCarrier {
    SmppCarrier {
        host: "127.0.0.1".into(),
        port: 2775,
        tls: false,
        ca_file: None,
        system_id: "jindu".into(),
        password_file: "password".into(),
        system_type: String::new(),
        source: "10690110".into(),
        source_type: (0, 1),
        destination: "86{number}".parse().expect("a template"),
        destination_type: (1, 1),
        window: 10,
        enquire_every: Duration::from_secs(30),
        response_timeout: Duration::from_secs(10),
        concatenation: Concatenation::Udh,
        gsm_7bit: true,
        receipts: true,
    }
}

/// Command, status and sequence number of a PDU, and its body.
fn read(octets: &[u8]) -> (u32, u32, u32, Vec<u8>) {
    let word = |at: usize| u32::from_be_bytes(octets[at..at + 4].try_into().expect("four octets"));
    assert_eq!(word(0) as usize, octets.len());
    (word(4), word(8), word(12), octets[16..].to_vec())
}

fn pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).expect("short");
    [length, command, status, sequence].iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
}

fn sent(outputs: &[Output]) -> Vec<(u32, u32, u32, Vec<u8>)> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Send(octets) = output { Some(read(octets)) } else { None })
        .collect()
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from any instant")]
    Instant::now()
}

fn bound<'a>(carrier: &'a SmppCarrier, at: Instant, known: HashMap<SmsId, usize>) -> Session<'a> {
    let (mut session, outputs) = Session::new(at, carrier, SmppSecret("secret"), known).expect("short enough");
    let (command, _, sequence, body) = sent(&outputs).remove(0);
    assert_eq!((command, body.as_slice()), (BIND, &b"jindu\0secret\0\0\x34\0\0\0"[..]));
    let outputs = session.handle_input(at, Input::Received(&pdu(BIND | RESPONSE, 0, sequence, b"smsc\0")));
    assert_eq!(outputs, [Output::Bound]);
    session
}

fn message(id: u64, text: &str) -> Attempt {
    Attempt { id: SmsId(id), number: Private::new("13800138000".into()), text: Private::new(text.into()) }
}

#[test]
fn a_message_of_one_part_is_as_the_standard_writes_it() {
    let (carrier, at) = (carrier(), now());
    let mut session = bound(&carrier, at, HashMap::new());
    let outputs = session.handle_input(at, Input::Submit(message(1, "尾号")));
    let (command, status, sequence, body) = sent(&outputs).remove(0);
    assert_eq!((command, status), (SUBMIT, 0));
    let expected = b"\0\0\x0110690110\0\x01\x018613800138000\0\0\0\0\0\0\x01\0\x08\0\x04\x5c\x3e\x53\xf7";
    assert_eq!(body, expected);
    let outputs = session.handle_input(at, Input::Received(&pdu(SUBMIT | RESPONSE, 0, sequence, b"id\0")));
    assert_eq!(outputs, [Output::Ended(SmsId(1), Outcome::Sent)]);
}

#[test]
fn a_long_message_goes_on_where_it_was_broken_off() {
    let (carrier, at) = (carrier(), now());
    let mut session = bound(&carrier, at, HashMap::new());
    let text = "证".repeat(150);
    let first = sent(&session.handle_input(at, Input::Submit(message(0xABCD, &text)))).remove(0);
    let header = |body: &[u8]| body[body.len() - 140..][..6].to_vec();
    assert_eq!(header(&first.3), [5, 0, 3, 0xCD, 3, 1]);
    let second =
        sent(&session.handle_input(at, Input::Received(&pdu(SUBMIT | RESPONSE, 0, first.2, b"1\0")))).remove(0);
    assert_eq!(header(&second.3), [5, 0, 3, 0xCD, 3, 2]);
    // ESME_RTHROTTLED, without a body.
    let outputs = session.handle_input(at, Input::Received(&pdu(SUBMIT | RESPONSE, 0x58, second.2, b"")));
    assert_eq!(outputs, [Output::Ended(SmsId(0xABCD), Outcome::Throttled)]);
    let again = sent(&session.handle_input(at, Input::Submit(message(0xABCD, &text)))).remove(0);
    assert_eq!(header(&again.3), [5, 0, 3, 0xCD, 3, 2]);
    let outputs = session.handle_input(at, Input::Lost);
    assert!(matches!(outputs[0], Output::Ended(_, Outcome::Unreachable(_))), "{outputs:?}");
    assert_eq!(session.into_acknowledged(), HashMap::from([(SmsId(0xABCD), 1)]));
}

#[test]
fn parts_may_be_marked_by_parameters() {
    let (carrier, at) = (SmppCarrier { concatenation: Concatenation::Sar, ..carrier() }, now());
    let mut session = bound(&carrier, at, HashMap::from([(SmsId(0xABCD), 1)]));
    let part = sent(&session.handle_input(at, Input::Submit(message(0xABCD, &"a".repeat(200))))).remove(0);
    let expected = [2, 0xC, 0, 2, 0xAB, 0xCD, 2, 0xE, 0, 1, 2, 2, 0xF, 0, 1, 2];
    assert_eq!(part.3[part.3.len() - expected.len()..], expected);
}

#[test]
fn a_wrong_password_and_a_silent_centre_close_the_session() {
    let (carrier, at) = (carrier(), now());
    let (mut session, outputs) = Session::new(at, &carrier, SmppSecret("wrong"), HashMap::new()).expect("short enough");
    let sequence = sent(&outputs)[0].2;
    let outputs = session.handle_input(at, Input::Received(&pdu(BIND | RESPONSE, 0x0E, sequence, b"")));
    assert_eq!(outputs, [Output::Close("the centre refuses the password")]);
    assert!(Session::new(at, &carrier, SmppSecret("nine-long"), HashMap::new()).is_err());

    let mut session = bound(&carrier, at, HashMap::new());
    let asked = session.deadline().expect("enquire_link").at;
    assert_eq!(asked, at + carrier.enquire_every);
    let outputs = session.handle_input(asked, Input::Deadline);
    assert_eq!(sent(&outputs)[0].0, ENQUIRE);
    let late = session.deadline().expect("a response").at;
    assert_eq!(session.handle_input(late, Input::Deadline), [Output::Close("the centre does not answer")]);
    assert_eq!(session.deadline(), None);
}

#[test]
fn requests_of_the_centre_are_answered_and_receipts_are_read() {
    let (carrier, at) = (carrier(), now());
    let mut session = bound(&carrier, at, HashMap::new());
    let outputs = session.handle_input(at, Input::Received(&pdu(ENQUIRE, 0, 7, b"")));
    assert_eq!(sent(&outputs), [(ENQUIRE | RESPONSE, 0, 7, Vec::new())]);
    let deliver = |class: u8, text: &[u8]| {
        let length = u8::try_from(text.len()).expect("short");
        let head = [&b"\0\0\x01138\0\0\x01106\0"[..], &[class], b"\0\0\0\0\0\0\0\0"].concat();
        [head, vec![length], text.to_vec()].concat()
    };
    for (class, text, expected) in [
        (4, "id:1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:", Some(true)),
        (4, "id:1 stat:UNDELIV err:001", Some(false)),
        (4, "id:1 stat:ENROUTE", None),
        (0, "stat:DELIVRD", None),
    ] {
        let outputs = session.handle_input(at, Input::Received(&pdu(DELIVER, 0, 8, &deliver(class, text.as_bytes()))));
        assert_eq!(sent(&outputs)[0].0, DELIVER | RESPONSE, "{text}");
        let receipts: Vec<bool> = outputs
            .iter()
            .filter_map(|output| if let Output::Receipt(is) = output { Some(*is) } else { None })
            .collect();
        assert_eq!(receipts, Vec::from_iter(expected), "{text}");
    }
    // Octets in pieces, and an end that is asked for.
    let unbind = pdu(UNBIND, 0, 9, b"");
    assert_eq!(session.handle_input(at, Input::Received(&unbind[..5])), []);
    let outputs = session.handle_input(at, Input::Received(&unbind[5..]));
    assert_eq!(sent(&outputs)[0].0, UNBIND | RESPONSE);
    assert!(matches!(outputs.last(), Some(Output::Close(_))));
}

proptest! {
    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..200), command in 0u32..0x110, response: bool) {
        let (carrier, at) = (carrier(), now());
        let mut session = bound(&carrier, at, HashMap::new());
        let _ = session.handle_input(at, Input::Submit(message(1, "a")));
        let command = if response { command | RESPONSE } else { command };
        let _ = session.handle_input(at, Input::Received(&pdu(command, 0, 2, &octets)));
        let _ = session.handle_input(at, Input::Received(&octets));
    }
}

const BIND: u32 = 9;
const SUBMIT: u32 = 4;
const DELIVER: u32 = 5;
const UNBIND: u32 = 6;
const ENQUIRE: u32 = 0x15;
const RESPONSE: u32 = 0x8000_0000;
