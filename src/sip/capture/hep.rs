//! HEP3, the Homer Encapsulation Protocol version 3: one datagram for each message.
//!
//! ```text
//!  "HEP3" │ length of all, u16 │ chunk … chunk
//!  chunk: vendor u16 │ type u16 │ length u16, these six octets included │ value
//! ```
//!
//! Numbers are in network byte order. Source: "HEP3 Network Protocol Specification", rev. 36, QXIP B.V. / SIPCAPTURE.

use std::net::{IpAddr, SocketAddr};

use super::{Packet, call_id};
use crate::arrival::Transport;

/// A message as HEP3; `None` if it is too long for a datagram. `agent`: the number of the capture agent; `password`:
/// what the collector knows it by.
pub fn encode(packet: &Packet<'_>, agent: u32, password: Option<&[u8]>) -> Option<Vec<u8>> {
    let (source, destination) = packet.addresses();
    let mut hep = Vec::with_capacity(packet.octets.len() + OVERHEAD);
    hep.extend(b"HEP3\0\0");
    let (family, types) = match source {
        SocketAddr::V4(_) => (AF_INET, (3, 4)),
        SocketAddr::V6(_) => (AF_INET6, (5, 6)),
    };
    let protocol = match packet.transport {
        Transport::Udp => UDP,
        // The message is what TLS carries; HEP has no number for it.
        Transport::Tcp | Transport::Tls => TCP,
    };
    let address = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let seconds = u32::try_from(packet.at.as_secs()).unwrap_or(u32::MAX);
    let chunks: [(u16, &[u8]); 11] = [
        (1, &[family]),
        (2, &[protocol]),
        (types.0, &address(source.ip())),
        (types.1, &address(destination.ip())),
        (7, &source.port().to_be_bytes()),
        (8, &destination.port().to_be_bytes()),
        (9, &seconds.to_be_bytes()),
        (10, &packet.at.subsec_micros().to_be_bytes()),
        (11, &[SIP]),
        (12, &agent.to_be_bytes()),
        (15, packet.octets),
    ];
    for (kind, value) in chunks {
        chunk(&mut hep, kind, value)?;
    }
    if let Some(password) = password {
        chunk(&mut hep, 14, password)?;
    }
    if let Some(call_id) = call_id(packet.octets) {
        chunk(&mut hep, 17, call_id.as_bytes())?;
    }
    let length = u16::try_from(hep.len()).ok()?;
    hep[4..6].copy_from_slice(&length.to_be_bytes());
    Some(hep)
}

fn chunk(hep: &mut Vec<u8>, kind: u16, value: &[u8]) -> Option<()> {
    let length = u16::try_from(value.len() + 6).ok()?;
    hep.extend(0_u16.to_be_bytes());
    hep.extend(kind.to_be_bytes());
    hep.extend(length.to_be_bytes());
    hep.extend(value);
    Some(())
}

/// Room for all but the message.
const OVERHEAD: usize = 256;
/// Address families and protocols have the numbers of Linux and IANA.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Chunk 11, protocol type.
const SIP: u8 = 1;
