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
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use inquiry::Keys;
use replica::{Change, Line, Mark, SAMPLE, StoredClock};

use super::apply::{self, Applied, ApplyError, Batch};
use super::cache::locked;
use super::conditions::{CLOCK, DAMAGED, HELD, KEPT, UNWRITTEN};
use super::held::{self, Decision, Held, HeldWhat};
use super::metrics::{add, count};
use super::quarantine;
use super::readers::Reading;
use super::run::{Committed, Outcome, Surroundings};
use super::store::StoreError;
use super::{made_up, sample_mark, store};

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
        /// What the upstream's clock shows, if it says so.
        upstream_now: Option<Timestamp>,
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
    /// The file that is open, by its inode.
    pub inode: Option<u64>,
    pub path: PathBuf,
    pub keys: Keys,
    pub reading: Arc<Reading>,
    pub ending: Arc<AtomicBool>,
}

impl Writer {
    /// The life of the writer thread: until nobody can tell it anything more.
    pub(crate) fn run(mut self, tasks: Receiver<Task>) {
        loop {
            let task = match tasks.recv_timeout(LOOK_EVERY) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.reopen();
            self.look_after_file();
            match task {
                Some(Task::Apply { name, batch, done }) => {
                    let result = self.apply(&name, batch);
                    let _ = done.send(result);
                }
                Some(Task::Beat { mark, upstream_now, done }) => {
                    let result = self.beat(&mark, upstream_now);
                    self.judge(result.as_ref().err());
                    let _ = done.send(result);
                }
                Some(Task::Swap { built, rows, mark, done }) => {
                    let result = self.swap(&built, rows, mark);
                    let _ = done.send(result);
                }
                Some(Task::Do(work)) => work(&mut self),
                None => {}
            }
        }
    }

