//! Streams on a virtual clock, over pipes in memory: bursts, far ends that read or write slowly, limits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::outbox::Waiting;
use super::receiver::{Backlog, Receiver, Screening};
use super::streams::{ADDRESS_STREAMS_MAX, Identity, Route, Streams};
use sip::{Arrival, MalformedMessage, Message, ShedReplies, Transport};

/// Answers each message at once; `backlog`: as one whose call takes its time.
struct Echo {
    streams: Arc<Streams>,
    answer: Bytes,
    backlog: Duration,
    failures: Arc<AtomicUsize>,
    pongs: AtomicUsize,
    this: Weak<Echo>,
}

impl Receiver for Echo {
    fn trunk(&self, _: Transport, _: IpAddr) -> Option<usize> {
        None
    }

    fn waited(&self, _age: Duration, _datagrams: usize) {}

    fn screen(&self, _datagram: &[u8], _arrival: &Arrival, _replies: &mut ShedReplies) -> Screening {
        Screening::Parse
    }

    fn accepts(&self, _transport: Transport, _address: IpAddr) -> bool {
        true
    }

    fn message(&self, _message: Message, arrival: &Arrival) -> Option<Backlog> {
        self.reply(arrival, self.answer.clone());
        (!self.backlog.is_zero()).then(|| Box::pin(sleep(self.backlog)) as Backlog)
    }

    fn stream_ended(&self, _arrival: &Arrival) {}

    fn ponged(&self, _arrival: &Arrival) {
        self.pongs.fetch_add(1, Ordering::Relaxed);
    }

    fn handshake_failed(&self) {}

    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival) {
        if let Some(reply) = malformed.reply(arrival) {
            self.reply(arrival, reply.bytes);
        }
    }
}

impl Echo {
    fn new(answer: usize, backlog: Duration) -> Arc<Echo> {
        let answer = [vec![b'a'; answer - 1], vec![b'\n']].concat().into();
        Arc::new_cyclic(|this| Echo {
            streams: Arc::default(),
            answer,
            backlog,
            failures: Arc::default(),
            pongs: AtomicUsize::new(0),
            this: Weak::clone(this),
        })
    }

