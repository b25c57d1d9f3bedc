//! What the operating system gives: clocks, random numbers, the data folder and its disk, listening sockets, logs,
//! signals, work at a low priority.

pub mod background;
pub mod clock;
pub mod folder;
pub mod logs;
pub mod signals;
pub mod sockets;
