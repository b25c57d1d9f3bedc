//! What leaves: RTP and RTCP of one source under one master key.

use std::fmt;

use crate::packet::{RtpHeader, rtcp_ssrc};
use crate::session::{Position, Session};
use crate::window::INDEX_MAX;
use crate::{MasterKey, PacketError};

/// Protects the packets of one SSRC. An index is used once only: a packet that would need one again is an error.
pub struct Sender {
    key: MasterKey,
    rtp: Session,
    rtcp: Session,
    ssrc: Option<u32>,
    /// The index of the last RTP packet.
    last: Option<u64>,
    /// The index of the last RTCP packet.
    rtcp_last: u32,
}

/// Why a packet was not protected; it must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not RTP or RTCP, or longer than its buffer.
    #[error("the packet is not complete")]
    Packet,
    /// The buffer has no room for the trailer.
    #[error("the buffer has no room for the trailer")]
    NoRoom,
    /// A sequence number that was used already.
    #[error("the sequence number was used already")]
    Reused,
    /// Another SSRC than that of the first packet.
    #[error("the SSRC is another one than before")]
    OtherSource,
    /// No index is left under this key (RFC 3711 §9.2).
    #[error("the key has protected as many packets as it may")]
    Exhausted,
}

impl Sender {
    /// Begins with rollover counter 0.
    pub fn new(key: MasterKey) -> Sender {
        Sender { rtp: Session::rtp(&key), rtcp: Session::rtcp(&key), key, ssrc: None, last: None, rtcp_last: 0 }
    }

    /// The key in use.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Whether its sequence numbers have begun again under this key: the rollover counter is above 0.
    pub fn has_wrapped(&self) -> bool {
        self.last.is_some_and(|index| index > u64::from(u16::MAX))
    }

    /// Protects the RTP packet in the first `length` octets of a buffer, which needs room for the trailer behind them; returns the length
    /// of the SRTP packet in octets (RFC 3711 §3.3, RFC 7714).
    ///
    /// # Errors
    /// It is no packet, there is no room, its sequence number was used, its SSRC is another one, or the key is used up.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SendError> {
        let packet = buffer.get(..length).ok_or(SendError::Packet)?;
        let header = RtpHeader::read(packet)?;
        let sealed = length + self.rtp.rtp_trailer();
        let packet = buffer.get_mut(..sealed).ok_or(SendError::NoRoom)?;
        let ahead = |last: u64| u64::from(header.sequence.wrapping_sub(last as u16));
        let index = match self.last {
            None => u64::from(header.sequence),
            Some(last) if (1..0x8000).contains(&ahead(last)) => last + ahead(last),
            Some(_) => return Err(SendError::Reused),
        };
        if index > INDEX_MAX {
            return Err(SendError::Exhausted);
        }
        self.admit(header.ssrc)?;
        self.last = Some(index);
        self.rtp.seal_rtp(Position { ssrc: header.ssrc, index }, header.length, packet);
        Ok(sealed)
    }

    /// Protects the RTCP packet in the first `length` octets of a buffer; returns the length of the SRTCP packet in octets.
    ///
    /// # Errors
    /// As [`Sender::protect_rtp`].
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SendError> {
        let ssrc = rtcp_ssrc(buffer.get(..length).ok_or(SendError::Packet)?)?;
        let sealed = length + self.rtcp.rtcp_trailer();
        let packet = buffer.get_mut(..sealed).ok_or(SendError::NoRoom)?;
        if self.rtcp_last == RTCP_INDEX_MAX {
            return Err(SendError::Exhausted);
        }
        self.admit(ssrc)?;
        self.rtcp_last += 1;
        self.rtcp.seal_rtcp(Position { ssrc, index: self.rtcp_last.into() }, packet);
        Ok(sealed)
    }

    fn admit(&mut self, ssrc: u32) -> Result<(), SendError> {
        if *self.ssrc.get_or_insert(ssrc) == ssrc { Ok(()) } else { Err(SendError::OtherSource) }
    }
}

impl From<PacketError> for SendError {
    fn from(_: PacketError) -> SendError {
        SendError::Packet
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("key", &self.key).field("last", &self.last).finish_non_exhaustive()
    }
}

/// RFC 3711 §3.2.1: 31 bits.
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;
