//! Takes the feed files of the spool into the copy, each in its turn.
//!
//! ```text
//!  a file comes ─ header ─► line-up ─ its turn ─► read whole, sealed by whom? ─┬─ changes ─► applied ─► put away
//!                             │                       │                        └─ snapshot ─► a new copy, swapped in
//!                             └ a gap: waits          └ torn, forged, a fork: refused, and its number is still missing
//! ```
//!
//! What is applied is what was checked: changes are read into memory once, checked, and applied from there; a snapshot is
//! read twice, and swapped in only when it was the same both times. Small files that follow each other are one
//! transaction. Everything that is told of a file is decided by `replica::gate`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use feed::printable;
use feed::text::{self, ReadError};
use replica::gate::{
    FeedHeader, FileError, FileKind, FilePosition, FileQueue, Hash, NextFile, Reading, ReplicaState, SealError,
    Standing, VerifiedFile,
};
use replica::{Change, Mark};

use super::alarms::{self, AlarmKind, Alarms};
use super::apply::{Applied, ApplyError, Batch, Changes};
use super::feeding::Feeding;
use super::heal::Way;
use super::held;
use super::metrics::count;
use super::past::Past;
use super::putaway::Folders;
use super::refusal::Refusal;

/// The feed's side of the spool.
pub(super) struct Gate {
    feeding: Feeding,
    settings: config::Replica,
    lineup: FileQueue<OsString>,
    files: HashMap<OsString, Waiting>,
    /// The hashes of files that are in the copy, by their number.
    past: Past,
    /// Since when the number that is missing has been.
    gap: Option<(u64, Instant)>,
    /// The file that a person has to decide on.
    held: Option<OsString>,
    clock: Option<String>,
    /// When a copy was last made again of the kept files, or tried to be.
    healed: Option<Instant>,
}

/// A file that was not taken yet.
struct Waiting {
    header: FeedHeader,
    bytes: u64,
    /// Not to be looked into before the file is another one.
    asleep: bool,
}

/// What became of a file that was looked into.
enum Taken {
    /// It is out of the way.
    Away,
    /// It may still grow: others go first.
    Unripe,
    /// Nothing more can be done in this look.
    Stop,
}

/// A file of changes that is checked and comes next.
struct Checked {
    name: OsString,
    whole: VerifiedFile,
    changes: Vec<Change>,
}

impl Gate {
    pub(crate) fn new(feeding: Feeding, settings: config::Replica, folders: &Folders) -> Gate {
        let past = Past::open(folders);
        let gate = Gate {
            feeding,
            settings,
            lineup: FileQueue::default(),
            files: HashMap::new(),
            past,
            gap: None,
            held: None,
            clock: None,
            healed: None,
        };
        gate.bring_back(folders);
        gate
    }

    /// A copy that lost its log, or was restored from a backup, is behind the files that were put away: they are taken again,
    /// each in its turn.
    fn bring_back(&self, folders: &Folders) {
        let ReplicaState::At(place) = self.copy() else { return };
        match folders.bring_back(place.sequence) {
            Ok(0) => {}
            Ok(files) => {
                tracing::warn!(files, at = place.sequence, "the copy is older than its files: they are taken again")
            }
            Err(error) => tracing::warn!(%error, "kept files could not be taken again"),
        }
    }

    /// What the copy holds, as far as feeds care.
    pub(crate) fn copy(&self) -> ReplicaState {
        let Some(Mark { source, sequence, position, as_of }) = self.feeding.mark() else { return ReplicaState::Empty };
        match (sequence, position.as_deref().and_then(Hash::from_hex)) {
            (Some(sequence), Some(hash)) => ReplicaState::At(FilePosition { source, sequence, hash, as_of }),
            _ => ReplicaState::Other,
        }
    }

    /// A file came, or is another one than before.
    pub(crate) fn came(&mut self, name: OsString, header: FeedHeader, bytes: u64) {
        self.gone(&name);
        self.lineup.insert(&header, name.clone());
        self.files.insert(name, Waiting { header, bytes, asleep: false });
    }

    /// A file is no longer there.
    pub(crate) fn gone(&mut self, name: &OsStr) {
        if let Some(waiting) = self.files.remove(name) {
            self.lineup.remove(&waiting.header, &name.to_owned());
        }
    }

