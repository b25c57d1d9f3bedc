//! What arrives: RTP and RTCP of the peer's sources under its master key, and under the one before.

use std::fmt;
use std::time::{Duration, Instant};

use crate::PeerKey;
use crate::packet::{RtpHeader, rtcp_ssrc};
use crate::session::{Position, Session};
use crate::streams::Streams;
use crate::window::{Place, ROLLOVER, nearest_index};

/// How long packets of an earlier key are accepted if none of the new key comes: 64 × T1 (RFC 3261 §17.1.1.2), by which
/// time the answer with the new keys has arrived or the call is over.
pub const EARLIER_KEY_TIME: Duration = Duration::from_secs(32);
/// How long packets of an earlier key are accepted after the first one of the new key: they are late, not sent late.
pub const REORDER_TIME: Duration = Duration::from_secs(1);

/// Verifies and decrypts packets.
#[derive(Debug)]
pub struct Receiver {
    current: Context,
    earlier: Option<Earlier>,
}

/// Why a packet is dropped. None of them says anything about the peer: anyone can send such a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PacketError {
    /// Shorter than header, index and tag.
    #[error("the packet is shorter than its header and tag")]
    TooShort,
    /// The version is not 2.
    #[error("the RTP version is not 2")]
    Version,
    /// The tag does not match: forged, damaged, under another key, or not protected at all.
    #[error("the authentication tag does not match")]
    Forged,
    /// A packet with this index was received.
    #[error("a packet with this index was received before")]
    Replayed,
    /// Its index is behind the replay window.
    #[error("the packet is too far behind")]
    TooOld,
    /// RTCP that says that it is not encrypted, which was not agreed.
    #[error("the RTCP packet is not encrypted")]
    NotEncrypted,
}

impl Receiver {
    /// Begins with rollover counter 0 for every SSRC.
    pub fn new(key: PeerKey) -> Receiver {
        Receiver { current: Context::new(key), earlier: None }
    }

    /// Goes on with this key. The same key changes nothing; with another one every stream begins again, and packets of
    /// the earlier key are accepted for [`EARLIER_KEY_TIME`], or [`REORDER_TIME`] after the first of the new key.
    pub fn set_key(&mut self, now: Instant, key: &PeerKey) {
        if self.current.key == *key {
            return;
        }
        let next = match self.earlier.take() {
            // Back to the earlier key: its windows go on, so that its packets cannot be replayed.
            Some(earlier) if earlier.context.key == *key => earlier.context,
            Some(_) | None => Context::new(key.clone()),
        };
        let context = std::mem::replace(&mut self.current, next);
        self.earlier = Some(Earlier { context, until: now + EARLIER_KEY_TIME });
    }

    /// Writes the plain RTP packet to `plain`, whose content means nothing after an error (RFC 3711 §3.3).
    ///
    /// # Errors
    /// It is forged, replayed, older than the window of 128 packets, not encrypted, or no packet.
    pub fn unprotect_rtp(&mut self, now: Instant, packet: &[u8], plain: &mut Vec<u8>) -> Result<(), PacketError> {
        let hint = self.earlier.as_ref().and_then(|earlier| earlier.context.newest(packet));
        let result = self.current.open_rtp(packet, hint, plain);
        self.or_earlier(now, result, |earlier| earlier.open_rtp(packet, None, plain))
    }

    /// Writes the plain RTCP packet to `plain`, whose content means nothing after an error (RFC 3711 §3.4).
    ///
    /// # Errors
    /// As [`Receiver::unprotect_rtp`].
    pub fn unprotect_rtcp(&mut self, now: Instant, packet: &[u8], plain: &mut Vec<u8>) -> Result<(), PacketError> {
        let result = self.current.open_rtcp(packet, plain);
        self.or_earlier(now, result, |earlier| earlier.open_rtcp(packet, plain))
    }

