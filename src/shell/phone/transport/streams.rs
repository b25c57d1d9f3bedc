//! The stream connections, by their far end: who may have one, and which one a message takes.
//!
//! A response goes by the connection of its request (RFC 3261 §18.2.2), which its [`ConnectionId`] names. Another request takes a
//! connection of its transport and listener. Of TLS it takes one only that this node opened, and for the trunk and the name that
//! its far end was verified for (RFC 5922 §7, RFC 5923): an accepted one may be anybody's who has a certificate, or has none.
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
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::outbox::{Outbox, Refused, Waiting};
use super::tap::Tap;
use os::clock;
use sip::{ConnectionId, Transport};

/// What others hold of a connection.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) id: ConnectionId,
    pub(super) outbox: Arc<Outbox>,
    /// Closes the connection.
    pub(super) close: Arc<Notify>,
}

/// Which connections a message may take that is bound to none.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) transport: Transport,
    /// The listener that responses are to reach.
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    /// Whom the far end must be; none: the transport verifies nobody.
    pub(super) identity: Option<Identity>,
}

/// Whom the far end of a TLS connection is verified to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The place of the trunk whose rules verify the certificate.
    pub(super) trunk: Option<usize>,
    /// What the certificate must hold.
    pub(super) name: String,
}

/// All connections.
#[derive(Default)]
pub(super) struct Streams {
    open: Mutex<Open>,
    /// How many connections there have been.
    count: AtomicU64,
    /// Octets that wait to be written.
    octets: Arc<AtomicUsize>,
    /// Where what is read and written can be captured.
    pub(super) tap: Arc<Tap>,
}

/// The connections by their far end, each one's in the order in which they began.
type Open = HashMap<SocketAddr, Vec<Stream>>;

struct Stream {
    ends: Ends,
    transport: Transport,
    /// The listener, or the accepted connection's own address.
    local: SocketAddr,
    origin: Origin,
    heard: Instant,
    spoke: bool,
}

/// Who began a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Peer,
    /// This node, which has verified this identity, if any.
    Node(Option<Identity>),
}

impl Identity {
    /// Whether a far end of this identity is the one that is asked for. Within a trunk an address asks for no further name.
    fn is(&self, asked: &Identity) -> bool {
        let by_address = asked.trunk.is_some() && asked.name.parse::<IpAddr>().is_ok();
        self.trunk == asked.trunk && (by_address || self.name.eq_ignore_ascii_case(&asked.name))
    }
}

impl Stream {
    /// Whether a message may take it.
    fn serves(&self, route: &Route) -> bool {
        let verified = match (&route.identity, &self.origin) {
            (None, _) => route.transport != Transport::Tls,
            (Some(asked), Origin::Node(Some(identity))) => identity.is(asked),
            (Some(_), Origin::Node(None) | Origin::Peer) => false,
        };
        self.transport == route.transport && is_listener(self.local, route.local) && verified
    }
}

