//! The control socket: `jindu replica …` sends a request to the node that serves; one line of JSON each way.
//!
//! ```text
//!  jindu replica … ─┬─ a node serves ─► <data>/control.sock ─► Replica::perform
//!                   └─ none does ─────► opens the file itself, under the folder's lock
//! ```
//!
//! The socket has mode 0600, serves one connection at a time, and limits time and length of each.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::file::held::Decision;
use crate::file::quarantine::QuarantinedRow;
use crate::status::Status;

/// A request of an operator.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The state of the copy.
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
    Done(String),
    /// Why nothing was done.
    Refused(String),
}

/// The socket of a serving node; removed when this is dropped.
pub(crate) struct Listener {
    path: PathBuf,
    ending: Arc<AtomicBool>,
}

impl Listener {
    /// Listens in a data folder. The caller holds the folder's lock, so that an existing socket is a leftover. `perform` gives no
    /// reply when the replica is stopping.
    pub(crate) fn start(
        folder: &Path,
        perform: impl Fn(Request) -> Option<Reply> + Send + 'static,
    ) -> io::Result<Listener> {
        let path = folder.join(NAME);
        let _ = fs::remove_file(&path);
        let listener = at_folder(folder, UnixListener::bind)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let ending = Arc::new(AtomicBool::new(false));
        let stop = ending.clone();
        let thread = std::thread::Builder::new().name("replica-control".into());
        thread.spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = serve(&stream, &perform) {
                    tracing::debug!(%error, "control_connection_failed");
                }
            }
        })?;
        Ok(Listener { path, ending })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the thread, which then ends.
        if let Some(folder) = self.path.parent() {
            let _ = at_folder(folder, UnixStream::connect);
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Sends a request to the node that serves from a folder; `None` when none does.
pub(crate) fn send_request(folder: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let stream = match at_folder(folder, UnixStream::connect) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        connected => connected?,
    };
    stream.set_read_timeout(Some(REPLY_PATIENCE))?;
    send(&stream, request)?;
    receive(&stream).map(Some)
}

fn serve(stream: &UnixStream, perform: &impl Fn(Request) -> Option<Reply>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let reply = match receive(stream) {
        Ok(request) => perform(request).unwrap_or_else(|| Reply::Refused("the node is stopping".into())),
        Err(error) => Reply::Refused(error.to_string()),
    };
    send(stream, &reply)
}

fn send(mut stream: &UnixStream, what: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn receive<T: serde::de::DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// A socket address holds 107 bytes. A longer path is reached through a descriptor of its folder.
fn at_folder<T>(folder: &Path, open: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    open(PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

const NAME: &str = "control.sock";
const PATIENCE: Duration = Duration::from_secs(5);
/// A retry of a full quarantine takes a while.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);
const LINE_BYTES_MAX: u64 = 4 << 20;
