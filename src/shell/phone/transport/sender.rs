//! Sends messages by the socket or the connection that they belong to (RFC 3261 §18.1.1, §18.2.2).
//!
//! A host name is located by DNS (RFC 3263); where one of its servers certainly did not get a message, the next one does.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::chosen::{Chosen, branch_of, is_repeated};
use super::connection::WRITE_LIMIT;
use super::outbox::Waiting;
use super::receiver::Receiver;
use super::streams::{Identity, Route, Streams, set_options};
use super::tap::Tap;
use dns::{DnsError, Located, Resolver};
use os::clock;
use sip::{Arrival, Outgoing, ShedReplies, Target, Transport};
use tls::TlsContext;

/// The UDP sockets, by the address that each is bound to.
pub(super) type UdpSockets = Arc<[(SocketAddr, UdpSocket)]>;

/// The sending half of the transport layer.
#[derive(Clone)]
pub(crate) struct Sender {
    sockets: UdpSockets,
    streams: Arc<Streams>,
    tap: Arc<Tap>,
    tls: Option<Arc<TlsContext>>,
    dns: Arc<Resolver>,
    /// The servers of hosts that transactions in progress go to.
    chosen: Arc<Chosen>,
    /// The trunk that all messages are for; none: that of each receiver's address.
    trunk: Option<usize>,
    /// The host that all messages are for, which certificates must hold; none: the one of each target.
    host: Option<Arc<str>>,
    /// Takes what comes on connections that are opened here.
    receiver: Weak<dyn Receiver>,
}

impl Sender {
    pub(super) fn new(
        sockets: UdpSockets,
        streams: Arc<Streams>,
        tap: Arc<Tap>,
        tls: Option<Arc<TlsContext>>,
        dns: Arc<Resolver>,
        receiver: Weak<dyn Receiver>,
    ) -> Sender {
        let chosen = Arc::default();
        Sender { sockets, streams, tap, tls, dns, chosen, trunk: None, host: None, receiver }
    }

    /// The same for the messages of one trunk, by its place in the settings.
    pub(crate) fn for_trunk(&self, trunk: usize) -> Sender {
        Sender { trunk: Some(trunk), ..self.clone() }
    }

    /// The same for messages to addresses of one host.
    pub(crate) fn for_host(&self, host: &str) -> Sender {
        Sender { host: Some(host.into()), ..self.clone() }
    }

    /// Locates the servers of a host, within a few seconds.
    pub(crate) async fn locate(
        &self,
        host: &str,
        port: Option<u16>,
        transport: Transport,
    ) -> Result<Located, DnsError> {
        timeout(RESOLVE_LIMIT, self.dns.locate(host, port, transport)).await.unwrap_or(Err(DnsError::Silent))
    }

    /// The addresses that a message to this target is sent to, one after the other as they fail; none for a target that
    /// is an address already.
    pub(crate) async fn servers(&self, mut target: &Target) -> Vec<SocketAddr> {
        while let Target::Same { otherwise: Some(otherwise), .. } = target {
            target = otherwise;
        }
        let Target::Host { transport, local, host, port } = target else { return Vec::new() };
        let located = self.locate(host, *port, *transport).await;
        of_family(located.map(|located| located.targets).unwrap_or_default(), *local).into()
    }

    /// A server did not answer: others of its host come first for a while.
    pub(crate) fn silent(&self, server: SocketAddr) {
        self.dns.failed(server);
    }

    /// The server that a request of this node went to, by the name of its host, cannot take calls: others come first for a while.
    pub(crate) fn overloaded(&self, request: &[u8]) {
        if let Some(server) = branch_of(request).and_then(|branch| self.chosen.server(branch)) {
            self.dns.failed(server);
        }
    }

    /// Closes the stream connection to a peer that has not answered by it, so that the next message takes a new one.
    pub(crate) fn close(&self, transport: Transport, peer: SocketAddr) {
        self.streams.close(transport, peer, self.trunk);
    }

