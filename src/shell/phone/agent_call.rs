//! A call to an agent's telephone: one task, which drives [`OutgoingCall`] and reports to the queue.
//!
//! ```text
//!  inbox (SIP, hang up) ─┐
//!  media events ─────────┼─► call::OutgoingCall ──► SIP, media
//!  deadline ─────────────┘             └──► reports: answered, key, over
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::calls::{far, media_addresses, peers, reset};
use super::inbox::insist;
use super::queue_handle::{AgentReport, QueueMessage};
use super::registry::{CallSound, OutgoingRegistration, Registry};
use super::services::Shared;
use super::telephones::Telephone;
use super::transport::Sender;
use super::trunks::Permit;
use audio::Bank;
use base::Codec;
use call::{
    MediaCommand, MediaEvent, MediaPolicy, OutgoingCall, OutgoingEnd, OutgoingInput, OutgoingOutput, OutgoingSetup,
};
use media::SessionId;
use os::clock;
use queue::OfferId;
use sdp::{LocalMedia, MediaAddress, MediaAddresses};
use sip::{Local, PeerAddresses};

/// What a call to an agent begins with.
pub(crate) struct AgentCallStart {
    /// The offer that it is for.
    pub offer: OfferId,
    pub telephone: Telephone,
    /// Called one after the other while the one before is silent or cannot be reached.
    pub others: VecDeque<Telephone>,
    /// The calling number that the telephone shows; none: it is withheld.
    pub number: Option<String>,
    /// The session that it will be bridged with, and its codec.
    pub beside: SessionId,
    pub prefer: Option<Codec>,
    pub ring_limit: Duration,
}

/// A call to an agent, as the queue holds it.
#[derive(Debug)]
pub(crate) struct AgentCall {
    inbox: mpsc::Sender<OutgoingInput>,
    pub session: SessionId,
}

impl AgentCall {
    /// Begins the call. None if there is no media session for it, or no free line of the trunk that it goes by.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        registry: &Arc<Registry>,
        start: AgentCallStart,
        reports: &mpsc::Sender<QueueMessage>,
    ) -> Option<AgentCall> {
        let line = match start.telephone.trunk.map(|trunk| (trunk, shared.services.trunks.take_line(trunk))) {
            Some((trunk, None)) => {
                let trunk = &shared.services.trunks.states()[trunk].settings.name;
                tracing::warn!(trunk, "an agent cannot be called: every line of the trunk is in use");
                return None;
            }
            line => line.and_then(|(_, permit)| permit),
        };
        let address = shared.public_address(start.telephone.local);
        let media = &shared.services.media;
        let session = match media.open_beside(start.beside, address, clock::random_u64()) {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(%error, "an agent cannot be called: no media session");
                return None;
            }
        };
        let (inbox, arrivals) = mpsc::channel(INBOX_SIZE);
        let trunk = start.telephone.trunk;
        let ports = (session.rtp_port, session.rtcp_port);
        let now = clock::now();
        let (call, first) = OutgoingCall::new(now, setup(shared, &start, &start.telephone, (ports, start.ring_limit)));
        let (events, media_events) = mpsc::channel(MEDIA_QUEUE);
        let task = Task {
            registration: registry.register_outgoing(call.call_id(), inbox.clone(), CallSound { address, session }),
            registry: Arc::clone(registry),
            sound: CallSound { address, session },
            sender: trunk.map_or_else(|| shared.sender.clone(), |trunk| shared.sender.for_trunk(trunk)),
            bank: Arc::clone(&shared.services.live.load().bank),
            shared: Arc::clone(shared),
            session: session.id,
            events: Some(events),
            inbox: inbox.clone(),
            reports: reports.clone(),
            offer: start.offer,
            is_over: false,
            call,
            line,
            invite: None,
            ring_until: now + start.ring_limit,
            silent_at: now + SILENT,
            has_rung: false,
            failed: None,
            earlier: Vec::new(),
            start,
        };
        tokio::spawn(task.run(first, arrivals, media_events));
        Some(AgentCall { inbox, session: session.id })
    }

    /// A call that is driven elsewhere.
    pub(crate) fn of(inbox: mpsc::Sender<OutgoingInput>, session: SessionId) -> AgentCall {
        AgentCall { inbox, session }
    }

    /// Withdraws the call, or ends the conversation.
    pub(crate) fn hang_up(&self) {
        insist(&self.inbox, OutgoingInput::HangUp);
    }
}

