//! `jindu call-back …` beside a serving node: the call-back requests are asked for, and withdrawn, over
//! `<data>/call_backs.sock`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::queue_handle::QueueHandle;
use os::control::{self, ControlListener};
use queue::{CallBackId, CallBackRecord, CallBackState};

/// What is asked of the node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum CallBackRequest {
    /// Every request.
    List,
    /// This request is withdrawn.
    Cancel {
        /// Its number.
        id: u64,
    },
}

/// What the node says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBackReply {
    /// The requests, those that wait first, in the order in which they were made.
    Requests(Vec<CallBackEntry>),
    /// The request does not wait, or this node has no queue.
    NotWaiting,
    /// The request is not understood.
    Refused(String),
}

/// A call-back request, without what identifies the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBackEntry {
    /// The request.
    pub id: u64,
    /// The queue's name.
    pub queue: String,
    /// The last two digits of the number, stars before them.
    pub number: String,
    /// `waiting`, `calling`, or how it ended: `served`, `cancelled`, `unreachable`, `expired`, `abandoned`.
    pub state: String,
    /// Calls so far.
    pub attempts: u8,
    /// When the request was made, in milliseconds since 1970.
    pub requested_ms: i64,
    /// The next call is not before this time, in milliseconds since 1970.
    pub not_before_ms: i64,
}

/// Answers commands until the listener is dropped. The caller holds the lock of the data folder.
///
/// # Errors
/// The socket cannot be opened.
pub fn listen(folder: &Path, queue: QueueHandle) -> io::Result<ControlListener> {
    ControlListener::start(folder, NAME, move |request: io::Result<CallBackRequest>| {
        let cancel = match request {
            Ok(CallBackRequest::List) => None,
            Ok(CallBackRequest::Cancel { id }) => Some(CallBackId(id)),
            Err(error) => return CallBackReply::Refused(error.to_string()),
        };
        let Some(mut records) = queue.call_backs_blocking(cancel) else { return CallBackReply::NotWaiting };
        records.sort_by_key(|record| (matches!(record.state, CallBackState::Done(_)), record.id.0));
        CallBackReply::Requests(records.iter().map(CallBackEntry::of).collect())
    })
}

/// Asks the node that serves from a data folder; `None` where none does.
///
/// # Errors
/// A node serves and does not answer.
pub fn ask(folder: &Path, request: CallBackRequest) -> io::Result<Option<CallBackReply>> {
    if folder.exists() { control::send_request(folder, NAME, &request) } else { Ok(None) }
}

impl CallBackEntry {
    fn of(record: &CallBackRecord) -> CallBackEntry {
        let number = record.number.expose();
        let shown = number.len().saturating_sub(SHOWN);
        CallBackEntry {
            id: record.id.0,
            queue: record.queue.to_string(),
            number: format!("{}{}", "*".repeat(shown), number.get(shown..).unwrap_or("")),
            state: match record.state {
                CallBackState::Waiting => "waiting",
                CallBackState::Calling => "calling",
                CallBackState::Done(outcome) => outcome.code(),
            }
            .into(),
            attempts: record.attempts,
            requested_ms: record.requested_ms,
            not_before_ms: record.not_before_ms,
        }
    }
}

const NAME: &str = "call_backs.sock";
/// Digits of a number that are shown.
const SHOWN: usize = 2;
