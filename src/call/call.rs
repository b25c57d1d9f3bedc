//! One phone call: a SIP leg, its media session and its application, held together.
//!
//! ```text
//!            offer answered            ACK                    either side ends
//!  Offered ─────────────────► Answered ────► Talking ───────────────────────────► Over ──► Gone
//!     └─ cancelled, refused ──────┴──────────────┴── lost media, limit, fault ──────┘
//! ```
//!
//! The leg reports when the caller can hear the call; the application decides what to play and ask; media events and
//! SIP INFO bring keys. Nothing here waits: every reply from outside comes in as an [`Input`].

mod call_back;
mod events;
mod keys;
mod message;
mod offer;
mod queue;
mod recording;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Deadline, Key, Private, earliest};
use flow::{self, RecordResult, TransferOutcome};
use inquiry::{CallOutcome, MessageResult, TransferResult};
use sdp::{LocalMedia, LocalSession, MediaAddresses, Negotiated};
use sip::{Arrival, EndCause, EndedLeg, Invitation, Leg, LegInput, LegOutput, Local, Message};
use srtp::KeyGenerator;

use super::application::Application;
use super::caller_context::{CallerContext, Inquiries};
use super::cdr::CdrBuilder;
use super::media_control::{KeySource, MediaCommand, MediaEvent, MediaPolicy};
use super::recording_session::{Input as RecordingInput, StudioRequest};
use call_back::CallBack;
pub use call_back::{CallBackEnd, CallBackInvite, CallBackRequest};
pub use events::{Effect, Input, Output, Telemetry};
pub(crate) use keys::Presses;
use message::MessageSound;
use queue::Queued;
pub use queue::{QueueNotice, QueueRequest};

/// What a call begins with.
pub struct CallSetup {
    /// When the INVITE came in, or the call-back began.
    pub received: Instant,
    /// What the caller is connected to.
    pub application: Application,
    /// What begins the dialog.
    pub origin: Origin,
    /// This node's side of the dialog.
    pub local: Local,
    /// This node's side of the session description.
    pub media: LocalMedia,
    /// What the trunk's settings say of the media.
    pub policy: MediaPolicy,
    /// Unpredictable octets, from which the keys of this call's media are made.
    pub media_secret: [u8; 32],
    /// Which media addresses the peer may name.
    pub media_addresses: MediaAddresses,
    /// Names of transfer targets → SIP URIs.
    pub transfer_targets: Arc<BTreeMap<String, String>>,
    /// Transfers that the call may have; further ones fail at once.
    pub transfers_max: u32,
    /// The longest message, whatever the flow allows.
    pub message_max: Duration,
    /// How long the call may last.
    pub limit: Duration,
    /// The call's detail record, just begun.
    pub cdr: CdrBuilder,
}

/// What begins a call.
pub enum Origin {
    /// A caller's INVITE.
    Incoming {
        /// The INVITE.
        invite: Box<Message>,
        /// How it came.
        arrival: Arrival,
    },
    /// This node calls a person who asked for it.
    CallBack(Box<CallBackInvite>),
}

