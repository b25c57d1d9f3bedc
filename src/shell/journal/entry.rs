//! What the journal's writer is given.

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::recording_rows::{EndedRecording, NewRecording};
use crate::repeats::Repeated;
use inquiry::{CallRecord, ScanRecord};

/// A message that a caller left, once its recording is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The ticket number, from [`Journal::ticket`](crate::Journal::ticket).
    pub ticket: String,
    /// The recording, relative to the data folder.
    pub path: PathBuf,
    /// The mailbox, by its name in the flow.
    pub notify: String,
    /// How long the recording plays.
    pub length: Duration,
    /// When it is deleted.
    pub keep_until: Timestamp,
    /// The trunk that the caller came by; none where it is not known.
    pub trunk: Option<String>,
    /// The caller's keyed hash; none: the number was withheld, or is not known.
    pub caller: Option<u64>,
    /// The calling number, sealed; absent without the caller's consent.
    pub number: Option<Vec<u8>>,
}

/// What is stored of a call-back request, or of a text message, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealedRecord {
    /// Its record, sealed, in place of an earlier one.
    Keep(i64, Vec<u8>),
    /// Nothing any longer.
    Forget(i64),
}

/// Where sealed records are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedTable {
    CallBacks,
    TextMessages,
}

impl SealedTable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SealedTable::CallBacks => "call_backs",
            SealedTable::TextMessages => "text_messages",
        }
    }
}

/// What an agent noted of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentNote {
    /// When it was noted.
    pub at: Timestamp,
    /// [`inquiry::CallRecord::tag`] of the call; none where the node has no key for tags.
    pub call: Option<String>,
    /// The agent's account.
    pub agent: String,
    /// The queue's name.
    pub queue: String,
    /// One of the settings' reasons; none was chosen.
    pub reason: Option<String>,
    /// A short text, without numbers.
    pub text: String,
}

/// A row to write. Senders are answered once the transaction is committed.
pub(crate) enum Entry {
    Call(Box<CallRecord>),
    Scan(Box<ScanRecord>),
    /// Scans that repeat one that has a row.
    Repeated(Repeated),
    /// A score that an applicant gave at a kiosk.
    Rating {
        at: Timestamp,
        kiosk: String,
        score: u8,
    },
    /// A transfer that a known caller asked for.
    Transfer {
        at: Timestamp,
        trunk: String,
        caller: u64,
    },
    /// The state of a call-back request.
    CallBack(SealedRecord, oneshot::Sender<()>),
    /// The state of a text message.
    TextMessage(SealedRecord, oneshot::Sender<()>),
    /// What an agent noted.
    Note(Box<AgentNote>),
    /// A conversation is recorded from here on.
    RecordingBegins(Box<NewRecording>),
    /// The pauses of a recording so far; the last one may go on.
    RecordingPaused(String, Vec<(Duration, Duration)>),
    /// A recording has ended.
    RecordingEnded(Box<EndedRecording>),
    Ticket(oneshot::Sender<String>),
    Message(Box<Message>, oneshot::Sender<()>),
    Flush(SyncSender<()>),
}

/// The folder of messages in the data folder.
pub const FOLDER: &str = "messages";
/// A whole recording of a message, and one that is being written, by the end of their names.
pub(crate) const WAVE: &str = "wav";
pub(crate) const PART: &str = "part";
