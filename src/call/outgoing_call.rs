//! A call of this side to the telephone of an agent: its leg and its media session, without an application.
//!
//! ```text
//!           180        2xx                            either side ends
//!  Calling ─────► ... ─────► Talking (bridged by the shell) ─────────────► Over ──► Gone
//!     └─ failure, ring limit, withdrawn ──────────────────────────────────┘
//! ```
//!
//! The offer names the codec of the caller first, so that nothing is transcoded where the telephone takes it. Sound is exchanged
//! by the media session's bridge; a key of the agent is given to the caller's session.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::call::Presses;
use super::media_control::{KeySource, MediaCommand, MediaEvent, MediaPolicy, MediaSetup, Signalling};
use base::{Codec, Codecs, Deadline, Key, earliest};
use sdp::{LocalMedia, LocalSession, MediaAddresses, Negotiated, Rejection};
use sip::digest::DigestClient;
use sip::{Arrival, EndCause, Invitation, Leg, LegInput, LegOutput, Local, Message, Outgoing, Target};
use srtp::KeyGenerator;

/// What an outgoing call begins with.
pub struct OutgoingSetup {
    /// The URI that is called, without angle brackets.
    pub uri: String,
    /// Where the INVITE goes.
    pub to: Target,
    /// The Route values.
    pub routes: Vec<String>,
    /// The From value without a tag.
    pub from: String,
    /// Answers challenges of the other side.
    pub credentials: Option<DigestClient>,
    /// This node's side of the dialog.
    pub local: Local,
    /// This node's side of the session description.
    pub media: LocalMedia,
    /// The codec of the call that this one will be bridged with: it is offered first.
    pub prefer: Option<Codec>,
    /// How the media of the telephone is handled.
    pub policy: MediaPolicy,
    /// Unpredictable octets, from which the keys of this call's media are made.
    pub media_secret: [u8; 32],
    /// Which media addresses the telephone may name.
    pub media_addresses: MediaAddresses,
    /// How long it may ring.
    pub ring_limit: Duration,
}

/// What an outgoing call takes in.
#[derive(Debug)]
pub enum OutgoingInput {
    /// A message of its dialog, and how it came.
    Sip(Box<(Message, Arrival)>),
    /// A message that it sent certainly did not leave this node.
    Undelivered(Bytes),
    /// An event of its media session.
    Media(MediaEvent),
    /// End it: withdrawn while it rings.
    HangUp,
    /// [`OutgoingCall::deadline`] has come.
    Deadline,
}

/// What a step of an outgoing call wants done; outputs stand in order.
#[derive(Debug)]
pub enum OutgoingOutput {
    /// Send a SIP message.
    Send(Outgoing),
    /// Start the media session with this description.
    StartMedia(Box<MediaSetup>),
    /// Command the media session.
    Media(MediaCommand),
    /// The telephone rings.
    Ringing,
    /// The telephone was answered.
    Answered,
    /// The agent pressed a key.
    Key(Key),
    /// The call has ended: its media is free.
    Over(OutgoingEnd),
    /// Nothing is left to do: forget the call.
    Gone,
}

/// How an outgoing call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingEnd {
    /// The telephone hung up.
    HungUp,
    /// This side ended it after the answer.
    Ended,
    /// It was withdrawn before the answer.
    Withdrawn,
    /// It rang for the whole time, or the telephone says that nobody answered.
    NoAnswer,
    /// The telephone is busy, or its user declined.
    Declined,
    /// The telephone could not be reached, or its answer could not be used: the status of SIP, if there is one.
    Failed(Option<u16>),
}

/// A call of this side.
pub struct OutgoingCall {
    leg: Leg,
    session: LocalSession,
    negotiated: Option<Negotiated>,
    policy: MediaPolicy,
    source: Option<IpAddr>,
    state: State,
    media_begun: bool,
    ring_until: Instant,
    rings: bool,
    /// This side ends the call for this reason.
    reason: Option<OutgoingEnd>,
    presses: Presses,
    /// When the media session was last notified that the telephone is there; none: it may have begun to use another address since.
    alive_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calling,
    Talking,
    Over,
    Gone,
}

impl OutgoingCall {
    /// Begins the call. The first output is its INVITE.
    pub fn new(now: Instant, setup: OutgoingSetup) -> (OutgoingCall, Vec<OutgoingOutput>) {
        let OutgoingSetup {
            uri,
            to,
            routes,
            from,
            credentials,
            local,
            mut media,
            prefer,
            policy,
            media_secret,
            media_addresses,
            ring_limit,
        } = setup;
        media.codecs = prefer.map_or(media.codecs, |codec| first(codec, media.codecs));
        let mut session = LocalSession::new(media)
            .with_events(KeySource::Rtp.counts(policy.dtmf))
            .with_srtp(policy.srtp, KeyGenerator::new(media_secret))
            .with_addresses(media_addresses);
        let offer = session.offer();
        let (leg, first) = Leg::call(now, Invitation { uri, to, routes, from, offer, credentials }, local);
        let mut call = OutgoingCall {
            leg,
            session,
            negotiated: None,
            policy,
            source: None,
            state: State::Calling,
            media_begun: false,
            ring_until: now + ring_limit,
            rings: false,
            reason: None,
            presses: Presses::default(),
            alive_at: Some(now),
        };
        let mut out = Vec::new();
        for output in first {
            call.on_leg_output(now, output, &mut out);
        }
        (call, out)
    }

