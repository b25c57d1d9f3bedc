//! Every bound of this room, in one table.
//!
//! Outside bytes are measured against these before they are parsed; lists that live as long as a call are cut or
//! refused at them.

use std::time::Duration;

/// The largest message: what a UDP datagram can hold at most. A longer one on a stream is 513 and ends the connection.
pub const MESSAGE_BYTES: usize = 65_535;
/// Header lines of one message.
pub const HEADER_LINES: usize = 256;
/// Bytes of one header line, unfolded. Carriers' Record-Route and Identity lines stay below 4,096.
pub const LINE_BYTES: usize = 16_384;
/// Via values, as Max-Forwards would allow them.
pub const VIAS: usize = 70;
/// Record-Route values, the route set of a call.
pub const ROUTES: usize = 32;
/// Parts of a multipart body that are looked at for a session description.
pub const BODY_PARTS: usize = 8;
/// Finished server transactions whose response a leg keeps for repeats.
pub const CACHED_RESPONSES: usize = 16;
/// INVITE server transactions of one leg, finished ones included.
pub const INVITES: usize = 4;
/// Client transactions of one leg that wait for a response.
pub const CLIENT_TRANSACTIONS: usize = 8;
/// Option tags echoed in one Unsupported header.
pub const UNSUPPORTED_TAGS: usize = 16;

/// RFC 3261 §17.1.1.1: the round trip that retransmission starts with.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.1: the longest pause between two retransmissions.
pub const T2: Duration = Duration::from_secs(4);
/// 64 × T1: when a transaction gives up (RFC 3261 Table 4, Timers B, F, H, J).
pub const GIVE_UP: Duration = Duration::from_secs(32);
/// How long an answer may take before the caller is told that it is being worked on (RFC 3261 §17.2.1: 200 ms).
pub const TRYING_AFTER: Duration = Duration::from_millis(150);
/// The Retry-After of a request that came too early, RFC 3261 §14.2: 0 to 10 s.
pub const RETRY_AFTER_MAX_S: u64 = 10;
/// How often a refused session refresh is tried again before the session is left to expire.
pub const REFRESH_TRIES: u8 = 4;
