//! SIP's sockets: datagrams and streams in, messages out.
//!
//! Every listener is a task. A stream connection is two: one reads and frames, one writes what its bounded queue
//! holds. Connections are kept by the address of their other end; at the limit, one that never completed a message
//! makes room, else the one that was silent longest.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use config::Transport as Listening;
use os::clock;
use os::sockets::tcp_listener;
use sip::{Arrival, Frame, Outgoing, StreamFramer, Target, Transport};

use super::door::Door;

/// All sockets of the phone door.
pub struct Wire {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    listeners: Vec<(SocketAddr, TcpListener)>,
    streams: Arc<Streams>,
}

/// The connections, by their other end.
pub(crate) struct Streams {
    open: Mutex<HashMap<SocketAddr, Stream>>,
    /// Messages that could not be sent: no such socket, a full queue, a refused connection.
    pub unsent: AtomicU64,
}

struct Stream {
    queue: mpsc::Sender<Bytes>,
    close: Arc<Notify>,
    heard: Instant,
    spoke: bool,
    number: u64,
}

impl Wire {
    /// Binds every address; with port 0 for both transports of an address, both get the same port.
    pub fn bind(listen: &[(Listening, SocketAddr)]) -> io::Result<Wire> {
        let streams = Arc::new(Streams { open: Mutex::default(), unsent: AtomicU64::new(0) });
        let mut wire = Wire { sockets: Vec::new(), listeners: Vec::new(), streams };
        let mut chosen: HashMap<SocketAddr, SocketAddr> = HashMap::new();
        for (transport, asked) in listen {
            let address = chosen.get(asked).copied().unwrap_or(*asked);
            let failed = |error: io::Error| {
                io::Error::new(error.kind(), format!("cannot listen on {}:{address}: {error}", transport.name()))
            };
            let bound = match transport {
                Listening::Udp => wire.bind_udp(address).map_err(failed)?,
                Listening::Tcp => wire.bind_tcp(address).map_err(failed)?,
            };
            chosen.insert(*asked, bound);
        }
        Ok(wire)
    }

    fn bind_udp(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // A burst of calls arrives faster than it is read; the default buffer loses 2,000 calls/s.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let bound = socket.local_addr()?;
        self.sockets.push((bound, Arc::new(socket)));
        Ok(bound)
    }

    fn bind_tcp(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = tcp_listener(address)?;
        let bound = listener.local_addr()?;
        self.listeners.push((bound, listener));
        Ok(bound)
    }

    /// What is listened on, as the ready line tells it.
    pub fn listening(&self) -> Vec<(Listening, SocketAddr)> {
        let udp = self.sockets.iter().map(|(address, _)| (Listening::Udp, *address));
        let tcp = self.listeners.iter().map(|(address, _)| (Listening::Tcp, *address));
        udp.chain(tcp).collect()
    }

    /// The half that sends, for everybody.
    pub fn sender(&self, receiver: Weak<Door>) -> Sender {
        Sender { sockets: self.sockets.clone(), streams: Arc::clone(&self.streams), receiver }
    }

    /// Reads every socket until one fails, which ends the phone door.
    pub async fn run(self, receiver: Arc<Door>) -> io::Error {
        let mut tasks = JoinSet::new();
        for (local, socket) in self.sockets {
            tasks.spawn(read_datagrams(socket, local, Arc::clone(&receiver)));
        }
        for (_, listener) in self.listeners {
            tasks.spawn(accept(listener, Arc::clone(&self.streams), Arc::clone(&receiver)));
        }
        match tasks.join_next().await {
            Some(Ok(error)) => error,
            Some(Err(panicked)) => io::Error::other(panicked),
            None => io::Error::other("nothing to listen on"),
        }
    }
}

async fn read_datagrams(socket: Arc<UdpSocket>, local: SocketAddr, receiver: Arc<Door>) -> io::Error {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, source)) => {
                receiver.datagram(&buffer[..length], &Arrival { transport: Transport::Udp, source, local });
            }
            // A peer that is gone answers with ICMP, which says nothing about the socket.
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => return error,
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

