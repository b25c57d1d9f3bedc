//! Alarms of the feed. Each pass over the spool raises those that apply; an alarm that a pass does not raise is cleared.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::write::handle::WriterHandle;

/// What can be wrong with the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FeedAlarm {
    /// A number is missing, and later files wait.
    Gap,
    /// Changes wait for a first snapshot.
    NoStart,
    /// There are files in `rejected`.
    Refused,
    /// A file of a newer format waits for a newer program version.
    NewerFormat,
    /// A file in the spool cannot be opened, or is not a regular file.
    Unreadable,
    /// The upstream sends an impossible time.
    Clock,
    /// The copy or the spool cannot be written.
    Stuck,
    /// A rebuild is requested, and the archive does not suffice for it.
    SnapshotWanted,
}

impl FeedAlarm {
    const ALL: [FeedAlarm; 8] = [
        FeedAlarm::Gap,
        FeedAlarm::NoStart,
        FeedAlarm::Refused,
        FeedAlarm::NewerFormat,
        FeedAlarm::Unreadable,
        FeedAlarm::Clock,
        FeedAlarm::Stuck,
        FeedAlarm::SnapshotWanted,
    ];

    /// The stable name in metrics and status.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FeedAlarm::Gap => "feed_gap",
            FeedAlarm::NoStart => "feed_no_start",
            FeedAlarm::Refused => "feed_refused",
            FeedAlarm::NewerFormat => "feed_newer_format",
            FeedAlarm::Unreadable => "feed_unreadable",
            FeedAlarm::Clock => "feed_clock",
            FeedAlarm::Stuck => "feed_stuck",
            FeedAlarm::SnapshotWanted => "feed_snapshot_wanted",
        }
    }
}

/// What waits in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub files: u64,
    pub bytes: u64,
    pub lines: u64,
}

/// The alarms of the feed.
pub(crate) struct FeedAlarms {
    writer: WriterHandle,
    /// Raised during this pass.
    raised: BTreeMap<FeedAlarm, String>,
    /// Active alarms, and when their text was last updated.
    active: BTreeMap<FeedAlarm, Instant>,
}

impl FeedAlarms {
    pub(crate) fn new(writer: WriterHandle) -> FeedAlarms {
        FeedAlarms { writer, raised: BTreeMap::new(), active: BTreeMap::new() }
    }

    /// Raises an alarm in this pass; the first text of a kind counts.
    pub(crate) fn raise(&mut self, kind: FeedAlarm, text: impl FnOnce() -> String) {
        self.raised.entry(kind).or_insert_with(text);
    }

    /// Ends a pass: alarms that were not raised in it are cleared.
    pub(crate) fn end_pass(&mut self, backlog: Backlog) {
        let mut raised = std::mem::take(&mut self.raised);
        for kind in FeedAlarm::ALL {
            match raised.remove(&kind) {
                // A new text (one more file waits) is logged at most once a minute.
                Some(text) if self.active.get(&kind).is_none_or(|at| at.elapsed() >= TEXT_EVERY) => {
                    self.active.insert(kind, Instant::now());
                    self.writer.alarm(kind.name(), Some(text));
                }
                Some(_) => {}
                None => {
                    if self.active.remove(&kind).is_some() {
                        self.writer.alarm(kind.name(), None);
                    }
                }
            }
        }
        self.writer.set_lag(backlog.lines, backlog.bytes);
        self.writer.shared.metrics.feed.waiting_files.store(backlog.files, Ordering::Relaxed);
    }
}

const TEXT_EVERY: Duration = Duration::from_secs(60);
