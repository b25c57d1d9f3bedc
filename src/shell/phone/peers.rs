//! Whether the peers of a trunk are there: an OPTIONS to each, at the trunk's interval (RFC 3261 §11).
//!
//! ```text
//!  Unknown ──► any other final response ──► Reachable ◄────┐
//!     │              503 ──► Refusing ◄────────────────────┤  each further OPTIONS
//!     └───── no response, 408 ──► Unreachable ◄────────────┘
//! ```
//!
//! A peer that answers 404 or 405 is there, and takes calls perhaps; one that answers 503 says that it takes none. A 408 is what
//! a proxy says of a peer that does not answer it (RFC 3261 §8.1.3.1). Over UDP an OPTIONS is repeated twice before its silence
//! counts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::peer::{PeerAddress, PeerState};
use super::transport::Sender;
use super::trunks::{Trunks, as_set};
use os::clock;
use sip::{Message, Method, Outgoing, Target, Transport};

/// A socket that an OPTIONS may leave by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub transport: config::Transport,
    pub local: SocketAddr,
    /// Where peers reach it, for Via and Contact.
    pub named: SocketAddr,
}

/// Sends OPTIONS, and takes their responses.
pub(crate) struct Pings {
    sender: Sender,
    listeners: Vec<Listener>,
    waiting: Mutex<HashMap<String, oneshot::Sender<u16>>>,
}

impl Pings {
    pub(crate) fn new(sender: Sender, listeners: Vec<Listener>) -> Pings {
        Pings { sender, listeners, waiting: Mutex::default() }
    }

    /// Whether a message is the response to an OPTIONS of this node, which it is then taken for.
    pub(crate) fn take(&self, message: &Message) -> bool {
        let Some(status) = message.status().filter(|_| message.cseq().method == Method::Options) else { return false };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.contains_key(message.call_id()) {
            return false;
        }
        if status >= 200
            && let Some(asked) = waiting.remove(message.call_id())
        {
            // Without the sender the wait ends, and the silence counts at once.
            if status != TIMEOUT {
                let _ = asked.send(status);
            }
        }
        true
    }

    /// Asks every peer at its trunk's interval, in tasks that last as long as the runtime.
    pub(crate) fn start(self: &Arc<Self>, trunks: &Arc<Trunks>) {
        for (n, trunk) in trunks.states().iter().enumerate() {
            let Some(every) = trunk.settings.ping else { continue };
            for p in 0..trunk.peers.len() {
                let (pings, trunks) = (Arc::clone(self), Arc::clone(trunks));
                tokio::spawn(async move {
                    loop {
                        let trunk = &trunks.states()[n];
                        let peer = &trunk.peers[p];
                        let status = pings.ask_peer(n, &trunk.settings, &peer.address).await;
                        peer.learn(&trunk.settings.name, PeerState::of(status));
                        sleep(every).await;
                    }
                });
            }
        }
    }

    /// The status of the final response of a peer of the trunk at a place. The servers of a host are asked one after the
    /// other, until one answers.
    async fn ask_peer(&self, place: usize, trunk: &config::Trunk, peer: &PeerAddress) -> Option<u16> {
        let sender = self.sender.for_trunk(place);
        let (host, port) = match peer {
            PeerAddress::Address(address) => return self.ask(&sender, trunk.transport, *address).await,
            PeerAddress::Host { host, port } => (host, *port),
        };
        let transport = self.transport(trunk.transport)?;
        let located = sender.locate(host, port, transport).await.ok()?;
        let (sender, only) = (sender.for_host(host), Some(as_set(transport)));
        let mut last = None;
        for server in located.targets {
            let status = self.ask(&sender, only, server).await;
            if status.is_some_and(|status| status != 503) {
                return status;
            }
            // RFC 3263 §4.3: after 503 the next server is tried too.
            sender.silent(server);
            last = last.or(status);
        }
        last
    }

