//! Bound pairs of sockets: RTP on an even port, RTCP on the next (RFC 3550 §11).
//!
//! A pair that a call gives back rests for [`REST`] before it serves another, so that the last packets of the old
//! caller do not become the first of the new one; when no other is left, the one that has rested longest serves.
//! A media thread that uses io_uring goes on receiving from a pair that rests, and throws away what comes.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::error::OpenError;
use super::sys;

/// A pair of bound sockets.
#[derive(Debug)]
pub(super) struct Pair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// Its place among the registered sockets of its thread's ring, once it has one.
    pub slot: Option<u32>,
    /// Its number among the pairs of all addresses, from 0.
    place: u32,
    pool: usize,
    port: u16,
}

/// The pairs of all addresses.
#[derive(Debug)]
pub(super) struct Ports {
    pools: Vec<Mutex<Pool>>,
    addresses: Vec<IpAddr>,
}

#[derive(Debug)]
struct Pool {
    address: IpAddr,
    number: usize,
    /// The first even port, and how many pairs there are from it on.
    first: u16,
    pairs: usize,
    /// Which pairs this node has bound, from the first on.
    bound: Vec<bool>,
    /// Ports that were never bound, or that another program had.
    unbound: VecDeque<u16>,
    /// None of them could be bound lately: until when no call tries again while others rest.
    bind_after: Option<Instant>,
    resting: VecDeque<(Instant, Pair)>,
}

impl Ports {
    /// Binds one pair an address, to see that it can be bound.
    pub(crate) fn new(addresses: &[IpAddr], (first, last): (u16, u16)) -> io::Result<Ports> {
        let even = (first..last).filter(|port| port % 2 == 0).collect::<VecDeque<u16>>();
        if addresses.is_empty() || even.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "media needs an address and a pair of ports"));
        }
        let pool = |(number, address): (usize, &IpAddr)| {
            let (unbound, resting, bound) = (even.clone(), VecDeque::new(), vec![false; even.len()]);
            Mutex::new(Pool {
                address: *address,
                number,
                first: even[0],
                pairs: even.len(),
                bound,
                unbound,
                bind_after: None,
                resting,
            })
        };
        let ports = Ports { pools: addresses.iter().enumerate().map(pool).collect(), addresses: addresses.to_vec() };
        for pool in &ports.pools {
            let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
            let pair = pool.bind(usize::MAX, |_| true)?;
            let pair = pair.ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no media port is free"))?;
            let rested = Instant::now().checked_sub(REST).unwrap_or_else(Instant::now);
            pool.resting.push_back((rested, pair));
        }
        Ok(ports)
    }

    /// How many pairs there can be.
    pub(crate) fn pairs(&self) -> usize {
        self.pools.iter().map(|pool| pool.lock().unwrap_or_else(PoisonError::into_inner).pairs).sum()
    }

    /// A pair for a call that came in at `local`, whose place fits.
    pub(crate) fn take(&self, local: IpAddr, now: Instant, fits: impl Fn(u32) -> bool) -> Result<Pair, OpenError> {
        let local = local.to_canonical();
        let same_version = |address: &IpAddr| address.is_ipv4() == local.is_ipv4();
        let index = self
            .addresses
            .iter()
            .position(|address| *address == local)
            .or_else(|| self.addresses.iter().position(same_version))
            .ok_or(OpenError::NoAddress(local))?;
        let (pair, rested) = self.pools[index].lock().unwrap_or_else(PoisonError::into_inner).take(now, fits)?;
        if !rested || pair.slot.is_none() {
            pair.drain();
        }
        Ok(pair)
    }

    /// Whether an address is one of those that pairs are bound at.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address.to_canonical())
    }

    /// Whether a socket of this node is bound there.
    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let Some(number) = self.addresses.iter().position(|own| *own == ip) else { return false };
        let pool = self.pools[number].lock().unwrap_or_else(PoisonError::into_inner);
        pool.place(address.port()).is_some_and(|place| pool.bound[place])
    }

    /// Takes back a pair whose RTP socket is not connected. Packets that still come for the old call are dropped.
    pub(crate) fn give_back(&self, pair: Pair, now: Instant) {
        self.pool_of(&pair).resting.push_back((now, pair));
    }

    /// Closes a pair that can serve no other call. Its ports are bound again later.
    pub(crate) fn discard(&self, pair: Pair) {
        let mut pool = self.pool_of(&pair);
        pool.mark(pair.port, false);
        pool.unbound.push_back(pair.port);
    }

    fn pool_of(&self, pair: &Pair) -> MutexGuard<'_, Pool> {
        self.pools[pair.pool].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A pair, and whether it has rested as long as it should.
    fn take(&mut self, now: Instant, fits: impl Fn(u32) -> bool) -> Result<(Pair, bool), OpenError> {
        // The first that fits has rested longest of those that do.
        let longest = self.resting.iter().position(|(_, pair)| fits(pair.place));
        let since = longest.and_then(|at| self.resting.get(at)).map(|(since, _)| *since);
        let rested = since.is_some_and(|since| now.saturating_duration_since(since) >= REST);
        let may_bind = longest.is_none() || self.bind_after.is_none_or(|after| now >= after);
        if !rested && may_bind {
            if let Some(pair) = self.bind(TRIES, fits)? {
                return Ok((pair, true));
            }
            self.bind_after = Some(now + BIND_PAUSE);
        }
        let pair = longest.and_then(|at| self.resting.remove(at));
        pair.map(|(_, pair)| (pair, rested)).ok_or(OpenError::PortsExhausted)
    }

    /// Binds the next free pair that fits; a port that another program has goes to the end of the queue.
    fn bind(&mut self, tries: usize, fits: impl Fn(u32) -> bool) -> io::Result<Option<Pair>> {
        for _ in 0..tries.min(self.unbound.len()) {
            let next = self.unbound.iter().position(|port| fits(self.numbered(*port)));
            let Some(port) = next.and_then(|at| self.unbound.remove(at)) else { break };
            match self.pair(port) {
                Ok(pair) => {
                    self.mark(port, true);
                    return Ok(Some(pair));
                }
                Err(error) => {
                    self.unbound.push_back(port);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return if self.resting.is_empty() { Err(error) } else { Ok(None) };
                    }
                }
            }
        }
        Ok(None)
    }

    fn mark(&mut self, port: u16, bound: bool) {
        if let Some(place) = self.place(port) {
            self.bound[place] = bound;
        }
    }

    /// The pair that a port belongs to.
    fn place(&self, port: u16) -> Option<usize> {
        port.checked_sub(self.first).map(|after| usize::from(after) / 2).filter(|place| *place < self.pairs)
    }

    fn pair(&self, port: u16) -> io::Result<Pair> {
        let bound = |port| socket(SocketAddr::new(self.address, port));
        let place = self.numbered(port);
        Ok(Pair { rtp: bound(port)?, rtcp: bound(port + 1)?, slot: None, place, pool: self.number, port })
    }

    /// The number of a pair among those of all addresses.
    fn numbered(&self, port: u16) -> u32 {
        let place = self.number * self.pairs + usize::from(port - self.first) / 2;
        u32::try_from(place).expect("fewer than 2^15 pairs an address")
    }
}

