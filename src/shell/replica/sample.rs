//! The built-in sample: its mark, and the note `<data>/replica.sample` beside a copy that is the sample.
//!
//! A lost or unreadable file does not reveal what it held. With the note it is rebuilt from the sample; without it, sample
//! cases never replace an office's cases.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use replica::{Mark, SAMPLE};

/// The mark of the sample, which this node confirms itself.
pub(crate) fn sample_mark(as_of: Timestamp) -> Mark {
    Mark { source: SAMPLE.into(), sequence: None, position: None, as_of }
}

/// Whether the replica of a data folder is the sample, by the note beside it.
pub fn is_noted(folder: &Path) -> bool {
    note(folder).exists()
}

/// Creates or removes the note. It is removed from the disk before a case of another source is written.
pub(crate) fn set_note(folder: &Path, sample: bool) {
    let note = note(folder);
    let kept = match (sample, note.exists()) {
        (true, false) => fs::write(&note, "this copy is the built-in sample\n"),
        (false, true) => fs::remove_file(&note).and_then(|()| synced(folder)),
        (true, true) | (false, false) => Ok(()),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "sample_note_not_written");
    }
}

fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn note(folder: &Path) -> PathBuf {
    folder.join("replica.sample")
}
