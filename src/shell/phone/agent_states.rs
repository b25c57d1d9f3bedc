//! Which agents are signed in, which queues are closed and what was counted today, in a file of the data folder: a node that died goes
//! on where it was.
//!
//! The task of the queues gives each change to [`DeskKeeper`], whose own task writes the last of them; a file that is being written
//! never delays a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use queue::DayCounts;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptDesk {
    /// The agents who are signed in, by name.
    pub agents: BTreeMap<String, KeptAgent>,
    /// The queues that a supervisor closed.
    #[serde(default)]
    pub closed: BTreeSet<String>,
    /// How many numbers each agent has called on this day.
    #[serde(default)]
    pub numbers: (String, BTreeMap<String, u32>),
    /// What was counted on this day.
    #[serde(default)]
    pub counts: (String, DayCounts),
}

/// An agent who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptAgent {
    /// Takes no callers, for this reason; empty: did not answer.
    pub pause: Option<String>,
}

/// Writes what is kept. Without a file nothing is.
pub(super) struct DeskKeeper {
    last: KeptDesk,
    /// When counts alone are written again.
    counts_due: Option<Instant>,
    /// The node will end: each change is written at once.
    is_ending: bool,
    changes: Option<watch::Sender<KeptDesk>>,
}

impl DeskKeeper {
    /// What the last run has left, and what writes the rest. Call it in a runtime.
    pub(super) fn open(data: Option<&Path>) -> (KeptDesk, DeskKeeper) {
        let Some(path) = data.map(|data| data.join(NAME)) else {
            return (
                KeptDesk::default(),
                DeskKeeper { last: KeptDesk::default(), counts_due: None, is_ending: false, changes: None },
            );
        };
        let kept = read(&path);
        let (changes, arrivals) = watch::channel(kept.clone());
        tokio::spawn(write_changes(path, arrivals));
        (kept.clone(), DeskKeeper { last: kept, counts_due: None, is_ending: false, changes: Some(changes) })
    }

    /// From now on every change is written.
    pub(super) fn node_ends(&mut self) {
        self.is_ending = true;
    }

    /// Writes a state that is not the last one. `count` gives its counts; if nothing else has changed, they are looked at only every
    /// [`COUNTS_EVERY`].
    pub(super) fn keep(&mut self, now: Instant, desk: KeptDesk, count: impl FnOnce() -> (String, DayCounts)) {
        let Some(changes) = &self.changes else { return };
        let last = &self.last;
        let has_changed = desk.agents != last.agents || desk.closed != last.closed || desk.numbers != last.numbers;
        let counts_are_due = self.is_ending || self.counts_due.is_none_or(|due| now >= due);
        if !has_changed && !counts_are_due {
            return;
        }
        let desk = KeptDesk { counts: count(), ..desk };
        self.counts_due = Some(now + COUNTS_EVERY);
        if desk != self.last {
            self.last = desk.clone();
            let _ = changes.send(desk);
        }
    }
}

async fn write_changes(path: PathBuf, mut changes: watch::Receiver<KeptDesk>) {
    while changes.changed().await.is_ok() {
        let desk = changes.borrow_and_update().clone();
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&to, &desk)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, path = %path.display(), "agents_not_kept: after a restart they must sign in again");
        }
    }
}

/// A file that cannot be read is as none: the agents sign in again.
fn read(path: &Path) -> KeptDesk {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return KeptDesk::default(),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the agents of the last run cannot be read");
            return KeptDesk::default();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, path = %path.display(), "the agents of the last run cannot be read");
        KeptDesk::default()
    })
}

/// Replaces the file: a node that dies meanwhile finds the old one or the new one.
fn write(path: &Path, desk: &KeptDesk) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    file.write_all(&serde_json::to_vec(desk)?)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

const NAME: &str = "desk.json";
/// A node that dies loses at most the figures of this time.
const COUNTS_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn what_was_written_is_read_and_a_damaged_file_is_as_none() {
        let folder = Folder::new();
        let path = folder.path().join(NAME);
        assert_eq!(read(&path), KeptDesk::default());
        let agent = |pause: Option<&str>| KeptAgent { pause: pause.map(str::to_owned) };
        let desk = KeptDesk {
            agents: BTreeMap::from([("li".into(), agent(None)), ("wang".into(), agent(Some("break")))]),
            closed: BTreeSet::from(["second".into()]),
            numbers: ("2026-11-30".into(), BTreeMap::from([("li".into(), 2)])),
            counts: ("2026-11-30".into(), DayCounts::default()),
        };
        write(&path, &desk).unwrap();
        assert_eq!(read(&path), desk);
        fs::write(&path, "{\"agents\":").unwrap();
        assert_eq!(read(&path), KeptDesk::default());
    }
}
