//! `jindu trunk trace` and the serving node, over `<data>/traces.sock`.
//!
//! ```text
//!  command ── start ──► node: checks, writes the audit log, attaches ──► its number
//!          ── read ───► records that have come (a pcap's), and how it ended      │ four times a second
//!          ── stop ───► no further message; what waits is still read             ▼
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Bilingual, bilingual};
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::trace_request::{Piece, Summary, TraceRequest};
use super::traces::Traces;
use os::control::{self, ControlListener};

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Start { request: TraceRequest },
    Read { trace: u64 },
    Stop { trace: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Started { trace: u64 },
    Piece(TracePiece),
    Refused(Bilingual),
}

/// A piece as it crosses the socket.
#[derive(Serialize, Deserialize)]
pub(crate) struct TracePiece {
    pub records: String,
    pub is_found: bool,
    pub over: Option<Summary>,
}

/// Answers `jindu trunk trace` until the listener is dropped. The caller holds the lock of the data folder.
///
/// # Errors
/// The socket cannot be opened.
pub fn listen(folder: &Path, traces: Arc<Traces>) -> io::Result<ControlListener> {
    ControlListener::start(folder, NAME, move |request: io::Result<Request>| {
        let done = match request {
            Ok(Request::Start { request }) => traces.start(request).map(|trace| Reply::Started { trace }),
            Ok(Request::Read { trace }) => traces.read(trace).map(|piece| {
                let records = Base64::encode_string(&piece.records);
                Reply::Piece(TracePiece { records, is_found: piece.is_found, over: piece.over })
            }),
            Ok(Request::Stop { trace }) => traces.stop(trace).map(|()| Reply::Started { trace }),
            Err(error) => Err(error.to_string().into()),
        };
        done.unwrap_or_else(Reply::Refused)
    })
}

/// A trace that runs in the serving node.
pub struct TraceClient {
    folder: PathBuf,
    trace: u64,
}

impl TraceClient {
    /// Asks the node that serves from a data folder to begin a trace.
    ///
    /// # Errors
    /// No node serves, or it refuses: another trace runs, there is no such trunk, or the audit log cannot be written.
    pub fn start(folder: &Path, request: TraceRequest) -> Result<TraceClient, Bilingual> {
        match ask(folder, &Request::Start { request })? {
            Reply::Started { trace } => Ok(TraceClient { folder: folder.to_owned(), trace }),
            Reply::Refused(why) => Err(why),
            Reply::Piece(_) => Err(STRANGE),
        }
    }

    /// What has come since.
    ///
    /// # Errors
    /// The node does not serve any more, or the trace is over.
    pub fn read(&self) -> Result<Piece, Bilingual> {
        match ask(&self.folder, &Request::Read { trace: self.trace })? {
            Reply::Piece(TracePiece { records, is_found, over }) => {
                let records = Base64::decode_vec(&records).map_err(|_| STRANGE)?;
                Ok(Piece { records, is_found, over })
            }
            Reply::Refused(why) => Err(why),
            Reply::Started { .. } => Err(STRANGE),
        }
    }

    /// Ends the trace; what was captured can still be read.
    ///
    /// # Errors
    /// As for [`TraceClient::read`].
    pub fn stop(&self) -> Result<(), Bilingual> {
        match ask(&self.folder, &Request::Stop { trace: self.trace })? {
            Reply::Refused(why) => Err(why),
            Reply::Started { .. } | Reply::Piece(_) => Ok(()),
        }
    }
}

fn ask(folder: &Path, request: &Request) -> Result<Reply, Bilingual> {
    let data = folder.display();
    let failed = |error: io::Error| {
        bilingual!("{data}: the serving node does not answer: {error}", "{data}：正在运行的节点没有应答：{error}")
    };
    let none = || bilingual!("{data}: no node serves from this data folder", "{data}：没有节点在使用此数据文件夹");
    if !folder.exists() {
        return Err(none());
    }
    control::send_request(folder, NAME, request).map_err(failed)?.ok_or_else(none)
}

const NAME: &str = "traces.sock";
const STRANGE: Bilingual = Bilingual::fixed(
    "the serving node gave an answer that this program does not know: is it of another version?",
    "无法识别正在运行的节点的应答：版本是否不同？",
);
