//! The phone door: SIP sockets, one task a call.

mod calls;
mod cases;
mod door;
mod wire;

pub use cases::{Cases, Stage};
pub use door::{Door, Live, Parts};
pub use wire::Wire;
