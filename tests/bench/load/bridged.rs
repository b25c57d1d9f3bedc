//! Callers who talk to people: each caller's leg is bridged with one to a call centre. Every packet of both sides tells when it was
//! sent, so that what the bridge adds is measured, and what it loses counted.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::callers::{Callers, Manners, header, number};
use super::figures::{HOTLINE, Table, listen};
use super::marks::{Ear, mark};
use super::process::{Gateway, pin};
use super::sockets::{Inbound, Outbound, exact_sleeps, stamped, wall_ns};
use super::{median, part, setting};

pub(crate) fn bridged(table: &mut Table) {
    let calls = setting("CALLS", 1000) / 2;
    let time = Duration::from_secs(setting("SECONDS", 8) as u64);
    let (mut ratios, mut delays, mut each, mut answers, mut rings) = (vec![], vec![], vec![], vec![], vec![]);
    let mut lost = 0;
    for round in 0..setting("ROUNDS", 3) {
        let playing = playing_calls(2 * calls, time);
        let ours = round_of(calls, time);
        println!(
            "round {round}: {:.1} % cpu bridged, {playing:.1} % playing; delay p50 {:.1} p99 {:.1} ms, lost {}, answer to sound p99 \
             {:.1} ms, free line to ring p99 {:.1} ms",
            ours.cpu, ours.delay.0, ours.delay.1, ours.lost, ours.answer, ours.ring
        );
        ratios.push(ours.cpu / playing);
        each.push(ours.cpu / calls as f64);
        delays.push(ours.delay.1);
        answers.push(ours.answer);
        rings.push(ours.ring);
        lost += ours.lost;
    }
    let what = format!("{calls} bridged calls on two cores");
    let mut line = |figure: &str, target: &str, measured: String, limit: &str| {
        table.line("bridged", &format!("{what}: {figure}"), target, measured, limit.into());
    };
    line("delay that the bridge adds, p99", "≤ 25 ms", format!("{:.1} ms", median(delays)), "0 (the same sockets)");
    line("packets lost", "0", lost.to_string(), "-");
    let ratio = format!("{:.2} ({:.3} % of a core a call)", median(ratios), median(each));
    line("CPU, to that of two playing calls each", "≤ 1.2", ratio, "1");
    line("answer to both hear, p99", "≤ 150 ms", format!("{:.1} ms", median(answers)), "-");
    line("free line to ring, p99", "≤ 100 ms", format!("{:.1} ms", median(rings)), "-");
}

struct Round {
    cpu: f64,
    delay: (f64, f64),
    lost: u64,
    answer: f64,
    ring: f64,
}

/// The processor that so many calls take that hear prompts.
fn playing_calls(calls: usize, time: Duration) -> f64 {
    let gateway = Gateway::start(None);
    let mut callers = Callers::new(gateway.phone, calls);
    callers.dial(HOTLINE, 250.0, Duration::from_secs(60), calls as u64, Manners::default());
    let sound = listen(&mut callers, || gateway.cpu(), time);
    callers.leave(Duration::from_secs(3));
    gateway.end(calls as u64);
    sound.cpu_percent
}

fn round_of(calls: usize, time: Duration) -> Round {
    let centre = Centre::start();
    let queue = format!(
        "queue=[{{name=\"desk\", address=\"sip:600@{}\", lines={calls}, waiting_max=10000, wait_max_s=600}}]",
        centre.address
    );
    let gateway = Gateway::start_with(
        None,
        &[
            "hotline.calendar=config/examples/always_open.toml",
            &queue,
            "phone.desk=queue:desk",
            "phone.transfers_per_caller_max=0",
        ],
    );
    let all = calls + WAITING;
    let mut callers = Callers::new(gateway.phone, all);
    callers.mark(true);
    // The language, then a person.
    let manners = Manners { presses_after: Some(Duration::from_millis(700)), keys: &[1, 0], ..Manners::default() };
    callers.dial(HOTLINE, 50.0, Duration::from_secs(60), all as u64, manners);
    callers.go_on(Duration::from_secs(30), |_| centre.talking() == calls);
    assert_eq!(centre.talking(), calls, "every line has a caller");
    callers.go_on(Duration::from_secs(2), |_| false);
    centre.measure();
    let sound = listen(&mut callers, || gateway.cpu(), time);
    let (mut heard, their_lost) = centre.heard();
    heard.append(&mut callers.heard.delays);
    let delay = (part(&mut heard, 0.5), part(&mut heard, 0.99));
    assert!(heard.len() as f64 > 0.9 * 2.0 * 50.0 * calls as f64 * time.as_secs_f64(), "both sides hear all of it");
    let answered = centre.answered();
    let mut answers = Vec::new();
    for (n, first) in callers.first_marks().into_iter().enumerate() {
        if let (Some(first), Some((at, theirs))) = (first, answered.get(&number(n))) {
            answers.push(first.max(*theirs).saturating_sub(*at) as f64 / 1e6);
        }
    }
    assert_eq!(answers.len(), calls, "both sides of each call heard the other");
    // Lines become free, and ring for those who wait.
    centre.hang_up(WAITING);
    callers.go_on(Duration::from_secs(10), |_| centre.rings().len() == WAITING);
    let mut rings = centre.rings();
    assert_eq!(rings.len(), WAITING, "each free line rings again");
    callers.leave(Duration::from_secs(3));
    centre.end();
    gateway.end(all as u64);
    Round {
        cpu: sound.cpu_percent,
        delay,
        lost: sound.lost + their_lost,
        answer: part(&mut answers, 0.99),
        ring: part(&mut rings, 0.99),
    }
}

