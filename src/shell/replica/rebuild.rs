//! A copy of everything, made beside the live one and swapped in whole.
//!
//! ```text
//!  changes ─► runs sorted by key ─► merged ─► replica.sqlite3.new, synced ─► renamed over replica.sqlite3
//!             (replica.rebuild/)              (rows, quarantine, mark)       by the writer, between two batches
//! ```
//!
//! The live copy answers all the while. A crash at any moment leaves it, or the new one whole: the rename is the one
//! step that counts. What an interrupted rebuild left is removed when the file is opened next.
//!
//! Rows are sorted first, so that the table is written from one end to the other: a B-tree that is filled in the order
//! of its keys costs a tenth of one that is filled at random, and its pages are full.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use base::Private;
use replica::{BadRow, CaseRecord, Change, Mark, Row};

use super::apply::{Applied, ApplyError};
use super::cache::locked;
use super::feeding::Feeding;
use super::sorting::{Kind, Sorted, Sorting};
use super::writer::Task;
use super::{quarantine, schema, store};

/// A copy being made. Dropped before it is finished, it leaves nothing.
pub(super) struct Rebuild {
    feeding: Feeding,
    sorting: Sorting,
    bad: Vec<(String, BadRow)>,
    lost: u64,
    places: u64,
}

impl Rebuild {
    pub(super) fn begin(feeding: Feeding) -> Result<Rebuild, ApplyError> {
        // Two at once would make one file.
        if feeding.reading.rebuilding.swap(true, Ordering::AcqRel) {
            return Err(ApplyError::Busy);
        }
        let begun = clear(&feeding.folder).and_then(|()| Sorting::begin(runs(&feeding.folder)));
        let sorting = begun.inspect_err(|_| feeding.reading.rebuilding.store(false, Ordering::Release))?;
        Ok(Rebuild { feeding, sorting, bad: Vec::new(), lost: 0, places: 0 })
    }

    /// Adds a change. Of two rows of one case the later one counts; of two [`Change::Put`] the one with the higher
    /// version.
    pub(crate) fn add(&mut self, source: &str, change: Change) -> Result<(), ApplyError> {
        self.places += 1;
        if self.places.is_multiple_of(1024) && self.feeding.ending() {
            return Err(ApplyError::Ending);
        }
        match change {
            Change::Put(case) => self.row(source, &case, Kind::Put),
            Change::Replace(case) => self.row(source, &case, Kind::Replace),
            Change::Delete { receipt } => {
                let key = self.feeding.keys.row(receipt.expose()).key;
                Ok(self.sorting.add(key, Kind::Delete, 0, &[])?)
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

    /// Ends the copy and swaps it in. Far fewer cases than the live copy has are held for a person; what was added is
    /// then gone, and is to be brought again once it is decided.
    pub(crate) fn finish(mut self, mark: Mark) -> Result<Applied, ApplyError> {
        let path = beside(&self.feeding.folder);
        let built = self.build(&path, &mark).and_then(|(rows, applied)| {
            let sizes = fs::metadata(&path)?.len();
            tracing::info!(rows, bytes = sizes, "a copy of everything was made: it is swapped in");
            self.swap(&path, rows, mark)?;
            Ok(applied)
        });
        if built.is_err() {
            let _ = clear(&self.feeding.folder);
        }
        built
    }

    /// A reader that is in the middle of a read keeps the old file's log from being emptied, for a moment.
    fn swap(&self, path: &Path, rows: u64, mark: Mark) -> Result<(), ApplyError> {
        loop {
            let swap = |done| Task::Swap { built: path.to_owned(), rows, mark: mark.clone(), done };
            match self.feeding.told(swap) {
                Err(ApplyError::Crowded) if !self.feeding.ending() => std::thread::sleep(SWAP_AGAIN),
                swapped => return swapped,
            }
        }
    }

    fn build(&mut self, path: &Path, mark: &Mark) -> Result<(u64, Applied), ApplyError> {
        let mut connection = Connection::open(path)?;
        connection.execute_batch(BUILD_PRAGMAS)?;
        schema::prepare(&mut connection, &self.feeding.keys)?;
        let transaction = connection.unchecked_transaction()?;
        let rows = self.rows(&transaction)?;
        for (source, bad) in &self.bad {
            quarantine::put(&transaction, &self.feeding.keys, source, Timestamp::now(), bad)?;
        }
        quarantine::lose(&transaction, self.lost)?;
        store::put_state(&transaction, rows, mark)?;
        let clock = locked(&self.feeding.reading.clock).kept();
        store::put_clock(&transaction, &clock)?;
        transaction.commit()?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL;")?;
        connection.close().map_err(|(_, error)| error)?;
        File::open(path)?.sync_all()?;
        let quarantined = self.bad.len() as u64 + self.lost;
        Ok((rows, Applied { new: rows, quarantined, ..Applied::default() }))
    }

    fn rows(&mut self, connection: &Connection) -> Result<u64, ApplyError> {
        let mut insert = connection.prepare("INSERT INTO cases (key, version, row) VALUES (?1, ?2, ?3)")?;
        let (mut rows, mut clashes) = (0, Vec::new());
        let mut sorted: Sorted = self.sorting.merge()?;
        while let Some(found) = sorted.next()? {
            if rows % 1024 == 0 && self.feeding.ending() {
                return Err(ApplyError::Ending);
            }
            if found.clash {
                clashes.push(found.key);
            }
            insert.execute(params![found.key, found.version, found.row])?;
            rows += 1;
        }
        for key in clashes.into_iter().take(CLASHES_MAX) {
            let why = "another receipt has the same key: report it, and ask by hand".into();
            self.bad.push(("rebuild".into(), BadRow { id: format!("key:{key:x}"), why, receipt: None, line: None }));
        }
        Ok(rows)
    }

    fn row(&mut self, source: &str, case: &CaseRecord, kind: Kind) -> Result<(), ApplyError> {
        match case.to_row(&self.feeding.keys) {
            Ok(row) => self.sound(&row, kind),
            Err(error) => {
                self.bad(
                    source,
                    BadRow {
                        id: format!("copy:{}", self.places),
                        why: error.to_string(),
                        receipt: Some(Private::new(case.receipt.clone())),
                        line: Some(Private::new(case.to_line())),
                    },
                );
                Ok(())
            }
        }
    }

    fn sound(&mut self, row: &Row, kind: Kind) -> Result<(), ApplyError> {
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
        let _ = fs::remove_dir_all(runs(&self.feeding.folder));
        self.feeding.reading.rebuilding.store(false, Ordering::Release);
    }
}

/// Removes what an interrupted rebuild left.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let new = beside(folder);
    for end in ["", "-wal", "-shm", "-journal"] {
        gone(fs::remove_file(store::beside(&new, end)))?;
    }
    gone(fs::remove_dir_all(runs(folder)))
}

/// Where the new file is made.
fn beside(folder: &Path) -> PathBuf {
    folder.join("replica.sqlite3.new")
}

fn runs(folder: &Path) -> PathBuf {
    folder.join("replica.rebuild")
}

/// Nobody reads the file while it is made, and a crash throws it away: no journal, one sync at its end.
const BUILD_PRAGMAS: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";
const SWAP_AGAIN: Duration = Duration::from_millis(200);
const CLASHES_MAX: usize = 100;
