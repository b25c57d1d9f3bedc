//! Figures of the one-way gate for `/metrics`.

use std::sync::atomic::AtomicU64;

use crate::spool::rejection::Refusal;

/// Counters and gauges of the one-way gate.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// Rejected files, in the order of [`Refusal::NAMES`].
    pub refused: [AtomicU64; Refusal::COUNT],
    /// Files in the spool that are not applied yet.
    pub waiting_files: AtomicU64,
}
