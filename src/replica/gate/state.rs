//! Whether a file is next: its sequence number and hash against the replica's.
//!
//! ```text
//!                 ┌ number ≤ the replica's: the same content? repeat ─ other content? fork (refused)
//!  changes, number┼ the replica's + 1: does it name the replica's content? next ─ else: broken chain (refused)
//!                 └ beyond: a gap, it waits
//!  snapshot: newer than the replica ─► the replica continues from it, despite gaps ─ older ─► superseded
//! ```

use jiff::Timestamp;

use super::header::{FeedHeader, FileKind, Hash};

/// The last file of a source that a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePosition {
    /// The feed's source.
    pub source: String,
    /// The file's number.
    pub sequence: u64,
    /// The file's content hash.
    pub hash: Hash,
    /// The upstream's time up to which the replica is complete.
    pub as_of: Timestamp,
}

/// What a copy holds, as far as feed files care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Nothing.
    Empty,
    /// Cases that are not of a feed: the sample, a file without seal, another kind of source.
    Other,
    /// Everything of a feed up to this file.
    At(FilePosition),
}

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its turn: it follows what the replica holds.
    Next,
    /// A snapshot to begin or to go on from.
    Start,
    /// It is in the replica.
    Repeat,
    /// An older file or snapshot than the replica is; what it held is in the replica.
    Superseded,
    /// It comes later: `missing` comes first.
    Gap {
        /// The number that comes next.
        missing: u64,
    },
    /// Changes of a feed that the replica does not follow yet: a snapshot comes first.
    NoStart,
    /// Another file with this number is in the replica.
    Fork,
    /// It does not follow what the replica holds, although its number does.
    Broken,
    /// Of a source that this copy does not follow.
    OtherSource,
}

impl ReplicaState {
    /// Where a file stands. `source`: the only one that is followed, if that is settled; `known`: the hash of an earlier
    /// file in the replica, if it is remembered.
    pub fn judge(
        &self,
        source: Option<&str>,
        header: &FeedHeader,
        hash: Option<&Hash>,
        known: impl Fn(u64) -> Option<Hash>,
    ) -> Standing {
        let followed = match self {
            ReplicaState::At(place) => source.unwrap_or(&place.source),
            ReplicaState::Empty | ReplicaState::Other => source.unwrap_or(&header.source),
        };
        if header.source != followed {
            return Standing::OtherSource;
        }
        let place = match self {
            ReplicaState::At(place) if place.source == header.source => place,
            ReplicaState::At(_) | ReplicaState::Empty | ReplicaState::Other => return self.beginning(header),
        };
        match header.kind {
            FileKind::Snapshot => place.snapshot(header, hash, known),
            FileKind::Changes => place.changes(header, hash, known),
        }
    }

    fn beginning(&self, header: &FeedHeader) -> Standing {
        match header.kind {
            FileKind::Snapshot => Standing::Start,
            // An upstream that began with no case says all of them as changes.
            FileKind::Changes if header.sequence == 1 && *self == ReplicaState::Empty => Standing::Next,
            FileKind::Changes => Standing::NoStart,
        }
    }
}

impl FilePosition {
    fn snapshot(&self, header: &FeedHeader, hash: Option<&Hash>, known: impl Fn(u64) -> Option<Hash>) -> Standing {
        if header.sequence > self.sequence {
            return Standing::Start;
        }
        let ours = if header.sequence == self.sequence { Some(self.hash) } else { known(header.sequence) };
        match hash {
            Some(hash) if ours == Some(*hash) => Standing::Repeat,
            // The upstream was set back, counts again from a lower number, and says how things are by this snapshot.
            _ if header.as_of > self.as_of => Standing::Start,
            _ => Standing::Superseded,
        }
    }

    fn changes(&self, header: &FeedHeader, hash: Option<&Hash>, known: impl Fn(u64) -> Option<Hash>) -> Standing {
        let next = self.sequence + 1;
        if header.sequence > next {
            return Standing::Gap { missing: next };
        }
        if header.sequence == next {
            return if header.previous == self.hash { Standing::Next } else { Standing::Broken };
        }
        let ours = if header.sequence == self.sequence { Some(self.hash) } else { known(header.sequence) };
        match (hash, ours) {
            (Some(hash), Some(ours)) if *hash == ours => Standing::Repeat,
            (Some(_), Some(_)) => Standing::Fork,
            (None, _) | (_, None) => Standing::Superseded,
        }
    }
}
