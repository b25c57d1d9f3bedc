//! One media session: a stream with its sockets.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::io::Sockets;
use super::links::Links;
use super::metrics::{MediaMetrics, Tally, add};
use super::packet_trace::{PacketTraceSender, Way};
use super::ports::Pair;
use super::sys;
use super::tap::SessionTap;
use call::{MediaCommand, MediaEvent, MediaFrame, MediaSession, Relay, SrtpDrop};

/// A session that has begun.
pub(super) struct Session {
    pub pair: Pair,
    pub stream: MediaSession,
    /// How often the session stands in the wheel.
    pub entries: u8,
    /// The sessions whose sound this one sends, and those that send its own.
    pub links: Links,
    /// What it does for the recording of a conversation.
    pub tap: Option<SessionTap>,
    /// Takes the headers of its packets.
    pub trace: Option<Box<PacketTraceSender>>,
    events: Sender<MediaEvent>,
    /// Packet times until it is asked again whether the call still listens.
    until_asked: u8,
    /// Whom the RTP socket is connected to.
    connected: Option<SocketAddr>,
    /// Until then it stays unconnected: a call that soon ends costs no system call for it.
    unconnected_until: Instant,
}

/// The buffers that the sessions of a thread share, and its counters.
pub(super) struct Buffers<'a> {
    pub frame: &'a mut MediaFrame,
    pub sockets: &'a mut Sockets,
    pub events: &'a mut Vec<MediaEvent>,
    pub tally: &'a mut Tally,
    pub metrics: &'a MediaMetrics,
}

/// Whether a session goes on.
pub(super) type Flow = ControlFlow<()>;

impl Session {
    pub(crate) fn new(now: Instant, pair: Pair, stream: MediaSession, events: Sender<MediaEvent>) -> Session {
        let (entries, until_asked) = (1, ASK_AFTER);
        Session {
            pair,
            stream,
            entries,
            links: Links::default(),
            tap: None,
            trace: None,
            events,
            until_asked,
            connected: None,
            unconnected_until: now + UNCONNECTED,
        }
    }

    /// Whether what the wheel has given out is an entry that an earlier one replaced; it is used up then.
    pub(crate) fn is_superseded(&mut self, now: Instant) -> bool {
        let superseded = self.entries > 1 && now < self.stream.deadline();
        self.entries -= u8::from(superseded);
        superseded
    }

    /// Sends what is due; `relays` hold the sound of the sessions that this one hears.
    pub(crate) fn tick(&mut self, now: Instant, relays: &mut [Option<Box<Relay>>], buffers: &mut Buffers<'_>) -> Flow {
        let due = self.stream.deadline();
        if now >= due {
            buffers.tally.late(now - due);
        }
        self.stream.tick(now, relays, buffers.frame, buffers.events);
        self.take_tapped();
        self.follow_source(now);
        buffers.tally.skipped += u64::from(buffers.frame.skipped());
        self.send(buffers);
        self.until_asked -= 1;
        if self.until_asked == 0 {
            self.until_asked = ASK_AFTER;
            if self.events.is_closed() {
                return Flow::Break(());
            }
        }
        self.report(buffers)
    }

    /// Begins to take its peer's sound for the recording of a conversation.
    pub(crate) fn begin_tap(&mut self, now: Instant, tap: SessionTap) {
        self.stream.begin_tap(now);
        self.tap = Some(tap);
    }

    /// Gives what has become due to the recording.
    pub(crate) fn take_tapped(&mut self) {
        if let Some(tap) = &self.tap {
            self.stream.take_tapped(tap.is_open(&self.links), |block| tap.send(block));
        }
    }

    /// Whether its peer's sound is taken for a recording.
    pub(crate) fn is_recorded(&self) -> bool {
        self.tap.is_some() || self.stream.is_recording()
    }

