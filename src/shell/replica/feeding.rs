//! What a source is given: the way to the writer, and what an operator or the scrub asks of it.
//!
//! ```text
//!  source thread ── apply, beat ─────────► writer ─► the live file
//!        ▲      └── rebuild: add … finish ─► a file beside it ─► the writer swaps it in whole
//!        └── asked: copy everything anew; bring these rows again
//! ```
//!
//! Every call waits for its end: it is a thread's, not an async task's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;

use inquiry::Keys;
use replica::{CaseRecord, Change, Mark, SAMPLE};

use super::apply::{Applied, ApplyError, Batch};
use super::cache::locked;
use super::held::{self, Held};
use super::readers::Reading;
use super::rebuild::Rebuild;
use super::sample_mark;
use super::writer::{Task, Writer};

/// A source's hold on the copy. Cheap to clone.
#[derive(Clone)]
pub(super) struct Feeding {
    pub tasks: SyncSender<Task>,
    pub reading: Arc<Reading>,
    pub folder: PathBuf,
    pub keys: Keys,
    pub ending: Arc<AtomicBool>,
}

/// What is asked of the source; it looks here whenever it has nothing to do.
#[derive(Default)]
pub(super) struct Asks {
    rebuild: AtomicBool,
    again: Mutex<Vec<String>>,
}

impl Feeding {
    /// Where the copy stands.
    pub(crate) fn mark(&self) -> Option<Mark> {
        locked(&self.reading.mark).clone()
    }

    /// Applies a batch; when this returns, its rows can be looked up.
    pub(crate) fn apply(&self, name: &str, batch: Batch) -> Result<Applied, ApplyError> {
        self.told(|done| Task::Apply { name: name.into(), batch, done })
    }

    /// The upstream says that there is nothing new up to `mark`. Kept when this returns.
    pub(crate) fn beat(&self, mark: Mark) -> Result<(), ApplyError> {
        self.told(|done| Task::Beat { mark, upstream_now: None, done })
    }

    /// The same, by an upstream that says what its clock shows: ages are told by that clock from here on.
    pub(crate) fn beat_at(&self, mark: Mark, upstream_now: Timestamp) -> Result<(), ApplyError> {
        self.told(|done| Task::Beat { mark, upstream_now: Some(upstream_now), done })
    }

    /// The upstream's time, whatever is done to this node's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.reading.now()
    }

    /// Tells a condition of the source that lasts, once, with what would do; `None` when it is over.
    pub(crate) fn alarm(&self, kind: &'static str, text: Option<String>) {
        self.reading.alarms.set(kind, text);
    }

    /// Tells what the source knows to be on its way.
    pub(crate) fn lag(&self, rows: u64, bytes: u64) {
        self.reading.metrics.lag_rows.store(rows, Ordering::Relaxed);
        self.reading.metrics.lag_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How many cases the copy has.
    pub(crate) fn rows(&self) -> u64 {
        self.reading.metrics.rows.load(Ordering::Relaxed)
    }

    /// What waits for a person.
    pub(crate) fn held(&self) -> Result<Option<Held>, ApplyError> {
        let held = |writer: &mut Writer| Ok(held::get(writer.connection()?)?);
        self.told(|done| Task::Do(Box::new(move |writer| drop(done.send(held(writer))))))
    }

    /// Begins a copy of everything, beside the live one.
    pub(crate) fn rebuild(&self) -> Result<Rebuild, ApplyError> {
        Rebuild::begin(self.clone())
    }

    /// Makes a copy of the sample, for which this node vouches itself. A copy of another source stays.
    pub(crate) fn fill_sample(&self, cases: impl Iterator<Item = CaseRecord>) -> Result<Applied, ApplyError> {
        let mut copy = self.rebuild()?;
        for case in cases {
            copy.add(SAMPLE, Change::Put(case))?;
        }
        copy.finish(sample_mark(self.now()))
    }

    /// Whether a copy of everything is wanted: by an operator, or because the file is damaged. Stays so until one was
    /// swapped in.
    pub(crate) fn rebuild_is_wanted(&self) -> bool {
        self.reading.asks.rebuild.load(Ordering::Relaxed)
    }

    /// The rows in quarantine that the source is to bring again; asked once.
    pub(crate) fn rows_wanted(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.reading.asks.again))
    }

    /// Whether the program is ending.
    pub(crate) fn ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn told<T>(
        &self,
        task: impl FnOnce(SyncSender<Result<T, ApplyError>>) -> Task,
    ) -> Result<T, ApplyError> {
        let (done, result) = sync_channel(1);
        self.tasks.send(task(done)).map_err(|_| ApplyError::Ending)?;
        result.recv().map_err(|_| ApplyError::Ending)?
    }
}

impl Asks {
    pub(crate) fn want_rebuild(&self, wanted: bool) {
        self.rebuild.store(wanted, Ordering::Relaxed);
    }

    pub(crate) fn rebuild_is_wanted(&self) -> bool {
        self.rebuild.load(Ordering::Relaxed)
    }

    /// Asks for rows again; past the bound they are asked for with the next retry.
    pub(crate) fn want_rows(&self, ids: impl IntoIterator<Item = String>) {
        let mut again = locked(&self.again);
        let room = AGAIN_MAX.saturating_sub(again.len());
        again.extend(ids.into_iter().take(room));
    }
}

const AGAIN_MAX: usize = 10_000;
