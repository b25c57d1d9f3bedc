//! `jindu seal`: seals the recordings that are in clear, or opens those that are sealed, with a serving node or without one.
//!
//! Each file is replaced by a rename once the other form of it is on the disk: a command that is killed loses nothing, and is
//! run again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use config::Settings;
use journal::messages::{self, read_recording};
use os::{sealed_file, sound_key};

use crate::exit::print;

/// Runs the command.
///
/// # Errors
/// There is no key, or a file cannot be read or written; those before it stay as they are then.
pub(crate) fn run(settings: &Settings, undo: bool) -> Result<(), String> {
    if sound_key::current().is_none() {
        return Err("there is no key: set data.sound_key first".into());
    }
    let data = &settings.data.folder;
    let (mut done, mut left) = (0, 0);
    for (folder, is_message) in FOLDERS {
        remove_leftovers(&data.join(folder));
        for path in recordings(&data.join(folder)) {
            let failed = |error: io::Error| format!("{}: {error}", path.display());
            let (_, sealed) = sealed_file::text_length(&path).map_err(failed)?;
            if sealed != undo {
                left += 1;
                continue;
            }
            let text = if is_message { read_recording(&path) } else { sound_key::read(&path) }.map_err(failed)?;
            let stored = if undo { text } else { sound_key::sealed(&text).map_err(failed)? };
            replace(&path, &stored).map_err(failed)?;
            done += 1;
        }
    }
    if undo {
        sound_key::forget(data).map_err(|error| format!("{}: {error}", data.display()))?;
    }
    let (now, before) = if undo { ("opened", "in clear") } else { ("sealed", "sealed") };
    print(format!("{done} recordings {now}, {left} were {before} already\n"));
    if undo {
        print("set data.sound_key to \"\" and start the node again, or new recordings are sealed\n");
    }
    Ok(())
}

/// The recordings of a folder; not what is being written.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let whole = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        path.is_file() && !hidden && path.extension().is_none_or(|extension| extension == "wav")
    };
    files.filter(whole).collect()
}

/// What a command that was killed left behind.
fn remove_leftovers(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(NEW) {
            let _ = fs::remove_file(file.path());
        }
    }
}

fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let new = folder.join(format!("{NEW}{}", std::process::id()));
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let replaced = made.and_then(|mut file| {
        file.write_all(octets)?;
        file.sync_all()?;
        // One that was deleted meanwhile stays deleted.
        if path.exists() { fs::rename(&new, path) } else { fs::remove_file(&new) }
    });
    if replaced.is_err() {
        let _ = fs::remove_file(&new);
    }
    replaced.and_then(|()| fs::File::open(folder)?.sync_all())
}

const NEW: &str = ".seal-";
/// Below the data folder, and whether they hold messages.
const FOLDERS: [(&str, bool); 3] = [(messages::FOLDER, true), ("studio/originals", false), ("studio/masters", false)];
