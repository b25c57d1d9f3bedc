//! Telephones in agents' browsers at work: one task owns [`webrtc::BrowserPhones`] and two sockets.
//!
//! ```text
//!  browsers ── UDP: ICE, DTLS, SRTP ──► outer socket ─┐                         ┌──► outer, inner socket
//!  media sessions ── RTP, in this node ─► inner socket ┼──► webrtc::BrowserPhones ┼──► who called: rings, answered, over
//!  pages: connect, answer, events ──► messages ────────┘       (one task)        └──► pages: what they wait for
//! ```
//!
//! Media threads know sockets alone, so a browser's sound reaches its media session as RTP by the loopback or the node's own address.
//! Every queue is bounded. A page's request for events is held until there are some, or for [`HOLD`].

mod gateway;
mod handle;
mod message;

pub use handle::{BrowserCall, BrowserTelephones, ConnectError};
pub use message::HOLD;
pub use webrtc::{Accepted, CallNumber, LineEnd, LineReport, OfferError, PhoneError, PhoneEvent, Press};