async fn accept(listener: TcpListener, streams: Arc<Streams>, receiver: Arc<Door>) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                // A stranger takes no place among the connections, and learns nothing.
                if !receiver.knows(source.ip()) {
                    continue;
                }
                let Ok(local) = stream.local_addr() else { continue };
                let arrival = Arrival { transport: Transport::Tcp, source, local };
                streams.adopt(stream, arrival, Arc::clone(&receiver));
            }
            Err(error) if is_of_one_peer(&error) => {}
            // Out of file descriptors: callers on other transports go on, and this passes.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS)) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => return error,
        }
    }
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection into service.
    fn adopt(self: &Arc<Self>, stream: TcpStream, arrival: Arrival, receiver: Arc<Door>) -> mpsc::Sender<Bytes> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (queue, waiting) = mpsc::channel(STREAM_QUEUE);
        let close = Arc::new(Notify::new());
        let kept =
            Stream { queue: queue.clone(), close: Arc::clone(&close), heard: clock::now(), spoke: false, number };
        {
            let mut open = self.lock();
            if open.len() >= STREAMS_MAX {
                make_room(&mut open);
            }
            open.insert(arrival.source, kept);
        }
        tokio::spawn(write(writer, waiting));
        let streams = Arc::clone(self);
        let answers = queue.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = read(reader, &arrival, &receiver, &streams, &answers) => {}
                () = close.notified() => {}
            }
            let mut open = streams.lock();
            if open.get(&arrival.source).is_some_and(|stream| stream.number == number) {
                open.remove(&arrival.source);
            }
        });
        queue
    }

    fn heard(&self, source: SocketAddr, spoke: bool) {
        if let Some(stream) = self.lock().get_mut(&source) {
            stream.heard = clock::now();
            stream.spoke |= spoke;
        }
    }
}

