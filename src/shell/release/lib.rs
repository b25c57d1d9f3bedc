//! Releases on the disk: the files of a hotline, its recordings, publication, the live pointer, retention.

pub mod hotline;
pub mod recorded;
pub mod recordings;
pub mod releases;
pub mod retention;
mod store;
