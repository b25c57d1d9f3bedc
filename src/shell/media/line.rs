//! One stream with its sockets.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::metrics::{MediaMetrics, add};
use super::ports::Pair;
use super::sys::{self, BATCH, Batch};
use call::{MediaCommand, MediaEvent, MediaFrame, MediaSession};

/// A stream at work.
pub(super) struct Line {
    pub pair: Pair,
    pub stream: MediaSession,
    events: Sender<MediaEvent>,
    /// Whom the RTP socket is connected to.
    connected: Option<SocketAddr>,
}

/// What a thread lends to its lines.
pub(super) struct Lent<'a> {
    pub frame: &'a mut MediaFrame,
    pub batch: &'a mut Batch,
    pub events: &'a mut Vec<MediaEvent>,
    pub metrics: &'a MediaMetrics,
}

/// Whether a line goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoesOn,
    Ends,
}

impl Line {
    pub(crate) fn new(pair: Pair, stream: MediaSession, events: Sender<MediaEvent>) -> Line {
        Line { pair, stream, events, connected: None }
    }

    /// Sends what is due.
    pub(crate) fn tick(&mut self, now: Instant, lent: &mut Lent<'_>) -> Fate {
        let due = self.stream.deadline();
        if now >= due {
            lent.metrics.late(now - due);
        }
        self.stream.tick(now, lent.frame, lent.events);
        add(&lent.metrics.packets_skipped, lent.frame.skipped().into());
        self.send(lent);
        self.tell(lent)
    }

    /// Does what the control plane says.
    pub(crate) fn command(&mut self, now: Instant, command: MediaCommand, lent: &mut Lent<'_>) -> Fate {
        if let Err(missing) = self.stream.command(now, command, lent.events) {
            add(&lent.metrics.clips_missing, 1);
            tracing::error!(clip = %missing.0.id, lang = missing.0.lang.code(), "{missing}");
        }
        self.follow_latch();
        self.tell(lent)
    }

    /// Reads the RTP port.
    pub(crate) fn rtp_ready(&mut self, now: Instant, lent: &mut Lent<'_>) -> Fate {
        for _ in 0..ROUNDS {
            let count = lent.batch.receive(&self.pair.rtp);
            for (datagram, from) in (0..count).filter_map(|n| lent.batch.datagram(n)) {
                self.stream.handle_packet(now, datagram, from, lent.events);
            }
            add(&lent.metrics.packets_received, count as u64);
            if count < BATCH {
                break;
            }
        }
        self.follow_latch();
        self.tell(lent)
    }

    /// Reads the RTCP port.
    pub(crate) fn rtcp_ready(&mut self, now: Instant, lent: &mut Lent<'_>) {
        let count = lent.batch.receive(&self.pair.rtcp);
        for (datagram, from) in (0..count).filter_map(|n| lent.batch.datagram(n)) {
            self.stream.handle_rtcp(now, datagram, from);
        }
    }

    /// Says goodbye and gives the sockets up.
    pub(crate) fn close(mut self, now: Instant, lent: &mut Lent<'_>) -> Pair {
        let _ = self.command(now, MediaCommand::Close, lent);
        self.stream.goodbye(now, lent.frame);
        self.send(lent);
        let quality = self.stream.quality();
        add(&lent.metrics.packets_lost, quality.packets_lost);
        add(&lent.metrics.packets_refused, quality.packets_refused);
        self.pair
    }

    fn send(&mut self, lent: &Lent<'_>) {
        if !lent.frame.rtp().is_empty() {
            let sent = match (self.connected, self.stream.rtp_target()) {
                (Some(_), _) => self.pair.rtp.send(lent.frame.rtp()),
                (None, Some(target)) => self.pair.rtp.send_to(lent.frame.rtp(), target),
                (None, None) => return,
            };
            add(if sent.is_ok() { &lent.metrics.packets_sent } else { &lent.metrics.send_errors }, 1);
        }
        if !lent.frame.rtcp().is_empty()
            && let Err(_unsent) = self.send_rtcp(lent.frame.rtcp())
        {
            add(&lent.metrics.send_errors, 1);
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

    /// Connects the RTP socket to the source that the stream has settled on, or frees it. A refusal costs nothing: the
    /// stream itself knows its peer, too.
    fn follow_latch(&mut self) {
        let latched = self.stream.remote_address();
        if latched == self.connected {
            return;
        }
        self.connected = match latched {
            Some(peer) => connect(&self.pair.rtp, peer).ok().map(|()| peer),
            None => sys::disconnect(&self.pair.rtp).err().and(self.connected),
        };
    }

    fn tell(&mut self, lent: &mut Lent<'_>) -> Fate {
        let mut fate = if self.events.is_closed() { Fate::Ends } else { Fate::GoesOn };
        for event in lent.events.drain(..) {
            if self.events.try_send(event).is_err() {
                fate = Fate::Ends;
                add(&lent.metrics.events_dropped, 1);
            }
        }
        fate
    }
}

fn connect(socket: &UdpSocket, peer: SocketAddr) -> io::Result<()> {
    socket.connect(peer)
}

/// Batches read from one socket before the others have their turn.
const ROUNDS: usize = 4;
