//! The transport layer with real sockets on the loopback and a receiver that only notes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};

use super::{Backlog, Direction, Receiver, Screening, Sink, Tap, TransportLayer};
use config::Transport as Listening;
use sip::capture::Packet;
use sip::{Arrival, MalformedMessage, Message, Outgoing, ShedReplies, Target, Transport};

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Notes what comes in: the Call-ID of a message, nothing of what is malformed.
struct Notes {
    trusts: bool,
    notes: mpsc::UnboundedSender<(Option<String>, Arrival)>,
}

impl Receiver for Notes {
    fn accepts(&self, _transport: Transport, _address: IpAddr) -> bool {
        self.trusts
    }

    fn trunk(&self, _: Transport, _: IpAddr) -> Option<usize> {
        None
    }

    fn waited(&self, _age: Duration, _datagrams: usize) {}

    fn screen(&self, _datagram: &[u8], _arrival: &Arrival, _replies: &mut ShedReplies) -> Screening {
        Screening::Parse
    }

    fn message(&self, message: Message, arrival: &Arrival) -> Option<Backlog> {
        let _ = self.notes.send((Some(message.call_id().to_owned()), *arrival));
        None
    }

    fn stream_ended(&self, _arrival: &Arrival) {}

    fn ponged(&self, _arrival: &Arrival) {}

    fn handshake_failed(&self) {}

    fn malformed(&self, _malformed: &MalformedMessage, arrival: &Arrival) {
        let _ = self.notes.send((None, *arrival));
    }
}

/// A transport layer at work: its addresses, its sender, what its receiver notes.
struct Running {
    udp: SocketAddr,
    tcp: SocketAddr,
    sender: super::Sender,
    notes: mpsc::UnboundedReceiver<(Option<String>, Arrival)>,
    tap: Arc<Tap>,
    _receiver: Arc<dyn Receiver>,
}

fn run(trusts: bool) -> Running {
    // The port that the system chooses for UDP may be taken for TCP.
    let bind = || TransportLayer::bind(&[(Listening::Udp, ANY), (Listening::Tcp, ANY)]).ok();
    let transport = std::iter::repeat_with(bind).take(100).find_map(|bound| bound).expect("free ports");
    let tap = Tap::new(None);
    let transport = transport.with_tap(Arc::clone(&tap));
    let address_of = |wanted| transport.listening().iter().find(|(kind, _)| *kind == wanted).map(|(_, at)| *at);
    let (udp, tcp) = (address_of(Listening::Udp).expect("bound"), address_of(Listening::Tcp).expect("bound"));
    let (notes, noted) = mpsc::unbounded_channel();
    let receiver: Arc<dyn Receiver> = Arc::new(Notes { trusts, notes });
    let sender = transport.sender(Arc::downgrade(&receiver));
    tokio::spawn(transport.run(Arc::clone(&receiver)));
    Running { udp, tcp, sender, notes: noted, tap, _receiver: receiver }
}

fn options(call_id: &str) -> String {
    format!(
        "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKa\r\nFrom: <sip:b@b>;tag=1\r\n\
         To: <sip:a@a>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn port_zero_is_the_same_port_for_both_transports() {
    let running = run(true);
    assert_eq!(running.udp, running.tcp);
}

#[tokio::test]
async fn a_datagram_is_received_with_its_arrival() {
    let mut running = run(true);
    let phone = UdpSocket::bind(ANY).await.expect("loopback");
    phone.send_to(options("one").as_bytes(), running.udp).await.expect("loopback");
    let (call_id, arrival) = running.notes.recv().await.expect("the transport runs");
    assert_eq!(call_id.as_deref(), Some("one"));
    let source = phone.local_addr().expect("bound");
    assert_eq!(arrival, Arrival { transport: Transport::Udp, source, local: running.udp, connection: None });
}

#[tokio::test]
async fn keep_alives_by_udp_are_no_messages_and_empty_lines_before_one_are_skipped() {
    let mut running = run(true);
    let phone = UdpSocket::bind(ANY).await.expect("loopback");
    for octets in [&b"\r\n\r\n"[..], b"\r\n", b"\n", b"\0\0\0\0", b""] {
        phone.send_to(octets, running.udp).await.expect("loopback");
    }
    phone.send_to(format!("\r\n\r\n{}", options("one")).as_bytes(), running.udp).await.expect("loopback");
    assert_eq!(running.notes.recv().await.expect("the transport runs").0.as_deref(), Some("one"));
    phone.send_to(b"jaK", running.udp).await.expect("loopback");
    assert_eq!(running.notes.recv().await.expect("the transport runs").0, None, "another protocol is malformed");
}

#[tokio::test]
async fn a_stream_is_framed_pinged_and_answered_on_itself() {
    let mut running = run(true);
    let mut phone = TcpStream::connect(running.tcp).await.expect("the listener accepts");
    phone.write_all(b"\r\n\r\n").await.expect("open");
    let mut pong = [0; 2];
    phone.read_exact(&mut pong).await.expect("a pong");
    assert_eq!(&pong, b"\r\n");
    phone.write_all((options("two") + &options("three")).as_bytes()).await.expect("open");
    let (second, arrival) = running.notes.recv().await.expect("the transport runs");
    let (third, _) = running.notes.recv().await.expect("the transport runs");
    assert_eq!((second.as_deref(), third.as_deref()), (Some("two"), Some("three")));
    let Arrival { transport, source: peer, local, connection } = arrival;
    let to = Target::Same { transport, local, peer, connection, otherwise: None };
    running.sender.send(Outgoing { bytes: Bytes::from_static(b"answer"), to }, || panic!("it went out"));
    let mut answer = [0; 6];
    phone.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"answer");
}

