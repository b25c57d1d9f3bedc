//! Every SIP message to a Homer collector, as HEP3 over UDP.
//!
//! ```text
//!  tap ── copy ──► bounded queue ──► thread: mask ──► encode ──► socket
//!                      └ full: dropped, and counted
//! ```
//!
//! The collector may be slow, wrong or gone: a call never waits for it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::transport::{Direction, Sink};
use metrics::Counter;
use sip::capture::{Mask, Masked, Packet, hep};

/// What was sent to the collector, and what was not.
#[derive(Debug, Default)]
pub struct HepCounts {
    /// Messages that were sent.
    pub sent: Counter,
    /// Messages that were not: the queue was full, the message too long, or the network refused it.
    pub dropped: Counter,
}

/// The queue to the collector.
pub struct HepExporter {
    queue: SyncSender<Captured>,
    /// Octets that wait.
    waiting: Arc<AtomicUsize>,
    counts: Arc<HepCounts>,
}

/// A message on its way.
struct Captured {
    packet: Packet<'static>,
    octets: Vec<u8>,
}

impl HepExporter {
    /// Starts the thread that sends. It ends when the exporter is dropped.
    ///
    /// # Errors
    /// The file of the password cannot be read, or there is no socket or thread.
    pub fn start(settings: &config::Hep, phone: &config::Phone) -> Result<Arc<HepExporter>, String> {
        let password = settings.password_file.as_deref().map(password).transpose()?;
        let level = if settings.mask { Masked::Personal } else { Masked::Secrets };
        let failed = |error: io::Error| format!("cannot send to phone.hep.collector = {}: {error}", settings.collector);
        let sending = Sending {
            socket: socket(settings.collector).map_err(failed)?,
            collector: settings.collector,
            agent: settings.capture_id,
            password,
            mask: Mask::new(level, phone.own_numbers(), phone.number_plan.clone()),
            failing: false,
        };
        let (exporter, queue) = HepExporter::new();
        let (waiting, counts) = (Arc::clone(&exporter.waiting), Arc::clone(&exporter.counts));
        let thread = std::thread::Builder::new().name("hep".into());
        thread.spawn(move || sending.run(&queue, &waiting, &counts)).map_err(failed)?;
        Ok(exporter)
    }

    fn new() -> (Arc<HepExporter>, Receiver<Captured>) {
        let (queue, captured) = sync_channel(MESSAGES_MAX);
        (Arc::new(HepExporter { queue, waiting: Arc::default(), counts: Arc::default() }), captured)
    }

    /// What was sent, and what was not.
    pub fn counts(&self) -> &HepCounts {
        &self.counts
    }
}

impl Sink for HepExporter {
    fn take(&self, _direction: Direction, packet: &Packet<'_>) {
        let length = packet.octets.len();
        if self.waiting.fetch_add(length, Ordering::Relaxed) + length <= OCTETS_MAX {
            let octets = packet.octets.to_vec();
            let captured = Captured { packet: Packet { octets: &[], ..*packet }, octets };
            if self.queue.try_send(captured).is_ok() {
                return;
            }
        }
        self.waiting.fetch_sub(length, Ordering::Relaxed);
        self.counts.dropped.inc();
    }
}

/// The thread's own.
struct Sending {
    socket: UdpSocket,
    collector: SocketAddr,
    agent: u32,
    password: Option<Vec<u8>>,
    mask: Mask,
    /// The last message could not be sent.
    failing: bool,
}

impl Sending {
    fn run(mut self, queue: &Receiver<Captured>, waiting: &AtomicUsize, counts: &HepCounts) {
        while let Ok(Captured { packet, mut octets }) = queue.recv() {
            waiting.fetch_sub(octets.len(), Ordering::Relaxed);
            self.mask.apply(&mut octets);
            let packet = Packet { octets: &octets, ..packet };
            let Some(hep) = hep::encode(&packet, self.agent, self.password.as_deref()) else {
                counts.dropped.inc();
                continue;
            };
            match self.socket.send_to(&hep, self.collector) {
                Ok(_) => {
                    counts.sent.inc();
                    self.failing = false;
                }
                Err(error) => {
                    counts.dropped.inc();
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(collector = %self.collector, %error, "hep_not_sent");
                    }
                }
            }
        }
    }
}

