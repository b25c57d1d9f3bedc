//! How an operator speaks to the node that serves: one line of JSON each way, over a socket in the data folder.
//!
//! ```text
//!  jindu replica … ─┬─ a node serves ─► <data>/control.sock ─► the same words ─► its writer
//!                   └─ none does ─────► opens the file itself, under the folder's lock
//! ```
//!
//! The socket is its owner's alone, takes one speaker at a time, and gives each a limited time and length.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use super::Replica;
use super::held::Decision;
use super::quarantine::Kept;
use super::status::Status;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status,
    /// Ask the source for a copy of everything.
    Rebuild,
    /// Somebody looked the file through and found it damaged.
    Damaged,
    Quarantine,
    /// Try one row again, or all.
    Retry {
        id: Option<String>,
    },
    /// Let go of one row, or of all.
    Forget {
        id: Option<String>,
    },
    Decide {
        decision: Decision,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Status(Box<Status>),
    Quarantine(Vec<Kept>),
    Done(String),
    Refused(String),
}

/// The socket of a serving node, gone with it.
pub(super) struct Listening {
    path: PathBuf,
}

impl Listening {
    /// Listens in a data folder. The caller holds the folder's lock, so that a socket that is there is a dead one.
    pub(crate) fn start(folder: &Path, replica: Weak<Replica>) -> io::Result<Listening> {
        let path = folder.join(NAME);
        let _ = fs::remove_file(&path);
        let listener = at_folder(folder, UnixListener::bind)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let thread = std::thread::Builder::new().name("replica-control".into());
        thread.spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if replica.strong_count() == 0 {
                    return;
                }
                if let Err(error) = serve(&stream, &replica) {
                    tracing::debug!(%error, "an operator went away");
                }
            }
        })?;
        Ok(Listening { path })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Wakes the thread, which finds that there is nothing to speak of any more.
        if let Some(folder) = self.path.parent() {
            let _ = at_folder(folder, UnixStream::connect);
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks the node that serves from a folder; `None` when none does.
pub(crate) fn ask(folder: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let stream = match at_folder(folder, UnixStream::connect) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        connected => connected?,
    };
    stream.set_read_timeout(Some(ASKER_PATIENCE))?;
    send(&stream, request)?;
    receive(&stream).map(Some)
}

fn serve(stream: &UnixStream, replica: &Weak<Replica>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let reply = match receive(stream) {
        // Held no longer than it takes, as this thread must not be the one that ends it.
        Ok(request) => replica.upgrade().map_or_else(ending, |replica| replica.perform(request)),
        Err(error) => Reply::Refused(error.to_string()),
    };
    send(stream, &reply)
}

fn ending() -> Reply {
    Reply::Refused("the node is ending".into())
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

/// A socket's address holds 107 bytes, and a data folder may lie deeper: it is named by a descriptor.
fn at_folder<T>(folder: &Path, open: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    open(PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

const NAME: &str = "control.sock";
const PATIENCE: Duration = Duration::from_secs(5);
/// A retry of a full quarantine takes a while.
const ASKER_PATIENCE: Duration = Duration::from_secs(60);
const LINE_BYTES_MAX: u64 = 4 << 20;
