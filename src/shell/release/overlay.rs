//! Recordings that replace those in the folder of recordings: operators' takes, or the factory's own where a take is
//! taken back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use speech::Clip;

/// A recording that replaces the one in the folder of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// The take's name; `None` for the factory's recording, which comes back.
    pub take: Option<String>,
    /// The file: 16-bit PCM in WAV, one channel.
    pub path: PathBuf,
    /// SHA-256 in hex of the text that it was read from.
    pub text_sha256: String,
}

/// Recordings that replace others, by clip.
pub type Overlay = BTreeMap<Clip, Master>;
