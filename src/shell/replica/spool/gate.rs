//! The one-way gate's queue: feed files wait until their number is next, and missing numbers raise alarms.
//!
//! ```text
//!  file ─ header ─► queue ─ its turn ─► `intake`: verified, applied, archived or rejected
//!                     └ a gap: waits, and an alarm after replica.spool_gap_s
//! ```

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use replica::Mark;
use replica::gate::{FeedHeader, FilePosition, FileQueue, Hash, NextFile, ReplicaState};

use crate::spool::alarms::{Backlog, FeedAlarm, FeedAlarms};
use crate::spool::archive::SpoolFolders;
use crate::spool::history::AppliedFiles;
use crate::spool::replay::ArchivedChain;
use crate::write::batch::ApplyError;
use crate::write::handle::WriterHandle;

/// The feed files of the spool.
pub(crate) struct Gate {
    pub(super) writer: WriterHandle,
    pub(super) settings: config::Replica,
    pub(super) queue: FileQueue<OsString>,
    pub(super) files: HashMap<OsString, Waiting>,
    /// The hashes of the applied files.
    pub(super) applied_files: AppliedFiles,
    /// The missing number, and since when it is missing.
    gap: Option<(u64, Instant)>,
    /// The file that waits for an operator's decision.
    pub(super) held: Option<OsString>,
    /// What is wrong with the time of the last file.
    pub(super) clock_fault: Option<String>,
    /// When a rebuild from the archive was last attempted.
    replayed: Option<Instant>,
}

/// A file that is not applied yet.
pub(super) struct Waiting {
    pub header: FeedHeader,
    pub bytes: u64,
    /// Skipped until the next pass.
    pub skipped: bool,
}

/// The result of an attempt to apply a file.
pub(super) enum Taken {
    /// It was archived or rejected.
    Done,
    /// It may still grow: others go first.
    Growing,
    /// Nothing more can be applied in this pass.
    Stop,
}

impl Gate {
    pub(crate) fn new(writer: WriterHandle, settings: config::Replica, folders: &SpoolFolders) -> Gate {
        let applied_files = AppliedFiles::open(folders);
        let gate = Gate {
            writer,
            settings,
            queue: FileQueue::default(),
            files: HashMap::new(),
            applied_files,
            gap: None,
            held: None,
            clock_fault: None,
            replayed: None,
        };
        gate.return_later_files(folders);
        gate
    }

    /// After a lost log or a restored backup the replica is older than the archive: the later files are applied again.
    fn return_later_files(&self, folders: &SpoolFolders) {
        let ReplicaState::At(place) = self.copy() else { return };
        match folders.return_after(place.sequence) {
            Ok(0) => {}
            Ok(files) => {
                tracing::warn!(
                    files,
                    at = place.sequence,
                    "replica_older_than_archive: the later files are applied again"
                )
            }
            Err(error) => tracing::warn!(%error, "archived_files_not_returned"),
        }
    }

    /// The state of the replica, as feed files are judged by it.
    pub(crate) fn copy(&self) -> ReplicaState {
        let Some(Mark { source, sequence, position, as_of }) = self.writer.mark() else { return ReplicaState::Empty };
        match (sequence, position.as_deref().and_then(Hash::from_hex)) {
            (Some(sequence), Some(hash)) => ReplicaState::At(FilePosition { source, sequence, hash, as_of }),
            _ => ReplicaState::Other,
        }
    }

    /// Adds a file that is new or was replaced.
    pub(crate) fn insert(&mut self, name: OsString, header: FeedHeader, bytes: u64) {
        self.remove(&name);
        self.queue.insert(&header, name.clone());
        self.files.insert(name, Waiting { header, bytes, skipped: false });
    }

    /// Removes a file that has left the spool.
    pub(crate) fn remove(&mut self, name: &OsStr) {
        if let Some(waiting) = self.files.remove(name) {
            self.queue.remove(&waiting.header, &name.to_owned());
        }
    }

