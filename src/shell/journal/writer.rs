//! The thread that writes the journal's file: a batch is one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::entry::Entry;
use crate::error::JournalError;
use crate::file::{self, FILE_NAME};
use crate::metrics::JournalMetrics;
use crate::retention;

/// The writer's thread.
pub(crate) struct Writer {
    /// `None` while the file cannot be opened.
    pub connection: Option<Connection>,
    /// The data folder.
    pub folder: PathBuf,
    /// How long calls, scans and ratings are kept.
    pub keep: Duration,
    pub metrics: Arc<JournalMetrics>,
    /// The last batch could not be written: the next one is tried once, so that a broken disk does not block senders.
    pub failing: bool,
}

impl Writer {
    /// Writes until the journal is dropped.
    pub(crate) fn run(mut self, entries: &Receiver<Entry>) {
        let mut expire_at = Instant::now();
        loop {
            if Instant::now() >= expire_at {
                let more = self.delete_expired(Timestamp::now());
                expire_at = Instant::now() + if more { EXPIRE_AGAIN } else { EXPIRE_EVERY };
            }
            match entries.recv_timeout(expire_at.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    // Under load many records arrive in this time and share one transaction.
                    std::thread::sleep(GATHER);
                    self.write(std::iter::once(first).chain(entries.try_iter()).take(BATCH_MAX).collect());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes a batch. After a few failed attempts the batch is dropped and counted.
    fn write(&mut self, batch: Vec<Entry>) {
        let attempts = if self.failing { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts {
            match self.transaction(&batch) {
                Ok(issued) => {
                    self.failing = false;
                    return answer(batch, issued);
                }
                Err(error) => {
                    if !self.failing {
                        tracing::error!(%error, attempt, records = batch.len(), "the journal cannot be written");
                    }
                    self.close(&error);
                    if attempt < attempts {
                        std::thread::sleep(TRY_AGAIN);
                    }
                }
            }
        }
        self.failing = true;
        self.metrics.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    /// Closes the file, since one that was opened on a read-only disk stays read-only. A damaged file is renamed.
    fn close(&mut self, error: &JournalError) {
        self.connection = None;
        if error.is_damage() {
            tracing::error!("the journal is damaged: renamed to journal.sqlite3.damaged; a new journal is started");
            for suffix in ["", "-wal", "-shm"] {
                let from = self.folder.join(format!("{FILE_NAME}{suffix}"));
                let _ = std::fs::rename(from, self.folder.join(format!("{FILE_NAME}.damaged{suffix}")));
            }
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, JournalError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => file::open(&self.folder.join(FILE_NAME))?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Returns the tickets that were issued, in the order of the batch.
    fn transaction(&mut self, batch: &[Entry]) -> Result<Vec<String>, JournalError> {
        let path = self.folder.join(FILE_NAME).display().to_string();
        put(self.connection()?, batch).map_err(|error| JournalError::Sqlite { path, error })
    }

    /// Deletes expired rows, a bounded number at a time; whether there may be more.
    fn delete_expired(&mut self, now: Timestamp) -> bool {
        let before = now.checked_sub(self.keep).unwrap_or(Timestamp::MIN).as_microsecond();
        // A file that cannot be opened is reported by the next batch.
        let folder = self.folder.clone();
        let Ok(connection) = self.connection() else { return false };
        let rows = retention::rows(connection, before);
        match rows.and_then(|more| Ok(retention::messages(connection, &folder, now)? || more)) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "old records could not be deleted from the journal");
                false
            }
        }
    }
}

/// Writes a batch in one transaction. Returns the tickets that were issued, in the order of the batch.
fn put(connection: &mut Connection, batch: &[Entry]) -> rusqlite::Result<Vec<String>> {
    let transaction = connection.transaction()?;
    let mut issued = Vec::new();
    for entry in batch {
        match entry {
            Entry::Call(record) => file::put_call(&transaction, record)?,
            Entry::Scan(record) => file::put_scan(&transaction, record)?,
            Entry::Rating { at, kiosk, score } => file::put_rating(&transaction, *at, kiosk, *score)?,
            Entry::Ticket(_) => issued.push(file::issue_ticket(&transaction)?),
            Entry::Message(message, _) => file::put_message(&transaction, message)?,
            Entry::Flush(_) => {}
        }
    }
    transaction.commit()?;
    Ok(issued)
}

/// Answers the senders of a committed batch; `issued` are its tickets, in order.
fn answer(batch: Vec<Entry>, issued: Vec<String>) {
    let mut issued = issued.into_iter();
    // A sender that has gone needs no answer.
    for entry in batch {
        match entry {
            Entry::Call(_) | Entry::Scan(_) | Entry::Rating { .. } => {}
            Entry::Ticket(sender) => drop(issued.next().map(|ticket| sender.send(ticket))),
            Entry::Message(_, sender) => drop(sender.send(())),
            Entry::Flush(sender) => drop(sender.send(())),
        }
    }
}

const BATCH_MAX: usize = 500;
/// How long a batch gathers. With 500 records per batch this allows 50,000 records a second.
const GATHER: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_secs(1);
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
/// While there is more to delete.
const EXPIRE_AGAIN: Duration = Duration::from_millis(200);
