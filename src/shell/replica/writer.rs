//! The writer thread: the only one that changes the replica's file.
//!
//! ```text
//!  batch ─► rows + mark, one transaction ─► commit ─► keys leave the cache ─► the new age is told
//!  new file ─► renamed over the old one ─► readers open it ─► the cache is emptied ─► the new age is told
//! ```
//!
//! In that order: whoever sees the new age sees the new rows.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::inquiry::Keys;
use crate::replica::{Mark, SAMPLE};

use super::apply::{self, Applied, ApplyError, Batch};
use super::cache::locked;
use super::feeding::Asks;
use super::held::{self, Decision, Held, HeldWhat};
use super::metrics::{add, count};
use super::quarantine;
use super::readers::Reading;
use super::run::{Committed, Outcome, Surroundings};
use super::store;

/// What the writer is told.
pub(super) enum Task {
    Apply {
        name: String,
        batch: Batch,
        done: SyncSender<Result<Applied, ApplyError>>,
    },
    /// The source vouches for the copy as it is, up to a mark.
    Beat {
        mark: Mark,
        done: SyncSender<Result<(), ApplyError>>,
    },
    /// A whole file was made: it takes the live one's place.
    Swap {
        built: PathBuf,
        rows: u64,
        mark: Mark,
        done: SyncSender<Result<(), ApplyError>>,
    },
    /// What an operator asks for.
    Do(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// The writer's own.
pub(super) struct Writer {
    /// None after it failed, until the next task opens the file anew.
    pub open: Option<Connection>,
    pub path: PathBuf,
    pub keys: Keys,
    pub reading: Arc<Reading>,
    pub asks: Arc<Asks>,
    pub ending: Arc<AtomicBool>,
}

impl Writer {
    /// The life of the writer thread: until nobody can tell it anything more.
    pub fn run(mut self, tasks: Receiver<Task>) {
        for task in tasks {
            if let Err(error) = self.reopen() {
                tracing::error!(%error, "the feed waits");
            }
            match task {
                Task::Apply { name, batch, done } => {
                    let result = self.apply(&name, batch);
                    let _ = done.send(result);
                }
                Task::Beat { mark, done } => {
                    let result = self.beat(&mark);
                    let _ = done.send(result);
                }
                Task::Swap { built, rows, mark, done } => {
                    let result = self.swap(&built, rows, mark);
                    let _ = done.send(result);
                }
                Task::Do(work) => work(&mut self),
            }
        }
    }

    /// Applies a batch; a panic takes its transaction back, and costs its batch, not the feed.
    pub fn apply(&self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        let reading = self.reading.clone();
        let unsure = locked(&reading.unsure).clone();
        let connection = self.connection()?;
        let committed = |commit: Committed| self.publish_commit(commit);
        let surroundings = Surroundings {
            connection,
            keys: &self.keys,
            wal: wal(&self.path),
            now: Timestamp::now(),
            ending: &self.ending,
            unsure: &unsure,
            committed: &committed,
        };
        let run = || apply::apply(&surroundings, name, batch);
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ApplyError::Fault));
        let metrics = &self.reading.metrics;
        match result {
            Ok(None) => Ok(Applied::default()),
            Ok(Some(Outcome { applied, mark })) => {
                count(&metrics.batches_applied);
                add(&metrics.rows_applied, applied.new + applied.changed + applied.deleted);
                add(&metrics.rows_unchanged, applied.unchanged);
                self.publish_mark(mark);
                self.publish_held();
                Ok(applied)
            }
            Err(error) => {
                if error.is_final() {
                    count(&metrics.batches_rejected);
                }
                self.publish_held();
                Err(error)
            }
        }
    }

    /// Renews the age and the place, if the mark's own source tells them.
    pub fn beat(&self, told: &Mark) -> Result<(), ApplyError> {
        let renewed = locked(&self.reading.mark).as_ref().and_then(|mark| mark.renewed(told));
        let Some(mark) = renewed else { return Ok(()) };
        let rows = self.reading.metrics.rows.load(Ordering::Relaxed);
        store::put_state(self.connection()?, rows, &mark)?;
        self.publish_mark(mark);
        Ok(())
    }

