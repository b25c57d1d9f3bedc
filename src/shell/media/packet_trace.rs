//! The headers of a session's packets, for a trace of its call: what came, what left, when, from where, and not what was said.
//!
//! ```text
//!  session ── header of each packet ──► bounded, never waits ──► PacketTraceReceiver: the trace
//!                                       full: lost, and counted
//! ```
//!
//! Of RTP it is the fixed header and the contributing sources (RFC 3550 §5.1), of RTCP the first packet, which is the report, of
//! anything else the first 20 octets (a STUN header, RFC 8489 §5). Neither sound nor a key that was pressed is in them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use os::clock;

/// The header of a packet.
#[derive(Clone, Copy, Debug)]
pub struct TracedPacket {
    /// Since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// Whether this node sent it.
    pub is_sent: bool,
    /// Whether this node sent or received it at its port of RTCP, and not at that of RTP.
    pub at_rtcp_port: bool,
    /// The other side.
    pub peer: SocketAddr,
    /// Octets of the whole packet.
    pub length: usize,
    head: [u8; HEAD_MAX],
    head_length: usize,
}

impl TracedPacket {
    /// The octets of its header.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_length]
    }
}

/// Takes the headers of a session's packets. Given to [`MediaPlane::trace`](super::MediaPlane::trace).
#[derive(Clone, Debug)]
pub struct PacketTraceSender {
    packets: SyncSender<TracedPacket>,
    lost: Arc<AtomicU64>,
}

/// The headers of a session's packets.
#[derive(Debug)]
pub struct PacketTraceReceiver {
    packets: Receiver<TracedPacket>,
    lost: Arc<AtomicU64>,
}

/// What a traced session's headers go through.
pub fn packet_trace() -> (PacketTraceSender, PacketTraceReceiver) {
    let (sender, receiver) = sync_channel(PACKETS_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    (PacketTraceSender { packets: sender, lost: Arc::clone(&lost) }, PacketTraceReceiver { packets: receiver, lost })
}

impl PacketTraceReceiver {
    /// The next one that has come.
    pub fn next(&self) -> Option<TracedPacket> {
        self.packets.try_recv().ok()
    }

    /// Packets for which there was no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Which way a packet went, and by which port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub is_sent: bool,
    pub at_rtcp_port: bool,
}

impl PacketTraceSender {
    /// Takes the header of a packet; `false` once the receiver is gone.
    pub(super) fn take(&self, way: Way, peer: SocketAddr, octets: &[u8]) -> bool {
        let head_length = head_length(octets).min(octets.len()).min(HEAD_MAX);
        let mut head = [0; HEAD_MAX];
        head[..head_length].copy_from_slice(&octets[..head_length]);
        let at = Duration::try_from(clock::timestamp().as_duration()).unwrap_or_default();
        let Way { is_sent, at_rtcp_port } = way;
        let packet = TracedPacket { at, is_sent, at_rtcp_port, peer, length: octets.len(), head, head_length };
        match self.packets.try_send(packet) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

fn head_length(octets: &[u8]) -> usize {
    match octets {
        // Version 2 (RFC 3550 §5.1, §6.4.1); both may come to one port (RFC 5761 §4).
        [first, 192..=223, high, low, ..] if first >> 6 == 2 => {
            4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1)
        }
        [first, ..] if first >> 6 == 2 => RTP_HEADER + 4 * usize::from(first & 0x0f),
        _ => OTHER_HEAD,
    }
}

/// Ten seconds of both ways at 20 ms; the trace reads four times a second.
const PACKETS_MAX: usize = 1024;
/// A sender report with four blocks, or an RTP header with all 15 contributing sources.
const HEAD_MAX: usize = 124;
const RTP_HEADER: usize = 12;
const OTHER_HEAD: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(octets: &[u8]) -> Vec<u8> {
        let (sender, receiver) = packet_trace();
        let peer = "127.0.0.1:4000".parse().expect("an address");
        assert!(sender.take(Way { is_sent: true, at_rtcp_port: false }, peer, octets));
        let packet = receiver.next().expect("it came");
        assert_eq!((packet.is_sent, packet.peer, packet.length), (true, peer, octets.len()));
        packet.head().to_vec()
    }

    #[test]
    fn no_sound_and_no_key_is_taken() {
        let sound = [&[0x80, 8, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4][..], &[0x55; 160]].concat();
        assert_eq!(head(&sound), sound[..12]);
        let sources = [&[0x82, 136, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9, 9, 8, 8, 8, 8][..], &[0x55; 160]].concat();
        assert_eq!(head(&sources), sources[..20]);
        let key = [0x80, 101, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 7, 10, 0, 160];
        assert_eq!(head(&key), key[..12]);
        let report = [&[0x80, 200, 0, 6][..], &[1; 24], &[0x81, 202, 0, 2], &[2; 8]].concat();
        assert_eq!(head(&report), report[..28], "the names of the next packet are left out");
        assert_eq!(head(&[0; 100]).len(), OTHER_HEAD);
        for short in [&[][..], &[0x8f], &[0x8f, 8], &[0x80, 200, 0xff, 0xff, 1]] {
            assert_eq!(head(short), short);
        }
        assert_eq!(
            (head(&[0x8f; 200]).len(), head(&[[0x80, 200, 0xff, 0xff].as_slice(), &[0; 200]].concat()).len()),
            (72, HEAD_MAX)
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_end_of_the_reader_is_seen() {
        let (sender, receiver) = packet_trace();
        let (way, peer) = (Way { is_sent: false, at_rtcp_port: false }, "127.0.0.1:4000".parse().expect("an address"));
        assert!((0..PACKETS_MAX + 3).all(|_| sender.take(way, peer, &[0x80; 12])));
        assert_eq!((receiver.lost(), std::iter::from_fn(|| receiver.next()).count()), (3, PACKETS_MAX));
        drop(receiver);
        assert!(!sender.take(way, peer, &[0x80; 12]));
    }
}
