//! One media session: a stream with its sockets.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::id::SessionId;
use super::metrics::{MediaMetrics, add};
use super::ports::Pair;
use super::sys::{self, BATCH, Batch};
use call::{MediaCommand, MediaEvent, MediaFrame, MediaSession, Relay, SrtpDrop};

/// A session that has begun.
pub(super) struct Session {
    pub pair: Pair,
    pub stream: MediaSession,
    /// The session whose sound this one sends.
    pub bridged_with: Option<SessionId>,
    events: Sender<MediaEvent>,
    /// Whom the RTP socket is connected to.
    connected: Option<SocketAddr>,
}

/// The buffers that the sessions of a thread share, and its counters.
pub(super) struct Buffers<'a> {
    pub frame: &'a mut MediaFrame,
    pub batch: &'a mut Batch,
    pub events: &'a mut Vec<MediaEvent>,
    pub metrics: &'a MediaMetrics,
}

/// Whether a session goes on.
pub(super) type Flow = ControlFlow<()>;

impl Session {
    pub(crate) fn new(pair: Pair, stream: MediaSession, events: Sender<MediaEvent>) -> Session {
        Session { pair, stream, bridged_with: None, events, connected: None }
    }

    /// Sends what is due; `relay` is the sound of the session that this one is bridged with.
    pub(crate) fn tick(&mut self, now: Instant, relay: Option<&mut Relay>, buffers: &mut Buffers<'_>) -> Flow {
        let due = self.stream.deadline();
        if now >= due {
            buffers.metrics.late(now - due);
        }
        self.stream.tick(now, relay, buffers.frame, buffers.events);
        self.follow_source(now);
        add(&buffers.metrics.packets_skipped, buffers.frame.skipped().into());
        self.send(buffers);
        self.report(buffers)
    }

    /// Performs a command of the control plane.
    pub(crate) fn command(&mut self, now: Instant, command: MediaCommand, buffers: &mut Buffers<'_>) -> Flow {
        if let Err(missing) = self.stream.command(now, command, buffers.events) {
            add(&buffers.metrics.clips_missing, 1);
            tracing::error!(clip = %missing.0.id, lang = missing.0.lang.code(), "{missing}");
        }
        self.follow_source(now);
        self.report(buffers)
    }

    /// Reads the RTP port.
    pub(crate) fn rtp_ready(&mut self, now: Instant, buffers: &mut Buffers<'_>) -> Flow {
        for _ in 0..ROUNDS {
            let count = buffers.batch.receive(&self.pair.rtp);
            for (datagram, from) in (0..count).filter_map(|n| buffers.batch.datagram(n)) {
                self.stream.handle_packet(now, datagram, from, buffers.events);
            }
            add(&buffers.metrics.packets_received, count as u64);
            if count < BATCH {
                break;
            }
        }
        self.follow_source(now);
        self.report(buffers)
    }

    /// Reads the RTCP port.
    pub(crate) fn rtcp_ready(&mut self, now: Instant, buffers: &mut Buffers<'_>) {
        let count = buffers.batch.receive(&self.pair.rtcp);
        for (datagram, from) in (0..count).filter_map(|n| buffers.batch.datagram(n)) {
            self.stream.handle_rtcp(now, datagram, from);
        }
    }

    /// Says goodbye (RFC 3550 §6.6) and gives the sockets back.
    pub(crate) fn close(mut self, now: Instant, buffers: &mut Buffers<'_>) -> Pair {
        let _ = self.command(now, MediaCommand::Close, buffers);
        self.stream.goodbye(now, buffers.frame);
        self.send(buffers);
        let quality = self.stream.quality();
        add(&buffers.metrics.packets_lost, quality.packets_lost);
        add(&buffers.metrics.packets_refused, quality.packets_refused);
        for (counter, reason) in buffers.metrics.srtp_dropped.iter().zip(SrtpDrop::ALL) {
            add(counter, quality.srtp_dropped.of(reason));
        }
        self.pair
    }

    fn send(&mut self, buffers: &Buffers<'_>) {
        if !buffers.frame.rtp().is_empty() {
            let sent = match (self.connected, self.stream.rtp_target()) {
                (Some(_), _) => self.pair.rtp.send(buffers.frame.rtp()),
                (None, Some(target)) => self.pair.rtp.send_to(buffers.frame.rtp(), target),
                (None, None) => return,
            };
            add(if sent.is_ok() { &buffers.metrics.packets_sent } else { &buffers.metrics.send_errors }, 1);
        }
        if !buffers.frame.rtcp().is_empty()
            && let Err(_unsent) = self.send_rtcp(buffers.frame.rtcp())
        {
            add(&buffers.metrics.send_errors, 1);
        }
    }

    fn send_rtcp(&self, report: &[u8]) -> io::Result<()> {
        let Some(target) = self.stream.rtcp_target() else { return Ok(()) };
        match (self.stream.rtcp_mux(), self.connected) {
            (true, Some(_)) => self.pair.rtp.send(report)?,
            (true, None) => self.pair.rtp.send_to(report, target)?,
            (false, _) => self.pair.rtcp.send_to(report, target)?,
        };
        Ok(())
    }

    /// Connects the RTP socket to the source that speaks from where the SDP names it, or frees it to hear others. A
    /// refusal costs nothing: the stream itself knows its peer, too.
    fn follow_source(&mut self, now: Instant) {
        let steady = self.stream.steady_source(now);
        if steady == self.connected {
            return;
        }
        self.connected = match steady {
            Some(peer) => self.pair.rtp.connect(peer).ok().map(|()| peer),
            None => sys::disconnect(&self.pair.rtp).err().and(self.connected),
        };
    }

    /// Gives the events to the call; a call that takes none loses its session.
    fn report(&mut self, buffers: &mut Buffers<'_>) -> Flow {
        let mut flow = if self.events.is_closed() { Flow::Break(()) } else { Flow::Continue(()) };
        for event in buffers.events.drain(..) {
            if self.events.try_send(event).is_err() {
                flow = Flow::Break(());
                add(&buffers.metrics.events_dropped, 1);
            }
        }
        flow
    }
}

/// Batches read from one socket before the others have their turn.
const ROUNDS: usize = 4;
