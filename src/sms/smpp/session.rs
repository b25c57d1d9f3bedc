//! The session: what is sent, what awaits a response, and what an answer means.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use base::{Deadline, earliest};
use bytes::BytesMut;
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::decode::owned::DecodeWithLength;
use rusmpp_core::encode::Length;
use rusmpp_core::encode::owned::Encode;
use rusmpp_core::pdus::owned::{BindTransceiver, DeliverSm, DeliverSmResp, Pdu, SubmitSm};
use rusmpp_core::tlvs::owned::TlvValue;
use rusmpp_core::types::owned::COctetString;
use rusmpp_core::values::{InterfaceVersion, MessageState};

use super::parts::parts;
use crate::carrier::Outcome;
use crate::outbox::Attempt;
use crate::record::SmsId;
use crate::settings::SmppCarrier;

/// What a session takes in.
#[derive(Debug)]
pub enum Input<'a> {
    /// Octets from the centre.
    Received(&'a [u8]),
    /// A message to send; exactly one [`Output::Ended`] follows.
    Submit(Attempt),
    /// The node stops: unbind.
    Unbind,
    /// [`Session::deadline`] has come.
    Deadline,
    /// The connection is gone.
    Lost,
}

/// What a session wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets.
    Send(Vec<u8>),
    /// The centre takes messages.
    Bound,
    /// What became of a message.
    Ended(SmsId, Outcome),
    /// The centre reports that a message was delivered, or that it will not be.
    Receipt(bool),
    /// Close the connection; why.
    Close(&'static str),
}

/// The content of the password's file.
#[derive(Clone, Copy)]
pub struct SmppSecret<'a>(pub &'a str);

/// A session.
pub struct Session<'a> {
    carrier: &'a SmppCarrier,
    state: State,
    received: BytesMut,
    next_sequence: u32,
    awaited: BTreeMap<u32, Awaited>,
    sending: HashMap<SmsId, Sending>,
    /// Parts that the centre has, of messages that are to be sent again.
    acknowledged: HashMap<SmsId, usize>,
    /// When the centre was last heard.
    heard_at: Instant,
    out: Vec<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Binding,
    Bound,
    Closed,
}

struct Awaited {
    until: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Bind,
    Life,
    Part(SmsId),
}

struct Sending {
    parts: Vec<SubmitSm>,
    next: usize,
}

