//! Where messages can be captured as they were received and sent, without the calls knowing of it.
//!
//! While nothing captures, a message costs one look at an empty list.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::reachable::reachable;
use os::clock;
use sip::capture::Packet;
use sip::{Arrival, Transport, is_keep_alive};

/// Takes messages as they pass. Runs on the tasks of the sockets: it may not block.
pub trait Sink: Send + Sync {
    /// A message that was sent or received.
    fn take(&self, direction: Direction, packet: &Packet<'_>);
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this node.
    Received,
    /// From this node.
    Sent,
}

/// The place of sinks in the transport layer.
#[derive(Default)]
pub struct Tap {
    sinks: ArcSwap<Vec<Arc<dyn Sink>>>,
    /// Stands for a listener's unspecified address.
    public: Option<IpAddr>,
}

impl Tap {
    /// Nothing is captured yet. `public`: the address of this node where a listener has none of its own.
    pub fn new(public: Option<IpAddr>) -> Arc<Tap> {
        Arc::new(Tap { sinks: ArcSwap::default(), public })
    }

    /// Gives every message to a sink from now on.
    pub fn attach(&self, sink: &Arc<dyn Sink>) {
        self.sinks.rcu(|sinks| {
            let mut sinks = Vec::clone(sinks);
            sinks.push(Arc::clone(sink));
            sinks
        });
    }

    /// Gives a sink no further message.
    pub fn detach(&self, sink: &Arc<dyn Sink>) {
        let is_other = |other: &&Arc<dyn Sink>| !std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(sink));
        self.sinks.rcu(|sinks| sinks.iter().filter(is_other).cloned().collect::<Vec<_>>());
    }

    /// Whether anything captures.
    pub(super) fn is_on(&self) -> bool {
        !self.sinks.load().is_empty()
    }

    /// A message was received.
    pub(super) fn received(&self, arrival: &Arrival, octets: &[u8]) {
        let Arrival { transport, source, local, .. } = *arrival;
        self.give(Direction::Received, transport, source, local, octets);
    }

    /// A message was sent.
    pub(super) fn sent(&self, transport: Transport, local: SocketAddr, peer: SocketAddr, octets: &[u8]) {
        self.give(Direction::Sent, transport, local, peer, octets);
    }

    fn give(
        &self,
        direction: Direction,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
        octets: &[u8],
    ) {
        let sinks = self.sinks.load();
        if sinks.is_empty() || is_keep_alive(octets) {
            return;
        }
        let named = |local: SocketAddr| SocketAddr::new(reachable(self.public, local), local.port());
        let (source, destination) = match direction {
            Direction::Received => (source, named(destination)),
            Direction::Sent => (named(source), destination),
        };
        let at = Duration::try_from(clock::timestamp().as_duration()).unwrap_or_default();
        let packet = Packet { at, transport, source, destination, octets };
        sinks.iter().for_each(|sink| sink.take(direction, &packet));
    }
}
