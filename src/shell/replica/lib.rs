//! The copy on this node: `<data>/replica.sqlite3`, readers, a cache in front, and a writer that follows the feed.
//!
//! ```text
//!  spool/*.ndjson ─► follower ─► writer ─► replica.sqlite3 ─► reader threads ─► cache ─► look_up
//!                                   └───────── drops changed keys ──────────────►┘
//! ```
//!
//! [`Replica::cached`] answers from memory without leaving the caller's thread; [`Replica::look_up`] asks a reader and
//! waits a limited time. The phone door asks with a factor, the scan door with the paper as its proof. Every answer
//! carries the time up to which its upstream vouched for it, which is never this node's clock.

mod alarms;
mod apply;
mod cache;
mod command;
mod conditions;
mod control;
mod feeding;
mod gate;
mod heal;
mod held;
mod lines;
mod load;
mod lock;
mod made_up;
mod metrics;
mod open;
mod past;
pub mod postgres;
mod putaway;
mod quarantine;
mod readers;
mod rebuild;
mod refusal;
mod run;
mod schema;
mod scrub;
mod seal;
mod secret;
mod sorting;
mod spool;
mod status;
mod store;
mod upkeep;
mod writer;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use inquiry::{self, Answer, Keys, Proof, Receipt, RowKey, Verifier, WorkingDays};
use replica::{CaseRecord, Mark, Row, SAMPLE, sample};

use apply::Batch;
use cache::{Entry, Joined};
use feeding::Feeding;
use metrics::count;
use readers::Reading;

pub use alarms::FeedMetrics;
pub use apply::{Applied, ApplyError};
pub use command::{Wish, run as command};
pub use conditions::{Condition, Conditions};
pub use control::{Reply, Request};
pub use held::{Decision, Held, HeldWhat};
pub use load::{LoadError, Loaded, load};
pub use lock::FolderLock;
pub use metrics::ReplicaMetrics;
pub use open::OpenError;
pub use quarantine::Kept;
pub use refusal::Refusal;
pub use scrub::Damage;
pub use secret::{SecretError, secret};
pub use status::Status;
pub use store::StoreError;

/// What a replica is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answer, and follow the spool folder. With `sample_heartbeat`, vouch every minute for cases that are the built-in
    /// sample, which has no other upstream. The caller holds the folder's [`FolderLock`].
    Serve { sample_heartbeat: bool },
    /// Apply batches, without following. The caller holds the folder's [`FolderLock`].
    Load,
    /// Answer only; another program may be writing.
    Read,
}

/// The copy on this node.
pub struct Replica {
    keys: Keys,
    reading: Arc<Reading>,
    /// Look-ups that wait.
    waiting: AtomicUsize,
    waiting_max: usize,
    timeout: Duration,
    feeding: Option<Feeding>,
    follower: Option<Follower>,
    listening: OnceLock<control::Listening>,
    /// Ends the upkeep when it is dropped.
    upkeep: Option<SyncSender<()>>,
    ending: Arc<AtomicBool>,
    /// Whether the copy was the built-in sample when it was opened or filled.
    sample: AtomicBool,
    /// Whether nothing was in the copy when it was opened that a source would have to bring again.
    made_up: bool,
    threads: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

/// The thread that follows the source; it ends when this is dropped.
enum Follower {
    Spool(#[expect(dead_code, reason = "held for its end")] spool::Follower),
    Postgres(#[expect(dead_code, reason = "held for its end")] postgres::Follower),
}

impl Replica {
    /// The answer, if it is in memory: no other thread is asked, and nothing waits.
    pub fn cached(&self, receipt: &Receipt, proof: &Proof) -> Option<Answer> {
        self.in_memory(self.keys.row(receipt.number.expose()), receipt, proof)
    }

    /// The answer, from memory or from the file, within the configured time.
    pub async fn look_up(&self, receipt: &Receipt, proof: &Proof) -> Answer {
        let at = self.keys.row(receipt.number.expose());
        if let Some(answer) = self.in_memory(at, receipt, proof) {
            return answer;
        }
        count(&self.reading.metrics.cache_misses);
        let read = self.read(at.key).await;
        match read.filter(|_| !self.reading.is_unsure(at.key)) {
            Some((entry, as_of)) => self.judge(at, receipt, proof, &entry, as_of),
            None => {
                count(&self.reading.metrics.down);
                Answer::Unavailable
            }
        }
    }

    /// When the upstream last vouched for the copy; `None` while there is no copy.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.reading.metrics.as_of()
    }

    /// The upstream's time, whatever is done to this node's clock: what ages are told by.
    pub fn now(&self) -> Timestamp {
        self.reading.now()
    }

    /// Since the upstream last vouched for the copy; `None` while there is no copy.
    pub fn age(&self) -> Option<Duration> {
        self.as_of().map(|as_of| inquiry::age(as_of, self.now()))
    }

    /// Whether a copy of everything is asked of the source, because the file is damaged or an operator wants it.
    pub fn is_damaged(&self) -> bool {
        self.reading.asks.rebuild_is_wanted()
    }

    /// What is wrong with the copy at the moment.
    pub fn alarms(&self) -> Vec<Condition> {
        self.reading.alarms.all()
    }

    /// Whether it follows a source.
    pub fn is_following(&self) -> bool {
        self.follower.is_some()
    }

    /// What is counted.
    pub fn metrics(&self) -> Arc<ReplicaMetrics> {
        self.reading.metrics.clone()
    }

    /// Whether there is nothing to answer from: no batch was ever applied.
    pub fn is_empty(&self) -> bool {
        self.as_of().is_none()
    }

    /// Whether the sample belongs into the copy: it is empty, and was never anything else, or the sample.
    pub fn wants_sample(&self) -> bool {
        self.is_empty() && self.made_up
    }

    /// Whether the copy was the built-in sample when it was opened or filled.
    pub fn is_sample(&self) -> bool {
        self.sample.load(Ordering::Relaxed)
    }

    /// Applies a batch file, and returns when its rows can be looked up. Waits: not for an async task.
    pub fn apply_file(&self, path: &Path) -> Result<Applied, ApplyError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.apply(name, Batch::File(path.to_owned()))
    }