    /// What waits.
    pub(crate) fn waiting(&self) -> alarms::Waiting {
        alarms::Waiting {
            files: self.files.len() as u64,
            bytes: self.files.values().map(|file| file.bytes).sum(),
            lines: self.files.values().map(|file| file.header.lines).fold(0, u64::saturating_add),
        }
    }

    /// Takes what can be taken, for a while; `true` when there is more. `ripe`: whether a file has not grown for so long
    /// that it will not.
    pub(crate) fn step(
        &mut self,
        folders: &Folders,
        alarms: &mut Alarms,
        ripe: &dyn Fn(&OsStr) -> bool,
    ) -> io::Result<bool> {
        let began = Instant::now();
        let mut more = false;
        self.heal(folders, alarms)?;
        while !self.feeding.ending() {
            let NextFile::Take(name) = self.turn() else { break };
            if self.held.as_ref() == Some(&name) && self.waits_for_a_person()? {
                break;
            }
            match self.take(name.clone(), folders, alarms, ripe)? {
                Taken::Away => {}
                Taken::Unripe => self.sleep(&name),
                Taken::Stop => break,
            }
            if began.elapsed() > STEP_MAX {
                more = true;
                break;
            }
        }
        self.wake();
        self.alarm(alarms);
        Ok(more)
    }

    /// Makes the copy again of the files it was made of, where one is wanted and they are there.
    fn heal(&mut self, folders: &Folders, alarms: &mut Alarms) -> io::Result<()> {
        let lately = self.healed.is_some_and(|at| at.elapsed() < HEAL_EVERY);
        if !self.feeding.rebuild_is_wanted() || lately || self.held.is_some() {
            return Ok(());
        }
        // Where the whole file is gone, nobody says where it stood.
        let place = match self.copy() {
            ReplicaState::At(place) => Some(place),
            ReplicaState::Empty => None,
            ReplicaState::Other => return Ok(()),
        };
        self.healed = Some(Instant::now());
        let Some(way) = Way::find(&self.settings.keys, folders, place.as_ref())? else { return Ok(()) };
        let mark = match self.feeding.mark() {
            Some(mark) => mark,
            None => self.mark(way.end()),
        };
        match way.go(&self.feeding, mark) {
            Ok(applied) => told("the kept files, again", way.len(), &applied),
            Err(ApplyError::Ending) => {}
            Err(error) => alarms.raise(AlarmKind::Stuck, || format!("a new copy could not be made: {error}")),
        }
        Ok(())
    }

    fn turn(&self) -> NextFile<OsString> {
        self.lineup.turn(&self.copy(), self.settings.spool_source.as_deref())
    }

    /// Says what stands in the way of the files that wait.
    fn alarm(&mut self, alarms: &mut Alarms) {
        if let Some(clock) = &self.clock {
            alarms.raise(AlarmKind::Clock, || clock.clone());
        }
        match self.turn() {
            NextFile::Gap { source, missing, first, last } => self.alarm_gap(alarms, &source, missing, first, last),
            NextFile::NoStart { source, first, last } => {
                self.gap = None;
                alarms.raise(AlarmKind::NoStart, || {
                    format!("{source} {first} to {last} wait for a snapshot to begin with: have one sent")
                });
            }
            // A file that may still grow is neither missing nor there.
            NextFile::Take(_) | NextFile::Nothing => self.gap = None,
        }
        if self.feeding.rebuild_is_wanted() {
            alarms.raise(AlarmKind::SnapshotWanted, || {
                "a new copy is wanted, and no files are kept to make it of: have a snapshot sent".into()
            });
        }
    }

    fn alarm_gap(&mut self, alarms: &mut Alarms, source: &str, missing: u64, first: u64, last: u64) {
        let since = match self.gap {
            Some((number, since)) if number == missing => since,
            Some(_) | None => Instant::now(),
        };
        self.gap = Some((missing, since));
        if since.elapsed() >= self.settings.spool_gap {
            let to = if first - 1 > missing { format!(" to {}", first - 1) } else { String::new() };
            let waiting = self.files.len();
            alarms.raise(AlarmKind::Gap, || {
                format!(
                    "{source} {missing}{to} is missing, and {waiting} files up to {last} wait: have it sent again, or a \
                     snapshot"
                )
            });
        }
    }