    /// Puts a whole new file in the live one's place.
    fn swap(&mut self, built: &Path, rows: u64, mark: Mark) -> Result<(), ApplyError> {
        self.expect_no_loss(rows, &mark)?;
        // Everything of the old file's log goes into the old file first: no log may stand beside the new one, which
        // would take its pages for its own.
        if !store::empty_log(self.connection()?)? {
            return Err(ApplyError::Crowded);
        }
        let reading = self.reading.clone();
        let opening = reading.opening.write().unwrap_or_else(PoisonError::into_inner);
        drop(self.open.take());
        rename_over(built, &self.path)?;
        reading.file.fetch_add(1, Ordering::AcqRel);
        drop(opening);
        reading.queue.wake();
        reading.cache.drop_all();
        self.asks.want_rebuild(false);
        count(&reading.metrics.rebuilds);
        tracing::info!(rows, "the new copy is live");
        self.reopen()?;
        self.publish_commit(Committed { touched: None, rows, quarantine: true });
        self.publish_mark(mark);
        self.publish_held();
        Ok(())
    }

    /// The file, if it is open.
    pub fn connection(&self) -> Result<&Connection, ApplyError> {
        self.open.as_ref().ok_or_else(|| ApplyError::Source("the replica cannot be opened for writing".into()))
    }

    /// Opens the file, if it is not.
    fn reopen(&mut self) -> Result<(), ApplyError> {
        if self.open.is_none() {
            let opened = store::open_writer(&self.path, &self.keys);
            self.open = Some(opened.map_err(|error| ApplyError::Source(error.to_string()))?);
        }
        Ok(())
    }

    /// A copy that has far fewer cases than the live one waits for a person, unless the live one is only the sample.
    fn expect_no_loss(&self, rows: u64, mark: &Mark) -> Result<(), ApplyError> {
        let connection = self.connection()?;
        let state = store::state(connection)?;
        let fewer = state.rows.saturating_sub(rows);
        let sample = state.mark.as_ref().is_none_or(|mark| mark.source == SAMPLE);
        if sample || !held::is_mass(fewer, state.rows) {
            return Ok(());
        }
        let (what, since) = (HeldWhat::Smaller, Timestamp::now());
        // A copy made again stands at another place, and is the same question.
        let asked = held::get(connection)?.filter(|held| held.what == what && held.source == mark.source);
        match asked.and_then(|held| held.decision) {
            Some(Decision::Apply) => return Ok(()),
            Some(Decision::Drop) => {
                held::clear(connection)?;
                self.asks.want_rebuild(false);
                self.publish_held();
                return Err(ApplyError::Dropped);
            }
            None => {}
        }
        let held = Held {
            source: mark.source.clone(),
            sequence: None,
            what,
            deletes: fewer,
            rows: state.rows,
            since,
            decision: None,
        };
        held::hold(connection, &held)?;
        self.publish_held();
        Err(ApplyError::Held { what, deletes: fewer, rows: state.rows })
    }

    fn publish_commit(&self, commit: Committed) {
        let reading = &self.reading;
        if commit.quarantine {
            let read = || -> Result<_, ApplyError> {
                let connection = self.connection()?;
                Ok((quarantine::unsure(connection)?, store::state(connection)?))
            };
            match read() {
                Ok((unsure, state)) => {
                    reading.set_unsure(unsure);
                    reading.metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
                }
                Err(error) => tracing::error!(%error, "the quarantine could not be read"),
            }
        }
        match commit.touched {
            Some(keys) => keys.into_iter().for_each(|key| reading.cache.drop_key(key)),
            None => reading.cache.drop_all(),
        }
        reading.metrics.rows.store(commit.rows, Ordering::Relaxed);
    }

    fn publish_mark(&self, mark: Mark) {
        self.reading.metrics.set_as_of(mark.as_of);
        *locked(&self.reading.mark) = Some(mark);
    }

    /// Tells what is held, for the metrics.
    pub fn publish_held(&self) {
        match self.connection().and_then(|connection| Ok(held::get(connection)?)) {
            Ok(held) => {
                let waits = held.is_some_and(|held| held.decision.is_none());
                self.reading.metrics.held.store(u64::from(waits), Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "what is held could not be read"),
        }
    }
}

/// The write-ahead log of a file.
fn wal(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal.into()
}

/// The one step of a swap that counts, synced.
fn rename_over(built: &Path, path: &Path) -> std::io::Result<()> {
    for end in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = fs::remove_file(name);
    }
    fs::rename(built, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
