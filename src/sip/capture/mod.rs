//! Captures of signalling: what a collector or a carrier's engineer gets of the messages that were sent and received.
//!
//! ```text
//!  Packet ──► CallTrace (is it of the call?) ──► Mask (personal data, keys, secrets) ──┬──► hep::encode  (HEP3)
//!                                                                                      └──► pcap::record (pcap)
//! ```

mod body;
mod call_trace;
mod cover;
mod credentials;
pub mod hep;
mod layout;
mod level;
mod mask;
mod party;
pub mod pcap;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

pub use call_trace::{CallTrace, Selection, TraceEnd, TraceLimits};
pub use layout::call_id;
pub use level::{Mask, Masked};

use super::arrival::Transport;

/// A message as it was sent or received.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    /// Since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// What carried it.
    pub transport: Transport,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who received it.
    pub destination: SocketAddr,
    /// The whole message, without what TLS adds.
    pub octets: &'a [u8],
}

impl Packet<'_> {
    /// Both addresses in one family: IPv4 if both are, also where they are mapped into IPv6.
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (source, destination) = (canonical(self.source), canonical(self.destination));
        if source.is_ipv4() == destination.is_ipv4() {
            return (source, destination);
        }
        let mapped = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            SocketAddr::V6(_) => address,
        };
        (mapped(source), mapped(destination))
    }
}
