//! The journal: one record a call and a scan, in `<data>/journal.sqlite3`, and the messages that callers left.
//!
//! The doors hand a record over and go on: a full queue or disk costs a record, which is counted, and never a call.
//! The writer commits what has come in whenever it has time, so records come one a transaction when little is going on
//! and by the hundred when much is. Nothing in here names a person: numbers are keyed hashes.
//!
//! A disk that is full or read-only does not keep a node from starting: the file is opened when the disk allows it. A
//! damaged file is set aside as `journal.sqlite3.damaged`, and another one is begun.
//!
//! ```text
//!  call ──┐ bounded, never waits                       ┌─ calls, scans: appended, deleted by age
//!  scan ──┼──────────────────────► writer ─ commit ────┤
//!  ticket ┘ waits for its commit                       └─ messages: until their day, with their recordings
//! ```

mod file;
pub mod messages;
mod past;
mod sweep;
mod traffic;

pub use past::{REPLAYED_MAX, past_calls};
pub use traffic::{DAY, HOUR, traffic};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use inquiry::{CallRecord, ScanRecord};

/// The journal of this node.
pub struct Journal {
    entries: Option<SyncSender<Entry>>,
    metrics: Arc<JournalMetrics>,
    thread: Option<JoinHandle<()>>,
}

/// What the journal counts.
#[derive(Debug, Default)]
pub struct JournalMetrics {
    pub written: AtomicU64,
    /// Records that were lost: the queue was full, or the file could not be written.
    pub dropped: AtomicU64,
    pub write_errors: AtomicU64,
}

/// A message that a caller left, once it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// As [`Journal::ticket`] gave it.
    pub ticket: String,
    /// The recording, relative to the data folder.
    pub path: PathBuf,
    /// Who is to hear it, by the flow's name.
    pub notify: String,
    pub length: Duration,
    /// When it is deleted.
    pub keep_until: Timestamp,
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Sqlite { path: String, error: rusqlite::Error },
    #[error("{path}: written by a newer version (schema {schema}): start that version, or move the file away")]
    Newer { path: String, schema: i64 },
    #[error("no thread for the journal: {0}")]
    Thread(std::io::Error),
}

impl JournalError {
    /// Whether the disk is at fault, or what it has made of the file: the node can do without for a while.
    fn is_of_the_disk(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let code = match self {
            JournalError::Sqlite { error, .. } => error.sqlite_error_code(),
            JournalError::Newer { .. } | JournalError::Thread(_) => None,
        };
        self.is_damage() || matches!(code, Some(DiskFull | ReadOnly | SystemIoFailure | CannotOpen))
    }

    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            JournalError::Sqlite { error, .. } => {
                matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            JournalError::Newer { .. } | JournalError::Thread(_) => false,
        }
    }
}

enum Entry {
    Call(Box<CallRecord>),
    Scan(Box<ScanRecord>),
    Rating { at: Timestamp, kiosk: String, score: u8 },
    Ticket(oneshot::Sender<String>),
    Message(Box<Message>, oneshot::Sender<()>),
    Flush(SyncSender<()>),
}

