//! Sends messages by the socket or the connection that they belong to (RFC 3261 §18.1.1, §18.2.2).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::connection::WRITE_LIMIT;
use super::outbox::Waiting;
use super::receiver::Receiver;
use super::streams::Streams;
use super::tap::Tap;
use sip::{Arrival, Outgoing, Target, Transport};
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
    /// Takes what comes on connections that are opened here.
    receiver: Weak<dyn Receiver>,
}

impl Sender {
    pub(super) fn new(
        sockets: UdpSockets,
        streams: Arc<Streams>,
        tap: Arc<Tap>,
        tls: Option<Arc<TlsContext>>,
        receiver: Weak<dyn Receiver>,
    ) -> Sender {
        Sender { sockets, streams, tap, tls, receiver }
    }

    /// Sends one message; never waits. `failed` is called once, perhaps later, if it certainly did not go out.
    pub(crate) fn send(&self, outgoing: Outgoing, failed: impl FnOnce() + Send + 'static) {
        self.send_to(outgoing.to, Waiting::new(outgoing.bytes, failed));
    }

    fn send_to(&self, target: Target, message: Waiting) {
        match target {
            Target::Same { transport: Transport::Udp, local, peer, .. }
            | Target::Address { transport: Transport::Udp, local, to: peer } => {
                if !self.datagram(message.bytes.clone(), local, peer) {
                    message.fail();
                }
            }
            Target::Same { transport, local, peer, otherwise } => {
                let Err(message) = self.streams.send(peer, message) else { return };
                match otherwise {
                    Some(target) => self.send_to(*target, message),
                    None => self.connect(message, transport, local, peer, &peer.ip().to_string()),
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

    /// `name` is what the certificate of the far end must hold, where the stream is TLS.
    fn on_stream(&self, message: Waiting, transport: Transport, local: SocketAddr, peer: SocketAddr, name: &str) {
        if let Err(message) = self.streams.send(peer, message) {
            self.connect(message, transport, local, peer, name);
        }
    }

    /// `local` is the listener that responses are to reach, as this connection's own port accepts none.
    fn connect(&self, message: Waiting, transport: Transport, local: SocketAddr, peer: SocketAddr, name: &str) {
        let Some(receiver) = self.receiver.upgrade() else { return message.fail() };
        let arrival = Arrival { transport, source: peer, local };
        let connected = async move {
            let stream = timeout(CONNECT_LIMIT, TcpStream::connect(peer)).await??;
            let _ = stream.set_nodelay(true);
            let own = stream.local_addr()?;
            Ok::<(TcpStream, SocketAddr), io::Error>((stream, own))
        };
        match (transport, &self.tls) {
            (Transport::Tls, Some(tls)) => {
                let (tls, name) = (Arc::clone(tls), name.to_owned());
                self.streams.connect(message, arrival, receiver, async move {
                    let (stream, own) = connected.await?;
                    let shaken = tls.connect(stream, &name).await;
                    shaken.map(|stream| (stream, own)).map_err(|error| {
                        tracing::warn!(name, %error, "a TLS connection could not be opened");
                        io::Error::other(error)
                    })
                });
            }
            (Transport::Tls, None) => {
                tracing::warn!("a message needs TLS, which this node cannot use: see phone.tls");
                message.fail();
            }
            (Transport::Udp | Transport::Tcp, _) => self.streams.connect(message, arrival, receiver, connected),
        }
    }

    fn resolve(&self, message: Waiting, transport: Transport, local: SocketAddr, host: String, port: Option<u16>) {
        let sender = self.clone();
        tokio::spawn(async move {
            let port = port.unwrap_or_else(|| transport.default_port());
            let found = timeout(RESOLVE_LIMIT, lookup_host((host.as_str(), port))).await;
            let address =
                found.ok().and_then(Result::ok).and_then(|mut all| all.find(|a| a.is_ipv4() == local.is_ipv4()));
            match address {
                Some(to) if transport == Transport::Udp => {
                    sender.send_to(Target::Address { transport, local, to }, message);
                }
                Some(to) => sender.on_stream(message, transport, local, to, &host),
                None => message.fail(),
            }
        });
    }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const RESOLVE_LIMIT: Duration = Duration::from_secs(3);
