//! The journal: one record per call and per scan in `<data>/journal.sqlite3`, and the messages that callers left.
//!
//! Senders never wait: a full queue or disk loses a record, which is counted, and never a call. The writer commits what
//! has arrived, one record per transaction when little happens and hundreds when much does. Numbers are keyed
//! hashes; that of a caller who left a message and agreed is kept with it, sealed.
//!
//! A deletion of unusually many rows at once waits for a person.
//!
//! A full or read-only disk does not keep a node from starting: the file is opened when the disk allows it. A damaged
//! file is renamed to `journal.sqlite3.damaged`, and a new one is started.
//!
//! ```text
//!  call ──┐ bounded, never waits                       ┌─ calls, scans: appended, deleted by age
//!  scan ──┼──────────────────────► writer ─ commit ────┤
//!  ticket ┘ waits for its commit                       └─ messages: until their day, with their recordings
//! ```

mod call_statistics;
mod earlier_calls;
mod entry;
mod error;
mod file;
mod held;
mod mailbox;
mod message_file;
mod message_recording;
pub mod messages;
mod metrics;
mod orphans;
mod past_call;
mod past_calls;
mod reading;
mod recent;
mod recording_file;
mod recording_orphans;
mod recording_rows;
mod recordings;
mod repeats;
mod retention;
mod traffic;
mod wave;
mod writer;

pub use call_statistics::{CALL_BACK, CallFilter, CallLine, CallStatistics, Mean, call_list, call_statistics};
pub use earlier_calls::{EarlierCall, NoteOfCall};
pub use entry::{AgentNote, Message};
pub use error::JournalError;
pub use held::{HeldDeletion, confirm_held, held};
pub use mailbox::{MessagesWatch, StoredMessage, WaitingMessages, mark_done, stored_messages, waiting_messages};
pub use metrics::{JournalMetrics, RecordingFailure, RecordingMetrics};
pub use past_call::{CallName, PastCall, past_call};
pub use past_calls::{REPLAYED_MAX, past_calls};
pub use recent::Recent;
pub use recording_file::{RECORDINGS_FOLDER, RecordingFile, RecordingSound};
pub use recording_rows::{EndedRecording, NewRecording};
pub use recordings::{
    RECORDINGS_LISTED, RecordingFilter, StoredRecording, forget_recording, is_recording_id, recording, recordings,
};
pub use traffic::{DAY, HOUR, traffic};

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use entry::{Entry, SealedRecord, SealedTable};
use file::FILE_NAME;
use flow::Traffic;
use inquiry::{CallRecord, ScanRecord};
use os::clock;
use repeats::Repeats;
use traffic::RecentTraffic;
use writer::Writer;