    /// The Call-ID: what names the call in messages before its answer.
    pub fn call_id(&self) -> &str {
        &self.leg.key().call_id
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: OutgoingInput) -> Vec<OutgoingOutput> {
        let mut out = Vec::new();
        match input {
            OutgoingInput::Sip(received) => {
                let (message, arrival) = *received;
                self.source = Some(arrival.source.ip());
                self.peer_is_alive(now, &mut out);
                self.feed_leg(now, LegInput::Received { message, arrival }, &mut out);
            }
            OutgoingInput::Undelivered(message) => self.feed_leg(now, LegInput::Undelivered { message }, &mut out),
            OutgoingInput::Media(event) => self.on_media(now, event, &mut out),
            OutgoingInput::HangUp => {
                let reason = if self.state == State::Calling { OutgoingEnd::Withdrawn } else { OutgoingEnd::Ended };
                self.hang_up(now, reason, &mut out);
            }
            OutgoingInput::Deadline => {
                if self.leg.deadline().is_some_and(|due| due.at <= now) {
                    self.feed_leg(now, LegInput::Deadline, &mut out);
                }
                if self.state == State::Calling && self.ring_until <= now {
                    self.hang_up(now, OutgoingEnd::NoAnswer, &mut out);
                }
            }
        }
        out
    }

    /// When [`OutgoingInput::Deadline`] is due.
    pub fn deadline(&self) -> Option<Deadline> {
        let ring = (self.state == State::Calling).then_some(Deadline { at: self.ring_until, why: "ring limit" });
        earliest([self.leg.deadline(), ring])
    }

    /// Whether a message of this call awaits its response or ACK: a retransmission may be needed.
    pub fn awaits_response(&self) -> bool {
        self.leg.has_pending_transactions()
    }

    fn feed_leg(&mut self, now: Instant, input: LegInput, out: &mut Vec<OutgoingOutput>) {
        for output in self.leg.handle_input(now, input) {
            self.on_leg_output(now, output, out);
        }
    }

    fn on_leg_output(&mut self, now: Instant, output: LegOutput, out: &mut Vec<OutgoingOutput>) {
        match output {
            LegOutput::Send(outgoing) => out.push(OutgoingOutput::Send(outgoing)),
            LegOutput::Progress { status: 180..=183 } if !self.rings => {
                self.rings = true;
                out.push(OutgoingOutput::Ringing);
            }
            LegOutput::AnswerReceived { sdp } => match self.session.accept(&sdp) {
                Ok(negotiated) => self.agree(negotiated, out),
                Err(_) => self.hang_up(now, OutgoingEnd::Failed(None), out),
            },
            LegOutput::Established => self.answered(now, out),
            LegOutput::Offer { sdp: Some(offer) } => self.on_offer(now, &offer, out),
            LegOutput::Offer { sdp: None } => {
                let offer = self.session.offer();
                self.feed_leg(now, LegInput::Answer { sdp: offer }, out);
            }
            LegOutput::Key { key, held } => self.on_key(now, key, KeySource::Info, held, out),
            LegOutput::Ended { why } => self.over(why, out),
            LegOutput::Gone => {
                self.state = State::Gone;
                out.push(OutgoingOutput::Gone);
            }
            // An agent's telephone gets no REFER, and no other call has the Call-ID of one of this side.
            LegOutput::Progress { .. }
            | LegOutput::Referred(_)
            | LegOutput::Unreachable(_)
            | LegOutput::NextCall { .. } => {}
        }
    }

    /// The answer holds a tag that was sent to the telephone's host alone: the host is the telephone's, even if it sends no
    /// sound.
    fn answered(&mut self, now: Instant, out: &mut Vec<OutgoingOutput>) {
        if self.state == State::Calling && self.reason.is_none() {
            self.state = State::Talking;
            out.push(OutgoingOutput::Answered);
            if self.media_begun {
                self.alive_at = Some(now);
                out.push(OutgoingOutput::Media(MediaCommand::PeerAlive));
            }
        }
    }

    fn on_offer(&mut self, now: Instant, offer: &Bytes, out: &mut Vec<OutgoingOutput>) {
        match self.session.answer(offer) {
            Ok((negotiated, answer)) => {
                self.agree(negotiated, out);
                self.feed_leg(now, LegInput::Answer { sdp: answer }, out);
            }
            Err(rejection) => {
                let (status, code, text) = match rejection {
                    Rejection::Malformed(why) => (400, MISCELLANEOUS, why),
                    Rejection::NotAcceptable { warning, text } => (488, warning, text),
                };
                let warning = Some((code, text.to_owned()));
                self.feed_leg(now, LegInput::Reject { status, warning, retry_after: None }, out);
            }
        }
    }