    /// The status of the final response; none: there was none.
    async fn ask(&self, sender: &Sender, only: Option<config::Transport>, peer: SocketAddr) -> Option<u16> {
        let (transport, Listener { local, named, .. }) = self.listener(only, peer)?;
        let id = format!("{:016x}@jindu", clock::random_u64());
        let (asked, mut response) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), asked);
        let bytes = options(transport, named, peer, &id);
        let sends = if transport.is_unreliable() { 3 } else { 1 };
        let mut status = None;
        for n in 0..sends {
            let to = Target::Address { transport, local, to: peer };
            sender.send(Outgoing { bytes: bytes.clone(), to }, || {});
            let patience = if n + 1 == sends { LAST_PATIENCE } else { REPEAT_AFTER * (n + 1) };
            if let Ok(received) = timeout(patience, &mut response).await {
                status = received.ok();
                break;
            }
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        status
    }

    /// The transport of an OPTIONS to a host: UDP first.
    fn transport(&self, only: Option<config::Transport>) -> Option<Transport> {
        let has = |transport: &Transport| {
            let set = as_set(*transport);
            only.is_none_or(|only| only == set) && self.listeners.iter().any(|listener| listener.transport == set)
        };
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find(has)
    }

    /// The listener that an OPTIONS leaves by: of the peer's IP version, UDP first.
    fn listener(&self, only: Option<config::Transport>, peer: SocketAddr) -> Option<(Transport, Listener)> {
        [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter().find_map(|transport| {
            let set = as_set(transport);
            let fits = |listener: &&Listener| {
                listener.transport == set
                    && only.is_none_or(|only| only == set)
                    && listener.local.is_ipv4() == peer.is_ipv4()
            };
            self.listeners.iter().find(fits).map(|listener| (transport, *listener))
        })
    }
}

fn options(transport: Transport, local: SocketAddr, peer: SocketAddr, id: &str) -> Bytes {
    let via = transport.name();
    let parameter = match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    let (branch, tag) = (clock::random_u64(), clock::random_u64());
    let text = format!(
        "OPTIONS sip:{peer}{parameter} SIP/2.0\r\nVia: SIP/2.0/{via} {local};branch=z9hG4bK{branch:016x};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:jindu@{local}>;tag={tag:016x}\r\nTo: <sip:{peer}>\r\nCall-ID: {id}\r\n\
         CSeq: 1 OPTIONS\r\nContact: <sip:{local}{parameter}>\r\nAccept: application/sdp\r\nUser-Agent: jindu\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Bytes::from(text)
}

/// Request Timeout (RFC 3261 §21.4.9): equal to no response.
const TIMEOUT: u16 = 408;
/// The wait for a response before the first repeat; it doubles (RFC 3261 §17.1.2.1).
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const LAST_PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    #[test]
    fn any_answer_but_503_means_that_a_peer_is_there() {
        assert_eq!(PeerState::of(Some(200)), PeerState::Reachable);
        assert_eq!(PeerState::of(Some(405)), PeerState::Reachable);
        assert_eq!(PeerState::of(Some(503)), PeerState::Refusing);
        assert_eq!(PeerState::of(None), PeerState::Unreachable);
    }

    #[test]
    fn a_state_keeps_its_time_until_it_changes() {
        let peer = Peer::new(PeerAddress::Address(([192, 0, 2, 1], 5060).into()));
        assert_eq!(peer.state(), (PeerState::Unknown, None));
        peer.learn("a", PeerState::Reachable);
        let first = peer.state();
        peer.learn("a", PeerState::Reachable);
        assert_eq!(peer.state(), first);
        peer.learn("a", PeerState::Unreachable);
        assert_eq!(peer.state().0, PeerState::Unreachable);
    }

    #[test]
    fn an_options_is_a_sip_message_of_its_own() {
        for (transport, local, peer) in [
            (Transport::Udp, "192.0.2.1:5060", "192.0.2.2:5080"),
            (Transport::Tcp, "[2001:db8::1]:5060", "[2001:db8::2]:5060"),
        ] {
            let (local, peer) = (local.parse().expect("address"), peer.parse().expect("address"));
            let message = sip::parse_datagram(&options(transport, local, peer, "x@jindu")).expect("SIP");
            assert!(message.is(&Method::Options) && message.call_id() == "x@jindu" && message.to_tag().is_empty());
        }
    }
}
