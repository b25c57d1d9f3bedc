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
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use crate::config;
use crate::inquiry::{self, Answer, Keys, Proof, Receipt, RowKey, Verifier, WorkingDays};
use crate::replica::{AgeClock, CaseRecord, Mark, Row, SAMPLE, sample};
use crate::shell::clock;

use apply::Batch;
use cache::{Entry, Joined};
use feeding::Feeding;
use metrics::count;
use readers::Reading;
use writer::Writer;

pub use alarms::FeedMetrics;
pub use apply::{Applied, ApplyError};
pub use command::{Wish, run as command};
pub use conditions::{Condition, Conditions};
pub use control::{Reply, Request};
pub use held::{Decision, Held, HeldWhat};
pub use load::{LoadError, Loaded, load};
pub use lock::FolderLock;
pub use metrics::ReplicaMetrics;
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

/// Why a replica cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Io { path: String, error: io::Error },
    #[error("{0}: no replica there: start the server, or load a file first")]
    Missing(String),
}

impl Replica {
    /// Opens the copy in a data folder.
    pub fn open(folder: &Path, settings: &config::Replica, keys: Keys, role: Role) -> Result<Arc<Replica>, OpenError> {
        let path = store::path(folder);
        let mut replica = Replica::idle(&path, settings, keys);
        match role {
            Role::Serve { sample_heartbeat } => {
                let feeding = replica.start_writer(folder, &path, role, settings)?;
                replica.start_upkeep(feeding.clone(), settings).map_err(|error| io_error(folder, error))?;
                let follower = match settings.source {
                    config::Source::Spool => {
                        spool::Follower::start(folder, settings, sample_heartbeat, feeding).map(Follower::Spool)
                    }
                    config::Source::Postgres => {
                        postgres::Follower::start(&settings.postgres, feeding).map(Follower::Postgres)
                    }
                };
                replica.follower = Some(follower.map_err(|error| io_error(folder, error))?);
            }
            Role::Load => drop(replica.start_writer(folder, &path, role, settings)?),
            Role::Read => replica.read_state(&path)?,
        }
        let readers = settings.reader_threads.max(1);
        replica.threads.extend((0..readers).map(|n| start_reader(n, &replica.reading)).collect::<Result<Vec<_>, _>>()?);
        let replica = Arc::new(replica);
        if matches!(role, Role::Serve { .. }) {
            match control::Listening::start(folder, Arc::downgrade(&replica)) {
                Ok(listening) => drop(replica.listening.set(listening)),
                Err(error) => tracing::warn!(%error, "jindu replica cannot reach this node"),
            }
        }
        Ok(replica)
    }

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
                Answer::Down
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

    /// A replica whose threads are not started yet.
    fn idle(path: &Path, settings: &config::Replica, keys: Keys) -> Replica {
        let reading = Reading::new(path.to_owned(), settings.cache_entries, settings.look_ups_waiting_max);
        Replica {
            keys,
            reading: Arc::new(reading),
            waiting: AtomicUsize::new(0),
            waiting_max: settings.look_ups_waiting_max,
            timeout: settings.look_up_timeout,
            feeding: None,
            follower: None,
            listening: OnceLock::new(),
            upkeep: None,
            ending: Arc::default(),
            sample: AtomicBool::new(false),
            made_up: false,
            threads: Vec::new(),
            writer: None,
        }
    }

    /// With `heartbeat`, the sample is vouched for before anybody can ask. A file that cannot be written, because its
    /// disk is full or read-only, is answered from, and tried again by the writer.
    fn start_writer(
        &mut self,
        folder: &Path,
        path: &Path,
        role: Role,
        settings: &config::Replica,
    ) -> Result<Feeding, OpenError> {
        let serves = matches!(role, Role::Serve { .. });
        let heartbeat = role == Role::Serve { sample_heartbeat: true };
        let opened = self.prepare(folder, path, serves)?;
        if let Some(connection) = &opened {
            self.publish(path, connection)?;
        }
        self.tell_lost(folder, settings, serves);
        let (tasks, receiver) = sync_channel(TASKS_MAX);
        let feeding = Feeding {
            tasks,
            reading: self.reading.clone(),
            folder: folder.to_owned(),
            keys: self.keys.clone(),
            ending: self.ending.clone(),
        };
        let mut writer = Writer {
            open: opened,
            inode: store::inode(path),
            path: path.to_owned(),
            keys: self.keys.clone(),
            reading: self.reading.clone(),
            ending: self.ending.clone(),
        };
        writer.begin(heartbeat, &read_by(settings));
        let thread = std::thread::Builder::new().name("replica-writer".into()).spawn(move || writer.run(receiver));
        self.writer = Some(thread.map_err(|error| io_error(folder, error))?);
        self.feeding = Some(feeding.clone());
        Ok(feeding)
    }

