//! The pcap file format, version 2.4, with times in microseconds and packets that begin with their IP header
//! (LINKTYPE_RAW). Source: draft-ietf-opsawg-pcap.
//!
//! Every message is one UDP datagram in the file, also one that came by TCP or TLS: so each record is one whole
//! message, and TLS needs no keys to be read. Its Via says what carried it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Packet;

/// What stands before the records.
pub fn file_header() -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    header[4..6].copy_from_slice(&2_u16.to_le_bytes());
    header[6..8].copy_from_slice(&4_u16.to_le_bytes());
    header[16..20].copy_from_slice(&SNAP_LENGTH.to_le_bytes());
    header[20..].copy_from_slice(&LINKTYPE_RAW.to_le_bytes());
    header
}

/// The octets of the record of a message that is so long.
pub fn record_length(packet: &Packet<'_>) -> usize {
    let (source, _) = packet.addresses();
    RECORD_HEADER + ip_header_length(source) + UDP_HEADER + packet.octets.len().min(room(source))
}

/// A message as a record. What no datagram of its address family can hold is cut off: it is longer than 65,507 octets.
pub fn record(packet: &Packet<'_>) -> Vec<u8> {
    let (source, destination) = packet.addresses();
    let whole = packet.octets.len();
    let octets = &packet.octets[..whole.min(room(source))];
    let udp = datagram(source, destination, octets);
    let length = ip_header_length(source) + udp.len();
    let mut record = record_header(packet.at, length, length + whole - octets.len());
    record.extend(ip_header(source, destination, udp.len()));
    record.extend(udp);
    record
}

/// The beginning of a datagram of `whole` octets as a record: what was not captured is counted, as with a snapshot length, and
/// the datagram has no checksum.
pub fn record_of_beginning(packet: &Packet<'_>, whole: usize) -> Vec<u8> {
    let (source, destination) = packet.addresses();
    let headers = ip_header_length(source) + UDP_HEADER;
    let mut record = record_header(packet.at, headers + packet.octets.len(), headers + whole);
    record.extend(ip_header(source, destination, UDP_HEADER + whole));
    for number in [source.port(), destination.port(), at_most_u16(UDP_HEADER + whole), 0] {
        record.extend(number.to_be_bytes());
    }
    record.extend(packet.octets);
    record
}

/// What stands before a packet: its time, how many of its octets follow, and how many it had.
fn record_header(at: Duration, captured: usize, whole: usize) -> Vec<u8> {
    let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
    let numbers = [seconds, at.subsec_micros(), at_most_u32(captured), at_most_u32(whole)];
    let mut record = Vec::with_capacity(RECORD_HEADER + captured);
    numbers.iter().for_each(|number| record.extend(number.to_le_bytes()));
    record
}

/// A UDP datagram (RFC 768) with its checksum.
fn datagram(source: SocketAddr, destination: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let length = at_most_u16(UDP_HEADER + octets.len());
    let mut udp = Vec::with_capacity(UDP_HEADER + octets.len());
    for number in [source.port(), destination.port(), length, 0] {
        udp.extend(number.to_be_bytes());
    }
    udp.extend(octets);
    // The pseudo header of RFC 768 and RFC 8200 §8.1; the length of the latter has four octets, of which two are zero.
    let mut summed = addresses(source, destination);
    summed.extend([0, UDP]);
    summed.extend(length.to_be_bytes());
    let sum = match checksum(&[&summed, &udp]) {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    udp
}

fn ip_header(source: SocketAddr, destination: SocketAddr, payload: usize) -> Vec<u8> {
    let mut header = match source {
        // RFC 791 §3.1: version 4, five words, do not fragment.
        SocketAddr::V4(_) => {
            let length = at_most_u16(IPV4_HEADER + payload).to_be_bytes();
            vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, HOPS, UDP, 0, 0]
        }
        // RFC 8200 §3.
        SocketAddr::V6(_) => {
            let length = at_most_u16(payload).to_be_bytes();
            vec![0x60, 0, 0, 0, length[0], length[1], UDP, HOPS]
        }
    };
    header.extend(addresses(source, destination));
    if source.is_ipv4() {
        let sum = checksum(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
    }
    header
}

fn addresses(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            [source.ip().octets(), destination.ip().octets()].concat()
        }
        (source, destination) => {
            let octets = |address: SocketAddr| match address {
                SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
                SocketAddr::V6(v6) => v6.ip().octets(),
            };
            [octets(source), octets(destination)].concat()
        }
    }
}

/// The Internet checksum (RFC 1071). Every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u64 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

fn ip_header_length(source: SocketAddr) -> usize {
    if source.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER }
}

/// The longest message of a datagram.
fn room(source: SocketAddr) -> usize {
    let header = if source.is_ipv4() { IPV4_HEADER } else { 0 };
    usize::from(u16::MAX) - header - UDP_HEADER
}

fn at_most_u16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn at_most_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Octets before the first record.
pub const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
const SNAP_LENGTH: u32 = 262_144;
const LINKTYPE_RAW: u32 = 101;
const UDP: u8 = 17;
const HOPS: u8 = 64;