impl<'a> Session<'a> {
    /// Begins on a new connection: binds. `acknowledged` is what [`Session::into_acknowledged`] gave of the last connection.
    ///
    /// # Errors
    /// A system identifier, a type or a password that no PDU can hold.
    pub fn new(
        now: Instant,
        carrier: &'a SmppCarrier,
        SmppSecret(password): SmppSecret<'_>,
        acknowledged: HashMap<SmsId, usize>,
    ) -> Result<(Session<'a>, Vec<Output>), &'static str> {
        let mut session = Session {
            carrier,
            state: State::Binding,
            received: BytesMut::new(),
            next_sequence: 1,
            awaited: BTreeMap::new(),
            sending: HashMap::new(),
            acknowledged,
            heard_at: now,
            out: Vec::new(),
        };
        let text = |text: &str| text.to_owned();
        let bind = BindTransceiver {
            system_id: COctetString::from_string(text(&carrier.system_id))
                .map_err(|_| "sms.smpp.system_id is too long")?,
            password: COctetString::from_string(text(password))
                .map_err(|_| "the password of SMPP has at most 8 characters")?,
            system_type: COctetString::from_string(text(&carrier.system_type))
                .map_err(|_| "sms.smpp.system_type is too long")?,
            interface_version: InterfaceVersion::Smpp3_4,
            ..BindTransceiver::default()
        };
        session.request(now, Pdu::BindTransceiver(bind), What::Bind);
        let out = std::mem::take(&mut session.out);
        Ok((session, out))
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) -> Vec<Output> {
        match input {
            Input::Received(octets) => self.on_octets(now, octets),
            Input::Submit(attempt) => self.submit(now, attempt),
            Input::Unbind => {
                if self.state == State::Bound {
                    self.request(now, Pdu::Unbind, What::Life);
                }
                self.close("the node stops");
            }
            Input::Deadline => self.on_deadline(now),
            Input::Lost => self.close("the centre has closed the connection"),
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Deadline> {
        if self.state == State::Closed {
            return None;
        }
        let answered = self.awaited.values().map(|awaited| awaited.until).min();
        let asks =
            (self.state == State::Bound && !self.asks_for_life()).then(|| self.heard_at + self.carrier.enquire_every);
        earliest([
            answered.map(|at| Deadline { at, why: "response" }),
            asks.map(|at| Deadline { at, why: "enquire_link" }),
        ])
    }

    /// Parts that the centre has of messages that are not whole, for the next connection.
    pub fn into_acknowledged(self) -> HashMap<SmsId, usize> {
        self.acknowledged
    }

    fn submit(&mut self, now: Instant, attempt: Attempt) {
        let id = attempt.id;
        if self.state != State::Bound {
            return self.out.push(Output::Ended(id, Outcome::Unreachable("there is no session with the centre")));
        }
        match parts(self.carrier, &attempt) {
            Some(parts) => {
                let next = self.acknowledged.remove(&id).unwrap_or(0);
                self.sending.insert(id, Sending { parts, next });
                self.next_part(now, id);
            }
            None => self.out.push(Output::Ended(id, Outcome::Rejected("the number does not fit in a PDU"))),
        }
    }

    fn next_part(&mut self, now: Instant, id: SmsId) {
        let part = self.sending.get(&id).and_then(|sending| sending.parts.get(sending.next)).cloned();
        match part {
            Some(part) => self.request(now, Pdu::SubmitSm(part), What::Part(id)),
            None => {
                self.sending.remove(&id);
                self.out.push(Output::Ended(id, Outcome::Sent));
            }
        }
    }

    fn on_octets(&mut self, now: Instant, octets: &[u8]) {
        self.received.extend_from_slice(octets);
        while self.state != State::Closed {
            let Some(length) = self.received.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets)) else {
                return;
            };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !(HEADER..=PDU_MAX).contains(&length) {
                return self.close("the other side does not speak SMPP");
            }
            if self.received.len() < length {
                return;
            }
            let mut pdu = self.received.split_to(length);
            let header: [u8; HEADER] = *pdu.first_chunk().expect("a PDU is at least its header");
            self.heard_at = now;
            let _ = pdu.split_to(4);
            match Command::decode(&mut pdu, length - 4) {
                Ok((command, _)) => self.on_command(now, &command),
                // A request that cannot be read is refused by its number (SMPP 3.4 §4.3); a response without a body is none.
                Err(_) => self.on_unread(now, header),
            }
        }
    }

    fn on_unread(&mut self, now: Instant, header: [u8; HEADER]) {
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (id, status, sequence) = (word(4), word(8), word(12));
        if id & RESPONSE == 0 {
            self.send(&Command::new(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack));
        } else {
            self.on_response(now, sequence, status);
        }
    }

    fn on_command(&mut self, now: Instant, command: &Command) {
        let sequence = command.sequence_number();
        match command.pdu() {
            Some(Pdu::EnquireLink) => self.respond(sequence, Pdu::EnquireLinkResp),
            Some(Pdu::DeliverSm(deliver)) => {
                self.respond(sequence, Pdu::DeliverSmResp(DeliverSmResp::default()));
                // What people answer is not read: the number of an office is no mailbox.
                self.out.extend(receipt(deliver).map(Output::Receipt));
            }
            Some(Pdu::Unbind) => {
                self.respond(sequence, Pdu::UnbindResp);
                self.close("the centre has ended the session");
            }
            Some(_) | None if u32::from(command.id()) & RESPONSE != 0 => {
                self.on_response(now, sequence, command.status().into());
            }
            Some(Pdu::AlertNotification(_) | Pdu::Outbind(_)) => {}
            Some(_) | None => self.send(&Command::new(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack)),
        }
    }

    fn on_response(&mut self, now: Instant, sequence: u32, status: u32) {
        let Some(awaited) = self.awaited.remove(&sequence) else { return };
        match awaited.what {
            What::Bind if status == OK => {
                self.state = State::Bound;
                self.out.push(Output::Bound);
            }
            What::Bind => self.close(refused_bind(status)),
            What::Life => {}
            What::Part(id) if status == OK => {
                if let Some(sending) = self.sending.get_mut(&id) {
                    sending.next += 1;
                }
                self.next_part(now, id);
            }
            What::Part(id) => self.end(id, meaning(status)),
        }
    }

    /// A message ends for now; the parts that the centre has are kept for its next attempt.
    fn end(&mut self, id: SmsId, outcome: Outcome) {
        let Some(sending) = self.sending.remove(&id) else { return };
        let again = matches!(outcome, Outcome::Later(_) | Outcome::Throttled | Outcome::Unreachable(_));
        if again && sending.next > 0 && self.acknowledged.len() < ACKNOWLEDGED_MAX {
            self.acknowledged.insert(id, sending.next);
        }
        self.out.push(Output::Ended(id, outcome));
    }

    fn on_deadline(&mut self, now: Instant) {
        let late: Vec<u32> =
            self.awaited.iter().filter(|(_, awaited)| awaited.until <= now).map(|(sequence, _)| *sequence).collect();
        for sequence in late {
            match self.awaited.remove(&sequence).map(|awaited| awaited.what) {
                Some(What::Bind | What::Life) => return self.close("the centre does not answer"),
                Some(What::Part(id)) => self.end(id, Outcome::Later("the centre did not answer in time")),
                None => {}
            }
        }
        let silent = now.saturating_duration_since(self.heard_at) >= self.carrier.enquire_every;
        if self.state == State::Bound && silent && !self.asks_for_life() {
            self.request(now, Pdu::EnquireLink, What::Life);
        }
    }

    fn asks_for_life(&self) -> bool {
        self.awaited.values().any(|awaited| awaited.what == What::Life)
    }

    fn close(&mut self, why: &'static str) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.awaited.clear();
        let sending: Vec<SmsId> = self.sending.keys().copied().collect();
        for id in sending {
            self.end(id, Outcome::Unreachable("the session with the centre has ended"));
        }
        self.out.push(Output::Close(why));
    }

    fn request(&mut self, now: Instant, pdu: Pdu, what: What) {
        let sequence = self.next_sequence;
        // SMPP 3.4 §5.1.4: 1 to 0x7FFFFFFF.
        self.next_sequence = if sequence >= SEQUENCE_MAX { 1 } else { sequence + 1 };
        self.awaited.insert(sequence, Awaited { until: now + self.carrier.response_timeout, what });
        self.send(&Command::new(CommandStatus::EsmeRok, sequence, pdu));
    }

    fn respond(&mut self, sequence: u32, pdu: Pdu) {
        self.send(&Command::new(CommandStatus::EsmeRok, sequence, pdu));
    }

    fn send(&mut self, command: &Command) {
        let length = 4 + command.length();
        let mut octets = BytesMut::with_capacity(length);
        octets.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        command.encode(&mut octets);
        self.out.push(Output::Send(octets.to_vec()));
    }
}

/// What a status of `submit_sm_resp` means (SMPP 3.4 §5.1.3). Whatever is not known to be for ever may be over later.
fn meaning(status: u32) -> Outcome {
    match status {
        0x14 | 0x58 => Outcome::Throttled,
        0x0B | 0x50 | 0x51 | 0x65 | 0x66 | 0xFE => Outcome::Rejected("the centre refuses the number or the message"),
        _ => Outcome::Later("the centre did not take the message"),
    }
}

fn refused_bind(status: u32) -> &'static str {
    match status {
        0x0D => "the centre refuses the bind",
        0x0E => "the centre refuses the password",
        0x0F => "the centre refuses the system_id",
        0x53 => "the centre refuses the system_type",
        0x05 => "this system_id is bound already",
        _ => "the centre does not bind",
    }
}

