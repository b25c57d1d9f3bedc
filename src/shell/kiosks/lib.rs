//! The register of kiosks on disk, and what each kiosk did.
//!
//! ```text
//!  <data>/kiosks/register.json   who is a kiosk; written by jindu kiosk and by a node where a code is used
//!  <data>/kiosks/activity.json   when each was seen, its page, its scans and faults; written by the serving node alone
//!  <data>/kiosks/lock            one writer of the register at a time
//! ```
//! Each file is replaced as a whole, with mode 0600. A serving node reads the register again when it has changed.

mod activity;
mod error;
mod file;
mod store;

pub use activity::Activity;
pub use error::KioskStoreError;
pub use store::{Enrolled, KioskStore};

#[cfg(test)]
mod tests;
