//! The replica on this node: `<data>/replica.sqlite3`, readers with a cache in front, and one writer that follows a source.
//!
//! ```text
//!  spool/ (one-way gate) ─┐
//!                         ├─► write/ ─► file/ (replica.sqlite3) ─► read/ (threads, cache) ─► Replica::look_up
//!  postgres/ (stream) ────┘      └───────── drops changed keys ──────────────►┘
//! ```
//!
//! [`Replica::cached`] answers from memory without leaving the caller's thread; [`Replica::look_up`] asks a reader and
//! waits a limited time. A phone call gives a second factor as its proof, a scan gives the paper. Every answer carries the
//! time for which the upstream confirmed it, never this node's clock.

mod alarms;
mod command;
mod control;
mod file;
mod load;
mod lock;
mod locks;
mod look_up;
mod maintenance;
mod metrics;
mod open;
mod operator;
pub mod postgres;
mod read;
mod requests;
mod sample;
mod secret;
mod shared;
mod spool;
mod status;
mod write;

#[cfg(test)]
mod batch_tests;
#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod look_up_tests;
#[cfg(test)]
mod test_replica;

pub use alarms::{Alarm, Alarms};
pub use command::{OperatorCommand, Report, Verified, run as command};
pub use control::{Reply, Request};
pub use file::failure::StoreError;
pub use file::held::{Decision, Held, HeldReason};
pub use file::quarantine::QuarantinedRow;
pub use file::scrub::Damage;
pub use file::seal::{open as open_text, seal as seal_text};
pub use load::{LoadError, Loaded, load};
pub use lock::FolderLock;
pub use look_up::{Replica, Role};
pub use metrics::ReplicaMetrics;
pub use open::{OpenError, adopt_clock};
pub use sample::is_noted as is_sample;
pub use secret::{SecretError, secret};
pub use spool::archive::unseal;
pub use spool::metrics::FeedMetrics;
pub use spool::rejection::Rejection;
pub use status::{Status, span};
pub use write::batch::{Applied, ApplyError};
