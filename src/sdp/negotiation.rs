//! The media of both sides, and what an offer and its answer agree on.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::SrtpKeys;
use base::{Codec, Codecs};

/// The media addresses of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Receives RTP.
    pub rtp: SocketAddr,
    /// Receives RTCP: the next port, or the one of `a=rtcp` (RFC 3605).
    pub rtcp: SocketAddr,
    /// RTP and RTCP share one port (RFC 5761 §5.1.1), offered and accepted.
    pub rtcp_mux: bool,
    /// Packets go there only once some came from there.
    pub learn: bool,
}

/// The local media address, the `o=` line of a session description, and what this side prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// The address of the `c=` and `o=` lines.
    pub address: IpAddr,
    /// The port of the `m=` line.
    pub rtp_port: u16,
    /// Written as `a=rtcp` unless it is the next port.
    pub rtcp_port: u16,
    /// The session id of the `o=` line, constant for the call.
    pub session_id: u64,
    /// The version of the `o=` line, incremented with each changed description (RFC 3264 §8).
    pub version: u64,
    /// The codecs that may be used. An answer takes the preferred one of the offer; a subset refuses the others.
    pub codecs: Codecs,
    /// The time of one packet that this side announces, 10 to 60 ms; it holds where the peer names none.
    pub ptime: Duration,
}

impl LocalMedia {
    /// The time of one packet where nothing else is set (RFC 3551 §4.2).
    pub const PTIME: Duration = Duration::from_millis(20);
}

/// A stream's direction as the peer described it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The peer sends only: hold.
    SendOnly,
    /// The peer receives only.
    RecvOnly,
    /// Neither way.
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

/// The agreed media, seen from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The law of the sound that leaves.
    pub codec: Codec,
    /// The payload type that the peer gives it.
    pub payload: u8,
    /// The payload type that the peer gives telephone-event (RFC 4733); `None` if it does not support it.
    pub event_payload: Option<u8>,
    /// The payload types of sound that may arrive: each G.711 format of either description by its numbers in both
    /// (RFC 3264 §5.1, §7), and those agreed earlier in the call, whose last packets may be late (§8.3.2).
    pub receive: Vec<(u8, Codec)>,
    /// The payload types at which telephone events may arrive, by the same rule.
    pub events: Vec<u8>,
    /// The time of one packet, 10 to 60 ms.
    pub ptime: Duration,
    /// `None` while the peer names no address: `0.0.0.0` is the hold of RFC 2543.
    pub peer: Option<RemoteMedia>,
    /// As the peer described it.
    pub direction: Direction,
    /// The keys of SRTP in both directions; `None`: the media is in the clear.
    pub srtp: Option<Arc<SrtpKeys>>,
}

impl Negotiated {
    /// Whether this side sends RTP: the peer receives and names an address.
    pub fn we_send(&self) -> bool {
        self.peer.is_some() && matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }

    /// Whether the peer must send RTP: only a peer that sends and receives; one that holds the call may stay silent.
    pub fn we_expect(&self) -> bool {
        self.peer.is_some() && self.direction == Direction::SendRecv
    }
}

/// Why an offer or answer is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// 400: not SDP.
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    /// 488 with a Warning header of this code (RFC 3261 §20.43) and text.
    #[error("{text}")]
    NotAcceptable {
        /// The warn-code, 300 to 330.
        warning: u16,
        /// The warn-text for the peer's engineers.
        text: &'static str,
    },
}