    /// Fills the copy with the sample of [`sample::cases`], for which this node vouches itself. Waits: not for an async
    /// task.
    pub fn fill_sample(
        &self,
        cases: u64,
        seed: u64,
        today: Date,
        calendar: &WorkingDays,
    ) -> Result<Applied, ApplyError> {
        let feeding = self.feeding.as_ref().ok_or(ApplyError::Ending)?;
        let applied = feeding.fill_sample(sample::cases(cases, seed, today, calendar))?;
        self.sample.store(true, Ordering::Relaxed);
        Ok(applied)
    }

    /// Remembers how the sample is made, so that a copy of it that is damaged can be made again.
    pub fn remember_sample<C>(&self, make: impl Fn() -> C + Send + 'static)
    where
        C: Iterator<Item = CaseRecord> + Send + 'static,
    {
        *cache::locked(&self.reading.sample) = Some(Box::new(move || Box::new(make())));
    }

    /// Makes the readers open the file anew: another one was put in its place.
    pub fn reopen(&self) {
        self.reading.file.fetch_add(1, Ordering::AcqRel);
        self.reading.cache.drop_all();
    }

    fn apply(&self, name: String, batch: Batch) -> Result<Applied, ApplyError> {
        self.feeding.as_ref().ok_or(ApplyError::Ending)?.apply(&name, batch)
    }

    fn in_memory(&self, at: RowKey, receipt: &Receipt, proof: &Proof) -> Option<Answer> {
        // The age first: the rows may be newer than it says, never older.
        let as_of = self.reading.metrics.as_of()?;
        let entry = self.reading.cache.get(at.key)?;
        if self.reading.is_unsure(at.key) {
            return None;
        }
        count(&self.reading.metrics.cache_hits);
        if entry.is_none() {
            count(&self.reading.metrics.cache_hits_absent);
        }
        Some(self.judge(at, receipt, proof, &entry, as_of))
    }

    /// Whether an entry may be told. An absent row and a wrong factor cost the same work and give the same answer.
    fn judge(&self, at: RowKey, receipt: &Receipt, proof: &Proof, entry: &Entry, as_of: Timestamp) -> Answer {
        let metrics = &self.reading.metrics;
        let row: Option<&Arc<Row>> = entry.as_ref().filter(|row| row.at.check == at.check);
        let verifier = row.map_or(Verifier::NONE, |row| row.verifier);
        let proven = match proof {
            Proof::Paper => true,
            Proof::Factor(factor) => self.keys.proves(receipt.number.expose(), factor, verifier),
        };
        match row {
            Some(row) if proven => {
                count(&metrics.found);
                Answer::Found { case: row.case.clone(), as_of }
            }
            Some(_) | None => {
                count(&metrics.not_found);
                if row.is_some() {
                    count(&metrics.wrong_factor);
                }
                Answer::NotFound
            }
        }
    }

    async fn read(&self, key: i64) -> cache::Landed {
        let _place = self.place()?;
        let receiver = match self.reading.cache.join(key) {
            Joined::Waiting(receiver) => receiver,
            Joined::Started(receiver, flight) => {
                if !self.reading.queue.push(key, flight.clone()) {
                    count(&self.reading.metrics.queue_full);
                    self.reading.cache.land(key, &flight, 0, &None);
                }
                receiver
            }
        };
        match tokio::time::timeout(self.timeout, receiver).await {
            Ok(landed) => landed.ok().flatten(),
            Err(_) => {
                count(&self.reading.metrics.timeouts);
                None
            }
        }
    }

    /// A place among those who wait; none when too many do.
    fn place(&self) -> Option<Place<'_>> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.waiting_max {
            return Some(place);
        }
        count(&self.reading.metrics.queue_full);
        None
    }
}

/// The node vouches for the sample, which has no other upstream.
fn sample_mark(as_of: Timestamp) -> Mark {
    Mark { source: SAMPLE.into(), sequence: None, position: None, as_of }
}

/// Frees its place when it is dropped, however the waiting ended.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends all threads: a batch that is being applied is taken back, and is found again in the spool.
impl Drop for Replica {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        drop(self.listening.take());
        drop(self.upkeep.take());
        drop(self.follower.take());
        self.reading.queue.close();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
        // The writer last: it moves the log into the file when it is the last to close it.
        drop(self.feeding.take());
        self.writer.take().into_iter().for_each(|thread| drop(thread.join()));
        store::let_go();
    }
}
