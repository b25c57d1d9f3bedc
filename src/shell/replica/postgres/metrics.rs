//! What following a PostgreSQL upstream counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use replica::upstream::{Lsn, UpstreamError, UpstreamErrorKind};

/// Counters and gauges; read them at any time, each is right by itself.
#[derive(Debug, Default)]
pub struct UpstreamMetrics {
    /// 1 while the stream runs.
    pub streaming: AtomicU64,
    /// 1 while the table is copied.
    pub copying: AtomicU64,
    pub copied_rows: AtomicU64,
    pub connects: AtomicU64,
    pub transactions: AtomicU64,
    pub changes: AtomicU64,
    /// Changes that came and are not in the copy yet.
    pub waiting_rows: AtomicU64,
    /// From a commit to the moment it was sent, by the upstream's own clock, of the last one.
    pub lag_ms: AtomicI64,
    /// Up to where the log is in the copy.
    pub seen: AtomicU64,
    troubles: [AtomicU64; UpstreamErrorKind::ALL.len()],
    last: Mutex<Option<UpstreamError>>,
}

impl UpstreamMetrics {
    /// How often each kind of trouble began.
    pub fn troubles(&self) -> impl Iterator<Item = (UpstreamErrorKind, u64)> {
        UpstreamErrorKind::ALL
            .into_iter()
            .zip(&self.troubles)
            .map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }

    /// What keeps the upstream from being followed at the moment.
    pub fn trouble(&self) -> Option<UpstreamError> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Counts an alarm that does not stop the following.
    pub(super) fn alarm(&self, kind: UpstreamErrorKind) {
        self.troubles[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what stops the following, or that nothing does any more; gives what did.
    pub(super) fn set_trouble(&self, trouble: Option<UpstreamError>) -> Option<UpstreamError> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(trouble) = trouble.as_ref().filter(|trouble| last.as_ref() != Some(*trouble)) {
            self.alarm(trouble.kind);
        }
        std::mem::replace(&mut *last, trouble)
    }

    pub(super) fn set_seen(&self, seen: Lsn) {
        self.seen.store(seen, Ordering::Relaxed);
    }
}
