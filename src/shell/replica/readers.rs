//! The reader threads: each has a connection of its own, and takes look-ups from one bounded queue.
//!
//! To wake a thread costs several times what a row costs, so nobody is woken while all readers work.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use rusqlite::Connection;

use os::clock;
use replica::{AgeClock, CaseRecord, ClockReading, Mark};

use super::cache::{Cache, Entry, Flight, Landed, locked};
use super::conditions::{Conditions, DAMAGED};
use super::feeding::Asks;
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
    /// Readers that sleep, and that nobody has woken yet; never too few.
    asleep: usize,
    /// How often the readers were woken without a look-up.
    woken: u64,
}

/// What a reader has to do next.
enum Job {
    Fly(i64, Arc<Flight>),
    /// Let go of a file that another one took the place of.
    Look,
    End,
}

/// Makes the cases of the sample.
pub(super) type MakeSample = Box<dyn Fn() -> Box<dyn Iterator<Item = CaseRecord>> + Send>;

/// What all readers share.
pub(super) struct Reading {
    pub path: PathBuf,
    /// Counts the files that have stood at `path`: a reader with a lower number opens anew.
    pub file: AtomicU64,
    pub cache: Cache,
    pub queue: Queue,
    pub metrics: Arc<ReplicaMetrics>,
    /// Where the copy stands.
    pub mark: Mutex<Option<Mark>>,
    /// Cases in quarantine: what the file holds of them is older than its age says, so nothing is said of them.
    pub unsure: Mutex<Arc<HashSet<i64>>>,
    any_unsure: AtomicBool,
    /// What is wrong with the copy.
    pub alarms: Conditions,
    /// Whether damage is known: then that a case is not found says nothing.
    pub torn: AtomicBool,
    /// What is asked of the source.
    pub asks: Asks,
    /// The upstream's clock.
    pub clock: Mutex<AgeClock>,
    #[cfg(test)]
    passed: Mutex<std::time::Duration>,
    /// Whether a copy of everything is being made.
    pub rebuilding: AtomicBool,
    /// How the sample is made, if it may be made again.
    pub sample: Mutex<Option<MakeSample>>,
    /// Held while a file is opened, so that none is opened while another one is put in its place.
    pub opening: RwLock<()>,
}

impl Queue {
    pub(crate) fn new(max: usize) -> Queue {
        Queue { jobs: Mutex::default(), filled: Condvar::new(), max }
    }

    /// Adds a look-up; `false` when the queue is full or closed.
    pub(crate) fn push(&self, key: i64, flight: Arc<Flight>) -> bool {
        let mut jobs = locked(&self.jobs);
        let room = !jobs.closed && jobs.waiting.len() < self.max;
        if room {
            jobs.waiting.push_back((key, flight));
            if jobs.asleep > 0 {
                jobs.asleep -= 1;
                self.filled.notify_one();
            }
        }
        room
    }

    /// Lets the readers look whether another file stands there.
    pub(crate) fn wake(&self) {
        locked(&self.jobs).woken += 1;
        self.filled.notify_all();
    }

    /// Lets the readers end.
    pub(crate) fn close(&self) {
        locked(&self.jobs).closed = true;
        self.filled.notify_all();
    }

    fn pop(&self, woken: &mut u64) -> Job {
        let mut jobs = locked(&self.jobs);
        while jobs.waiting.is_empty() && !jobs.closed && jobs.woken == *woken {
            jobs.asleep += 1;
            jobs = self.filled.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
        match jobs.waiting.pop_front() {
            Some((key, flight)) => Job::Fly(key, flight),
            None if jobs.closed => Job::End,
            None => {
                *woken = jobs.woken;
                Job::Look
            }
        }
    }
}

impl Reading {
    pub(crate) fn new(path: PathBuf, cache_entries: usize, waiting_max: usize) -> Reading {
        Reading {
            path,
            file: AtomicU64::new(0),
            cache: Cache::new(cache_entries),
            queue: Queue::new(waiting_max),
            metrics: Arc::default(),
            mark: Mutex::default(),
            unsure: Mutex::default(),
            any_unsure: AtomicBool::new(false),
            alarms: Conditions::default(),
            torn: AtomicBool::new(false),
            asks: Asks::default(),
            clock: Mutex::new(AgeClock::start(clock::moment(), &clock::boot_id(), None)),
            #[cfg(test)]
            passed: Mutex::default(),
            rebuilding: AtomicBool::new(false),
            sample: Mutex::default(),
            opening: RwLock::default(),
        }
    }

