//! What readers, writer, follower and maintenance share: the cache, the age, the alarms, the requests to the source.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use rusqlite::Connection;

use inquiry::Formats;
use os::clock;
use replica::{AgeClock, CaseRecord, ClockReading, Mark, SteadyClock};

use crate::alarms::{Alarms, DAMAGED};
use crate::file::store;
use crate::locks::locked;
use crate::metrics::ReplicaMetrics;
use crate::read::cache::Cache;
use crate::read::queue::Queue;
use crate::requests::SourceRequests;

/// Makes the cases of the sample.
pub(crate) type MakeSample = Box<dyn Fn() -> Box<dyn Iterator<Item = CaseRecord>> + Send>;

/// A reader's connection, and the number of the file that it was opened on.
pub(crate) type OpenFile = Option<(u64, Connection, Counted)>;

/// The state that all threads of a replica share.
pub(crate) struct SharedState {
    pub path: PathBuf,
    /// None where no settings name a sound set: then no case is judged by it.
    pub formats: Option<Formats>,
    /// Counts the files that have stood at `path`: a reader with a lower number reopens it.
    pub file: AtomicU64,
    pub cache: Cache,
    pub queue: Queue,
    pub metrics: Arc<ReplicaMetrics>,
    /// The position of the replica in its source.
    pub mark: Mutex<Option<Mark>>,
    /// Keys of the cases in quarantine: the rows in the file are older than the age says, so they are not served.
    pub withheld: Mutex<Arc<HashSet<i64>>>,
    any_withheld: AtomicBool,
    pub alarms: Alarms,
    /// Whether the file is known to be damaged: a missing row may then be hidden by the damage.
    pub damage_known: AtomicBool,
    pub requests: SourceRequests,
    /// The upstream's clock.
    pub clock: Mutex<AgeClock>,
    /// The clock by which files are deleted.
    steady: Mutex<SteadyClock>,
    #[cfg(test)]
    time_passed: Mutex<std::time::Duration>,
    /// Whether a rebuild is running.
    pub rebuilding: AtomicBool,
    /// How the sample is made, if it may be rebuilt.
    pub sample: Mutex<Option<MakeSample>>,
    /// Read-locked while a file is opened, write-locked while a file is replaced.
    pub opening: RwLock<()>,
    readers_open: Arc<AtomicUsize>,
    /// When a case with a word that the live flow lacks was last asked for, in Unix seconds.
    pub unknown_word_at: AtomicI64,
}

impl SharedState {
    pub(crate) fn new(path: PathBuf, settings: &config::Replica) -> SharedState {
        SharedState {
            path,
            formats: Formats::new(settings.formats.clone()).ok(),
            file: AtomicU64::new(0),
            cache: Cache::new(settings.cache_entries),
            queue: Queue::new(settings.look_ups_waiting_max),
            metrics: Arc::default(),
            mark: Mutex::default(),
            withheld: Mutex::default(),
            any_withheld: AtomicBool::new(false),
            alarms: Alarms::default(),
            damage_known: AtomicBool::new(false),
            requests: SourceRequests::default(),
            clock: Mutex::new(AgeClock::start(clock::moment(), &clock::boot_id(), None)),
            steady: Mutex::new(SteadyClock::start(clock::moment(), &clock::boot_id(), None, None)),
            #[cfg(test)]
            time_passed: Mutex::default(),
            rebuilding: AtomicBool::new(false),
            sample: Mutex::default(),
            opening: RwLock::default(),
            readers_open: Arc::default(),
            unknown_word_at: AtomicI64::default(),
        }
    }

    /// The upstream's time, independent of changes to this node's clock.
    pub(crate) fn now(&self) -> Timestamp {
        locked(&self.clock).now(self.moment())
    }

    /// The time by which files are deleted.
    pub(crate) fn steady(&self) -> Timestamp {
        locked(&self.steady).now(self.moment())
    }

    /// Sets the steady clock, here and for the whole program.
    pub(crate) fn set_steady(&self, steady: SteadyClock) {
        *locked(&self.steady) = steady;
        clock::set_steady(steady);
    }

    /// The upstream has reported: the steady clock follows it.
    pub(crate) fn steady_reported(&self, as_of: Timestamp, upstream_now: Option<Timestamp>) {
        let mut steady = *locked(&self.steady);
        steady.upstream_reported(self.moment(), as_of, upstream_now);
        self.set_steady(steady);
    }

    pub(crate) fn moment(&self) -> ClockReading {
        #[cfg(test)]
        {
            let passed = *locked(&self.time_passed);
            let ClockReading { boot, wall } = clock::moment();
            ClockReading { boot: boot + passed, wall: wall + passed }
        }
        #[cfg(not(test))]
        clock::moment()
    }

    /// Advances both clocks.
    #[cfg(test)]
    pub(crate) fn advance(&self, time: std::time::Duration) {
        *locked(&self.time_passed) += time;
    }

    /// Raises the alarm for a damaged file, and requests a full snapshot from the source.
    pub(crate) fn report_damage(&self, what: &str) {
        let action =
            "damaged rows are not served; a full snapshot was requested from the upstream, send one if it cannot";
        self.alarms.raise(DAMAGED, format!("{what}: {action}"));
        self.requests.set_rebuild_requested(true);
    }

    /// Whether a case is in quarantine and must not be served.
    pub(crate) fn is_withheld(&self, key: i64) -> bool {
        self.any_withheld.load(Ordering::Acquire) && locked(&self.withheld).contains(&key)
    }

    pub(crate) fn set_withheld(&self, keys: HashSet<i64>) {
        let any = !keys.is_empty();
        *locked(&self.withheld) = Arc::new(keys);
        self.any_withheld.store(any, Ordering::Release);
    }

    /// A connection to the current file. A connection to a replaced file is closed first.
    pub(crate) fn connection<'a>(&self, open: &'a mut OpenFile) -> rusqlite::Result<&'a Connection> {
        let file = self.file.load(Ordering::Acquire);
        if open.as_ref().is_none_or(|(of, ..)| *of != file) {
            *open = None;
            let _opening = self.opening.read().unwrap_or_else(PoisonError::into_inner);
            let file = self.file.load(Ordering::Acquire);
            let counted = Counted::one_of(&self.readers_open);
            *open = Some((file, store::open_reader(&self.path)?, counted));
        }
        Ok(&open.as_ref().expect("opened above").1)
    }

    /// How many connections of readers are open, or being opened.
    pub(crate) fn readers_open(&self) -> usize {
        self.readers_open.load(Ordering::Acquire)
    }

    /// Makes all readers reopen the file.
    pub(crate) fn file_replaced(&self) {
        self.file.fetch_add(1, Ordering::AcqRel);
    }
}

/// Counts a connection for as long as it is open.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one_of(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::AcqRel);
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
