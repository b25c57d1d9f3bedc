//! Watches the spool folder: sorts its files, and applies what can be applied.
//!
//! ```text
//!  spool/*.ndjson, *.ndjson.zst ─┬─ feed files ─► `gate`: in the order of their numbers
//!                                └─ batch files, unsigned, if no key is configured: in the order of their names,
//!                                   once they have stopped growing
//! ```
//!
//! A file should be written under another name (`.tmp`, `.part`) and renamed. One that is not waits until its last line is
//! complete, or until two passes in a row find it unchanged.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use feed::text::{self, ReadError};
use feed::{is_feed_name, printable};
use replica::gate::{FileError, ReplicaState};

use crate::spool::alarms::{Backlog, FeedAlarm, FeedAlarms};
use crate::spool::archive::{self, SpoolFolders};
use crate::spool::gate::Gate;
use crate::spool::reject::{reject, unreadable};
use crate::spool::rejection::Rejection;
use crate::write::batch::{ApplyError, Batch};
use crate::write::handle::WriterHandle;

/// The spool folder, as the last pass found it.
pub(crate) struct SpoolWatcher {
    folders: SpoolFolders,
    settings: config::Replica,
    writer: WriterHandle,
    gate: Gate,
    alarms: FeedAlarms,
    seen: HashMap<OsString, Seen>,
    /// When old files were last deleted.
    expired: Option<Instant>,
    /// What a program that was killed left behind in the archive is sealed.
    is_sealed: bool,
}

/// A file, as the last pass found it.
struct Seen {
    stamp: Stamp,
    /// Since when, and in how many passes, it is unchanged.
    since: Instant,
    passes: u32,
    kind: FileState,
}

/// Size, modification time and inode: they tell a growing or replaced file from an unchanged one.
type Stamp = (u64, Option<SystemTime>, u64);

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FileState {
    /// It was not opened yet.
    Unknown,
    /// A feed file.
    Feed,
    /// A batch file, which has no signature.
    Batch,
    /// Its first line is incomplete.
    Incomplete,
    /// A feed file of a newer format.
    Newer(u32),
    /// It cannot be read, or is not a regular file.
    Unreadable(String),
}

impl SpoolWatcher {
    /// Opens the spool of a data folder, and creates its folders.
    pub(crate) fn open(data: &Path, settings: config::Replica, writer: WriterHandle) -> io::Result<SpoolWatcher> {
        let folders = SpoolFolders::open(archive::path(data), writer.keys.clone())?;
        let alarms = FeedAlarms::new(writer.clone());
        let gate = Gate::new(writer.clone(), settings.clone(), &folders);
        // A disk that cannot be written keeps no node from answering: the first pass that can tries again.
        let sealed = folders.seal_leftovers().inspect_err(|error| tracing::warn!(%error, "spool_leftovers_not_sealed"));
        let (seen, expired, is_sealed) = (HashMap::new(), None, sealed.is_ok());
        Ok(SpoolWatcher { folders, settings, writer, gate, alarms, seen, expired, is_sealed })
    }

    /// The state of the replica, as feed files are judged by it.
    pub(crate) fn copy(&self) -> ReplicaState {
        self.gate.copy()
    }

    /// Makes one pass, and applies what can be applied; `true` when there is more to apply at once.
    pub(crate) fn step(&mut self) -> io::Result<bool> {
        let result = self.seal_leftovers().and_then(|()| self.scan()).and_then(|more_files| {
            let settle = self.settings.spool_settle;
            let seen = &self.seen;
            let settled = |name: &OsStr| seen.get(name).is_some_and(|seen| seen.since.elapsed() >= settle);
            let more = self.gate.step(&self.folders, &mut self.alarms, &settled)?;
            self.handle_others()?;
            Ok(more || more_files)
        });
        if let Err(error) = &result {
            self.alarms.raise(FeedAlarm::Stuck, || format!("the spool cannot be read or written: {error}; correct the rights of the folder, or free some disk space"));
        }
        if let Ok(Some((files, newest))) = self.folders.rejected_files() {
            self.alarms.raise(FeedAlarm::Refused, || {
                format!(
                    "{files} files are in spool/rejected; the newest is {newest}. Have the missing files sent again, and \
                     delete the rejected ones"
                )
            });
        }
        self.alarms.end_pass(self.backlog());
        self.expire()?;
        result
    }

    fn seal_leftovers(&mut self) -> io::Result<()> {
        if !self.is_sealed {
            self.folders.seal_leftovers()?;
            self.is_sealed = true;
        }
        Ok(())
    }

    /// Deletes old files, every [`EXPIRE_EVERY`].
    fn expire(&mut self) -> io::Result<()> {
        if self.expired.is_some_and(|at| at.elapsed() < EXPIRE_EVERY) {
            return Ok(());
        }
        self.expired = Some(Instant::now());
        self.folders.expire(self.settings.spool_keep, self.writer.shared.steady())
    }

    fn backlog(&self) -> Backlog {
        let mut backlog = self.gate.backlog();
        for seen in self.seen.values().filter(|seen| seen.kind != FileState::Feed) {
            backlog.files += 1;
            backlog.bytes += seen.stamp.0;
        }
        backlog
    }

