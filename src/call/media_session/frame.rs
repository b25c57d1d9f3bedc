//! The packets of one deadline.

use rtp::{HEADER_OCTETS, rtcp};

/// What one deadline produced; lent by the caller and used again and again.
#[derive(Clone, Debug)]
pub struct MediaFrame {
    pub(super) rtp: [u8; HEADER_OCTETS + PAYLOAD_MAX],
    pub(super) rtp_length: usize,
    pub(super) rtcp: [u8; rtcp::COMPOUND_MAX],
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

    pub(super) fn clear(&mut self) {
        (self.rtp_length, self.rtcp_length, self.skipped) = (0, 0, 0);
    }
}

impl Default for MediaFrame {
    fn default() -> Self {
        MediaFrame {
            rtp: [0; HEADER_OCTETS + PAYLOAD_MAX],
            rtp_length: 0,
            rtcp: [0; rtcp::COMPOUND_MAX],
            rtcp_length: 0,
            skipped: 0,
        }
    }
}

/// 60 ms, the longest packet time, at 8000 Hz.
const PAYLOAD_MAX: usize = 480;
