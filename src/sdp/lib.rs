//! SDP offers and answers (RFC 8866, RFC 3264) for one audio stream.
//!
//! Pure functions from bytes to bytes. Reading is lenient (line ends, missing or unknown lines, bytes
//! that are not UTF-8) and bounded; what is written is plain and complete.
//!
//! ```text
//!  offer ──► Description ──► first usable audio line ──► Negotiated + answer with the same m= lines
//!  answer ─► Description ──► the audio line ───────────► Negotiated
//! ```

mod addresses;
mod answer;
mod crypto;
mod description;
mod formats;
mod negotiation;
mod security;
mod session;
mod write;

pub use addresses::{FOREIGN_ADDRESS, MediaAddress, MediaAddresses};
pub use answer::{accept, answer};
pub use base::SrtpPolicy;
pub use crypto::SrtpKeys;
pub use negotiation::{Direction, LocalMedia, Negotiated, Rejection, RemoteMedia};
pub use session::LocalSession;
pub use write::offer;

#[cfg(test)]
mod tests;
