//! The address that the far end reaches a listener at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The listener's own address, else the public one of its family; the loopback where neither is known.
pub(crate) fn reachable(public: Option<IpAddr>, local: SocketAddr) -> IpAddr {
    let ip = local.ip().to_canonical();
    if !ip.is_unspecified() {
        return ip;
    }
    let loopback: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    public.filter(|public| public.is_ipv4() == ip.is_ipv4()).unwrap_or(loopback)
}
