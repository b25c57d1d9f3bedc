//! The reader threads: each has a connection of its own, and takes look-ups from one bounded queue.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::cache::{Cache, Entry, Flight, Landed, locked};
use super::metrics::{ReplicaMetrics, count};
use super::store::{self, ReadError};

/// Look-ups that wait for a reader.
pub(super) struct Queue {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    max: usize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<(i64, Arc<Flight>)>,
    closed: bool,
}

/// What all readers share.
pub(super) struct Reading {
    pub path: PathBuf,
    /// Counts the files that have stood at `path`: a reader with a lower number opens anew.
    pub file: AtomicU64,
    pub cache: Cache,
    pub queue: Queue,
    pub metrics: Arc<ReplicaMetrics>,
}

impl Queue {
    pub fn new(max: usize) -> Queue {
        Queue { jobs: Mutex::default(), filled: Condvar::new(), max }
    }

    /// Adds a look-up; `false` when the queue is full or closed.
    pub fn push(&self, key: i64, flight: Arc<Flight>) -> bool {
        let mut jobs = locked(&self.jobs);
        let room = !jobs.closed && jobs.waiting.len() < self.max;
        if room {
            jobs.waiting.push_back((key, flight));
            self.filled.notify_one();
        }
        room
    }

    /// Lets the readers end.
    pub fn close(&self) {
        locked(&self.jobs).closed = true;
        self.filled.notify_all();
    }

    fn pop(&self) -> Option<(i64, Arc<Flight>)> {
        let jobs = locked(&self.jobs);
        let empty = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.closed;
        let mut jobs = self.filled.wait_while(jobs, empty).unwrap_or_else(PoisonError::into_inner);
        jobs.waiting.pop_front()
    }
}

impl Reading {
    /// The life of one reader thread.
    pub fn run(&self) {
        let mut open: Option<(u64, Connection)> = None;
        while let Some((key, flight)) = self.queue.pop() {
            if self.cache.discard(key, &flight) {
                continue;
            }
            let generation = self.cache.generation(key);
            let landed = self.fly(key, &mut open);
            self.cache.land(key, &flight, generation, &landed);
        }
    }

    /// Reads a row; after a failure the connection is opened anew for the next one.
    fn fly(&self, key: i64, open: &mut Option<(u64, Connection)>) -> Landed {
        // Before the read: the row may be newer than its age says, never older.
        let as_of = self.metrics.as_of()?;
        match catch_unwind(AssertUnwindSafe(|| self.read(key, open))) {
            Ok(Ok(entry)) => Some((entry, as_of)),
            Ok(Err(error)) => self.failed(&error.to_string(), open),
            Err(_) => self.failed("a reader panicked", open),
        }
    }

    fn read(&self, key: i64, open: &mut Option<(u64, Connection)>) -> Result<Entry, ReadError> {
        let file = self.file.load(Ordering::Acquire);
        let connection = match open.take() {
            Some((of, connection)) if of == file => connection,
            Some(_) | None => store::open_reader(&self.path)?,
        };
        let (_, connection) = open.insert((file, connection));
        Ok(store::row(connection, key)?.map(Arc::new))
    }

    fn failed<T>(&self, why: &str, open: &mut Option<(u64, Connection)>) -> Option<T> {
        *open = None;
        count(&self.metrics.read_errors);
        tracing::error!(why, "the replica could not be read");
        None
    }
}