/// What a delivery receipt says (SMPP 3.4 Appendix B): by its parameter, or by its text. None: it is none, or not the last.
fn receipt(deliver: &DeliverSm) -> Option<bool> {
    if u8::from(deliver.esm_class) & MESSAGE_TYPE != RECEIPT {
        return None;
    }
    let states = deliver.tlvs().iter().filter_map(|parameter| match parameter.value() {
        Some(TlvValue::MessageState(state)) => Some(*state),
        _ => None,
    });
    if let Some(state) = states.last() {
        return match state {
            MessageState::Delivered => Some(true),
            MessageState::Expired | MessageState::Deleted | MessageState::Undeliverable | MessageState::Rejected => {
                Some(false)
            }
            _ => None,
        };
    }
    let text = String::from_utf8_lossy(deliver.short_message().as_ref()).to_ascii_uppercase();
    let state = text.split_once("STAT:").map(|(_, state)| state.get(..7).unwrap_or(state).trim().to_owned())?;
    match state.as_str() {
        "DELIVRD" => Some(true),
        "EXPIRED" | "DELETED" | "UNDELIV" | "REJECTD" => Some(false),
        _ => None,
    }
}

/// Length, command, status, sequence number: four octets each.
const HEADER: usize = 16;
/// Larger PDUs are none of this session's.
const PDU_MAX: usize = 16 * 1024;
const OK: u32 = 0;
const RESPONSE: u32 = 0x8000_0000;
const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;
/// Bits 2 to 5 of esm_class, and what they say of a receipt (SMPP 3.4 §5.2.12).
const MESSAGE_TYPE: u8 = 0b0011_1100;
const RECEIPT: u8 = 0b0000_0100;
/// Messages of which some parts have been acknowledged.
const ACKNOWLEDGED_MAX: usize = 1_000;
