//! What the media plane counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the start of the process, but for `streams`.
#[derive(Debug, Default)]
pub struct MediaMetrics {
    /// Streams that hold ports.
    pub streams: AtomicU64,
    pub packets_sent: AtomicU64,
    pub packets_received: AtomicU64,
    /// Of callers' streams.
    pub packets_lost: AtomicU64,
    /// From strangers, or no RTP.
    pub packets_refused: AtomicU64,
    /// Packets of ours that could not leave in their time.
    pub packets_skipped: AtomicU64,
    pub send_errors: AtomicU64,
    /// Streams ended because their call took no events.
    pub events_dropped: AtomicU64,
    /// Plays that named a clip which the release lacks.
    pub clips_missing: AtomicU64,
    /// Streams ended by a panic.
    pub panics: AtomicU64,
    /// How late packets left: one count for each bound of [`LATENESS_BOUNDS_MS`], and one above.
    pub lateness: [AtomicU64; LATENESS_BOUNDS_MS.len() + 1],
}

/// Upper bounds of the lateness counts, in milliseconds.
pub const LATENESS_BOUNDS_MS: [u64; 6] = [1, 2, 5, 10, 20, 50];

impl MediaMetrics {
    pub(super) fn late(&self, by: Duration) {
        let ms = by.as_millis() as u64;
        let bucket = LATENESS_BOUNDS_MS.iter().position(|bound| ms < *bound).unwrap_or(LATENESS_BOUNDS_MS.len());
        add(&self.lateness[bucket], 1);
    }
}

/// Adds where nobody waits for anybody.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
