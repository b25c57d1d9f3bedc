//! `jindu load FILE`: into the copy at once, or through the spool of the program that serves it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use feed::text;
use inquiry::Keys;

use super::apply::ApplyError;
use super::lock::FolderLock;
use super::spool::Spool;
use super::{OpenError, Replica, Role, putaway, spool};

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
    #[error("refused: {0}")]
    Refused(String),
    #[error("it stays in the spool until its turn: {0}")]
    Turn(String),
    #[error("the server rejected it: {0}")]
    Rejected(String),
    #[error("the server has not taken it in time; it stays in the spool and will be: see jindu replica status")]
    Waiting,
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
            let replica = Replica::open(folder, settings, keys, Role::Load)?;
            directly(&replica, folder, settings, file).map(Loaded::Directly)
        }
        None => {
            let name = drop_into(folder, file)?;
            wait(folder, &name, patience)
        }
    }
}

/// Loads a file while nobody serves. A feed file goes the way of all feed files: by the spool, in its turn.
fn directly(replica: &Replica, folder: &Path, settings: &config::Replica, file: &Path) -> Result<String, LoadError> {
    let feeding = replica.feeding.clone().ok_or(ApplyError::Ending)?;
    let settings = config::Replica { spool_settle: Duration::ZERO, spool_gap: Duration::ZERO, ..settings.clone() };
    let mut spool = Spool::open(folder, settings.clone(), feeding).map_err(|error| at(folder, error))?;
    if text::header(file).is_err() {
        return match spool::loose_is_refused(&settings, &spool.copy()) {
            Some(refusal) => Err(LoadError::Refused(refusal.to_string())),
            None => Ok(replica.apply_file(file)?.to_string()),
        };
    }
    let name = drop_into(folder, file)?;
    while spool.step().map_err(|error| at(folder, error))? {}
    match outcome(folder, &name) {
        Some(Ok(done)) => Ok(done),
        Some(Err(why)) => Err(LoadError::Refused(why)),
        None => {
            let alarms: Vec<String> = replica.alarms().into_iter().map(|alarm| alarm.text).collect();
            Err(LoadError::Turn(alarms.join("; ")))
        }
    }
}

/// Copies a file into the spool under a name of its own, and renames it in, so that it is never seen half.
fn drop_into(folder: &Path, file: &Path) -> Result<String, LoadError> {
    let spool = spool::path(folder);
    let millis = jiff::Timestamp::now().as_millisecond();
    let own = putaway::safe(file.file_name().unwrap_or_default());
    let (stem, end) = own.split_once(".ndjson").unwrap_or((&own, ""));
    let name = format!("{}{stem}.{millis}-{}.ndjson{end}", putaway::WAITED_FOR, std::process::id());
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
    loop {
        match outcome(folder, name) {
            Some(Ok(done)) => return Ok(Loaded::ByServer(done)),
            Some(Err(why)) => return Err(LoadError::Rejected(why)),
            None => {}
        }
        if Instant::now() >= until {
            return Err(LoadError::Waiting);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What became of a file that was dropped into the spool, once it is out of it.
fn outcome(folder: &Path, name: &str) -> Option<Result<String, String>> {
    let note = |folder: PathBuf, note: &str| {
        fs::read_to_string(folder.join(putaway::noted(name.as_ref(), note))).ok().map(|text| text.trim().to_owned())
    };
    if spool::path(folder).join(name).exists() {
        return None;
    }
    let done = note(spool::applied(folder), "done").map(Ok);
    done.or_else(|| note(spool::rejected(folder), "why").map(Err))
}

fn at(path: &Path, error: io::Error) -> LoadError {
    LoadError::Io { path: path.display().to_string(), error }
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