impl Pair {
    /// Its number among the pairs of all addresses; at any time one session has it.
    pub(crate) fn place(&self) -> u32 {
        self.place
    }

    /// RTP and RTCP.
    pub(crate) fn ports(&self) -> (u16, u16) {
        (self.port, self.port + 1)
    }

    /// Lets the RTP socket receive from every source again.
    pub(crate) fn disconnect(&self) -> io::Result<()> {
        sys::disconnect(&self.rtp)
    }

    /// Throws away what came for the last call.
    fn drain(&self) {
        for socket in [&self.rtp, &self.rtcp] {
            let mut octet = [0];
            // An error other than "nothing there" is a report about an old packet: gone, too, once read.
            for _ in 0..DRAIN_MAX {
                match socket.recv(&mut octet) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
        }
    }
}

fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Some tens of packets: a late thread loses nothing, and a flood costs little memory.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    // Expedited forwarding (RFC 3246), where the network honours it.
    if address.is_ipv4() {
        let _ = socket.set_tos_v4(EXPEDITED);
    } else {
        socket.set_only_v6(true)?;
        let _ = socket.set_tclass_v6(EXPEDITED);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

const REST: Duration = Duration::from_secs(2);
/// How long calls take a pair that has rested less, rather than try ports that cannot be bound.
const BIND_PAUSE: Duration = Duration::from_secs(1);
/// Ports tried for one call; the rest is left for the next.
const TRIES: usize = 32;
const DRAIN_MAX: usize = 256;
const RECEIVE_BUFFER: usize = 32 * 1024;
const EXPEDITED: u32 = 0xB8;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A pool over a free stretch of ports that the system chose.
    fn ports(pairs: u16) -> Ports {
        loop {
            let probe = UdpSocket::bind((HERE, 0)).expect("loopback");
            let first = probe.local_addr().expect("bound").port() & !1;
            let last = first.saturating_add(2 * pairs - 1);
            drop(probe);
            if last < u16::MAX
                && let Ok(ports) = Ports::new(&[HERE], (first, last))
            {
                return ports;
            }
        }
    }

    #[test]
    fn a_pair_is_an_even_port_and_the_next() {
        let pair = ports(4).take(HERE, Instant::now(), |_| true).expect("free");
        let (rtp, rtcp) = pair.ports();
        assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
        assert_eq!(pair.rtp.local_addr().expect("bound").port(), rtp);
        assert_eq!(pair.rtcp.local_addr().expect("bound").port(), rtcp);
    }

    #[test]
    fn a_port_is_owned_while_it_is_bound() {
        let ports = ports(2);
        let pair = ports.take(HERE, Instant::now(), |_| true).expect("free");
        let (rtp, rtcp) = pair.ports();
        let owned = |port| ports.owns(SocketAddr::new(HERE, port));
        assert!(owned(rtp) && owned(rtcp) && !owned(rtp.wrapping_sub(2)) && !owned(rtcp + 4));
        assert!(!ports.owns(SocketAddr::new("192.0.2.1".parse().expect("an address"), rtp)));
    }

    #[test]
    fn a_pair_rests_unless_it_is_the_last() {
        let ports = ports(2);
        let now = Instant::now();
        let Ok(first) = ports.take(HERE, now, |_| true) else { panic!("free") };
        let used = first.ports();
        ports.give_back(first, now);
        // Another program on this machine may have the other one; then the resting one serves.
        let Ok(second) = ports.take(HERE, now, |_| true) else { panic!("free") };
        let third = ports.take(HERE, now, |_| true);
        if second.ports() != used {
            assert_eq!(third.map(|pair| pair.ports()).ok(), Some(used));
        }
        assert!(matches!(ports.take(HERE, now, |_| true), Err(OpenError::PortsExhausted)) || second.ports() == used);
    }

    #[test]
    fn a_rested_pair_serves_again_empty_and_unconnected() {
        let ports = ports(4);
        let start = Instant::now();
        let pair = ports.take(HERE, start, |_| true).expect("free");
        let (port, caller) = (pair.ports().0, UdpSocket::bind((HERE, 0)).expect("loopback"));
        pair.rtp.connect(caller.local_addr().expect("bound")).expect("loopback");
        caller.send_to(&[1; 100], (HERE, port)).expect("loopback");
        pair.disconnect().expect("a connected socket");
        ports.give_back(pair, start);
        caller.send_to(&[2; 100], (HERE, port)).expect("loopback");
        let again = ports.take(HERE, start + REST, |_| true).expect("rested");
        assert_eq!(again.ports().0, port);
        assert_eq!(again.rtp.recv(&mut [0; 10]).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
        let stranger = UdpSocket::bind((HERE, 0)).expect("loopback");
        stranger.send_to(&[3; 10], (HERE, port)).expect("loopback");
        assert_eq!(again.rtp.recv(&mut [0; 10]).ok(), Some(10));
    }

    #[test]
    fn ports_of_a_discarded_pair_are_bound_again() {
        let ports = ports(1);
        let pair = ports.take(HERE, Instant::now(), |_| true).expect("free");
        let used = pair.ports();
        pair.rtp.connect("127.0.0.1:9").expect("loopback");
        ports.discard(pair);
        assert!(!ports.owns(SocketAddr::new(HERE, used.0)));
        let again = ports.take(HERE, Instant::now(), |_| true).expect("free");
        assert_eq!(again.ports(), used);
        assert!(again.rtp.peer_addr().is_err(), "it is another socket");
    }

    #[test]
    fn a_pair_that_fits_is_bound_or_taken_from_those_that_rest() {
        let ports = ports(8);
        let now = Instant::now();
        for odd in [1, 1, 0, 1] {
            let pair = ports.take(HERE, now, |place| place % 2 == odd).expect("free");
            assert_eq!(pair.place() % 2, odd);
            ports.give_back(pair, now);
        }
        assert!(matches!(ports.take(HERE, now, |place| place > 7), Err(OpenError::PortsExhausted)));
    }

    #[test]
    fn an_ip_version_without_an_address_is_named() {
        let error = ports(1).take("::1".parse().expect("an address"), Instant::now(), |_| true).expect_err("no IPv6");
        assert_eq!(error.to_string(), "no media address of the IP version of ::1 is configured");
    }

    #[test]
    fn no_address_or_no_pair_is_refused_at_start() {
        assert!(Ports::new(&[], (20_000, 20_010)).is_err());
        assert!(Ports::new(&[HERE], (20_001, 20_002)).is_err());
    }
}
