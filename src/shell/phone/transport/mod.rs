//! The SIP transport layer (RFC 3261 §18): datagrams and streams in, messages out.
//!
//! ```text
//!  UDP socket ── one task ───────────► parse ──► Receiver
//!  TCP listener ── one task ── accept ──► Streams ── read, frame ──► Receiver
//!                                            └─ bounded queue ── write ◄── Sender
//! ```
//!
//! The layer knows nothing of calls: it gives each message to a [`Receiver`], which also says who may connect.

mod listen;
mod receiver;
mod sender;
mod streams;
#[cfg(test)]
mod tests;

pub use listen::TransportLayer;
pub use receiver::Receiver;
pub(crate) use sender::Sender;