/// A socket that is not connected, so that a collector that is gone is no error of later messages.
fn socket(collector: SocketAddr) -> io::Result<UdpSocket> {
    let any = match collector {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_write_timeout(Some(SEND_LIMIT))?;
    Ok(socket)
}

/// The first line of a file.
fn password(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |what: String| format!("phone.hep.password_file = {}: {what}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    match text.lines().next().unwrap_or("") {
        "" => Err(wrong("its first line is empty; it must be the password".into())),
        line if line.len() > PASSWORD_BYTES_MAX => Err(wrong("its first line is too long for a password".into())),
        line => Ok(line.as_bytes().to_vec()),
    }
}

/// Messages that wait: those of a second under the heaviest load.
const MESSAGES_MAX: usize = 16_384;
/// Octets of all messages that wait.
const OCTETS_MAX: usize = 32 * 1024 * 1024;
const SEND_LIMIT: Duration = Duration::from_secs(1);
const PASSWORD_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use sip::Transport;
    use support::wait::{SOON, eventually};

    fn packet(octets: &[u8]) -> Packet<'_> {
        let (source, destination) = ("192.0.2.9:5060".parse(), "192.0.2.1:5060".parse());
        Packet {
            at: Duration::from_secs(7),
            transport: Transport::Udp,
            source: source.expect("an address"),
            destination: destination.expect("an address"),
            octets,
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let (exporter, queue) = HepExporter::new();
        for _ in 0..MESSAGES_MAX + 3 {
            exporter.take(Direction::Sent, &packet(b"OPTIONS"));
        }
        assert_eq!((exporter.counts.dropped.value(), exporter.counts.sent.value()), (3, 0));
        assert_eq!(queue.try_iter().count(), MESSAGES_MAX);
        let (exporter, _queue) = HepExporter::new();
        let long = vec![b'a'; 60_000];
        for _ in 0..600 {
            exporter.take(Direction::Sent, &packet(&long));
        }
        let kept = OCTETS_MAX / long.len();
        assert_eq!(exporter.counts.dropped.value(), 600 - kept as u64);
        assert_eq!(exporter.waiting.load(Ordering::Relaxed), kept * long.len());
    }

    #[test]
    fn a_message_reaches_the_collector_masked_and_what_does_not_fit_is_counted() {
        let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
        collector.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let receipts = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";
        let set = [format!("phone.hep.collector={}", collector.local_addr().expect("bound"))];
        let settings = config::read(receipts, &set, Path::new("/srv")).expect("valid settings").phone;
        let exporter = HepExporter::start(settings.hep.as_ref().expect("a collector"), &settings).expect("it starts");
        let info = "INFO sip:96110110@h SIP/2.0\r\nFrom: <sip:13800138000@h>\r\nCSeq: 1 INFO\r\n\r\nSignal=5";
        exporter.take(Direction::Received, &packet(&vec![b'a'; 65_535]));
        exporter.take(Direction::Received, &packet(info.as_bytes()));
        let mut buffer = [0; 2048];
        let (length, _) = collector.recv_from(&mut buffer).expect("a message");
        let got = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(got.starts_with("HEP3") && got.contains("INFO sip:96110110@h"), "{got}");
        assert!(got.contains("<sip:xxxxxxxxxxx@h>") && got.contains("Signal=x"), "{got}");
        eventually(SOON, "both are counted", || {
            (exporter.counts().sent.value(), exporter.counts().dropped.value()) == (1, 1)
        });
        let absent = config::Hep { password_file: Some("/nonexistent".into()), ..settings.hep.clone().expect("set") };
        assert!(HepExporter::start(&absent, &settings).is_err());
    }
}
