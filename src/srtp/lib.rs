//! SRTP and SRTCP (RFC 3711, RFC 7714) for the suites of RFC 4568: keys, contexts and replay windows, sans-IO.
//!
//! ```text
//!  RTP, RTCP ──► Sender (our master key) ──► SRTP, SRTCP
//!  SRTP, SRTCP ─► Receiver (the peer's master key) ──► RTP, RTCP, or why it is dropped
//!                    └─ after a change of key: the earlier context, for as long as its packets may be under way
//! ```
//!
//! AES-CM, AES-GCM and HMAC-SHA1 are those of AWS-LC. The framing around them (packet index, replay window, session
//! keys, where tag and index stand) is here and not in a library: `rtc-srtp` accepts an SRTCP packet without its tag being
//! verified if the packet says that it is not encrypted, keeps a state for every SSRC of a forged packet, and cannot join
//! a stream after its sequence numbers have wrapped; the bindings of `libsrtp2` are no longer kept. The tests hold this
//! code to the vectors of both RFCs and to packets that libsrtp made.
//!
//! A context begins with rollover counter 0 (RFC 4568 §6.4). A receiver that misses the wrap of the first 2^16 packets,
//! or 2^15 packets in a row, finds the counter by trying the next value too.

mod derivation;
mod key;
mod packet;
mod receiver;
mod sender;
mod session;
mod streams;
mod suite;
mod window;

pub use key::{KeyGenerator, KeyLengthError, MKI_OCTETS_MAX, MasterKey, PeerKey};
pub use receiver::{EARLIER_KEY_TIME, PacketError, REORDER_TIME, Receiver};
pub use sender::{SendError, Sender};
pub use session::{RTCP_TRAILER_MAX, RTP_TRAILER_MAX};
pub use streams::STREAMS_MAX;
pub use suite::Suite;
pub use window::WINDOW;

#[cfg(test)]
mod tests;