/// What the call is set up with, from the settings of its trunk, or of the node where the telephone is registered.
fn setup(
    shared: &Arc<Shared>,
    start: &AgentCallStart,
    telephone: &Telephone,
    ((rtp_port, rtcp_port), ring_limit): ((u16, u16), Duration),
) -> OutgoingSetup {
    let Telephone { uri, to, routes, local, trunk } = telephone.clone();
    let settings = &shared.settings;
    let address = shared.public_address(local);
    let place = trunk;
    let trunk = place.and_then(|place| settings.trunks.get(place));
    let named = trunk.and_then(|trunk| trunk.media_address).filter(|media| media.is_ipv4() == address.is_ipv4());
    let media = LocalMedia {
        address: named.unwrap_or(address),
        rtp_port,
        rtcp_port,
        session_id: clock::random_u64() >> 1,
        version: 1,
        codecs: trunk.map_or(settings.codecs, |trunk| trunk.codecs),
        ptime: trunk.map_or(settings.ptime, |trunk| trunk.ptime),
    };
    let from = match start.number.as_ref().filter(|number| is_number(number)) {
        Some(number) => format!("<sip:{number}@{}>", host(address)),
        // RFC 3323 §4.1.1.3.
        None => "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into(),
    };
    OutgoingSetup {
        uri,
        to,
        routes,
        from,
        credentials: place.and_then(|place| shared.services.registrations.credentials(place)),
        local: Local {
            contact_uri: format!("sip:{}", SocketAddr::new(address, local.port())),
            seed: clock::random_u64(),
            session_expires: trunk.map_or(settings.session_expires, |trunk| trunk.session_expires),
            min_se: trunk.map_or(settings.min_se, |trunk| trunk.min_se),
            peers: place.map_or_else(|| PeerAddresses::new(|_| false), |place| peers(shared, place)),
        },
        media,
        prefer: start.prefer,
        policy: MediaPolicy {
            dtmf: trunk.map_or(settings.dtmf, |trunk| trunk.dtmf),
            lead_in: Duration::ZERO,
            jitter_buffer: trunk.map_or(settings.jitter_buffer, |trunk| trunk.jitter_buffer),
            // A registered telephone may be behind NAT.
            symmetric: trunk.is_none_or(|trunk| trunk.symmetric || trunk.is_loopback()),
            srtp: trunk.map_or(settings.srtp, |trunk| trunk.srtp),
        },
        media_secret: clock::random_octets(),
        media_addresses: match place {
            Some(place) => media_addresses(shared, place, local.port()),
            None => desk_addresses(shared, local.port()),
        },
        ring_limit,
    }
}

