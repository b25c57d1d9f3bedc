//! [`Replica`]: the look-up of a case, and what the rest of the node asks of the replica.
//!
//! ```text
//!  look_up ─ cache ─┬─ hit ────────────────────────────────► judge ─► Answer
//!                   └─ miss ─ limit of waiting look-ups ─ reader ─►┘
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use inquiry::{Answer, Keys, Proof, Receipt, RowKey, Verifier, WorkingDays};
use os::clock;
use os::control::ControlListener;
use replica::{CaseRecord, Row, sample};

use crate::alarms::{Alarm, UNKNOWN_WORD};
use crate::file::store;
use crate::locks::locked;
use crate::metrics::{ReplicaMetrics, count};
use crate::read::cache::{Entry, Joined, ReadResult};
use crate::shared::SharedState;
use crate::write::batch::{Applied, ApplyError, Batch};
use crate::write::handle::WriterHandle;
use crate::write::rebuild::rebuild_sample;
use crate::{postgres, spool};

/// What a replica is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answer look-ups, and follow the source of the settings. The caller holds the folder's [`crate::FolderLock`].
    Serve {
        /// Whether the node confirms the built-in sample every minute, since the sample has no upstream.
        sample_heartbeat: bool,
    },
    /// Apply batches without following a source. The caller holds the folder's [`crate::FolderLock`].
    Load,
    /// Answer look-ups only; another program may be writing.
    Read,
}

/// The replica on this node. Dropping it stops its threads.
pub struct Replica {
    pub(crate) keys: Keys,
    pub(crate) shared: Arc<SharedState>,
    /// Look-ups that are waiting for a reader.
    pub(crate) waiting: AtomicUsize,
    pub(crate) waiting_max: usize,
    pub(crate) timeout: Duration,
    pub(crate) writer: Option<WriterHandle>,
    pub(crate) follower: Option<Follower>,
    pub(crate) listener: OnceLock<ControlListener>,
    /// Stops the maintenance thread when it is dropped.
    pub(crate) maintenance: Option<SyncSender<()>>,
    pub(crate) ending: Arc<AtomicBool>,
    /// Whether the replica was the built-in sample when it was opened or filled.
    pub(crate) sample: AtomicBool,
    /// Whether the file that was opened had never held an office's cases, so that the sample may fill it.
    pub(crate) sample_allowed: bool,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) writer_thread: Option<JoinHandle<()>>,
}

/// The thread that follows the source; it stops when this is dropped.
pub(crate) enum Follower {
    Spool(#[expect(dead_code, reason = "held for its drop")] spool::follower::Follower),
    Postgres(#[expect(dead_code, reason = "held for its drop")] postgres::follower::Follower),
}

impl Replica {
    /// The answer, if it is in memory: no other thread is involved, and nothing waits.
    pub fn cached(&self, receipt: &Receipt, proof: &Proof) -> Option<Answer> {
        self.in_memory(self.keys.row(receipt.number.expose()), receipt, proof)
    }

    /// The answer, from memory or from the file, within `replica.look_up_timeout_ms`.
    pub async fn look_up(&self, receipt: &Receipt, proof: &Proof) -> Answer {
        let at = self.keys.row(receipt.number.expose());
        if let Some(answer) = self.in_memory(at, receipt, proof) {
            return answer;
        }
        count(&self.shared.metrics.cache_misses);
        let read = self.read(at.key).await;
        match read.filter(|_| !self.shared.is_withheld(at.key)) {
            Some((entry, as_of)) => self.judge(at, receipt, proof, &entry, as_of),
            None => {
                count(&self.shared.metrics.down);
                Answer::Unavailable
            }
        }
    }

    /// The time for which the upstream last confirmed the replica; `None` while there is no copy.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.shared.metrics.as_of()
    }

    /// The upstream's time, independent of changes to this node's clock. Ages are measured with it.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// The time since the upstream last confirmed the replica; `None` while there is no copy.
    pub fn age(&self) -> Option<Duration> {
        self.as_of().map(|as_of| inquiry::age(as_of, self.now()))
    }

    /// Whether a full snapshot is requested from the source, because the file is damaged or an operator wants one.
    pub fn rebuild_requested(&self) -> bool {
        self.shared.requests.rebuild_requested()
    }

    /// Raises the alarm for a case that cannot be answered, since the live flow has no word for what it holds; cleared when no such
    /// case was asked for within an hour.
    pub fn report_unknown_word(&self, variable: &str, word: &str) {
        let wordy = word.len() <= 24 && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        // What might be part of somebody's number stays out of logs and alarms.
        let word = if wordy || word.len() <= 3 { format!("\"{}\"", word.escape_debug()) } else { "a word".to_owned() };
        self.shared.unknown_word_at.store(clock::timestamp().as_second(), Ordering::Relaxed);
        self.shared.alarms.raise(
            UNKNOWN_WORD,
            format!("{variable} of a case is {word}, which the live flow does not know: a call about such a case ends as unavailable, and screens show its state alone; correct the word upstream, or add it to the flow and publish"),
        );
    }

    /// The alarms that are active.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.shared.alarms.all()
    }