    /// Ends its part of the recording.
    pub(crate) fn end_tap(&mut self) {
        if let Some(tap) = self.tap.take() {
            self.stream.end_tap(|block| tap.send(block));
        }
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

    /// Takes a datagram that came to the RTP port.
    pub(crate) fn rtp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr, events: &mut Vec<MediaEvent>) {
        self.traced(Way { is_sent: false, at_rtcp_port: false }, Some(from), datagram);
        self.stream.handle_packet(now, datagram, from, events);
        self.follow_source(now);
    }

    /// Takes a datagram that came to the RTCP port.
    pub(crate) fn rtcp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr) {
        self.traced(Way { is_sent: false, at_rtcp_port: true }, Some(from), datagram);
        self.stream.handle_rtcp(now, datagram, from);
    }

    /// Says goodbye (RFC 3550 §6.6).
    pub(crate) fn close(&mut self, now: Instant, buffers: &mut Buffers<'_>) {
        self.end_tap();
        let _ = self.command(now, MediaCommand::Close, buffers);
        self.stream.goodbye(now, buffers.frame);
        self.send(buffers);
        let quality = self.stream.quality();
        add(&buffers.metrics.packets_lost, quality.packets_lost);
        add(&buffers.metrics.packets_refused, quality.packets_refused);
        for (counter, reason) in buffers.metrics.srtp_dropped.iter().zip(SrtpDrop::ALL) {
            add(counter, quality.srtp_dropped.of(reason));
        }
    }

    /// Its sockets, and whether the RTP socket is connected.
    pub(crate) fn into_pair(self) -> (Pair, bool) {
        (self.pair, self.connected.is_some())
    }

    fn send(&mut self, buffers: &mut Buffers<'_>) {
        if !buffers.frame.rtp().is_empty() {
            let to = match (self.connected, self.stream.rtp_target()) {
                (Some(_), _) => None,
                (None, Some(target)) => Some(target),
                (None, None) => return,
            };
            self.traced(Way { is_sent: true, at_rtcp_port: false }, to.or(self.connected), buffers.frame.rtp());
            let taken = buffers.sockets.send(&self.pair, to, buffers.frame.rtp());
            buffers.tally.sent += 1;
            buffers.tally.send_failed(u64::from(!taken));
        }
        if !buffers.frame.rtcp().is_empty()
            && let Err(_unsent) = self.send_rtcp(buffers.frame.rtcp())
        {
            add(&buffers.metrics.send_errors, 1);
        }
    }

    /// Gives the header of a packet to the trace of the call, if there is one.
    fn traced(&mut self, way: Way, peer: Option<SocketAddr>, octets: &[u8]) {
        if let (Some(trace), Some(peer)) = (&self.trace, peer)
            && !trace.take(way, peer, octets)
        {
            self.trace = None;
        }
    }

    fn send_rtcp(&mut self, report: &[u8]) -> io::Result<()> {
        let Some(target) = self.stream.rtcp_target() else { return Ok(()) };
        self.traced(Way { is_sent: true, at_rtcp_port: !self.stream.rtcp_mux() }, Some(target), report);
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
        if steady == self.connected || (self.connected.is_none() && now < self.unconnected_until) {
            return;
        }
        self.connected = match steady {
            Some(peer) => self.pair.rtp.connect(peer).ok().map(|()| peer),
            None => sys::disconnect(&self.pair.rtp).err().and(self.connected),
        };
    }

    /// Gives the events to the call; a call that takes none loses its session.
    pub(crate) fn report(&mut self, buffers: &mut Buffers<'_>) -> Flow {
        let mut flow = Flow::Continue(());
        for event in buffers.events.drain(..) {
            if self.events.try_send(event).is_err() {
                flow = Flow::Break(());
                add(&buffers.metrics.events_dropped, 1);
            }
        }
        flow
    }
}

const UNCONNECTED: Duration = Duration::from_secs(1);
/// A second of packets of 20 ms.
const ASK_AFTER: u8 = 50;
