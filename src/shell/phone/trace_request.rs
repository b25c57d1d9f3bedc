//! What a command asks of a trace, and what it gets.

use serde::{Deserialize, Serialize};

/// What is traced, and for whom.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceRequest {
    /// Which call.
    pub call: CallChoice,
    /// The longest time, the wait for the call included.
    pub for_s: u64,
    /// Octets of the file.
    pub octets_max: u64,
    /// Keys, digest responses and keys of SRTP are shown.
    pub unmasked: bool,
    /// The headers of RTP and RTCP are captured, too.
    pub rtp: bool,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Which call is traced.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallChoice {
    /// The call with this Call-ID, also if it is in progress.
    CallId(String),
    /// The next call of the trunk with this name.
    Trunk(String),
    /// The next call from or to this number.
    Number(String),
}

/// What became of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `call_ended`, `time`, `size`, `stopped`, `abandoned` or `node_ended`.
    pub end: String,
    /// Messages that were handed out.
    pub messages: u64,
    /// Headers of RTP and RTCP packets that were handed out.
    pub packets: u64,
    /// Messages and packets for which there was no room in memory.
    pub lost: u64,
    /// The call, if there was one.
    pub call_id: Option<String>,
}

/// What has come since the last piece.
pub struct Piece {
    /// Records of a pcap file.
    pub records: Vec<u8>,
    /// Whether the call has been found.
    pub is_found: bool,
    /// Set in the last piece.
    pub over: Option<Summary>,
}
