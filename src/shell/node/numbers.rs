//! Carries the numbers that other threads count over to the metrics page, once a second.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use journal::JournalMetrics;
use media::MediaMetrics;
use metrics::{BatchResult, CacheResult, CopyNumbers, Direction, Metrics, Refused};
use os::clock;
use os::folder;
use phone::{LiveRelease, Registry};
use replica_store::{Replica, postgres::UpstreamMetrics};

/// Where numbers are counted.
pub(crate) struct Sources {
    pub replica: Arc<Replica>,
    pub media: Arc<MediaMetrics>,
    pub journal: Arc<JournalMetrics>,
    pub registry: Arc<Registry>,
    pub live: Arc<ArcSwap<LiveRelease>>,
    /// The data folder, for its disk.
    pub folder: PathBuf,
}

/// Keeps the page's numbers until the runtime ends.
pub(crate) fn keep(metrics: Arc<Metrics>, sources: Sources) {
    // The first page that is asked for is whole.
    carry(&metrics, &sources);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            carry(&metrics, &sources);
        }
    });
}

/// Carries everything over once.
pub(crate) fn carry(metrics: &Metrics, sources: &Sources) {
    let Sources { replica: copy, media, journal, registry, live, folder } = sources;
    metrics.calls_max.set(i64::try_from(registry.lines_max()).unwrap_or(i64::MAX));
    metrics.draining.set(registry.is_draining().into());
    metrics.release.set(live.load().short_name());
    metrics.disk_free.set(folder::free_bytes(folder).map_or(0, |free| i64::try_from(free).unwrap_or(i64::MAX)));
    let replica = copy.metrics();
    *metrics.replica.lock().unwrap_or_else(PoisonError::into_inner) = numbers(copy);
    metrics.cache.set(CacheResult::Hit, replica.cache_hits.load(Relaxed));
    metrics.cache.set(CacheResult::Miss, replica.cache_misses.load(Relaxed));
    metrics.replica_cases.set(i64::try_from(replica.rows.load(Relaxed)).unwrap_or(i64::MAX));
    // The page tells an age by the wall clock at which it is asked for, and this node's may be set wrong.
    let now = clock::timestamp().as_millisecond();
    let age = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    metrics.replica_as_of_ms.set(copy.age().map_or(0, |told| now.saturating_sub(age(told))));
    metrics.replica_batches.set(BatchResult::Applied, replica.batches_applied.load(Relaxed));
    metrics.replica_batches.set(BatchResult::Refused, replica.batches_rejected.load(Relaxed));
    metrics.replica_rows.set(replica.rows_applied.load(Relaxed));
    metrics.replica_quarantined.set(i64::try_from(replica.quarantined.load(Relaxed)).unwrap_or(i64::MAX));
    upstream(metrics, &replica.upstream);
    for (why, refused) in replica.feed.refused.iter().enumerate() {
        metrics.feed_refused.set(Refused(why), refused.load(Relaxed));
    }
    metrics.feed_waiting_files.set(i64::try_from(replica.feed.waiting_files.load(Relaxed)).unwrap_or(i64::MAX));
    metrics.rtp_packets.set(Direction::Sent, media.packets_sent.load(Relaxed));
    metrics.rtp_packets.set(Direction::Received, media.packets_received.load(Relaxed));
    metrics.rtp_lost.set(media.packets_lost.load(Relaxed));
    metrics.rtp_skipped.set(media.packets_skipped.load(Relaxed));
    for (bucket, count) in media.lateness.iter().enumerate() {
        metrics.rtp_lateness.set_bucket(bucket, count.load(Relaxed));
    }
    metrics.journal_lost.set(journal.dropped.load(Relaxed));
}

fn upstream(metrics: &Metrics, upstream: &UpstreamMetrics) {
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics.upstream_streaming.set(gauge(upstream.streaming.load(Relaxed)));
    metrics.upstream_copying.set(gauge(upstream.copying.load(Relaxed)));
    metrics.upstream_copied_rows.set(gauge(upstream.copied_rows.load(Relaxed)));
    metrics.upstream_lag_ms.set(upstream.lag_ms.load(Relaxed));
    metrics.upstream_connects.set(upstream.connects.load(Relaxed));
    metrics.upstream_transactions.set(upstream.transactions.load(Relaxed));
    metrics.upstream_changes.set(upstream.changes.load(Relaxed));
    for (kind, count) in upstream.troubles() {
        metrics.upstream_troubles.set(kind, count);
    }
}

fn numbers(copy: &Replica) -> CopyNumbers {
    let counted = copy.metrics();
    CopyNumbers {
        lag_rows: counted.lag_rows.load(Relaxed),
        lag_bytes: counted.lag_bytes.load(Relaxed),
        rows_per_second: counted.rows_per_second.load(Relaxed),
        quarantine_lost: counted.quarantine_lost.load(Relaxed),
        held: counted.held.load(Relaxed),
        rebuilds: counted.rebuilds.load(Relaxed),
        damaged: counted.damaged.load(Relaxed),
        scrub_age: counted.scrubbed().map(|at| inquiry::age(at, clock::timestamp())),
        alarms: copy.alarms().into_iter().map(|alarm| alarm.kind).collect(),
    }
}

const EVERY: Duration = Duration::from_secs(1);
