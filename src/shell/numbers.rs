//! Carries the numbers that other threads count over to the metrics page, once a second.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::journal::JournalMetrics;
use super::media::MediaMetrics;
use super::metrics::{BatchResult, CacheResult, Direction, Metrics, Refused};
use super::replica::{AlarmKind, ReplicaMetrics};

/// Where numbers are counted.
pub struct Sources {
    pub replica: Arc<ReplicaMetrics>,
    pub media: Arc<MediaMetrics>,
    pub journal: Arc<JournalMetrics>,
}

/// Keeps the page's numbers until the runtime ends.
pub fn keep(metrics: Arc<Metrics>, sources: Sources) {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            carry(&metrics, &sources);
        }
    });
}

/// Carries everything over once.
pub fn carry(metrics: &Metrics, sources: &Sources) {
    let Sources { replica, media, journal } = sources;
    metrics.cache.set(CacheResult::Hit, replica.cache_hits.load(Relaxed));
    metrics.cache.set(CacheResult::Miss, replica.cache_misses.load(Relaxed));
    metrics.replica_cases.set(i64::try_from(replica.rows.load(Relaxed)).unwrap_or(i64::MAX));
    metrics.replica_as_of_ms.set(replica.as_of().map_or(0, |as_of| as_of.as_millisecond()));
    metrics.replica_batches.set(BatchResult::Applied, replica.batches_applied.load(Relaxed));
    metrics.replica_batches.set(BatchResult::Refused, replica.batches_rejected.load(Relaxed));
    metrics.replica_rows.set(replica.rows_applied.load(Relaxed));
    metrics.replica_quarantined.set(i64::try_from(replica.quarantined.load(Relaxed)).unwrap_or(i64::MAX));
    let feed = &replica.feed;
    for (kind, alarm) in AlarmKind::ALL.into_iter().zip(&feed.alarms) {
        metrics.feed_alarms.set(kind, alarm.load(Relaxed));
    }
    for (why, refused) in feed.refused.iter().enumerate() {
        metrics.feed_refused.set(Refused(why), refused.load(Relaxed));
    }
    let gauge = |value: &AtomicU64| i64::try_from(value.load(Relaxed)).unwrap_or(i64::MAX);
    metrics.feed_waiting_files.set(gauge(&feed.waiting_files));
    metrics.feed_waiting_bytes.set(gauge(&feed.waiting_bytes));
    metrics.feed_waiting_lines.set(gauge(&feed.waiting_lines));
    metrics.rtp_packets.set(Direction::Sent, media.packets_sent.load(Relaxed));
    metrics.rtp_packets.set(Direction::Received, media.packets_received.load(Relaxed));
    metrics.rtp_lost.set(media.packets_lost.load(Relaxed));
    metrics.rtp_skipped.set(media.packets_skipped.load(Relaxed));
    for (bucket, count) in media.lateness.iter().enumerate() {
        metrics.rtp_lateness.set_bucket(bucket, count.load(Relaxed));
    }
    metrics.journal_lost.set(journal.dropped.load(Relaxed));
}

const EVERY: Duration = Duration::from_secs(1);
