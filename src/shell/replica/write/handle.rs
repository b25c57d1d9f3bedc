//! The handle through which a follower, the maintenance and an operator reach the writer thread.
//!
//! ```text
//!  follower ── apply, heartbeat ─────────► writer ─► the live file
//!      ▲      └── rebuild: add … finish ─► a new file ─► the writer swaps it in
//!      └── requests: a full snapshot; quarantined rows
//! ```
//!
//! Every call blocks until the writer has done it: it is for threads, not for async tasks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;

use inquiry::Keys;
use replica::Mark;

use crate::file::held::{self, Held};
use crate::locks::locked;
use crate::shared::SharedState;
use crate::write::batch::{Applied, ApplyError, Batch};
use crate::write::writer::{Task, Writer};

/// A way to the writer thread. Cheap to clone; the thread ends when the last one is dropped.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    pub tasks: SyncSender<Task>,
    pub shared: Arc<SharedState>,
    pub folder: PathBuf,
    pub keys: Keys,
    pub ending: Arc<AtomicBool>,
}

impl WriterHandle {
    /// The position of the replica in its source.
    pub(crate) fn mark(&self) -> Option<Mark> {
        locked(&self.shared.mark).clone()
    }

    /// Applies a batch. When this returns, its rows can be looked up.
    pub(crate) fn apply(&self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        self.call(|done| Task::Apply { name: name.into(), batch, done })
    }

    /// Confirms the replica up to `mark`. When this returns, it is stored.
    pub(crate) fn heartbeat(&self, mark: Mark) -> Result<(), ApplyError> {
        self.call(|done| Task::Heartbeat { mark, upstream_now: None, done })
    }

    /// Confirms the replica up to `mark`, with the upstream's clock, by which ages are measured from now on.
    pub(crate) fn heartbeat_at(&self, mark: Mark, upstream_now: Timestamp) -> Result<(), ApplyError> {
        self.call(|done| Task::Heartbeat { mark, upstream_now: Some(upstream_now), done })
    }

    /// The upstream's time, independent of changes to this node's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Raises an alarm of the source with a text that says what to do, or clears it with `None`.
    pub(crate) fn alarm(&self, kind: &'static str, text: Option<String>) {
        self.shared.alarms.set(kind, text);
    }

    /// Sets how much the source has sent that is not applied.
    pub(crate) fn set_lag(&self, rows: u64, bytes: u64) {
        self.shared.metrics.lag_rows.store(rows, Ordering::Relaxed);
        self.shared.metrics.lag_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The number of cases in the replica.
    pub(crate) fn rows(&self) -> u64 {
        self.shared.metrics.rows.load(Ordering::Relaxed)
    }

    /// The batch that waits for an operator's decision.
    pub(crate) fn held(&self) -> Result<Option<Held>, ApplyError> {
        self.run(|writer| Ok(held::get(writer.connection()?)?))
    }

    /// Whether a full snapshot is requested, by an operator or because the file is damaged. The request is cleared when
    /// one was swapped in.
    pub(crate) fn rebuild_requested(&self) -> bool {
        self.shared.requests.rebuild_requested()
    }

    /// Quarantined rows that the source should send again; each is returned once.
    pub(crate) fn take_requested_rows(&self) -> Vec<String> {
        self.shared.requests.take_requested_rows()
    }

    /// Whether the program is stopping.
    pub(crate) fn ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Runs a piece of work on the writer thread, between two of its tasks.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, ApplyError> + Send + 'static,
    ) -> Result<T, ApplyError> {
        self.call(|done| Task::Run(Box::new(move |writer| drop(done.send(work(writer))))))
    }

    /// Sends a task and waits for its result.
    pub(crate) fn call<T>(
        &self,
        task: impl FnOnce(SyncSender<Result<T, ApplyError>>) -> Task,
    ) -> Result<T, ApplyError> {
        let (done, result) = sync_channel(1);
        self.tasks.send(task(done)).map_err(|_| ApplyError::Ending)?;
        result.recv().map_err(|_| ApplyError::Ending)?
    }
}
