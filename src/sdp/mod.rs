//! SDP offers and answers (RFC 8866, RFC 3264) for one audio stream.

mod session;

pub use session::{Direction, MediaPeer, Negotiated, Refused};
