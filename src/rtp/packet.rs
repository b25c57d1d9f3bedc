//! One RTP packet (RFC 3550 §5.1).

/// Octets of a header without contributing sources and extension, as every local packet has it.
pub const HEADER_OCTETS: usize = 12;

/// The header fields that reception and telephone events use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first packet of a talkspurt or event (RFC 3551 §4.1, RFC 4733 §2.5.1.1).
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Increments by one per packet and wraps.
    pub sequence: u16,
    /// The sampling instant of the first octet, in 1/8000 s; wraps.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
}

/// A packet as read from a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed part of the header.
    pub header: Header,
    /// Without contributing sources, extension and padding.
    pub payload: &'a [u8],
}

/// Why a datagram is not RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its header and extension.
    #[error("the datagram is shorter than its RTP header says")]
    Short,
    /// The version is not 2.
    #[error("the RTP version is not 2")]
    Version,
    /// An RTCP packet type (RFC 5761 §4).
    #[error("the datagram is RTCP")]
    Rtcp,
    /// The padding count is zero or exceeds the payload.
    #[error("the RTP padding is longer than the payload")]
    Padding,
}

/// Whether a datagram on a shared port is RTCP (RFC 5761 §4): packet types 192 to 223, which would be RTP payload
/// types 64 to 95 with the marker.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

impl Header {
    /// Writes the header to the first [`HEADER`] octets.
    pub fn write(&self, to: &mut [u8; HEADER_OCTETS]) {
        to[0] = 0x80;
        to[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7F);
        to[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        to[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        to[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

impl Packet<'_> {
    /// Reads one RTP datagram (RFC 3550 §5.1).
    ///
    /// # Errors
    /// It is shorter than its header says, of another version than 2, or RTCP.
    pub fn read(datagram: &[u8]) -> Result<Packet<'_>, PacketError> {
        let fixed: &[u8; HEADER_OCTETS] = datagram.first_chunk().ok_or(PacketError::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(PacketError::Version);
        }
        if is_rtcp(datagram) {
            return Err(PacketError::Rtcp);
        }
        let mut from = HEADER_OCTETS + 4 * usize::from(fixed[0] & 0x0F);
        if fixed[0] & 0x10 != 0 {
            let extension: &[u8; 4] = datagram.get(from..).and_then(<[u8]>::first_chunk).ok_or(PacketError::Short)?;
            from += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        let mut payload = datagram.get(from..).ok_or(PacketError::Short)?;
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(payload.last().copied().unwrap_or(0));
            let left = payload.len().checked_sub(padding).filter(|_| padding > 0).ok_or(PacketError::Padding)?;
            payload = &payload[..left];
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok(Packet { header, payload })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: [u8; 12] = [0x80, 0x88, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4];

    fn with(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut datagram = HEAD.to_vec();
        datagram[0] = first;
        datagram.extend(rest);
        datagram
    }

    #[test]
    fn sources_extension_and_padding_are_cut_off() {
        for (first, rest) in [
            (0x80, [9, 9].as_slice()),
            (0x82, &[0, 0, 0, 1, 0, 0, 0, 2, 9, 9]),
            (0x90, &[0xBE, 0xDE, 0, 1, 5, 5, 5, 5, 9, 9]),
            (0x90, &[0xBE, 0xDE, 0, 0, 9, 9]),
            (0xA0, &[9, 9, 0, 0, 3]),
            (0xB1, &[0, 0, 0, 1, 0, 0, 0, 1, 7, 7, 7, 7, 9, 9, 1]),
        ] {
            let datagram = with(first, rest);
            let packet = Packet::read(&datagram).expect("well-formed");
            assert_eq!(packet.payload, [9, 9], "{first:#x}");
            assert!(packet.header.marker);
            assert_eq!((packet.header.payload_type, packet.header.sequence, packet.header.timestamp), (8, 7, 160));
        }
    }

    #[test]
    fn datagrams_that_are_not_rtp_are_rejected() {
        let rtcp = [0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
        for (datagram, error) in [
            (Vec::new(), PacketError::Short),
            (HEAD[..11].to_vec(), PacketError::Short),
            (with(0x40, &[]), PacketError::Version),
            (with(0x00, &[]), PacketError::Version),
            (rtcp.to_vec(), PacketError::Rtcp),
            (with(0x8F, &[0; 8]), PacketError::Short),
            (with(0x90, &[0, 0, 0]), PacketError::Short),
            (with(0x90, &[0, 0, 0xFF, 0xFF]), PacketError::Short),
            (with(0xA0, &[]), PacketError::Padding),
            (with(0xA0, &[1, 0]), PacketError::Padding),
            (with(0xA0, &[1, 4]), PacketError::Padding),
        ] {
            assert_eq!(Packet::read(&datagram), Err(error), "{datagram:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::read(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            (marker, payload_type) in (any::<bool>(), 0u8..64),
            (sequence, timestamp, ssrc) in any::<(u16, u32, u32)>(),
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let mut datagram = [0; HEADER_OCTETS];
            header.write(&mut datagram);
            prop_assert_eq!(Packet::read(&datagram), Ok(Packet { header, payload: &[] }));
        }
    }
}
