//! One phone call: its dialog, its media and its conversation, held together.
//!
//! ```text
//!            offer answered            ACK                    either side ends
//!  Offered ─────────────────► Answered ────► Talking ───────────────────────────► Over ──► Gone
//!     └─ cancelled, refused ──────┴──────────────┴── lost media, limit, fault ──────┘
//! ```
//!
//! The dialog tells when the caller can hear us; the conversation says what to play and ask; media events and INFO
//! bring keys. Nothing here waits: every answer from outside comes in as an [`Input`].

mod offer;
mod studio;
mod transfer;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audio::spoken;
use base::{Deadline, Key, Lang, Private, earliest};
use flow::{self, Findings, PlayId, RecordResult, Transferred};
use inquiry::{CallOutcome, LookUpResult};
use sdp::{self, LocalMedia, Negotiated};
use sip::{Arrival, Leg, LegInput, LegOutput, Local, Message, Outgoing, Why};

use super::control::{Command, Event, KeySource, StreamSetup};
use super::studio::{Ask, Input as StudioInput, Output as Said, Reply};
use super::talk::Talk;
use super::tally::Tally;

/// What a call takes in.
#[derive(Debug)]
pub enum Input {
    /// A message of this call's dialog.
    Sip {
        message: Box<Message>,
        arrival: Arrival,
    },
    /// A message of ours certainly did not go out.
    TransportFailed,
    Media(Event),
    LookedUp {
        findings: Findings,
        result: LookUpResult,
    },
    Ticket(Option<String>),
    /// The studio's reply to an operator's call.
    Studio(Reply),
    /// The duty officer's switch was turned.
    Emergency(bool),
    /// From here on in this language, whatever was chosen.
    Lang(Lang),
    /// End the call: the node stops.
    End,
    Deadline,
}

/// What a call wants done, in order.
#[derive(Debug)]
pub enum Output {
    Send(Outgoing),
    /// Start the media stream with this description.
    Begin(StreamSetup),
    Media(Command),
    /// Ask; exactly one [`Input::LookedUp`] follows.
    LookUp {
        source: Arc<str>,
        by: BTreeMap<Arc<str>, Private<String>>,
    },
    /// Keep a message; exactly one [`Input::Ticket`] follows.
    Keep {
        notify: Arc<str>,
        keep: Duration,
        samples: Vec<i16>,
    },
    /// An operator's call asks the studio.
    Studio(Ask),
    /// A key reached the line test.
    LineTestKey {
        key: Key,
        source: KeySource,
    },
    /// A key was pressed: for counting, not for telling which.
    KeyHeard(KeySource),
    /// The caller was answered, so long after the INVITE.
    Answered(Duration),
    /// How a transfer to a person ended, for counting.
    Transferred(Transferred),
    /// The flow met what its check should have found; the caller is helped on.
    Fault {
        node: Arc<str>,
        what: String,
    },
    /// The conversation is over; the record can be written.
    Over,
    /// A new call under the same key: sort it once this one is gone.
    Renewed {
        message: Box<Message>,
        arrival: Arrival,
    },
    /// Nothing is left to do: forget the call.
    Gone,
}

/// What a call begins with.
pub struct Beginning {
    /// When the INVITE came in.
    pub received: Instant,
    pub talk: Talk,
    pub invite: Message,
    pub arrival: Arrival,
    pub local: Local,
    pub media: LocalMedia,
    /// Names of transfer targets → SIP URIs.
    pub desks: Arc<BTreeMap<String, String>>,
    pub limit: Duration,
    pub tally: Tally,
}

/// One call.
pub struct Call {
    leg: Leg,
    /// None once the call is over: the leg stays half a minute for late repeats, and must be small.
    talk: Option<Talk>,
    local: LocalMedia,
    negotiated: Option<Negotiated>,
    caller: IpAddr,
    /// Whether it is a call to the recording service.
    operator: bool,
    media_begun: bool,
    state: State,
    desks: Arc<BTreeMap<String, String>>,
    began: Instant,
    limit_at: Instant,
    transfer_until: Option<Instant>,
    take: Option<Vec<i16>>,
    last_key: Option<(Key, KeySource, Instant)>,
    early_keys: Vec<(Key, KeySource)>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Offered,
    Answered,
    Talking,
    Over,
    Gone,
}