    fn waiting(&self, bytes: Bytes) -> Waiting {
        let failures = Arc::clone(&self.failures);
        Waiting::new(bytes, move || {
            failures.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// By the connection that a message came by.
    fn reply(&self, arrival: &Arrival, bytes: Bytes) {
        let connection = arrival.connection.expect("a stream");
        if let Err(message) = self.streams.send(arrival.source, connection, self.waiting(bytes)) {
            message.fail();
        }
    }

    /// By any connection with a peer.
    fn send(&self, peer: SocketAddr, bytes: Bytes) {
        if let Err(message) = self.streams.send_by(&route(peer), self.waiting(bytes)) {
            message.fail();
        }
    }

    /// A telephone's end of a new connection from a port.
    fn connect(&self, port: u16) -> DuplexStream {
        self.connect_to(Transport::Tcp, phone(5060), port)
    }

    /// The same to a listener.
    fn connect_to(&self, transport: Transport, local: SocketAddr, port: u16) -> DuplexStream {
        let (far, near) = duplex(4096);
        let receiver: Arc<dyn Receiver> = self.this.upgrade().expect("it is in use");
        let arrival = Arrival { transport, source: phone(port), local, connection: None };
        self.streams.accept(near, arrival, receiver);
        far
    }

    /// Sends by a connection that the route allows, or opens one: then the far end of it.
    fn open(&self, route: &Route, bytes: &'static [u8]) -> Option<DuplexStream> {
        let Err(message) = self.streams.send_by(route, self.waiting(Bytes::from_static(bytes))) else { return None };
        let (far, near) = duplex(4096);
        let receiver: Arc<dyn Receiver> = self.this.upgrade().expect("it is in use");
        self.streams.connect(message, route, receiver, async move { Ok((near, phone(40_000))) });
        Some(far)
    }
}

/// To a peer by TCP.
fn route(peer: SocketAddr) -> Route {
    Route { transport: Transport::Tcp, local: phone(5060), peer, identity: None }
}

/// To a registrar by TLS, for a trunk, whose certificate must hold a name.
fn secure(trunk: usize, name: &str) -> Route {
    let identity = Some(Identity { trunk: Some(trunk), name: name.into() });
    Route { transport: Transport::Tls, identity, ..route(phone(5061)) }
}

fn phone(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

fn options(body: &str) -> String {
    format!(
        "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKa\r\nFrom: <sip:b@b>;tag=1\r\n\
         To: <sip:a@a>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Writes a burst, and reads as many lines as it asks for, after a pause.
async fn burst(phone: DuplexStream, count: usize, pause: Duration) -> usize {
    let (mut reader, mut writer) = tokio::io::split(phone);
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(options("").repeat(count).as_bytes()).await;
        writer
    });
    sleep(pause).await;
    let (mut answers, mut buffer) = (0, vec![0; 65_536]);
    while answers < count {
        match timeout(Duration::from_secs(60), reader.read(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => answers += buffer[..length].iter().filter(|byte| **byte == b'\n').count(),
            _ => break,
        }
    }
    drop(writing.await);
    answers
}

#[tokio::test(start_paused = true)]
async fn every_request_of_a_burst_is_answered() {
    for (answer, backlog) in [(300, Duration::ZERO), (4000, Duration::ZERO), (300, Duration::from_millis(3))] {
        let echo = Echo::new(answer, backlog);
        let answers = burst(echo.connect(1), 5000, Duration::from_secs(9)).await;
        assert_eq!((answers, echo.failures.load(Ordering::Relaxed)), (5000, 0), "{answer} octets, {backlog:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_reads_nothing_is_closed_and_each_of_its_messages_reported() {
    let echo = Echo::new(60_000, Duration::ZERO);
    let phone = echo.connect(1);
    // Calls in progress send on, whatever is read.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        echo.send(self::phone(1), echo.answer.clone());
    }
    sleep(Duration::from_secs(11)).await;
    assert_eq!(echo.failures.load(Ordering::Relaxed), 100);
    assert_eq!(echo.streams.waiting(), 0);
    drop(phone);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_reads_a_little_now_and_then_is_closed() {
    let echo = Echo::new(60_000, Duration::ZERO);
    let mut phone = echo.connect(1);
    (0..10).for_each(|_| echo.send(self::phone(1), echo.answer.clone()));
    let began = Instant::now();
    while phone.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {
        sleep(Duration::from_millis(600)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    assert_eq!(echo.streams.waiting(), 0);
}

/// Sends an octet a second until the connection is closed: how many, and what was answered.
async fn drip(phone: DuplexStream, text: &str) -> (usize, String) {
    let (mut reader, mut writer) = tokio::io::split(phone);
    let mut sent = 0;
    for byte in text.bytes() {
        if writer.write_all(&[byte]).await.is_err() {
            break;
        }
        sent += 1;
        sleep(Duration::from_secs(1)).await;
    }
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(60), reader.read_to_end(&mut answer)).await;
    (sent, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_is_closed_30_s_after_its_first_octet() {
    let echo = Echo::new(10, Duration::ZERO);
    let (sent, answer) = drip(echo.connect(1), &options("")).await;
    assert!((30..=32).contains(&sent), "a head: {sent}");
    assert_eq!(answer, "", "the Via is not whole");
    let mut body = echo.connect(2);
    let text = options(&"x".repeat(500));
    let (head, rest) = text.split_at(text.len() - 480);
    body.write_all(head.as_bytes()).await.expect("open");
    let (sent, answer) = drip(body, rest).await;
    assert!((30..=32).contains(&sent), "a body: {sent}");
    assert!(answer.starts_with("SIP/2.0 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_message_begins_with_its_own_first_octet() {
    let echo = Echo::new(10, Duration::ZERO);
    let mut phone = echo.connect(1);
    for _ in 0..20 {
        // Keep-alives and a message in halves, for ten minutes.
        phone.write_all(b"\r\n\r\n").await.expect("open");
        sleep(Duration::from_secs(25)).await;
        let whole = options("body");
        phone.write_all(&whole.as_bytes()[..40]).await.expect("open");
        sleep(Duration::from_secs(25)).await;
        phone.write_all(&whole.as_bytes()[40..]).await.expect("open");
        let mut answer = [0; 12];
        phone.read_exact(&mut answer).await.expect("a pong and an answer");
    }
    let (sent, _) = drip(phone, &options("")).await;
    assert!((30..=32).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_comes_is_closed_after_30_s() {
    let echo = Echo::new(10, Duration::ZERO);
    let mut phone = echo.connect(1);
    let began = Instant::now();
    assert_eq!(phone.read(&mut [0; 1]).await.ok(), Some(0));
    assert_eq!(began.elapsed().as_secs(), 30);
}

async fn is_open(phone: &mut DuplexStream) -> bool {
    phone.write_all(options("").as_bytes()).await.is_ok()
        && matches!(timeout(Duration::from_secs(1), phone.read(&mut [0; 10])).await, Ok(Ok(10)))
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_an_address_idle_connections_give_way_and_one_in_use_stays() {
    let echo = Echo::new(10, Duration::ZERO);
    let mut in_use = echo.connect(1);
    assert!(is_open(&mut in_use).await);
    let mut silent = vec![echo.connect(99)];
    sleep(Duration::from_millis(1)).await;
    silent.extend((1..ADDRESS_STREAMS_MAX as u16).map(|n| echo.connect(100 + n)));
    assert!(is_open(&mut in_use).await);
    assert!(!is_open(&mut silent[0]).await, "the oldest silent one has given way");
    assert!(is_open(silent.last_mut().expect("some")).await);
    // Now all others speak too: none gives way at once, the one silent longest does later.
    sleep(Duration::from_millis(1)).await;
    let mut all = vec![];
    for mut phone in silent.drain(1..) {
        assert!(is_open(&mut phone).await);
        all.push(phone);
    }
    assert!(!is_open(&mut echo.connect(5000)).await, "all are in use");
    sleep(Duration::from_secs(40)).await;
    assert!(is_open(&mut echo.connect(5001)).await);
    assert!(!is_open(&mut in_use).await);
}

#[tokio::test(start_paused = true)]
async fn pongs_are_told_from_the_halves_of_a_ping() {
    let echo = Echo::new(3, Duration::ZERO);
    let mut far = echo.open(&route(phone(5061)), b"ping").expect("none is open");
    assert_eq!(heard(&mut far).await, "ping");
    for n in 1..4 {
        far.write_all(b"\r\n").await.expect("open");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(echo.pongs.load(Ordering::Relaxed), n);
    }
    assert_eq!(heard(&mut far).await, "", "none is answered");
    for octet in b"\r\n\r\n" {
        far.write_all(&[*octet]).await.expect("open");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(heard(&mut far).await, "\r\n");
}

/// What comes by a connection at once, as text.
async fn heard(far: &mut DuplexStream) -> String {
    let mut octets = vec![0; 4096];
    let read = timeout(Duration::from_secs(1), far.read(&mut octets)).await;
    let length = read.map_or(0, |read| read.expect("open"));
    String::from_utf8_lossy(&octets[..length]).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_response_takes_the_connection_of_its_request_beside_others_of_the_same_far_end() {
    let echo = Echo::new(3, Duration::ZERO);
    let mut secure = echo.connect_to(Transport::Tls, phone(5061), 1);
    let mut clear = echo.connect_to(Transport::Tcp, phone(5060), 1);
    let mut other = echo.connect_to(Transport::Tcp, phone(5062), 1);
    for n in 0..6 {
        let asked = [&mut secure, &mut clear, &mut other];
        let [one, second, third] = [n % 3, (n + 1) % 3, (n + 2) % 3];
        asked[one].write_all(options("").as_bytes()).await.expect("open");
        let mut answers = Vec::new();
        for at in [one, second, third] {
            answers.push(heard(asked[at]).await);
        }
        assert_eq!(answers, ["aa\n", "", ""], "connection {one}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_by_tls_is_not_answered_by_tcp_once_its_connection_is_gone() {
    let echo = Echo::new(3, Duration::from_secs(1));
    let mut secure = echo.connect_to(Transport::Tls, phone(5061), 1);
    secure.write_all(options("").as_bytes()).await.expect("open");
    assert_eq!(heard(&mut secure).await, "aa\n");
    drop(secure);
    let mut clear = echo.connect_to(Transport::Tcp, phone(5060), 1);
    sleep(Duration::from_secs(2)).await;
    let to_tls = Route { local: phone(5061), peer: phone(1), ..self::secure(0, "a.example") };
    assert!(echo.open(&to_tls, b"BYE").is_some(), "it takes a connection of its own");
    assert_eq!(heard(&mut clear).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_tls_connection_serves_the_trunk_and_the_name_that_it_was_verified_for() {
    let echo = Echo::new(3, Duration::ZERO);
    let _accepted = echo.connect_to(Transport::Tls, phone(5060), 5061);
    let mut first = echo.open(&secure(0, "a.example"), b"one").expect("the accepted one is not verified");
    let mut second = echo.open(&secure(1, "a.example"), b"two").expect("another trunk has other authorities");
    let mut third = echo.open(&secure(0, "b.example"), b"three").expect("another name");
    assert!(echo.open(&secure(0, "A.example"), b"+").is_none());
    assert!(
        echo.open(&secure(1, "127.0.0.1"), b"+").is_none(),
        "an address of the trunk that asks for no further name"
    );
    assert_eq!(
        (heard(&mut first).await, heard(&mut second).await, heard(&mut third).await),
        ("one+".into(), "two+".into(), "three".into())
    );
    let mut clear = echo.open(&route(phone(5061)), b"clear").expect("TCP takes no TLS connection");
    assert_eq!(heard(&mut clear).await, "clear");
}

#[tokio::test(start_paused = true)]
async fn a_trunk_closes_its_own_connection_to_a_silent_server() {
    let echo = Echo::new(3, Duration::ZERO);
    let mut first = echo.open(&secure(0, "a.example"), b"one").expect("none is open");
    let mut second = echo.open(&secure(1, "a.example"), b"two").expect("another trunk");
    assert_eq!((heard(&mut first).await, heard(&mut second).await), ("one".into(), "two".into()));
    echo.streams.close(Transport::Tls, phone(5061), Some(0));
    sleep(Duration::from_secs(1)).await;
    assert!(echo.open(&secure(1, "a.example"), b"+").is_none());
    assert_eq!(heard(&mut second).await, "+");
    assert_eq!(first.read(&mut [0; 1]).await.ok(), Some(0), "it is closed");
}
