//! The task: sockets, messages, time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::message::{Asked, HOLD, Message, Registered};
use os::clock;
use webrtc::{BrowserPhones, CallNumber, LineEnd, LineReport, Output, Secrets};

/// The sockets of the telephones in browsers.
pub(crate) struct Sockets {
    /// To browsers.
    outer: UdpSocket,
    /// To media sessions.
    inner: UdpSocket,
}

impl Sockets {
    /// Binds both. The inner one is on the address that media sessions have, or the loopback where that is unspecified.
    pub(crate) fn bind(outer: SocketAddr, sip: SocketAddr) -> Result<Sockets, (SocketAddr, io::Error)> {
        let ip = match sip.ip() {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            own => own,
        };
        let bound = |address: SocketAddr| bind(address).map_err(|error| (address, error));
        Ok(Sockets { outer: bound(outer)?, inner: bound(SocketAddr::new(ip, 0))? })
    }

    /// The inner address, and the outer one.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.inner.local_addr()?, self.outer.local_addr()?))
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Serves until it is told to end, or the last handle is gone.
pub(crate) async fn run(
    sockets: Sockets,
    candidate: SocketAddr,
    mut arrivals: mpsc::Receiver<Message>,
    registered: Arc<Registered>,
) {
    let phones = BrowserPhones::new(&[candidate]);
    let mut gateway = Gateway { sockets, phones, registered, waiting: Vec::new(), calls: HashMap::new() };
    let mut out = Vec::new();
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let now = clock::now();
        let due = gateway.deadline().unwrap_or(now + FAR);
        tokio::select! {
            message = arrivals.recv() => match message {
                Some(Message::End) | None => return,
                Some(message) => gateway.receive(message, &mut out),
            },
            ready = gateway.sockets.outer.readable() => {
                if ready.is_ok() {
                    gateway.read(Side::Browsers, &mut buffer, &mut out);
                }
            }
            ready = gateway.sockets.inner.readable() => {
                if ready.is_ok() {
                    gateway.read(Side::Sessions, &mut buffer, &mut out);
                }
            }
            () = sleep_until(due.into()) => gateway.phones.time(clock::now(), &mut out),
        }
        gateway.perform(&mut out);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Browsers,
    Sessions,
}

struct Gateway {
    sockets: Sockets,
    phones: BrowserPhones,
    registered: Arc<Registered>,
    /// Requests of pages, and until when they wait.
    waiting: Vec<(Instant, Asked)>,
    calls: HashMap<CallNumber, mpsc::Sender<LineReport>>,
}

impl Gateway {
    fn deadline(&self) -> Option<Instant> {
        let of_phones = self.phones.deadline().map(|deadline| deadline.at);
        let of_pages = self.waiting.iter().map(|(until, _)| *until).min();
        [of_phones, of_pages].into_iter().flatten().min()
    }

    /// Reads some datagrams, so that neither side waits long for the other.
    fn read(&mut self, side: Side, buffer: &mut [u8], out: &mut Vec<Output>) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            let socket = match side {
                Side::Browsers => &self.sockets.outer,
                Side::Sessions => &self.sockets.inner,
            };
            match socket.try_recv_from(buffer) {
                Ok((length, from)) => {
                    let (now, octets) = (clock::now(), &buffer[..length]);
                    match side {
                        Side::Browsers => self.phones.datagram(now, from, octets, out),
                        Side::Sessions => self.phones.sound(now, from, octets, out),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A report about an earlier packet.
                Err(_) => {}
            }
        }
    }

    fn receive(&mut self, message: Message, out: &mut Vec<Output>) {
        let now = clock::now();
        match message {
            Message::Connect { agent, offer, reply } => {
                let accepted = self.phones.connect(now, &agent, &offer, &secrets(), out);
                match &accepted {
                    Ok(_) => tracing::info!(%agent, "browser_telephone_connects"),
                    Err(error) => tracing::warn!(%agent, %error, "browser_telephone_refused"),
                }
                let _ = reply.send(accepted);
            }
            Message::Press { agent, id, press, reply } => {
                let _ = reply.send(self.phones.press(now, &agent, &id, press, out));
            }
            Message::Events(asked) => self.wait(now, asked),
            Message::Ring { agent, ring, media, reports } => {
                let call = ring.call;
                if self.phones.ring(now, &agent, ring, media, out) {
                    self.calls.insert(call, reports);
                } else {
                    let _ = reports.try_send(LineReport::Over(LineEnd::Lost));
                }
            }
            Message::Release(call) => self.phones.release(now, call, out),
            Message::End => {}
        }
    }

    /// Answers a page that has something to read, and lets another one wait.
    fn wait(&mut self, now: Instant, asked: Asked) {
        match self.phones.events(now, &asked.agent, &asked.id, asked.after) {
            Ok((events, _)) if events.is_empty() && self.waiting.len() < WAITING_MAX => {
                self.waiting.push((now + HOLD, asked));
            }
            answer => drop(asked.reply.send(answer)),
        }
    }

    /// Does what the telephones want.
    fn perform(&mut self, out: &mut Vec<Output>) {
        let mut has_news = false;
        for output in out.drain(..) {
            match output {
                // A full socket buffer loses a packet, as a network does.
                Output::Transmit { to, octets } => drop(self.sockets.outer.try_send_to(&octets, to)),
                Output::Sound { to, octets } => drop(self.sockets.inner.try_send_to(&octets, to)),
                Output::Report(call, report) => {
                    let is_over = matches!(report, LineReport::Over(_));
                    if let Some(reports) = self.calls.get(&call) {
                        let _ = reports.try_send(report);
                    }
                    if is_over {
                        self.calls.remove(&call);
                    }
                }
                Output::News => has_news = true,
            }
        }
        let now = clock::now();
        if has_news {
            self.registered
                .store(Arc::new(self.phones.registered().map(|(agent, at)| (Arc::clone(agent), at)).collect()));
        }
        if has_news || self.waiting.iter().any(|(until, _)| *until <= now) {
            self.answer_pages(now);
        }
    }

    fn answer_pages(&mut self, now: Instant) {
        for (until, asked) in std::mem::take(&mut self.waiting) {
            if asked.reply.is_closed() {
                continue;
            }
            match self.phones.events(now, &asked.agent, &asked.id, asked.after) {
                Ok((events, _)) if events.is_empty() && until > now => self.waiting.push((until, asked)),
                answer => drop(asked.reply.send(answer)),
            }
        }
    }
}

/// What must be unguessable of a connection.
fn secrets() -> Secrets {
    Secrets {
        id: base::hex(&clock::random_octets::<16>()),
        fragment: base::hex(&clock::random_octets::<8>()),
        password: base::hex(&clock::random_octets::<16>()),
    }
}

/// Larger than any datagram of a browser: its packets fit into one of the network.
const DATAGRAM_MAX: usize = 2048;
const DATAGRAMS_AT_ONCE: usize = 32;
/// Requests of pages that wait: one a page, and those of pages that are gone.
const WAITING_MAX: usize = 1024;
const FAR: Duration = Duration::from_secs(3600);
