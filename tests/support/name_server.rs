//! A name server of a test, on a port of its own: it answers what its zone says.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The types of records that tests use.
const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// Answers over UDP until it is dropped.
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The records of each name and type.
type Zone = HashMap<(String, u16), Vec<Vec<u8>>>;

#[derive(Default)]
struct Shared {
    zone: Mutex<Zone>,
    asked: AtomicUsize,
    is_silent: AtomicBool,
    is_over: AtomicBool,
}

impl NameServer {
    /// A server without any record.
    pub fn start() -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a limit");
        let (address, shared) = (socket.local_addr().expect("bound"), Arc::<Shared>::default());
        let its = Arc::clone(&shared);
        let thread = std::thread::spawn(move || its.serve(&socket));
        NameServer { address, shared, thread: Some(thread) }
    }

    /// Adds an address of a name.
    pub fn host(&self, name: &str, address: &str) -> &NameServer {
        match address.parse().expect("an address") {
            IpAddr::V4(four) => self.add(name, A, four.octets().to_vec()),
            IpAddr::V6(six) => self.add(name, AAAA, six.octets().to_vec()),
        }
    }

    /// Adds a server of a service: `_sip._udp.carrier.test`.
    pub fn service(&self, name: &str, (priority, weight): (u16, u16), target: &str, port: u16) -> &NameServer {
        let numbers: Vec<u8> = [priority, weight, port].into_iter().flat_map(u16::to_be_bytes).collect();
        self.add(name, SRV, [numbers, written(target)].concat())
    }

    /// Adds a pointer to the service of a transport: `SIP+D2U`.
    pub fn pointer(&self, name: &str, service: &str, replacement: &str) -> &NameServer {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("short")][..], text.as_bytes()].concat();
        let data = [vec![0, 10, 0, 10], text("s"), text(service), text(""), written(replacement)].concat();
        self.add(name, NAPTR, data)
    }

    /// Removes all records of a name.
    pub fn remove(&self, name: &str) {
        self.shared.zone.lock().expect("sound").retain(|(owner, _), _| owner != name);
    }

    /// Whether it answers from now on.
    pub fn answers(&self, answers: bool) {
        self.shared.is_silent.store(!answers, Ordering::Relaxed);
    }

    /// How many questions it has been asked.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) -> &NameServer {
        self.shared.zone.lock().expect("sound").entry((name.to_owned(), kind)).or_default().push(data);
        self
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 2048];
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer(&buffer[..length]);
            if let Some(answer) = answer.filter(|_| !self.is_silent.load(Ordering::Relaxed)) {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    /// The answer to a question of one name; a name that the zone does not have is NXDOMAIN.
    fn answer(&self, asked: &[u8]) -> Option<Vec<u8>> {
        let (mut at, mut labels) = (12, Vec::new());
        loop {
            let length = usize::from(*asked.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(asked.get(at..at + length)?).to_lowercase());
            at += length;
        }
        let (name, kind) = (labels.join("."), u16::from_be_bytes([*asked.get(at)?, *asked.get(at + 1)?]));
        let question = asked.get(12..at + 4)?;
        let zone = self.zone.lock().expect("sound");
        let records = zone.get(&(name.clone(), kind)).cloned().unwrap_or_default();
        let exists = zone.keys().any(|(owner, _)| *owner == name);
        let code = if exists { 0 } else { 3 };
        let count = u8::try_from(records.len()).expect("few");
        let mut answer = [&asked[..2], &[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0][..], question].concat();
        for data in records {
            answer.extend([0xC0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

fn written(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let octets = labels.flat_map(|label| [&[u8::try_from(label.len()).expect("short")][..], label.as_bytes()].concat());
    octets.chain([0]).collect()
}
