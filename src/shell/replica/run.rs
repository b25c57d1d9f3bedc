//! One batch on its way into the file, a bounded transaction at a time.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use base::Private;
use inquiry::Keys;
use replica::{BadRow, CaseRecord, Change, Mark, SPOOL, StoredClock};

use super::apply::{Applied, ApplyError};
use super::held::{self, Decision, Held, HeldWhat};
use super::quarantine;
use super::store::{self, Part, Put, Puts, State};

/// What a batch needs of the writer.
pub(super) struct Surroundings<'a> {
    pub connection: &'a Connection,
    pub keys: &'a Keys,
    /// The file's write-ahead log.
    pub wal: PathBuf,
    pub now: Timestamp,
    pub ending: &'a AtomicBool,
    /// Cases of which nothing is said at the moment.
    pub unsure: &'a HashSet<i64>,
    /// Told of a mark before it is kept: cuts a time that cannot be, and gives the upstream's clock.
    pub told: &'a dyn Fn(&mut Mark) -> StoredClock,
    /// Told after each commit, so that no old row stays in memory.
    pub committed: &'a dyn Fn(Committed),
}

/// What a commit changed.
pub(super) struct Committed {
    /// The keys to be dropped from memory; `None`: too many to name, drop all.
    pub touched: Option<Vec<i64>>,
    pub rows: u64,
    /// Whether the quarantine is another one.
    pub quarantine: bool,
}

/// What a batch did, once it is committed.
pub(super) struct Outcome {
    pub applied: Applied,
    pub mark: Mark,
}

