//! The listening sockets: one task each.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::handshakes::Handshakes;
use super::receiver::{Receiver, Screening};
use super::sender::{Sender, UdpSockets};
use super::streams::{Streams, set_options};
use super::tap::Tap;
use config::Transport as Listening;
use dns::Resolver;
use os::datagrams::{Datagram, Datagrams, stamp_arrivals};
use os::sockets::tcp_listener;
use sip::{Arrival, ShedReplies, Transport, is_keep_alive, parse_datagram};
use tls::TlsContext;

/// All SIP sockets of a node.
pub struct TransportLayer {
    sockets: UdpSockets,
    /// TCP, and TLS over TCP.
    listeners: Vec<(Listening, SocketAddr, TcpListener)>,
    streams: Arc<Streams>,
    tap: Arc<Tap>,
    /// Without it no TLS connection is made.
    tls: Option<Arc<TlsContext>>,
    dns: Arc<Resolver>,
}

impl TransportLayer {
    /// Binds every address. Port 0 for UDP and TCP of an address gives both the same port.
    ///
    /// # Errors
    /// An address that cannot be bound. A port that the system chose for one transport may be in use for the other: then
    /// it is asked for another one, a few times.
    pub fn bind(listen: &[(Listening, SocketAddr)]) -> Result<TransportLayer, BindError> {
        let chooses = listen.iter().any(|(_, address)| address.port() == 0);
        let mut left = if chooses { BIND_TRIES } else { 1 };
        loop {
            left -= 1;
            match TransportLayer::bind_once(listen) {
                Err(failed) if failed.error.kind() == io::ErrorKind::AddrInUse && left > 0 => {}
                bound => return bound,
            }
        }
    }

    fn bind_once(listen: &[(Listening, SocketAddr)]) -> Result<TransportLayer, BindError> {
        let (mut sockets, mut listeners) = (Vec::new(), Vec::new());
        let mut chosen: HashMap<SocketAddr, SocketAddr> = HashMap::new();
        for (transport, asked) in listen {
            let shares = *transport != Listening::Tls;
            let address = chosen.get(asked).filter(|_| shares).copied().unwrap_or(*asked);
            let failed = |error| BindError { transport: transport.name(), address, error };
            let bound = match transport {
                Listening::Udp => bind_udp(address).map(|bound| add(&mut sockets, bound)),
                Listening::Tcp | Listening::Tls => bind_tcp(address).map(|(bound, listener)| {
                    listeners.push((*transport, bound, listener));
                    bound
                }),
            };
            let bound = bound.map_err(failed)?;
            if shares {
                chosen.insert(*asked, bound);
            }
        }
        let (streams, tap) = Default::default();
        let dns = Arc::new(Resolver::new(Vec::new()));
        Ok(TransportLayer { sockets: sockets.into(), listeners, streams, tap, tls: None, dns })
    }

    /// The same with TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Arc<TlsContext>>) -> TransportLayer {
        self.tls = tls;
        self
    }

    /// The same with these name servers in place of the machine's; none: the machine's.
    #[must_use]
    pub fn with_name_servers(mut self, servers: &[SocketAddr]) -> TransportLayer {
        self.dns = Arc::new(Resolver::new(servers.to_vec()));
        self
    }

    /// The same with a tap, for captures of its messages.
    #[must_use]
    pub fn with_tap(mut self, tap: Arc<Tap>) -> TransportLayer {
        self.streams = Arc::new(Streams::new(Arc::clone(&tap)));
        self.tap = tap;
        self
    }

    /// The bound addresses, UDP first, as the ready line prints them.
    pub fn listening(&self) -> Vec<(Listening, SocketAddr)> {
        let udp = self.sockets.iter().map(|(address, _)| (Listening::Udp, *address));
        let streams = self.listeners.iter().map(|(transport, address, _)| (*transport, *address));
        udp.chain(streams).collect()
    }

    /// The sending half. A connection that it opens is read for `receiver`.
    pub(crate) fn sender(&self, receiver: Weak<dyn Receiver>) -> Sender {
        let (sockets, streams) = (Arc::clone(&self.sockets), Arc::clone(&self.streams));
        Sender::new(sockets, streams, Arc::clone(&self.tap), self.tls.clone(), Arc::clone(&self.dns), receiver)
    }

    /// Reads every socket until one fails; returns its error.
    pub async fn run(self, receiver: Arc<dyn Receiver>) -> io::Error {
        let mut tasks = JoinSet::new();
        for socket in 0..self.sockets.len() {
            let (sockets, receiver, tap) = (Arc::clone(&self.sockets), Arc::clone(&receiver), Arc::clone(&self.tap));
            let sender = self.sender(Arc::downgrade(&receiver));
            tasks.spawn(read_datagrams(sockets, socket, receiver, tap, sender));
        }
        let handshakes = Arc::default();
        for (transport, _, listener) in self.listeners {
            let secure = match (transport, &self.tls) {
                (Listening::Tls, Some(tls)) => Some((Arc::clone(tls), Arc::clone(&handshakes))),
                (Listening::Tls, None) => return io::Error::other("a TLS listener has no certificate"),
                (Listening::Udp | Listening::Tcp, _) => None,
            };
            tasks.spawn(accept(listener, secure, Arc::clone(&self.streams), Arc::clone(&receiver)));
        }
        if let Some(tls) = self.tls {
            tasks.spawn(follow_certificate(tls));
        }
        match tasks.join_next().await {
            Some(Ok(error)) => error,
            Some(Err(panicked)) => io::Error::other(panicked),
            None => io::Error::other("nothing to listen on"),
        }
    }
}

