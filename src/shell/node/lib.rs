//! The composition root: settings become everything that serves; signals, drain, the change of a live release.

mod announce;
mod backend;
mod carriers;
mod collectors;
mod components;
mod drain;
mod first_passwords;
mod first_start;
mod kiosks;
mod recording_collector;
pub mod serve;
mod signals;
mod sockets;
mod status;
mod watch;

pub use status::{NodeStatus, SmsStatus, node_status};
pub use web_service::READ_PHOTOGRAPH;

/// Why the program cannot serve: one line that says what to do.
pub(crate) type Fault = base::Bilingual;
