//! A rebuild: a full copy made beside the live file and swapped in as a whole.
//!
//! ```text
//!  changes ─► runs sorted by key ─► merged ─► replica.sqlite3.new, synced ─► renamed over replica.sqlite3
//!             (replica.rebuild/)              (rows, quarantine, mark)       by the writer, between two batches
//! ```
//!
//! The live file answers meanwhile. A crash at any moment leaves either the live file or the new one intact, since a rename
//! completes the swap. Leftovers of an interrupted rebuild are removed when the file is opened next.
//!
//! Rows are sorted first: filling a B-tree in key order costs a tenth of filling it in random order, and its pages are
//! full.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use base::Private;
use replica::{BadRow, CaseRecord, Change, Mark, Row, SAMPLE};

use crate::file::{quarantine, schema, state, store};
use crate::locks::locked;
use crate::metrics::add;
use crate::sample::sample_mark;
use crate::write::batch::{Applied, ApplyError, is_of_no_format};
use crate::write::external_sort::{ExternalSort, MergedRows, RecordKind};
use crate::write::handle::WriterHandle;
use crate::write::writer::Task;

/// A running rebuild. Dropped before it is finished, it leaves nothing behind.
pub(crate) struct Rebuild {
    writer: WriterHandle,
    sorting: ExternalSort,
    bad: Vec<(String, BadRow)>,
    lost: u64,
    of_no_format: u64,
    changes: u64,
}

impl Rebuild {
    pub(crate) fn begin(writer: &WriterHandle) -> Result<Rebuild, ApplyError> {
        // Two rebuilds would write the same file.
        if writer.shared.rebuilding.swap(true, Ordering::AcqRel) {
            return Err(ApplyError::Busy);
        }
        let begun = remove_leftovers(&writer.folder).and_then(|()| ExternalSort::begin(runs(&writer.folder)));
        let sorting = begun.inspect_err(|_| writer.shared.rebuilding.store(false, Ordering::Release))?;
        Ok(Rebuild { writer: writer.clone(), sorting, bad: Vec::new(), lost: 0, of_no_format: 0, changes: 0 })
    }

    /// Adds a change. Of two rows of one case the later one counts; of two [`Change::Put`] the one with the higher
    /// version.
    pub(crate) fn add(&mut self, source: &str, change: Change) -> Result<(), ApplyError> {
        self.changes += 1;
        if self.changes.is_multiple_of(1024) && self.writer.ending() {
            return Err(ApplyError::Ending);
        }
        match change {
            Change::Put(case) => self.row(source, &case, RecordKind::Put),
            Change::Replace(case) => self.row(source, &case, RecordKind::Replace),
            Change::Delete { receipt } => {
                let key = self.writer.keys.row(receipt.expose()).key;
                Ok(self.sorting.add(key, RecordKind::Delete, 0, &[])?)
            }
            Change::Truncate => Ok(self.sorting.restart()?),
            Change::Bad(bad) => {
                self.bad(source, bad);
                Ok(())
            }
            Change::Gone { id } => {
                self.bad.retain(|(_, bad)| bad.id != id);
                Ok(())
            }
        }
    }

    /// Builds the file and swaps it in. A copy with far fewer cases than the live one is held for an operator; it is then
    /// discarded, and the source rebuilds it once it is decided.
    pub(crate) fn finish(mut self, mark: Mark) -> Result<Applied, ApplyError> {
        let path = new_path(&self.writer.folder);
        let built = self.build(&path, &mark).and_then(|(rows, applied)| {
            let bytes = fs::metadata(&path)?.len();
            tracing::info!(rows, bytes, "replica_rebuilt");
            self.swap(&path, rows, mark)?;
            add(&self.writer.shared.metrics.rows_of_no_format, applied.of_no_format);
            Ok(applied)
        });
        if built.is_err() {
            let _ = remove_leftovers(&self.writer.folder);
        }
        built
    }

    /// Retries while a running read prevents the truncation of the old file's log.
    fn swap(&self, path: &Path, rows: u64, mark: Mark) -> Result<(), ApplyError> {
        loop {
            let swap = |done| Task::Swap { built: path.to_owned(), rows, mark: mark.clone(), done };
            match self.writer.call(swap) {
                Err(ApplyError::Crowded) if !self.writer.ending() => std::thread::sleep(SWAP_RETRY),
                swapped => return swapped,
            }
        }
    }

