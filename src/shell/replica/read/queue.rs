//! The bounded queue from which the reader threads take reads.
//!
//! Waking a thread costs several times as much as reading a row, so a thread is woken only when one is idle.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::locks::locked;
use crate::read::cache::PendingRead;

/// Reads that wait for a reader thread.
pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    max: usize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<(i64, Arc<PendingRead>)>,
    closed: bool,
    /// Readers that sleep and have not been notified yet; never too few.
    asleep: usize,
    /// How often the readers were woken without a read.
    woken: u64,
}

/// What a reader does next.
pub(crate) enum Job {
    Read(i64, Arc<PendingRead>),
    /// Reopen the file if it was replaced.
    Reopen,
    End,
}

impl Queue {
    pub(crate) fn new(max: usize) -> Queue {
        Queue { jobs: Mutex::default(), filled: Condvar::new(), max }
    }

    /// Adds a read; `false` when the queue is full or closed.
    pub(crate) fn push(&self, key: i64, read: Arc<PendingRead>) -> bool {
        let mut jobs = locked(&self.jobs);
        let room = !jobs.closed && jobs.waiting.len() < self.max;
        if room {
            jobs.waiting.push_back((key, read));
            if jobs.asleep > 0 {
                jobs.asleep -= 1;
                self.filled.notify_one();
            }
        }
        room
    }

    /// Makes every reader check whether the file was replaced.
    pub(crate) fn wake(&self) {
        locked(&self.jobs).woken += 1;
        self.filled.notify_all();
    }

    /// Ends the readers.
    pub(crate) fn close(&self) {
        locked(&self.jobs).closed = true;
        self.filled.notify_all();
    }

    /// The next job; blocks until there is one. `woken` is the reader's own count of wake-ups.
    pub(crate) fn pop(&self, woken: &mut u64) -> Job {
        let mut jobs = locked(&self.jobs);
        while jobs.waiting.is_empty() && !jobs.closed && jobs.woken == *woken {
            jobs.asleep += 1;
            jobs = self.filled.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
        match jobs.waiting.pop_front() {
            Some((key, read)) => Job::Read(key, read),
            None if jobs.closed => Job::End,
            None => {
                *woken = jobs.woken;
                Job::Reopen
            }
        }
    }
}
