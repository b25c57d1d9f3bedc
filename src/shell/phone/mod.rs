//! The phone door: SIP sockets, one task a call.

mod calls;
mod door;
mod wire;

pub use door::{Door, Live, Parts};
pub use wire::Wire;
