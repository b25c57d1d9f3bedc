//! `jindu load FILE`: applies a file directly, or through the spool of the node that serves.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{Bilingual, bilingual};
use feed::text;
use inquiry::Keys;
use os::io_fault;

use crate::lock::FolderLock;
use crate::look_up::{Replica, Role};
use crate::open::OpenError;
use crate::spool::archive;
use crate::spool::watcher::{SpoolWatcher, batch_rejection};
use crate::write::batch::ApplyError;

/// How a file was loaded, with the text of [`crate::Applied`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// By this program, since no node serves.
    Directly(String),
    /// By the node that serves.
    ByServer(String),
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// The replica cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The batch was not applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// This program rejected the file.
    #[error("rejected: {0}")]
    RejectedHere(String),
    /// An earlier file is missing.
    #[error("it waits in the spool until its turn: {0}")]
    Turn(String),
    /// The node rejected the file.
    #[error("the node rejected it, and the replica is unchanged: {0}")]
    Rejected(String),
    /// The node has not applied it within the patience.
    #[error("the node has not applied it yet; it stays in the spool and will be applied, see jindu replica status")]
    Waiting,
}

impl LoadError {
    /// The same in both languages. What a node wrote of a file is in English.
    pub fn text(&self) -> Bilingual {
        match self {
            LoadError::Io { path, error } => io_fault(Path::new(path), error),
            LoadError::Open(error) => error.to_string().into(),
            LoadError::Apply(error) => error.text(),
            LoadError::RejectedHere(why) => bilingual!("rejected: {why}", "拒收：{why}"),
            LoadError::Turn(why) => bilingual!("{self}", "已放入队列，等待前面的文件：{why}"),
            LoadError::Rejected(why) => bilingual!("{self}", "节点拒收，副本未变：{why}"),
            LoadError::Waiting => {
                bilingual!("{self}", "节点尚未处理；文件留在队列中，之后会处理，见 jindu replica status")
            }
        }
    }
}

/// Loads a file into the replica of a data folder. Waits up to `patience` for the node that serves.
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
            wait(folder, &name, patience).map_err(|error| match error {
                LoadError::Rejected(why) => LoadError::Rejected(withdraw(folder, &name, file, &why)),
                error => error,
            })
        }
    }
}

/// Loads a file while no node serves. A feed file goes through the spool and waits for its turn there.
fn directly(replica: &Replica, folder: &Path, settings: &config::Replica, file: &Path) -> Result<String, LoadError> {
    let writer = replica.writer.clone().ok_or(ApplyError::Ending)?;
    let settings = config::Replica { spool_settle: Duration::ZERO, spool_gap: Duration::ZERO, ..settings.clone() };
    let mut watcher = SpoolWatcher::open(folder, settings.clone(), writer).map_err(|error| at(folder, error))?;
    if text::header(file).is_err() {
        return match batch_rejection(&settings, &watcher.copy()) {
            Some(refusal) => Err(LoadError::RejectedHere(refusal.to_string())),
            None => Ok(replica.apply_file(file)?.to_string()),
        };
    }
    let name = drop_into(folder, file)?;
    while watcher.step().map_err(|error| at(folder, error))? {}
    match outcome(folder, &name) {
        Some(Ok(done)) => Ok(done),
        Some(Err(why)) => Err(LoadError::RejectedHere(withdraw(folder, &name, file, &why))),
        None => {
            let alarms: Vec<String> = replica.alarms().into_iter().map(|alarm| alarm.text).collect();
            Err(LoadError::Turn(alarms.join("; ")))
        }
    }
}

/// Copies a file into the spool under a unique name, with a rename, so that it appears complete.
fn drop_into(folder: &Path, file: &Path) -> Result<String, LoadError> {
    let spool = archive::path(folder);
    let millis = jiff::Timestamp::now().as_millisecond();
    let own = archive::safe(file.file_name().unwrap_or_default());
    let (stem, end) = own.split_once(".ndjson").unwrap_or((&own, ""));
    let name = format!("{}{stem}.{millis}-{}.ndjson{end}", archive::LOADED_PREFIX, std::process::id());
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
        std::thread::sleep(POLL_EVERY);
    }
}

/// The result of a file that was copied to the spool; `None` while it is still there.
fn outcome(folder: &Path, name: &str) -> Option<Result<String, String>> {
    let note = |folder: PathBuf, note: &str| {
        fs::read_to_string(folder.join(archive::note_name(name.as_ref(), note))).ok().map(|text| text.trim().to_owned())
    };
    if archive::path(folder).join(name).exists() {
        return None;
    }
    let done = note(archive::applied(folder), "done").map(Ok);
    done.or_else(|| note(archive::rejected(folder), "why").map(Err))
}

/// Deletes the spool's copy of a rejected file: the person who loaded it gets the reason and has the file. Returns the reason, with
/// the name that the person gave.
fn withdraw(folder: &Path, name: &str, file: &Path, why: &str) -> String {
    let stem = name.split(".ndjson").next().unwrap_or(name);
    let kept = fs::read_dir(archive::rejected(folder)).into_iter().flatten().flatten();
    for entry in kept.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(stem.as_bytes())) {
        let _ = fs::remove_file(entry.path());
    }
    why.replace(name, &file.display().to_string())
}

fn at(path: &Path, error: io::Error) -> LoadError {
    LoadError::Io { path: path.display().to_string(), error }
}

const POLL_EVERY: Duration = Duration::from_millis(50);
