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
use sip::{Arrival, Outgoing, Target, Transport};

/// The UDP sockets, by the address that each is bound to.
pub(super) type UdpSockets = Arc<[(SocketAddr, UdpSocket)]>;

/// The sending half of the transport layer.
#[derive(Clone)]
pub(crate) struct Sender {
    sockets: UdpSockets,
    streams: Arc<Streams>,
    /// Takes what comes on connections that are opened here.
    receiver: Weak<dyn Receiver>,
}

impl Sender {
    pub(super) fn new(sockets: UdpSockets, streams: Arc<Streams>, receiver: Weak<dyn Receiver>) -> Sender {
        Sender { sockets, streams, receiver }
    }

    /// Sends one message; never waits. `failed` is called once, perhaps later, if it certainly did not go out.
    pub(crate) fn send(&self, outgoing: Outgoing, failed: impl FnOnce() + Send + 'static) {
        let Outgoing { bytes, to } = outgoing;
        match to {
            Target::Same { transport: Transport::Udp, local, peer, .. }
            | Target::Address { transport: Transport::Udp, local, to: peer } => {
                if !self.datagram(bytes, local, peer) {
                    failed();
                }
            }
            Target::Same { transport: Transport::Tcp, local, peer, otherwise } => {
                self.on_stream(Waiting::new(bytes, failed), local, peer, otherwise.map(|target| *target));
            }
            Target::Address { transport: Transport::Tcp, local, to } => {
                self.on_stream(Waiting::new(bytes, failed), local, to, None);
            }
            Target::Host { transport, local, host, port } => {
                self.resolve(bytes, transport, local, host, port, failed);
            }
        }
    }

    /// Whether the datagram may have gone out.
    fn datagram(&self, bytes: Bytes, local: SocketAddr, peer: SocketAddr) -> bool {
        let same_family = |(address, _): &(SocketAddr, UdpSocket)| address.is_ipv4() == peer.is_ipv4();
        let number = self.sockets.iter().position(|(address, _)| *address == local);
        let Some(number) = number.or_else(|| self.sockets.iter().position(same_family)) else { return false };
        match self.sockets[number].1.try_send_to(&bytes, peer) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let sockets = Arc::clone(&self.sockets);
                tokio::spawn(async move { timeout(WRITE_LIMIT, sockets[number].1.send_to(&bytes, peer)).await });
                true
            }
            Err(_) => false,
        }
    }

    fn on_stream(&self, message: Waiting, local: SocketAddr, peer: SocketAddr, otherwise: Option<Target>) {
        let Err(message) = self.streams.send(peer, message) else { return };
        match otherwise {
            Some(Target::Address { to, .. }) if to != peer => self.on_stream(message, local, to, None),
            Some(_) | None => self.connect(message, local, peer),
        }
    }

    /// `local` is the listener that responses are to reach, as this connection's own port accepts none.
    fn connect(&self, message: Waiting, local: SocketAddr, peer: SocketAddr) {
        let Some(receiver) = self.receiver.upgrade() else { return message.fail() };
        let arrival = Arrival { transport: Transport::Tcp, source: peer, local };
        self.streams.connect(message, arrival, receiver, async move {
            let stream = timeout(CONNECT_LIMIT, TcpStream::connect(peer)).await??;
            let _ = stream.set_nodelay(true);
            Ok(stream)
        });
    }

    fn resolve(
        &self,
        bytes: Bytes,
        transport: Transport,
        local: SocketAddr,
        host: String,
        port: Option<u16>,
        failed: impl FnOnce() + Send + 'static,
    ) {
        let sender = self.clone();
        tokio::spawn(async move {
            let found = timeout(RESOLVE_LIMIT, lookup_host((host.as_str(), port.unwrap_or(5060)))).await;
            let address =
                found.ok().and_then(Result::ok).and_then(|mut all| all.find(|a| a.is_ipv4() == local.is_ipv4()));
            match address {
                Some(to) => sender.send(Outgoing { bytes, to: Target::Address { transport, local, to } }, failed),
                None => failed(),
            }
        });
    }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const RESOLVE_LIMIT: Duration = Duration::from_secs(3);
