//! RTP (RFC 3550), RTCP and RFC 4733 keys, sans-IO.
//!
//! ```text
//!  datagram ─► Packet ─► Reception (what is new, what was lost, jitter) ─► sound
//!                 └────► EventKeys (RFC 4733) ─► one key per press
//!  datagram ─► rtcp::read ─► Report        rtcp::write ─► datagram
//! ```

mod keys;
mod packet;
mod reception;
pub mod rtcp;

pub use keys::EventKeys;
pub use packet::{HEADER, Header, Packet, PacketError, is_rtcp};
pub use reception::{Arrival, Reception, ReceptionReport};