    fn build(&mut self, path: &Path, mark: &Mark) -> Result<(u64, Applied), ApplyError> {
        let mut connection = Connection::open(path)?;
        connection.execute_batch(BUILD_PRAGMAS)?;
        schema::prepare(&mut connection, &self.writer.keys)?;
        let transaction = connection.unchecked_transaction()?;
        let rows = self.rows(&transaction)?;
        for (source, bad) in &self.bad {
            quarantine::put(&transaction, &self.writer.keys, source, Timestamp::now(), bad)?;
        }
        quarantine::lose(&transaction, self.lost)?;
        state::put_state(&transaction, rows, mark)?;
        let clock = locked(&self.writer.shared.clock).kept();
        state::put_clock(&transaction, &clock)?;
        transaction.commit()?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL;")?;
        connection.close().map_err(|(_, error)| error)?;
        File::open(path)?.sync_all()?;
        let quarantined = self.bad.len() as u64 + self.lost;
        Ok((rows, Applied { new: rows, quarantined, of_no_format: self.of_no_format, ..Applied::default() }))
    }

    fn rows(&mut self, connection: &Connection) -> Result<u64, ApplyError> {
        let mut insert = connection.prepare("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?;
        let (mut rows, mut collisions) = (0, Vec::new());
        let mut sorted: MergedRows = self.sorting.merge()?;
        while let Some(found) = sorted.next()? {
            if rows % 1024 == 0 && self.writer.ending() {
                return Err(ApplyError::Ending);
            }
            if found.collision {
                collisions.push(found.key);
            }
            insert.execute(params![found.key, found.version, found.row])?;
            rows += 1;
        }
        for key in collisions.into_iter().take(COLLISIONS_MAX) {
            let why = "another receipt has the same key; report it, and look the case up by hand".into();
            self.bad.push(("rebuild".into(), BadRow { id: format!("key:{key:x}"), why, receipt: None, line: None }));
        }
        Ok(rows)
    }

    fn row(&mut self, source: &str, case: &CaseRecord, kind: RecordKind) -> Result<(), ApplyError> {
        match case.to_row(&self.writer.keys) {
            Ok(row) => {
                if is_of_no_format(self.writer.shared.formats.as_ref(), case) {
                    self.of_no_format += 1;
                }
                self.sound(&row, kind)
            }
            Err(error) => {
                self.bad(
                    source,
                    BadRow {
                        id: format!("copy:{}", self.changes),
                        why: error.to_string(),
                        receipt: Some(Private::new(case.receipt.clone())),
                        line: Some(Private::new(case.to_line())),
                    },
                );
                Ok(())
            }
        }
    }

    fn sound(&mut self, row: &Row, kind: RecordKind) -> Result<(), ApplyError> {
        Ok(self.sorting.add(row.at.key, kind, row.case.version, &row.encode())?)
    }

    fn bad(&mut self, source: &str, bad: BadRow) {
        if (self.bad.len() as u64) < quarantine::ROWS_MAX {
            self.bad.push((source.to_owned(), bad));
        } else {
            self.lost += 1;
        }
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(runs(&self.writer.folder));
        self.writer.shared.rebuilding.store(false, Ordering::Release);
    }
}

/// Rebuilds the replica from the sample, which this node confirms itself. A copy of another source is not replaced.
pub(crate) fn rebuild_sample(
    writer: &WriterHandle,
    cases: impl Iterator<Item = CaseRecord>,
) -> Result<Applied, ApplyError> {
    let mut rebuild = Rebuild::begin(writer)?;
    for case in cases {
        rebuild.add(SAMPLE, Change::Put(case))?;
    }
    rebuild.finish(sample_mark(writer.now()))
}

/// Removes the leftovers of an interrupted rebuild.
pub(crate) fn remove_leftovers(folder: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let new = new_path(folder);
    for suffix in ["", "-wal", "-shm", "-journal"] {
        gone(fs::remove_file(store::with_suffix(&new, suffix)))?;
    }
    gone(fs::remove_dir_all(runs(folder)))
}

/// The path of the new file.
fn new_path(folder: &Path) -> PathBuf {
    folder.join("replica.sqlite3.new")
}

fn runs(folder: &Path) -> PathBuf {
    folder.join("replica.rebuild")
}

/// The new file has no reader, and a crash discards it: no journal, one sync at the end.
const BUILD_PRAGMAS: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";
const SWAP_RETRY: Duration = Duration::from_millis(200);
const COLLISIONS_MAX: usize = 100;
