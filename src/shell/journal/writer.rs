//! The thread that writes the journal's file: a batch is one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::entry::{Entry, SealedTable};
use crate::error::JournalError;
use crate::file::{self, FILE_NAME};
use crate::held::LOOK_AGAIN;
use crate::metrics::JournalMetrics;
use crate::orphans;
use crate::recording_orphans;
use crate::recording_rows;
use crate::repeats::Repeats;
use crate::retention::{self, Left};
use crate::traffic::RecentTraffic;
use os::{clock, folder};

/// The writer's thread.
pub(crate) struct Writer {
    /// `None` while the file cannot be opened.
    pub connection: Option<Connection>,
    /// The data folder.
    pub folder: PathBuf,
    /// How long calls, scans and ratings are kept.
    pub keep: Duration,
    /// The largest file.
    pub bytes_max: u64,
    pub repeats: Repeats,
    pub metrics: Arc<JournalMetrics>,
    pub traffic: RecentTraffic,
    /// The last batch could not be written: the next one is tried once, so that a broken disk does not block senders.
    pub failing: bool,
}

impl Writer {
    /// Writes until the journal is dropped.
    pub(crate) fn run(mut self, entries: &Receiver<Entry>) {
        if let Some(Err(error)) = self.connection.as_ref().map(|connection| self.traffic.seed(connection)) {
            tracing::warn!(%error, "the calls of the last day could not be counted for the diagram");
        }
        let mut expire_at = Instant::now();
        loop {
            if Instant::now() >= expire_at {
                expire_at = Instant::now()
                    + match self.delete_expired(clock::steady()) {
                        Left::More => EXPIRE_AGAIN,
                        Left::Held => LOOK_AGAIN,
                        Left::Nothing => EXPIRE_EVERY,
                    };
            }
            match entries.recv_timeout(expire_at.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    // Under load many records arrive in this time and share one transaction.
                    std::thread::sleep(GATHER);
                    let batch = std::iter::once(first).chain(entries.try_iter()).take(BATCH_MAX);
                    self.write_new(batch.collect());
                }
                Err(RecvTimeoutError::Timeout) => self.write_repeats(false),
                Err(RecvTimeoutError::Disconnected) => return self.write_repeats(true),
            }
        }
    }

    /// Writes a batch without the scans that are counted with others.
    fn write_new(&mut self, mut batch: Vec<Entry>) {
        self.write_repeats(false);
        batch.retain(|entry| !matches!(entry, Entry::Scan(scan) if self.repeats.absorbs(scan)));
        if !batch.is_empty() {
            self.write(batch);
        }
    }

    /// Writes what was counted, once its minute is over or the journal closes.
    fn write_repeats(&mut self, end: bool) {
        let repeated = self.repeats.take(Timestamp::now(), end);
        if !repeated.is_empty() {
            self.write(repeated.into_iter().map(Entry::Repeated).collect());
        }
    }

    /// Writes a batch. After a few failed attempts the batch is dropped and counted.
    fn write(&mut self, batch: Vec<Entry>) {
        let attempts = if self.failing { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts {
            match self.transaction(&batch) {
                Ok(issued) => {
                    self.failing = false;
                    self.count(&batch);
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

    /// What a program that died left behind.
    pub(crate) fn sweep(&self) {
        match self.connection.as_ref().map(|connection| orphans::sweep(connection, &self.folder)) {
            Some(Ok((removed, adopted))) if removed + adopted > 0 => {
                tracing::warn!(removed, adopted, "recordings of messages without a row in the journal");
            }
            Some(Err(error)) => tracing::warn!(%error, "the recordings of messages could not be read"),
            Some(Ok(_)) | None => {}
        }
        match self.connection.as_ref().map(|connection| recording_orphans::sweep(connection, &self.folder)) {
            Some(Ok(closed)) if closed > 0 => {
                tracing::warn!(
                    closed,
                    "recordings of conversations that were in progress when the program died were closed"
                );
            }
            Some(Err(error)) => tracing::warn!(%error, "the recordings of conversations could not be read"),
            Some(Ok(_)) | None => {}
        }
    }

    fn count(&self, batch: &[Entry]) {
        for entry in batch {
            match entry {
                Entry::Call(record) => self.traffic.add(record),
                Entry::Message(message, _) => {
                    let bytes = (message.length.as_millis() as u64).saturating_mul(file::MESSAGE_BYTES_PER_MS);
                    self.metrics.message_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Entry::RecordingEnded(ended) => {
                    self.metrics.recordings.stored_bytes.fetch_add(ended.octets, Ordering::Relaxed);
                }
                Entry::RecordingBegins(_)
                | Entry::RecordingPaused(..)
                | Entry::Scan(_)
                | Entry::Repeated(_)
                | Entry::Rating { .. }
                | Entry::Transfer { .. }
                | Entry::CallBack(..)
                | Entry::TextMessage(..)
                | Entry::Note(_)
                | Entry::Ticket(_)
                | Entry::Flush(_) => {}
            }
        }
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

    /// Deletes expired rows, a bounded number at a time.
    fn delete_expired(&mut self, now: Timestamp) -> Left {
        let before = now.checked_sub(self.keep).unwrap_or(Timestamp::MIN).as_microsecond();
        // A file that cannot be opened is reported by the next batch.
        let (data, bytes_max, metrics) = (self.folder.clone(), self.bytes_max, Arc::clone(&self.metrics));
        let Ok(connection) = self.connection() else { return Left::Nothing };
        let deleted = (|| {
            let rows = retention::rows(connection, before, now)?;
            let over = retention::over(connection, bytes_max, folder::free_bytes(&data), now)?;
            let messages = retention::messages(connection, &data, now)?;
            let conversations = retention::recordings(connection, &data, now)?;
            retention::transfers(connection, now)?;
            retention::sealed_records(connection, now)?;
            metrics.message_bytes.store(file::message_bytes(connection)?, Ordering::Relaxed);
            metrics.recordings.stored_bytes.store(recording_rows::octets(connection)?, Ordering::Relaxed);
            let held = [rows, over, messages, conversations].contains(&Left::Held);
            metrics.deletion_held.store(held.into(), Ordering::Relaxed);
            let more = [rows, over, messages, conversations].contains(&Left::More);
            Ok::<_, rusqlite::Error>(match held {
                _ if more => Left::More,
                true => Left::Held,
                false => Left::Nothing,
            })
        })();
        match deleted {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "old records could not be deleted from the journal");
                Left::Nothing
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
            Entry::Repeated(repeated) => file::put_repeated(&transaction, repeated)?,
            Entry::Rating { at, kiosk, score } => file::put_rating(&transaction, *at, kiosk, *score)?,
            Entry::Transfer { at, trunk, caller } => file::put_transfer(&transaction, *at, trunk, *caller)?,
            Entry::CallBack(record, _) => {
                file::put_sealed(&transaction, SealedTable::CallBacks, clock::steady(), record)?;
            }
            Entry::TextMessage(record, _) => {
                file::put_sealed(&transaction, SealedTable::TextMessages, clock::steady(), record)?;
            }
            Entry::Note(note) => file::put_note(&transaction, note)?,
            Entry::RecordingBegins(new) => recording_rows::put_new(&transaction, new)?,
            Entry::RecordingPaused(id, pauses) => recording_rows::put_pauses(&transaction, id, pauses)?,
            Entry::RecordingEnded(ended) => recording_rows::put_end(&transaction, ended)?,
            Entry::Ticket(_) => issued.push(file::issue_ticket(&transaction)?),
            Entry::Message(message, _) => file::put_message(&transaction, Timestamp::now(), message)?,
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
            Entry::Call(_)
            | Entry::Scan(_)
            | Entry::Repeated(_)
            | Entry::Rating { .. }
            | Entry::Transfer { .. }
            | Entry::RecordingBegins(_)
            | Entry::RecordingPaused(..)
            | Entry::RecordingEnded(_)
            | Entry::Note(_) => {}
            Entry::Ticket(sender) => drop(issued.next().map(|ticket| sender.send(ticket))),
            Entry::Message(_, sender) | Entry::CallBack(_, sender) | Entry::TextMessage(_, sender) => {
                let _ = sender.send(());
            }
            Entry::Flush(sender) => drop(sender.send(())),
        }
    }
}

const BATCH_MAX: usize = 500;
/// How long a batch gathers. With 500 records per batch this allows 50,000 records a second.
const GATHER: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_secs(1);
const EXPIRE_EVERY: Duration = Duration::from_secs(30);
/// While there is more to delete.
const EXPIRE_AGAIN: Duration = Duration::from_millis(200);
