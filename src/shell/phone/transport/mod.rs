//! The SIP transport layer (RFC 3261 §18): datagrams and streams in, messages out.
//!
//! ```text
//!  UDP socket ── one task ───────────► parse ──► Receiver
//!  TLS listener ── one task ── accept ──► handshake ──┐
//!  TCP listener ── one task ── accept ──► Streams ── read, frame ──► Receiver
//!                                            └─ bounded outbox ── write ◄── Sender
//! ```
//!
//! What goes in and out passes the [`Tap`], where it can be captured.
//!
//! The layer knows nothing of calls: it gives each message to a [`Receiver`], which also says who may connect.

mod chosen;
mod connection;
mod handshakes;
mod listen;
mod outbox;
mod receiver;
mod sender;
#[cfg(test)]
mod stream_tests;
mod streams;
mod tap;
#[cfg(test)]
mod tests;

pub use listen::{BindError, TransportLayer};
pub use receiver::{Backlog, Receiver, Screening};
pub(crate) use sender::Sender;
pub use tap::{Direction, Sink, Tap};
