//! The writer thread, the only one that changes the file.
//!
//! ```text
//!  batch ─► rows + mark, one transaction ─► commit ─► the cache drops its keys ─► the new age is published
//!  new file ─► renamed over the old one ─► readers reopen it ─► the cache is cleared ─► the new age is published
//! ```
//!
//! Because of this order, a look-up that sees the new age sees the new rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use base::{Bilingual, bilingual, plural};
use inquiry::Keys;
use replica::{Change, FeedLine, Mark, SAMPLE, StoredClock};

use crate::alarms::{CLOCK, UNWRITTEN};
use crate::file::store;
use crate::file::{failure, quarantine, state};
use crate::locks::locked;
use crate::metrics::{add, count};
use crate::sample::{self, sample_mark};
use crate::shared::SharedState;
use crate::write::apply;
use crate::write::batch::{Applied, ApplyError, Batch};
use crate::write::batch_run::{ApplyContext, Committed, Outcome};

use crate::file::failure::StoreError;

/// A task for the writer thread. `done` receives the result.
pub(crate) enum Task {
    Apply {
        name: String,
        batch: Batch,
        done: SyncSender<Result<Applied, ApplyError>>,
    },
    /// The source confirms the replica as it is, up to a mark.
    Heartbeat {
        mark: Mark,
        /// The time on the upstream's clock, if the source sends it.
        upstream_now: Option<Timestamp>,
        done: SyncSender<Result<(), ApplyError>>,
    },
    /// Replace the live file by a rebuilt one.
    Swap {
        built: PathBuf,
        rows: u64,
        mark: Mark,
        done: SyncSender<Result<(), ApplyError>>,
    },
    /// Run a piece of work between two tasks.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// The state of the writer thread.
pub(crate) struct Writer {
    /// `None` after a failure, until the next task reopens the file.
    pub open: Option<Connection>,
    /// The inode of the open file.
    pub inode: Option<u64>,
    pub path: PathBuf,
    pub keys: Keys,
    pub shared: Arc<SharedState>,
    pub ending: Arc<AtomicBool>,
}

impl Writer {
    /// Performs tasks until all handles are dropped.
    pub(crate) fn run(mut self, tasks: Receiver<Task>) {
        loop {
            let task = match tasks.recv_timeout(CHECK_EVERY) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.reopen();
            self.check_file_identity();
            match task {
                Some(Task::Apply { name, batch, done }) => {
                    let result = self.apply(&name, batch);
                    let _ = done.send(result);
                }
                Some(Task::Heartbeat { mark, upstream_now, done }) => {
                    let result = self.heartbeat(&mark, upstream_now);
                    self.update_alarms(result.as_ref().err());
                    let _ = done.send(result);
                }
                Some(Task::Swap { built, rows, mark, done }) => {
                    let result = self.swap(&built, rows, mark);
                    let _ = done.send(result);
                }
                Some(Task::Run(work)) => work(&mut self),
                None => {}
            }
        }
    }

    /// Before the first look-up: with `heartbeat`, confirms the sample; retries quarantined rows if the program version or
    /// the settings have changed.
    pub(crate) fn start(&mut self, heartbeat: bool, read_by: &str) {
        let began = self.connection().and_then(|connection| {
            self.publish_held();
            if heartbeat {
                self.heartbeat(&sample_mark(self.shared.now()), None)?;
            }
            let state = state::read(connection)?;
            let other = state.read_by.as_deref() != Some(read_by);
            if other {
                state::put_read_by(connection, read_by)?;
            }
            Ok(other && state.quarantined > 0)
        });
        let again = began.and_then(|again| if again { self.retry(None).map(Some) } else { Ok(None) });
        match again {
            Ok(Some(done)) => {
                tracing::info!(%done, "quarantine_retried: the program version or the settings have changed")
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "replica_not_writable"),
        }
    }

