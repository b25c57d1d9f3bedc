//! A thousand callers on one core, beside a bare socket probe in the same run.
//!
//! `cargo test --release --test bench_media -- --ignored --nocapture`
//!
//! The media thread (or the probe) is pinned to the first core, the callers to the second. All callers' packets come
//! from and go to a few sockets; the stream is known by its SSRC, arrival by the kernel's time stamp. `STREAMS` and
//! `SECONDS` in the environment change the size.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jindu::audio::{Bank, encode_master};
use jindu::base::{Codec, Lang};
use jindu::call::{Command, Event, StreamSetup};
use jindu::flow::PlayId;
use jindu::sdp::MediaPeer;
use jindu::shell::media::{LATENESS_BOUNDS_MS, MediaConfig, MediaPlane};
use jindu::speech::{Clip, Piece};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PACKET: Duration = Duration::from_millis(20);
const WARM: Duration = Duration::from_secs(3);
const CALLER_SOCKETS: usize = 8;

#[test]
#[ignore = "a measurement, not a test"]
fn a_thousand_callers_both_ways() {
    let streams = setting("STREAMS", 1000);
    let time = Duration::from_secs(setting("SECONDS", 10) as u64);
    let probe = measure("probe", streams, time, Probe::start);
    let ours = measure("jindu", streams, time, Ours::start);
    println!("CPU a packet, jindu to probe: {:.2}", ours / probe);
}

/// What is measured: it sends one packet every 20 ms to each caller and takes theirs.
trait Server {
    /// The thread whose time counts.
    const THREAD: &'static str;
    /// Where each caller's packets go.
    fn ports(&self) -> Vec<u16>;
    /// Packets sent since the start: on a busy machine both fall short, so the CPU of one packet is compared.
    fn sent(&self) -> u64;
    fn tell(&self) {}
}

