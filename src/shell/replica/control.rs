//! The control socket: `jindu replica …` sends a request to the node that serves; one line of JSON each way.
//!
//! ```text
//!  jindu replica … ─┬─ a node serves ─► <data>/control.sock ─► Replica::perform
//!                   └─ none does ─────► opens the file itself, under the folder's lock
//! ```

use std::io;
use std::path::Path;

use base::Bilingual;
use os::control::{self, ControlListener};

use crate::file::held::Decision;
use crate::file::quarantine::QuarantinedRow;
use crate::status::Status;

/// A request of an operator.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The state of the replica.
    Status,
    /// Request a full snapshot from the source.
    Rebuild,
    /// `jindu replica verify` found the file damaged.
    Damaged,
    /// List the rows in quarantine.
    Quarantine,
    /// Retry one quarantined row, or all.
    Retry {
        /// The row; `None` for all.
        id: Option<String>,
    },
    /// Drop one quarantined row, or all.
    Forget {
        /// The row; `None` for all.
        id: Option<String>,
    },
    /// Decide on the held batch.
    Decide {
        /// What to do with it.
        decision: Decision,
    },
}

/// The reply to a [`Request`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Quarantine`].
    Quarantine(Vec<QuarantinedRow>),
    /// What was done, for a person.
    Done(Bilingual),
    /// Why nothing was done.
    Refused(Bilingual),
}

/// Listens in a data folder, whose lock the caller holds. `perform` gives no reply when the replica is stopping.
pub(crate) fn listen(
    folder: &Path,
    perform: impl Fn(Request) -> Option<Reply> + Send + 'static,
) -> io::Result<ControlListener> {
    ControlListener::start(folder, NAME, move |request: io::Result<Request>| match request {
        Ok(request) => {
            perform(request).unwrap_or_else(|| Reply::Refused(Bilingual::fixed("the node is stopping", "节点正在停止")))
        }
        Err(error) => Reply::Refused(error.to_string().into()),
    })
}

/// Sends a request to the node that serves from a folder; `None` when none does.
pub(crate) fn send_request(folder: &Path, request: &Request) -> io::Result<Option<Reply>> {
    control::send_request(folder, NAME, request)
}

const NAME: &str = "control.sock";
