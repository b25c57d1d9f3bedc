//! Follows the spool folder.
//!
//! ```text
//!  spool/*.ndjson, *.ndjson.zst ─┬─ feed files ─► gate: in the order of their numbers, see `gate`
//!                                └─ batches without a seal, where no key is set: in the order of their names,
//!                                   once they are settled
//! ```
//!
//! A file should be written under another name (`.tmp`, `.part`) and renamed. One that is not is left until its seal is
//! there, or two looks in a row find it the same.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use feed::text::{self, ReadError};
use feed::{is_feed_name, printable};
use replica::gate::{FeedHeader, FileError, ReplicaState};

use super::alarms::{AlarmKind, Alarms, Waiting};
use super::apply::{ApplyError, Batch};
use super::feeding::Feeding;
use super::gate::{self, Gate};
use super::past::Past;
use super::putaway::{self, Folders};
use super::refusal::Refusal;
use super::sample_mark;

/// The thread that follows; it ends when this is dropped.
pub(super) struct Follower {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The spool folder as it was last seen.
pub(super) struct Spool {
    folders: Folders,
    settings: config::Replica,
    feeding: Feeding,
    gate: Gate,
    alarms: Alarms,
    seen: HashMap<OsString, Seen>,
    forgot: Option<Instant>,
}

/// A file as it was last seen.
struct Seen {
    look: Look,
    /// Since when it looks like that, and in how many looks.
    since: Instant,
    looks: u32,
    what: What,
}

/// What tells a growing file from a settled one, and a new one of the same name from an old one.
type Look = (u64, Option<SystemTime>, u64);

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// It was not looked into yet.
    Unknown,
    Feed,
    /// A batch without a seal.
    Loose,
    /// Its first line is not there yet.
    Begun,
    /// Of a newer format.
    Newer(u32),
    /// It cannot be read, or is no file.
    Unreadable(String),
}