    /// Looks into one file and does what is to be done with it.
    fn take(
        &mut self,
        name: OsString,
        folders: &Folders,
        alarms: &mut Alarms,
        ripe: &dyn Fn(&OsStr) -> bool,
    ) -> io::Result<Taken> {
        let (whole, changes) = match self.read(&name, folders) {
            Ok(read) => read,
            Err(ReadError::File(FileError::Torn(_))) if !ripe(&name) => return Ok(Taken::Unripe),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.gone(&name);
                return Ok(Taken::Away);
            }
            Err(error) => match Refusal::of(error) {
                Ok(refusal) => return self.refuse(&name, folders, &refusal),
                Err(error) => {
                    alarms.raise(AlarmKind::Unreadable, || unreadable(&name, &error));
                    return Ok(Taken::Unripe);
                }
            },
        };
        match self.settings.keys.check(&whole) {
            Ok(()) => self.act(Checked { name, whole, changes }, folders, alarms),
            Err(error) => self.refuse(&name, folders, &Refusal::Seal(error)),
        }
    }

    /// Reads a file whole; its changes too, unless it is a snapshot, which has no bound.
    fn read(&self, name: &OsStr, folders: &Folders) -> Result<(VerifiedFile, Vec<Change>), ReadError> {
        let kind = self.files.get(name).map_or(FileKind::Changes, |waiting| waiting.header.kind);
        let reading = if kind == FileKind::Changes { Reading::Rows } else { Reading::Check };
        let mut changes = Vec::new();
        let whole = text::read(&folders.spool.join(name), reading, &mut |change| changes.push(change))?;
        Ok((whole, changes))
    }

    /// Does with a whole file what its place says.
    fn act(&mut self, file: Checked, folders: &Folders, alarms: &mut Alarms) -> io::Result<Taken> {
        let (name, whole) = (&file.name, &file.whole);
        let again = self.feeding.rebuild_is_wanted() && whole.header.kind == FileKind::Snapshot;
        match self.judge(&self.copy(), whole) {
            Standing::Next => self.changes(file, folders, alarms),
            Standing::Start => match self.may_begin(whole) {
                Ok(()) => self.snapshot(name, whole, folders, alarms),
                Err(error) => self.refuse(name, folders, &Refusal::Seal(error)),
            },
            Standing::Repeat if again => self.snapshot(name, whole, folders, alarms),
            Standing::Repeat => self.away(name, whole, folders, "in the copy already: a repeat"),
            Standing::Superseded => {
                folders.superseded(name, whole, "older than the copy is: nothing of it is new")?;
                self.gone(name);
                Ok(Taken::Away)
            }
            Standing::Fork => self.refuse(name, folders, &Refusal::Fork(whole.header.sequence)),
            Standing::Broken => self.refuse(name, folders, &Refusal::Broken(whole.header.sequence)),
            Standing::OtherSource => {
                let (theirs, ours) = (whole.header.source.clone(), self.followed());
                self.refuse(name, folders, &Refusal::OtherSource { theirs, ours })
            }
            // Its header is another one than it was.
            Standing::Gap { .. } | Standing::NoStart => {
                let bytes = self.files.get(name).map_or(0, |waiting| waiting.bytes);
                self.came(name.clone(), whole.header.clone(), bytes);
                Ok(Taken::Stop)
            }
        }
    }

    /// Whether whoever sealed a snapshot may set the copy to its number.
    fn may_begin(&self, whole: &VerifiedFile) -> Result<(), SealError> {
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
        copy.judge(source, &whole.header, Some(&whole.hash), |sequence| self.past.hash(&whole.header.source, sequence))
    }

    /// Applies a file of changes, and those that follow it as long as they are small.
    fn changes(&mut self, first: Checked, folders: &Folders, alarms: &mut Alarms) -> io::Result<Taken> {
        let alone = self.held.as_ref() == Some(&first.name) || self.is_mass(&first.changes);
        let mut group = vec![first];
        while !alone && group.len() < GROUP_FILES_MAX {
            match self.follower(&group, folders) {
                Some(next) => group.push(next),
                None => break,
            }
        }
        self.apply(group, folders, alarms)
    }

    /// Applies files that follow each other, as one batch.
    fn apply(&mut self, mut group: Vec<Checked>, folders: &Folders, alarms: &mut Alarms) -> io::Result<Taken> {
        let last = &group[group.len() - 1].whole;
        let mark = self.mark(last);
        let deletes = group.iter().map(|file| deletes(&file.changes)).max().unwrap_or(0);
        let label = format!("{}:{}", last.header.source, last.header.sequence);
        let changes: Vec<Change> = group.iter_mut().flat_map(|file| std::mem::take(&mut file.changes)).collect();
        let changes = Box::new(changes.into_iter().map(Ok));
        match self.feeding.apply(&label, Batch::Changes(Changes { mark, deletes, changes })) {
            Ok(applied) => {
                self.held = None;
                told(&label, group.len(), &applied);
                for file in &group {
                    self.away(&file.name, &file.whole, folders, &applied.to_string())?;
                }
                Ok(Taken::Away)
            }
            Err(error) => self.failed(&group[0].name, folders, alarms, error),
        }
    }

    /// The file that follows a group, if it is whole, sealed, small, and may share its transaction.
    fn follower(&self, group: &[Checked], folders: &Folders) -> Option<Checked> {
        let last = &group[group.len() - 1].whole;
        let rows: u64 = group.iter().map(|file| file.whole.header.lines).sum();
        let FeedHeader { source, sequence, as_of, .. } = last.header.clone();
        let place = FilePosition { source, sequence, hash: last.hash, as_of };
        let name = self.lineup.follower(&place)?;
        let waiting =
            self.files.get(&name).filter(|waiting| rows.saturating_add(waiting.header.lines) <= GROUP_ROWS_MAX)?;
        if waiting.asleep || self.held.as_ref() == Some(&name) {
            return None;
        }
        let mut changes = Vec::new();
        // What is wrong with it is told when it comes first itself.
        let whole = text::read(&folders.spool.join(&name), Reading::Rows, &mut |change| changes.push(change)).ok()?;
        let sound = self.settings.keys.check(&whole).is_ok() && !self.is_mass(&changes) && !self.is_future(&whole);
        let next = sound && self.judge(&ReplicaState::At(place), &whole) == Standing::Next;
        next.then_some(Checked { name, whole, changes })
    }

    /// Makes a new copy of a snapshot, and swaps it in.
    fn snapshot(
        &mut self,
        name: &OsStr,
        whole: &VerifiedFile,
        folders: &Folders,
        alarms: &mut Alarms,
    ) -> io::Result<Taken> {
        let mark = self.mark(whole);
        match self.rebuild(name, whole, folders, mark) {
            Ok(applied) => {
                self.held = None;
                self.past.begin(&whole.header.source, whole.header.sequence);
                folders.begin()?;
                told(&format!("{}:{}", whole.header.source, whole.header.sequence), 1, &applied);
                self.away(name, whole, folders, &applied.to_string())
            }
            Err(error) => self.failed(name, folders, alarms, error),
        }
    }

    fn rebuild(
        &self,
        name: &OsStr,
        whole: &VerifiedFile,
        folders: &Folders,
        mark: Mark,
    ) -> Result<Applied, ApplyError> {
        let mut rebuild = self.feeding.rebuild()?;
        let mut failed = None;
        let read = text::read(&folders.spool.join(name), Reading::Rows, &mut |change| {
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
            Ok(_) => Err(ApplyError::Source("the snapshot changed while it was read: it is read again".into())),
            Err(error) => Err(ApplyError::Source(error.to_string())),
        }
    }

    /// What is done when the copy did not take it: the file stays where it is, and nothing goes before it.
    fn failed(&mut self, name: &OsStr, folders: &Folders, alarms: &mut Alarms, error: ApplyError) -> io::Result<Taken> {
        match error {
            ApplyError::Ending => {}
            // The writer tells of it.
            ApplyError::Held { .. } => self.held = Some(name.to_owned()),
            ApplyError::Dropped => {
                self.held = None;
                return self.refuse(name, folders, &Refusal::Batch(error.to_string()));
            }
            error => alarms.raise(AlarmKind::Stuck, || format!("{}: {error}; it is tried again", printable(name))),
        }
        Ok(Taken::Stop)
    }

    /// Whether what is held is still undecided; it is not tried again before that, as a try may be long.
    fn waits_for_a_person(&self) -> io::Result<bool> {
        let held = self.feeding.held().map_err(io::Error::other)?;
        Ok(held.is_some_and(|held| held.decision.is_none()))
    }

    /// A file that is in the copy goes out of the way.
    fn away(&mut self, name: &OsStr, whole: &VerifiedFile, folders: &Folders, note: &str) -> io::Result<Taken> {
        self.past.add(whole);
        folders.taken(name, whole, note)?;
        self.gone(name);
        Ok(Taken::Away)
    }

    fn refuse(&mut self, name: &OsStr, folders: &Folders, why: &Refusal) -> io::Result<Taken> {
        refuse(&self.feeding, name, folders, why)?;
        self.gone(name);
        if self.held.as_deref() == Some(name) {
            self.held = None;
        }
        Ok(Taken::Away)
    }

    /// Where the copy stands with a file. A time that cannot be is not believed: rows count, the age does not.
    fn mark(&mut self, whole: &VerifiedFile) -> Mark {
        let FeedHeader { source, sequence, as_of, .. } = whole.header.clone();
        let before = self.feeding.mark().filter(|mark| mark.source == source).map(|mark| mark.as_of);
        let (mut told, mut clock) = (as_of, None);
        if self.is_future(whole) {
            clock = Some(format!("{source} {sequence} says {as_of}, which is to come: set the upstream's clock"));
            told = before.unwrap_or_else(|| self.feeding.now());
        } else if let Some(before) = before.filter(|before| as_of < *before) {
            clock = Some(format!(
                "{source} {sequence} says {as_of}, and {before} was said before: set the upstream's clock"
            ));
        }
        self.clock = clock;
        Mark { source, sequence: Some(sequence), position: Some(whole.hash.to_string()), as_of: told }
    }

    fn is_future(&self, whole: &VerifiedFile) -> bool {
        whole.header.as_of.duration_since(self.feeding.now()) > FUTURE_MAX
    }

    fn is_mass(&self, changes: &[Change]) -> bool {
        held::is_mass(deletes(changes), self.feeding.rows())
    }

    /// Keeps a file out of the line-up until the look is over.
    fn sleep(&mut self, name: &OsStr) {
        if let Some(waiting) = self.files.get_mut(name) {
            waiting.asleep = true;
            self.lineup.remove(&waiting.header, &name.to_owned());
        }
    }

    fn wake(&mut self) {
        for (name, waiting) in self.files.iter_mut().filter(|(_, waiting)| waiting.asleep) {
            waiting.asleep = false;
            self.lineup.insert(&waiting.header, name.clone());
        }
    }
}

