//! Feed files on the disk: reading them within bounds, packing, verifying, key files, and a simulated office that writes
//! them. Their format is defined in `replica::gate`.

pub mod input;
pub mod keys;
pub mod pack;
pub mod play;
mod sql;
pub mod text;
pub mod verify;

pub use pack::{PackError, Packed, Packer};
pub use play::{changes, snapshot};
pub use verify::{is_feed_name, printable};
