//! Applies the changes of one batch, in transactions of bounded size.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use base::Private;
use inquiry::{Formats, Keys};
use replica::{BadRow, CaseRecord, Change, Mark, SPOOL, StoredClock};

use crate::file::held::{self, Decision, Held, HeldReason};
use crate::file::rows::{RowWriter, Written};
use crate::file::state::{self, Part, State};
use crate::file::{quarantine, store};
use crate::write::batch::{Applied, ApplyError, is_of_no_format};

/// What a batch needs from the writer.
pub(crate) struct ApplyContext<'a> {
    pub connection: &'a Connection,
    pub keys: &'a Keys,
    pub formats: Option<&'a Formats>,
    /// The file's write-ahead log.
    pub wal: PathBuf,
    pub now: Timestamp,
    pub ending: &'a AtomicBool,
    /// Keys of the cases in quarantine.
    pub withheld: &'a HashSet<i64>,
    /// Called with a mark before it is stored: limits an impossible time, and gives the upstream's clock.
    pub observe_clock: &'a dyn Fn(&mut Mark) -> StoredClock,
    /// Called after each commit, so that no old row stays in the cache.
    pub committed: &'a dyn Fn(Committed),
}

/// What a commit changed.
pub(crate) struct Committed {
    /// The keys to drop from the cache; `None` when there are too many: drop all.
    pub touched: Option<Vec<i64>>,
    pub rows: u64,
    /// Whether the quarantine changed.
    pub quarantine: bool,
}

/// The result of a committed batch.
pub(crate) struct Outcome {
    pub applied: Applied,
    pub mark: Mark,
}

/// A batch being applied.
pub(crate) struct BatchRun<'a> {
    context: &'a ApplyContext<'a>,
    puts: RowWriter<'a>,
    transaction: Option<Transaction<'a>>,
    before: State,
    part: Part,
    /// Changes that an earlier attempt committed.
    skip: u64,
    /// Changes in this transaction.
    pending: u64,
    rows: u64,
    /// Free places in the quarantine; further bad rows are only counted.
    room: u64,
    quarantine: bool,
    decision: Option<Decision>,
    /// Cases that this transaction keeps although the source deletes them.
    kept: u64,
    touched: Touched,
    pub applied: Applied,
    pub first_error: Option<String>,
}

