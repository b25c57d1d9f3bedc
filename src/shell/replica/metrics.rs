//! What the replica counts, for `/metrics` and `/health`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;

use super::alarms::FeedMetrics;
use super::postgres::UpstreamMetrics;

/// Counters and gauges; read them at any time, each is right by itself.
#[derive(Debug)]
pub struct ReplicaMetrics {
    /// Look-ups answered from memory, absent numbers included.
    pub cache_hits: AtomicU64,
    /// Of these, absent numbers.
    pub cache_hits_absent: AtomicU64,
    /// Look-ups that had to read the file, or joined one that did.
    pub cache_misses: AtomicU64,
    pub found: AtomicU64,
    /// No such number, and wrong second factor.
    pub not_found: AtomicU64,
    /// Of these, wrong second factor: a rise is somebody guessing.
    pub wrong_factor: AtomicU64,
    pub down: AtomicU64,
    /// Look-ups refused because too many waited.
    pub queue_full: AtomicU64,
    pub timeouts: AtomicU64,
    /// Reads that failed: a damaged row, a damaged file, a disk.
    pub read_errors: AtomicU64,
    pub rows: AtomicU64,
    pub batches_applied: AtomicU64,
    pub batches_rejected: AtomicU64,
    pub rows_applied: AtomicU64,
    /// Rows of batches that were there already, as new or newer.
    pub rows_unchanged: AtomicU64,
    pub quarantined: AtomicU64,
    /// 1 while a batch waits for a person.
    pub held: AtomicU64,
    /// Copies of everything that were swapped in.
    pub rebuilds: AtomicU64,
    /// Following a PostgreSQL upstream.
    pub upstream: UpstreamMetrics,
    pub feed: FeedMetrics,
    /// Bad rows for which the quarantine had no room.
    pub quarantine_lost: AtomicU64,
    /// Faults that the last scrub found.
    pub damaged: AtomicU64,
    /// What the source knows to be on its way.
    pub lag_rows: AtomicU64,
    pub lag_bytes: AtomicU64,
    pub rows_per_second: AtomicU64,
    /// Microseconds since 1970; `i64::MIN` before the first whole pass.
    scrubbed: AtomicI64,
    /// Microseconds since 1970; `i64::MIN` before the first batch.
    as_of: AtomicI64,
}

impl ReplicaMetrics {
    /// When the upstream last vouched for the copy.
    pub fn as_of(&self) -> Option<Timestamp> {
        let micros = self.as_of.load(Ordering::Acquire);
        (micros != i64::MIN).then(|| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN))
    }

    /// When the whole file was last looked through, and found sound.
    pub fn scrubbed(&self) -> Option<Timestamp> {
        let micros = self.scrubbed.load(Ordering::Relaxed);
        (micros != i64::MIN).then(|| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN))
    }

    pub(super) fn set_scrubbed(&self, at: Timestamp) {
        self.scrubbed.store(at.as_microsecond(), Ordering::Relaxed);
    }

    /// Told after the changes it vouches for can be read, and old rows have left the cache.
    pub(super) fn set_as_of(&self, as_of: Timestamp) {
        self.as_of.store(as_of.as_microsecond(), Ordering::Release);
    }
}

impl Default for ReplicaMetrics {
    fn default() -> Self {
        ReplicaMetrics {
            cache_hits: AtomicU64::new(0),
            cache_hits_absent: AtomicU64::new(0),
            cache_misses: AtomicU64::new(0),
            found: AtomicU64::new(0),
            not_found: AtomicU64::new(0),
            wrong_factor: AtomicU64::new(0),
            down: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            read_errors: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            batches_applied: AtomicU64::new(0),
            batches_rejected: AtomicU64::new(0),
            rows_applied: AtomicU64::new(0),
            rows_unchanged: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            held: AtomicU64::new(0),
            rebuilds: AtomicU64::new(0),
            upstream: UpstreamMetrics::default(),
            feed: FeedMetrics::default(),
            quarantine_lost: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            lag_rows: AtomicU64::new(0),
            lag_bytes: AtomicU64::new(0),
            rows_per_second: AtomicU64::new(0),
            scrubbed: AtomicI64::new(i64::MIN),
            as_of: AtomicI64::new(i64::MIN),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