impl Call {
    /// Begins a call with its INVITE, and returns everything that causes.
    pub fn new(now: Instant, beginning: Beginning) -> (Call, Vec<Output>) {
        let Beginning { received, talk, invite, arrival, local, media, desks, limit, tally } = beginning;
        let (leg, first) = Leg::new(now, invite, &arrival, local);
        let operator = matches!(talk, Talk::Studio(_));
        let mut call = Call {
            leg,
            talk: Some(talk),
            local: media,
            negotiated: None,
            caller: arrival.source.ip(),
            operator,
            media_begun: false,
            state: State::Offered,
            desks,
            began: received,
            limit_at: now + limit,
            transfer_until: None,
            take: None,
            last_key: None,
            early_keys: Vec::new(),
            tally,
        };
        let mut out = Vec::new();
        for output in first {
            call.hear_leg(now, output, &mut out);
        }
        (call, out)
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Sip { message, arrival } => {
                self.tell_leg(now, LegInput::Received { message: *message, arrival }, &mut out);
            }
            Input::TransportFailed => self.tell_leg(now, LegInput::TransportFailed, &mut out),
            Input::Media(event) => self.on_media(now, event, &mut out),
            Input::LookedUp { findings, result } => {
                self.tally.looked_up(result);
                self.tell_talk(now, flow::Input::LookedUp(findings), &mut out);
            }
            Input::Ticket(ticket) => self.tell_talk(now, flow::Input::Ticket(ticket), &mut out),
            Input::Studio(reply) => self.tell_studio(now, StudioInput::Reply(reply), &mut out),
            Input::Emergency(on) => {
                if let Some(talk) = &mut self.talk {
                    talk.set_emergency(on);
                }
            }
            Input::Lang(lang) => {
                if let Some(talk) = &mut self.talk {
                    talk.set_lang(lang);
                }
            }
            Input::End => self.end(now, CallOutcome::Finished, Some("drained"), &mut out),
            Input::Deadline => self.on_deadline(now, &mut out),
        }
        out
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Deadline> {
        let own = |at: Option<Instant>, why| at.map(|at| Deadline { at, why });
        let talking = matches!(self.state, State::Talking);
        let alive = !matches!(self.state, State::Over | State::Gone);
        earliest([
            self.leg.deadline(),
            self.talk.as_ref().and_then(Talk::deadline).filter(|_| talking),
            own(self.transfer_until, "transfer answered"),
            own(alive.then_some(self.limit_at), "longest call"),
        ])
    }

    /// Whether the other side has still to answer or acknowledge something: a repeat may be needed.
    pub fn owes(&self) -> bool {
        self.leg.owes()
    }