    fn agree(&mut self, negotiated: Negotiated, out: &mut Vec<OutgoingOutput>) {
        let media = self.session.media_addresses();
        let signalling_address = self.source.map(|address| Signalling { address, media: media.clone() });
        let setup = MediaSetup { signalling_address, ..MediaSetup::new(&negotiated, self.policy) };
        let setup = Box::new(setup);
        (self.negotiated, self.alive_at) = (Some(negotiated), None);
        out.push(if self.media_begun {
            OutgoingOutput::Media(MediaCommand::Setup(setup))
        } else {
            OutgoingOutput::StartMedia(setup)
        });
        self.media_begun = true;
    }

    fn on_media(&mut self, now: Instant, event: MediaEvent, out: &mut Vec<OutgoingOutput>) {
        match event {
            MediaEvent::Key { key, source } => self.on_key(now, key, source, None, out),
            MediaEvent::KeyHeld { key } => self.presses.held(now, key),
            MediaEvent::PeerLost => self.hang_up(now, OutgoingEnd::Failed(None), out),
            // Nothing is played to an agent, and nothing recorded.
            MediaEvent::Played(_)
            | MediaEvent::NextTake(_)
            | MediaEvent::Sound(_)
            | MediaEvent::Quiet(_)
            | MediaEvent::Recorded { .. }
            | MediaEvent::PeerReport { .. }
            | MediaEvent::Quality(_) => {}
        }
    }

    /// A tone is in the sound already: it is heard on the other side as it is.
    fn on_key(
        &mut self,
        now: Instant,
        key: Key,
        source: KeySource,
        held: Option<Duration>,
        out: &mut Vec<OutgoingOutput>,
    ) {
        let counts = self.state == State::Talking && source.counts(self.policy.dtmf);
        let way = if source == KeySource::Tone { KeySource::Rtp } else { source };
        if counts && self.presses.is_new(now, key, way, held) && source != KeySource::Tone {
            out.push(OutgoingOutput::Key(key));
        }
    }

    fn peer_is_alive(&mut self, now: Instant, out: &mut Vec<OutgoingOutput>) {
        let recently = self.alive_at.is_some_and(|at| now.saturating_duration_since(at) < ALIVE_PAUSE);
        if self.media_begun && self.state == State::Talking && !recently {
            self.alive_at = Some(now);
            out.push(OutgoingOutput::Media(MediaCommand::PeerAlive));
        }
    }

    fn hang_up(&mut self, now: Instant, reason: OutgoingEnd, out: &mut Vec<OutgoingOutput>) {
        if matches!(self.state, State::Calling | State::Talking) {
            self.reason.get_or_insert(reason);
            self.feed_leg(now, LegInput::HangUp { reason: None }, out);
        }
    }

    fn over(&mut self, why: EndCause, out: &mut Vec<OutgoingOutput>) {
        if matches!(self.state, State::Over | State::Gone) {
            return;
        }
        self.state = State::Over;
        let end = match (self.reason, why) {
            (Some(reason), _) => reason,
            (None, EndCause::ByeReceived) => OutgoingEnd::HungUp,
            (None, EndCause::HungUp) => OutgoingEnd::Ended,
            (None, EndCause::CallFailed { status }) => failure(status),
            (
                None,
                EndCause::Cancelled
                | EndCause::NoAck
                | EndCause::NoAnswer
                | EndCause::SessionExpired
                | EndCause::PeerLost
                | EndCause::TransportFailed
                | EndCause::Rejected,
            ) => OutgoingEnd::Failed(None),
        };
        self.negotiated = None;
        out.extend([OutgoingOutput::Media(MediaCommand::Close), OutgoingOutput::Over(end)]);
    }
}

/// What the failure of an INVITE means for the one who calls (RFC 3261 §21).
fn failure(status: u16) -> OutgoingEnd {
    match status {
        486 | 600 | 603 | 607 => OutgoingEnd::Declined,
        // Temporarily unavailable: many telephones say so when nobody took the handset, or "do not disturb" is on.
        480 | 487 => OutgoingEnd::NoAnswer,
        _ => OutgoingEnd::Failed(Some(status)),
    }
}

/// The same codecs, with this one first.
fn first(codec: Codec, codecs: Codecs) -> Codecs {
    let mut list: Vec<Codec> = codecs.iter().collect();
    // A stable sort keeps the order of the others.
    list.sort_by_key(|known| *known != codec);
    Codecs::new(&list).unwrap_or(codecs)
}

/// The media session need not be notified more often.
const ALIVE_PAUSE: Duration = Duration::from_secs(1);
/// RFC 3261 §20.43.
const MISCELLANEOUS: u16 = 399;

#[cfg(test)]
mod tests;
