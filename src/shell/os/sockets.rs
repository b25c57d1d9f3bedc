//! Listening TCP sockets of the SIP transport and the HTTP service, and the addresses of this machine.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Binds and listens. A socket on an IPv6 address accepts IPv6 only; IPv4 needs a listener of its own.
pub fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether an interface of this machine has the address.
pub fn is_local_address(address: IpAddr) -> bool {
    !address.is_unspecified() && UdpSocket::bind((address, 0)).is_ok()
}

/// The addresses of this machine's interfaces, asked for once in a while.
#[derive(Debug, Default)]
pub struct LocalAddresses {
    known: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl LocalAddresses {
    /// Whether an interface has the address, or had it a few seconds ago.
    pub fn contain(&self, now: Instant, address: IpAddr) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.as_ref().is_some_and(|(read, _)| now.saturating_duration_since(*read) < KNOWN_FOR);
        if !is_fresh {
            *known = Some((now, interface_addresses()));
        }
        known.as_ref().is_some_and(|(_, addresses)| addresses.contains(&address.to_canonical()))
    }

    /// Whether it is an IPv4 address of this machine beside those of the loopback: from outside no packet with such a source comes
    /// in, the kernel drops it (martian source).
    pub fn contain_beside_loopback(&self, now: Instant, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() && !address.is_loopback() && self.contain(now, address)
    }
}

/// The addresses of all interfaces; none if the system does not say.
fn interface_addresses() -> Vec<IpAddr> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is a value of this frame, which the call sets to a list that freeifaddrs frees.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return Vec::new();
    }
    let (mut addresses, mut next) = (Vec::new(), first);
    // SAFETY: each entry of the list is valid until it is freed below.
    while let Some(entry) = unsafe { next.as_ref() } {
        addresses.extend(interface_address(entry));
        next = entry.ifa_next;
    }
    // SAFETY: the list comes from getifaddrs, and nothing refers to it any more.
    unsafe { libc::freeifaddrs(first) };
    addresses
}

fn interface_address(entry: &libc::ifaddrs) -> Option<IpAddr> {
    // SAFETY: where it is not null, it is an address of at least the family's own size (getifaddrs(3)).
    match libc::c_int::from(unsafe { entry.ifa_addr.as_ref() }?.sa_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in.
            let v4 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::from(u32::from_be(v4.sin_addr.s_addr).to_be_bytes()))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6.
            let v6 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(v6.sin6_addr.s6_addr))
        }
        _other_family => None,
    }
}

/// How long the addresses of the interfaces are not asked for again.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_its_loopback_addresses_and_no_documentation_address() {
        let (addresses, now) = (LocalAddresses::default(), Instant::now());
        let has = |text: &str| addresses.contain(now, text.parse().expect("an address"));
        assert!(has("127.0.0.1") && has("::ffff:127.0.0.1"));
        assert!(!has("192.0.2.1") && !has("2001:db8::1"));
    }
}
