//! Where a message came from, and where messages go.
//!
//! A response goes back by the Via of its request: to the port that it came from when the client asked for it with
//! `rport` (RFC 3581 §4), else to the port in Via (RFC 3261 §18.2.2); over TCP on the connection of the request, and
//! to the sent-by address only when that is gone.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::fields::Via;
use super::uri::{self, Scheme, Uri};

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// Whether requests and responses may get lost, and so must be repeated.
    pub fn is_unreliable(self) -> bool {
        match self {
            Transport::Udp => true,
            Transport::Tcp => false,
        }
    }

    /// As in Via.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub transport: Transport,
    /// The other end.
    pub source: SocketAddr,
    /// Our end: the listener's socket, or the accepted connection's.
    pub local: SocketAddr,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// From the socket at `local` to `peer`; over TCP on the connection with `peer`, and if that is gone, to `otherwise`.
    Same { transport: Transport, local: SocketAddr, peer: SocketAddr, otherwise: Option<Box<Target>> },
    /// From the listener at `local` to an address; over TCP on a connection to it, opened if need be.
    Address { transport: Transport, local: SocketAddr, to: SocketAddr },
    /// As `Address`, after the host name is resolved (RFC 3263).
    Host { transport: Transport, local: SocketAddr, host: String, port: Option<u16> },
}

impl Target {
    /// The transport that the message takes.
    pub fn transport(&self) -> Transport {
        match self {
            Target::Same { transport, .. } | Target::Address { transport, .. } | Target::Host { transport, .. } => {
                *transport
            }
        }
    }
}

/// Bytes to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub bytes: Bytes,
    pub to: Target,
}

/// Prints how much goes where, and nothing of what is in it.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} bytes, {:?})", self.bytes.len(), self.to)
    }
}

/// Where the response to a request with this Via goes. Without a readable Via: back where it came from.
pub(super) fn reply_target(via: Option<&Via>, arrival: &Arrival) -> Target {
    let Arrival { transport, source, local } = *arrival;
    let port = via.map_or(source.port(), |via| via.port.unwrap_or(DEFAULT_PORT));
    let sent_by = SocketAddr::new(source.ip(), port);
    match transport {
        Transport::Tcp => {
            let otherwise = Target::Address { transport, local, to: sent_by };
            Target::Same { transport, local, peer: source, otherwise: Some(Box::new(otherwise)) }
        }
        Transport::Udp => {
            let maddr = via.and_then(|via| via.maddr.as_deref()).and_then(maddr_address);
            let peer = match maddr {
                Some(maddr) => SocketAddr::new(maddr, port),
                None if via.is_none_or(|via| via.rport) => source,
                None => sent_by,
            };
            Target::Same { transport, local, peer, otherwise: None }
        }
    }
}

/// A name in maddr is not looked up: it stems from multicast, and would have us resolve what a stranger wrote.
fn maddr_address(text: &str) -> Option<IpAddr> {
    uri::address(text)
}

/// Where a request with this first-hop URI goes (RFC 3261 §8.1.2). `None` for a URI that names no host.
pub(super) fn request_target(uri: &str, arrival: &Arrival) -> Option<Target> {
    let uri = Uri::read(uri).ok()?;
    if matches!(uri.scheme, Scheme::Tel | Scheme::Other) {
        return None;
    }
    let local = arrival.local;
    let transport = match uri.param("transport") {
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
        Some(_) | None => arrival.transport,
    };
    let host = uri.param("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host);
    Some(match uri::address(host) {
        Some(ip) => Target::Address { transport, local, to: SocketAddr::new(ip, uri.port.unwrap_or(DEFAULT_PORT)) },
        None => Target::Host { transport, local, host: host.into(), port: uri.port },
    })
}

/// RFC 3261 §18.1.1, for UDP and TCP.
const DEFAULT_PORT: u16 = 5060;
