//! A note beside the copy while it is the built-in sample: `<data>/replica.sample`.
//!
//! A file that is gone or damaged beyond reading cannot say what it held. By this note it is known to have been made up, and
//! is made again; without it, no made-up case ever takes the place of an office's.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Whether the copy was the sample when it was last known.
pub(super) fn is_noted(folder: &Path) -> bool {
    note(folder).exists()
}

/// Notes what the copy is. The note is gone from the disk before another source's case can be on it.
pub(super) fn keep(folder: &Path, sample: bool) {
    let note = note(folder);
    let kept = match (sample, note.exists()) {
        (true, false) => fs::write(&note, "the copy here is the built-in sample\n"),
        (false, true) => fs::remove_file(&note).and_then(|()| synced(folder)),
        (true, true) | (false, false) => Ok(()),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "it could not be noted whether the copy is the sample");
    }
}

fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn note(folder: &Path) -> PathBuf {
    folder.join("replica.sample")
}