    /// Applies a batch. A panic rolls its transaction back and fails the batch, not the thread.
    pub(crate) fn apply(&self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        let shared = self.shared.clone();
        let withheld = locked(&shared.withheld).clone();
        let connection = self.connection()?;
        let committed = |commit: Committed| self.publish_commit(commit);
        let observe_clock = |mark: &mut Mark| self.observe_clock(mark, None);
        let context = ApplyContext {
            connection,
            keys: &self.keys,
            formats: shared.formats.as_ref(),
            wal: store::with_suffix(&self.path, "-wal"),
            now: Timestamp::now(),
            ending: &self.ending,
            withheld: &withheld,
            observe_clock: &observe_clock,
            committed: &committed,
        };
        // The source of the batch is known once it is read; until then the file may not count as the sample.
        self.note_sample(matches!(batch, Batch::Retry(_)));
        let run = || apply::apply(&context, name, batch);
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(ApplyError::Fault));
        self.update_alarms(result.as_ref().err());
        let result = self.publish_result(result);
        self.note_sample(true);
        result
    }

    /// Publishes the result of a batch.
    fn publish_result(&self, result: Result<Option<Outcome>, ApplyError>) -> Result<Applied, ApplyError> {
        let metrics = &self.shared.metrics;
        match result {
            Ok(None) => Ok(Applied::default()),
            Ok(Some(Outcome { applied, mark })) => {
                count(&metrics.batches_applied);
                add(&metrics.rows_applied, applied.new + applied.changed + applied.deleted);
                add(&metrics.rows_of_no_format, applied.of_no_format);
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

    /// Updates the note beside the file; `stays` is false when cases of another source are about to be written.
    pub(crate) fn note_sample(&self, stays: bool) {
        let sample = locked(&self.shared.mark).as_ref().is_some_and(|mark| mark.source == SAMPLE);
        sample::set_note(self.path.parent().unwrap_or_else(|| Path::new(".")), sample && stays);
    }

    /// Stores a newer age and position, if they come from the replica's own source.
    pub(crate) fn heartbeat(&self, confirmed: &Mark, upstream_now: Option<Timestamp>) -> Result<(), ApplyError> {
        let Some(mark) = locked(&self.shared.mark).clone().filter(|mark| mark.source == confirmed.source) else {
            return Ok(());
        };
        let mut confirmed = confirmed.clone();
        let clock = self.observe_clock(&mut confirmed, upstream_now);
        let Some(mark) = mark.renewed(&confirmed) else { return Ok(()) };
        let connection = self.connection()?;
        let transaction = connection.unchecked_transaction()?;
        state::put_mark(&transaction, &mark)?;
        state::put_clock(&transaction, &clock)?;
        transaction.commit()?;
        self.publish_mark(mark);
        Ok(())
    }

    /// Learns the upstream's clock from a mark, and limits a time that is too far ahead.
    pub(crate) fn observe_clock(&self, mark: &mut Mark, upstream_now: Option<Timestamp>) -> StoredClock {
        let mut clock = locked(&self.shared.clock);
        let reported = mark.as_of;
        mark.as_of = clock.upstream_reported(self.shared.moment(), reported, upstream_now);
        if mark.source != SAMPLE {
            self.shared.steady_reported(mark.as_of, upstream_now);
        }
        let warning = (mark.as_of != reported).then(|| {
            "the upstream's clock is hours ahead of this node's: set both clocks; its times are limited to one hour ahead".into()
        });
        self.shared.alarms.set(CLOCK, warning);
        clock.kept()
    }

    /// Retries quarantined rows: those stored here at once, the others through their source.
    pub(crate) fn retry(&mut self, id: Option<&str>) -> Result<Bilingual, ApplyError> {
        let connection = self.connection()?;
        let (mut rows, mut at_source) = (Vec::new(), Vec::new());
        for id in quarantine::ids(connection, id)? {
            match quarantine::line(connection, &self.keys, &id)? {
                Some((_, line)) => {
                    let change = match FeedLine::read(line.expose().as_bytes(), 2) {
                        Ok(FeedLine::Case(case)) => Change::Put(*case),
                        Ok(FeedLine::Header(_) | FeedLine::Blank) => continue,
                        Err(error) => Change::Bad(apply::bad_row(id.clone(), line.expose().as_bytes(), &error)),
                    };
                    rows.push((id, change));
                }
                None => at_source.push(id),
            }
        }
        let (tried, requested) = (rows.len(), at_source.len());
        self.shared.requests.request_rows(at_source);
        let applied = if rows.is_empty() { Applied::default() } else { self.apply("retry", Batch::Retry(rows))? };
        let applied_rows = tried as u64 - applied.quarantined;
        let s = plural(tried);
        Ok(bilingual!(
            "{tried} row{s} retried, {applied_rows} applied; {requested} requested from the source",
            "重试 {tried} 行，生效 {applied_rows} 行；已向上游请求 {requested} 行"
        ))
    }

    /// The connection, if the file is open.
    pub(crate) fn connection(&self) -> Result<&Connection, ApplyError> {
        self.open.as_ref().ok_or(ApplyError::Closed)
    }

    /// Opens the file if an earlier attempt failed, for example on a full or read-only disk.
    pub(crate) fn reopen(&mut self) {
        if self.open.is_some() {
            return;
        }
        let opened = match store::open_writer(&self.path, &self.keys) {
            Err(StoreError::Sqlite { error, .. })
                if failure::is_read_only(&error) && store::is_writable(&self.path) =>
            {
                self.open_alone()
            }
            opened => opened,
        };
        match opened {
            Ok(connection) => {
                self.open = Some(connection);
                self.inode = store::inode(&self.path);
                // A reader that was opened in a read-only folder would not see later changes.
                self.shared.file_replaced();
                self.shared.queue.wake();
                self.shared.alarms.clear(UNWRITTEN);
                self.publish_held();
            }
            Err(error) => {
                self.shared
                    .alarms
                    .raise(UNWRITTEN, format!("{error}: look-ups are answered, the feed is paused; {MAKE_ROOM}"));
            }
        }
    }

    /// Detects that the file was removed or replaced from outside: changes would go to the old file.
    fn check_file_identity(&self) {
        if self.open.is_some() && store::inode(&self.path) != self.inode && !self.shared.requests.rebuild_requested() {
            self.shared.report_damage("the file was removed or replaced by another program");
        }
    }

    /// Opens the file while no reader has it open: SQLite shares the log's index within the process, and an index that a
    /// reader opened on a read-only disk would stay read-only for the writer.
    fn open_alone(&self) -> Result<Connection, StoreError> {
        let _closed = self.shared.opening.write().unwrap_or_else(PoisonError::into_inner);
        self.shared.file_replaced();
        self.shared.queue.wake();
        let until = Instant::now() + READERS_CLOSE;
        while self.shared.readers_open() > 0 && Instant::now() < until {
            std::thread::sleep(READERS_LOOK);
        }
        store::open_writer(&self.path, &self.keys)
    }

    /// Raises or clears the alarms that the result of a batch implies.
    pub(crate) fn update_alarms(&self, error: Option<&ApplyError>) {
        let alarms = &self.shared.alarms;
        match error {
            Some(ApplyError::Store(error)) if failure::is_damage(error) => {
                self.shared.report_damage("a batch read damaged data")
            }
            Some(ApplyError::Store(error)) => {
                alarms.raise(UNWRITTEN, format!("{error}: look-ups are answered, the feed is paused; {MAKE_ROOM}"));
            }
            Some(ApplyError::Crowded) => alarms.raise(UNWRITTEN, ApplyError::Crowded.to_string()),
            Some(_) => {}
            None => alarms.clear(UNWRITTEN),
        }
    }
}

/// How often the writer checks the file when it has no task.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long readers may take to close the file; each closes it before its next read, and look-ups wait meanwhile.
const READERS_CLOSE: Duration = Duration::from_secs(2);
const READERS_LOOK: Duration = Duration::from_millis(5);
const MAKE_ROOM: &str = "free some disk space, or make the disk writable";
