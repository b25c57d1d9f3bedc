//! The composition root: settings become everything that serves; signals, drain, the change of a live release.

mod announce;
mod components;
mod counter;
mod drain;
mod first_start;
mod numbers;
pub mod serve;
mod signals;
mod sockets;
mod watch;

/// Why the program cannot serve: one line that says what to do.
pub(crate) type Fault = String;