    /// Closes the stream connection that messages with this arrival came by.
    pub(crate) fn close_connection(&self, arrival: &Arrival) {
        if let Some(connection) = arrival.connection {
            self.streams.close_one(arrival.source, connection);
        }
    }

    /// Sends one message; never waits. `failed` is called once, perhaps later, if it certainly did not go out.
    pub(crate) fn send(&self, outgoing: Outgoing, failed: impl FnOnce() + Send + 'static) {
        self.send_to(outgoing.to, Waiting::new(outgoing.bytes, failed));
    }

    /// Sends responses to what a UDP socket received in few system calls. One that is lost is sent again when its request is.
    pub(super) fn send_replies(&self, number: usize, replies: &ShedReplies) {
        let Some((local, socket)) = self.sockets.get(number).filter(|_| !replies.is_empty()) else { return };
        let mut batch: Vec<(&[u8], SocketAddr)> = replies.iter().collect();
        // Replies of one length to one peer go out together; which call is answered first makes no difference.
        batch.sort_unstable_by_key(|(octets, peer)| (*peer, octets.len()));
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let (sent, error) = os::datagrams::send(socket.as_fd(), rest);
            for (octets, peer) in &rest[..sent] {
                self.tap.sent(Transport::Udp, *local, *peer, octets);
            }
            rest = &rest[sent..];
            // What is wrong with one of them is not wrong with the others; one that meets a full buffer may wait.
            if error.is_some()
                && let [(octets, peer), others @ ..] = rest
            {
                self.datagram(Bytes::copy_from_slice(octets), *local, *peer);
                rest = others;
            }
        }
    }

    fn send_to(&self, target: Target, message: Waiting) {
        match target {
            Target::Same { transport: Transport::Udp, local, peer, .. }
            | Target::Address { transport: Transport::Udp, local, to: peer } => {
                if !self.datagram(message.bytes.clone(), local, peer) {
                    message.fail();
                }
            }
            Target::Same { transport, local, peer, connection, otherwise } => {
                let unsent = match connection {
                    Some(id) => self.streams.send(peer, id, message),
                    None => Err(message),
                };
                let Err(message) = unsent else { return };
                // What came by TLS is not answered in the clear (RFC 3261 §26.2).
                match otherwise.filter(|target| transport != Transport::Tls || target.transport() == Transport::Tls) {
                    Some(target) => self.send_to(*target, message),
                    None => self.on_stream(message, transport, local, peer, &peer.ip().to_string()),
                }
            }
            Target::Address { transport, local, to } => {
                self.on_stream(message, transport, local, to, &to.ip().to_string())
            }
            Target::Host { transport, local, host, port } => self.resolve(message, transport, local, host, port),
        }
    }

    /// Whether the datagram may have gone out.
    fn datagram(&self, bytes: Bytes, local: SocketAddr, peer: SocketAddr) -> bool {
        let same_family = |(address, _): &(SocketAddr, UdpSocket)| address.is_ipv4() == peer.is_ipv4();
        let number = self.sockets.iter().position(|(address, _)| *address == local);
        let Some(number) = number.or_else(|| self.sockets.iter().position(same_family)) else { return false };
        let (local, socket) = &self.sockets[number];
        match socket.try_send_to(&bytes, peer) {
            Ok(_) => {
                self.tap.sent(Transport::Udp, *local, peer, &bytes);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.tap.sent(Transport::Udp, *local, peer, &bytes);
                let sockets = Arc::clone(&self.sockets);
                tokio::spawn(async move { timeout(WRITE_LIMIT, sockets[number].1.send_to(&bytes, peer)).await });
                true
            }
            Err(_) => false,
        }
    }

    /// `name` is what the certificate of the far end must hold, where the stream is TLS. `local` is the listener that responses are
    /// to reach, as the port of a connection of this node's own accepts none.
    fn on_stream(&self, message: Waiting, transport: Transport, local: SocketAddr, peer: SocketAddr, name: &str) {
        let Some(receiver) = self.receiver.upgrade() else { return message.fail() };
        let identity = match (transport, &self.tls) {
            (Transport::Udp | Transport::Tcp, _) => None,
            (Transport::Tls, Some(tls)) => {
                let trunk = self.trunk.or_else(|| receiver.trunk(transport, peer.ip()));
                let name = tls.name_of(self.host.as_deref().unwrap_or(name), trunk).to_owned();
                Some(Identity { trunk, name })
            }
            (Transport::Tls, None) => {
                tracing::warn!("a message needs TLS, which this node cannot use: see phone.tls");
                return message.fail();
            }
        };
        let route = Route { transport, local, peer, identity };
        if let Err(message) = self.streams.send_by(&route, message) {
            self.connect(message, &route, receiver);
        }
    }

    fn connect(&self, message: Waiting, route: &Route, receiver: Arc<dyn Receiver>) {
        let peer = route.peer;
        let connected = async move {
            let stream = timeout(CONNECT_LIMIT, TcpStream::connect(peer)).await??;
            set_options(&stream);
            let own = stream.local_addr()?;
            Ok::<(TcpStream, SocketAddr), io::Error>((stream, own))
        };
        match (&route.identity, &self.tls) {
            (Some(Identity { trunk, name }), Some(tls)) => {
                let (tls, trunk, name) = (Arc::clone(tls), *trunk, name.clone());
                self.streams.connect(message, route, receiver, async move {
                    let (stream, own) = connected.await?;
                    let shaken = tls.connect(stream, &name, trunk).await;
                    shaken.map(|stream| (stream, own)).map_err(|error| {
                        tracing::warn!(name, %error, "a TLS connection could not be opened");
                        io::Error::other(error)
                    })
                });
            }
            (Some(_), None) => message.fail(),
            (None, _) => self.streams.connect(message, route, receiver, connected),
        }
    }

    fn resolve(&self, message: Waiting, transport: Transport, local: SocketAddr, host: String, port: Option<u16>) {
        let sender = self.clone();
        tokio::spawn(async move {
            match sender.locate(&host, port, transport).await {
                Ok(located) => {
                    let mut servers = of_family(located.targets, local);
                    let branch = branch_of(&message.bytes).map(<[u8]>::to_vec);
                    let repeats = transport.is_unreliable() && is_repeated(&message.bytes);
                    if let Some(silent) = sender.chosen.order(clock::now(), branch.as_deref(), &mut servers, repeats) {
                        sender.dns.failed(silent);
                    }
                    sender.try_in_turn(message, transport, local, servers, &host);
                }
                Err(error) => {
                    tracing::debug!(host, %error, "a host could not be located");
                    message.fail();
                }
            }
        });
    }

    /// Sends to the first server; if the message certainly did not reach it, to the next.
    fn try_in_turn(
        &self,
        message: Waiting,
        transport: Transport,
        local: SocketAddr,
        mut servers: VecDeque<SocketAddr>,
        host: &str,
    ) {
        let Some(to) = servers.pop_front() else { return message.fail() };
        self.chosen.goes_to(clock::now(), branch_of(&message.bytes), to);
        let (sender, host, bytes) = (self.clone(), host.to_owned(), message.bytes.clone());
        let name = host.clone();
        let here = Waiting::new(bytes, move || {
            sender.dns.failed(to);
            sender.try_in_turn(message, transport, local, servers, &host);
        });
        if transport == Transport::Udp {
            self.send_to(Target::Address { transport, local, to }, here);
        } else {
            self.on_stream(here, transport, local, to, &name);
        }
    }
}

/// Those that a socket can reach.
fn of_family(addresses: Vec<SocketAddr>, local: SocketAddr) -> VecDeque<SocketAddr> {
    addresses.into_iter().filter(|address| address.is_ipv4() == local.is_ipv4()).collect()
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);