/// Puts a file away that is of no use, and says so.
pub(super) fn refuse(feeding: &Feeding, name: &OsStr, folders: &Folders, why: &Refusal) -> io::Result<()> {
    tracing::error!(file = printable(name), why = Refusal::NAMES[why.place()], "refused: {why}");
    count(&feeding.reading.metrics.feed.refused[why.place()]);
    count(&feeding.reading.metrics.batches_rejected);
    folders.refused(name, &why.to_string())
}

pub(super) fn unreadable(name: &OsStr, error: &io::Error) -> String {
    format!("{}: {error}: the user that runs jindu must be able to read what comes to the spool", printable(name))
}

fn deletes(changes: &[Change]) -> u64 {
    changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count() as u64
}

fn told(batch: &str, files: usize, applied: &Applied) {
    let Applied { new, changed, unchanged: _, deleted, quarantined } = applied;
    tracing::info!(batch, files, new, changed, deleted, quarantined, "batch applied");
}

/// After so long the folder is looked at again.
const STEP_MAX: Duration = Duration::from_secs(2);
/// What shares a transaction; the store's own bound for one.
const GROUP_ROWS_MAX: u64 = 10_000;
const GROUP_FILES_MAX: usize = 500;
const HEAL_EVERY: Duration = Duration::from_secs(60);
/// Further ahead of this node's clock, which may be an hour off itself, no time is believed.
const FUTURE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);
