//! What the operating system gives: clocks, random numbers, the data folder and its disk, sockets, logs,
//! work at a low priority.

pub mod background;
pub mod clock;
pub mod datagrams;
pub mod folder;
pub mod logs;
pub mod sockets;
