//! The reader threads. Each has a connection of its own and takes reads from the queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::file::failure;
use crate::file::rows::{self, ReadError};
use crate::metrics::count;
use crate::read::cache::{Entry, ReadResult};
use crate::read::queue::Job;
use crate::shared::{OpenFile, SharedState};

/// One reader thread's own.
pub(crate) struct Reader {
    shared: Arc<SharedState>,
    open: OpenFile,
}

impl Reader {
    pub(crate) fn new(shared: Arc<SharedState>) -> Reader {
        Reader { shared, open: None }
    }

    /// Serves reads until the queue is closed.
    pub(crate) fn run(mut self) {
        // Opened at once: when the disk is full, an open file can be read and another may not be opened.
        self.reopen();
        let mut woken = 0;
        loop {
            let (key, read) = match self.shared.queue.pop(&mut woken) {
                Job::Read(key, read) => (key, read),
                Job::Reopen => {
                    self.reopen();
                    continue;
                }
                Job::End => return,
            };
            if self.shared.cache.discard(key, &read) {
                continue;
            }
            let generation = self.shared.cache.generation(key);
            let result = self.serve(key);
            self.shared.cache.complete(key, &read, generation, &result);
        }
    }

    /// Reads a row. After a failure the next read reopens the file.
    fn serve(&mut self, key: i64) -> ReadResult {
        // Before the read: the row may be newer than its age says, never older.
        let as_of = self.shared.metrics.as_of()?;
        match catch_unwind(AssertUnwindSafe(|| self.read(key))) {
            // A row under a damaged key or behind a damaged page cannot be found.
            Ok(Ok(None)) if self.shared.damage_known.load(Ordering::Acquire) => {
                self.failed("not found in a damaged file", false)
            }
            Ok(Ok(entry)) => Some((entry, as_of)),
            Ok(Err(error)) => {
                let damage = match &error {
                    ReadError::Row(_) | ReadError::Order => true,
                    ReadError::Sqlite(error) => failure::is_damage(error),
                };
                if damage {
                    self.shared.damage_known.store(true, Ordering::Release);
                    self.shared.report_damage("a look-up read damaged data");
                }
                self.failed(&error.to_string(), !damage)
            }
            Err(_) => self.failed("a reader panicked", true),
        }
    }

    fn read(&mut self, key: i64) -> Result<Entry, ReadError> {
        let connection = self.shared.connection(&mut self.open)?;
        Ok(rows::row(connection, key)?.map(Arc::new))
    }

    fn reopen(&mut self) {
        if let Err(error) = self.shared.connection(&mut self.open) {
            tracing::warn!(%error, "replica_open_failed: the next look-up tries again");
        }
    }

    /// A connection that read damaged data still works; one that failed is reopened by the next read.
    fn failed<T>(&mut self, why: &str, reopen: bool) -> Option<T> {
        if reopen {
            self.open = None;
        }
        count(&self.shared.metrics.read_errors);
        tracing::error!(why, "replica_read_failed");
        None
    }
}
