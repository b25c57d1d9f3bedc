//! Old releases are removed, so that an office that publishes every week does not fill its disk in ten years.
//!
//! Kept are the live release, the one before it, the [`KEPT`] that were published last, and each that a call among those
//! of the next replay began with. A call in progress needs no file: its words and recordings are in memory.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::releases;
use config::Settings;
use journal::{REPLAYED_MAX, past_calls};

/// Removes what nobody needs: how many releases that were.
pub fn clean(settings: &Settings) -> Result<usize, String> {
    let called = past_calls(settings, REPLAYED_MAX)?.into_iter().map(|(release, _)| release).collect();
    remove(settings, &called).map_err(|error| error.to_string())
}

/// `called` are the short names of the releases that recent calls began with.
fn remove(settings: &Settings, called: &BTreeSet<String>) -> io::Result<usize> {
    let root = settings.data.folder.join("releases");
    let kept = kept(settings, called);
    let mut gone = 0;
    for name in releases::names(settings).difference(&kept) {
        if !is_old(&root.join(name)) {
            continue;
        }
        // Out of sight first: what a failure leaves is no half of a release.
        let aside = root.join(format!(".old-{}", &name[..12]));
        fs::rename(root.join(name), &aside)?;
        fs::remove_dir_all(&aside)?;
        gone += 1;
    }
    leftovers(&root)?;
    clips(&root.join("clips"))?;
    Ok(gone)
}

fn kept(settings: &Settings, called: &BTreeSet<String>) -> BTreeSet<String> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for name in releases::audit(settings).into_iter().rev().filter_map(|entry| entry.release) {
        if kept.len() < KEPT {
            kept.insert(name);
        }
    }
    let replayed = |name: &String| called.iter().any(|short| !short.is_empty() && name.starts_with(short.as_str()));
    kept.extend(releases::names(settings).into_iter().filter(replayed));
    kept.extend(releases::live(settings));
    kept.extend(releases::previous(settings));
    kept
}

/// What a publication that was killed left behind.
fn leftovers(root: &Path) -> io::Result<()> {
    for file in fs::read_dir(root)?.flatten() {
        let name = file.file_name();
        let hidden = name.to_str().is_some_and(|name| name.starts_with(".new-") || name.starts_with(".old-"));
        if hidden && is_old(&file.path()) {
            fs::remove_dir_all(file.path())?;
        }
    }
    Ok(())
}

/// Recordings that no release holds a link to any more.
fn clips(folder: &Path) -> io::Result<()> {
    let Ok(files) = fs::read_dir(folder) else { return Ok(()) };
    for file in files.flatten() {
        if file.metadata().is_ok_and(|about| about.nlink() == 1) && is_old(&file.path()) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Older than any publication takes: another one may be at work beside this.
fn is_old(path: &Path) -> bool {
    let age = fs::metadata(path)
        .and_then(|about| about.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > WORKING)
}

/// Releases that can be rolled back to, at least.
pub const KEPT: usize = 20;
const WORKING: Duration = Duration::from_secs(3600);
