//! Every bound of this crate, in one table.
//!
//! Outside bytes are checked against them before they are parsed; a list that lives as long as its call is cut off, or
//! its growth rejected, at its bound.

use std::time::Duration;

/// Octets of the largest message, the most that a UDP datagram holds. A longer one on a stream gets 513 and ends the
/// connection.
pub const MESSAGE_BYTES: usize = 65_535;
/// Header lines of one message.
pub const HEADER_LINES: usize = 256;
/// Octets of one header line after unfolding. Carriers' Record-Route and Identity lines stay below 4,096.
pub const LINE_BYTES: usize = 16_384;
/// Via values of one message: the default Max-Forwards (RFC 3261 §8.1.1.6).
pub const VIAS: usize = 70;
/// Record-Route values of one INVITE, which become the route set of the dialog.
pub const ROUTES: usize = 32;
/// Parts of a multipart body that are searched for a session description.
pub const BODY_PARTS: usize = 8;
/// Finished non-INVITE server transactions whose response a leg keeps for retransmissions.
pub const CACHED_RESPONSES: usize = 16;
/// INVITE server transactions of one leg, finished ones included.
pub const INVITES: usize = 4;
/// Client transactions of one leg that wait for their final response.
pub const CLIENT_TRANSACTIONS: usize = 8;
/// Option tags echoed in one Unsupported header.
pub const UNSUPPORTED_TAGS: usize = 16;

/// RFC 3261 §17.1.1.1: the estimated round trip, the first retransmission interval.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.1: the longest retransmission interval.
pub const T2: Duration = Duration::from_secs(4);
/// 64 × T1: when a transaction times out (RFC 3261 Table 4, Timers B, F, H, J).
pub const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a final response may take before a 100 goes out; RFC 3261 §17.2.1 asks for it within 200 ms.
pub const TRYING_AFTER: Duration = Duration::from_millis(150);
/// The largest Retry-After, in seconds, of a request that comes while another is pending (RFC 3261 §14.2: 0 to 10).
pub const RETRY_AFTER_MAX_S: u64 = 10;
/// Attempts at a session refresh before the session is left to expire.
pub const REFRESH_TRIES: u8 = 12;
/// INVITEs of one outgoing call: the first, and those that answer a challenge of each of two proxies, a stale nonce, a larger
/// Min-SE.
pub const CALL_TRIES: u8 = 6;
/// Further 2xx of one INVITE, from other branches of a fork, that are acknowledged and ended.
pub const FORKS: usize = 4;
