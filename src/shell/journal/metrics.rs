//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// Counters of the journal, read when metrics are collected.
#[derive(Debug, Default)]
pub struct JournalMetrics {
    /// Records that were lost: the queue was full, or the file could not be written.
    pub dropped: AtomicU64,
    /// Bytes of the recordings of messages.
    pub message_bytes: AtomicU64,
    /// 1 while a deletion waits for a person.
    pub deletion_held: AtomicU64,
    /// Recorded conversations.
    pub recordings: RecordingMetrics,
}

/// Counters of recorded conversations.
#[derive(Debug, Default)]
pub struct RecordingMetrics {
    /// How many are being recorded.
    pub in_progress: AtomicU64,
    /// Bytes of those that have ended.
    pub stored_bytes: AtomicU64,
    /// Bytes of those in progress.
    pub written_bytes: AtomicU64,
    /// Samples of one channel that came faster than they were written: silence stands in their place.
    pub lost_samples: AtomicU64,
    /// Conversations that were to be recorded and were not, or not to their end, by [`RecordingFailure`].
    pub failures: [AtomicU64; RecordingFailure::ALL.len()],
    /// The time of the last failure, in seconds of Unix time; 0: there was none.
    pub failed_at: AtomicU64,
}

impl RecordingMetrics {
    /// Counts a failure. One that is as long as one may be is no fault of the node.
    pub fn failed(&self, why: RecordingFailure, now: Timestamp) {
        self.failures[why as usize].fetch_add(1, Ordering::Relaxed);
        if why != RecordingFailure::Longest {
            self.failed_at.store(now.as_second().unsigned_abs().max(1), Ordering::Relaxed);
        }
    }

    /// Whether a recording has failed within the last hour.
    pub fn failed_lately(&self, now: Timestamp) -> bool {
        let at = self.failed_at.load(Ordering::Relaxed);
        at > 0 && now.as_second().unsigned_abs().saturating_sub(at) < LATELY_S
    }

    /// Bytes of all recordings on the disk.
    pub fn bytes(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed) + self.written_bytes.load(Ordering::Relaxed)
    }
}

/// Why a conversation is not recorded, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingFailure {
    /// The caller was not told.
    Unannounced,
    /// There is no key to seal it with.
    NoKey,
    /// As many conversations are recorded as may be.
    TooMany,
    /// All recordings take as much room as they may, or the disk is nearly full.
    Full,
    /// The disk failed.
    Disk,
    /// The media threads or the system's threads do not keep up.
    Busy,
    /// It is as long as one may be.
    Longest,
    /// The media threads gave nothing of a conversation that went on.
    NoSound,
}

impl RecordingFailure {
    /// All of them, in the order of metrics.
    pub const ALL: [RecordingFailure; 8] = [
        RecordingFailure::Unannounced,
        RecordingFailure::NoKey,
        RecordingFailure::TooMany,
        RecordingFailure::Full,
        RecordingFailure::Disk,
        RecordingFailure::Busy,
        RecordingFailure::Longest,
        RecordingFailure::NoSound,
    ];

    /// The word in log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            RecordingFailure::Unannounced => "unannounced",
            RecordingFailure::NoKey => "no_key",
            RecordingFailure::TooMany => "too_many",
            RecordingFailure::Full => "full",
            RecordingFailure::Disk => "disk",
            RecordingFailure::Busy => "busy",
            RecordingFailure::Longest => "longest",
            RecordingFailure::NoSound => "no_sound",
        }
    }
}

const LATELY_S: u64 = 3600;
