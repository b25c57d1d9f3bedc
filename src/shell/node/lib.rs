//! The composition root: settings become everything that serves; signals, drain, the change of a live release.

mod backend;
mod collectors;
pub mod serve;
mod watch;
