//! A call to an agent's telephone: one task, which drives [`OutgoingCall`] and reports to the queue.
//!
//! ```text
//!  inbox (SIP, hang up) ─┐
//!  media events ─────────┼─► call::OutgoingCall ──► SIP, media
//!  deadline ─────────────┘             └──► reports: answered, key, over
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
use call::{MediaEvent, MediaPolicy, OutgoingCall, OutgoingEnd, OutgoingInput, OutgoingOutput, OutgoingSetup};
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
        let (offer, trunk) = (start.offer, start.telephone.trunk);
        let setup = setup(shared, start, (session.rtp_port, session.rtcp_port));
        let (call, first) = OutgoingCall::new(clock::now(), setup);
        let (events, media_events) = mpsc::channel(MEDIA_QUEUE);
        let task = Task {
            registration: registry.register_outgoing(call.call_id(), inbox.clone(), CallSound { address, session }),
            sender: trunk.map_or_else(|| shared.sender.clone(), |trunk| shared.sender.for_trunk(trunk)),
            bank: Arc::clone(&shared.services.live.load().bank),
            shared: Arc::clone(shared),
            session: session.id,
            events: Some(events),
            inbox: inbox.clone(),
            reports: reports.clone(),
            offer,
            is_over: false,
            call,
            line,
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
fn setup(shared: &Arc<Shared>, start: AgentCallStart, (rtp_port, rtcp_port): (u16, u16)) -> OutgoingSetup {
    let Telephone { uri, to, routes, local, trunk } = start.telephone;
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
    let from = match start.number.filter(|number| is_number(number)) {
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
        ring_limit: start.ring_limit,
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
            let due = self.call.deadline().map(|deadline| deadline.at);
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
            let outputs = self.call.handle_input(clock::now(), input);
            if self.perform(outputs).await {
                return;
            }
        }
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
                OutgoingOutput::Media(command) => busy |= media.command(self.session, command).is_err(),
                OutgoingOutput::Ringing => self.report(AgentReport::Ringing).await,
                OutgoingOutput::Answered => self.report(AgentReport::Answered).await,
                OutgoingOutput::Key(key) => self.report(AgentReport::Key(key)).await,
                OutgoingOutput::Over(end) => {
                    // The leg still answers late retransmissions for 32 s; the line and the ports are free for other calls.
                    self.is_over = true;
                    self.line = None;
                    media.close(self.session);
                    self.report(AgentReport::Over(end)).await;
                }
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

    fn send(&self, outgoing: sip::Outgoing) {
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

/// Inputs that wait for one call, and events of its media.
const INBOX_SIZE: usize = 64;
const MEDIA_QUEUE: usize = 64;