impl Follower {
    pub(crate) fn start(
        folder: &Path,
        settings: &config::Replica,
        heartbeat: bool,
        feeding: Feeding,
    ) -> io::Result<Follower> {
        let mut spool = Spool::open(folder, settings.clone(), feeding.clone())?;
        let poll = settings.spool_poll;
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
            if let Err(error) = feeding.beat(sample_mark(feeding.now())) {
                tracing::warn!(%error, "the heartbeat could not be written");
            }
        }
        let more = spool.step().unwrap_or_else(|error| {
            tracing::warn!(%error, "the spool folder could not be read or written");
            false
        });
        match stopped.recv_timeout(if more { Duration::ZERO } else { poll }) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Spool {
    /// Opens the spool of a data folder, and makes its folders.
    pub(crate) fn open(data: &Path, settings: config::Replica, feeding: Feeding) -> io::Result<Spool> {
        let folders = Folders::open(path(data))?;
        let alarms = Alarms::new(feeding.clone());
        let gate = Gate::new(feeding.clone(), settings.clone(), &folders);
        Ok(Spool { folders, settings, feeding, gate, alarms, seen: HashMap::new(), forgot: None })
    }

    /// What the copy holds, as far as feeds care.
    pub(crate) fn copy(&self) -> ReplicaState {
        self.gate.copy()
    }

    /// Looks once, and takes what can be taken; `true` when there is more to be taken at once.
    pub(crate) fn step(&mut self) -> io::Result<bool> {
        let result = self.look().and_then(|more_to_see| {
            let settle = self.settings.spool_settle;
            let seen = &self.seen;
            let ripe = |name: &OsStr| seen.get(name).is_some_and(|seen| seen.since.elapsed() >= settle);
            let more = self.gate.step(&self.folders, &mut self.alarms, &ripe)?;
            self.others()?;
            Ok(more || more_to_see)
        });
        if let Err(error) = &result {
            self.alarms.raise(AlarmKind::Stuck, || format!("the spool cannot be read or written: {error}"));
        }
        if let Ok(Some((files, newest))) = self.folders.rejected() {
            self.alarms.raise(AlarmKind::Refused, || {
                format!(
                    "{files} files lie in spool/rejected; the newest is {newest}. Have what is missing sent again, and \
                     remove them"
                )
            });
        }
        self.alarms.settle(self.waiting());
        self.tidy()?;
        result
    }

    /// Old files go, now and then.
    fn tidy(&mut self) -> io::Result<()> {
        if self.forgot.is_some_and(|at| at.elapsed() < FORGET_EVERY) {
            return Ok(());
        }
        self.forgot = Some(Instant::now());
        self.folders.forget(self.settings.spool_keep)
    }

    fn waiting(&self) -> Waiting {
        let mut waiting = self.gate.waiting();
        for seen in self.seen.values().filter(|seen| seen.what != What::Feed) {
            waiting.files += 1;
            waiting.bytes += seen.look.0;
        }
        waiting
    }

    /// Sees what is there; `true` when not every file could be looked into.
    fn look(&mut self) -> io::Result<bool> {
        let mut before = std::mem::take(&mut self.seen);
        let mut fresh = 0;
        for (name, look, file) in self.entries()? {
            let mut seen = match before.remove(&name) {
                Some(seen) if seen.look == look => Seen { looks: seen.looks.saturating_add(1), ..seen },
                Some(_) | None => Seen { look, since: Instant::now(), looks: 1, what: What::Unknown },
            };
            let open = match seen.what {
                What::Unknown | What::Unreadable(_) => true,
                What::Feed | What::Loose | What::Begun | What::Newer(_) => false,
            };
            if open && fresh < FRESH_MAX {
                fresh += 1;
                seen.what = if file { self.what(&name, look.0) } else { What::Unreadable(NO_FILE.into()) };
            }
            self.seen.insert(name, seen);
        }
        for name in before.keys() {
            self.gate.gone(name);
        }
        Ok(fresh == FRESH_MAX)
    }

    /// The files of the spool, and how they look. Not through a link: only what lies here is read and moved.
    fn entries(&self) -> io::Result<Vec<(OsString, Look, bool)>> {
        use std::os::unix::fs::MetadataExt;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folders.spool)? {
            let entry = entry?;
            let name = entry.file_name();
            if !is_feed_name(&name) {
                continue;
            }
            let Ok(file) = fs::symlink_metadata(entry.path()) else { continue };
            entries.push((name, (file.len(), file.modified().ok(), file.ino()), file.is_file()));
            if entries.len() == FILES_MAX {
                break;
            }
        }
        Ok(entries)
    }

    /// Looks into a file that is new, or another one than before.
    fn what(&mut self, name: &OsStr, bytes: u64) -> What {
        self.gate.gone(name);
        match text::header(&self.folders.spool.join(name)) {
            Ok(header) => {
                self.feed(name, header, bytes);
                What::Feed
            }
            Err(ReadError::File(FileError::NoFeed)) => What::Loose,
            Err(ReadError::File(FileError::Newer(format))) => What::Newer(format),
            Err(ReadError::File(FileError::Torn(_))) => What::Begun,
            Err(ReadError::Io(error)) => What::Unreadable(error.to_string()),
            Err(error) => match Refusal::of(error) {
                Ok(why) => {
                    if let Err(error) = gate::refuse(&self.feeding, name, &self.folders, &why) {
                        return What::Unreadable(error.to_string());
                    }
                    What::Unknown
                }
                Err(error) => What::Unreadable(error.to_string()),
            },
        }
    }

    fn feed(&mut self, name: &OsStr, header: FeedHeader, bytes: u64) {
        self.gate.came(name.to_owned(), header, bytes);
    }

