//! The packets of one deadline.

use rtp::{HEADER_OCTETS, rtcp};
use srtp::{RTCP_TRAILER_MAX, RTP_TRAILER_MAX};

/// What one deadline produced; lent by the caller and used again and again.
#[derive(Clone, Debug)]
pub struct MediaFrame {
    pub(super) rtp: [u8; RTP_MAX],
    pub(super) rtp_length: usize,
    pub(super) rtcp: [u8; RTCP_MAX],
    pub(super) rtcp_length: usize,
    pub(super) skipped: u32,
}

impl MediaFrame {
    /// The RTP packet to send, or nothing.
    pub fn rtp(&self) -> &[u8] {
        &self.rtp[..self.rtp_length]
    }

    /// The RTCP packet to send, or nothing.
    pub fn rtcp(&self) -> &[u8] {
        &self.rtcp[..self.rtcp_length]
    }

    /// How many packets before this one were skipped because they could not leave in their time.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    /// Room for an RTCP packet before it is protected.
    pub(super) fn compound(&mut self) -> &mut [u8; rtcp::COMPOUND_MAX] {
        self.rtcp.first_chunk_mut().expect("the room for a protected packet is longer")
    }

    pub(super) fn clear(&mut self) {
        (self.rtp_length, self.rtcp_length, self.skipped) = (0, 0, 0);
    }
}

impl Default for MediaFrame {
    fn default() -> Self {
        MediaFrame { rtp: [0; RTP_MAX], rtp_length: 0, rtcp: [0; RTCP_MAX], rtcp_length: 0, skipped: 0 }
    }
}

/// 60 ms, the longest packet time, at 8000 Hz.
const PAYLOAD_MAX: usize = 480;
const RTP_MAX: usize = HEADER_OCTETS + PAYLOAD_MAX + RTP_TRAILER_MAX;
const RTCP_MAX: usize = rtcp::COMPOUND_MAX + RTCP_TRAILER_MAX;
