//! What an operator, the scrub or a look-up requests from the source. The follower checks it whenever it is idle.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::locks::locked;

/// Requests that the follower has not fulfilled yet.
#[derive(Default)]
pub(crate) struct SourceRequests {
    rebuild: AtomicBool,
    rows: Mutex<Vec<String>>,
}

impl SourceRequests {
    /// Requests a full snapshot, or withdraws the request once one was swapped in.
    pub(crate) fn set_rebuild_requested(&self, requested: bool) {
        self.rebuild.store(requested, Ordering::Relaxed);
    }

    pub(crate) fn rebuild_requested(&self) -> bool {
        self.rebuild.load(Ordering::Relaxed)
    }

    /// Requests quarantined rows by their ids. Those beyond the limit are requested again by the next retry.
    pub(crate) fn request_rows(&self, ids: impl IntoIterator<Item = String>) {
        let mut rows = locked(&self.rows);
        let room = ROWS_MAX.saturating_sub(rows.len());
        rows.extend(ids.into_iter().take(room));
    }

    /// The rows requested since the last call.
    pub(crate) fn take_requested_rows(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.rows))
    }
}

const ROWS_MAX: usize = 10_000;
