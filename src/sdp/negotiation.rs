//! What an offer and an answer agree on.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::Codec;

/// Where the peer says that its media is, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaPeer {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// RTP and RTCP on one port (RFC 5761), offered and accepted.
    pub rtcp_mux: bool,
}

/// Where our own media is, as a session description names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    pub address: IpAddr,
    pub rtp_port: u16,
    pub rtcp_port: u16,
    /// The `o=` line's session id: the same for the whole call.
    pub session_id: u64,
    /// The `o=` line's version: one more with each changed description (RFC 3264 §8).
    pub version: u64,
}

/// A stream's direction as the peer described it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// The same direction seen from the other side (RFC 3264 §6.1).
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::SendRecv => Direction::SendRecv,
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            Direction::Inactive => Direction::Inactive,
        }
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Reads an attribute's name.
    pub(super) fn from_name(name: &str) -> Option<Direction> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }
}

/// What both sides agreed on, seen from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    pub codec: Codec,
    pub payload: u8,
    pub event_payload: Option<u8>,
    pub ptime: Duration,
    /// None while the peer names no address (`0.0.0.0` or port 0: an old way to hold).
    pub peer: Option<MediaPeer>,
    /// As the peer described it.
    pub direction: Direction,
}

impl Negotiated {
    /// Whether the peer wants our sound, and says where.
    pub fn we_send(&self) -> bool {
        self.peer.is_some() && matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }

    /// Whether the peer must be heard: a peer that holds us may be silent for as long as it likes.
    pub fn we_expect(&self) -> bool {
        self.peer.is_some() && self.direction == Direction::SendRecv
    }
}

/// Why an offer cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400: not SDP.
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    /// 488 with a Warning header of this code (RFC 3261 §20.43) and text.
    #[error("{text}")]
    NotAcceptable { warning: u16, text: &'static str },
}