impl Journal {
    /// Opens the journal of a data folder, and makes it if there is none.
    pub fn open(folder: &Path, settings: &config::Journal) -> Result<Arc<Journal>, JournalError> {
        let path = folder.join(NAME);
        let connection = match file::open(&path) {
            Ok(connection) => Some(connection),
            Err(error) if error.is_of_the_disk() && path.exists() => {
                tracing::error!(%error, "the journal cannot be written: records are lost until it can");
                None
            }
            Err(error) => return Err(error),
        };
        let metrics = Arc::new(JournalMetrics::default());
        let (entries, receiver) = sync_channel(ENTRIES_MAX);
        let (folder, metrics_too) = (folder.to_owned(), metrics.clone());
        let writer = Writer { connection, folder, keep: settings.keep, metrics: metrics_too, failing: false };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&receiver));
        let thread = Some(thread.map_err(JournalError::Thread)?);
        Ok(Arc::new(Journal { entries: Some(entries), metrics, thread }))
    }

    /// Notes a call. Never waits.
    pub fn call(&self, record: CallRecord) {
        self.offer(Entry::Call(Box::new(record)));
    }

    /// Notes a scan. Never waits.
    pub fn scan(&self, record: ScanRecord) {
        self.offer(Entry::Scan(Box::new(record)));
    }

    /// Notes a score that an applicant gave at a kiosk, 1 for the best. Never waits.
    pub fn rating(&self, at: Timestamp, kiosk: &str, score: u8) {
        self.offer(Entry::Rating { at, kiosk: kiosk.to_owned(), score });
    }

    /// A ticket number of eight digits that no other message has; `None` when none can be given.
    pub async fn ticket(&self) -> Option<String> {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::Ticket(sender));
        receiver.await.ok()
    }

    /// Notes a message whose recording lies on the disk; `false` when it could not be noted.
    pub async fn message(&self, message: Message) -> bool {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::Message(Box::new(message), sender));
        receiver.await.is_ok()
    }

    /// Waits until everything that was noted is in the file. Not for an async task.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if let Some(entries) = &self.entries
            && entries.send(Entry::Flush(done)).is_ok()
        {
            let _ = flushed.recv();
        }
    }

    /// What is counted.
    pub fn metrics(&self) -> Arc<JournalMetrics> {
        self.metrics.clone()
    }

    fn offer(&self, entry: Entry) {
        if self.entries.as_ref().is_none_or(|entries| entries.try_send(entry).is_err()) {
            self.metrics.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes what is waiting, and ends.
impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.entries.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    /// None while the disk does not let it be opened.
    connection: Option<Connection>,
    folder: PathBuf,
    keep: Duration,
    metrics: Arc<JournalMetrics>,
    /// The last batch could not be written: the next one is tried once, so that nobody waits behind a broken disk.
    failing: bool,
}

/// Who is told once a transaction is committed.
enum Told {
    Ticket(oneshot::Sender<String>, String),
    Message(oneshot::Sender<()>),
    Flush(SyncSender<()>),
}

impl Writer {
    fn run(mut self, entries: &Receiver<Entry>) {
        let mut sweep_at = Instant::now();
        loop {
            if Instant::now() >= sweep_at {
                let more = self.sweep(Timestamp::now());
                sweep_at = Instant::now() + if more { SWEEP_ON } else { SWEEP_EVERY };
            }
            match entries.recv_timeout(sweep_at.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    // Under load many records come in this time, and one transaction serves them all.
                    std::thread::sleep(GATHER);
                    self.write(std::iter::once(first).chain(entries.try_iter()).take(BATCH_MAX).collect());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes a batch. A file that cannot be written is tried a few times; then the batch is given up and counted.
    fn write(&mut self, batch: Vec<Entry>) {
        let attempts = if self.failing { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts {
            match self.transaction(&batch) {
                Ok(issued) => {
                    self.failing = false;
                    self.metrics.written.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    return tell(batch, issued);
                }
                Err(error) => {
                    self.metrics.write_errors.fetch_add(1, Ordering::Relaxed);
                    if !self.failing {
                        tracing::error!(%error, attempt, records = batch.len(), "the journal could not be written");
                    }
                    self.let_go(&error);
                    if attempt < attempts {
                        std::thread::sleep(TRY_AGAIN);
                    }
                }
            }
        }
        self.failing = true;
        self.metrics.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    /// A file that was opened on a read-only disk stays so until it is opened again; a damaged one is set aside.
    fn let_go(&mut self, error: &JournalError) {
        self.connection = None;
        if error.is_damage() {
            tracing::error!("the journal is damaged: it is set aside as journal.sqlite3.damaged, and a new one begun");
            for suffix in ["", "-wal", "-shm"] {
                let from = self.folder.join(format!("{NAME}{suffix}"));
                let _ = std::fs::rename(from, self.folder.join(format!("{NAME}.damaged{suffix}")));
            }
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, JournalError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => file::open(&self.folder.join(NAME))?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Returns the tickets that were issued, in the order of the batch.
    fn transaction(&mut self, batch: &[Entry]) -> Result<Vec<String>, JournalError> {
        let path = self.folder.join(NAME).display().to_string();
        put(self.connection()?, batch).map_err(|error| JournalError::Sqlite { path, error })
    }

    /// Deletes what is past its age, a bounded number of rows at a time; whether there may be more.
    fn sweep(&mut self, now: Timestamp) -> bool {
        let before = now.checked_sub(self.keep).unwrap_or(Timestamp::MIN).as_microsecond();
        // A disk that is at fault is told of by what cannot be written.
        let folder = self.folder.clone();
        let Ok(connection) = self.connection() else { return false };
        let rows = sweep::rows(connection, before);
        match rows.and_then(|more| Ok(sweep::messages(connection, &folder, now)? || more)) {
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

fn tell(batch: Vec<Entry>, issued: Vec<String>) {
    let mut issued = issued.into_iter();
    let told = batch.into_iter().filter_map(|entry| match entry {
        Entry::Call(_) | Entry::Scan(_) | Entry::Rating { .. } => None,
        Entry::Ticket(sender) => issued.next().map(|ticket| Told::Ticket(sender, ticket)),
        Entry::Message(_, sender) => Some(Told::Message(sender)),
        Entry::Flush(sender) => Some(Told::Flush(sender)),
    });
    for told in told {
        match told {
            Told::Ticket(sender, ticket) => drop(sender.send(ticket)),
            Told::Message(sender) => drop(sender.send(())),
            Told::Flush(sender) => drop(sender.send(())),
        }
    }
}

const NAME: &str = "journal.sqlite3";
/// Records that wait for the writer: some seconds of the heaviest load.
const ENTRIES_MAX: usize = 16_384;
const BATCH_MAX: usize = 500;
/// Nobody who waits for a ticket notices; at 500 a batch it leaves room for 50,000 records a second.
const GATHER: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// While there is more to delete.
const SWEEP_ON: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use base::Lang;
    use inquiry::{CallOutcome, LookUpResult, ScanPath, ScanResult, Stage};
    use support::folder::Folder;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn open(folder: &Folder) -> Arc<Journal> {
        Journal::open(folder.path(), &config::Journal { keep: 180 * DAY }).expect("a writable folder")
    }

    fn opened(folder: &Folder) -> Connection {
        Connection::open(folder.path().join("journal.sqlite3")).expect("it is there")
    }

    fn count(folder: &Folder, table: &str) -> i64 {
        opened(folder).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a table")
    }

    fn call(started: Timestamp) -> CallRecord {
        CallRecord {
            started,
            answered_after: Some(Duration::from_millis(3)),
            duration: Duration::from_secs(61),
            outcome: CallOutcome::HungUp,
            cause: None,
            lang: Some(Lang::Yue),
            release: "abc".into(),
            path: vec!["welcome".into(), "main".into()],
            keys: 20,
            look_ups: vec![LookUpResult::NotFound, LookUpResult::Found],
            trunk: "192.0.2.1".into(),
            caller: Some(u64::MAX),
            rating: Some(1),
            peer_packets_lost: Some(2),
            round_trip: Some(Duration::from_micros(1500)),
        }
    }

    fn scan(at: Timestamp) -> ScanRecord {
        ScanRecord {
            at,
            kiosk: "hall-1".into(),
            path: ScanPath::Code,
            result: ScanResult::LookUp(LookUpResult::Found),
            stage: Some(Stage::Ready),
            receipt: Some(7),
            duration: Duration::from_micros(80),
        }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn calls_and_scans_are_in_the_file_after_the_end() {
        let folder = Folder::new();
        let journal = open(&folder);
        for _ in 0..1200 {
            journal.call(call(Timestamp::now()));
            journal.scan(scan(Timestamp::now()));
        }
        drop(journal);
        assert_eq!((count(&folder, "calls"), count(&folder, "scans")), (1200, 1200));
        let (path, look_ups): (String, String) = opened(&folder)
            .query_row("SELECT path, look_ups FROM calls", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!((path.as_str(), look_ups.as_str()), ("welcome,main", "not_found,found"));
    }

    #[test]
    fn a_file_without_the_peers_reports_takes_them_from_the_next_start() {
        let folder = Folder::new();
        drop(open(&folder));
        opened(&folder)
            .execute_batch(
                "ALTER TABLE calls DROP COLUMN peer_packets_lost; ALTER TABLE calls DROP COLUMN round_trip_us",
            )
            .unwrap();
        let journal = open(&folder);
        journal.call(call(Timestamp::now()));
        drop(journal);
        let reported: (i64, i64) = opened(&folder)
            .query_row("SELECT peer_packets_lost, round_trip_us FROM calls", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(reported, (2, 1500));
    }

    #[test]
    fn a_record_cannot_be_changed() {
        let folder = Folder::new();
        let journal = open(&folder);
        journal.call(call(Timestamp::now()));
        journal.flush();
        assert!(opened(&folder).execute("UPDATE calls SET rating = 3", []).is_err());
    }

    #[test]
    fn records_past_their_age_are_deleted_at_the_next_start() {
        let folder = Folder::new();
        let old = Timestamp::now() - 181 * DAY;
        let journal = open(&folder);
        for at in [old, Timestamp::now()] {
            journal.call(call(at));
            journal.scan(scan(at));
        }
        drop(journal);
        open(&folder).flush();
        assert_eq!((count(&folder, "calls"), count(&folder, "scans")), (1, 1));
    }

    #[test]
    fn a_message_has_a_ticket_of_its_own_and_goes_with_its_recording_on_its_day() {
        let folder = Folder::new();
        let journal = open(&folder);
        let tickets: HashSet<String> = (0..50).map(|_| wait(journal.ticket()).unwrap()).collect();
        assert_eq!(tickets.len(), 50);
        assert!(tickets.iter().all(|ticket| ticket.len() == 8 && ticket.bytes().all(|b| b.is_ascii_digit())));
        let mut tickets = tickets.into_iter();
        let mut leave = |name: &str, keep_until| {
            std::fs::write(folder.path().join(name), "sound").unwrap();
            let ticket = tickets.next().unwrap();
            let (notify, length) = ("complaints".into(), Duration::from_secs(9));
            assert!(wait(journal.message(Message { ticket, path: name.into(), notify, length, keep_until })));
        };
        leave("old.wav", Timestamp::now() - DAY);
        leave("new.wav", Timestamp::now() + DAY);
        drop(journal);
        assert_eq!(count(&folder, "messages"), 50);
        open(&folder).flush();
        assert_eq!(count(&folder, "messages"), 49);
        assert!(!folder.path().join("old.wav").exists() && folder.path().join("new.wav").exists());
    }

    #[test]
    fn a_damaged_journal_is_set_aside_and_another_one_begun() {
        let folder = Folder::new();
        std::fs::write(
            folder.path().join(NAME),
            "no database at all, and long enough to be looked at as one".repeat(99),
        )
        .unwrap();
        let journal = open(&folder);
        journal.call(call(Timestamp::now()));
        journal.flush();
        drop(journal);
        assert_eq!(count(&folder, "calls"), 1);
        assert!(folder.path().join("journal.sqlite3.damaged").exists());
    }

    #[test]
    fn a_journal_of_a_newer_version_is_left_alone() {
        let folder = Folder::new();
        drop(open(&folder));
        opened(&folder).pragma_update(None, "user_version", 9).unwrap();
        let opened = Journal::open(folder.path(), &config::Journal { keep: DAY }).map(drop);
        assert!(matches!(opened, Err(JournalError::Newer { schema: 9, .. })));
    }
}