    /// What is known of the call for its record.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn on_deadline(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.leg.deadline().is_some_and(|due| due.at <= now) {
            self.tell_leg(now, LegInput::Deadline, out);
        }
        if self.transfer_until.is_some_and(|at| at <= now) {
            self.transferred(now, Transferred::Failed, out);
        }
        let due = self.talk.as_ref().and_then(Talk::deadline);
        if matches!(self.state, State::Talking) && due.is_some_and(|due| due.at <= now) {
            self.tell_talk(now, flow::Input::Deadline, out);
        }
        if self.limit_at <= now && !matches!(self.state, State::Over | State::Gone) {
            self.end(now, CallOutcome::Failed, Some("longest call"), out);
        }
    }

    fn tell_leg(&mut self, now: Instant, input: LegInput, out: &mut Vec<Output>) {
        for output in self.leg.handle_input(now, input) {
            self.hear_leg(now, output, out);
        }
    }

    fn hear_leg(&mut self, now: Instant, output: LegOutput, out: &mut Vec<Output>) {
        match output {
            LegOutput::Send(outgoing) => out.push(Output::Send(outgoing)),
            LegOutput::Offer { sdp: Some(offer) } => self.on_offer(now, &offer, out),
            LegOutput::Offer { sdp: None } => {
                let offer = sdp::offer(&self.local);
                self.answered(now, out);
                self.tell_leg(now, LegInput::Answer { sdp: offer }, out);
            }
            LegOutput::AnswerReceived { sdp } => self.on_answer(now, &sdp, out),
            LegOutput::Established => self.start_talking(now, out),
            LegOutput::Key(key) => self.on_key(now, key, KeySource::Info, out),
            LegOutput::Referred(progress) => self.on_referred(now, progress, out),
            LegOutput::Ended { why } => self.on_ended(why, out),
            LegOutput::Renewed { message, arrival } => {
                out.push(Output::Renewed { message: Box::new(message), arrival });
            }
            LegOutput::Gone => {
                self.state = State::Gone;
                out.push(Output::Gone);
            }
        }
    }

    fn start_talking(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state != State::Answered {
            return;
        }
        self.state = State::Talking;
        self.set_up_media(out);
        self.tell_talk(now, flow::Input::Start, out);
        for (key, source) in std::mem::take(&mut self.early_keys) {
            self.take_key(now, key, source, out);
        }
    }

    fn on_media(&mut self, now: Instant, event: Event, out: &mut Vec<Output>) {
        match event {
            Event::Key { key, source } => self.on_key(now, key, source, out),
            Event::Played(id) => self.tell_talk(now, flow::Input::Played(id), out),
            Event::Sound(samples) => self.tell_studio(now, StudioInput::Sound(samples), out),
            Event::Recorded { samples, packets_lost } if self.operator => {
                self.studio_recorded(now, samples, packets_lost, out);
            }
            Event::Recorded { samples, .. } => {
                let length = spoken(&samples);
                self.take = Some(samples);
                self.tell_talk(now, flow::Input::Recorded(RecordResult::Taken { length }), out);
            }
            Event::PeerLost => self.end(now, CallOutcome::Failed, Some("media lost"), out),
        }
    }

    fn on_key(&mut self, now: Instant, key: Key, source: KeySource, out: &mut Vec<Output>) {
        let doubled = self
            .last_key
            .is_some_and(|(last, by, at)| last == key && by != source && now.duration_since(at) < SAME_KEY_TWO_WAYS);
        if doubled {
            return;
        }
        self.last_key = Some((key, source, now));
        match self.state {
            State::Talking => self.take_key(now, key, source, out),
            // Media and signalling race each other: a key may overtake the ACK that it follows.
            State::Answered if self.early_keys.len() < EARLY_KEYS_MAX => self.early_keys.push((key, source)),
            State::Offered | State::Answered | State::Over | State::Gone => {}
        }
    }

    fn take_key(&mut self, now: Instant, key: Key, source: KeySource, out: &mut Vec<Output>) {
        self.tally.key();
        out.push(Output::KeyHeard(source));
        if self.talk.as_ref().is_some_and(Talk::is_line_test) {
            out.push(Output::LineTestKey { key, source });
        }
        self.tell_talk(now, flow::Input::Key(key), out);
    }

    fn on_ended(&mut self, why: Why, out: &mut Vec<Output>) {
        let (outcome, cause) = match why {
            Why::ByeReceived if self.state == State::Answered => (CallOutcome::Abandoned, None),
            Why::ByeReceived => (CallOutcome::HungUp, None),
            Why::Cancelled => (CallOutcome::Abandoned, Some("cancelled")),
            Why::NoAck => (CallOutcome::Failed, Some("no ACK")),
            Why::NoAnswer => (CallOutcome::Failed, Some("no session description in the ACK")),
            Why::PeerLost => (CallOutcome::Failed, Some("caller unknown to its trunk")),
            Why::SessionExpired => (CallOutcome::Failed, Some("session expired")),
            Why::TransportFailed => (CallOutcome::Failed, Some("transport failed")),
            Why::WeHungUp => (CallOutcome::Finished, None),
            Why::Refused => (CallOutcome::Refused, None),
        };
        self.tally.ended(outcome, cause);
        self.over(out);
    }

    fn over(&mut self, out: &mut Vec<Output>) {
        if matches!(self.state, State::Over | State::Gone) {
            return;
        }
        self.state = State::Over;
        self.transfer_until = None;
        (self.talk, self.negotiated, self.take) = (None, None, None);
        out.push(Output::Media(Command::Close));
        if self.operator {
            out.push(Output::Studio(Ask::Left));
        }
        out.push(Output::Over);
    }

    fn end(&mut self, now: Instant, outcome: CallOutcome, cause: Option<&'static str>, out: &mut Vec<Output>) {
        if matches!(self.state, State::Over | State::Gone) {
            return;
        }
        self.tally.ended(outcome, cause);
        self.over(out);
        self.tell_leg(now, LegInput::HangUp { reason: None }, out);
    }

    fn tell_talk(&mut self, now: Instant, input: flow::Input, out: &mut Vec<Output>) {
        if self.state != State::Talking {
            return;
        }
        let Some(talk) = &mut self.talk else { return };
        for output in talk.handle_input(now, input) {
            self.hear_talk(now, output, out);
        }
    }

    fn hear_talk(&mut self, now: Instant, said: Said, out: &mut Vec<Output>) {
        let output = match said {
            Said::Talk(output) => output,
            Said::Record { .. } | Said::Load(_) | Said::Ask(_) => return self.hear_studio(said, out),
        };
        match output {
            flow::Output::Play { id: PlayId(id), pieces } => {
                out.push(Output::Media(Command::Play { id: PlayId(id), pieces }));
            }
            flow::Output::Stop => out.push(Output::Media(Command::Stop)),
            flow::Output::LookUp { source, by } => out.push(Output::LookUp { source, by }),
            flow::Output::Transfer { to, timeout } => self.transfer(now, &to, timeout, out),
            flow::Output::Record { max } => out.push(Output::Media(Command::Record { max, telling: false })),
            flow::Output::StopRecord => out.push(Output::Media(Command::StopRecord)),
            flow::Output::KeepTake { notify, keep } => {
                let samples = self.take.take().unwrap_or_default();
                out.push(Output::Keep { notify, keep, samples });
            }
            flow::Output::Step { node } => self.tally.step(node),
            flow::Output::Slip { .. } => self.tally.slip(),
            flow::Output::Fault { node, what } => out.push(Output::Fault { node, what }),
            flow::Output::Rated { score } => self.tally.rated(score),
            flow::Output::Lang(lang) => self.tally.lang(lang),
            flow::Output::HangUp => self.end(now, CallOutcome::Finished, None, out),
        }
    }
}

/// Some telephones send one press both as INFO and in the media.
const SAME_KEY_TWO_WAYS: Duration = Duration::from_millis(300);
/// Keys kept from before the ACK.
const EARLY_KEYS_MAX: usize = 32;
