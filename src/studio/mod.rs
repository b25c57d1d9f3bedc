//! The prompt operator's workshop (pure).

pub mod coverage;
