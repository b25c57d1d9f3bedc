//! Reads, verifies and applies the feed file whose turn it is.
//!
//! ```text
//!  file ─ read completely ─ signature ─ standing ─┬─ next ─► applied, with the small files that follow it ─► archived
//!                                                 ├─ start ─► a rebuild from the snapshot ─► archived
//!                                                 ├─ repeat, superseded ─► archived
//!                                                 └─ fork, broken chain, other source ─► rejected
//! ```
//!
//! What is applied is what was verified: changes are read into memory once, verified, and applied from there; a snapshot is
//! read twice, and swapped in only when both readings are equal. Small consecutive files share one transaction. The
//! decisions are made by `replica::gate`.

use std::ffi::{OsStr, OsString};
use std::io;

use feed::printable;
use feed::text::{self, ReadError};
use replica::gate::{
    FeedHeader, FileError, FileKind, FilePosition, ReadDepth, ReplicaState, SealError, Standing, VerifiedFile,
};
use replica::{Change, Mark};

use crate::file::held;
use crate::spool::alarms::{FeedAlarm, FeedAlarms};
use crate::spool::archive::SpoolFolders;
use crate::spool::gate::{Gate, Taken};
use crate::spool::reject::{reject, unreadable};
use crate::spool::rejection::Rejection;
use crate::write::batch::{Applied, ApplyError, Batch, Changes};
use crate::write::rebuild::Rebuild;

/// A verified file, with the changes of a file of changes.
struct Verified {
    name: OsString,
    whole: VerifiedFile,
    changes: Vec<Change>,
}