    /// The upstream's time, whatever is done to this node's clock.
    pub(crate) fn now(&self) -> Timestamp {
        locked(&self.clock).now(self.moment())
    }

    pub(crate) fn moment(&self) -> ClockReading {
        #[cfg(test)]
        {
            let passed = *locked(&self.passed);
            let ClockReading { boot, wall } = clock::moment();
            ClockReading { boot: boot + passed, wall: wall + passed }
        }
        #[cfg(not(test))]
        clock::moment()
    }

    /// Lets time pass.
    #[cfg(test)]
    pub fn pass(&self, time: std::time::Duration) {
        *locked(&self.passed) += time;
    }

    /// The file is damaged: a copy of everything is asked of the source.
    pub(crate) fn damaged(&self, what: &str) {
        let todo = "damaged rows are not told; a copy of everything is asked of the source, bring one if it cannot";
        self.alarms.raise(DAMAGED, format!("{what}: {todo}"));
        self.asks.want_rebuild(true);
    }

    /// Whether nothing may be said of a case.
    pub(crate) fn is_unsure(&self, key: i64) -> bool {
        self.any_unsure.load(Ordering::Acquire) && locked(&self.unsure).contains(&key)
    }

    pub(crate) fn set_unsure(&self, keys: HashSet<i64>) {
        let any = !keys.is_empty();
        *locked(&self.unsure) = Arc::new(keys);
        self.any_unsure.store(any, Ordering::Release);
    }

    /// The life of one reader thread.
    pub(crate) fn run(&self) {
        let mut open: Option<(u64, Connection)> = None;
        // At once: on a disk that fills up later, a file that is open can be read, and another may not be opened.
        self.look(&mut open);
        let mut woken = 0;
        loop {
            let (key, flight) = match self.queue.pop(&mut woken) {
                Job::Fly(key, flight) => (key, flight),
                Job::Look => {
                    self.look(&mut open);
                    continue;
                }
                Job::End => return,
            };
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
            // A row that stands under a damaged key, or behind a damaged page, cannot be found.
            Ok(Ok(None)) if self.torn.load(Ordering::Acquire) => {
                self.failed("not found, in a file that is damaged", open, false)
            }
            Ok(Ok(entry)) => Some((entry, as_of)),
            Ok(Err(error)) => {
                let damage = match &error {
                    ReadError::Row(_) | ReadError::Order => true,
                    ReadError::Sqlite(error) => store::is_damage(error),
                };
                if damage {
                    self.torn.store(true, Ordering::Release);
                    self.damaged("a look-up met damage");
                }
                self.failed(&error.to_string(), open, !damage)
            }
            Err(_) => self.failed("a reader panicked", open, true),
        }
    }

    fn read(&self, key: i64, open: &mut Option<(u64, Connection)>) -> Result<Entry, ReadError> {
        let connection = self.connection(open)?;
        Ok(store::row(connection, key)?.map(Arc::new))
    }

    /// The file that stands there: a reader that holds another one lets go of it.
    pub(crate) fn connection<'a>(&self, open: &'a mut Option<(u64, Connection)>) -> rusqlite::Result<&'a Connection> {
        let file = self.file.load(Ordering::Acquire);
        if open.as_ref().is_none_or(|(of, _)| *of != file) {
            *open = None;
            let _opening = self.opening.read().unwrap_or_else(PoisonError::into_inner);
            let file = self.file.load(Ordering::Acquire);
            *open = Some((file, store::open_reader(&self.path)?));
        }
        Ok(&open.as_ref().expect("opened above").1)
    }

    fn look(&self, open: &mut Option<(u64, Connection)>) {
        if let Err(error) = self.connection(open) {
            tracing::warn!(%error, "the replica cannot be opened: the next look-up tries again");
        }
    }

    /// A connection that met damage is as good as any; one that failed is opened anew by the next look-up.
    fn failed<T>(&self, why: &str, open: &mut Option<(u64, Connection)>, reopen: bool) -> Option<T> {
        if reopen {
            *open = None;
        }
        count(&self.metrics.read_errors);
        tracing::error!(why, "the replica could not be read");
        None
    }
}
