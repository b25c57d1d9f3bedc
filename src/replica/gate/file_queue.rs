//! The received files that are not yet taken, in the order in which they are taken.
//!
//! An unverified header decides only which file is read next. Reading detects a forged header, and the file leaves the
//! queue.

use std::collections::BTreeMap;

use super::header::{FeedHeader, FileKind};
use super::state::{FilePosition, ReplicaState};

/// The files that wait, each by a name that the shell gave it.
#[derive(Clone, Debug, Default)]
pub struct FileQueue<N> {
    sources: BTreeMap<String, WaitingFiles<N>>,
}

#[derive(Clone, Debug)]
struct WaitingFiles<N> {
    changes: BTreeMap<u64, Vec<N>>,
    snapshots: BTreeMap<u64, Vec<N>>,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextFile<N> {
    /// Read this file: it is next, or it is obsolete and can be removed.
    Take(N),
    /// Nothing waits.
    Nothing,
    /// These wait for a number that has not come.
    Gap {
        /// The feed's source.
        source: String,
        /// The number that must come first.
        missing: u64,
        /// The lowest number that waits.
        first: u64,
        /// The highest number that waits.
        last: u64,
    },
    /// These wait for a snapshot to begin with.
    NoStart {
        /// The feed's source.
        source: String,
        /// The lowest number that waits.
        first: u64,
        /// The highest number that waits.
        last: u64,
    },
}

impl<N: Clone + PartialEq> FileQueue<N> {
    /// Adds a file.
    pub fn insert(&mut self, header: &FeedHeader, name: N) {
        let line = self.sources.entry(header.source.clone());
        let line = line.or_insert_with(|| WaitingFiles { changes: BTreeMap::new(), snapshots: BTreeMap::new() });
        line.of(header.kind).entry(header.sequence).or_default().push(name);
    }

    /// Removes a file.
    pub fn remove(&mut self, header: &FeedHeader, name: &N) {
        let Some(line) = self.sources.get_mut(&header.source) else { return };
        let files = line.of(header.kind);
        if let Some(names) = files.get_mut(&header.sequence) {
            names.retain(|other| other != name);
            if names.is_empty() {
                files.remove(&header.sequence);
            }
        }
        if line.changes.is_empty() && line.snapshots.is_empty() {
            self.sources.remove(&header.source);
        }
    }

    /// The next step of a copy that follows `source`, if it follows one.
    pub fn turn(&self, copy: &ReplicaState, source: Option<&str>) -> NextFile<N> {
        let followed = match copy {
            ReplicaState::At(place) => Some(source.unwrap_or(&place.source)),
            ReplicaState::Empty | ReplicaState::Other => source,
        };
        let mut waits = NextFile::Nothing;
        for (name, line) in &self.sources {
            let turn = match (followed, copy) {
                // Reading it rejects it.
                (Some(followed), _) if followed != name => line.any(),
                (_, ReplicaState::At(place)) if place.source == *name => line.after(place),
                (_, ReplicaState::At(_) | ReplicaState::Empty | ReplicaState::Other) => {
                    line.start(name, *copy == ReplicaState::Empty)
                }
            };
            match turn {
                NextFile::Take(name) => return NextFile::Take(name),
                NextFile::Gap { .. } | NextFile::NoStart { .. } => waits = turn,
                NextFile::Nothing => {}
            }
        }
        waits
    }

    /// The next file after a place, if it is one of changes and nothing else is to be done before it.
    pub fn follower(&self, place: &FilePosition) -> Option<N> {
        let line = self.sources.get(&place.source).filter(|line| line.snapshots.is_empty())?;
        line.changes.get(&(place.sequence + 1))?.first().cloned()
    }
}

impl<N: Clone> WaitingFiles<N> {
    fn of(&mut self, kind: FileKind) -> &mut BTreeMap<u64, Vec<N>> {
        match kind {
            FileKind::Changes => &mut self.changes,
            FileKind::Snapshot => &mut self.snapshots,
        }
    }

    fn any(&self) -> NextFile<N> {
        let mut all = self.changes.values().chain(self.snapshots.values()).flatten();
        all.next().map_or(NextFile::Nothing, |name| NextFile::Take(name.clone()))
    }

    /// The newest snapshot; what came before it is in it.
    fn newest(&self) -> Option<&N> {
        self.snapshots.values().next_back()?.first()
    }

    fn start(&self, source: &str, empty: bool) -> NextFile<N> {
        if let Some(name) = self.newest() {
            return NextFile::Take(name.clone());
        }
        match (self.changes.first_key_value(), self.changes.last_key_value()) {
            (Some((1, names)), _) if empty => NextFile::Take(names[0].clone()),
            (Some((first, _)), Some((last, _))) => {
                NextFile::NoStart { source: source.to_owned(), first: *first, last: *last }
            }
            (None, _) | (_, None) => NextFile::Nothing,
        }
    }

    fn after(&self, place: &FilePosition) -> NextFile<N> {
        if let Some(name) = self.newest() {
            return NextFile::Take(name.clone());
        }
        match (self.changes.first_key_value(), self.changes.last_key_value()) {
            (Some((first, names)), _) if *first <= place.sequence + 1 => NextFile::Take(names[0].clone()),
            (Some((first, _)), Some((last, _))) => {
                NextFile::Gap { source: place.source.clone(), missing: place.sequence + 1, first: *first, last: *last }
            }
            (None, _) | (_, None) => NextFile::Nothing,
        }
    }
}
