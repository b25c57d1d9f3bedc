//! Who the peer is on the wire: symmetric RTP (RFC 4961), without sending sound to an address that never asked for it.
//!
//! ```text
//!            valid packet from the address in the SDP or that of the caller's SIP (or, behind NAT, from anyone)
//!  Open ────────────────────────────────────────────────────────────────────────────────► Latched (others refused)
//!    └─ until then we send to the signalled address
//! ```

use std::net::{IpAddr, SocketAddr};

use sdp::RemoteMedia;

/// Where a stream's packets come from and go to.
#[derive(Clone, Debug)]
pub(super) struct Latch {
    peer: Option<RemoteMedia>,
    caller: Option<IpAddr>,
    any: bool,
    source: Option<SocketAddr>,
    rtcp_source: Option<SocketAddr>,
}

impl Latch {
    pub(super) fn new(peer: Option<RemoteMedia>, caller: Option<IpAddr>, any: bool) -> Latch {
        Latch { peer, caller: caller.map(|caller| caller.to_canonical()), any, source: None, rtcp_source: None }
    }

    pub(super) fn source(&self) -> Option<SocketAddr> {
        self.source
    }

    pub(super) fn rtp_target(&self) -> Option<SocketAddr> {
        self.peer.map(|peer| self.source.unwrap_or(peer.rtp))
    }

    pub(super) fn rtcp_target(&self) -> Option<SocketAddr> {
        let peer = self.peer?;
        if peer.rtcp_mux {
            return self.rtp_target();
        }
        Some(self.rtcp_source.unwrap_or(peer.rtcp))
    }

    /// Whether a valid RTP packet is the peer's; the first one settles it.
    pub(super) fn admits(&mut self, from: SocketAddr) -> bool {
        let from = canonical(from);
        let Some(peer) = self.peer else { return false };
        match self.source {
            Some(source) => source == from,
            None if self.any || from.ip() == peer.rtp.ip() || Some(from.ip()) == self.caller => {
                self.source = Some(from);
                true
            }
            None => false,
        }
    }

    /// Whether a valid RTCP packet is the peer's: it comes from the same machine, on any port.
    pub(super) fn admits_rtcp(&mut self, from: SocketAddr) -> bool {
        let from = canonical(from);
        let Some(peer) = self.peer else { return false };
        let known = self.rtp_target().is_some_and(|target| target.ip() == from.ip()) || peer.rtcp.ip() == from.ip();
        if known {
            self.rtcp_source = Some(from);
        }
        known
    }
}

/// An IPv4 address as an IPv6 socket shows it is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
