//! The media plane: a few plain threads, each with its own streams' sockets, on an absolute 1 ms schedule.
//!
//! ```text
//!  control plane ── open / begin / command / close ──► Inbox (bounded) ──► media-0, media-1 …
//!                ◄─────── Event (bounded channel a call) ─────────────────┘     │ ▲
//!                                                          RTP, RTCP  ◄─────────┘ └─ epoll, recvmmsg
//!  Ports: bound pairs in quarantine or free ◄── close        open ──► the pair that has rested longest
//! ```
//!
//! Opening takes a bound pair of sockets from a pool, so that a call costs no `bind`. A stream's socket is connected to
//! its peer once the peer is known, so that the kernel refuses strangers.

mod line;
mod metrics;
mod ports;
mod sys;
mod thread;
mod wheel;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

pub use metrics::{LATENESS_BOUNDS_MS, MediaMetrics};
use ports::Ports;
use thread::{Inbox, Order, run};

use audio::Bank;
use call::{MediaCommand, MediaEvent, MediaLimits, MediaSetup};

/// What the media plane is given at start.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where sockets are bound: one address of each IP version, unspecified ones allowed.
    pub addresses: Vec<IpAddr>,
    /// First and last port; RTP takes the even ones, RTCP the next.
    pub ports: (u16, u16),
    pub threads: usize,
    /// A peer that is expected to send and does not for so long is reported as lost.
    pub media_timeout: Duration,
    /// Whether a stream believes the first source that sends RTP whatever its address (callers behind NAT).
    pub latch_any: bool,
}

/// Names one stream for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(u64);

/// A stream that has its ports, and sends nothing before [`MediaPlane::begin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenStream {
    pub id: StreamId,
    pub rtp_port: u16,
    pub rtcp_port: u16,
}

/// Why no stream can be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no media address of the IP version of {0} is configured")]
    NoAddress(IpAddr),
    #[error("every pair of ports in phone.media_ports is in use: widen the range")]
    PortsExhausted,
    #[error("no socket: {0}")]
    Socket(#[from] io::Error),
}

/// A media thread's inbox is full: it has not run for a long time. The call should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media thread does not keep up")]
pub struct MediaBusy;

/// All streams.
#[derive(Debug)]
pub struct MediaPlane {
    inboxes: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
    ports: Arc<Ports>,
    metrics: Arc<MediaMetrics>,
    next: AtomicU64,
}

impl MediaPlane {
    /// Binds the first pair of each address, to find out now whether it can be bound, and starts the threads.
    pub fn start(config: &MediaConfig) -> io::Result<MediaPlane> {
        sys::raise_file_limit();
        let ports = Arc::new(Ports::new(&config.addresses, config.ports)?);
        let metrics = Arc::new(MediaMetrics::default());
        let limits = MediaLimits { media_timeout: config.media_timeout, latch_any: config.latch_any };
        let mut plane =
            MediaPlane { inboxes: Vec::new(), threads: Vec::new(), ports, metrics, next: AtomicU64::new(0) };
        for number in 0..config.threads.max(1) {
            let inbox = Arc::new(Inbox::new()?);
            let thread =
                thread::Thread::new(Arc::clone(&inbox), Arc::clone(&plane.ports), Arc::clone(&plane.metrics), limits)?;
            plane.inboxes.push(inbox);
            let builder = std::thread::Builder::new().name(format!("media-{number}"));
            plane.threads.push(builder.spawn(move || run(thread))?);
        }
        Ok(plane)
    }

    /// Gives a new stream its ports, on an address of the same IP version as `local` (that address itself, if it is
    /// configured). The seed decides its SSRC and first numbers. A stream that is not begun within
    /// [`UNBEGUN_MAX`] is closed.
    pub fn open(&self, local: IpAddr, seed: u64) -> Result<OpenStream, OpenError> {
        let pair = self.ports.take(local, Instant::now())?;
        let id = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        let (rtp_port, rtcp_port) = pair.ports();
        // These orders are bounded by the ports.
        self.inbox(id).push_always(Order::Open { id, pair, seed });
        Ok(OpenStream { id, rtp_port, rtcp_port })
    }

    /// Starts sending and listening. Events go to `events`; a stream ends when that channel is full or closed.
    pub fn begin(
        &self,
        id: StreamId,
        setup: MediaSetup,
        bank: Arc<Bank>,
        events: Sender<MediaEvent>,
    ) -> Result<(), MediaBusy> {
        self.inbox(id).push(Order::Begin { id, setup: Box::new(setup), bank, events })
    }

    /// Tells a stream what to do. A stream that has ended takes no notice.
    pub fn command(&self, id: StreamId, command: MediaCommand) -> Result<(), MediaBusy> {
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
            | MediaCommand::Load(_) => self.inbox(id).push(Order::Command { id, command: Box::new(command) }),
        }
    }

    /// Ends a stream and frees its ports. A recording in progress is reported first.
    pub fn close(&self, id: StreamId) {
        self.inbox(id).push_always(Order::Close { id });
    }

    /// Counters, for the metrics page.
    pub fn metrics(&self) -> Arc<MediaMetrics> {
        Arc::clone(&self.metrics)
    }

    fn inbox(&self, id: StreamId) -> &Inbox {
        &self.inboxes[(id.0 % self.inboxes.len() as u64) as usize]
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

/// Longer than an INVITE can be without its ACK (64 × T1 = 32 s, RFC 3261 §17.2.1).
pub const UNBEGUN_MAX: Duration = Duration::from_secs(64);

#[cfg(test)]
mod tests;