    /// Opens the file for writing; `None` when it is there and can only be read. A node that serves puts a file that is
    /// damaged beyond opening aside, and asks its source for everything.
    fn prepare(&self, folder: &Path, path: &Path, serves: bool) -> Result<Option<rusqlite::Connection>, OpenError> {
        let builder = &mut fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|error| io_error(folder, error))?;
        if let Err(error) = rebuild::clear(folder) {
            tracing::warn!(%error, "what an interrupted rebuild left could not be removed");
        }
        let opened = store::open_writer(path, &self.keys).and_then(|connection| {
            store::state(&connection).map_err(|error| sqlite_error(path, error))?;
            Ok(connection)
        });
        match opened {
            Err(StoreError::Sqlite { error, .. }) if serves && store::is_damage(&error) => {
                store::put_aside(path).map_err(|error| io_error(folder, error))?;
                self.reading.damaged(&format!("the file could not be opened ({error}), and was put aside"));
                Ok(Some(store::open_writer(path, &self.keys)?))
            }
            Err(StoreError::Sqlite { error, .. }) if store::is_unwritable(&error) && path.exists() => {
                tracing::error!(%error, "the replica cannot be written: it answers, and the feed waits");
                self.read_state(path).map(|()| None)
            }
            opened => Ok(Some(opened?)),
        }
    }

    /// Tells a first start from a copy that is gone, and what was in it.
    fn tell_lost(&mut self, folder: &Path, settings: &config::Replica, serves: bool) {
        if let Some(mark) = cache::locked(&self.reading.mark).as_ref() {
            made_up::keep(folder, mark.source == SAMPLE);
            return;
        }
        let noted = made_up::is_noted(folder);
        let followed = settings.source == config::Source::Spool && spool::has_followed(folder);
        if serves && followed && !noted && !self.is_damaged() {
            self.reading.damaged("the file is gone that followed a feed");
        }
        self.made_up = noted || !self.is_damaged() && !followed;
    }

    fn start_upkeep(&mut self, feeding: Feeding, settings: &config::Replica) -> io::Result<()> {
        let (stop, stopped) = sync_channel(1);
        let upkeep = upkeep::Upkeep::new(feeding, settings.scrub_rows_per_second);
        let thread = std::thread::Builder::new().name("replica-upkeep".into());
        self.threads.push(thread.spawn(move || upkeep.run(&stopped))?);
        self.upkeep = Some(stop);
        Ok(())
    }

    fn read_state(&self, path: &Path) -> Result<(), OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.display().to_string()));
        }
        let connection = store::open_reader(path).map_err(|error| sqlite_error(path, error))?;
        schema::check(&connection, path, &self.keys)?;
        schema::check_readable(&connection, path)?;
        self.publish(path, &connection)
    }

    fn publish(&self, path: &Path, connection: &rusqlite::Connection) -> Result<(), OpenError> {
        let state = store::state(connection).map_err(|error| sqlite_error(path, error))?;
        self.reading.set_unsure(quarantine::unsure(connection).map_err(|error| sqlite_error(path, error))?);
        let metrics = &self.reading.metrics;
        metrics.rows.store(state.rows, Ordering::Relaxed);
        metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
        if let Some(mark) = &state.mark {
            metrics.set_as_of(mark.as_of);
            self.sample.store(mark.source == SAMPLE, Ordering::Relaxed);
        }
        metrics.quarantine_lost.store(state.lost, Ordering::Relaxed);
        state.scrubbed.into_iter().for_each(|at| metrics.set_scrubbed(at));
        let clock = AgeClock::start(clock::moment(), &clock::boot_id(), state.clock.as_ref());
        *cache::locked(&self.reading.clock) = clock;
        *cache::locked(&self.reading.mark) = state.mark;
        Ok(())
    }
}

/// The node vouches for the sample, which has no other upstream.
fn sample_mark(as_of: Timestamp) -> Mark {
    Mark { source: SAMPLE.into(), sequence: None, position: None, as_of }
}

/// Which program reads rows, with which settings: another one may read what this one could not.
fn read_by(settings: &config::Replica) -> String {
    let mut hash = std::hash::DefaultHasher::new();
    format!("{settings:?}").hash(&mut hash);
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), hash.finish())
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

fn start_reader(n: usize, reading: &Arc<Reading>) -> Result<JoinHandle<()>, OpenError> {
    let reading = reading.clone();
    let thread = std::thread::Builder::new().name(format!("replica-read-{n}"));
    let path = reading.path.clone();
    thread.spawn(move || reading.run()).map_err(|error| io_error(&path, error))
}

fn io_error(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.display().to_string(), error }
}

fn sqlite_error(path: &Path, error: rusqlite::Error) -> StoreError {
    StoreError::Sqlite { path: path.display().to_string(), error }
}

/// Batches and heartbeats that wait for the writer; whoever has one more waits too.
const TASKS_MAX: usize = 16;