/// The journal of this node. Dropping it writes what is queued.
pub struct Journal {
    entries: Option<SyncSender<Entry>>,
    folder: PathBuf,
    metrics: Arc<JournalMetrics>,
    traffic: RecentTraffic,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal of a data folder, and creates it if there is none.
    ///
    /// # Errors
    /// The file is of a newer version, or cannot be created.
    pub fn open(folder: &Path, settings: &config::Journal) -> Result<Arc<Journal>, JournalError> {
        let path = folder.join(FILE_NAME);
        let connection = match file::open(&path) {
            Ok(connection) => Some(connection),
            Err(error) if error.is_transient() && path.exists() => {
                tracing::error!(%error, "the journal cannot be opened: records are lost until it can");
                None
            }
            Err(error) => return Err(error),
        };
        let metrics = Arc::new(JournalMetrics::default());
        if let Some(Ok(bytes)) = connection.as_ref().map(file::message_bytes) {
            metrics.message_bytes.store(bytes, Ordering::Relaxed);
        }
        if let Some(Ok(bytes)) = connection.as_ref().map(recording_rows::octets) {
            metrics.recordings.stored_bytes.store(bytes, Ordering::Relaxed);
        }
        let (entries, receiver) = sync_channel(ENTRIES_MAX);
        let (folder, counters) = (folder.to_owned(), Arc::clone(&metrics));
        let traffic = RecentTraffic::default();
        let writer = Writer {
            connection,
            folder: folder.clone(),
            keep: settings.keep,
            bytes_max: settings.bytes_max,
            repeats: Repeats::default(),
            metrics: counters,
            traffic: traffic.clone(),
            failing: false,
        };
        // Before any message of this program is recorded.
        writer.sweep();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&receiver));
        let thread = Some(thread.map_err(JournalError::Thread)?);
        Ok(Arc::new(Journal { entries: Some(entries), folder, metrics, traffic, thread }))
    }

    /// Queues a call record. Never waits.
    pub fn record_call(&self, record: CallRecord) {
        self.offer(Entry::Call(Box::new(record)));
    }

    /// Queues a scan record. Never waits.
    pub fn record_scan(&self, record: ScanRecord) {
        self.offer(Entry::Scan(Box::new(record)));
    }

    /// Queues a score from a kiosk, 1 for the best. Never waits.
    pub fn record_rating(&self, at: Timestamp, kiosk: &str, score: u8) {
        self.offer(Entry::Rating { at, kiosk: kiosk.to_owned(), score });
    }

    /// Queues a transfer that a known caller of a trunk asked for. Never waits.
    pub fn record_transfer(&self, trunk: &str, caller: u64) {
        self.offer(Entry::Transfer { at: clock::steady(), trunk: trunk.to_owned(), caller });
    }

    /// Queues what an agent noted of a call. Never waits; false: it is lost.
    pub fn record_note(&self, note: AgentNote) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.try_send(Entry::Note(Box::new(note))).is_ok())
    }

    /// The newest calls of a caller of a trunk that began within a time, newest first. Reads the file.
    pub fn earlier_calls(&self, trunk: &str, caller: u64, within: &Range<Timestamp>) -> Vec<EarlierCall> {
        let read = |connection: &Connection| earlier_calls::earlier_calls(connection, trunk, caller, within);
        self.rows("a caller's earlier calls", read)
    }

    /// Rows of the file; none, and a line in the log, where they cannot be read.
    fn rows<T>(&self, what: &str, read: impl Fn(&Connection) -> rusqlite::Result<Vec<T>>) -> Vec<T> {
        let found = reading::open(&self.folder).and_then(|opened| opened.as_ref().map_or(Ok(Vec::new()), read));
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, what, "the journal cannot be read");
            Vec::new()
        })
    }

    /// What agents have noted of a call so far, by its tag. Reads the file.
    pub fn notes(&self, call: &str) -> Vec<NoteOfCall> {
        self.rows("the notes of a call", |connection| earlier_calls::notes(connection, call))
    }

    /// The transfers of known callers within a time, up to a day.
    pub fn recent_transfers(&self, within: Duration) -> Vec<Recent> {
        self.rows(LIMITS, |connection| recent::transfers(connection, within))
    }

    /// The messages that callers left within a time.
    pub fn recent_messages(&self, within: Duration) -> Vec<Recent> {
        self.rows(LIMITS, |connection| recent::messages(connection, within))
    }

    /// A unique ticket number of eight digits; `None` when the journal cannot be written.
    pub async fn ticket(&self) -> Option<String> {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::Ticket(sender));
        receiver.await.ok()
    }

    /// Stores the record of a call-back request, sealed, in place of an earlier one of this number. In order with the
    /// other changes of it; `false` when it cannot be stored.
    pub fn keep_call_back(&self, id: u64, record: Vec<u8>) -> impl Future<Output = bool> + use<> {
        self.call_back(SealedRecord::Keep(id.cast_signed(), record))
    }

    /// Deletes the record of a call-back request.
    pub fn forget_call_back(&self, id: u64) -> impl Future<Output = bool> + use<> {
        self.call_back(SealedRecord::Forget(id.cast_signed()))
    }

    fn call_back(&self, record: SealedRecord) -> impl Future<Output = bool> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::CallBack(record, sender));
        async move { receiver.await.is_ok() }
    }

    /// The stored records of call-back requests, sealed. Reads the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn call_backs(&self) -> rusqlite::Result<Vec<Vec<u8>>> {
        self.sealed_records(SealedTable::CallBacks)
    }

    /// Stores the record of a text message, sealed, in place of an earlier one of this number. In order with the other changes
    /// of it; `false` when it cannot be stored.
    pub fn keep_text_message(&self, id: u64, record: Vec<u8>) -> impl Future<Output = bool> + use<> {
        self.text_message(SealedRecord::Keep(id.cast_signed(), record))
    }

    /// Deletes the record of a text message.
    pub fn forget_text_message(&self, id: u64) -> impl Future<Output = bool> + use<> {
        self.text_message(SealedRecord::Forget(id.cast_signed()))
    }

    fn text_message(&self, record: SealedRecord) -> impl Future<Output = bool> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::TextMessage(record, sender));
        async move { receiver.await.is_ok() }
    }

    /// The stored records of text messages, sealed. Reads the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn text_messages(&self) -> rusqlite::Result<Vec<Vec<u8>>> {
        self.sealed_records(SealedTable::TextMessages)
    }

    fn sealed_records(&self, table: SealedTable) -> rusqlite::Result<Vec<Vec<u8>>> {
        let read = |connection: &Connection| file::sealed_records(connection, table);
        reading::open(&self.folder).and_then(|opened| opened.as_ref().map_or(Ok(Vec::new()), read))
    }

    /// Bytes of all recordings of messages on the disk.
    pub fn message_bytes(&self) -> u64 {
        self.metrics.message_bytes.load(Ordering::Relaxed)
    }

    /// Records a message whose recording is on the disk; `false` when it cannot be recorded.
    pub async fn record_message(&self, message: Message) -> bool {
        let (sender, receiver) = oneshot::channel();
        self.offer(Entry::Message(Box::new(message), sender));
        receiver.await.is_ok()
    }

    /// Queues the row of a recording that begins. Never waits; false: it is lost.
    pub fn recording_begins(&self, recording: NewRecording) -> bool {
        self.entries
            .as_ref()
            .is_some_and(|entries| entries.try_send(Entry::RecordingBegins(Box::new(recording))).is_ok())
    }

    /// Stores the pauses of a recording so far, for a program that dies; one that goes on ends where it began. Never waits.
    pub fn recording_paused(&self, id: &str, pauses: Vec<(Duration, Duration)>) {
        if let Some(entries) = &self.entries {
            let _ = entries.try_send(Entry::RecordingPaused(id.to_owned(), pauses));
        }
    }

    /// Stores the end of a recording. From a thread that may wait for the writer; false: it is lost, and the next start closes the
    /// recording.
    pub fn recording_ended(&self, ended: EndedRecording) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.send(Entry::RecordingEnded(Box::new(ended))).is_ok())
    }

    /// Blocks until everything that was queued is in the file.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if let Some(entries) = &self.entries
            && entries.send(Entry::Flush(done)).is_ok()
        {
            let _ = flushed.recv();
        }
    }

    /// The paths of the last 24 hours' calls, counted as they were committed. Reads no file.
    pub fn traffic(&self) -> Traffic {
        self.traffic.sum()
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The counters, shared with the writer.
    pub fn metrics(&self) -> Arc<JournalMetrics> {
        Arc::clone(&self.metrics)
    }

    fn offer(&self, entry: Entry) {
        if self.entries.as_ref().is_none_or(|entries| entries.try_send(entry).is_err()) {
            self.metrics.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.entries.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What `recent_transfers` and `recent_messages` read, for the log.
const LIMITS: &str = "what callers did before this start: their limits begin without it";
/// Queued records: some seconds of the heaviest load.
const ENTRIES_MAX: usize = 16_384;

#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;
