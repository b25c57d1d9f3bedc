//! What the journal counts.

use std::sync::atomic::AtomicU64;

/// Counters of the journal, read when metrics are collected.
#[derive(Debug, Default)]
pub struct JournalMetrics {
    /// Records that were lost: the queue was full, or the file could not be written.
    pub dropped: AtomicU64,
    /// Bytes of the recordings of messages.
    pub message_bytes: AtomicU64,
    /// 1 while a deletion waits for a person.
    pub deletion_held: AtomicU64,
}
