//! A peer of a trunk, and what is known of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use os::clock;

/// A peer that is asked.
pub struct Peer {
    /// Where its OPTIONS goes.
    pub address: PeerAddress,
    state: Mutex<(PeerState, Option<Timestamp>)>,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// At this address.
    Address(SocketAddr),
    /// Where DNS says.
    Host {
        /// The host's name.
        host: String,
        /// The port, where the settings name one.
        port: Option<u16>,
    },
}

impl PeerAddress {
    /// The peers of a trunk that can be asked.
    pub(super) fn of(trunk: &config::Trunk) -> impl Iterator<Item = PeerAddress> {
        let hosts = trunk.hosts.iter().map(|host| PeerAddress::Host { host: host.clone(), port: trunk.port });
        trunk.peers().map(PeerAddress::Address).chain(hosts)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Address(address) => address.fmt(f),
            PeerAddress::Host { host, port: Some(port) } => write!(f, "{host}:{port}"),
            PeerAddress::Host { host, port: None } => f.write_str(host),
        }
    }
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It has not been asked yet.
    Unknown,
    /// It answers.
    Reachable,
    /// It answers 503: it takes no calls.
    Refusing,
    /// It does not answer.
    Unreachable,
}

impl PeerState {
    /// The word in status and log.
    pub fn name(self) -> &'static str {
        match self {
            PeerState::Unknown => "unknown",
            PeerState::Reachable => "reachable",
            PeerState::Refusing => "refusing",
            PeerState::Unreachable => "unreachable",
        }
    }

    pub(super) fn of(status: Option<u16>) -> PeerState {
        match status {
            None => PeerState::Unreachable,
            Some(503) => PeerState::Refusing,
            Some(_) => PeerState::Reachable,
        }
    }
}

impl Peer {
    pub(super) fn new(address: PeerAddress) -> Peer {
        Peer { address, state: Mutex::new((PeerState::Unknown, None)) }
    }

    /// Its state, and since when it lasts.
    pub fn state(&self) -> (PeerState, Option<Timestamp>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn(&self, trunk: &str, new: PeerState) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 == new {
            return;
        }
        *state = (new, Some(clock::timestamp()));
        let peer = &self.address;
        match new {
            PeerState::Unreachable | PeerState::Refusing => {
                tracing::warn!(trunk, %peer, state = new.name(), "trunk_peer");
            }
            PeerState::Reachable | PeerState::Unknown => tracing::info!(trunk, %peer, state = new.name(), "trunk_peer"),
        }
    }
}
