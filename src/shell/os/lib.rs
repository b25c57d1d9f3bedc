//! What the operating system gives: clocks, random numbers, the data folder and its disk, listening and control sockets,
//! sealed and growing files, logs, signals, work at a low priority; the language that a command speaks.

pub mod background;
pub mod clock;
pub mod control;
pub mod datagrams;
pub mod folder;
pub mod growing_file;
mod io_fault;
pub mod language;
mod log_limit;
pub mod logs;
pub mod memory;
pub mod sealed_file;
pub mod signals;
pub mod sockets;
pub mod sound_key;

pub use io_fault::io_fault;
