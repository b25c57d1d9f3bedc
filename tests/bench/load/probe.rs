//! The limit: a connected socket a stream, one send and one receive each packet time, and nothing else.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::process::pin;
use super::sockets::exact_sleeps;

/// A bare sender and receiver on the first core.
pub(crate) struct Probe {
    pub(crate) ports: Vec<u16>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    clock: libc::clockid_t,
}

impl Probe {
    pub(crate) fn start(peers: &[SocketAddr]) -> Probe {
        let sockets: Vec<UdpSocket> = peers.iter().map(connected).collect();
        let ports = sockets.iter().map(|socket| socket.local_addr().expect("bound").port()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            pin(Some(0));
            exact_sleeps();
            run(&sockets, &stopped);
        });
        let mut clock = 0;
        // SAFETY: the thread has not been joined, and `clock` lives for the call.
        unsafe { libc::pthread_getcpuclockid(std::os::unix::thread::JoinHandleExt::as_pthread_t(&thread), &mut clock) };
        Probe { ports, stop, thread, clock }
    }

    /// Processor time of its thread so far.
    pub(crate) fn cpu(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the clock is of a thread that has not been joined; `time` lives for the call.
        unsafe { libc::clock_gettime(self.clock, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn connected(peer: &SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    socket.connect(peer).expect("loopback");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

fn run(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut packets = vec![[0xD5u8; 172]; sockets.len()];
    let mut buffer = [0; 2048];
    let start = Instant::now();
    for slot in 0u32.. {
        let due = start + Duration::from_millis(slot.into());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let nth = slot as usize % 20;
        for n in sockets.len() * nth / 20..sockets.len() * (nth + 1) / 20 {
            let sequence = (slot / 20) as u16;
            packets[n][..2].copy_from_slice(&[0x80, 8]);
            packets[n][2..4].copy_from_slice(&sequence.to_be_bytes());
            packets[n][4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
            let _ = sockets[n].send(&packets[n]);
            let _ = sockets[n].recv(&mut buffer);
        }
    }
}