impl<'a> BatchRun<'a> {
    pub(crate) fn begin(
        context: &'a ApplyContext<'a>,
        source: Option<String>,
        sequence: Option<u64>,
    ) -> Result<BatchRun<'a>, ApplyError> {
        let transaction = transaction(context)?;
        let before = state::read(&transaction)?;
        Ok(BatchRun {
            puts: RowWriter::new(context.connection)?,
            transaction: Some(transaction),
            part: Part { source: source.unwrap_or_else(|| SPOOL.into()), sequence, done: 0 },
            skip: 0,
            pending: 0,
            rows: before.rows,
            room: quarantine::ROWS_MAX.saturating_sub(before.quarantined),
            quarantine: false,
            decision: None,
            kept: 0,
            touched: Touched::default(),
            applied: Applied::default(),
            first_error: None,
            before,
            context,
        })
    }

    /// The mark before this batch.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.before.mark.as_ref()
    }

    /// Continues where an earlier attempt at the same batch stopped.
    pub(crate) fn resume(&mut self) {
        let same = |part: &&Part| part.source == self.part.source && part.sequence == self.part.sequence;
        if self.part.sequence.is_some() {
            self.skip = self.before.part.as_ref().filter(same).map_or(0, |part| part.done);
        }
    }

    /// Holds a batch with unusually many deletes, unless an operator has decided on it.
    pub(crate) fn expect_deletes(&mut self, mark: &Mark, deletes: u64) -> Result<(), ApplyError> {
        self.decision = held::decision(self.context.connection, mark)?;
        if held::is_mass(deletes, self.before.rows) { self.hold(mark, HeldReason::Deletes, deletes) } else { Ok(()) }
    }

    /// Applies the next change of the batch, beginning with its first.
    pub(crate) fn next(&mut self, id: &str, mark: &Mark, change: Change) -> Result<(), ApplyError> {
        if self.part.done < self.skip {
            self.part.done += 1;
            return Ok(());
        }
        if change == Change::Truncate {
            self.hold(mark, HeldReason::Truncate, self.rows)?;
        }
        self.change(id, change)
    }

    /// Applies one change, and commits when there are enough.
    pub(crate) fn change(&mut self, id: &str, change: Change) -> Result<(), ApplyError> {
        let dropped = self.decision == Some(Decision::Drop);
        match change {
            Change::Put(case) => self.put(id, &case, false)?,
            Change::Replace(case) => self.put(id, &case, true)?,
            Change::Delete { .. } if dropped => self.kept += 1,
            Change::Truncate if dropped => self.kept += self.rows,
            Change::Delete { receipt } => self.delete(&receipt)?,
            Change::Truncate => self.truncate()?,
            Change::Bad(bad) => self.bad(&bad)?,
            Change::Gone { id } => self.gone(&id)?,
        }
        self.part.done += 1;
        self.pending += 1;
        if self.pending.is_multiple_of(ENDING_EVERY) && self.context.ending.load(Ordering::Relaxed) {
            return Err(ApplyError::Ending);
        }
        // A batch without a usable row is rejected as a whole, so nothing is committed before there is one.
        if self.pending >= CHUNK && self.first_is_good() { self.commit_part() } else { Ok(()) }
    }

    /// Retries a quarantined row.
    pub(crate) fn retry(&mut self, id: &str, change: Change) -> Result<(), ApplyError> {
        if !matches!(change, Change::Bad(_)) {
            quarantine::remove(self.context.connection, Some(id))?;
            self.quarantine = true;
        }
        self.change(id, change)
    }

    /// Commits the rest, with the mark.
    pub(crate) fn end(mut self, mut mark: Mark) -> Result<Outcome, ApplyError> {
        let connection = self.context.connection;
        let clock = (self.context.observe_clock)(&mut mark);
        state::put_state(connection, self.rows, &mark)?;
        state::put_clock(connection, &clock)?;
        if held::decision(connection, &mark)?.is_some() {
            held::clear(connection)?;
        }
        self.commit()?;
        Ok(Outcome { applied: self.applied, mark })
    }

    fn put(&mut self, id: &str, case: &CaseRecord, replace: bool) -> Result<(), ApplyError> {
        let bad = |why: String| BadRow {
            id: id.to_owned(),
            why,
            receipt: Some(Private::new(case.receipt.clone())),
            line: Some(Private::new(case.to_line())),
        };
        let row = match case.to_row(self.context.keys) {
            Ok(row) => row,
            Err(error) => return self.bad(&bad(error.to_string())),
        };
        let put = if replace { self.puts.replace(&row)? } else { self.puts.put(&row)? };
        match put {
            Written::New => {
                self.applied.new += 1;
                self.rows += 1;
            }
            Written::Changed => self.applied.changed += 1,
            Written::Unchanged => {
                self.applied.unchanged += 1;
                // The upstream confirms the stored row, so the case leaves the quarantine.
                return if replace { self.leave_quarantine(row.at.key) } else { Ok(()) };
            }
            Written::Collision => {
                return self
                    .bad(&bad("another receipt has the same key; report it, and look the case up by hand".into()));
            }
        }
        if is_of_no_format(self.context.formats, case) {
            self.applied.of_no_format += 1;
        }
        self.touched.add(row.at.key);
        self.leave_quarantine(row.at.key)
    }

    fn delete(&mut self, receipt: &Private<String>) -> Result<(), ApplyError> {
        let at = self.context.keys.row(receipt.expose());
        if self.puts.delete(at)? {
            self.applied.deleted += 1;
            self.rows = self.rows.saturating_sub(1);
            self.touched.add(at.key);
        } else {
            self.applied.unchanged += 1;
        }
        self.leave_quarantine(at.key)
    }

    fn truncate(&mut self) -> Result<(), ApplyError> {
        let connection = self.context.connection;
        self.applied.deleted += connection.execute("DELETE FROM cases", [])? as u64;
        quarantine::remove(connection, None)?;
        self.rows = 0;
        self.quarantine = true;
        self.touched = Touched { keys: HashSet::new(), many: true };
        Ok(())
    }

    fn bad(&mut self, bad: &BadRow) -> Result<(), ApplyError> {
        self.applied.quarantined += 1;
        self.first_error.get_or_insert_with(|| format!("{}: {}", bad.id, bad.why));
        let ApplyContext { connection, keys, now, .. } = self.context;
        self.quarantine = true;
        if self.applied.quarantined <= self.room {
            quarantine::put(connection, keys, &self.part.source, *now, bad)?;
        } else {
            quarantine::lose(connection, 1)?;
        }
        Ok(())
    }

    /// The upstream has deleted the row that was quarantined under this id.
    fn gone(&mut self, id: &str) -> Result<(), ApplyError> {
        self.quarantine |= quarantine::remove(self.context.connection, Some(id))? > 0;
        self.applied.unchanged += 1;
        Ok(())
    }

    /// The upstream sent a usable row of this case: its quarantined rows are removed.
    fn leave_quarantine(&mut self, key: i64) -> Result<(), ApplyError> {
        if (self.quarantine || self.context.withheld.contains(&key))
            && quarantine::remove_case(self.context.connection, key)? > 0
        {
            self.quarantine = true;
        }
        Ok(())
    }

    fn first_is_good(&self) -> bool {
        let Applied { new, changed, unchanged, deleted, .. } = self.applied;
        new + changed + unchanged + deleted > 0
    }

    /// Holds the batch for an operator, unless there is a decision.
    fn hold(&mut self, mark: &Mark, what: HeldReason, deletes: u64) -> Result<(), ApplyError> {
        if self.decision.is_some() {
            return Ok(());
        }
        drop(self.transaction.take());
        let (rows, since) = (self.before.rows, self.context.now);
        let held =
            Held { source: mark.source.clone(), sequence: mark.sequence, what, deletes, rows, since, decision: None };
        held::hold(self.context.connection, &held)?;
        Err(ApplyError::Held { what, deletes, rows })
    }

    fn commit_part(&mut self) -> Result<(), ApplyError> {
        state::put_part(self.context.connection, self.rows, &self.part)?;
        self.commit()?;
        self.transaction = Some(transaction(self.context)?);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ApplyError> {
        let Some(transaction) = self.transaction.take() else { return Err(ApplyError::Fault) };
        if self.kept > 0 {
            state::add_kept_deletes(&transaction, std::mem::take(&mut self.kept))?;
        }
        transaction.commit()?;
        self.pending = 0;
        let touched = std::mem::take(&mut self.touched).keys();
        let quarantine = std::mem::take(&mut self.quarantine);
        (self.context.committed)(Committed { touched, rows: self.rows, quarantine });
        Ok(())
    }
}