    /// What is to be done with files that are no feed, or not yet.
    fn others(&mut self) -> io::Result<()> {
        let mut names: Vec<&OsString> =
            self.seen.iter().filter(|(_, seen)| seen.what != What::Feed).map(|(name, _)| name).collect();
        names.sort();
        let names: Vec<OsString> = names.into_iter().cloned().collect();
        let mut loose_goes_on = true;
        for name in names {
            let Seen { since, looks, what, .. } = &self.seen[&name];
            let ripe = since.elapsed() >= self.settings.spool_settle;
            match what {
                What::Loose if !loose_goes_on => {}
                What::Loose => loose_goes_on = *looks > 1 && self.loose(&name)?,
                What::Begun if ripe => {
                    gate::refuse(&self.feeding, &name, &self.folders, &Refusal::File(FileError::Torn(0)))?;
                }
                What::Begun => loose_goes_on = false,
                What::Newer(format) => {
                    let text = format!("{}: {}", printable(&name), FileError::Newer(*format));
                    self.alarms.raise(AlarmKind::NewerFormat, || text);
                }
                What::Unreadable(why) => {
                    let text = gate::unreadable(&name, &io::Error::other(why.clone()));
                    self.alarms.raise(AlarmKind::Unreadable, || text);
                }
                What::Unknown | What::Feed => {}
            }
        }
        Ok(())
    }

    /// Applies a batch that has no seal; `false` when it has to wait, and those after it too.
    fn loose(&mut self, name: &OsStr) -> io::Result<bool> {
        if let Some(refusal) = loose_is_refused(&self.settings, &self.copy()) {
            gate::refuse(&self.feeding, name, &self.folders, &refusal)?;
            return Ok(true);
        }
        let batch = Batch::File(self.folders.spool.join(name));
        match self.feeding.apply(&printable(name), batch) {
            Ok(applied) => {
                tracing::info!(
                    batch = printable(name),
                    new = applied.new,
                    changed = applied.changed,
                    quarantined = applied.quarantined,
                    "batch applied"
                );
                self.folders.applied(name, &applied.to_string())?;
                Ok(true)
            }
            Err(error) if error.is_final() => {
                gate::refuse(&self.feeding, name, &self.folders, &Refusal::Batch(error.to_string()))?;
                Ok(true)
            }
            Err(ApplyError::Ending) => Ok(false),
            Err(error) => {
                let text = format!("{}: {error}; it is tried again", printable(name));
                self.alarms.raise(AlarmKind::Stuck, || text);
                Ok(false)
            }
        }
    }
}

/// Why a batch without a seal is not taken here.
pub(super) fn loose_is_refused(settings: &config::Replica, copy: &ReplicaState) -> Option<Refusal> {
    match copy {
        _ if !settings.keys.is_empty() => Some(Refusal::NotSealed),
        ReplicaState::At(place) => Some(Refusal::Follows(place.source.clone())),
        ReplicaState::Empty | ReplicaState::Other => None,
    }
}

/// The spool folder of a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("spool")
}

/// Whether a data folder's copy has followed a feed: its files are kept, or were noted.
pub(super) fn has_followed(data: &Path) -> bool {
    Past::is_noted(&path(data)) || Folders::at(path(data)).kept().is_ok_and(|kept| !kept.is_empty())
}

/// Where applied files go.
pub(super) fn applied(data: &Path) -> PathBuf {
    putaway::applied(&path(data))
}

/// Where files go that are of no use.
pub(super) fn rejected(data: &Path) -> PathBuf {
    putaway::rejected(&path(data))
}

const NO_FILE: &str = "it is a link, a folder or a pipe; copy the file itself here";
/// Files that are seen at once; the rest when these are gone.
const FILES_MAX: usize = 200_000;
/// Files that are opened in one look to see what they are.
const FRESH_MAX: usize = 20_000;
const FORGET_EVERY: Duration = Duration::from_secs(10);
/// How often the sample, which has no upstream, is vouched for.
const BEAT_EVERY: Duration = Duration::from_secs(60);
