//! The prompt operator's workshop (pure): which recordings a release lacks, which are out of date.

mod coverage;

pub use coverage::{Coverage, Manifest, Recorded, read_manifest, text_hash};
