//! A telephone's sound: RTP out and in over one socket (RFC 3550), and keys as telephone events (RFC 4733).

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Packets by their number.
type Heard = BTreeMap<u32, Vec<u8>>;
/// Presses: the timestamp and the event of each.
type Pressed = Vec<(u32, u8)>;

/// The sound of one call: what it sends and everything that it hears.
pub struct Media {
    socket: UdpSocket,
    peer: SocketAddr,
    stop: Arc<AtomicBool>,
    muted: Arc<AtomicBool>,
    keys: Arc<Mutex<Vec<u8>>>,
    voice: Arc<Mutex<VecDeque<u8>>>,
    heard: Arc<Mutex<Heard>>,
    events: Arc<Mutex<Pressed>>,
    thread: Option<JoinHandle<()>>,
}

impl Media {
    /// Begins to send and to keep what comes; `codec` is the RTP payload type, 8 or 0.
    pub fn begin(socket: UdpSocket, peer: SocketAddr, codec: u8) -> Media {
        let media = Media {
            socket: socket.try_clone().expect("a second handle"),
            peer,
            stop: Arc::default(),
            muted: Arc::default(),
            keys: Arc::default(),
            voice: Arc::default(),
            heard: Arc::default(),
            events: Arc::default(),
            thread: None,
        };
        let (stop, muted) = (Arc::clone(&media.stop), Arc::clone(&media.muted));
        let (keys, voice, heard) = (Arc::clone(&media.keys), Arc::clone(&media.voice), Arc::clone(&media.heard));
        let events = Arc::clone(&media.events);
        let sender = socket.try_clone().expect("a second handle");
        std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || receive_all(&socket, peer, codec, &stop, (&heard, &events))
        });
        let thread = std::thread::spawn(move || send_all(&sender, peer, codec, &stop, &muted, (&keys, &voice)));
        Media { thread: Some(thread), ..media }
    }

    /// Any octets, from the port that the sound comes from.
    pub fn send(&self, octets: &[u8]) {
        let _ = self.socket.send_to(octets, self.peer);
    }

    /// Stops sending sound.
    pub fn mute(&self) {
        self.muted.store(true, Ordering::Relaxed);
    }

    /// Keys to press after those that wait.
    pub fn press(&self, keys: &str) {
        self.keys.lock().expect("keys").extend(keys.bytes());
    }

    /// Octets to send after those that wait.
    pub fn say(&self, octets: &[u8]) {
        self.voice.lock().expect("voice").extend(octets);
    }

    /// Whether nothing waits to be said.
    pub fn has_said_all(&self) -> bool {
        self.voice.lock().expect("voice").is_empty()
    }

    /// Everything heard so far, in the order of sequence numbers.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().expect("sound").values().flatten().copied().collect()
    }

    /// The keys that came as telephone events.
    pub fn events(&self) -> String {
        let key = |(_, event): &(u32, u8)| "0123456789*#".chars().nth(usize::from(*event)).unwrap_or('?');
        self.events.lock().expect("events").iter().map(key).collect()
    }

    /// How many packets were heard, and how many are missing between the first and the last of them.
    pub fn packets(&self) -> (usize, usize) {
        let heard = self.heard.lock().expect("sound");
        let span = heard.keys().next().zip(heard.keys().next_back()).map_or(0, |(first, last)| last - first + 1);
        (heard.len(), span as usize - heard.len())
    }

    /// Stops sending and listening.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// Only what comes from `peer`: this port may have been another telephone's, whose gateway has not noticed its end yet.
fn receive_all(
    socket: &UdpSocket,
    peer: SocketAddr,
    codec: u8,
    stop: &AtomicBool,
    (heard, events): (&Mutex<Heard>, &Mutex<Pressed>),
) {
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
    let mut buffer = [0; 2048];
    let (mut first, mut rounds, mut last) = (None, 0_u32, 0_u16);
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if from == peer && length >= 16 && buffer[1] & 0x7f == 101 {
            let press = (u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]), buffer[12]);
            let mut events = events.lock().expect("events");
            if events.last() != Some(&press) {
                events.push(press);
            }
        }
        if from != peer || length <= 12 || buffer[1] & 0x7f != codec {
            continue;
        }
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        if first.is_none() {
            first = Some(sequence);
            last = sequence;
        }
        if sequence < 1000 && last > 64_000 {
            rounds += 1;
        }
        last = sequence;
        heard.lock().expect("sound").insert(rounds * 65_536 + u32::from(sequence), buffer[12..length].to_vec());
    }
}

fn send_all(
    socket: &UdpSocket,
    peer: SocketAddr,
    codec: u8,
    stop: &AtomicBool,
    muted: &AtomicBool,
    (keys, voice): (&Mutex<Vec<u8>>, &Mutex<VecDeque<u8>>),
) {
    let silence = if codec == 8 { 0xd5 } else { 0xff };
    let mut line = Line { socket, peer, sequence: 1, timestamp: 0, ssrc: u32::from(peer.port()) + 77 };
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let key = {
            let mut keys = keys.lock().expect("keys");
            (!keys.is_empty()).then(|| keys.remove(0))
        };
        match key {
            Some(key) => line.key(key, &mut next),
            None if muted.load(Ordering::Relaxed) => pace(&mut next),
            None => {
                let mut body = [silence; 160];
                let mut voice = voice.lock().expect("voice");
                let count = voice.len().min(body.len());
                for (to, from) in body.iter_mut().zip(voice.drain(..count)) {
                    *to = from;
                }
                drop(voice);
                line.packet(codec, false, line.timestamp, &body);
                line.timestamp += 160;
                pace(&mut next);
            }
        }
    }
}

fn pace(next: &mut Instant) {
    *next += Duration::from_millis(20);
    std::thread::sleep(next.saturating_duration_since(Instant::now()));
}

struct Line<'a> {
    socket: &'a UdpSocket,
    peer: SocketAddr,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Line<'_> {
    fn packet(&mut self, payload: u8, marker: bool, timestamp: u32, body: &[u8]) {
        let mut packet = vec![0x80, payload | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(body);
        self.sequence = self.sequence.wrapping_add(1);
        let _ = self.socket.send_to(&packet, self.peer);
    }

    fn key(&mut self, key: u8, next: &mut Instant) {
        let event = match key {
            b'*' => 10,
            b'#' => 11,
            digit => digit - b'0',
        };
        let start = self.timestamp;
        for n in 1..=4_u16 {
            let length = (n * 160).to_be_bytes();
            self.packet(101, n == 1, start, &[event, 10, length[0], length[1]]);
            pace(next);
        }
        for _ in 0..3 {
            let length = 640_u16.to_be_bytes();
            self.packet(101, false, start, &[event, 0x8a, length[0], length[1]]);
        }
        for _ in 0..3 {
            pace(next);
        }
        self.timestamp += 7 * 160;
    }
}
