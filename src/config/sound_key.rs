//! Where the key is that seals recordings.

use std::path::PathBuf;

/// Where the key that seals recordings is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoundKey {
    /// A file.
    File(PathBuf),
    /// The name of a credential that systemd gives to the unit.
    Credential(String),
}
