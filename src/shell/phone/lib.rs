//! The phone door: SIP sockets, one task a call.

mod booth;
mod calls;
mod cases;
mod door;
mod shelf;
mod tape;
mod wire;

pub use booth::Booths;
pub use cases::{Cases, LookUps, Stage};
pub use door::{Door, Live, Parts};
pub use shelf::Shelf;
pub use wire::Wire;
