//! Removes old releases, so that an office that publishes every week does not fill its disk in ten years.
//!
//! It keeps the live release, the one before it, the [`KEPT`] published last, and each that a call of the next replay
//! began with. A call in progress needs no file: its words and recordings are in memory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use base::Bilingual;
use config::Settings;
use journal::{REPLAYED_MAX, past_calls};
use os::clock;

use crate::audit::audit;
use crate::layout::{folder, names};
use crate::live_pointer::{live, previous};

/// Removes old releases and unused recordings; the number of removed releases.
pub(crate) fn clean(settings: &Settings) -> Result<usize, Bilingual> {
    let called = past_calls(settings, REPLAYED_MAX)?.into_iter().map(|(release, _)| release).collect();
    remove(settings, &called).map_err(|error| error.to_string().into())
}

/// `called` are the short names of the releases that recent calls began with.
fn remove(settings: &Settings, called: &BTreeSet<String>) -> io::Result<usize> {
    let root = folder(settings);
    let kept = kept(settings, called);
    let mut removed = 0;
    for name in names(settings).difference(&kept) {
        if !is_old(&root.join(name)) {
            continue;
        }
        // Renamed first: a failure must not leave half a release under its name.
        let hidden = root.join(format!(".old-{}", &name[..12]));
        fs::rename(root.join(name), &hidden)?;
        fs::remove_dir_all(&hidden)?;
        removed += 1;
    }
    remove_leftovers(&root)?;
    remove_unused_clips(&root.join("clips"))?;
    Ok(removed)
}

fn kept(settings: &Settings, called: &BTreeSet<String>) -> BTreeSet<String> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for name in audit(settings).into_iter().rev().filter_map(|entry| entry.release) {
        if kept.len() < KEPT {
            kept.insert(name);
        }
    }
    let replayed = |name: &String| called.iter().any(|short| !short.is_empty() && name.starts_with(short.as_str()));
    kept.extend(names(settings).into_iter().filter(replayed));
    kept.extend(live(settings));
    kept.extend(previous(settings));
    kept
}

/// Removes what a killed publication left behind.
fn remove_leftovers(root: &Path) -> io::Result<()> {
    for file in fs::read_dir(root)?.flatten() {
        let name = file.file_name();
        let hidden = name.to_str().is_some_and(|name| name.starts_with(".new-") || name.starts_with(".old-"));
        if hidden && is_old(&file.path()) {
            fs::remove_dir_all(file.path())?;
        }
    }
    Ok(())
}

/// Removes recordings that no release links to.
fn remove_unused_clips(folder: &Path) -> io::Result<()> {
    let Ok(files) = fs::read_dir(folder) else { return Ok(()) };
    for file in files.flatten() {
        if file.metadata().is_ok_and(|metadata| metadata.nlink() == 1) && is_old(&file.path()) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Older than any publication takes: another program may be publishing.
fn is_old(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let now = Duration::try_from(clock::steady().as_duration()).unwrap_or_default();
    written.and_then(|at| now.checked_sub(at)).is_some_and(|age| age > PUBLICATION_LONGEST)
}

/// The number of past releases that are kept for a rollback, at least.
pub const KEPT: usize = 20;
const PUBLICATION_LONGEST: Duration = Duration::from_secs(3600);