/// A call centre in a thread of its own: answers every call at once, and talks in marks.
struct Centre {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    talking: AtomicUsize,
    measure_from: AtomicU64,
    to_hang_up: AtomicUsize,
    lost: AtomicU64,
    delays: Mutex<Vec<f64>>,
    /// When a caller's call was answered, and when its first mark was heard here.
    answered: Mutex<HashMap<u64, (u64, u64)>>,
    /// From a hang-up to the next ring, in milliseconds.
    rings: Mutex<Vec<f64>>,
}

/// A call at the call centre.
struct Line {
    invite: String,
    tag: String,
    caller: u64,
    rtp: usize,
    peer: u16,
    answered: u64,
    sequence: u16,
    time: u32,
    last: Option<u16>,
    ear: Ear,
}

impl Centre {
    fn start() -> Centre {
        let socket = stamped();
        let address = socket.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            pin(None);
            exact_sleeps();
            Desk::new(socket, theirs).run();
        });
        Centre { address, shared, thread }
    }

    fn talking(&self) -> usize {
        self.shared.talking.load(Ordering::Relaxed)
    }

    fn measure(&self) {
        self.shared.measure_from.store(wall_ns(), Ordering::Relaxed);
    }

    fn heard(&self) -> (Vec<f64>, u64) {
        self.shared.measure_from.store(0, Ordering::Relaxed);
        let delays = std::mem::take(&mut *self.shared.delays.lock().expect("the thread lives"));
        (delays, self.shared.lost.load(Ordering::Relaxed))
    }

    fn answered(&self) -> HashMap<u64, (u64, u64)> {
        self.shared.answered.lock().expect("the thread lives").clone()
    }

    fn hang_up(&self, lines: usize) {
        self.shared.to_hang_up.store(lines, Ordering::Relaxed);
    }

    fn rings(&self) -> Vec<f64> {
        self.shared.rings.lock().expect("the thread lives").clone()
    }

    fn end(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the call centre ends in order");
    }
}

struct Desk {
    shared: Arc<Shared>,
    sip: UdpSocket,
    rtp: Vec<UdpSocket>,
    lines: HashMap<String, Line>,
    by_port: HashMap<u16, String>,
    inbound: Inbound,
    outbound: Vec<Outbound>,
    gateway: Option<std::net::SocketAddr>,
    freed: Vec<u64>,
    steps: usize,
}

impl Desk {
    fn new(sip: UdpSocket, shared: Arc<Shared>) -> Desk {
        Desk {
            shared,
            sip,
            rtp: (0..SOCKETS).map(|_| stamped()).collect(),
            lines: HashMap::new(),
            by_port: HashMap::new(),
            inbound: Inbound::new(),
            outbound: (0..SOCKETS).map(|_| Outbound::default()).collect(),
            gateway: None,
            freed: Vec::new(),
            steps: 0,
        }
    }

    fn run(mut self) {
        let began = Instant::now();
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.steps += 1;
            let due = began + Duration::from_millis(self.steps as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.take_sip();
            self.take_rtp();
            self.send_rtp();
            self.hang_up();
            self.shared.talking.store(self.lines.values().filter(|line| line.answered > 0).count(), Ordering::Relaxed);
        }
    }

    fn take_sip(&mut self) {
        let mut inbound = std::mem::replace(&mut self.inbound, Inbound::new());
        let sip = self.sip.try_clone().expect("a second handle");
        inbound.drain(&sip, |bytes, at, port| self.on_sip(&String::from_utf8_lossy(bytes), at, port));
        self.inbound = inbound;
    }

