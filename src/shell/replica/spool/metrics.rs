//! Figures of the one-way gate for `/metrics`.

use std::sync::atomic::AtomicU64;

use crate::spool::rejection::Rejection;

/// Counters and gauges of the one-way gate.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// Rejected files, in the order of [`Refusal::NAMES`].
    pub rejected: [AtomicU64; Rejection::COUNT],
    /// Files in the spool that are not applied yet.
    pub waiting_files: AtomicU64,
}
