//! The control plane's handle on all sessions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::bridge::Hearing;
use super::error::{MediaBusy, OpenError};
use super::id::SessionId;
use super::inbox::{Inbox, Order};
use super::io::MediaIoInUse;
use super::metrics::MediaMetrics;
use super::packet_trace::PacketTraceSender;
use super::ports::Ports;
use super::sys;
use super::tap::TapSender;
use super::thread::{self, Shared};
use audio::Bank;
use base::MediaIo;
use call::{MediaCommand, MediaEvent, MediaLimits, MediaSetup};

/// What the media plane is given at start.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where sockets are bound: one address of each IP version, unspecified ones allowed.
    pub addresses: Vec<IpAddr>,
    /// First and last port; RTP takes the even ones, RTCP the next.
    pub ports: (u16, u16),
    /// How many media threads; 0 counts as 1.
    pub threads: usize,
    /// A peer that is expected to send and does not for this time is reported as lost.
    pub media_timeout: Duration,
    /// The same for a peer that need not send.
    pub hold_timeout: Duration,
    /// How the threads read and write their sockets.
    pub media_io: MediaIo,
    /// Whether each thread stays on a core of its own, as far as there are cores.
    pub pinned: bool,
}

/// A session that has its ports, and sends nothing before [`MediaPlane::begin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Names the session in every order.
    pub id: SessionId,
    /// The local port of its RTP.
    pub rtp_port: u16,
    /// The local port of its RTCP.
    pub rtcp_port: u16,
}

/// All sessions.
#[derive(Debug)]
pub struct MediaPlane {
    inboxes: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
    ports: Arc<Ports>,
    metrics: Arc<MediaMetrics>,
    next: AtomicU32,
    in_use: Vec<MediaIoInUse>,
}

impl MediaPlane {
    /// Binds the first pair of each address, to detect at once whether it can be bound, and starts the threads.
    ///
    /// # Errors
    /// That of the sockets, or of io_uring where that alone is asked for.
    pub fn start(config: &MediaConfig) -> io::Result<MediaPlane> {
        sys::raise_file_limit();
        let ports = Arc::new(Ports::new(&config.addresses, config.ports)?);
        let metrics = Arc::new(MediaMetrics::default());
        let limits = MediaLimits { media_timeout: config.media_timeout, hold_timeout: config.hold_timeout };
        let (next, in_use) = (AtomicU32::new(0), Vec::new());
        let mut plane = MediaPlane { inboxes: Vec::new(), threads: Vec::new(), ports, metrics, next, in_use };
        let count = config.threads.max(1);
        for number in 0..count {
            let shared = Shared {
                inbox: Arc::new(Inbox::new()?),
                ports: Arc::clone(&plane.ports),
                metrics: Arc::clone(&plane.metrics),
                limits,
                threads: count,
                media_io: config.media_io,
                core: config.pinned.then_some(number),
            };
            plane.inboxes.push(Arc::clone(&shared.inbox));
            let (started, has_started) = mpsc::sync_channel(1);
            let builder = std::thread::Builder::new().name(format!("media-{number}"));
            let run = move || thread::run(shared, |result| drop(started.send(result)));
            plane.threads.push(builder.spawn(run)?);
            let in_use =
                has_started.recv().map_err(|_ended| io::Error::other("a media thread ended at its start"))??;
            plane.in_use.push(in_use);
        }
        Ok(plane)
    }

    /// Gives a new session its ports, on an address of the same IP version as `local` (that address itself, if it is
    /// configured). The seed decides its SSRC and first numbers. A session that is not begun within 152 s is closed.
    ///
    /// # Errors
    /// No pair of ports is free, or a socket cannot be opened.
    pub fn open(&self, local: IpAddr, seed: u64) -> Result<OpenSession, OpenError> {
        self.open_where(local, seed, |_| true)
    }

    /// The same on the thread of another session, with which it can be bridged.
    pub fn open_beside(&self, beside: SessionId, local: IpAddr, seed: u64) -> Result<OpenSession, OpenError> {
        self.open_where(local, seed, |place| self.thread_of(place) == self.thread_of(beside.place))
    }

    fn open_where(&self, local: IpAddr, seed: u64, fits: impl Fn(u32) -> bool) -> Result<OpenSession, OpenError> {
        let pair = self.ports.take(local, Instant::now(), fits)?;
        let id = SessionId { place: pair.place(), serial: self.next.fetch_add(1, Ordering::Relaxed) };
        let (rtp_port, rtcp_port) = pair.ports();
        // These orders are bounded by the ports.
        self.inbox(id).push_always(Order::Open { id, pair, seed });
        Ok(OpenSession { id, rtp_port, rtcp_port })
    }

