//! Kiosks that scan without a pause, and count what went wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wait::{SOON, eventually};

/// Kiosks at work.
pub struct Scans {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the kiosks saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// Scans that were answered as expected.
    pub asked: u64,
    /// Everything but an answer of the kind that was expected.
    pub failed: Vec<String>,
    /// The longest time between a scan and its answer.
    pub slowest: Duration,
}

/// Whether failures count: not while the only node is down on purpose. A scan that began before a fault and ended after
/// it may have been hit, so each peace has its own number.
#[derive(Debug, Default)]
pub struct Peace(AtomicU64);

impl Peace {
    /// A fault that costs what is in progress begins.
    pub fn end(&self) {
        self.0.fetch_or(1, Ordering::SeqCst);
    }

    /// From here on everything must work.
    pub fn begin(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// A number that changes with every end and every beginning of peace; even while there is peace.
    pub fn day(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether there was peace on that day, and still is without a break.
    pub fn lasted_since(&self, day: u64) -> bool {
        day.is_multiple_of(2) && self.day() == day
    }
}

struct Shared {
    address: SocketAddr,
    receipts: Vec<String>,
    pause: Duration,
    /// The head's lines of an enrolled kiosk.
    cookie: String,
    stop: AtomicBool,
    peace: Arc<Peace>,
    /// Whether answers are refused as too old.
    refused: AtomicBool,
    asked: AtomicU64,
    slowest_us: AtomicU64,
    failed: Mutex<Vec<String>>,
}

impl Scans {
    /// So many kiosks, each with one scan a `pause`, of receipts that exist.
    pub fn start(address: SocketAddr, receipts: Vec<String>, kiosks: usize, pause: Duration) -> Scans {
        Scans::in_peace(Arc::default(), address, receipts, kiosks, pause)
    }

    /// The same as an enrolled kiosk, by its `Cookie` header.
    pub fn enrolled(
        cookie: String,
        address: SocketAddr,
        receipts: Vec<String>,
        kiosks: usize,
        pause: Duration,
    ) -> Scans {
        Scans::of(cookie, Arc::default(), address, receipts, kiosks, pause)
    }

    /// The same; failures count in peace only.
    pub fn in_peace(
        peace: Arc<Peace>,
        address: SocketAddr,
        receipts: Vec<String>,
        kiosks: usize,
        pause: Duration,
    ) -> Scans {
        Scans::of(String::new(), peace, address, receipts, kiosks, pause)
    }

    fn of(
        cookie: String,
        peace: Arc<Peace>,
        address: SocketAddr,
        receipts: Vec<String>,
        kiosks: usize,
        pause: Duration,
    ) -> Scans {
        assert!(!receipts.is_empty(), "something to scan");
        let shared = Arc::new(Shared {
            address,
            receipts,
            pause,
            cookie,
            stop: AtomicBool::new(false),
            peace,
            refused: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            slowest_us: AtomicU64::new(0),
            failed: Mutex::default(),
        });
        let kiosk = |n: usize| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.scan(n))
        };
        let threads = (0..kiosks).map(kiosk).collect();
        Scans { shared, threads }
    }

    /// Scans that were answered so far.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// From now on every answer must be a refusal without the case's facts (`true`), or must be found again (`false`).
    pub fn expect_refusals(&self, refused: bool) {
        self.shared.refused.store(refused, Ordering::SeqCst);
    }

    /// Failures so far.
    pub fn failed(&self) -> Vec<String> {
        self.shared.failed.lock().expect("failures").clone()
    }

    /// Waits until so many more scans were answered.
    pub fn await_more(&self, n: u64) {
        let until = self.asked() + n;
        eventually(SOON, format!("{n} more answers to the kiosks"), || match self.asked() >= until {
            true => Ok(()),
            false => Err(format!("{:?}", self.failed())),
        });
    }

    /// Ends the scans; what the kiosks saw.
    pub fn end(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a kiosk ends");
        }
        Tally {
            asked: self.shared.asked.load(Ordering::Relaxed),
            slowest: Duration::from_micros(self.shared.slowest_us.load(Ordering::Relaxed)),
            failed: std::mem::take(&mut self.shared.failed.lock().expect("failures")),
        }
    }
}

impl Shared {
    fn is_right(&self, (status, body): &(u16, String)) -> Result<(), String> {
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let is_right = match self.refused.load(Ordering::SeqCst) {
            false => answer["found"] == true,
            true => answer["found"] == false && answer["stage"].is_null() && !answer["wording"]["zh"].is_null(),
        };
        if *status == 200 && is_right { Ok(()) } else { Err(format!("{status} {body}")) }
    }

    fn scan(&self, n: usize) {
        let mut connection = None;
        for (turn, receipt) in self.receipts.iter().cycle().skip(n * 7).enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let day = self.peace.day();
            let began = Instant::now();
            let body = json!({"code": receipt, "kiosk": format!("hall-{n}")}).to_string();
            let asked = ask_with(&mut connection, self.address, ("POST", "/api/scan"), &self.cookie, &body);
            match asked.and_then(|reply| self.is_right(&reply)) {
                Ok(()) => {
                    self.asked.fetch_add(1, Ordering::Relaxed);
                    let us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    self.slowest_us.fetch_max(us, Ordering::Relaxed);
                }
                Err(why) => {
                    connection = None;
                    if self.peace.lasted_since(day) {
                        let after = began.elapsed();
                        self.failed.lock().expect("failures").push(format!("kiosk {n}, scan {turn}, {after:?}: {why}"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            std::thread::sleep(self.pause);
        }
    }
}

/// One request; the connection is kept for the next one. Gives the status and the body.
///
/// # Errors
/// What the system says about the connection.
pub fn ask(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String), String> {
    ask_with(connection, address, (method, path), "", body)
}

/// The same with further lines of the head.
///
/// # Errors
/// What the system says about the connection.
pub fn ask_with(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    (method, path): (&str, &str),
    head: &str,
    body: &str,
) -> Result<(u16, String), String> {
    let told = |error: std::io::Error| error.to_string();
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(told)?;
            stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(told)?;
            stream.set_nodelay(true).map_err(told)?;
            connection.insert(BufReader::new(stream))
        }
    };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.get_mut().write_all(request.as_bytes()).map_err(told)?;
    let reply = reply(stream).map_err(told)?;
    if reply.2 {
        *connection = None;
    }
    Ok((reply.0, reply.1))
}

/// Status, body, and whether the connection is closed.
fn reply(stream: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String, bool)> {
    let (mut status, mut length, mut closed) = (None, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        match (&status, line.split_once(':')) {
            (None, _) => status = Some(line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)),
            (Some(_), Some(("content-length", value))) => length = value.trim().parse().unwrap_or(0),
            (Some(_), Some(("connection", value))) => closed = value.trim() == "close",
            (Some(_), Some(_)) => {}
            (Some(_), None) => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status.unwrap_or(0), String::from_utf8_lossy(&body).into_owned(), closed))
}
