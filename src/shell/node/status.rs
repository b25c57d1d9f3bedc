//! `jindu status`: what `/health` says, asked of the serving node over `<data>/status.sock`, since a command need not know
//! where the node answers HTTP.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use base::{Bilingual, bilingual};
use os::clock;
use os::control::{self, ControlListener};
use sms_service::SmsService;
use web_service::Backend;

use crate::backend::NodeBackend;

/// The state of a serving node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Since when it serves.
    pub serving_since: Timestamp,
    /// The program's version.
    pub version: String,
    /// Where it serves the public page and the kiosks'.
    #[serde(default)]
    pub pages: Vec<SocketAddr>,
    /// The body of `GET /health`.
    pub health: Value,
    /// Text messages; none: the settings name no carrier.
    #[serde(default)]
    pub sms: Option<SmsStatus>,
}

/// The state of text messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsStatus {
    /// `http` or `smpp`.
    pub carrier: String,
    /// `reachable`, `unreachable`, or `unused`: it was not needed since the start.
    pub state: String,
    /// Since when it has been unreachable.
    pub unreachable_since: Option<Timestamp>,
    /// Why it is unreachable, or did not take the last message.
    pub why: Option<String>,
    /// Messages that wait.
    pub waiting: usize,
    /// Messages that it has taken since the start.
    pub sent: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Status,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Status(NodeStatus),
    Refused(String),
}

/// Answers `jindu status` until the listener is dropped. The caller holds the lock of the data folder. The socket's thread keeps
/// nothing of the node: the journal is written when the node ends, and not later.
///
/// # Errors
/// The socket cannot be opened.
pub(crate) fn listen(folder: &Path, backend: &Arc<NodeBackend>, pages: Vec<SocketAddr>) -> io::Result<ControlListener> {
    let serving_since = clock::timestamp();
    let backend = Arc::downgrade(backend);
    ControlListener::start(folder, NAME, move |request: io::Result<Request>| {
        let found = request.map_err(|error| error.to_string()).and_then(|Request::Status| {
            let backend = backend.upgrade().ok_or("the node is ending")?;
            let health = serde_json::from_slice(&backend.health().to_json()).map_err(|error| error.to_string())?;
            Ok((health, backend.sms.as_deref().map(SmsStatus::of)))
        });
        match found {
            Ok((health, sms)) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Reply::Status(NodeStatus { serving_since, version, pages: pages.clone(), health, sms })
            }
            Err(why) => Reply::Refused(why),
        }
    })
}

impl SmsStatus {
    fn of(service: &SmsService) -> SmsStatus {
        let figures = service.figures();
        let since = figures.carrier.unreachable_since_ms;
        SmsStatus {
            carrier: service.carrier().into(),
            state: match (since, figures.carrier.answered) {
                (Some(_), _) => "unreachable",
                (None, true) => "reachable",
                (None, false) => "unused",
            }
            .into(),
            unreachable_since: since.and_then(|since| Timestamp::from_millisecond(since).ok()),
            why: figures.carrier.why.map(str::to_owned),
            waiting: figures.waiting,
            sent: figures.sent,
        }
    }
}

/// The state of the node that serves from a data folder; `None` where none does.
///
/// # Errors
/// A node serves and does not answer.
pub fn node_status(folder: &Path) -> Result<Option<NodeStatus>, Bilingual> {
    let failed = |error: io::Error| {
        bilingual!(
            "{}: the serving node does not answer: {error}",
            "{}：正在运行的节点没有应答：{error}",
            folder.display()
        )
    };
    if !folder.exists() {
        return Ok(None);
    }
    match control::send_request(folder, NAME, &Request::Status).map_err(failed)? {
        Some(Reply::Status(status)) => Ok(Some(status)),
        Some(Reply::Refused(why)) => Err(why.into()),
        None => Ok(None),
    }
}

const NAME: &str = "status.sock";