/// One call.
pub struct Call {
    leg: Leg,
    /// None once the call is over: the leg stays half a minute for late retransmissions, and must be small.
    application: Option<Application>,
    session: LocalSession,
    negotiated: Option<Negotiated>,
    /// Where the peer's messages come from; none before the first one.
    caller: Option<IpAddr>,
    call_back: Option<CallBack>,
    /// Whether it is a call to the recording service.
    operator: bool,
    policy: MediaPolicy,
    /// When the media session was last notified that the peer is there; none: it may have begun to use another address since.
    alive_at: Option<Instant>,
    media_begun: bool,
    state: State,
    desks: Arc<BTreeMap<String, String>>,
    began: Instant,
    limit_at: Instant,
    message_max: Duration,
    transfers_left: u32,
    transfer_until: Option<Instant>,
    /// The peer has agreed to transfer the caller: a BYE of its own then ends a transferred call.
    transfer_accepted: bool,
    message: Option<MessageSound>,
    queued: Queued,
    /// The caller has heard that conversations with agents are recorded.
    recording_announced: bool,
    inquiries: Inquiries,
    presses: Presses,
    early_keys: Vec<(Key, KeySource)>,
    /// While the application handles an input: the inputs that its own outputs have caused.
    fed: Option<VecDeque<flow::Input>>,
    cdr: CdrBuilder,
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
    pub fn new(now: Instant, beginning: CallSetup) -> (Call, Vec<Output>) {
        let CallSetup {
            received,
            application: talk,
            origin,
            local,
            media,
            policy,
            media_secret,
            media_addresses,
            transfer_targets: desks,
            transfers_max,
            message_max,
            limit,
            cdr: tally,
        } = beginning;
        let mut session = LocalSession::new(media)
            .with_events(KeySource::Rtp.counts(policy.dtmf))
            .with_srtp(policy.srtp, KeyGenerator::new(media_secret))
            .with_addresses(media_addresses);
        let (mut caller, mut call_back) = (None, None);
        let (leg, first) = match origin {
            Origin::Incoming { invite, arrival } => {
                caller = Some(arrival.source.ip());
                Leg::new(now, *invite, &arrival, local)
            }
            Origin::CallBack(invite) => {
                let CallBackInvite { uri, to, from, credentials, ring_limit } = *invite;
                call_back = Some(CallBack::new(now + ring_limit));
                let offer = session.offer();
                Leg::call(now, Invitation { uri, to, routes: Vec::new(), from, offer, credentials }, local)
            }
        };
        let operator = matches!(talk, Application::Recording(_));
        let mut call = Call {
            leg,
            application: Some(talk),
            session,
            negotiated: None,
            caller,
            call_back,
            operator,
            policy,
            alive_at: Some(now),
            media_begun: false,
            state: State::Offered,
            desks,
            began: received,
            limit_at: now + limit,
            message_max,
            transfers_left: transfers_max,
            transfer_until: None,
            transfer_accepted: false,
            message: None,
            queued: Queued::default(),
            recording_announced: false,
            inquiries: Inquiries::default(),
            presses: Presses::default(),
            early_keys: Vec::new(),
            fed: None,
            cdr: tally,
        };
        let mut out = Vec::new();
        for output in first {
            call.on_leg_output(now, output, &mut out);
        }
        (call, out)
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Sip(received) => {
                let (message, arrival) = *received;
                let source = arrival.source.ip();
                self.caller.get_or_insert(source);
                self.peer_is_alive(now, &mut out);
                let talks_before = self.state == State::Talking;
                self.feed_leg(now, LegInput::Received { message, arrival }, &mut out);
                if !talks_before && self.caller == Some(source) {
                    self.host_is_proven(now, &mut out);
                }
            }
            Input::Undelivered(message) => self.feed_leg(now, LegInput::Undelivered { message }, &mut out),
            Input::Media(event) => self.on_media(now, event, &mut out),
            Input::LookedUp { findings, result } => {
                self.cdr.looked_up(result);
                self.inquiries.answered(now, &findings, result);
                self.feed_application(now, flow::Input::LookedUp(*findings), &mut out);
            }
            Input::CallBackBooked(booked) => {
                self.feed_application(now, flow::Input::CallBackBooked(booked), &mut out);
            }
            Input::TextAccepted(accepted) => {
                self.cdr.texted(accepted);
                self.feed_application(now, flow::Input::TextAccepted(accepted), &mut out);
            }
            Input::Ticket(ticket) => {
                self.cdr.message(ticket.clone().map_or(MessageResult::Failed, MessageResult::Kept));
                self.feed_application(now, flow::Input::RecordingSaved(ticket), &mut out);
            }
            Input::MessageRefused => {
                self.message = None;
                self.cdr.message(MessageResult::Refused);
                out.push(Effect::Media(MediaCommand::StopRecord).into());
                self.feed_application(now, flow::Input::Recorded(RecordResult::Failed), &mut out);
            }
            Input::MessageRead { from, samples } => self.on_message_read(now, from, samples, &mut out),
            Input::Studio(reply) => self.feed_recording(now, RecordingInput::Reply(*reply), &mut out),
            Input::Queue(notice) => self.on_queue(now, notice, &mut out),
            Input::Emergency(on) => {
                if let Some(application) = &mut self.application {
                    application.set_emergency(on);
                }
            }
            Input::Lang(lang) => {
                if let Some(application) = &mut self.application {
                    application.set_lang(lang);
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
        // A queue has limits of its own.
        let talking = matches!(self.state, State::Talking) && !self.queued.holds_application();
        let alive = !matches!(self.state, State::Over | State::Gone);
        earliest([
            self.leg.deadline(),
            self.application.as_ref().and_then(Application::deadline).filter(|_| talking),
            own(self.transfer_until, "transfer answered"),
            own(self.ring_until(), "ring limit"),
            own((alive && !self.queued.is_queued()).then_some(self.limit_at), "longest call"),
        ])
    }

    /// Whether a message of this call awaits its response or ACK: a retransmission may be needed.
    pub fn awaits_response(&self) -> bool {
        self.leg.has_pending_transactions()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.leg.key().call_id
    }

    /// What may stand in place of the call from now on: it came in, is over, and awaits nothing.
    pub fn ended(&self) -> Option<EndedLeg> {
        (self.state == State::Over && !self.is_call_back()).then(|| self.leg.ended()).flatten()
    }

    fn on_deadline(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.leg.deadline().is_some_and(|due| due.at <= now) {
            self.feed_leg(now, LegInput::Deadline, out);
        }
        if self.ring_until().is_some_and(|at| at <= now) {
            return self.ring_limit(now, out);
        }
        if self.transfer_until.is_some_and(|at| at <= now) {
            self.transfer_failed(now, TransferOutcome::Failed, TransferResult::NoAnswer, out);
        }
        let due =
            self.application.as_ref().and_then(Application::deadline).filter(|_| !self.queued.holds_application());
        if matches!(self.state, State::Talking) && due.is_some_and(|due| due.at <= now) {
            self.feed_application(now, flow::Input::Deadline, out);
        }
        let is_over = matches!(self.state, State::Over | State::Gone);
        if self.limit_at <= now && !is_over && !self.queued.is_queued() {
            self.end(now, CallOutcome::Failed, Some("longest call"), out);
        }
    }

    fn feed_leg(&mut self, now: Instant, input: LegInput, out: &mut Vec<Output>) {
        for output in self.leg.handle_input(now, input) {
            self.on_leg_output(now, output, out);
        }
    }

    fn on_leg_output(&mut self, now: Instant, output: LegOutput, out: &mut Vec<Output>) {
        match output {
            LegOutput::Send(outgoing) => out.push(Effect::Send(outgoing).into()),
            LegOutput::Offer { sdp: Some(offer) } => self.on_offer(now, &offer, out),
            LegOutput::Offer { sdp: None } => {
                let offer = self.session.offer();
                self.answered(now, out);
                self.feed_leg(now, LegInput::Answer { sdp: offer }, out);
            }
            LegOutput::AnswerReceived { sdp } => self.on_answer(now, &sdp, out),
            LegOutput::Progress { .. } => self.progressed(),
            LegOutput::Established => {
                if self.is_call_back() {
                    self.answered(now, out);
                }
                self.start_talking(now, out);
            }
            LegOutput::Key { key, held } => self.on_key(now, key, KeySource::Info, held, out),
            LegOutput::Referred(progress) => self.on_referred(now, progress, out),
            LegOutput::Unreachable(method) => {
                self.cdr.note("peer unreachable");
                out.push(Telemetry::Unreachable(method).into());
            }
            LegOutput::Ended { why } => self.on_ended(now, why, out),
            LegOutput::NextCall { message, arrival } => {
                out.push(Effect::NewInvite { message, arrival }.into());
            }
            LegOutput::Gone => {
                self.state = State::Gone;
                out.push(Effect::Gone.into());
            }
        }
    }

    fn start_talking(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state != State::Answered {
            return;
        }
        self.state = State::Talking;
        self.set_up_media(out);
        let start = if self.is_call_back() { flow::Input::StartCallBack } else { flow::Input::Start };
        self.feed_application(now, start, out);
        for (key, source) in std::mem::take(&mut self.early_keys) {
            self.take_key(now, key, source, out);
        }
    }

    fn on_media(&mut self, now: Instant, event: MediaEvent, out: &mut Vec<Output>) {
        match event {
            MediaEvent::Key { key, source } => self.on_key(now, key, source, None, out),
            MediaEvent::KeyHeld { key } => self.presses.held(now, key),
            MediaEvent::Played(id) => self.feed_application(now, flow::Input::Played(id), out),
            MediaEvent::NextTake(id) => self.on_next_take(id, out),
            MediaEvent::Sound(samples) if self.operator => {
                self.feed_recording(now, RecordingInput::Sound(samples), out);
            }
            MediaEvent::Sound(samples) => self.on_message_sound(samples, out),
            MediaEvent::Quiet(samples) => self.on_message_quiet(samples, out),
            MediaEvent::Recorded { take, packets_lost } if self.operator => {
                self.on_operator_recorded(now, take.samples(), packets_lost, out);
            }
            MediaEvent::Recorded { take, .. } => self.on_message_recorded(now, take.samples(), out),
            MediaEvent::PeerReport { packets_lost, round_trip } => self.cdr.peer_report(packets_lost, round_trip),
            MediaEvent::Quality(mos) => self.cdr.quality(mos),
            MediaEvent::PeerLost => self.end(now, CallOutcome::Failed, Some("media lost"), out),
        }
    }

    /// A message of the dialog shows that the peer is there, even if it suppresses silence.
    fn peer_is_alive(&mut self, now: Instant, out: &mut Vec<Output>) {
        let recently = self.alive_at.is_some_and(|at| now.saturating_duration_since(at) < ALIVE_PAUSE);
        if !recently {
            self.host_is_proven(now, out);
        }
    }

    /// The ACK, or the answer to this side's INVITE, holds a tag that was sent to the peer's host alone: the host is the peer's,
    /// even if the peer sends no sound.
    fn host_is_proven(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Talking {
            self.alive_at = Some(now);
            out.push(Effect::Media(MediaCommand::PeerAlive).into());
        }
    }

    fn take_key(&mut self, now: Instant, key: Key, source: KeySource, out: &mut Vec<Output>) {
        self.cdr.key();
        out.push(Telemetry::KeyHeard(source).into());
        if self.pass_key(key, source, out) {
            return;
        }
        if self.application.as_ref().is_some_and(Application::is_line_test) {
            out.push(Telemetry::LineTestKey { key, source }.into());
        }
        self.feed_application(now, flow::Input::Key(key), out);
    }

    fn on_ended(&mut self, now: Instant, why: EndCause, out: &mut Vec<Output>) {
        if why == EndCause::ByeReceived && self.transfer_accepted {
            self.caller_left_with_transfer(out);
        }
        let (outcome, cause) = match why {
            EndCause::ByeReceived if self.state == State::Answered => (CallOutcome::Abandoned, None),
            EndCause::ByeReceived => (CallOutcome::HungUp, None),
            EndCause::Cancelled => (CallOutcome::Abandoned, Some("cancelled")),
            EndCause::NoAck => (CallOutcome::Failed, Some("no ACK")),
            EndCause::NoAnswer => (CallOutcome::Failed, Some("no session description in the ACK")),
            EndCause::PeerLost => (CallOutcome::Failed, Some("caller unknown to its trunk")),
            EndCause::SessionExpired => (CallOutcome::Failed, Some("session expired")),
            EndCause::TransportFailed => (CallOutcome::Failed, Some("transport failed")),
            EndCause::HungUp => (CallOutcome::Finished, None),
            EndCause::Rejected => (CallOutcome::Refused, None),
            EndCause::CallFailed { status } => self.call_failed(status),
        };
        self.cdr.ended(outcome, cause);
        self.over(now, out);
    }

    fn over(&mut self, now: Instant, out: &mut Vec<Output>) {
        if matches!(self.state, State::Over | State::Gone) {
            return;
        }
        let before = std::mem::replace(&mut self.state, State::Over);
        self.transfer_until = None;
        self.end_call_back(before, out);
        self.end_queue(now, out);
        self.keep_sent_message(out);
        (self.application, self.negotiated, self.message) = (None, None, None);
        self.inquiries = Inquiries::default();
        out.push(Effect::Media(MediaCommand::Close).into());
        if self.operator {
            out.push(Effect::Studio(StudioRequest::CallEnded).into());
        }
        let record = Box::new(self.cdr.finish(now.duration_since(self.began)));
        out.push(Effect::Over { record, slips: self.cdr.slips() }.into());
    }

    fn end(&mut self, now: Instant, outcome: CallOutcome, cause: Option<&'static str>, out: &mut Vec<Output>) {
        if matches!(self.state, State::Over | State::Gone) {
            return;
        }
        self.cdr.ended(outcome, cause);
        self.over(now, out);
        self.feed_leg(now, LegInput::HangUp { reason: None }, out);
    }

    /// Feeds the application. An input that one of its own outputs causes, such as a transfer that fails at once, is fed after its
    /// other outputs.
    fn feed_application(&mut self, now: Instant, input: flow::Input, out: &mut Vec<Output>) {
        if let Some(waiting) = &mut self.fed {
            return waiting.push_back(input);
        }
        self.fed = Some(VecDeque::new());
        let mut next = Some(input);
        while let Some(input) = next {
            self.feed_one(now, input, out);
            next = self.fed.as_mut().and_then(VecDeque::pop_front);
        }
        self.fed = None;
    }

    fn feed_one(&mut self, now: Instant, input: flow::Input, out: &mut Vec<Output>) {
        if self.state != State::Talking {
            return;
        }
        let outputs = match &mut self.application {
            Some(Application::Hotline(conversation)) => conversation.handle_input(now, input),
            Some(Application::LineTest(test)) => test.handle_input(&input),
            Some(Application::Recording(_)) => match RecordingInput::of(input) {
                Some(input) => return self.feed_recording(now, input, out),
                None => return,
            },
            None => return,
        };
        for output in outputs {
            self.on_flow_output(now, output, out);
        }
        self.forget_unsent_message(out);
    }

    /// Notes what is looked up by, without what is never shown.
    fn asks(&mut self, by: &BTreeMap<Arc<str>, Private<String>>) {
        let Some(application) = &self.application else { return };
        let shown = by.iter().filter(|(name, _)| !application.is_secret(name));
        self.inquiries.asked(shown.map(|(name, value)| (name.clone(), value.clone())).collect());
    }

    fn on_flow_output(&mut self, now: Instant, output: flow::Output, out: &mut Vec<Output>) {
        match output {
            flow::Output::Play { id, pieces } => self.play(id, pieces, out),
            flow::Output::Stop => self.stop(out),
            flow::Output::LookUp { source, by } => {
                self.asks(&by);
                out.push(Effect::LookUp { source, by }.into());
            }
            flow::Output::Transfer { to, timeout } => self.transfer(now, &to, timeout, out),
            flow::Output::EnterQueue { queue, priority, skills, announce_every, max_wait, pass, called_back } => {
                let (wait_max, context) = (Some(max_wait), CallerContext { passed: pass, ..CallerContext::default() });
                let request = QueueRequest {
                    queue,
                    priority,
                    skills,
                    announce_every,
                    wait_max,
                    called_back,
                    context,
                    recording_announced: self.recording_announced,
                };
                self.enter_queue(now, request, out);
            }
            flow::Output::BookCallBack { queue, number, priority, skills, pass } => {
                let request = CallBackRequest { queue, number, priority, skills, lang: None, passed: pass };
                self.book_call_back(request, out);
            }
            flow::Output::SendText { text } => out.push(Effect::SendText { text }.into()),
            flow::Output::LeaveQueue => self.leave_by_key(now, out),
            flow::Output::DeclineCallBack => self.call_back_declined(),
            flow::Output::RecordingAnnounced => self.recording_announced = true,
            flow::Output::Record { max } => self.begin_message(max, out),
            flow::Output::StopRecording => out.push(Effect::Media(MediaCommand::StopRecord).into()),
            flow::Output::SaveRecording { notify, keep, number } => self.keep_message(notify, keep, number, out),
            flow::Output::Step { node } => self.cdr.step(node),
            flow::Output::InputError { .. } => self.cdr.slip(),
            flow::Output::Fault { node, what } => out.push(Telemetry::Fault { node, what }.into()),
            flow::Output::Rated { score } => {
                self.cdr.rated(score);
                let served = self.cdr.served_by();
                out.extend(served.map(|(queue, agent)| Effect::Rated { queue, agent, score }.into()));
            }
            flow::Output::Lang(lang) => self.cdr.lang(lang),
            flow::Output::HangUp => self.end(now, CallOutcome::Finished, None, out),
        }
    }
}

/// The media session need not be notified more often.
const ALIVE_PAUSE: Duration = Duration::from_secs(1);
