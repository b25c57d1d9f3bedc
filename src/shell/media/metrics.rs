//! What the media plane counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use call::SrtpDrop;

/// Counters since the start of the process; `sessions` is a gauge.
#[derive(Debug, Default)]
pub struct MediaMetrics {
    /// Sessions that hold ports.
    pub sessions: AtomicU64,
    /// RTP packets that left.
    pub packets_sent: AtomicU64,
    /// Datagrams read from RTP ports.
    pub packets_received: AtomicU64,
    /// Packets of callers that never arrived, counted when their session ends.
    pub packets_lost: AtomicU64,
    /// Datagrams from strangers, or no RTP, counted when their session ends.
    pub packets_refused: AtomicU64,
    /// Packets of protected streams that were dropped, by [`SrtpDrop`], counted when their session ends.
    pub srtp_dropped: [AtomicU64; SrtpDrop::ALL.len()],
    /// Packets that were not sent since their time had passed.
    pub packets_skipped: AtomicU64,
    /// RTP or RTCP packets that the kernel refused to send.
    pub send_errors: AtomicU64,
    /// Events that a call did not take; its session ended.
    pub events_dropped: AtomicU64,
    /// Plays that named a clip which the release lacks.
    pub clips_missing: AtomicU64,
    /// Sessions ended by a panic.
    pub panics: AtomicU64,
    /// How late packets left: one count for each bound of [`LATENESS_BOUNDS_MS`], and one above.
    pub lateness: [AtomicU64; LATENESS_BOUNDS_MS.len() + 1],
}

/// Upper bounds of the lateness counts, in milliseconds.
pub const LATENESS_BOUNDS_MS: [u64; 6] = [1, 2, 5, 10, 20, 50];

/// What a media thread counts by itself in a turn, before it adds it to the counters that all share.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub sent: u64,
    pub received: u64,
    pub skipped: u64,
    failed: u64,
    lateness: [u64; LATENESS_BOUNDS_MS.len() + 1],
}

impl Tally {
    pub(super) fn late(&mut self, by: Duration) {
        let ms = by.as_millis() as u64;
        let bucket = LATENESS_BOUNDS_MS.iter().position(|bound| ms < *bound).unwrap_or(LATENESS_BOUNDS_MS.len());
        self.lateness[bucket] += 1;
    }

    /// So many of the packets that were counted as sent were not.
    pub(super) fn send_failed(&mut self, packets: u64) {
        self.failed += packets;
    }

    /// Adds the turn to the counters.
    pub(super) fn count_in(&mut self, metrics: &MediaMetrics) {
        let Tally { sent, received, skipped, failed, lateness } = std::mem::take(self);
        let counters = [
            (&metrics.packets_sent, sent.saturating_sub(failed)),
            (&metrics.packets_received, received),
            (&metrics.packets_skipped, skipped),
            (&metrics.send_errors, failed),
        ];
        for (counter, count) in counters.into_iter().chain(metrics.lateness.iter().zip(lateness)) {
            if count > 0 {
                add(counter, count);
            }
        }
    }
}

/// Adds without ordering: counters are only read as figures.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