    /// Lists the files and opens the new ones; `true` when some were left for the next pass.
    fn scan(&mut self) -> io::Result<bool> {
        let mut before = std::mem::take(&mut self.seen);
        let mut opened = 0;
        for (name, stamp, file) in self.entries()? {
            let mut seen = match before.remove(&name) {
                Some(seen) if seen.stamp == stamp => Seen { passes: seen.passes.saturating_add(1), ..seen },
                Some(_) | None => Seen { stamp, since: Instant::now(), passes: 1, kind: FileState::Unknown },
            };
            let open = match seen.kind {
                FileState::Unknown | FileState::Unreadable(_) => true,
                FileState::Feed | FileState::Batch | FileState::Incomplete | FileState::Newer(_) => false,
            };
            if open && opened < NEW_FILES_MAX {
                opened += 1;
                seen.kind = if file { self.open_file(&name, stamp.0) } else { FileState::Unreadable(NO_FILE.into()) };
            }
            self.seen.insert(name, seen);
        }
        for name in before.keys() {
            self.gate.remove(name);
        }
        Ok(opened == NEW_FILES_MAX)
    }

    /// The files of the spool, and whether each is a regular file. Links are not followed.
    fn entries(&self) -> io::Result<Vec<(OsString, Stamp, bool)>> {
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

    /// Opens a file that is new or has changed.
    fn open_file(&mut self, name: &OsStr, bytes: u64) -> FileState {
        self.gate.remove(name);
        match text::header(&self.folders.spool.join(name)) {
            Ok(header) => {
                self.gate.insert(name.to_owned(), header, bytes);
                FileState::Feed
            }
            Err(ReadError::File(FileError::NoFeed)) => FileState::Batch,
            Err(ReadError::File(FileError::Newer(format))) => FileState::Newer(format),
            Err(ReadError::File(FileError::Torn(_))) => FileState::Incomplete,
            Err(ReadError::Io(error)) => FileState::Unreadable(error.to_string()),
            Err(error) => match Rejection::of(error) {
                Ok(why) => {
                    if let Err(error) = reject(&self.writer, name, &self.folders, &why) {
                        return FileState::Unreadable(error.to_string());
                    }
                    FileState::Unknown
                }
                Err(error) => FileState::Unreadable(error.to_string()),
            },
        }
    }

    /// Handles the files that are not feed files, or not yet.
    fn handle_others(&mut self) -> io::Result<()> {
        let mut names: Vec<&OsString> =
            self.seen.iter().filter(|(_, seen)| seen.kind != FileState::Feed).map(|(name, _)| name).collect();
        names.sort();
        let names: Vec<OsString> = names.into_iter().cloned().collect();
        let mut batches_continue = true;
        for name in names {
            let Seen { since, passes, kind, .. } = &self.seen[&name];
            let settled = since.elapsed() >= self.settings.spool_settle;
            match kind {
                FileState::Batch if !batches_continue => {}
                FileState::Batch => batches_continue = *passes > 1 && self.apply_batch(&name)?,
                FileState::Incomplete if settled => {
                    reject(&self.writer, &name, &self.folders, &Rejection::File(FileError::Torn(0)))?;
                }
                FileState::Incomplete => batches_continue = false,
                FileState::Newer(format) => {
                    let text = format!("{}: {}", printable(&name), FileError::Newer(*format));
                    self.alarms.raise(FeedAlarm::NewerFormat, || text);
                }
                FileState::Unreadable(why) => {
                    let text = unreadable(&name, &io::Error::other(why.clone()));
                    self.alarms.raise(FeedAlarm::Unreadable, || text);
                }
                FileState::Unknown | FileState::Feed => {}
            }
        }
        Ok(())
    }

    /// Applies a batch file; `false` when it and the later ones have to wait.
    fn apply_batch(&mut self, name: &OsStr) -> io::Result<bool> {
        if let Some(refusal) = batch_rejection(&self.settings, &self.copy()) {
            reject(&self.writer, name, &self.folders, &refusal)?;
            return Ok(true);
        }
        let batch = Batch::File(self.folders.spool.join(name));
        match self.writer.apply(&printable(name), batch) {
            Ok(applied) => {
                applied.log(&printable(name), 1);
                self.folders.archive_batch(name, &applied.to_string(), self.writer.shared.steady())?;
                Ok(true)
            }
            Err(error) if error.is_final() => {
                reject(&self.writer, name, &self.folders, &Rejection::Batch(error.to_string()))?;
                Ok(true)
            }
            Err(ApplyError::Ending) => Ok(false),
            Err(error) => {
                let text = format!("{}: {error}; it is retried", printable(name));
                self.alarms.raise(FeedAlarm::Stuck, || text);
                Ok(false)
            }
        }
    }
}

/// Why a batch file is not accepted by this copy.
pub(crate) fn batch_rejection(settings: &config::Replica, copy: &ReplicaState) -> Option<Rejection> {
    match copy {
        _ if !settings.keys.is_empty() => Some(Rejection::NotSealed),
        ReplicaState::At(place) => Some(Rejection::Follows(place.source.clone())),
        ReplicaState::Empty | ReplicaState::Other => None,
    }
}

const NO_FILE: &str = "it is a link, a folder or a pipe; copy the file itself to the spool";
/// Files that one pass handles.
const FILES_MAX: usize = 200_000;
/// New files that one pass opens.
const NEW_FILES_MAX: usize = 20_000;
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
