//! SDP offers and answers (RFC 8866, RFC 3264) for one audio stream.
//!
//! Pure functions from bytes to bytes. What comes from outside is read leniently (line ends, missing or unknown
//! lines, bytes that are not UTF-8) but within bounds; what goes out is plain and complete.
//!
//! ```text
//!  offer ──► Description ──► first usable audio line ──► Negotiated + answer with as many m= lines
//!  answer ─► Description ──► the audio line ───────────► Negotiated
//! ```

mod answer;
mod description;
mod session;
mod write;

pub use answer::{accept, answer, answer_again};
pub use session::{Direction, LocalMedia, MediaPeer, Negotiated, Refused};
pub use write::offer;

#[cfg(test)]
mod offers;
