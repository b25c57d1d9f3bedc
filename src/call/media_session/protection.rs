//! SRTP of one stream: what arrives is verified and decrypted before anything is made of it, what leaves is encrypted last.
//!
//! A packet that is dropped here was never received: it moves no address, no time limit and no replay window, and a
//! call without any other packet ends by its media timeout.

use std::net::SocketAddr;
use std::time::Instant;

use super::{MediaEvent, MediaFrame, MediaSession};
use rtp::is_rtcp;
use sdp::SrtpKeys;
use srtp::{PacketError, Receiver, Sender};

/// The contexts of both directions.
#[derive(Debug)]
pub(super) struct Protection {
    receiver: Receiver,
    sender: Sender,
    /// The packet that was decrypted last; kept for its memory.
    plain: Vec<u8>,
}

/// Why packets of a protected stream are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpDrop {
    /// The tag does not match: forged, damaged, under another key, or not protected.
    Forged,
    /// Received before.
    Replayed,
    /// Behind the replay window.
    Late,
    /// Shorter than header and tag, or no RTP.
    Malformed,
    /// RTCP that says that it is not encrypted.
    NotEncrypted,
}

impl SrtpDrop {
    /// Every reason.
    pub const ALL: [SrtpDrop; 5] =
        [SrtpDrop::Forged, SrtpDrop::Replayed, SrtpDrop::Late, SrtpDrop::Malformed, SrtpDrop::NotEncrypted];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            SrtpDrop::Forged => "forged",
            SrtpDrop::Replayed => "replayed",
            SrtpDrop::Late => "late",
            SrtpDrop::Malformed => "malformed",
            SrtpDrop::NotEncrypted => "not_encrypted",
        }
    }
}

impl From<PacketError> for SrtpDrop {
    fn from(error: PacketError) -> SrtpDrop {
        match error {
            PacketError::Forged => SrtpDrop::Forged,
            PacketError::Replayed => SrtpDrop::Replayed,
            PacketError::TooOld => SrtpDrop::Late,
            PacketError::TooShort | PacketError::Version => SrtpDrop::Malformed,
            PacketError::NotEncrypted => SrtpDrop::NotEncrypted,
        }
    }
}

impl MediaSession {
    /// A datagram came to the RTP port.
    pub fn handle_packet(&mut self, now: Instant, datagram: &[u8], from: SocketAddr, events: &mut Vec<MediaEvent>) {
        // RTP and RTCP on one port are told apart by octets that SRTP leaves in the clear (RFC 5761 §4).
        if is_rtcp(datagram) {
            return self.handle_rtcp(now, datagram, from);
        }
        let Some(mut protection) = self.protection.take() else { return self.handle_rtp(now, datagram, from, events) };
        match protection.open_rtp(now, datagram) {
            Ok(plain) => self.handle_rtp(now, plain, from, events),
            Err(reason) => self.quality.srtp_dropped.count(reason),
        }
        self.protection = Some(protection);
    }

    /// A datagram came to the RTCP port.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr) {
        let Some(mut protection) = self.protection.take() else { return self.handle_plain_rtcp(now, datagram, from) };
        match protection.open_rtcp(now, datagram) {
            Ok(plain) => self.handle_plain_rtcp(now, plain, from),
            Err(reason) => self.quality.srtp_dropped.count(reason),
        }
        self.protection = Some(protection);
    }

    /// Protects what leaves, as the last step.
    pub(super) fn protect(&mut self, frame: &mut MediaFrame) {
        if let Some(protection) = &mut self.protection {
            protection.seal(frame);
        }
    }

    /// Uses the keys of the setup: a direction whose key is the same goes on.
    ///
    /// Peers differ on the rollover counter after a new key: RFC 3711 §3.3.1 keeps it, others begin at 0. Where it is above 0, the new
    /// key protects another source, which begins at 0 for both.
    pub(super) fn follow_srtp(&mut self, now: Instant) {
        match (&mut self.protection, &self.setup.srtp) {
            (Some(protection), Some(keys)) => {
                if protection.set_keys(now, keys) {
                    self.outbound.begin_source(self.reports.begin_source());
                }
            }
            (protection, keys) => *protection = keys.as_ref().map(|keys| Box::new(Protection::new(keys))),
        }
    }
}

impl Protection {
    fn new(keys: &SrtpKeys) -> Protection {
        Protection {
            receiver: Receiver::new(keys.peer.clone()),
            sender: Sender::new(keys.ours.clone()),
            plain: Vec::new(),
        }
    }

    /// Goes on with these keys; a direction whose key is the same keeps its counters. Whether what is sent must begin a new source.
    fn set_keys(&mut self, now: Instant, keys: &SrtpKeys) -> bool {
        self.receiver.set_key(now, &keys.peer);
        if *self.sender.key() == keys.ours {
            return false;
        }
        let has_wrapped = self.sender.has_wrapped();
        self.sender = Sender::new(keys.ours.clone());
        has_wrapped
    }

    /// What is sent from here on is of another source, whose packets are counted from the beginning (RFC 3711 §3.2.3).
    pub(super) fn begin_source(&mut self) {
        self.sender = Sender::new(self.sender.key().clone());
    }

    fn open_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<&[u8], SrtpDrop> {
        self.receiver.unprotect_rtp(now, packet, &mut self.plain)?;
        Ok(&self.plain)
    }

    fn open_rtcp(&mut self, now: Instant, packet: &[u8]) -> Result<&[u8], SrtpDrop> {
        self.receiver.unprotect_rtcp(now, packet, &mut self.plain)?;
        Ok(&self.plain)
    }

    /// Protects what a frame holds. What cannot be protected does not leave.
    fn seal(&mut self, frame: &mut MediaFrame) {
        if frame.rtp_length > 0 {
            frame.rtp_length = self.sender.protect_rtp(&mut frame.rtp, frame.rtp_length).unwrap_or(0);
        }
        if frame.rtcp_length > 0 {
            frame.rtcp_length = self.sender.protect_rtcp(&mut frame.rtcp, frame.rtcp_length).unwrap_or(0);
        }
    }
}
