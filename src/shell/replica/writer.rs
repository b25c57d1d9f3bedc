//! The writer thread: the only one that changes the replica's file.
//!
//! ```text
//!  batch ─► rows + mark, one transaction ─► commit ─► keys leave the cache ─► the new age is told
//! ```
//!
//! In that order: whoever sees the new age sees the new rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::inquiry::Keys;
use crate::replica::Mark;

use super::apply::{self, Applied, ApplyError, Batch, Outcome};
use super::metrics::{add, count};
use super::readers::Reading;
use super::store;

/// What the writer is told.
pub(super) enum Task {
    Apply {
        name: String,
        batch: Batch,
        done: SyncSender<Result<Applied, ApplyError>>,
    },
    /// The source vouches for the copy as it is.
    Beat {
        source: &'static str,
        as_of: Timestamp,
    },
}

/// The writer's own.
pub(super) struct Writer {
    pub connection: Connection,
    pub keys: Keys,
    pub mark: Option<Mark>,
    pub reading: Arc<Reading>,
    pub ending: Arc<AtomicBool>,
}

impl Writer {
    /// The life of the writer thread: until nobody can tell it anything more.
    pub fn run(mut self, tasks: Receiver<Task>) {
        for task in tasks {
            match task {
                Task::Apply { name, batch, done } => {
                    let result = self.apply(&name, batch);
                    let _ = done.send(result);
                }
                Task::Beat { source, as_of } => self.beat(source, as_of),
            }
        }
    }

    fn apply(&mut self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        let metrics = self.reading.metrics.clone();
        let run = || apply::apply(&mut self.connection, &self.keys, name, batch, &self.ending);
        // A panic takes its transaction back, and costs its batch, not the feed.
        match catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ApplyError::Fault)) {
            Ok(Outcome { applied, mark, touched }) => {
                match touched {
                    Some(keys) => keys.into_iter().for_each(|key| self.reading.cache.drop_key(key)),
                    None => self.reading.cache.drop_all(),
                }
                count(&metrics.batches_applied);
                add(&metrics.rows, applied.new);
                add(&metrics.rows_applied, applied.new + applied.changed);
                add(&metrics.rows_unchanged, applied.unchanged);
                add(&metrics.quarantined, applied.quarantined);
                metrics.set_as_of(mark.as_of);
                self.mark = Some(mark);
                Ok(applied)
            }
            Err(error) => {
                if error.is_final() {
                    count(&metrics.batches_rejected);
                }
                Err(error)
            }
        }
    }

    /// Renews the age, if `source` is the one that vouches for the copy.
    pub fn beat(&mut self, source: &str, as_of: Timestamp) {
        let Some(mark) = self.mark.as_ref().and_then(|mark| mark.beat(source, as_of)) else { return };
        let rows = self.reading.metrics.rows.load(Ordering::Relaxed);
        match store::put_state(&self.connection, rows, &mark) {
            Ok(()) => {
                self.reading.metrics.set_as_of(mark.as_of);
                self.mark = Some(mark);
            }
            Err(error) => tracing::warn!(%error, "the heartbeat could not be written"),
        }
    }
}