/// Notes what passes the tap: which way, by what, from, to, and the message.
struct Captured(mpsc::UnboundedSender<(Direction, Transport, SocketAddr, SocketAddr, Vec<u8>)>);

impl Sink for Captured {
    fn take(&self, direction: Direction, packet: &Packet<'_>) {
        let Packet { transport, source, destination, octets, .. } = *packet;
        let _ = self.0.send((direction, transport, source, destination, octets.to_vec()));
    }
}

#[tokio::test]
async fn the_tap_shows_messages_with_the_addresses_of_their_packets_until_its_sink_is_detached() {
    let mut running = run(true);
    let (captured, mut seen) = mpsc::unbounded_channel();
    let sink: Arc<dyn Sink> = Arc::new(Captured(captured));
    running.tap.attach(&sink);
    let phone = UdpSocket::bind(ANY).await.expect("loopback");
    let (own, one, two) = (phone.local_addr().expect("bound"), options("one"), options("two"));
    phone.send_to(b"\r\n\r\n", running.udp).await.expect("loopback");
    phone.send_to(one.as_bytes(), running.udp).await.expect("loopback");
    let received = (Direction::Received, Transport::Udp, own, running.udp, one.clone().into_bytes());
    assert_eq!(seen.recv().await, Some(received), "a keep-alive is no message");
    let udp = Target::Address { transport: Transport::Udp, local: running.udp, to: own };
    running.sender.send(Outgoing { bytes: two.clone().into(), to: udp.clone() }, || panic!("it went out"));
    let sent = (Direction::Sent, Transport::Udp, running.udp, own, two.clone().into_bytes());
    assert_eq!(seen.recv().await, Some(sent));

    // A connection that the node opens has a port of its own.
    let peer = TcpListener::bind(ANY).await.expect("loopback");
    let to = peer.local_addr().expect("bound");
    let tcp = Target::Address { transport: Transport::Tcp, local: running.tcp, to };
    running.sender.send(Outgoing { bytes: two.clone().into(), to: tcp }, || panic!("it went out"));
    let (mut stream, node) = peer.accept().await.expect("a connection");
    assert_eq!(seen.recv().await, Some((Direction::Sent, Transport::Tcp, node, to, two.clone().into_bytes())));
    let (half, rest) = one.split_at(60);
    stream.write_all(half.as_bytes()).await.expect("open");
    stream.write_all(format!("{rest}\r\n\r\n").as_bytes()).await.expect("open");
    assert_eq!(seen.recv().await, Some((Direction::Received, Transport::Tcp, to, node, one.into_bytes())));

    running.tap.detach(&sink);
    running.sender.send(Outgoing { bytes: two.into(), to: udp }, || panic!("it went out"));
    phone.send_to(options("three").as_bytes(), running.udp).await.expect("loopback");
    while running.notes.recv().await.expect("the transport runs").0.as_deref() != Some("three") {}
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_stranger_is_disconnected_and_nothing_is_received() {
    let mut running = run(false);
    let mut phone = TcpStream::connect(running.tcp).await.expect("the kernel accepts");
    assert!(matches!(phone.read(&mut [0; 1]).await, Ok(0) | Err(_)), "the connection is closed");
    let datagram = UdpSocket::bind(ANY).await.expect("loopback");
    datagram.send_to(options("four").as_bytes(), running.udp).await.expect("loopback");
    assert!(tokio::time::timeout(Duration::from_millis(50), running.notes.recv()).await.is_err());
}

#[tokio::test]
async fn a_message_that_cannot_go_out_is_reported_once() {
    let running = run(true);
    let closed = std::net::TcpListener::bind(ANY).and_then(|listener| listener.local_addr()).expect("loopback");
    let to = Target::Address { transport: Transport::Tcp, local: running.tcp, to: closed };
    let (failed, reported) = oneshot::channel();
    running.sender.send(Outgoing { bytes: Bytes::from_static(b"lost"), to }, || {
        let _ = failed.send(());
    });
    reported.await.expect("a refused connection is reported");
    let v6 = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), 5060);
    let to = Target::Address { transport: Transport::Udp, local: running.udp, to: v6 };
    let (failed, mut reported) = oneshot::channel();
    running.sender.send(Outgoing { bytes: Bytes::from_static(b"lost"), to }, || {
        let _ = failed.send(());
    });
    assert_eq!(reported.try_recv(), Ok(()), "no socket of that family");
}
