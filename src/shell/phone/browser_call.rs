//! A call to an agent whose telephone is a browser: one task, which carries the line's reports and its media session to the queue.
//!
//! ```text
//!  inbox (hang up) ─┐                         ┌──► browser_phone: ring, release
//!  line's reports ──┼──► this task ───────────┼──► media session, from the answer on
//!  media events ────┘                         └──► reports: rings, answered, key, over
//! ```
//!
//! The line itself decides (`webrtc::BrowserLine`). Its sound comes as RTP from a socket of this node: the media session treats it as any
//! other peer's, so that bridge, keys and limits are those of a desk telephone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::agent_call::AgentCall;
use super::queue_handle::{AgentReport, QueueMessage};
use super::services::Shared;
use audio::Bank;
use base::{Codec, DtmfMode};
use browser_phone::{BrowserCall, BrowserTelephones, CallNumber, LineEnd, LineReport};
use call::{MediaEvent, MediaSetup, OutgoingEnd, OutgoingInput};
use media::SessionId;
use os::clock;
use queue::OfferId;
use sdp::RemoteMedia;

/// What a call to a browser begins with.
pub(crate) struct BrowserCallStart<'a> {
    /// The offer that it is for.
    pub offer: OfferId,
    /// The agent's name.
    pub agent: &'a Arc<str>,
    /// The calling number that the page shows; none: it is withheld.
    pub number: Option<String>,
    /// The session that it will be bridged with, and its codec.
    pub beside: SessionId,
    pub prefer: Option<Codec>,
    pub ring_limit: Duration,
}

/// Begins the call. None if there is no media session for it.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    browsers: &Arc<BrowserTelephones>,
    start: BrowserCallStart<'_>,
    reports: &mpsc::Sender<QueueMessage>,
) -> Option<AgentCall> {
    let media = &shared.services.media;
    let session = match media.open_beside(start.beside, browsers.sound().ip(), clock::random_u64()) {
        Ok(session) => session,
        Err(error) => {
            tracing::warn!(%error, "an agent cannot be called: no media session");
            return None;
        }
    };
    let codec = start.prefer.unwrap_or(Codec::Alaw);
    let (agent, number, limit) = (start.agent, start.number, start.ring_limit);
    let ring = BrowserCall { agent, number, codec, limit, media_port: session.rtp_port };
    let (line, line_reports) = mpsc::channel(LINE_REPORTS);
    let Some(call) = browsers.ring(ring, line) else {
        tracing::warn!("an agent cannot be called: the telephones in browsers do not keep up");
        media.close(session.id);
        return None;
    };
    let (inbox, arrivals) = mpsc::channel(INBOX_SIZE);
    let (events, media_events) = mpsc::channel(MEDIA_QUEUE);
    let task = Task {
        shared: Arc::clone(shared),
        browsers: Arc::clone(browsers),
        call,
        codec,
        session: session.id,
        bank: Arc::clone(&shared.services.live.load().bank),
        events: Some(events),
        reports: reports.clone(),
        offer: start.offer,
        has_failed: false,
        is_over: false,
    };
    tokio::spawn(task.run(line_reports, arrivals, media_events));
    Some(AgentCall::of(inbox, session.id))
}

struct Task {
    shared: Arc<Shared>,
    browsers: Arc<BrowserTelephones>,
    call: CallNumber,
    codec: Codec,
    session: SessionId,
    bank: Arc<Bank>,
    /// Given to the media session when it begins.
    events: Option<mpsc::Sender<MediaEvent>>,
    reports: mpsc::Sender<QueueMessage>,
    offer: OfferId,
    /// The node ends the call since its sound cannot go on.
    has_failed: bool,
    is_over: bool,
}

impl Task {
    async fn run(
        mut self,
        mut line: mpsc::Receiver<LineReport>,
        mut arrivals: mpsc::Receiver<OutgoingInput>,
        mut media: mpsc::Receiver<MediaEvent>,
    ) {
        let mut listening = true;
        loop {
            tokio::select! {
                biased;
                report = line.recv() => match report {
                    Some(LineReport::Ringing) => self.report(AgentReport::Ringing).await,
                    Some(LineReport::Answered) => {
                        self.begin_media();
                        self.report(AgentReport::Answered).await;
                    }
                    Some(LineReport::Over(end)) => return self.over(end).await,
                    None => return self.over(LineEnd::Lost).await,
                },
                input = arrivals.recv() => match input {
                    Some(OutgoingInput::HangUp) => self.browsers.release(self.call),
                    Some(_) => {}
                    None => return self.browsers.release(self.call),
                },
                event = media.recv(), if listening => match event {
                    Some(MediaEvent::Key { key, .. }) => self.report(AgentReport::Key(key)).await,
                    Some(MediaEvent::PeerLost) => self.fail(),
                    // Nothing is played to an agent, and nothing recorded.
                    Some(_) => {}
                    None => {
                        listening = false;
                        self.fail();
                    }
                },
            }
        }
    }

    fn begin_media(&mut self) {
        let Some(events) = self.events.take() else { return };
        let setup = setup(self.codec, &self.browsers, self.shared.settings.jitter_buffer);
        if self.shared.services.media.begin(self.session, Box::new(setup), Arc::clone(&self.bank), events).is_err() {
            tracing::warn!("the media thread does not keep up: an agent's call ends");
            self.fail();
        }
    }

    fn fail(&mut self) {
        self.has_failed = true;
        self.browsers.release(self.call);
    }

    async fn over(&mut self, end: LineEnd) {
        self.is_over = true;
        let end = match end {
            _ if self.has_failed => OutgoingEnd::Failed(None),
            LineEnd::HungUp => OutgoingEnd::HungUp,
            LineEnd::Ended => OutgoingEnd::Ended,
            LineEnd::Withdrawn => OutgoingEnd::Withdrawn,
            LineEnd::NoAnswer => OutgoingEnd::NoAnswer,
            LineEnd::Declined => OutgoingEnd::Declined,
            LineEnd::Lost => OutgoingEnd::Failed(None),
        };
        self.report(AgentReport::Over(end)).await;
    }

    async fn report(&self, report: AgentReport) {
        let _ = self.reports.send(QueueMessage::Agent(self.offer, report)).await;
    }
}

/// However the task ends, its media session is closed and the queue knows.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.services.media.close(self.session);
        if !self.is_over {
            let over = QueueMessage::Agent(self.offer, AgentReport::Over(OutgoingEnd::Failed(None)));
            let _ = self.reports.try_send(over);
        }
    }
}

/// The media session's peer is a socket of this node, which knows the static payload numbers and 101 for telephone events.
fn setup(codec: Codec, browsers: &BrowserTelephones, jitter_buffer: Duration) -> MediaSetup {
    let sound = browsers.sound();
    MediaSetup {
        codec,
        payload: codec.static_payload(),
        event_payload: Some(EVENTS),
        receive: Codec::ALL.iter().map(|codec| (codec.static_payload(), *codec)).collect(),
        events: vec![EVENTS],
        ptime: Duration::from_millis(20),
        peer: Some(RemoteMedia { rtp: sound, rtcp: sound, rtcp_mux: true, learn: false }),
        signalling_address: None,
        symmetric: false,
        dtmf: DtmfMode::Rfc4733,
        lead_in: Duration::ZERO,
        jitter_buffer,
        srtp: None,
        sending: true,
        receiving: true,
    }
}

/// Of telephone events inside this node, as `webrtc` has it.
const EVENTS: u8 = 101;
/// Rings, answered, over.
const LINE_REPORTS: usize = 4;
const INBOX_SIZE: usize = 8;
const MEDIA_QUEUE: usize = 64;