fn add<T>(to: &mut Vec<(SocketAddr, T)>, (address, bound): (SocketAddr, T)) -> SocketAddr {
    to.push((address, bound));
    address
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {transport}:{address}: {error}")]
pub struct BindError {
    /// The transport, as the settings write it.
    pub transport: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub error: io::Error,
}

fn bind_udp(address: SocketAddr) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // A burst of calls arrives faster than it is read; the default buffer loses 2,000 calls/s.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    // Without it the age of what is read is unknown, and calls are judged by what is waiting alone.
    let _ = stamp_arrivals(socket.as_fd());
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    Ok((socket.local_addr()?, socket))
}

fn bind_tcp(address: SocketAddr) -> io::Result<(SocketAddr, TcpListener)> {
    let listener = tcp_listener(address)?;
    Ok((listener.local_addr()?, listener))
}

async fn read_datagrams(
    sockets: UdpSockets,
    number: usize,
    receiver: Arc<dyn Receiver>,
    tap: Arc<Tap>,
    sender: Sender,
) -> io::Error {
    let (local, socket) = &sockets[number];
    let mut datagrams = Datagrams::default();
    let mut replies = ShedReplies::default();
    loop {
        match socket.async_io(Interest::READABLE, || datagrams.receive(socket.as_fd())).await {
            Ok((count, age)) => {
                receiver.waited(age, count);
                let read = (0..count).filter_map(|n| datagrams.get(n));
                read.for_each(|datagram| give(&datagram, *local, &*receiver, (&tap, &mut replies)));
                sender.send_replies(number, &replies);
                replies.clear();
            }
            // An ICMP error names one peer that is gone; the socket is sound.
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) if is_of_the_socket(&error) => return error,
            Err(error) => {
                tracing::debug!(%error, "SIP datagrams could not be read");
                tokio::time::sleep(READ_PAUSE).await;
            }
        }
    }
}

/// Gives a datagram to the receiver; a response that it gets unparsed is added to the replies.
fn give(datagram: &Datagram<'_>, local: SocketAddr, receiver: &dyn Receiver, (tap, replies): (&Tap, &mut ShedReplies)) {
    let Datagram { octets, source } = *datagram;
    let arrival = Arrival { transport: Transport::Udp, source, local, connection: None };
    if !receiver.accepts(Transport::Udp, source.ip()) || is_keep_alive(octets) {
        return;
    }
    tap.received(&arrival, octets);
    match receiver.screen(octets, &arrival, replies) {
        Screening::Parse => {}
        Screening::Done => return,
    }
    match parse_datagram(octets) {
        Ok(message) => drop(receiver.message(message, &arrival)),
        Err(malformed) => receiver.malformed(&malformed, &arrival),
    }
}

/// TLS and its handshakes in progress.
type Secure = (Arc<TlsContext>, Arc<Handshakes>);

async fn accept(
    listener: TcpListener,
    secure: Option<Secure>,
    streams: Arc<Streams>,
    receiver: Arc<dyn Receiver>,
) -> io::Error {
    let transport = if secure.is_some() { Transport::Tls } else { Transport::Tcp };
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                // A stranger takes no place among the connections, and learns nothing.
                if !receiver.accepts(transport, source.ip()) {
                    continue;
                }
                let Ok(local) = stream.local_addr() else { continue };
                let arrival = Arrival { transport, source, local, connection: None };
                set_options(&stream);
                match &secure {
                    Some(secure) => shake_hands(secure, stream, arrival, &streams, &receiver),
                    None => streams.accept(stream, arrival, Arc::clone(&receiver)),
                }
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) if is_of_the_socket(&error) => return error,
            // Out of file descriptors or memory, or the network is away (accept(2)): the other sockets go on, and this passes.
            Err(error) => {
                tracing::debug!(%error, "a SIP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection once its TLS handshake is complete, without making others wait.
fn shake_hands(
    (tls, handshakes): &Secure,
    stream: TcpStream,
    arrival: Arrival,
    streams: &Arc<Streams>,
    receiver: &Arc<dyn Receiver>,
) {
    let Some(handshake) = handshakes.enter(arrival.source.ip()) else {
        return tracing::debug!("a TLS connection was closed: too many handshakes in progress");
    };
    let (tls, streams, receiver) = (Arc::clone(tls), Arc::clone(streams), Arc::clone(receiver));
    tokio::spawn(async move {
        let trunk = receiver.trunk(arrival.transport, arrival.source.ip());
        match tls.accept(stream, trunk).await {
            Ok(stream) => streams.accept(stream, arrival, receiver),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                receiver.handshake_failed();
            }
        }
        drop(handshake);
    });
}

/// Takes a changed certificate into use.
async fn follow_certificate(tls: Arc<TlsContext>) -> io::Error {
    loop {
        tokio::time::sleep(CERTIFICATE_EVERY).await;
        let tls = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || tls.reload_if_changed()).await {
            Ok(None) => {}
            Ok(Some(Ok(()))) => tracing::info!("new connections use the changed files of phone.tls and the trunks"),
            Ok(Some(Err(error))) => {
                tracing::warn!(%error, "the changed files of phone.tls and the trunks are not used")
            }
            Err(panicked) => return io::Error::other(panicked),
        }
    }
}

fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable
    )
}

/// Whether the socket itself is at fault, so that nothing would come by it again.
fn is_of_the_socket(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT))
}

/// How often the system is asked for ports that are free for both transports.
const BIND_TRIES: u32 = 8;
/// A receive buffer for a burst of calls; the kernel may grant less.
const SOCKET_BUFFER: usize = 8 * 1024 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const READ_PAUSE: Duration = Duration::from_millis(10);
/// A changed certificate is used within this time.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(3);
