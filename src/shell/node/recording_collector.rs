//! What the recording of conversations counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use journal::{JournalMetrics, RecordingFailure};
use metrics::{Collect, Page};

/// Recorded conversations.
pub(crate) struct RecordingCollector(pub(crate) Arc<JournalMetrics>);

impl Collect for RecordingCollector {
    fn collect(&self, page: &mut Page) {
        let counted = &self.0.recordings;
        page.gauge(
            "jindu_recordings_in_progress",
            "Conversations that are being recorded.",
            counted.in_progress.load(Relaxed),
        );
        page.gauge("jindu_recordings_bytes", "Bytes of all recordings of conversations on the disk.", counted.bytes());
        page.counters(
            "jindu_recording_failures_total",
            "Conversations that were to be recorded and were not, or not to their end, by reason.",
            "reason",
            RecordingFailure::ALL.iter().zip(&counted.failures).map(|(why, count)| (why.name(), count.load(Relaxed))),
        );
        page.counter(
            "jindu_recording_lost_seconds_total",
            "Seconds of one side's sound that came faster than the disk took them: silence stands in their place.",
            counted.lost_samples.load(Relaxed) / 8000,
        );
    }
}
