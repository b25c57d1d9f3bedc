//! The composition root: settings become everything that serves; signals, drain, the change of a live release.

mod counter;
mod numbers;
pub mod serve;
mod watch;
