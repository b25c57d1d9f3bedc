//! A sentence with typed slots → text for a screen, and a list of clips for a caller.

mod value;

pub use value::{Clip, Piece, Value};
