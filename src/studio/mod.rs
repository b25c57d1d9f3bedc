//! The prompt operator's workshop (pure): which recordings a release lacks, which are out of date; who may work there.

pub mod accounts;
mod coverage;
pub mod tries;

pub use accounts::{Operator, Role};
pub use coverage::{Coverage, Manifest, Recorded, read_manifest, text_hash};
