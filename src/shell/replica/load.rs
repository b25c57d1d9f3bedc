//! `jindu load FILE`: into the copy at once, or through the spool of the program that serves it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config;
use crate::inquiry::Keys;

use super::apply::ApplyError;
use super::lock::FolderLock;
use super::{OpenError, Replica, Role, spool};

/// How a file was loaded, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Into the file, nobody is serving.
    Directly(String),
    /// By the program that serves.
    ByServer(String),
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the server rejected it: {0}")]
    Rejected(String),
    #[error("the server has not taken {0} in time; it stays in the spool and will be: see its log")]
    Waiting(String),
}

/// Loads a batch file into the copy of a data folder. Waits up to `patience` for a program that serves it.
pub fn load(
    folder: &Path,
    settings: &config::Replica,
    keys: Keys,
    file: &Path,
    patience: Duration,
) -> Result<Loaded, LoadError> {
    File::open(file).map_err(|error| at(file, error))?;
    match FolderLock::take(folder).map_err(|error| at(folder, error))? {
        Some(_lock) => {
            let applied = Replica::open(folder, settings, keys, Role::Load)?.apply_file(file)?;
            Ok(Loaded::Directly(applied.to_string()))
        }
        None => {
            let name = drop_into(folder, file)?;
            wait(folder, &name, patience)
        }
    }
}

/// Copies a file into the spool under a name of its own, and renames it in, so that it is never seen half.
fn drop_into(folder: &Path, file: &Path) -> Result<String, LoadError> {
    let spool = spool::path(folder);
    let millis = jiff::Timestamp::now().as_millisecond();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}.{millis}-{}.{}", std::process::id(), spool::EXTENSION);
    let draft = spool.join(format!("{name}.tmp"));
    let copied = fs::copy(file, &draft).and_then(|_| File::open(&draft)?.sync_all());
    let renamed = copied.and_then(|()| fs::rename(&draft, spool.join(&name)));
    renamed.map_err(|error| {
        let _ = fs::remove_file(&draft);
        at(&spool, error)
    })?;
    Ok(name)
}

fn wait(folder: &Path, name: &str, patience: Duration) -> Result<Loaded, LoadError> {
    let until = Instant::now() + patience;
    let note = |folder: PathBuf, note: &str| -> Option<String> {
        let moved = folder.join(name).exists();
        let text = fs::read_to_string(folder.join(format!("{name}.{note}"))).unwrap_or_default();
        moved.then(|| text.trim().to_owned())
    };
    loop {
        if let Some(done) = note(spool::applied(folder), "done") {
            return Ok(Loaded::ByServer(done));
        }
        if let Some(why) = note(spool::rejected(folder), "why") {
            return Err(LoadError::Rejected(why));
        }
        if Instant::now() >= until {
            return Err(LoadError::Waiting(name.to_owned()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn at(path: &Path, error: io::Error) -> LoadError {
    LoadError::Io { path: path.display().to_string(), error }
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