    /// The files that wait.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            files: self.files.len() as u64,
            bytes: self.files.values().map(|file| file.bytes).sum(),
            lines: self.files.values().map(|file| file.header.lines).fold(0, u64::saturating_add),
        }
    }

    /// Applies what can be applied, for at most [`STEP_MAX`]; `true` when there is more. `settled` says whether a file has
    /// stopped growing.
    pub(crate) fn step(
        &mut self,
        folders: &SpoolFolders,
        alarms: &mut FeedAlarms,
        settled: &dyn Fn(&OsStr) -> bool,
    ) -> io::Result<bool> {
        let began = Instant::now();
        let mut more = false;
        self.replay(folders, alarms)?;
        while !self.writer.ending() {
            let NextFile::Take(name) = self.turn() else { break };
            if self.held.as_ref() == Some(&name) && self.awaits_decision()? {
                break;
            }
            match self.take(name.clone(), folders, alarms, settled)? {
                Taken::Done => {}
                Taken::Growing => self.skip(&name),
                Taken::Stop => break,
            }
            if began.elapsed() > STEP_MAX {
                more = true;
                break;
            }
        }
        self.end_skips();
        self.raise_alarms(alarms);
        Ok(more)
    }

    /// Rebuilds the replica from the archive, if a rebuild is requested and the archive suffices.
    fn replay(&mut self, folders: &SpoolFolders, alarms: &mut FeedAlarms) -> io::Result<()> {
        let recently = self.replayed.is_some_and(|at| at.elapsed() < REPLAY_EVERY);
        if !self.writer.rebuild_requested() || recently || self.held.is_some() {
            return Ok(());
        }
        // Without a file the position is unknown: the whole archive is used.
        let place = match self.copy() {
            ReplicaState::At(place) => Some(place),
            ReplicaState::Empty => None,
            ReplicaState::Other => return Ok(()),
        };
        self.replayed = Some(Instant::now());
        let Some(chain) = ArchivedChain::find(&self.settings.keys, folders, place.as_ref())? else { return Ok(()) };
        let mark = match self.writer.mark() {
            Some(mark) => mark,
            None => self.mark(chain.end()),
        };
        match chain.rebuild(folders, &self.writer, mark) {
            Ok(applied) => applied.log("archive", chain.len()),
            Err(ApplyError::Ending) => {}
            Err(error) => alarms.raise(FeedAlarm::Stuck, || format!("the replica could not be rebuilt: {error}")),
        }
        Ok(())
    }

    fn turn(&self) -> NextFile<OsString> {
        self.queue.turn(&self.copy(), self.settings.spool_source.as_deref())
    }

    /// Raises the alarms that explain why files wait.
    fn raise_alarms(&mut self, alarms: &mut FeedAlarms) {
        if let Some(fault) = &self.clock_fault {
            alarms.raise(FeedAlarm::Clock, || fault.clone());
        }
        match self.turn() {
            NextFile::Gap { source, missing, first, last } => self.alarm_gap(alarms, &source, missing, first, last),
            NextFile::NoStart { source, first, last } => {
                self.gap = None;
                alarms.raise(FeedAlarm::NoStart, || {
                    format!("{source} {first} to {last} wait for a first snapshot; have one sent")
                });
            }
            // A file that still grows is not missing.
            NextFile::Take(_) | NextFile::Nothing => self.gap = None,
        }
        if self.writer.rebuild_requested() {
            alarms.raise(FeedAlarm::SnapshotWanted, || {
                "a rebuild is requested, and the archive does not suffice for it; have a snapshot sent".into()
            });
        }
    }

    fn alarm_gap(&mut self, alarms: &mut FeedAlarms, source: &str, missing: u64, first: u64, last: u64) {
        let since = match self.gap {
            Some((number, since)) if number == missing => since,
            Some(_) | None => Instant::now(),
        };
        self.gap = Some((missing, since));
        if since.elapsed() >= self.settings.spool_gap {
            let to = if first - 1 > missing { format!(" to {}", first - 1) } else { String::new() };
            let waiting = self.files.len();
            alarms.raise(FeedAlarm::Gap, || {
                format!(
                    "{source} {missing}{to} is missing, and {waiting} files up to {last} wait; have it sent again, or send a \
                     snapshot"
                )
            });
        }
    }

    /// Takes a file out of the queue until the pass is over.
    fn skip(&mut self, name: &OsStr) {
        if let Some(waiting) = self.files.get_mut(name) {
            waiting.skipped = true;
            self.queue.remove(&waiting.header, &name.to_owned());
        }
    }

    fn end_skips(&mut self) {
        for (name, waiting) in self.files.iter_mut().filter(|(_, waiting)| waiting.skipped) {
            waiting.skipped = false;
            self.queue.insert(&waiting.header, name.clone());
        }
    }
}

/// How long one pass applies files before the spool is scanned again.
const STEP_MAX: Duration = Duration::from_secs(2);
const REPLAY_EVERY: Duration = Duration::from_secs(60);
