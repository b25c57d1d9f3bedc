//! What is wrong with the feed, as long as it is: told once in the log when it begins and ends, counted for `/metrics`,
//! and left in a file for `jindu replica status`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::metrics::ReplicaMetrics;

/// What can be wrong, for as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
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
    /// A batch waits for a person's decision.
    Held,
    /// The copy cannot be written.
    Stuck,
    /// A copy of everything is wanted, and the spool has none to make it of.
    SnapshotWanted,
}

impl AlarmKind {
    pub const ALL: [AlarmKind; 9] = [
        AlarmKind::Gap,
        AlarmKind::NoStart,
        AlarmKind::Refused,
        AlarmKind::NewerFormat,
        AlarmKind::Unreadable,
        AlarmKind::Clock,
        AlarmKind::Held,
        AlarmKind::Stuck,
        AlarmKind::SnapshotWanted,
    ];

    /// Their names, in the order of [`AlarmKind::ALL`].
    pub const NAMES: [&'static str; 9] = [
        "gap",
        "no_start",
        "refused",
        "newer_format",
        "unreadable",
        "clock",
        "held",
        "stuck",
        "snapshot_wanted",
    ];

    /// As metrics and the status name it.
    pub fn name(self) -> &'static str {
        AlarmKind::NAMES[self as usize]
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// What it is, and what to do.
    pub text: String,
    pub since: Timestamp,
}

/// How the feed is, as the status shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedState {
    pub alarms: Vec<Alarm>,
    /// Files in the spool that were not taken yet, and what they hold.
    pub waiting_files: u64,
    pub waiting_bytes: u64,
    pub waiting_lines: u64,
}

/// Counted for `/metrics`.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// 1 while it stands, by [`AlarmKind::ALL`].
    pub alarms: [AtomicU64; AlarmKind::ALL.len()],
    /// By [`super::refusal::Refusal::ALL`].
    pub refused: [AtomicU64; super::refusal::Refusal::COUNT],
    pub waiting_files: AtomicU64,
    pub waiting_bytes: AtomicU64,
    pub waiting_lines: AtomicU64,
}

/// The alarms of the feed.
pub(super) struct Alarms {
    file: PathBuf,
    metrics: Arc<ReplicaMetrics>,
    standing: BTreeMap<AlarmKind, Alarm>,
    /// Raised since the last look began.
    raised: BTreeMap<AlarmKind, String>,
    written: Option<FeedState>,
}

impl Alarms {
    pub fn new(folder: &Path, metrics: Arc<ReplicaMetrics>) -> Alarms {
        let file = folder.join(FILE);
        Alarms { file, metrics, standing: BTreeMap::new(), raised: BTreeMap::new(), written: None }
    }

    /// Says that something is wrong at this look; the first to say so of its kind is heard.
    pub fn raise(&mut self, kind: AlarmKind, text: impl FnOnce() -> String) {
        self.raised.entry(kind).or_insert_with(text);
    }

    /// Ends a look: what was not raised in it is over.
    pub fn settle(&mut self, now: Timestamp, waiting: &FeedState) {
        let raised = std::mem::take(&mut self.raised);
        self.standing.retain(|kind, alarm| {
            let stands = raised.contains_key(kind);
            if !stands {
                tracing::info!(alarm = kind.name(), was = alarm.text, "over");
            }
            stands
        });
        for (kind, text) in raised {
            let alarm = self.standing.entry(kind).or_insert_with(|| {
                tracing::error!(alarm = kind.name(), "{text}");
                Alarm { kind, text: text.clone(), since: now }
            });
            // Its words may change (a gap closes, and the next one shows) without another line in the log.
            alarm.text = text;
        }
        let metrics = &self.metrics.feed;
        for (kind, gauge) in AlarmKind::ALL.iter().zip(&metrics.alarms) {
            gauge.store(u64::from(self.standing.contains_key(kind)), Ordering::Relaxed);
        }
        metrics.waiting_files.store(waiting.waiting_files, Ordering::Relaxed);
        metrics.waiting_bytes.store(waiting.waiting_bytes, Ordering::Relaxed);
        metrics.waiting_lines.store(waiting.waiting_lines, Ordering::Relaxed);
        self.write(FeedState { alarms: self.standing.values().cloned().collect(), ..waiting.clone() });
    }

    /// Whether something of this kind stood at the end of the last look.
    #[cfg(test)]
    pub fn stands(&self, kind: AlarmKind) -> bool {
        self.standing.contains_key(&kind)
    }

    fn write(&mut self, state: FeedState) {
        if self.written.as_ref() == Some(&state) {
            return;
        }
        let text = serde_json::to_string_pretty(&state).expect("a state is JSON");
        let draft = self.file.with_extension("new");
        // A full disk costs the status its words, and nothing else.
        let _ = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &self.file));
        self.written = Some(state);
    }
}

/// How the feed of a data folder was when it last changed.
pub fn feed_state(data: &Path) -> io::Result<FeedState> {
    match fs::read(super::spool::path(data).join(FILE)) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FeedState::default()),
        Err(error) => Err(error),
    }
}

const FILE: &str = "state.json";