    fn or_earlier(
        &mut self,
        now: Instant,
        result: Result<(), PacketError>,
        open: impl FnOnce(&mut Context) -> Result<(), PacketError>,
    ) -> Result<(), PacketError> {
        let Some(earlier) = self.earlier.as_mut().filter(|earlier| now < earlier.until) else {
            self.earlier = None;
            return result;
        };
        match result {
            Ok(()) => {
                earlier.until = earlier.until.min(now + REORDER_TIME);
                Ok(())
            }
            Err(PacketError::Forged | PacketError::TooShort) => open(&mut earlier.context),
            Err(PacketError::Version | PacketError::Replayed | PacketError::TooOld | PacketError::NotEncrypted) => {
                open(&mut earlier.context).or(result)
            }
        }
    }
}

#[derive(Debug)]
struct Earlier {
    context: Context,
    until: Instant,
}

/// RFC 3711 §3.2: one key's sessions and streams.
struct Context {
    key: PeerKey,
    rtp: Session,
    rtcp: Session,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl Context {
    fn new(key: PeerKey) -> Context {
        Context {
            rtp: Session::rtp(&key.key),
            rtcp: Session::rtcp(&key.key),
            key,
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
        }
    }

    /// The newest index of the stream that a packet belongs to.
    fn newest(&self, packet: &[u8]) -> Option<u64> {
        let header = RtpHeader::read(packet).ok()?;
        Some(self.rtp_streams.window(header.ssrc)?.newest())
    }

    /// `hint` is the stream's newest index under the earlier key: some peers keep the rollover counter.
    fn open_rtp(&mut self, packet: &[u8], hint: Option<u64>, plain: &mut Vec<u8>) -> Result<(), PacketError> {
        let header = RtpHeader::read(packet)?;
        if packet.len() < header.length + self.rtp.rtp_trailer() + self.key.mki.len() {
            return Err(PacketError::TooShort);
        }
        let window = self.rtp_streams.window(header.ssrc);
        let mut error = PacketError::Forged;
        for index in candidates(window.map(|window| window.newest()), hint, header.sequence).into_iter().flatten() {
            match window.map_or(Place::New, |window| window.place(index)) {
                Place::Seen => return Err(PacketError::Replayed),
                Place::TooOld => error = PacketError::TooOld,
                Place::New => {
                    let position = Position { ssrc: header.ssrc, index };
                    if self.rtp.open_rtp(position, header.length, packet, &self.key.mki, plain) {
                        self.rtp_streams.mark(header.ssrc, index);
                        return Ok(());
                    }
                }
            }
        }
        Err(error)
    }

    fn open_rtcp(&mut self, packet: &[u8], plain: &mut Vec<u8>) -> Result<(), PacketError> {
        let ssrc = rtcp_ssrc(packet)?;
        let parts = self.rtcp.split_rtcp(packet, &self.key.mki).ok_or(PacketError::TooShort)?;
        if !parts.is_encrypted() {
            return Err(PacketError::NotEncrypted);
        }
        match self.rtcp_streams.window(ssrc).map_or(Place::New, |window| window.place(parts.index())) {
            Place::Seen => return Err(PacketError::Replayed),
            Place::TooOld => return Err(PacketError::TooOld),
            Place::New => {}
        }
        if !self.rtcp.open_rtcp(ssrc, &parts, plain) {
            return Err(PacketError::Forged);
        }
        self.rtcp_streams.mark(ssrc, parts.index());
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("key", &self.key.key)
            .field("streams", &self.rtp_streams)
            .finish_non_exhaustive()
    }
}

/// The indexes that a sequence number may mean, the likeliest first: each is tried until the tag matches.
fn candidates(newest: Option<u64>, hint: Option<u64>, sequence: u16) -> [Option<u64>; 3] {
    match newest {
        // More than 2^15 packets may have been lost in a row.
        Some(newest) => {
            let nearest = nearest_index(newest, sequence);
            [Some(nearest), Some(nearest + ROLLOVER), None]
        }
        None => {
            let first = u64::from(sequence);
            // The stream may have wrapped before its first packet came.
            let wrapped = (sequence < 0x8000).then_some(first + ROLLOVER);
            let kept = hint.map(|newest| nearest_index(newest, sequence));
            [Some(first), wrapped, kept.filter(|kept| *kept != first && Some(*kept) != wrapped)]
        }
    }
}