    fn on_sip(&mut self, text: &str, at: u64, port: u16) {
        self.gateway = Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into());
        let id = header(text, "Call-ID").unwrap_or_default().to_owned();
        if text.starts_with("INVITE") {
            self.invited(id, text, at);
        } else if text.starts_with("BYE") || text.starts_with("CANCEL") {
            self.respond(text, "200 OK", "", "");
            if let Some(line) = self.lines.remove(&id) {
                self.by_port.remove(&line.peer);
            }
        }
    }

    fn invited(&mut self, id: String, text: &str, at: u64) {
        if let Some(line) = self.lines.get(&id) {
            let (tag, rtp) = (line.tag.clone(), line.rtp);
            return self.answer(text, &tag, rtp);
        }
        if let Some(freed) = (!self.freed.is_empty()).then(|| self.freed.remove(0)) {
            let mut rings = self.shared.rings.lock().expect("no panic");
            rings.push(at.saturating_sub(freed) as f64 / 1e6);
        }
        let peer = text.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let caller = header(text, "From").and_then(|from| from.split("sip:").nth(1)?.split('@').next()?.parse().ok());
        let rtp = self.lines.len() % SOCKETS;
        let (tag, peer) = (format!("c{id}"), peer.expect("a media port"));
        self.answer(text, &tag, rtp);
        let line = Line {
            invite: text.to_owned(),
            tag,
            caller: caller.unwrap_or_default(),
            rtp,
            peer,
            answered: wall_ns(),
            sequence: 1,
            time: 0,
            last: None,
            ear: Ear::default(),
        };
        self.by_port.insert(peer, id.clone());
        self.lines.insert(id, line);
    }

    fn answer(&self, invite: &str, tag: &str, rtp: usize) {
        let port = self.rtp[rtp].local_addr().expect("bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp-mux\r\n"
        );
        let local = self.sip.local_addr().expect("bound");
        let headers = format!("Contact: <sip:600@{local}>\r\nContent-Type: application/sdp\r\n");
        self.respond(invite, "200 OK", &format!(";tag={tag}|{headers}"), &sdp);
    }

    /// A response; `more`: the tag of this side and further headers.
    fn respond(&self, request: &str, status: &str, more: &str, sdp: &str) {
        let (tag, headers) = more.split_once('|').unwrap_or_default();
        let mut reply = format!("SIP/2.0 {status}\r\n");
        for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
            match line.split(':').next().unwrap_or_default() {
                "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route" => drop(write!(reply, "{line}\r\n")),
                "To" => drop(write!(reply, "{line}{tag}\r\n")),
                _ => {}
            }
        }
        let _ = write!(reply, "{headers}Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        if let Some(gateway) = self.gateway {
            let _ = self.sip.send_to(reply.as_bytes(), gateway);
        }
    }

    fn take_rtp(&mut self) {
        let since = self.shared.measure_from.load(Ordering::Relaxed);
        let measuring = (since > 0).then_some(since);
        let mut delays = self.shared.delays.lock().expect("no panic");
        for socket in &self.rtp {
            self.inbound.drain(socket, |packet, at, port| {
                let is_sound = packet.len() > 12 && packet[1] & 0x7f == 8;
                let line = self.by_port.get(&port).and_then(|id| self.lines.get_mut(id));
                let Some(line) = line.filter(|_| is_sound) else { return };
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                let ahead = line.last.map_or(1, |last| sequence.wrapping_sub(last));
                if measuring.is_some() && (2..0x8000).contains(&ahead) {
                    self.shared.lost.fetch_add(u64::from(ahead - 1), Ordering::Relaxed);
                }
                line.last = Some(sequence);
                let had_heard = line.ear.first.is_some();
                line.ear.hears(&packet[12..], at, measuring, &mut delays);
                if let Some(first) = line.ear.first.filter(|_| !had_heard) {
                    self.shared.answered.lock().expect("no panic").insert(line.caller, (line.answered, first));
                }
            });
        }
    }

    fn send_rtp(&mut self) {
        let (slot, now) = (self.steps % PACKET_STEPS, wall_ns());
        for line in self.lines.values_mut() {
            // Spread over the packet time, each line at its own moment.
            if usize::from(line.peer / 2) % PACKET_STEPS != slot {
                continue;
            }
            let mut packet = vec![0x80, 8];
            packet.extend(line.sequence.to_be_bytes());
            packet.extend(line.time.to_be_bytes());
            packet.extend(u32::from(line.peer).to_be_bytes());
            packet.extend(mark(now));
            (line.sequence, line.time) = (line.sequence.wrapping_add(1), line.time.wrapping_add(160));
            self.outbound[line.rtp].push(&packet, SocketAddrV4::new(Ipv4Addr::LOCALHOST, line.peer));
        }
        for (socket, outbound) in self.rtp.iter().zip(&mut self.outbound) {
            outbound.send(socket);
        }
    }

    fn hang_up(&mut self) {
        let count = self.shared.to_hang_up.swap(0, Ordering::Relaxed);
        let ids: Vec<String> = self.lines.keys().take(count).cloned().collect();
        for id in ids {
            let Some(line) = self.lines.remove(&id) else { continue };
            self.by_port.remove(&line.peer);
            let local = self.sip.local_addr().expect("bound");
            let of = |name| header(&line.invite, name).unwrap_or_default();
            let target = of("Contact").split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let bye = format!(
                "BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKb{id};rport\r\nMax-Forwards: 70\r\nFrom: {};tag={}\r\n\
                 To: {}\r\nCall-ID: {id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
                of("To"),
                line.tag,
                of("From")
            );
            self.freed.push(wall_ns());
            if let Some(gateway) = self.gateway {
                let _ = self.sip.send_to(bye.as_bytes(), gateway);
            }
        }
    }
}

/// Callers who wait while every line is in use.
const WAITING: usize = 20;
const SOCKETS: usize = 16;
const PACKET_STEPS: usize = 20;
