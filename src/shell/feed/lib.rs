//! Feed files on the disk: reading their text within bounds, packing, verifying, signing keys, and a made-up office that
//! writes them. What the files are, `replica::gate` says.

pub mod input;
pub mod keys;
pub mod pack;
pub mod play;
pub mod text;
pub mod verify;

pub use pack::{PackError, Packed, Packer};
pub use play::{changes, snapshot};
pub use verify::{is_feed_name, printable};
