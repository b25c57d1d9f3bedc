//! The parts of a packet that stay in the clear (RFC 3711 §3.1, §3.4).

use crate::PacketError;

/// What the clear part of an RTP packet says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RtpHeader {
    pub ssrc: u32,
    pub sequence: u16,
    /// Octets of fixed header, contributing sources and extension.
    pub length: usize,
}

impl RtpHeader {
    pub(crate) fn read(packet: &[u8]) -> Result<RtpHeader, PacketError> {
        let fixed: &[u8; 12] = packet.first_chunk().ok_or(PacketError::TooShort)?;
        if fixed[0] >> 6 != 2 {
            return Err(PacketError::Version);
        }
        let mut length = 12 + 4 * usize::from(fixed[0] & 0x0F);
        if fixed[0] & 0x10 != 0 {
            let extension = packet.get(length..).and_then(<[u8]>::first_chunk::<4>).ok_or(PacketError::TooShort)?;
            length += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if packet.len() < length {
            return Err(PacketError::TooShort);
        }
        let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        Ok(RtpHeader { ssrc, sequence: u16::from_be_bytes([fixed[2], fixed[3]]), length })
    }
}

/// The SSRC of an RTCP packet.
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, PacketError> {
    let clear: &[u8; RTCP_CLEAR] = packet.first_chunk().ok_or(PacketError::TooShort)?;
    if clear[0] >> 6 != 2 {
        return Err(PacketError::Version);
    }
    Ok(u32::from_be_bytes([clear[4], clear[5], clear[6], clear[7]]))
}

/// Octets of an RTCP packet that are never encrypted.
pub(crate) const RTCP_CLEAR: usize = 8;
