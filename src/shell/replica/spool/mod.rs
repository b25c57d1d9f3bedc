//! The receiving end of a one-way gate: feed files and batch files that come into `<data>/spool/`.

pub(crate) mod alarms;
pub(crate) mod archive;
pub(crate) mod follower;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod metrics;
pub(crate) mod reject;
pub(crate) mod rejection;
pub(crate) mod replay;
pub(crate) mod watcher;