    /// Whether calls have their ports on this address.
    pub fn is_local(&self, address: IpAddr) -> bool {
        self.ports.is_local(address)
    }

    /// Whether a socket of this node receives media there.
    pub fn owns(&self, address: SocketAddr) -> bool {
        self.ports.owns(address)
    }

    /// Starts sending and listening. Events go to `events`; a session ends when that channel is full or closed.
    pub fn begin(
        &self,
        id: SessionId,
        setup: Box<MediaSetup>,
        bank: Arc<Bank>,
        events: Sender<MediaEvent>,
    ) -> Result<(), MediaBusy> {
        self.inbox(id).push(Order::Begin { id, setup, bank, events })
    }

    /// Commands a session. One that has ended ignores it.
    pub fn command(&self, id: SessionId, command: MediaCommand) -> Result<(), MediaBusy> {
        match command {
            MediaCommand::Close => {
                self.close(id);
                Ok(())
            }
            MediaCommand::Setup(_)
            | MediaCommand::Play { .. }
            | MediaCommand::Stop
            | MediaCommand::Record { .. }
            | MediaCommand::StopRecord
            | MediaCommand::SendKey(_)
            | MediaCommand::Mute(_)
            | MediaCommand::PeerAlive
            | MediaCommand::LoadNext(_)
            | MediaCommand::Load(_) => self.inbox(id).push(Order::Command { id, command }),
        }
    }

    /// Gives the header of each packet of a session to a trace, from now on until the session or the trace ends.
    pub fn trace(&self, id: SessionId, sender: PacketTraceSender) -> Result<(), MediaBusy> {
        self.inbox(id).push(Order::Trace { id, sender })
    }

    /// Lets two sessions hear each other; the second was opened beside the first. It ends with either of them.
    pub fn bridge(&self, one: SessionId, other: SessionId) -> Result<(), MediaBusy> {
        debug_assert_eq!(self.thread_of(one.place), self.thread_of(other.place), "opened beside each other");
        self.inbox(one).push(Order::Bridge { one, other })
    }

    /// Lets sessions hear exactly these others, all at once; they lie on one thread. What a listener hears already goes on without
    /// a gap. It ends with each of them.
    pub fn hear(&self, hearings: Vec<Hearing>) -> Result<(), MediaBusy> {
        let Some(first) = hearings.first().map(|hearing| hearing.listener) else { return Ok(()) };
        let all = || hearings.iter().flat_map(|one| one.sources.iter().flatten().chain([&one.listener]));
        debug_assert!(
            all().all(|id| self.thread_of(id.place) == self.thread_of(first.place)),
            "opened beside each other"
        );
        self.inbox(first).push(Order::Hear { hearings })
    }

    /// Parts a session from all that it hears and that hear it.
    pub fn unbridge(&self, id: SessionId) {
        self.inbox(id).push_always(Order::Unbridge { id });
    }

    /// Takes what the peers of two bridged sessions say, for a recording of their conversation, from now on. While they are not bridged
    /// with each other it is silence.
    pub fn tap(&self, caller: SessionId, agent: SessionId, sender: TapSender) -> Result<(), MediaBusy> {
        debug_assert_eq!(self.thread_of(caller.place), self.thread_of(agent.place), "opened beside each other");
        self.inbox(caller).push(Order::Tap { caller, agent, sender })
    }

    /// Takes silence in place of the sound of both sides, or sound again; `id` is one of the two sessions.
    pub fn pause_tap(&self, id: SessionId, paused: bool) -> Result<(), MediaBusy> {
        self.inbox(id).push(Order::PauseTap { id, paused })
    }

    /// Ends a tap; `id` is one of the two sessions. It ends by itself with both of them.
    pub fn end_tap(&self, id: SessionId) {
        self.inbox(id).push_always(Order::EndTap { id });
    }

    /// Ends a session and frees its ports. A recording in progress is reported first.
    pub fn close(&self, id: SessionId) {
        self.inbox(id).push_always(Order::Close { id });
    }

    /// How each thread reads and writes its sockets.
    pub fn in_use(&self) -> &[MediaIoInUse] {
        &self.in_use
    }

    /// The counters of all threads.
    pub fn metrics(&self) -> Arc<MediaMetrics> {
        Arc::clone(&self.metrics)
    }

    fn inbox(&self, id: SessionId) -> &Inbox {
        &self.inboxes[self.thread_of(id.place)]
    }

    fn thread_of(&self, place: u32) -> usize {
        place as usize % self.inboxes.len()
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            inbox.push_always(Order::Quit);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
