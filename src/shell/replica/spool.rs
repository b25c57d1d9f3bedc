//! Follows the spool folder: batch files are applied in the order of their names, and moved out of the way.
//!
//! ```text
//!  spool/007.ndjson ─ settled? ─ applied ──► spool/applied/007.ndjson  + .done (what it did)
//!                        │          └ not a batch ─► spool/rejected/007.ndjson + .why
//!                        └ still growing, or the disk is full: it waits, and the later ones wait behind it
//! ```
//!
//! A file should be written under another name (`.tmp`, `.part`) and renamed; one that is not is left until two looks
//! in a row find it the same.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::apply::{Applied, ApplyError, Batch};
use super::feeding::Feeding;
use super::sample_mark;

/// The thread that follows; it ends when this is dropped.
pub(super) struct Follower {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The spool folder as it was last seen.
pub(super) struct Spool {
    folder: PathBuf,
    seen: HashMap<PathBuf, Look>,
    /// The file that could not be applied, so that it is told once.
    stuck: Option<PathBuf>,
}

/// What tells a growing file from a settled one.
type Look = (u64, Option<SystemTime>);

impl Follower {
    pub fn start(folder: &Path, poll: Duration, heartbeat: bool, feeding: Feeding) -> io::Result<Follower> {
        let mut spool = Spool::open(folder)?;
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("replica-follow".into());
        let thread = thread.spawn(move || follow(&mut spool, poll, heartbeat, &feeding, &stopped))?;
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

fn follow(spool: &mut Spool, poll: Duration, heartbeat: bool, feeding: &Feeding, stopped: &Receiver<()>) {
    let mut beat_at = Instant::now() + BEAT_EVERY;
    loop {
        if heartbeat && Instant::now() >= beat_at {
            beat_at = Instant::now() + BEAT_EVERY;
            if let Err(error) = feeding.beat(sample_mark()) {
                tracing::warn!(%error, "the heartbeat could not be written");
            }
        }
        let apply = |path: &Path, name: &str| feeding.apply(name, Batch::File(path.into()));
        if let Err(error) = spool.step(apply) {
            tracing::warn!(%error, "the spool folder could not be read");
        }
        match stopped.recv_timeout(poll) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Spool {
    /// Opens the spool of a data folder, and makes its folders: files in them hold second factors in clear.
    pub fn open(data: &Path) -> io::Result<Spool> {
        let folder = path(data);
        for name in [folder.clone(), applied(data), rejected(data)] {
            DirBuilder::new().recursive(true).mode(0o700).create(name)?;
        }
        Ok(Spool { folder, seen: HashMap::new(), stuck: None })
    }

    /// Looks once, and applies every settled file that no unsettled one stands before.
    pub fn step(&mut self, mut apply: impl FnMut(&Path, &str) -> Result<Applied, ApplyError>) -> io::Result<()> {
        let files = self.files()?;
        let looks: HashMap<PathBuf, Look> = files.iter().cloned().collect();
        let before = std::mem::replace(&mut self.seen, looks);
        // A file that still grows is not overtaken by a later one.
        let settled = files.iter().take_while(|(path, look)| before.get(path) == Some(look));
        let mut done = 0;
        for (path, _) in settled {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let result = apply(path, &name);
            if !self.put_away(path, &name, result)? {
                break;
            }
            done += 1;
        }
        if done > 0 { forget_old(&self.folder.join(APPLIED)) } else { Ok(()) }
    }

    /// Moves a file to where its result sends it; `false` when it has to wait.
    fn put_away(&mut self, path: &Path, name: &str, result: Result<Applied, ApplyError>) -> io::Result<bool> {
        match result {
            Ok(applied) => {
                tracing::info!(
                    batch = name,
                    new = applied.new,
                    changed = applied.changed,
                    quarantined = applied.quarantined,
                    "batch applied"
                );
                self.move_to(APPLIED, path, name, "done", &applied.to_string())?;
            }
            Err(error) if error.is_final() => {
                tracing::error!(batch = name, %error, "batch rejected: mend it and put it into the spool again");
                self.move_to(REJECTED, path, name, "why", &error.to_string())?;
            }
            Err(ApplyError::Ending) => return Ok(false),
            Err(error) => {
                if self.stuck.as_deref() != Some(path) {
                    tracing::error!(batch = name, %error, "batch waits: it is tried again at every look");
                    self.stuck = Some(path.to_owned());
                }
                return Ok(false);
            }
        }
        self.stuck = None;
        Ok(true)
    }

    /// The note first: whoever finds the file there finds what became of it.
    fn move_to(&self, to: &str, path: &Path, name: &str, note: &str, text: &str) -> io::Result<()> {
        let folder = self.folder.join(to);
        fs::write(folder.join(format!("{name}.{note}")), format!("{text}\n"))?;
        fs::rename(path, folder.join(name))
    }

    /// The batch files in the order of their names, with how they look.
    fn files(&self) -> io::Result<Vec<(PathBuf, Look)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // Not through a link: only what lies here is moved and read.
            let Ok(file) = fs::symlink_metadata(&path) else { continue };
            if path.extension() == Some(OsStr::new(EXTENSION)) && file.is_file() {
                files.push((path, (file.len(), file.modified().ok())));
            }
        }
        files.sort();
        files.truncate(FILES_MAX);
        Ok(files)
    }
}

/// The spool folder of a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("spool")
}

/// Where applied files go.
pub(super) fn applied(data: &Path) -> PathBuf {
    path(data).join(APPLIED)
}

/// Where files go that are no batches.
pub(super) fn rejected(data: &Path) -> PathBuf {
    path(data).join(REJECTED)
}

/// Keeps the newest applied files only: they hold second factors in clear, and would fill the disk.
fn forget_old(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(EXTENSION)) {
            files.push((fs::metadata(&path).and_then(|file| file.modified()).ok(), path));
        }
    }
    files.sort();
    let spare = files.len().saturating_sub(APPLIED_KEPT);
    for (_, path) in &files[..spare] {
        fs::remove_file(path)?;
        let mut note = path.clone().into_os_string();
        note.push(".done");
        let _ = fs::remove_file(note);
    }
    Ok(())
}

pub(super) const EXTENSION: &str = "ndjson";
const APPLIED: &str = "applied";
const REJECTED: &str = "rejected";
/// Files taken in one look; the rest has its turn in the next.
const FILES_MAX: usize = 1000;
const APPLIED_KEPT: usize = 32;
/// How often the sample, which has no upstream, is vouched for.
const BEAT_EVERY: Duration = Duration::from_secs(60);
