//! The thread that follows the spool folder.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sample::sample_mark;
use crate::spool::watcher::SpoolWatcher;
use crate::write::handle::WriterHandle;

/// The thread that follows; it stops when this is dropped.
pub(crate) struct Follower {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts the thread. With `heartbeat`, it confirms the built-in sample every minute.
    pub(crate) fn start(
        folder: &Path,
        settings: &config::Replica,
        heartbeat: bool,
        writer: WriterHandle,
    ) -> io::Result<Follower> {
        let mut watcher = SpoolWatcher::open(folder, settings.clone(), writer.clone())?;
        let poll = settings.spool_poll;
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("replica-follow".into());
        let thread = thread.spawn(move || follow(&mut watcher, poll, heartbeat, &writer, &stopped))?;
        Ok(Follower { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn follow(watcher: &mut SpoolWatcher, poll: Duration, heartbeat: bool, writer: &WriterHandle, stopped: &Receiver<()>) {
    let mut heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
    loop {
        if heartbeat && Instant::now() >= heartbeat_at {
            heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
            if let Err(error) = writer.heartbeat(sample_mark(writer.now())) {
                tracing::warn!(%error, "sample_heartbeat_failed");
            }
        }
        let more = watcher.step().unwrap_or_else(|error| {
            tracing::warn!(%error, "spool_not_accessible");
            false
        });
        match stopped.recv_timeout(if more { Duration::ZERO } else { poll }) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How often the sample, which has no upstream, is confirmed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