/// A batch being applied.
pub(super) struct Run<'a> {
    surroundings: &'a Surroundings<'a>,
    puts: Puts<'a>,
    transaction: Option<Transaction<'a>>,
    before: State,
    part: Part,
    /// Changes that an earlier try brought in.
    skip: u64,
    /// Changes in this transaction.
    pending: u64,
    rows: u64,
    /// How many more rows the quarantine holds; further ones are counted only.
    room: u64,
    quarantine: bool,
    decision: Option<Decision>,
    /// Cases that this transaction keeps though the source takes them away.
    kept: u64,
    touched: Touched,
    pub applied: Applied,
    pub first_error: Option<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn begin(
        surroundings: &'a Surroundings<'a>,
        source: Option<String>,
        sequence: Option<u64>,
    ) -> Result<Run<'a>, ApplyError> {
        let transaction = transaction(surroundings)?;
        let before = store::state(&transaction)?;
        Ok(Run {
            puts: Puts::new(surroundings.connection)?,
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
            surroundings,
        })
    }

    /// The mark before this batch.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.before.mark.as_ref()
    }

    /// Goes on where an earlier try of the same batch ended.
    pub(crate) fn resume(&mut self) {
        let same = |part: &&Part| part.source == self.part.source && part.sequence == self.part.sequence;
        if self.part.sequence.is_some() {
            self.skip = self.before.part.as_ref().filter(same).map_or(0, |part| part.done);
        }
    }

    /// Holds a batch that takes so many cases away, unless a person said what to do.
    pub(crate) fn expect_deletes(&mut self, mark: &Mark, deletes: u64) -> Result<(), ApplyError> {
        self.decision = held::decision(self.surroundings.connection, mark)?;
        if held::is_mass(deletes, self.before.rows) { self.ask(mark, HeldWhat::Deletes, deletes) } else { Ok(()) }
    }

    /// The next of a batch's changes, from its first on.
    pub(crate) fn next(&mut self, id: &str, mark: &Mark, change: Change) -> Result<(), ApplyError> {
        if self.part.done < self.skip {
            self.part.done += 1;
            return Ok(());
        }
        if change == Change::Truncate {
            self.ask(mark, HeldWhat::Truncate, self.rows)?;
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
        if self.pending.is_multiple_of(ENDING_EVERY) && self.surroundings.ending.load(Ordering::Relaxed) {
            return Err(ApplyError::Ending);
        }
        // A batch without one good row is refused whole, so nothing of it is committed before there is one.
        if self.pending >= CHUNK && self.first_is_good() { self.commit_part() } else { Ok(()) }
    }

    /// Tries a row of the quarantine again.
    pub(crate) fn again(&mut self, id: &str, change: Change) -> Result<(), ApplyError> {
        if !matches!(change, Change::Bad(_)) {
            quarantine::remove(self.surroundings.connection, Some(id))?;
            self.quarantine = true;
        }
        self.change(id, change)
    }

    /// Commits what is left, with the mark.
    pub(crate) fn end(mut self, mut mark: Mark) -> Result<Outcome, ApplyError> {
        let connection = self.surroundings.connection;
        let clock = (self.surroundings.told)(&mut mark);
        store::put_state(connection, self.rows, &mark)?;
        store::put_clock(connection, &clock)?;
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
        let row = match case.to_row(self.surroundings.keys) {
            Ok(row) => row,
            Err(error) => return self.bad(&bad(error.to_string())),
        };
        let put = if replace { self.puts.replace(&row)? } else { self.puts.put(&row)? };
        match put {
            Put::New => {
                self.applied.new += 1;
                self.rows += 1;
            }
            Put::Changed => self.applied.changed += 1,
            Put::Unchanged => {
                self.applied.unchanged += 1;
                // Replaced by what it is already: the upstream's last word, and so the case is sure again.
                return if replace { self.leave(row.at.key) } else { Ok(()) };
            }
            Put::Collision => {
                return self.bad(&bad("another receipt has the same key: report it, and ask by hand".into()));
            }
        }
        self.touched.add(row.at.key);
        self.leave(row.at.key)
    }

    fn delete(&mut self, receipt: &Private<String>) -> Result<(), ApplyError> {
        let at = self.surroundings.keys.row(receipt.expose());
        if self.puts.delete(at)? {
            self.applied.deleted += 1;
            self.rows = self.rows.saturating_sub(1);
            self.touched.add(at.key);
        } else {
            self.applied.unchanged += 1;
        }
        self.leave(at.key)
    }

    fn truncate(&mut self) -> Result<(), ApplyError> {
        let connection = self.surroundings.connection;
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
        let Surroundings { connection, keys, now, .. } = self.surroundings;
        self.quarantine = true;
        if self.applied.quarantined <= self.room {
            quarantine::put(connection, keys, &self.part.source, *now, bad)?;
        } else {
            quarantine::lose(connection, 1)?;
        }
        Ok(())
    }

    /// The upstream has no row any more that was kept under this id.
    fn gone(&mut self, id: &str) -> Result<(), ApplyError> {
        self.quarantine |= quarantine::remove(self.surroundings.connection, Some(id))? > 0;
        self.applied.unchanged += 1;
        Ok(())
    }

    /// The upstream brought this case anew: what was kept of it is over.
    fn leave(&mut self, key: i64) -> Result<(), ApplyError> {
        if (self.quarantine || self.surroundings.unsure.contains(&key))
            && quarantine::leave(self.surroundings.connection, key)? > 0
        {
            self.quarantine = true;
        }
        Ok(())
    }

    fn first_is_good(&self) -> bool {
        let Applied { new, changed, unchanged, deleted, quarantined: _ } = self.applied;
        new + changed + unchanged + deleted > 0
    }

    /// Asks a person, if nobody has been asked and answered.
    fn ask(&mut self, mark: &Mark, what: HeldWhat, deletes: u64) -> Result<(), ApplyError> {
        if self.decision.is_some() {
            return Ok(());
        }
        drop(self.transaction.take());
        let (rows, since) = (self.before.rows, self.surroundings.now);
        let held =
            Held { source: mark.source.clone(), sequence: mark.sequence, what, deletes, rows, since, decision: None };
        held::hold(self.surroundings.connection, &held)?;
        Err(ApplyError::Held { what, deletes, rows })
    }

    fn commit_part(&mut self) -> Result<(), ApplyError> {
        store::put_part(self.surroundings.connection, self.rows, &self.part)?;
        self.commit()?;
        self.transaction = Some(transaction(self.surroundings)?);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ApplyError> {
        let Some(transaction) = self.transaction.take() else { return Err(ApplyError::Fault) };
        if self.kept > 0 {
            store::keep(&transaction, std::mem::take(&mut self.kept))?;
        }
        transaction.commit()?;
        self.pending = 0;
        let touched = std::mem::take(&mut self.touched).keys();
        let quarantine = std::mem::take(&mut self.quarantine);
        (self.surroundings.committed)(Committed { touched, rows: self.rows, quarantine });
        Ok(())
    }
}

/// A transaction, once the write-ahead log has room for it.
fn transaction<'a>(surroundings: &Surroundings<'a>) -> Result<Transaction<'a>, ApplyError> {
    let size = || fs::metadata(&surroundings.wal).map_or(0, |wal| wal.len());
    if size() > WAL_EASY_BYTES {
        // A reader in the middle of a read keeps the log: while there is room, it is not waited for.
        let full = size() > WAL_FULL_BYTES;
        let patience = if full { WAL_FULL_PATIENCE } else { WAL_EASY_PATIENCE };
        store::empty_log(surroundings.connection, patience)?;
        if size() > WAL_FULL_BYTES {
            return Err(ApplyError::Crowded);
        }
    }
    Ok(Transaction::new_unchecked(surroundings.connection, TransactionBehavior::Immediate)?)
}

/// The keys that a transaction touched, as long as they are few enough to be named.
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

/// Past so many changed keys the whole cache is dropped.
const TOUCHED_MAX: usize = 100_000;
/// Changes in one transaction: each dirties one to three pages of 4 KiB, and the log must hold them.
const CHUNK: u64 = 10_000;
const ENDING_EVERY: u64 = 1024;
/// Past this the log is emptied before the next transaction.
const WAL_EASY_BYTES: u64 = 64 << 20;
/// Past this, with a reader that keeps it from being emptied, no transaction begins: with the largest one's pages it
/// stays below 256 MiB.
const WAL_FULL_BYTES: u64 = 120 << 20;
const WAL_EASY_PATIENCE: Duration = Duration::from_millis(5);
const WAL_FULL_PATIENCE: Duration = Duration::from_secs(1);
