//! The stream connections, by their far end: who may have one, and which one a message takes.
//!
//! ```text
//!  accept ──► limits ──┬─► open ──► read, write (connection.rs) ──► gone
//!  connect ────────────┘
//! ```
//!
//! At the limit of an address, or of all, an idle connection gives way to a newer one: first those that never completed a
//! message, then the one that was silent longest. One that is in use keeps its place, and the newer one is closed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::outbox::{Outbox, Refused, Waiting};
use super::tap::Tap;
use os::clock;

/// What others hold of a connection.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) outbox: Arc<Outbox>,
    /// Closes the connection.
    pub(super) close: Arc<Notify>,
}

/// All connections.
#[derive(Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<SocketAddr, Stream>>,
    /// Octets that wait to be written.
    octets: Arc<AtomicUsize>,
    /// Where what is read and written can be captured.
    pub(super) tap: Arc<Tap>,
}

struct Stream {
    /// Also identifies the connection: a later one with the same far end has another.
    outbox: Arc<Outbox>,
    close: Arc<Notify>,
    heard: Instant,
    spoke: bool,
}

impl Streams {
    /// No connections yet.
    pub(super) fn new(tap: Arc<Tap>) -> Streams {
        Streams { tap, ..Streams::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message for the connection with a peer; never waits. It comes back if there is no such connection. A
    /// connection whose far end reads too little is closed, and the message fails.
    pub(super) fn send(&self, peer: SocketAddr, message: Waiting) -> Result<(), Waiting> {
        let found = self.lock().get(&peer).map(|stream| (Arc::clone(&stream.outbox), Arc::clone(&stream.close)));
        let Some((outbox, close)) = found else { return Err(message) };
        match outbox.push(message) {
            Ok(()) => Ok(()),
            Err(Refused::Closed(message)) => Err(message),
            Err(Refused::Full(message)) => {
                close.notify_one();
                message.fail();
                Ok(())
            }
        }
    }

    /// Enters a connection; one with the same far end is forgotten.
    pub(super) fn enter(&self, peer: SocketAddr) -> Ends {
        enter(&mut self.lock(), peer, &self.octets)
    }

    /// Enters a connection that is to be opened; `None` if there is one.
    pub(super) fn enter_if_none(&self, peer: SocketAddr) -> Option<Ends> {
        let mut open = self.lock();
        let has_one = open.get(&peer).is_some_and(|stream| !stream.outbox.is_finished());
        (!has_one).then(|| enter(&mut open, peer, &self.octets))
    }

    /// Closes the connection with a peer, if there is one.
    pub(super) fn close(&self, peer: SocketAddr) {
        if let Some(stream) = self.lock().remove(&peer) {
            stream.close.notify_one();
        }
    }

    /// Removes a connection, unless a later one has taken its place.
    pub(super) fn remove(&self, peer: SocketAddr, outbox: &Arc<Outbox>) {
        let mut open = self.lock();
        if open.get(&peer).is_some_and(|stream| Arc::ptr_eq(&stream.outbox, outbox)) {
            open.remove(&peer);
        }
    }

    /// Something came from a peer; `spoke`: it has completed a message.
    pub(super) fn heard(&self, peer: SocketAddr, spoke: bool) {
        if let Some(stream) = self.lock().get_mut(&peer) {
            stream.heard = clock::now();
            stream.spoke |= spoke;
        }
    }

    /// Octets that wait to be written.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.octets.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether a new connection from an address has a place; an idle one may lose its own.
    pub(super) fn make_room(&self, address: IpAddr) -> bool {
        let mut open = self.lock();
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        let from = open.keys().filter(|peer| peer.ip() == address).count();
        let crowded = if from >= ADDRESS_STREAMS_MAX {
            address
        } else if open.len() >= STREAMS_MAX {
            // The address that has most gives one up, so that none can drive out the others.
            open.keys().for_each(|peer| *counts.entry(peer.ip()).or_default() += 1);
            counts.into_iter().max_by_key(|(_, count)| *count).map_or(address, |(crowded, _)| crowded)
        } else {
            return true;
        };
        let of_it = open.iter().filter(|(peer, _)| peer.ip() == crowded);
        let idlest = of_it.min_by_key(|(_, stream)| (stream.spoke, stream.heard));
        let busy_since = clock::now().checked_sub(BUSY);
        let idle = |stream: &Stream| !stream.spoke || busy_since.is_none_or(|since| stream.heard < since);
        let Some(peer) = idlest.filter(|(_, stream)| idle(stream)).map(|(peer, _)| *peer) else { return false };
        if let Some(stream) = open.remove(&peer) {
            stream.close.notify_one();
        }
        true
    }
}

/// Small messages leave at once, and a connection whose far end is gone without a word ends: what was sent must be acknowledged in
/// time, and a silent one is asked (RFC 5482, RFC 9293 §3.8.4).
pub(super) fn set_options(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY));
}

fn enter(open: &mut HashMap<SocketAddr, Stream>, peer: SocketAddr, octets: &Arc<AtomicUsize>) -> Ends {
    let ends = Ends { outbox: Arc::new(Outbox::new(Arc::clone(octets))), close: Arc::default() };
    let Ends { outbox, close } = ends.clone();
    open.insert(peer, Stream { outbox, close, heard: clock::now(), spoke: false });
    ends
}

/// As long as a SIP transaction (RFC 3261 Table 4, Timer B and F).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(32);
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(10);
/// Connections of one address. Some trunks open one for each call.
pub(super) const ADDRESS_STREAMS_MAX: usize = 1024;
const STREAMS_MAX: usize = 4096;
/// A connection that completed a message within this time may have a transaction in progress (RFC 3261 Table 4).
const BUSY: Duration = Duration::from_secs(32);