fn measure<S: Server>(name: &str, streams: usize, time: Duration, start: impl FnOnce(&[SocketAddr]) -> S) -> f64 {
    let callers = Callers::new();
    let before = resident_kib();
    pin(0);
    let server = start(&callers.addresses(streams));
    pin_free();
    let ports = server.ports();
    let callers = callers.talk(ports);
    std::thread::sleep(WARM);
    callers.measuring.store(true, Ordering::Relaxed);
    let (cpu, sent, at) = (thread_cpu(S::THREAD), server.sent(), Instant::now());
    std::thread::sleep(time);
    let (spent, passed) = ((thread_cpu(S::THREAD) - cpu).as_secs_f64(), at.elapsed().as_secs_f64());
    let rate = (server.sent() - sent) as f64 / passed;
    let each_us = spent / passed / rate * 1e6;
    let memory = resident_kib().saturating_sub(before);
    let mut heard = callers.finish();
    heard.gaps_us.sort_unstable();
    assert!(!heard.gaps_us.is_empty(), "the callers did not run: something else holds the second core");
    let at = |part: f64| heard.gaps_us[((heard.gaps_us.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    println!(
        "{name}: {streams} streams, {rate:.0} packets/s, {:.1} % of a core, {each_us:.2} µs a packet both ways, gap ms p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.2}, lost {} of \
         {}, callers' worst lateness {} ms, {} KiB a stream (callers included)",
        spent / passed * 100.0,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        heard.lost,
        heard.gaps_us.len(),
        heard.late_ms,
        memory / streams as u64,
    );
    server.tell();
    each_us
}

/// The media plane with one thread.
struct Ours {
    plane: MediaPlane,
    ports: Vec<u16>,
    _events: Vec<tokio::sync::mpsc::Receiver<Event>>,
}

impl Ours {
    fn start(callers: &[SocketAddr]) -> Ours {
        let config = MediaConfig {
            addresses: vec![HERE],
            ports: (20_000, 60_000),
            threads: 1,
            media_timeout: Duration::from_secs(60),
            latch_any: false,
        };
        let plane = MediaPlane::start(&config).expect("ports are free");
        let noise: Vec<i16> = (0..8000 * 60).map(|n: i32| (n * 31 % 2000) as i16).collect();
        let clip = Clip { lang: Lang::Zh, id: "long".into() };
        let name = (clip.lang, Arc::clone(&clip.id));
        let encoded = encode_master(&noise, 8000).expect("a good master");
        let bank = Arc::new(Bank::build([(name, encoded)]).expect("small"));
        let (mut ports, mut events) = (Vec::new(), Vec::new());
        for (n, caller) in callers.iter().enumerate() {
            let stream = plane.open(HERE, n as u64).expect("ports are free");
            let (sender, receiver) = tokio::sync::mpsc::channel(64);
            let peer = MediaPeer { rtp: *caller, rtcp: SocketAddr::new(HERE, 9), rtcp_mux: false };
            let setup = StreamSetup {
                codec: Codec::Alaw,
                payload: 8,
                event_payload: Some(101),
                ptime: PACKET,
                caller: None,
                peer: Some(peer),
                sending: true,
                receiving: true,
            };
            plane.begin(stream.id, setup, Arc::clone(&bank), sender).expect("the thread runs");
            let play = Command::Play { id: PlayId(1), pieces: vec![Piece::Clip(clip.clone())] };
            plane.command(stream.id, play).expect("the thread runs");
            ports.push(stream.rtp_port);
            events.push(receiver);
        }
        Ours { plane, ports, _events: events }
    }
}

impl Server for Ours {
    const THREAD: &'static str = "media-0";

    fn ports(&self) -> Vec<u16> {
        self.ports.clone()
    }

    fn sent(&self) -> u64 {
        self.plane.metrics().packets_sent.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        let metrics = self.plane.metrics();
        let lateness: Vec<u64> = metrics.lateness.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        println!(
            "  lateness below {LATENESS_BOUNDS_MS:?} ms and above: {lateness:?}; skipped {}, send errors {}",
            metrics.packets_skipped.load(Ordering::Relaxed),
            metrics.send_errors.load(Ordering::Relaxed)
        );
    }
}

/// A connected socket a stream, one send and one receive each packet time, nothing else.
struct Probe {
    ports: Vec<u16>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Probe {
    fn start(callers: &[SocketAddr]) -> Probe {
        let sockets: Vec<UdpSocket> = callers
            .iter()
            .map(|caller| {
                let socket = UdpSocket::bind((HERE, 0)).expect("loopback");
                socket.connect(caller).expect("loopback");
                socket.set_nonblocking(true).expect("a socket");
                socket
            })
            .collect();
        let ports = sockets.iter().map(|socket| socket.local_addr().expect("bound").port()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let run = move || probe(&sockets, &count, &stopped);
        let thread = std::thread::Builder::new().name("probe".into()).spawn(run).expect("a thread");
        Probe { ports, sent, stop, thread: Some(thread) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

impl Server for Probe {
    const THREAD: &'static str = "probe";

    fn ports(&self) -> Vec<u16> {
        self.ports.clone()
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn probe(sockets: &[UdpSocket], sent: &AtomicU64, stop: &AtomicBool) {
    let mut packets = vec![[0xD5u8; 172]; sockets.len()];
    let mut buffer = [0; 2048];
    let start = Instant::now();
    for slot in 0u32.. {
        let due = start + Duration::from_millis(slot.into());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let part = slot as usize % 20;
        for n in sockets.len() * part / 20..sockets.len() * (part + 1) / 20 {
            header(&mut packets[n], (slot / 20) as u16, n as u32);
            sent.fetch_add(u64::from(sockets[n].send(&packets[n]).is_ok()), Ordering::Relaxed);
            let _ = sockets[n].recv(&mut buffer);
        }
    }
}

fn header(packet: &mut [u8; 172], sequence: u16, ssrc: u32) {
    packet[..2].copy_from_slice(&[0x80, 8]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// All callers' sockets.
struct Callers {
    sockets: Vec<UdpSocket>,
}

/// Callers at work on the second core.
struct Talking {
    measuring: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Heard>,
}

#[derive(Default)]
struct Heard {
    gaps_us: Vec<u32>,
    lost: u64,
    late_ms: u128,
}

impl Callers {
    fn new() -> Callers {
        let sockets = (0..CALLER_SOCKETS).map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
            let _ = socket.set_recv_buffer_size(8 << 20);
            socket.bind(&SocketAddr::new(HERE, 0).into()).expect("loopback");
            socket.set_nonblocking(true).expect("a socket");
            stamp(&socket);
            socket.into()
        });
        Callers { sockets: sockets.collect() }
    }

    fn addresses(&self, streams: usize) -> Vec<SocketAddr> {
        (0..streams).map(|n| self.sockets[n % CALLER_SOCKETS].local_addr().expect("bound")).collect()
    }

    fn talk(self, ports: Vec<u16>) -> Talking {
        let (measuring, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (measured, stopped) = (Arc::clone(&measuring), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            pin(1);
            self.run(&ports, &measured, &stopped)
        });
        Talking { measuring, stop, thread }
    }

    fn run(&self, ports: &[u16], measuring: &AtomicBool, stop: &AtomicBool) -> Heard {
        let mut heard = Heard::default();
        let mut last = std::collections::HashMap::<u32, (u64, u16)>::new();
        let mut packets = vec![[0xD5u8; 172]; ports.len()];
        let start = Instant::now();
        for slot in 0u32.. {
            let due = start + Duration::from_millis(slot.into());
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A caller that was held up leaves out what it could not send: no burst that nobody sends.
            let late = due.elapsed() > 2 * PACKET;
            let counts = measuring.load(Ordering::Relaxed);
            if counts {
                heard.late_ms = heard.late_ms.max(due.elapsed().as_millis());
            }
            let part = slot as usize % 20;
            for n in (ports.len() * part / 20..ports.len() * (part + 1) / 20).filter(|_| !late) {
                header(&mut packets[n], (slot / 20) as u16, n as u32);
                let _ = self.sockets[n % CALLER_SOCKETS].send_to(&packets[n], (HERE, ports[n]));
            }
            for socket in &self.sockets {
                receive(socket, |at_ns, sequence, ssrc| {
                    if let Some((before, number)) = last.insert(ssrc, (at_ns, sequence))
                        && counts
                    {
                        heard.gaps_us.push((at_ns.saturating_sub(before) / 1000) as u32);
                        heard.lost += u64::from(sequence.wrapping_sub(number).saturating_sub(1));
                    }
                });
            }
        }
        heard
    }
}

impl Talking {
    fn finish(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the callers did not panic")
    }
}

/// Asks for the kernel's time stamps, and for a buffer that outlasts a late caller (where root may).
fn stamp(socket: &socket2::Socket) {
    for (option, value) in [(libc::SO_TIMESTAMPNS, 1), (libc::SO_RCVBUFFORCE, 64 << 20)] {
        let value: libc::c_int = value;
        // SAFETY: the option's value is an int of this frame, and its length is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }
}

/// Takes everything that a socket has: the kernel's time in nanoseconds, sequence number and SSRC.
fn receive(socket: &UdpSocket, mut take: impl FnMut(u64, u16, u32)) {
    let (mut octets, mut control) = ([0u8; 2048], [0u64; 16]);
    loop {
        let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
        // SAFETY: msghdr is plain data; every pointer put into it is to memory of this frame with its length. The control
        // message is read only if the kernel says that it is there.
        let at = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control) as _;
            if libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) < 12 {
                return;
            }
            let header = libc::CMSG_FIRSTHDR(&message);
            if header.is_null() {
                continue;
            }
            let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
            time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
        };
        let sequence = u16::from_be_bytes([octets[2], octets[3]]);
        take(at, sequence, u32::from_be_bytes([octets[8], octets[9], octets[10], octets[11]]));
    }
}

/// Keeps the calling thread, and those that it starts, on one core.
fn pin(core: usize) {
    set_cores(|set| {
        // SAFETY: the set is a value of the caller's frame.
        unsafe { libc::CPU_SET(core, set) };
    });
}

fn pin_free() {
    set_cores(|set| {
        for core in 0..std::thread::available_parallelism().map_or(1, usize::from).max(2) {
            // SAFETY: as above.
            unsafe { libc::CPU_SET(core, set) };
        }
    });
}

fn set_cores(choose: impl Fn(&mut libc::cpu_set_t)) {
    // SAFETY: cpu_set_t is plain data; all zeros is the empty set. The set's size is given. A refusal changes nothing.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        choose(&mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// The CPU time of a thread of this process, by its name.
fn thread_cpu(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let of = |task: std::fs::DirEntry| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let spent = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        (comm.trim() == name).then(|| spent.split(" ").next()?.parse::<u64>().ok()).flatten()
    };
    Duration::from_nanos(tasks.filter_map(of).sum())
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}
