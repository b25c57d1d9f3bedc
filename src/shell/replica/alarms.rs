//! What is wrong with the feed, as long as it is: raised anew at every look, and over with the first look that does not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::feeding::Feeding;
use super::refusal::Refusal;

/// What can be wrong, for as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AlarmKind {
    /// A number is missing, and others wait behind it.
    Gap,
    /// Changes wait for a snapshot to begin with.
    NoStart,
    /// Files lie in `rejected`.
    Refused,
    /// A file of a newer format waits for a newer program.
    NewerFormat,
    /// A file in the spool cannot be opened, or is none.
    Unreadable,
    /// The upstream says a time that cannot be.
    Clock,
    /// The copy, or the spool, cannot be written.
    Stuck,
    /// A copy of everything is wanted, and no files are kept to make it of.
    SnapshotWanted,
}

impl AlarmKind {
    const ALL: [AlarmKind; 8] = [
        AlarmKind::Gap,
        AlarmKind::NoStart,
        AlarmKind::Refused,
        AlarmKind::NewerFormat,
        AlarmKind::Unreadable,
        AlarmKind::Clock,
        AlarmKind::Stuck,
        AlarmKind::SnapshotWanted,
    ];

    /// As metrics and the status name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            AlarmKind::Gap => "feed_gap",
            AlarmKind::NoStart => "feed_no_start",
            AlarmKind::Refused => "feed_refused",
            AlarmKind::NewerFormat => "feed_newer_format",
            AlarmKind::Unreadable => "feed_unreadable",
            AlarmKind::Clock => "feed_clock",
            AlarmKind::Stuck => "feed_stuck",
            AlarmKind::SnapshotWanted => "feed_snapshot_wanted",
        }
    }
}

/// Counted for `/metrics`.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// By [`Refusal::NAMES`].
    pub refused: [AtomicU64; Refusal::COUNT],
    /// Files in the spool that were not taken yet.
    pub waiting_files: AtomicU64,
}

/// What waits in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub files: u64,
    pub bytes: u64,
    pub lines: u64,
}

/// The alarms of the feed.
pub(super) struct Alarms {
    feeding: Feeding,
    /// Raised since the last look ended.
    raised: BTreeMap<AlarmKind, String>,
    /// What stands, and since when with these words.
    told: BTreeMap<AlarmKind, Instant>,
}

impl Alarms {
    pub(crate) fn new(feeding: Feeding) -> Alarms {
        Alarms { feeding, raised: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Says that something is wrong at this look; the first to say so of its kind is heard.
    pub(crate) fn raise(&mut self, kind: AlarmKind, text: impl FnOnce() -> String) {
        self.raised.entry(kind).or_insert_with(text);
    }

    /// Ends a look: what was not raised in it is over.
    pub(crate) fn settle(&mut self, waiting: Waiting) {
        let mut raised = std::mem::take(&mut self.raised);
        for kind in AlarmKind::ALL {
            match raised.remove(&kind) {
                // New words (one more file waits) are worth a line in the log now and then.
                Some(text) if self.told.get(&kind).is_none_or(|at| at.elapsed() >= WORDS_LAST) => {
                    self.told.insert(kind, Instant::now());
                    self.feeding.alarm(kind.name(), Some(text));
                }
                Some(_) => {}
                None => {
                    if self.told.remove(&kind).is_some() {
                        self.feeding.alarm(kind.name(), None);
                    }
                }
            }
        }
        self.feeding.lag(waiting.lines, waiting.bytes);
        self.feeding.reading.metrics.feed.waiting_files.store(waiting.files, Ordering::Relaxed);
    }
}

const WORDS_LAST: Duration = Duration::from_secs(60);
