//! What the replica counts, for `/metrics` and `/health`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;

use crate::postgres::metrics::UpstreamMetrics;
use crate::spool::metrics::FeedMetrics;

/// Counters and gauges. Each is consistent by itself, not with the others.
#[derive(Debug)]
pub struct ReplicaMetrics {
    /// Look-ups answered from memory, including absent numbers.
    pub cache_hits: AtomicU64,
    /// Of these, absent numbers.
    pub cache_hits_absent: AtomicU64,
    /// Look-ups that had to read the file, or joined one that did.
    pub cache_misses: AtomicU64,
    /// Look-ups that found a case.
    pub found: AtomicU64,
    /// No such number, or a wrong second factor.
    pub not_found: AtomicU64,
    /// Of these, wrong second factors; a rise suggests guessing.
    pub wrong_factor: AtomicU64,
    /// Look-ups without an answer: no copy, a timeout, damage, or a case in quarantine.
    pub down: AtomicU64,
    /// Look-ups rejected because too many waited.
    pub queue_full: AtomicU64,
    /// Look-ups that exceeded `replica.look_up_timeout_ms`.
    pub timeouts: AtomicU64,
    /// Reads that failed: damage or a failing disk.
    pub read_errors: AtomicU64,
    /// Cases in the replica.
    pub rows: AtomicU64,
    /// Batches applied.
    pub batches_applied: AtomicU64,
    /// Batches rejected for good.
    pub batches_rejected: AtomicU64,
    /// Rows inserted, updated or deleted by batches.
    pub rows_applied: AtomicU64,
    /// Rows inserted or updated whose receipt numbers are of no format.
    pub rows_of_no_format: AtomicU64,
    /// Rows in quarantine.
    pub quarantined: AtomicU64,
    /// 1 while a batch waits for an operator's decision.
    pub held: AtomicU64,
    /// Rebuilt copies that were swapped in.
    pub rebuilds: AtomicU64,
    /// Figures of a PostgreSQL upstream.
    pub upstream: UpstreamMetrics,
    /// Figures of the one-way gate.
    pub feed: FeedMetrics,
    /// Bad rows for which the quarantine had no room.
    pub quarantine_lost: AtomicU64,
    /// Faults that the last scrub found.
    pub damaged: AtomicU64,
    /// Rows that the source has sent and that are not applied.
    pub lag_rows: AtomicU64,
    /// Bytes that the source has sent, or holds for this node, and that are not applied.
    pub lag_bytes: AtomicU64,
    /// Rows applied per second, over the last five seconds.
    pub rows_per_second: AtomicU64,
    /// Microseconds since 1970; `i64::MIN` before the first whole scrub.
    scrubbed: AtomicI64,
    /// Microseconds since 1970; `i64::MIN` before the first batch.
    as_of: AtomicI64,
}

impl ReplicaMetrics {
    /// The time for which the upstream last confirmed the replica; `None` before the first batch.
    pub fn as_of(&self) -> Option<Timestamp> {
        let micros = self.as_of.load(Ordering::Acquire);
        (micros != i64::MIN).then(|| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN))
    }

    /// When the last scrub of the whole file ended without a fault.
    pub fn scrubbed(&self) -> Option<Timestamp> {
        let micros = self.scrubbed.load(Ordering::Relaxed);
        (micros != i64::MIN).then(|| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN))
    }

    pub(crate) fn set_scrubbed(&self, at: Timestamp) {
        self.scrubbed.store(at.as_microsecond(), Ordering::Relaxed);
    }

    /// Called after the confirmed changes can be read and old rows have left the cache.
    pub(crate) fn set_as_of(&self, as_of: Timestamp) {
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
            rows_of_no_format: AtomicU64::new(0),
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

pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
