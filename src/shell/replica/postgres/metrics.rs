//! Figures of a PostgreSQL upstream for `/metrics`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use replica::upstream::{Lsn, UpstreamError, UpstreamErrorKind};

/// Counters and gauges. Each is consistent by itself, not with the others.
#[derive(Debug, Default)]
pub struct UpstreamMetrics {
    /// 1 while the stream runs.
    pub streaming: AtomicU64,
    /// 1 while the table is copied.
    pub copying: AtomicU64,
    /// Rows read by the running or last copy of the table.
    pub copied_rows: AtomicU64,
    /// Streams that were started.
    pub connects: AtomicU64,
    /// Transactions applied.
    pub transactions: AtomicU64,
    /// Changes applied.
    pub changes: AtomicU64,
    /// Changes received that are not applied.
    pub waiting_rows: AtomicU64,
    /// Milliseconds from the last commit to its transmission, by the upstream's clock.
    pub lag_ms: AtomicI64,
    /// The position in the log up to which the replica is complete.
    pub position: AtomicU64,
    troubles: [AtomicU64; UpstreamErrorKind::ALL.len()],
    last: Mutex<Option<UpstreamError>>,
}

impl UpstreamMetrics {
    /// The number of troubles of each kind.
    pub fn errors(&self) -> impl Iterator<Item = (UpstreamErrorKind, u64)> {
        UpstreamErrorKind::ALL
            .into_iter()
            .zip(&self.troubles)
            .map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }

    /// What prevents following the upstream at present.
    pub fn error(&self) -> Option<UpstreamError> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Counts a trouble that does not interrupt following.
    pub(super) fn count_trouble(&self, kind: UpstreamErrorKind) {
        self.troubles[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Sets or clears the trouble; gives the one before.
    pub(super) fn set_trouble(&self, trouble: Option<UpstreamError>) -> Option<UpstreamError> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(trouble) = trouble.as_ref().filter(|trouble| last.as_ref() != Some(*trouble)) {
            self.count_trouble(trouble.kind);
        }
        std::mem::replace(&mut *last, trouble)
    }

    pub(super) fn set_seen(&self, seen: Lsn) {
        self.position.store(seen, Ordering::Relaxed);
    }
}