    /// Before anybody can ask: with `heartbeat`, the sample is vouched for; and rows that another program or other
    /// settings could not use are tried.
    pub(crate) fn begin(&mut self, heartbeat: bool, read_by: &str) {
        let began = self.connection().and_then(|connection| {
            self.publish_held();
            if heartbeat {
                self.beat(&sample_mark(self.reading.now()), None)?;
            }
            let state = store::state(connection)?;
            let other = state.read_by.as_deref() != Some(read_by);
            if other {
                store::put_read_by(connection, read_by)?;
            }
            Ok(other && state.quarantined > 0)
        });
        let again = began.and_then(|again| if again { self.retry(None).map(Some) } else { Ok(None) });
        match again {
            Ok(Some(done)) => {
                tracing::info!(done, "quarantine: tried again, as this program or its settings are others")
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the replica cannot be written yet"),
        }
    }

    /// Applies a batch; a panic takes its transaction back, and costs its batch, not the feed.
    pub(crate) fn apply(&self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        let reading = self.reading.clone();
        let unsure = locked(&reading.unsure).clone();
        let connection = self.connection()?;
        let committed = |commit: Committed| self.publish_commit(commit);
        let told = |mark: &mut Mark| self.told(mark, None);
        let surroundings = Surroundings {
            connection,
            keys: &self.keys,
            wal: store::beside(&self.path, "-wal"),
            now: Timestamp::now(),
            ending: &self.ending,
            unsure: &unsure,
            told: &told,
            committed: &committed,
        };
        // Whose the batch is, it tells when it is read: until then the copy is nobody's.
        self.note_sample(matches!(batch, Batch::Again(_)));
        let run = || apply::apply(&surroundings, name, batch);
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ApplyError::Fault));
        self.judge(result.as_ref().err());
        let result = self.applied(result);
        self.note_sample(true);
        result
    }

    /// Tells what a batch did.
    fn applied(&self, result: Result<Option<Outcome>, ApplyError>) -> Result<Applied, ApplyError> {
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

    /// Keeps the note beside the file true; with `stays` unset, another source's cases are about to come.
    fn note_sample(&self, stays: bool) {
        let sample = locked(&self.reading.mark).as_ref().is_some_and(|mark| mark.source == SAMPLE);
        made_up::keep(self.path.parent().unwrap_or(Path::new(".")), sample && stays);
    }

    /// Renews the age and the place, if the mark's own source tells them.
    pub(crate) fn beat(&self, told: &Mark, upstream_now: Option<Timestamp>) -> Result<(), ApplyError> {
        let Some(mark) = locked(&self.reading.mark).clone().filter(|mark| mark.source == told.source) else {
            return Ok(());
        };
        let mut told = told.clone();
        let clock = self.told(&mut told, upstream_now);
        let Some(mark) = mark.renewed(&told) else { return Ok(()) };
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        store::put_mark(&transaction, &mark)?;
        store::put_clock(&transaction, &clock)?;
        transaction.commit()?;
        self.publish_mark(mark);
        Ok(())
    }

    /// The upstream spoke: its clock is learnt, and a time that cannot be is cut.
    fn told(&self, mark: &mut Mark, upstream_now: Option<Timestamp>) -> StoredClock {
        let mut clock = locked(&self.reading.clock);
        let said = mark.as_of;
        mark.as_of = clock.upstream_reported(self.reading.moment(), said, upstream_now);
        let cut = (mark.as_of != said).then(|| {
            "the upstream's time is hours ahead of this node's: set both clocks; its words count as of one hour ahead".into()
        });
        self.reading.alarms.set(CLOCK, cut);
        clock.kept()
    }

    /// Tries rows of the quarantine again.
    pub(crate) fn retry(&mut self, id: Option<&str>) -> Result<String, ApplyError> {
        let connection = self.connection()?;
        let (mut rows, mut elsewhere) = (Vec::new(), Vec::new());
        for id in quarantine::ids(connection, id)? {
            match quarantine::line(connection, &self.keys, &id)? {
                Some((_, line)) => {
                    let change = match Line::read(line.expose().as_bytes(), 2) {
                        Ok(Line::Case(case)) => Change::Put(*case),
                        Ok(Line::Header(_) | Line::Blank) => continue,
                        Err(error) => Change::Bad(apply::bad(id.clone(), line.expose().as_bytes(), &error)),
                    };
                    rows.push((id, change));
                }
                None => elsewhere.push(id),
            }
        }
        let (tried, asked) = (rows.len(), elsewhere.len());
        self.reading.asks.want_rows(elsewhere);
        let applied = if rows.is_empty() { Applied::default() } else { self.apply("again", Batch::Again(rows))? };
        let mended = tried as u64 - applied.quarantined;
        Ok(format!("{tried} rows tried, {mended} mended; {asked} asked of their source"))
    }

    /// Puts a whole new file in the live one's place.
    fn swap(&mut self, built: &Path, rows: u64, mut mark: Mark) -> Result<(), ApplyError> {
        self.expect_no_sample(&mark)?;
        self.expect_no_loss(rows, &mark)?;
        // Everything of the old file's log goes into the old file first: no log may stand beside the new one, which
        // would take its pages for its own. A file that is damaged beyond opening has none that counts.
        if let Some(connection) = &self.open
            && !store::empty_log(connection, SWAP_PATIENCE)
                .or_else(|error| if store::is_damage(&error) { Ok(true) } else { Err(error) })?
        {
            return Err(ApplyError::Crowded);
        }
        self.note_sample(mark.source == SAMPLE);
        let reading = self.reading.clone();
        let opening = reading.opening.write().unwrap_or_else(PoisonError::into_inner);
        drop(self.open.take());
        rename_over(built, &self.path)?;
        reading.file.fetch_add(1, Ordering::AcqRel);
        drop(opening);
        reading.queue.wake();
        reading.cache.drop_all();
        reading.asks.want_rebuild(false);
        reading.torn.store(false, Ordering::Release);
        reading.alarms.clear(DAMAGED);
        reading.metrics.damaged.store(0, Ordering::Relaxed);
        count(&reading.metrics.rebuilds);
        tracing::info!(rows, "the new copy is live");
        self.reopen();
        self.told(&mut mark, None);
        self.publish_commit(Committed { touched: None, rows, quarantine: true });
        self.publish_mark(mark);
        self.publish_held();
        self.note_sample(true);
        Ok(())
    }

    /// The file, if it is open.
    pub(crate) fn connection(&self) -> Result<&Connection, ApplyError> {
        self.open.as_ref().ok_or(ApplyError::Closed)
    }

    /// Opens the file, if it is not: the disk was full or could not be written when it was tried last.
    fn reopen(&mut self) {
        if self.open.is_some() {
            return;
        }
        let opened = match store::open_writer(&self.path, &self.keys) {
            Err(StoreError::Sqlite { error, .. })
                if store::is_read_only(&error) && store::may_be_written(&self.path) =>
            {
                self.open_alone()
            }
            opened => opened,
        };
        match opened {
            Ok(connection) => {
                self.open = Some(connection);
                self.inode = store::inode(&self.path);
                // A reader that was opened on a folder that cannot be written does not see what is written to it.
                self.reading.file.fetch_add(1, Ordering::AcqRel);
                self.reading.queue.wake();
                self.reading.alarms.clear(UNWRITTEN);
                self.publish_held();
            }
            Err(error) => {
                self.reading
                    .alarms
                    .raise(UNWRITTEN, format!("{error}: the copy answers, and the feed waits; {MAKE_ROOM}"));
            }
        }
    }

    /// A file that somebody removed, or put another in the place of, is answered from; what it is told goes with it.
    fn look_after_file(&self) {
        if self.open.is_some() && store::inode(&self.path) != self.inode && !self.reading.asks.rebuild_is_wanted() {
            self.reading.damaged("the file was removed, or another one put in its place");
        }
    }

    /// Opens the file when no reader has it open: those that opened the log's index on a read-only disk would share
    /// theirs with the writer, and it would stay read-only for as long as one of them is there.
    fn open_alone(&self) -> Result<Connection, StoreError> {
        let _closed = self.reading.opening.write().unwrap_or_else(PoisonError::into_inner);
        self.reading.file.fetch_add(1, Ordering::AcqRel);
        self.reading.queue.wake();
        std::thread::sleep(READERS_LET_GO);
        store::open_writer(&self.path, &self.keys)
    }

    /// Tells what a failure says of the file and its disk; a success says that all is well.
    fn judge(&self, error: Option<&ApplyError>) {
        let alarms = &self.reading.alarms;
        match error {
            Some(ApplyError::Store(error)) if store::is_damage(error) => self.reading.damaged("a batch met damage"),
            Some(ApplyError::Store(error)) => {
                alarms.raise(UNWRITTEN, format!("{error}: the copy answers, and the feed waits; {MAKE_ROOM}"));
            }
            Some(ApplyError::Crowded) => alarms.raise(UNWRITTEN, ApplyError::Crowded.to_string()),
            Some(_) => {}
            None => alarms.clear(UNWRITTEN),
        }
    }

    /// The sample takes the place of nothing but itself: a source may have brought its first copy meanwhile.
    fn expect_no_sample(&self, mark: &Mark) -> Result<(), ApplyError> {
        let there = locked(&self.reading.mark).as_ref().is_some_and(|there| there.source != SAMPLE);
        if mark.source == SAMPLE && there { Err(ApplyError::Dropped) } else { Ok(()) }
    }

    /// A copy that has far fewer cases than the live one waits for a person, unless the live one is only the sample.
    fn expect_no_loss(&self, rows: u64, mark: &Mark) -> Result<(), ApplyError> {
        // Of a file that is damaged beyond that, nothing is lost.
        let Ok(connection) = self.connection() else { return Ok(()) };
        let state = match store::state(connection) {
            Err(error) if store::is_damage(&error) => return Ok(()),
            state => state?,
        };
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
                store::keep(connection, fewer)?;
                self.reading.asks.want_rebuild(false);
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
            self.publish_quarantine();
        }
        match commit.touched {
            Some(keys) => keys.into_iter().for_each(|key| reading.cache.drop_key(key)),
            None => reading.cache.drop_all(),
        }
        reading.metrics.rows.store(commit.rows, Ordering::Relaxed);
    }

    /// Tells what is in quarantine: nothing is said of those cases.
    pub(crate) fn publish_quarantine(&self) {
        let read = || -> Result<_, ApplyError> {
            let connection = self.connection()?;
            Ok((quarantine::unsure(connection)?, store::state(connection)?))
        };
        match read() {
            Ok((unsure, state)) => {
                self.reading.set_unsure(unsure);
                self.reading.metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
                self.reading.metrics.quarantine_lost.store(state.lost, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "the quarantine could not be read"),
        }
    }

    fn publish_mark(&self, mark: Mark) {
        self.reading.metrics.set_as_of(mark.as_of);
        *locked(&self.reading.mark) = Some(mark);
    }

    /// Tells what is held, and what a person kept of it.
    pub(crate) fn publish_held(&self) {
        let read = || -> Result<_, ApplyError> {
            let connection = self.connection()?;
            Ok((held::get(connection)?, store::kept(connection)?))
        };
        match read() {
            Ok((held, kept)) => {
                let waits = held.filter(|held| held.decision.is_none());
                self.reading.metrics.held.store(u64::from(waits.is_some()), Ordering::Relaxed);
                self.reading.alarms.set(HELD, waits.map(|held| held.to_string()));
                self.reading.alarms.set(KEPT, (kept > 0).then(|| kept_words(kept)));
            }
            Err(error) => tracing::error!(%error, "what is held could not be read"),
        }
    }
}

fn kept_words(cases: u64) -> String {
    format!(
        "{cases} cases are told that the source took away, as a person decided (held drop): when the source is right \
         again, jindu replica rebuild makes the copy its own"
    )
}

/// The one step of a swap that counts, synced.
fn rename_over(built: &Path, path: &Path) -> std::io::Result<()> {
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(store::beside(path, end));
    }
    fs::rename(built, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// How often a file that could not be opened is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Readers that are woken let go within it, and the upkeep at its next ticks.
const READERS_LET_GO: Duration = Duration::from_millis(500);
/// How long a swap waits for readers in the middle of a read, before it is tried again.
const SWAP_PATIENCE: Duration = Duration::from_secs(1);
const MAKE_ROOM: &str = "make room on the disk, or make it writable";
