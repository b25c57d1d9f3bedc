//! Control sockets in the data folder: a command sends a request to the node that serves; one line of JSON each way.
//!
//! A socket has mode 0600, serves one connection at a time, and limits time and length of each.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The socket of a serving node; removed when this is dropped.
pub struct ControlListener {
    folder: PathBuf,
    name: &'static str,
    ending: Arc<AtomicBool>,
}

impl ControlListener {
    /// Listens in a data folder under a name. The caller holds the folder's lock, so that an existing socket is a leftover.
    /// `perform` gets each request, or why it could not be read, on a thread of the socket.
    ///
    /// # Errors
    /// The socket cannot be opened, or the thread not started.
    pub fn start<Q: DeserializeOwned, A: Serialize>(
        folder: &Path,
        name: &'static str,
        perform: impl Fn(io::Result<Q>) -> A + Send + 'static,
    ) -> io::Result<ControlListener> {
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        let listener = at_folder(folder, name, UnixListener::bind)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let ending = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ending);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A command that goes away before its reply needs none.
                let _ = serve(&stream, &perform);
            }
        })?;
        Ok(ControlListener { folder: folder.to_owned(), name, ending })
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the thread, which then ends.
        let _ = at_folder(&self.folder, self.name, UnixStream::connect);
        let _ = fs::remove_file(self.folder.join(self.name));
    }
}

/// Sends a request to the node that serves from a folder; `None` when none does.
///
/// # Errors
/// The node does not reply in time, or its reply cannot be read.
pub fn send_request<Q: Serialize, A: DeserializeOwned>(
    folder: &Path,
    name: &str,
    request: &Q,
) -> io::Result<Option<A>> {
    let stream = match at_folder(folder, name, UnixStream::connect) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        connected => connected?,
    };
    stream.set_read_timeout(Some(REPLY_PATIENCE))?;
    send(&stream, request)?;
    receive(&stream).map(Some)
}

fn serve<Q: DeserializeOwned, A: Serialize>(
    stream: &UnixStream,
    perform: &impl Fn(io::Result<Q>) -> A,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    send(stream, &perform(receive(stream)))
}

fn send(mut stream: &UnixStream, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn receive<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// A socket address holds 107 bytes. A longer path is reached through a descriptor of its folder.
fn at_folder<T>(folder: &Path, name: &str, open: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    open(PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())))
}

const PATIENCE: Duration = Duration::from_secs(5);
/// A retry of a full quarantine takes a while.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);
const LINE_BYTES_MAX: u64 = 4 << 20;
