//! `jindu sms …` beside a serving node: messages are listed, withdrawn and sent for a test over `<data>/sms.sock`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use os::control::{self, ControlListener};
use sms::{SmsId, SmsRecord, masked};

use crate::service::SmsService;

/// What is asked of the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum SmsRequest {
    /// Every message.
    List,
    /// This message is withdrawn.
    Cancel {
        /// Its identifier.
        id: String,
    },
    /// A message is sent to try the carrier; it counts for the limits.
    Test {
        /// Whom it goes to.
        number: String,
        /// The words.
        text: String,
    },
}

/// What the node says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsReply {
    /// The messages, the oldest first.
    Messages(Vec<SmsEntry>),
    /// The message does not wait.
    NotWaiting,
    /// The message is accepted under this identifier.
    Accepted(String),
    /// It is not; the name of the reason ([`sms::Refusal::name`]).
    NotAccepted(String),
    /// The node has no carrier.
    Off,
    /// The request is not understood.
    Refused(String),
}

/// A message, without what identifies the person and without its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsEntry {
    /// Its identifier.
    pub id: String,
    /// The last two digits of the number, stars before them.
    pub number: String,
    /// `waiting`, or how it ended: `sent`, `rejected`, `failed`, `expired`, `cancelled`.
    pub state: String,
    /// Attempts so far that the carrier answered and did not take the message.
    pub attempts: u8,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: i64,
}

/// Answers commands until the listener is dropped. The caller holds the lock of the data folder, and is on the runtime.
///
/// # Errors
/// The socket cannot be opened.
pub fn listen(folder: &Path, service: Option<&Arc<SmsService>>) -> io::Result<ControlListener> {
    let (service, runtime) = (service.map(Arc::downgrade), Handle::current());
    ControlListener::start(folder, NAME, move |request: io::Result<SmsRequest>| {
        let request = match request {
            Ok(request) => request,
            Err(error) => return SmsReply::Refused(error.to_string()),
        };
        let Some(service) = service.as_ref().and_then(std::sync::Weak::upgrade) else { return SmsReply::Off };
        answer(&service, &runtime, request)
    })
}

fn answer(service: &SmsService, runtime: &Handle, request: SmsRequest) -> SmsReply {
    match request {
        SmsRequest::List => SmsReply::Messages(service.records().iter().map(SmsEntry::of).collect()),
        SmsRequest::Cancel { id } => match id.parse::<SmsId>().ok().filter(|id| service.cancel(*id)) {
            Some(_) => SmsReply::Messages(Vec::new()),
            None => SmsReply::NotWaiting,
        },
        SmsRequest::Test { number, text } => match runtime.block_on(service.send(&number, &text)) {
            Ok(id) => SmsReply::Accepted(id.to_string()),
            Err(refusal) => SmsReply::NotAccepted(refusal.name().into()),
        },
    }
}

/// Asks the node that serves from a data folder; `None` where none does.
///
/// # Errors
/// A node serves and does not answer.
pub fn ask(folder: &Path, request: &SmsRequest) -> io::Result<Option<SmsReply>> {
    if folder.exists() { control::send_request(folder, NAME, request) } else { Ok(None) }
}

impl SmsEntry {
    fn of(record: &SmsRecord) -> SmsEntry {
        SmsEntry {
            id: record.id.to_string(),
            number: masked(record.number.expose()),
            state: record.state.name().into(),
            attempts: record.attempts,
            accepted_ms: record.accepted_ms,
        }
    }
}

const NAME: &str = "sms.sock";
