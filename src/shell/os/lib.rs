//! What the operating system gives: clocks, random numbers, the data folder and its disk, listening and control sockets,
//! logs, signals, work at a low priority.

pub mod background;
pub mod clock;
pub mod control;
pub mod datagrams;
pub mod folder;
mod log_limit;
pub mod logs;
pub mod signals;
pub mod sockets;
