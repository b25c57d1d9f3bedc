//! How packets come, and from where: transports and networks.

use std::net::IpAddr;

pub use base::Network;

/// A SIP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 §18 over datagrams.
    Udp,
    /// RFC 3261 §18 over a stream.
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    /// Its name in lower case, as in the ready line.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

/// The first address of a network: its own without the bits that are not fixed.
pub(super) fn network_address(Network { address, prefix }: Network) -> IpAddr {
    let free = |width: u32| width.saturating_sub(prefix.into());
    match address {
        IpAddr::V4(v4) => {
            let kept = u32::MAX.checked_shl(free(32)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & kept).into())
        }
        IpAddr::V6(v6) => {
            let kept = u128::MAX.checked_shl(free(128)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & kept).into())
        }
    }
}
