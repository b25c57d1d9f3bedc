//! What an offer and an answer agree on.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::Codec;

/// Where the peer says that its media is, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaPeer {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    /// RTP and RTCP on one port (RFC 5761), offered and accepted.
    pub rtcp_mux: bool,
}

/// A stream's direction as the peer described it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
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
