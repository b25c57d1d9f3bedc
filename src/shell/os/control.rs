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
    /// `perform` gets each request, or why it could not be read, on a thread of the socket. A socket that cannot be opened, as on a
    /// disk that is full or read-only, is tried again until it is: what it is for can be needed most then.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<Q: DeserializeOwned, A: Serialize>(
        folder: &Path,
        name: &'static str,
        perform: impl Fn(io::Result<Q>) -> A + Send + 'static,
    ) -> io::Result<ControlListener> {
        let first = open(folder, name).inspect_err(|error| {
            tracing::warn!(name, %error, "a control socket cannot be opened yet: commands do not reach this node; it is tried again");
        });
        let ending = Arc::new(AtomicBool::new(false));
        let (stop, place) = (Arc::clone(&ending), folder.to_owned());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let Some(listener) = first.ok().or_else(|| open_at_last(&place, name, &stop)) else { return };
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

fn open(folder: &Path, name: &str) -> io::Result<UnixListener> {
    let path = folder.join(name);
    let _ = fs::remove_file(&path);
    let listener = at_folder(folder, name, UnixListener::bind)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Tries until it is open; none if the node ends before.
fn open_at_last(folder: &Path, name: &str, stop: &AtomicBool) -> Option<UnixListener> {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(OPEN_AGAIN);
        if let Ok(listener) = open(folder, name) {
            tracing::info!(name, "a control socket is open now");
            return Some(listener);
        }
    }
    None
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

const OPEN_AGAIN: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(5);
/// A retry of a full quarantine takes a while.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);
const LINE_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_socket_that_cannot_be_opened_at_first_is_opened_once_it_can_be() {
        let folder = std::env::temp_dir().join(format!("jindu-control-{}", std::process::id()));
        let name = "test.sock";
        // What is no leftover that can be removed stands in its place.
        fs::create_dir_all(folder.join(name)).unwrap();
        let listener = ControlListener::start(&folder, name, |number: io::Result<u32>| number.unwrap() + 1).unwrap();
        fs::remove_dir(folder.join(name)).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let answer = loop {
            match send_request::<u32, u32>(&folder, name, &41).unwrap() {
                None if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                answer => break answer,
            }
        };
        assert_eq!(answer, Some(42));
        drop(listener);
        fs::remove_dir(&folder).unwrap();
    }
}
