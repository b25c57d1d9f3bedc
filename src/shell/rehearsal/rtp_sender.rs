//! The audio that the telephone sends: a packet every 20 ms of silence, a voice or a key.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use audio::g711;
use base::{Codec, Key};
use rtp::{HEADER_OCTETS, Header};
use sdp::Negotiated;

/// The RTP stream of a telephone.
pub(super) struct RtpSender {
    waiting: VecDeque<Sending>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    noise: u32,
}

/// One packet's worth of what a caller does.
enum Sending {
    /// A packet of an event: its length in samples, first and last.
    Event {
        key: Key,
        length: u16,
        first: bool,
        last: bool,
    },
    Silence,
    Voice,
}

impl RtpSender {
    /// The seed decides the first numbers and the noise.
    pub(crate) fn new(seed: u32) -> RtpSender {
        RtpSender {
            waiting: VecDeque::new(),
            sequence: seed as u16 & 0x7FFF,
            timestamp: seed,
            ssrc: seed ^ 0x5555_5555,
            noise: seed,
        }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whether everything was sent that the caller did.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&mut self, keys: &[Key]) {
        for key in keys {
            let packets = (1..=KEY_PACKETS).map(|n| Sending::Event {
                key: *key,
                length: n * PACKET as u16,
                first: n == 1,
                last: n == KEY_PACKETS,
            });
            self.waiting.extend(packets);
            self.waiting.extend((0..PAUSE_PACKETS).map(|_| Sending::Silence));
        }
    }

    /// Speaks for this time.
    pub(crate) fn speak(&mut self, time: Duration) {
        let packets = time.as_millis() / PTIME.as_millis();
        self.waiting.extend((0..packets).map(|_| Sending::Voice));
    }

    /// Sends the next packet.
    pub(crate) fn send(&mut self, socket: &UdpSocket, peer: SocketAddr, media: &Negotiated) {
        let codec = media.codec;
        match self.waiting.pop_front() {
            Some(Sending::Event { key, length, first, last }) => {
                let event = media.event_payload.unwrap_or(EVENT_PAYLOAD);
                let start = self.timestamp.wrapping_sub(u32::from(length) - PACKET as u32);
                let [high, low] = length.to_be_bytes();
                let body = [event_of(key), if last { 0x8A } else { 0x0A }, high, low];
                // The last one three times (RFC 4733 §2.5.1.4): one of them arrives.
                for _ in 0..if last { 3 } else { 1 } {
                    self.packet(socket, peer, event, first, start, &body);
                }
            }
            Some(Sending::Voice) => {
                let body: Vec<u8> = (0..PACKET).map(|_| self.noise(codec)).collect();
                self.packet(socket, peer, media.payload, false, self.timestamp, &body);
            }
            Some(Sending::Silence) | None => {
                self.packet(socket, peer, media.payload, false, self.timestamp, &[g711::idle(codec); PACKET]);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(PACKET as u32);
    }

    /// Noise is no tone, so that it is not taken for a key.
    fn noise(&mut self, codec: Codec) -> u8 {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        g711::encode(codec, (self.noise >> 16) as i16 / 8)
    }

    fn packet(
        &mut self,
        socket: &UdpSocket,
        peer: SocketAddr,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        body: &[u8],
    ) {
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        let mut head = [0; HEADER_OCTETS];
        header.write(&mut head);
        self.sequence = self.sequence.wrapping_add(1);
        let _ = socket.send_to(&[&head[..], body].concat(), peer);
    }
}

fn event_of(key: Key) -> u8 {
    match key {
        Key::Digit(digit) => digit,
        Key::Star => 10,
        Key::Pound => 11,
    }
}

/// The time between two packets.
pub(super) const PTIME: Duration = Duration::from_millis(20);
/// Octets of audio in a packet.
const PACKET: usize = 160;
/// A press of 80 ms and a pause of 60: what a finger does.
const KEY_PACKETS: u16 = 4;
const PAUSE_PACKETS: usize = 3;
/// As the telephone's offer numbers it.
const EVENT_PAYLOAD: u8 = 101;