/// Begins a transaction, once the write-ahead log has room for it.
fn transaction<'a>(context: &ApplyContext<'a>) -> Result<Transaction<'a>, ApplyError> {
    let size = || fs::metadata(&context.wal).map_or(0, |wal| wal.len());
    if size() > WAL_SOFT_BYTES {
        // A running read prevents the truncation; it is waited for only when the log is full.
        let full = size() > WAL_HARD_BYTES;
        let patience = if full { WAL_HARD_PATIENCE } else { WAL_SOFT_PATIENCE };
        store::truncate_wal(context.connection, patience)?;
        if size() > WAL_HARD_BYTES {
            return Err(ApplyError::Crowded);
        }
    }
    Ok(Transaction::new_unchecked(context.connection, TransactionBehavior::Immediate)?)
}

/// The keys that a transaction changed, up to a limit.
#[derive(Default)]
struct Touched {
    keys: HashSet<i64>,
    many: bool,
}

impl Touched {
    fn add(&mut self, key: i64) {
        if self.many {
            return;
        }
        self.keys.insert(key);
        if self.keys.len() > TOUCHED_MAX {
            *self = Touched { keys: HashSet::new(), many: true };
        }
    }

    fn keys(self) -> Option<Vec<i64>> {
        (!self.many).then(|| self.keys.into_iter().collect())
    }
}

/// Beyond this number of changed keys the whole cache is dropped.
const TOUCHED_MAX: usize = 100_000;
/// Changes in one transaction: each dirties one to three pages of 4 KiB, and the log must hold them.
const CHUNK: u64 = 10_000;
const ENDING_EVERY: u64 = 1024;
/// Beyond this the log is truncated before the next transaction.
const WAL_SOFT_BYTES: u64 = 64 << 20;
/// Beyond this no transaction begins until the log can be truncated: with the pages of the largest transaction it stays
/// below 256 MiB.
const WAL_HARD_BYTES: u64 = 120 << 20;
const WAL_SOFT_PATIENCE: Duration = Duration::from_millis(5);
const WAL_HARD_PATIENCE: Duration = Duration::from_secs(1);