impl Streams {
    /// No connections yet.
    pub(super) fn new(tap: Arc<Tap>) -> Streams {
        Streams { tap, ..Streams::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message for a connection with a peer; never waits. It comes back if that connection is gone. A connection whose far
    /// end reads too little is closed, and the message fails.
    pub(super) fn send(&self, peer: SocketAddr, id: ConnectionId, message: Waiting) -> Result<(), Waiting> {
        let found = find(&self.lock(), peer, |stream| stream.ends.id == id);
        push(found, message)
    }

    /// The same for the newest connection that the message may take; it comes back if there is none.
    pub(super) fn send_by(&self, route: &Route, message: Waiting) -> Result<(), Waiting> {
        let found = find(&self.lock(), route.peer, |stream| stream.serves(route));
        push(found, message)
    }

    /// Enters a connection that a peer opened; an earlier one between the same two addresses is forgotten.
    pub(super) fn enter(&self, transport: Transport, local: SocketAddr, peer: SocketAddr) -> Ends {
        let mut open = self.lock();
        let is_earlier =
            |stream: &Stream| (stream.transport, stream.local, &stream.origin) == (transport, local, &Origin::Peer);
        remove(&mut open, peer, is_earlier);
        self.add(&mut open, peer, (transport, local, Origin::Peer))
    }

    /// Enters a connection that is to be opened; `None` if there is one that serves.
    pub(super) fn enter_if_none(&self, route: &Route) -> Option<Ends> {
        let mut open = self.lock();
        if find(&open, route.peer, |stream| stream.serves(route)).is_some() {
            return None;
        }
        let origin = Origin::Node(route.identity.clone());
        Some(self.add(&mut open, route.peer, (route.transport, route.local, origin)))
    }

    fn add(
        &self,
        open: &mut Open,
        peer: SocketAddr,
        (transport, local, origin): (Transport, SocketAddr, Origin),
    ) -> Ends {
        let id = ConnectionId(NonZeroU64::MIN.saturating_add(self.count.fetch_add(1, Ordering::Relaxed)));
        let outbox = Arc::new(Outbox::new(Arc::clone(&self.octets)));
        let ends = Ends { id, outbox, close: Arc::default() };
        let stream = Stream { ends: ends.clone(), transport, local, origin, heard: clock::now(), spoke: false };
        open.entry(peer).or_default().push(stream);
        ends
    }

    /// Closes the connections with a peer by which this trunk's messages go.
    pub(super) fn close(&self, transport: Transport, peer: SocketAddr, trunk: Option<usize>) {
        let is_of_trunk = |stream: &Stream| match &stream.origin {
            Origin::Node(Some(identity)) => identity.trunk == trunk,
            Origin::Node(None) | Origin::Peer => stream.transport != Transport::Tls,
        };
        let removed = remove(&mut self.lock(), peer, |stream| stream.transport == transport && is_of_trunk(stream));
        removed.iter().for_each(|stream| stream.ends.close.notify_one());
    }

    /// Closes a connection.
    pub(super) fn close_one(&self, peer: SocketAddr, id: ConnectionId) {
        let removed = remove(&mut self.lock(), peer, |stream| stream.ends.id == id);
        removed.iter().for_each(|stream| stream.ends.close.notify_one());
    }

    /// Removes a connection.
    pub(super) fn remove(&self, peer: SocketAddr, id: ConnectionId) {
        remove(&mut self.lock(), peer, |stream| stream.ends.id == id);
    }

    /// Something came by a connection; `spoke`: it has completed a message.
    pub(super) fn heard(&self, peer: SocketAddr, id: ConnectionId, spoke: bool) {
        let mut open = self.lock();
        let of_peer = open.get_mut(&peer).into_iter().flatten();
        for stream in of_peer.filter(|stream| stream.ends.id == id) {
            stream.heard = clock::now();
            stream.spoke |= spoke;
        }
    }

    /// Octets that wait to be written.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.octets.load(Ordering::Relaxed)
    }

    /// Whether a new connection from an address has a place; an idle one may lose its own.
    pub(super) fn make_room(&self, address: IpAddr) -> bool {
        let mut open = self.lock();
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        open.iter().for_each(|(peer, streams)| *counts.entry(peer.ip()).or_default() += streams.len());
        let crowded = if counts.get(&address).is_some_and(|count| *count >= ADDRESS_STREAMS_MAX) {
            address
        } else if counts.values().sum::<usize>() >= STREAMS_MAX {
            // The address that has most gives one up, so that none can drive out the others.
            counts.into_iter().max_by_key(|(_, count)| *count).map_or(address, |(crowded, _)| crowded)
        } else {
            return true;
        };
        let of_it = open.iter().filter(|(peer, _)| peer.ip() == crowded);
        let each = of_it.flat_map(|(peer, streams)| streams.iter().map(move |stream| (*peer, stream)));
        let idlest = each.min_by_key(|(_, stream)| (stream.spoke, stream.heard));
        let busy_since = clock::now().checked_sub(BUSY);
        let idle = |stream: &Stream| !stream.spoke || busy_since.is_none_or(|since| stream.heard < since);
        let given_up = idlest.filter(|(_, stream)| idle(stream)).map(|(peer, stream)| (peer, stream.ends.id));
        let Some((peer, id)) = given_up else { return false };
        let removed = remove(&mut open, peer, |stream| stream.ends.id == id);
        removed.iter().for_each(|stream| stream.ends.close.notify_one());
        true
    }
}

/// The newest connection with a peer for which `fits` is true and which takes messages.
fn find(open: &Open, peer: SocketAddr, fits: impl Fn(&Stream) -> bool) -> Option<Ends> {
    let of_peer = open.get(&peer)?;
    let found = of_peer.iter().rev().find(|stream| fits(stream) && !stream.ends.outbox.is_finished());
    found.map(|stream| stream.ends.clone())
}

/// Takes out the connections with a peer for which `fits` is true.
fn remove(open: &mut Open, peer: SocketAddr, fits: impl Fn(&Stream) -> bool) -> Vec<Stream> {
    let Some(of_peer) = open.get_mut(&peer) else { return Vec::new() };
    let removed = of_peer.extract_if(.., |stream| fits(stream)).collect();
    if of_peer.is_empty() {
        open.remove(&peer);
    }
    removed
}

fn push(found: Option<Ends>, message: Waiting) -> Result<(), Waiting> {
    let Some(Ends { outbox, close, .. }) = found else { return Err(message) };
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

/// Whether two local addresses are of one listener: one that is bound to no address accepts connections to any.
fn is_listener(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one == other || (one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && is_any)
}

/// Small messages leave at once, and a connection whose far end is gone without a word ends: what was sent must be acknowledged in
/// time, and a silent one is asked (RFC 5482, RFC 9293 §3.8.4).
pub(super) fn set_options(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY));
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
