//! The telephone in an agent's browser: WebRTC without a transcoder, sans-IO.
//!
//! ```text
//!  browser ── ICE, DTLS, SRTP ──► Connection (str0m) ── RTP in the clear ──► media session of the agent's call
//!  browser ── answer, decline ──► BrowserLine ── rings, answered, over ────► who called the agent
//!                                  └─ incoming, connected, ended ──► EventLog ──► browser
//! ```
//!
//! [`BrowserPhones`] holds one [`Phone`](phone::Phone) for each agent whose browser is connected. The browser offers, this side
//! answers: it is ICE-lite (RFC 8445 §2.5) with one candidate of each IP version, takes G.711 alone, and passes the octets of sound
//! as they are. A browser that is silent for [`LOST_AFTER`] is lost; one that connects again meanwhile goes on with its call.

mod connection;
mod error;
mod event;
mod line;
mod numbers;
mod phone;
mod phones;

pub use connection::{LOST_AFTER, Secrets};
pub use error::{OfferError, PhoneError};
pub use event::{CallNumber, EventLog, PhoneEvent};
pub use line::{BrowserLine, LineEnd, LineInput, LineOutput, LineReport, Ring};
pub use phones::{Accepted, BrowserPhones, Output, Press};

#[cfg(test)]
mod tests;