    /// Whether it follows a source.
    pub fn is_following(&self) -> bool {
        self.follower.is_some()
    }

    /// Counters and gauges, shared with the threads that update them.
    pub fn metrics(&self) -> Arc<ReplicaMetrics> {
        self.shared.metrics.clone()
    }

    /// Whether no batch was ever applied, so that there is nothing to answer from.
    pub fn is_empty(&self) -> bool {
        self.as_of().is_none()
    }

    /// Whether the caller should fill the replica with the sample: it is empty and has held nothing but the sample.
    pub fn wants_sample(&self) -> bool {
        self.is_empty() && self.sample_allowed
    }

    /// Whether the replica was the built-in sample when it was opened or filled.
    pub fn is_sample(&self) -> bool {
        self.sample.load(Ordering::Relaxed)
    }

    /// Applies a batch file, and returns when its rows can be looked up. Blocks: not for an async task.
    pub fn apply_file(&self, path: &Path) -> Result<Applied, ApplyError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.apply(name, Batch::File(path.to_owned()))
    }

    /// Fills the replica with the cases of [`sample::cases`], confirmed by this node itself. Blocks: not for an async task.
    pub fn fill_sample(
        &self,
        cases: u64,
        seed: u64,
        today: Date,
        calendar: &WorkingDays,
    ) -> Result<Applied, ApplyError> {
        let writer = self.writer.as_ref().ok_or(ApplyError::Ending)?;
        let applied = rebuild_sample(writer, sample::cases(cases, seed, today, calendar))?;
        self.sample.store(true, Ordering::Relaxed);
        Ok(applied)
    }

    /// Keeps the recipe of the sample, so that a damaged copy of it can be rebuilt.
    pub fn set_sample<C>(&self, make: impl Fn() -> C + Send + 'static)
    where
        C: Iterator<Item = CaseRecord> + Send + 'static,
    {
        *locked(&self.shared.sample) = Some(Box::new(move || Box::new(make())));
    }

    pub(crate) fn apply(&self, name: String, batch: Batch) -> Result<Applied, ApplyError> {
        self.writer.as_ref().ok_or(ApplyError::Ending)?.apply(&name, batch)
    }

    fn in_memory(&self, at: RowKey, receipt: &Receipt, proof: &Proof) -> Option<Answer> {
        // The age first: the row may be newer than the age says, never older.
        let as_of = self.shared.metrics.as_of()?;
        let entry = self.shared.cache.get(at.key)?;
        if self.shared.is_withheld(at.key) {
            return None;
        }
        count(&self.shared.metrics.cache_hits);
        if entry.is_none() {
            count(&self.shared.metrics.cache_hits_absent);
        }
        Some(self.judge(at, receipt, proof, &entry, as_of))
    }

    /// Whether an entry may be disclosed. An absent row and a wrong factor cost the same work and give the same answer.
    fn judge(&self, at: RowKey, receipt: &Receipt, proof: &Proof, entry: &Entry, as_of: Timestamp) -> Answer {
        let metrics = &self.shared.metrics;
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

    async fn read(&self, key: i64) -> ReadResult {
        let _slot = self.wait_slot()?;
        let receiver = match self.shared.cache.join(key) {
            Joined::Waiting(receiver) => receiver,
            Joined::Started(receiver, read) => {
                if !self.shared.queue.push(key, read.clone()) {
                    count(&self.shared.metrics.queue_full);
                    self.shared.cache.complete(key, &read, 0, &None);
                }
                receiver
            }
        };
        match tokio::time::timeout(self.timeout, receiver).await {
            Ok(result) => result.ok().flatten(),
            Err(_) => {
                count(&self.shared.metrics.timeouts);
                None
            }
        }
    }

    /// A slot among the waiting look-ups; `None` when `replica.look_ups_waiting_max` wait already.
    fn wait_slot(&self) -> Option<WaitSlot<'_>> {
        let slot = WaitSlot(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.waiting_max {
            return Some(slot);
        }
        count(&self.shared.metrics.queue_full);
        None
    }
}

/// Frees its slot when it is dropped, however the wait ended.
struct WaitSlot<'a>(&'a AtomicUsize);

impl Drop for WaitSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Stops all threads. A batch that is being applied is rolled back, and is found again in the spool.
impl Drop for Replica {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        drop(self.listener.take());
        drop(self.maintenance.take());
        drop(self.follower.take());
        self.shared.queue.close();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
        // The writer last: as the last connection to close, it moves the log into the file.
        drop(self.writer.take());
        self.writer_thread.take().into_iter().for_each(|thread| drop(thread.join()));
        store::close_unlinked_indexes();
    }
}