/// Media of a registered telephone goes to the networks that telephones register from; elsewhere only to where packets come
/// from.
fn desk_addresses(shared: &Arc<Shared>, sip_port: u16) -> MediaAddresses {
    let (media, registrar) = (Arc::clone(&shared.services.media), shared.services.registrar.clone());
    MediaAddresses::new(move |address| {
        let ours = media.is_local(address.ip()) && address.port() == sip_port;
        if address.port() < super::calls::PORT_MIN || ours || media.owns(address) {
            MediaAddress::Refused
        } else if registrar.as_ref().is_some_and(|registrar| registrar.accepts(address.ip())) {
            MediaAddress::Allowed
        } else {
            MediaAddress::Learn
        }
    })
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.len() <= 32 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn host(address: std::net::IpAddr) -> String {
    if address.is_ipv4() { address.to_string() } else { format!("[{address}]") }
}

struct Task {
    shared: Arc<Shared>,
    sender: Sender,
    registration: OutgoingRegistration,
    call: OutgoingCall,
    session: SessionId,
    bank: Arc<Bank>,
    /// Given to the media session when it begins.
    events: Option<mpsc::Sender<MediaEvent>>,
    inbox: mpsc::Sender<OutgoingInput>,
    reports: mpsc::Sender<QueueMessage>,
    offer: OfferId,
    is_over: bool,
    /// The line of the trunk that the call goes by, until the call is over.
    line: Option<Permit>,
    /// The last INVITE, if it went to a host by its name.
    invite: Option<Bytes>,
    registry: Arc<Registry>,
    sound: CallSound,
    /// What the call began with, and the telephones that were not called yet.
    start: AgentCallStart,
    ring_until: Instant,
    /// When a telephone that has not answered at all gives way to the next one.
    silent_at: Instant,
    has_rung: bool,
    /// The telephone could not be reached: the next one is called, or the call is over.
    failed: Option<OutgoingEnd>,
    /// The calls to telephones that were called earlier, each until its last response; they do not hold up the end of the node.
    earlier: Vec<(OutgoingCall, OutgoingRegistration)>,
}

impl Task {
    async fn run(
        mut self,
        first: Vec<OutgoingOutput>,
        mut arrivals: mpsc::Receiver<OutgoingInput>,
        mut media: mpsc::Receiver<MediaEvent>,
    ) {
        if self.perform(first).await {
            return;
        }
        let mut listening = true;
        let sleep = sleep_until(far(clock::now()).into());
        tokio::pin!(sleep);
        loop {
            let due = self.due();
            reset(sleep.as_mut(), due.unwrap_or_else(|| far(clock::now())));
            let input = tokio::select! {
                biased;
                arrived = arrivals.recv() => match arrived {
                    Some(input) => input,
                    None => return,
                },
                event = media.recv(), if listening => {
                    listening = event.is_some();
                    OutgoingInput::Media(event.unwrap_or(MediaEvent::PeerLost))
                }
                () = sleep.as_mut() => OutgoingInput::Deadline,
            };
            let now = clock::now();
            let Some(input) = self.take_for_earlier(now, input) else { continue };
            let outputs = match input {
                OutgoingInput::Deadline if self.is_silent(now) => self.call_next(now).unwrap_or_else(|| {
                    self.start.others.clear();
                    Vec::new()
                }),
                input => {
                    if matches!(input, OutgoingInput::Sip(_)) {
                        self.silent_at = far(now);
                    }
                    self.call.handle_input(now, input)
                }
            };
            if self.perform(outputs).await {
                return;
            }
            if let Some(end) = self.failed.take() {
                match self.call_next(now) {
                    Some(first) => {
                        self.perform(first).await;
                    }
                    None => {
                        self.over(end).await;
                        if !self.call.awaits_response() {
                            self.registration.settle();
                        }
                        if self.call.deadline().is_none() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// When something is due.
    fn due(&self) -> Option<Instant> {
        let of = |call: &OutgoingCall| call.deadline().map(|deadline| deadline.at);
        let before = self.earlier.iter().filter_map(|(call, _)| of(call)).min();
        let silent = (!self.start.others.is_empty() && !self.is_over).then_some(self.silent_at);
        [of(&self.call), before, silent].into_iter().flatten().min()
    }

    fn is_silent(&self, now: Instant) -> bool {
        !self.start.others.is_empty() && !self.is_over && self.silent_at <= now
    }

    /// Gives an input to the earlier call that it belongs to; any other is returned.
    fn take_for_earlier(&mut self, now: Instant, input: OutgoingInput) -> Option<OutgoingInput> {
        let is_for = |(call, _): &(OutgoingCall, OutgoingRegistration)| match &input {
            OutgoingInput::Sip(received) => received.0.call_id() == call.call_id(),
            OutgoingInput::Deadline => call.deadline().is_some_and(|deadline| deadline.at <= now),
            _ => false,
        };
        let Some(at) = self.earlier.iter().position(is_for) else { return Some(input) };
        let outputs = self.earlier[at].0.handle_input(now, input);
        if self.send_for_earlier(outputs) {
            self.earlier.remove(at);
        }
        None
    }

    /// Sends what an earlier call wants to send; whether that call is gone.
    fn send_for_earlier(&self, outputs: Vec<OutgoingOutput>) -> bool {
        let mut is_gone = false;
        for output in outputs {
            match output {
                OutgoingOutput::Send(outgoing) => self.shared.sender.send(outgoing, || {}),
                OutgoingOutput::Gone => is_gone = true,
                _ => {}
            }
        }
        is_gone
    }

    /// Calls the next telephone in place of one that is silent or cannot be reached; none: there is no other, or no time is left.
    fn call_next(&mut self, now: Instant) -> Option<Vec<OutgoingOutput>> {
        let left = self.ring_until.checked_duration_since(now).filter(|left| *left >= RING_MIN)?;
        let telephone = self.start.others.pop_front()?;
        let session = &self.sound.session;
        let ports = (session.rtp_port, session.rtcp_port);
        let (call, first) = OutgoingCall::new(now, setup(&self.shared, &self.start, &telephone, (ports, left)));
        let registration = self.registry.register_outgoing(call.call_id(), self.inbox.clone(), self.sound);
        let mut earlier = std::mem::replace(&mut self.call, call);
        let of_earlier = earlier.handle_input(now, OutgoingInput::HangUp);
        let mut of_earlier_call = std::mem::replace(&mut self.registration, registration);
        of_earlier_call.settle();
        if !self.send_for_earlier(of_earlier) && earlier.deadline().is_some() {
            self.earlier.push((earlier, of_earlier_call));
        }
        self.invite = None;
        self.silent_at = now + SILENT;
        tracing::debug!(offer = self.offer.0, "another telephone of the agent is called");
        Some(first)
    }

    /// Performs outputs in order; true when the call is gone.
    async fn perform(&mut self, outputs: Vec<OutgoingOutput>) -> bool {
        let media = Arc::clone(&self.shared.services.media);
        let mut busy = false;
        for output in outputs {
            match output {
                OutgoingOutput::Send(outgoing) => self.send(outgoing),
                OutgoingOutput::StartMedia(setup) => {
                    if let Some(events) = self.events.take() {
                        busy |= media.begin(self.session, setup, Arc::clone(&self.bank), events).is_err();
                    }
                }
                // The session is for the next telephone, if there is one; the end of the call closes it.
                OutgoingOutput::Media(MediaCommand::Close) => {}
                OutgoingOutput::Media(command) => busy |= media.command(self.session, command).is_err(),
                OutgoingOutput::Ringing => {
                    self.has_rung = true;
                    self.report(AgentReport::Ringing).await;
                }
                OutgoingOutput::Answered => self.report(AgentReport::Answered).await,
                OutgoingOutput::Key(key) => self.report(AgentReport::Key(key)).await,
                OutgoingOutput::Over(end @ OutgoingEnd::Failed(_))
                    if !self.has_rung && !self.start.others.is_empty() && self.events.is_some() =>
                {
                    self.failed = Some(end);
                }
                OutgoingOutput::Over(end) => self.over(end).await,
                OutgoingOutput::Gone if self.failed.is_some() => {}
                OutgoingOutput::Gone => return true,
            }
        }
        if busy {
            tracing::warn!("the media thread does not keep up: an agent's call ends");
            let _ = self.inbox.try_send(OutgoingInput::HangUp);
        }
        if self.is_over && !self.call.awaits_response() {
            self.registration.settle();
        }
        false
    }

    async fn over(&mut self, end: OutgoingEnd) {
        // The leg still answers late retransmissions for 32 s; the line and the ports are free for other calls.
        self.is_over = true;
        if let (OutgoingEnd::Failed(Some(408 | 503)), Some(invite)) = (end, &self.invite) {
            self.sender.overloaded(invite);
        }
        self.line = None;
        self.shared.services.media.close(self.session);
        self.report(AgentReport::Over(end)).await;
    }

    fn send(&mut self, outgoing: sip::Outgoing) {
        if outgoing.is_invite_to_host() {
            self.invite = Some(outgoing.bytes.clone());
        }
        let (inbox, message) = (self.inbox.clone(), outgoing.bytes.clone());
        self.sender.send(outgoing, move || {
            let _ = inbox.try_send(OutgoingInput::Undelivered(message));
        });
    }

    async fn report(&self, report: AgentReport) {
        let _ = self.reports.send(QueueMessage::Agent(self.offer, report)).await;
    }
}

/// However the task ends, its media session is closed and the queue knows.
impl Drop for Task {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.services.media.close(self.session);
            let over = QueueMessage::Agent(self.offer, AgentReport::Over(OutgoingEnd::Failed(None)));
            let _ = self.reports.try_send(over);
        }
    }
}

/// A telephone that can be reached answers an INVITE at once, at least with a provisional response.
const SILENT: Duration = Duration::from_secs(4);
/// With less time than that left no other telephone is called.
const RING_MIN: Duration = Duration::from_secs(3);
/// Inputs that wait for one call, and events of its media.
const INBOX_SIZE: usize = 64;
const MEDIA_QUEUE: usize = 64;
