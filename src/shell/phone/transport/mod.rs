//! The SIP transport layer (RFC 3261 §18): datagrams and streams in, messages out.
//!
//! ```text
//!  UDP socket ── one task ───────────► parse ──► Receiver
//!  TLS listener ── one task ── accept ──► handshake ──┐
//!  TCP listener ── one task ── accept ──► Streams ── read, frame ──► Receiver
//!                                            └─ bounded outbox ── write ◄── Sender
//! ```
//!
//! The layer knows nothing of calls: it gives each message to a [`Receiver`], which also says who may connect.

mod connection;
mod handshakes;
mod listen;
mod outbox;
mod receiver;
mod sender;
#[cfg(test)]
mod stream_tests;
mod streams;
#[cfg(test)]
mod tests;

pub use listen::TransportLayer;
pub use receiver::{Backlog, Receiver};
pub(crate) use sender::Sender;