impl Gate {
    /// Reads one file and acts on it.
    pub(super) fn take(
        &mut self,
        name: OsString,
        folders: &SpoolFolders,
        alarms: &mut FeedAlarms,
        settled: &dyn Fn(&OsStr) -> bool,
    ) -> io::Result<Taken> {
        let (whole, changes) = match self.read(&name, folders) {
            Ok(read) => read,
            Err(ReadError::File(FileError::Torn(_))) if !settled(&name) => return Ok(Taken::Growing),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.remove(&name);
                return Ok(Taken::Done);
            }
            Err(error) => match Rejection::of(error) {
                Ok(refusal) => return self.reject(&name, folders, &refusal),
                Err(error) => {
                    alarms.raise(FeedAlarm::Unreadable, || unreadable(&name, &error));
                    return Ok(Taken::Growing);
                }
            },
        };
        match self.settings.keys.check(&whole) {
            Ok(()) => self.act(Verified { name, whole, changes }, folders, alarms),
            Err(error) => self.reject(&name, folders, &Rejection::Seal(error)),
        }
    }

    /// Reads a file completely. Its changes are kept in memory, except those of a snapshot, which has no size limit.
    fn read(&self, name: &OsStr, folders: &SpoolFolders) -> Result<(VerifiedFile, Vec<Change>), ReadError> {
        let kind = self.files.get(name).map_or(FileKind::Changes, |waiting| waiting.header.kind);
        let reading = if kind == FileKind::Changes { ReadDepth::Rows } else { ReadDepth::Check };
        let mut changes = Vec::new();
        let whole = text::read(&folders.spool.join(name), reading, &mut |change| changes.push(change))?;
        Ok((whole, changes))
    }

    /// Acts on a file by its standing.
    fn act(&mut self, file: Verified, folders: &SpoolFolders, alarms: &mut FeedAlarms) -> io::Result<Taken> {
        let (name, whole) = (&file.name, &file.whole);
        let rebuild = self.writer.rebuild_requested() && whole.header.kind == FileKind::Snapshot;
        match self.judge(&self.copy(), whole) {
            Standing::Next => self.changes(file, folders, alarms),
            Standing::Start => match self.may_start(whole) {
                Ok(()) => self.snapshot(name, whole, folders, alarms),
                Err(error) => self.reject(name, folders, &Rejection::Seal(error)),
            },
            Standing::Repeat if rebuild => self.snapshot(name, whole, folders, alarms),
            Standing::Repeat => self.archive(name, whole, folders, "repeated: applied before"),
            Standing::Superseded => {
                folders.archive_superseded(
                    name,
                    whole,
                    "superseded: older than the replica",
                    self.writer.shared.steady(),
                )?;
                self.remove(name);
                Ok(Taken::Done)
            }
            Standing::Fork => self.reject(name, folders, &Rejection::Fork(whole.header.sequence)),
            Standing::Broken => self.reject(name, folders, &Rejection::Broken(whole.header.sequence)),
            Standing::OtherSource => {
                let (theirs, ours) = (whole.header.source.clone(), self.followed());
                self.reject(name, folders, &Rejection::OtherSource { theirs, ours })
            }
            // The file was replaced after its header had been read.
            Standing::Gap { .. } | Standing::NoStart => {
                let bytes = self.files.get(name).map_or(0, |waiting| waiting.bytes);
                self.insert(name.clone(), whole.header.clone(), bytes);
                Ok(Taken::Stop)
            }
        }
    }

    /// Whether the key that signed a snapshot may set the replica back to its number.
    fn may_start(&self, whole: &VerifiedFile) -> Result<(), SealError> {
        match self.copy() {
            ReplicaState::At(place)
                if place.source == whole.header.source && whole.header.sequence <= place.sequence =>
            {
                self.settings.keys.check_at(whole, place.sequence + 1)
            }
            ReplicaState::At(_) | ReplicaState::Empty | ReplicaState::Other => Ok(()),
        }
    }

    fn followed(&self) -> String {
        match (&self.settings.spool_source, self.copy()) {
            (Some(ours), _) => ours.clone(),
            (None, ReplicaState::At(place)) => place.source,
            (None, ReplicaState::Empty | ReplicaState::Other) => "none".into(),
        }
    }

    fn judge(&self, copy: &ReplicaState, whole: &VerifiedFile) -> Standing {
        let source = self.settings.spool_source.as_deref();
        copy.judge(source, &whole.header, Some(&whole.hash), |sequence| {
            self.applied_files.hash(&whole.header.source, sequence)
        })
    }

    /// Applies a file of changes, together with the small files that follow it.
    fn changes(&mut self, first: Verified, folders: &SpoolFolders, alarms: &mut FeedAlarms) -> io::Result<Taken> {
        let alone = self.held.as_ref() == Some(&first.name) || self.is_mass(&first.changes);
        let mut group = vec![first];
        while !alone && group.len() < GROUP_FILES_MAX {
            match self.next_small(&group, folders) {
                Some(next) => group.push(next),
                None => break,
            }
        }
        self.apply(group, folders, alarms)
    }

    /// Applies consecutive files as one batch.
    fn apply(
        &mut self,
        mut group: Vec<Verified>,
        folders: &SpoolFolders,
        alarms: &mut FeedAlarms,
    ) -> io::Result<Taken> {
        let last = &group[group.len() - 1].whole;
        let mark = self.mark(last);
        let deletes = group.iter().map(|file| deletes(&file.changes)).max().unwrap_or(0);
        let label = format!("{}:{}", last.header.source, last.header.sequence);
        let changes: Vec<Change> = group.iter_mut().flat_map(|file| std::mem::take(&mut file.changes)).collect();
        let changes = Box::new(changes.into_iter().map(Ok));
        match self.writer.apply(&label, Batch::Changes(Changes { mark, deletes, changes })) {
            Ok(applied) => {
                self.held = None;
                applied.log(&label, group.len());
                for file in &group {
                    self.archive(&file.name, &file.whole, folders, &applied.to_string())?;
                }
                Ok(Taken::Done)
            }
            Err(error) => self.failed(&group[0].name, folders, alarms, error),
        }
    }

    /// The file that follows a group, if it is complete, signed, small, and may share the transaction.
    fn next_small(&self, group: &[Verified], folders: &SpoolFolders) -> Option<Verified> {
        let last = &group[group.len() - 1].whole;
        let rows: u64 = group.iter().map(|file| file.whole.header.lines).sum();
        let FeedHeader { source, sequence, as_of, .. } = last.header.clone();
        let place = FilePosition { source, sequence, hash: last.hash, as_of };
        let name = self.queue.follower(&place)?;
        let waiting =
            self.files.get(&name).filter(|waiting| rows.saturating_add(waiting.header.lines) <= GROUP_ROWS_MAX)?;
        if waiting.skipped || self.held.as_ref() == Some(&name) {
            return None;
        }
        let mut changes = Vec::new();
        // A fault in it is reported when it is the first of a group.
        let whole = text::read(&folders.spool.join(&name), ReadDepth::Rows, &mut |change| changes.push(change)).ok()?;
        let sound = self.settings.keys.check(&whole).is_ok() && !self.is_mass(&changes) && !self.is_future(&whole);
        let next = sound && self.judge(&ReplicaState::At(place), &whole) == Standing::Next;
        next.then_some(Verified { name, whole, changes })
    }

    /// Rebuilds the replica from a snapshot, and swaps it in.
    fn snapshot(
        &mut self,
        name: &OsStr,
        whole: &VerifiedFile,
        folders: &SpoolFolders,
        alarms: &mut FeedAlarms,
    ) -> io::Result<Taken> {
        let mark = self.mark(whole);
        match self.rebuild(name, whole, folders, mark) {
            Ok(applied) => {
                self.held = None;
                self.applied_files.restart_at(&whole.header.source, whole.header.sequence);
                folders.delete_before_snapshot()?;
                applied.log(&format!("{}:{}", whole.header.source, whole.header.sequence), 1);
                self.archive(name, whole, folders, &applied.to_string())
            }
            Err(error) => self.failed(name, folders, alarms, error),
        }
    }

    fn rebuild(
        &self,
        name: &OsStr,
        whole: &VerifiedFile,
        folders: &SpoolFolders,
        mark: Mark,
    ) -> Result<Applied, ApplyError> {
        let mut rebuild = Rebuild::begin(&self.writer)?;
        let mut failed = None;
        let read = text::read(&folders.spool.join(name), ReadDepth::Rows, &mut |change| {
            if failed.is_none()
                && let Err(error) = rebuild.add(&whole.header.source, change)
            {
                failed = Some(error);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match read {
            Ok(again) if again == *whole => rebuild.finish(mark),
            Ok(_) => Err(ApplyError::Source("the snapshot changed while it was read; it is read again".into())),
            Err(error) => Err(ApplyError::Source(error.to_string())),
        }
    }

    /// Handles a failure to apply: the file stays in the spool, and later files wait.
    fn failed(
        &mut self,
        name: &OsStr,
        folders: &SpoolFolders,
        alarms: &mut FeedAlarms,
        error: ApplyError,
    ) -> io::Result<Taken> {
        match error {
            ApplyError::Ending => {}
            // The writer has raised the alarm.
            ApplyError::Held { .. } => self.held = Some(name.to_owned()),
            ApplyError::Dropped => {
                self.held = None;
                return self.reject(name, folders, &Rejection::Batch(error.to_string()));
            }
            error => alarms.raise(FeedAlarm::Stuck, || format!("{}: {error}; it is retried", printable(name))),
        }
        Ok(Taken::Stop)
    }

    /// Whether the held file is undecided. It is not retried before, since an attempt may take long.
    pub(super) fn awaits_decision(&self) -> io::Result<bool> {
        let held = self.writer.held().map_err(io::Error::other)?;
        Ok(held.is_some_and(|held| held.decision.is_none()))
    }

    /// Archives a file that is in the replica.
    fn archive(&mut self, name: &OsStr, whole: &VerifiedFile, folders: &SpoolFolders, note: &str) -> io::Result<Taken> {
        self.applied_files.add(whole);
        folders.archive(name, whole, note, self.writer.shared.steady())?;
        self.remove(name);
        Ok(Taken::Done)
    }

    fn reject(&mut self, name: &OsStr, folders: &SpoolFolders, why: &Rejection) -> io::Result<Taken> {
        reject(&self.writer, name, folders, why)?;
        self.remove(name);
        if self.held.as_deref() == Some(name) {
            self.held = None;
        }
        Ok(Taken::Done)
    }

    /// The mark of a file. An impossible time is not trusted: the rows are applied, the age stays.
    pub(super) fn mark(&mut self, whole: &VerifiedFile) -> Mark {
        let FeedHeader { source, sequence, as_of, .. } = whole.header.clone();
        let before = self.writer.mark().filter(|mark| mark.source == source).map(|mark| mark.as_of);
        let (mut trusted, mut fault) = (as_of, None);
        if self.is_future(whole) {
            fault = Some(format!(
                "{source} {sequence} has the time {as_of}, which is in the future; set the upstream's clock"
            ));
            trusted = before.unwrap_or_else(|| self.writer.now());
        } else if let Some(before) = before.filter(|before| as_of < *before) {
            fault = Some(format!(
                "{source} {sequence} has the time {as_of}, which is before the earlier file's {before}; set the upstream's clock"
            ));
        }
        self.clock_fault = fault;
        Mark { source, sequence: Some(sequence), position: Some(whole.hash.to_string()), as_of: trusted }
    }

    fn is_future(&self, whole: &VerifiedFile) -> bool {
        whole.header.as_of.duration_since(self.writer.now()) > FUTURE_MAX
    }

    fn is_mass(&self, changes: &[Change]) -> bool {
        held::is_mass(deletes(changes), self.writer.rows())
    }
}

fn deletes(changes: &[Change]) -> u64 {
    changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count() as u64
}

/// Rows and files that share one transaction.
const GROUP_ROWS_MAX: u64 = 10_000;
const GROUP_FILES_MAX: usize = 500;
/// How far a time may be ahead of this node's clock, which may itself be an hour off.
const FUTURE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);