fn make_room(open: &mut HashMap<SocketAddr, Stream>) {
    let oldest = open.iter().min_by_key(|(_, stream)| (stream.spoke, stream.heard)).map(|(source, _)| *source);
    if let Some(stream) = oldest.and_then(|source| open.remove(&source)) {
        stream.close.notify_one();
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    arrival: &Arrival,
    receiver: &Arc<Door>,
    streams: &Streams,
    answers: &mpsc::Sender<Bytes>,
) {
    let mut framer = StreamFramer::new();
    let mut buffer = vec![0; STREAM_READ];
    let mut spoke = false;
    loop {
        let patience = if spoke { STREAM_IDLE } else { FIRST_MESSAGE };
        let length = match timeout(patience, reader.read(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => length,
            Ok(_) | Err(_) => return,
        };
        framer.push(&buffer[..length]);
        while let Some(framed) = framer.next() {
            match framed {
                Frame::Ping => {
                    let _ = answers.try_send(Bytes::from_static(b"\r\n"));
                }
                Frame::Message(message) => {
                    receiver.message(message, arrival);
                    spoke = true;
                }
                Frame::Malformed(refusal) => receiver.refused(&refusal, arrival),
            }
        }
        streams.heard(arrival.source, spoke);
        if framer.is_closed() {
            return;
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = waiting.recv().await {
        match timeout(WRITE_LIMIT, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Sends messages by whatever socket they belong to.
pub struct Sender {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    streams: Arc<Streams>,
    receiver: Weak<Door>,
}

/// What to do when a message cannot be sent.
pub(crate) type OnFailure = Box<dyn FnOnce() + Send>;

impl Sender {
    /// Sends one message; never waits. `failed` is called when it certainly did not go out.
    pub fn send(&self, outgoing: Outgoing, failed: Option<OnFailure>) {
        let Outgoing { bytes, to } = outgoing;
        let sent = match to {
            Target::Same { transport: Transport::Udp, local, peer, .. }
            | Target::Address { transport: Transport::Udp, local, to: peer } => self.datagram(bytes, local, peer),
            Target::Same { transport: Transport::Tcp, local, peer, otherwise } => {
                return self.on_stream(bytes, local, peer, otherwise.map(|target| *target), failed);
            }
            Target::Address { transport: Transport::Tcp, local, to } => {
                return self.on_stream(bytes, local, to, None, failed);
            }
            Target::Host { transport, local, host, port } => {
                return self.resolve(bytes, transport, local, host, port, failed);
            }
        };
        if !sent {
            self.give_up(failed);
        }
    }

    fn give_up(&self, failed: Option<OnFailure>) {
        self.streams.unsent.fetch_add(1, Ordering::Relaxed);
        if let Some(failed) = failed {
            failed();
        }
    }

    fn datagram(&self, bytes: Bytes, local: SocketAddr, peer: SocketAddr) -> bool {
        let same_family = |candidate: &&(SocketAddr, Arc<UdpSocket>)| candidate.0.is_ipv4() == peer.is_ipv4();
        let socket = self.sockets.iter().find(|(address, _)| *address == local);
        let Some((_, socket)) = socket.or_else(|| self.sockets.iter().find(same_family)) else { return false };
        match socket.try_send_to(&bytes, peer) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let socket = Arc::clone(socket);
                tokio::spawn(async move { timeout(WRITE_LIMIT, socket.send_to(&bytes, peer)).await });
                true
            }
            Err(_) => false,
        }
    }

    fn on_stream(
        &self,
        bytes: Bytes,
        local: SocketAddr,
        peer: SocketAddr,
        otherwise: Option<Target>,
        failed: Option<OnFailure>,
    ) {
        let queue = self.streams.lock().get(&peer).map(|stream| stream.queue.clone());
        match queue.map(|queue| queue.try_send(bytes.clone())) {
            Some(Ok(())) => {}
            Some(Err(mpsc::error::TrySendError::Full(_))) => self.give_up(failed),
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => match otherwise {
                Some(Target::Address { to, .. }) if to != peer => self.on_stream(bytes, local, to, None, failed),
                Some(_) | None => self.connect(bytes, local, peer, failed),
            },
        }
    }

    /// `local` is the listener that answers are to reach, as this connection's own port takes none.
    fn connect(&self, bytes: Bytes, local: SocketAddr, peer: SocketAddr, failed: Option<OnFailure>) {
        let Some(receiver) = self.receiver.upgrade() else { return self.give_up(failed) };
        let streams = Arc::clone(&self.streams);
        tokio::spawn(async move {
            let connected = timeout(CONNECT_LIMIT, TcpStream::connect(peer)).await;
            let queue = match connected {
                Ok(Ok(stream)) => {
                    let arrival = Arrival { transport: Transport::Tcp, source: peer, local };
                    Some(streams.adopt(stream, arrival, receiver))
                }
                Ok(Err(_)) | Err(_) => None,
            };
            let sent = queue.is_some_and(|queue| queue.try_send(bytes).is_ok());
            if !sent {
                streams.unsent.fetch_add(1, Ordering::Relaxed);
                if let Some(failed) = failed {
                    failed();
                }
            }
        });
    }

    fn resolve(
        &self,
        bytes: Bytes,
        transport: Transport,
        local: SocketAddr,
        host: String,
        port: Option<u16>,
        failed: Option<OnFailure>,
    ) {
        let again = Sender {
            sockets: self.sockets.clone(),
            streams: Arc::clone(&self.streams),
            receiver: self.receiver.clone(),
        };
        tokio::spawn(async move {
            let found = timeout(RESOLVE_LIMIT, lookup_host((host.as_str(), port.unwrap_or(5060)))).await;
            let address =
                found.ok().and_then(Result::ok).and_then(|mut all| all.find(|a| a.is_ipv4() == local.is_ipv4()));
            match address {
                Some(to) => again.send(Outgoing { bytes, to: Target::Address { transport, local, to } }, failed),
                None => again.give_up(failed),
            }
        });
    }
}

/// A receive buffer for a burst of calls; the kernel may grant less.
const SOCKET_BUFFER: usize = 8 * 1024 * 1024;
const DATAGRAM_BYTES: usize = 65_536;
const STREAM_READ: usize = 8192;
/// Messages that wait for a slow reader.
const STREAM_QUEUE: usize = 64;
const STREAMS_MAX: usize = 4096;
/// A connection that completes no message at all for so long is closed.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// RFC 5626 §4.4.1 keep-alives come every two minutes at most; a call may last an hour in silence.
const STREAM_IDLE: Duration = Duration::from_secs(7200);
const WRITE_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const RESOLVE_LIMIT: Duration = Duration::from_secs(3);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
