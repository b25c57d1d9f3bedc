//! The archive of processed files, and how long it keeps them.
//!
//! ```text
//!  spool/applied/    000000000007-3c9a41d2-changes.ndjson.zst    the files since the last snapshot, from which the
//!                                                                copy can be rebuilt
//!  spool/rejected/   <its name>  <its name>.why                  for an operator
//! ```
//!
//! The files hold second factors in clear, so the folders are readable by their owner only, and files are deleted when they
//! are not needed any more.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, DirEntry, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use feed::is_feed_name;
use replica::gate::{FileKind, VerifiedFile};

/// The folders of a spool.
pub(crate) struct SpoolFolders {
    pub spool: PathBuf,
    applied: PathBuf,
    rejected: PathBuf,
}

impl SpoolFolders {
    /// The folders of an existing spool.
    pub(crate) fn at(spool: PathBuf) -> SpoolFolders {
        let (applied, rejected) = (spool.join(APPLIED), spool.join(REJECTED));
        SpoolFolders { spool, applied, rejected }
    }

    /// Creates the folders with mode 0700.
    pub(crate) fn open(spool: PathBuf) -> io::Result<SpoolFolders> {
        let folders = SpoolFolders::at(spool);
        for folder in [&folders.spool, &folders.applied, &folders.rejected] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(folders)
    }

    /// Archives an applied feed file. `jindu load`, which waits for `name`, finds a note.
    pub(crate) fn archive(&self, name: &OsStr, whole: &VerifiedFile, note: &str) -> io::Result<()> {
        if is_loaded(name) {
            fs::write(self.applied.join(note_name(name, "done")), format!("{note}\n"))?;
        }
        self.move_file(name, &self.applied, &archive_name(name, whole))
    }

    /// Archives a feed file that is older than the copy; no rebuild uses it.
    pub(crate) fn archive_superseded(&self, name: &OsStr, whole: &VerifiedFile, note: &str) -> io::Result<()> {
        if is_loaded(name) {
            fs::write(self.applied.join(note_name(name, "done")), format!("{note}\n"))?;
        }
        self.move_file(name, &self.applied, &format!("old-{}", archive_name(name, whole)))
    }

    /// Archives an applied batch file. The note is written first, so that a file in the folder always has one.
    pub(crate) fn archive_batch(&self, name: &OsStr, note: &str) -> io::Result<()> {
        fs::write(self.applied.join(note_name(name, "done")), format!("{note}\n"))?;
        self.move_file(name, &self.applied, &safe(name))
    }

    /// Moves a file to `rejected` with the reason. An earlier file of the same name stays.
    pub(crate) fn reject(&self, name: &OsStr, why: &str) -> io::Result<()> {
        let mut free_name = safe(name);
        for n in 2.. {
            if !self.rejected.join(&free_name).exists() {
                break;
            }
            free_name = format!("{n}-{}", safe(name));
        }
        fs::write(self.rejected.join(note_name(OsStr::new(&free_name), "why")), format!("{why}\n"))?;
        self.move_file(name, &self.rejected, &free_name)
    }

    fn move_file(&self, name: &OsStr, folder: &Path, new_name: &str) -> io::Result<()> {
        let to = folder.join(new_name);
        fs::rename(self.spool.join(name), &to)?;
        // The account that delivered the file may have made it readable for others. Fails on files of another owner.
        let _ = fs::set_permissions(&to, Permissions::from_mode(0o600));
        Ok(())
    }

    /// The number of files in `rejected`, and the name and reason of the newest.
    pub(crate) fn rejected_files(&self) -> io::Result<Option<(usize, String)>> {
        let files = files(&self.rejected)?;
        let Some(newest) = files.iter().max_by_key(|file| file.0) else { return Ok(None) };
        let name = newest.1.file_name().unwrap_or_default();
        let why = fs::read_to_string(self.rejected.join(note_name(name, "why"))).unwrap_or_default();
        Ok(Some((files.len(), format!("{}: {}", name.to_string_lossy(), why.trim()))))
    }

    /// Deletes the archived feed files, since the copy continues from a snapshot that is archived next.
    pub(crate) fn delete_before_snapshot(&self) -> io::Result<()> {
        for (_, path) in files(&self.applied)? {
            if number(&path).is_some() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The archived feed files from the last snapshot on, or from number 1 if there was none, in the order of their numbers.
    pub(crate) fn archived(&self) -> io::Result<Vec<PathBuf>> {
        let mut kept: Vec<PathBuf> = files(&self.applied)?.into_iter().map(|(_, path)| path).collect();
        kept.retain(|path| number(path).is_some());
        kept.sort();
        let first = || kept.first().filter(|path| number(path) == Some(1)).map(|_| 0);
        let begin = kept.iter().rposition(|path| is_snapshot(path)).or_else(first);
        Ok(begin.map_or_else(Vec::new, |first| kept.split_off(first)))
    }

    /// Moves archived files with numbers above `sequence` back to the spool, since the copy was restored from an older one. Gives their number.
    pub(crate) fn return_after(&self, sequence: u64) -> io::Result<usize> {
        let archived = self.archived()?;
        let beyond: Vec<&PathBuf> =
            archived.iter().filter(|path| number(path).is_some_and(|number| number > sequence)).collect();
        for path in &beyond {
            if let Some(name) = path.file_name() {
                fs::rename(path, self.spool.join(name))?;
            }
        }
        Ok(beyond.len())
    }

    /// Deletes old files. Feed files since the last snapshot are kept, up to a limit, since the copy can be rebuilt from them.
    pub(crate) fn expire(&self, keep: Duration) -> io::Result<()> {
        let now = SystemTime::now();
        let old = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age > keep);
        let mut applied = files(&self.applied)?;
        applied.sort();
        let archived = self.archived()?;
        let needed = |path: &PathBuf| archived.len() <= NEEDED_MAX && archived.binary_search(path).is_ok();
        let spare = applied.iter().filter(|(_, path)| !needed(path)).count().saturating_sub(APPLIED_MAX);
        let others = applied.iter().filter(|(_, path)| !needed(path)).enumerate();
        for (place, (since, path)) in others {
            if place < spare || old(since) {
                remove(path, "done")?;
            }
        }
        let mut rejected = files(&self.rejected)?;
        rejected.sort();
        let spare = rejected.len().saturating_sub(REJECTED_MAX);
        for (place, (since, path)) in rejected.iter().enumerate() {
            if place < spare || old(since) {
                remove(path, "why")?;
            }
        }
        expire_notes(&self.applied, old)
    }
}

/// The spool folder of a data folder.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("spool")
}

/// The archive of applied files of a data folder.
pub(crate) fn applied(data: &Path) -> PathBuf {
    path(data).join(APPLIED)
}

/// The folder of rejected files of a data folder.
pub(crate) fn rejected(data: &Path) -> PathBuf {
    path(data).join(REJECTED)
}

/// A file name from outside, reduced to characters that every file system and terminal accepts, with room for a suffix.
pub(crate) fn safe(name: &OsStr) -> String {
    let bytes = name.as_bytes();
    let end = if bytes.ends_with(b".zst") { ".ndjson.zst" } else { ".ndjson" };
    let stem = bytes.strip_suffix(end.as_bytes()).unwrap_or(bytes);
    let plain = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(*byte),
        _ => '_',
    };
    let stem: String = stem.iter().take(NAME_MAX).map(plain).collect();
    format!("{stem}{end}")
}

/// Whether `jindu load` waits for the result of a file.
pub(crate) fn is_loaded(name: &OsStr) -> bool {
    name.as_bytes().starts_with(LOADED_PREFIX.as_bytes())
}

/// The name of a file's note.
pub(crate) fn note_name(name: &OsStr, note: &str) -> String {
    format!("{}.{note}", safe(name))
}

fn archive_name(name: &OsStr, whole: &VerifiedFile) -> String {
    let end = if name.as_bytes().ends_with(b".zst") { "ndjson.zst" } else { "ndjson" };
    let kind = match whole.header.kind {
        FileKind::Changes => "changes",
        FileKind::Snapshot => "snapshot",
    };
    let hash = whole.hash.to_string();
    format!("{:020}-{}-{kind}.{end}", whole.header.sequence, &hash[..8])
}

/// The number in an archived file's name.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (number, rest) = name.split_at_checked(20)?;
    rest.starts_with('-').then(|| number.parse().ok())?
}

fn is_snapshot(path: &Path) -> bool {
    path.to_string_lossy().contains("-snapshot.")
}

/// The files of a folder without the notes, with the time of their arrival.
fn files(folder: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_feed_name(&entry.file_name()) {
            files.push((since(&entry), entry.path()));
        }
    }
    Ok(files)
}

/// The arrival of a file in its folder: its ctime, since its content may be much older.
fn since(entry: &DirEntry) -> SystemTime {
    let seconds = entry.metadata().map_or(0, |file| file.ctime());
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn remove(path: &Path, note: &str) -> io::Result<()> {
    let mut noted = path.to_owned().into_os_string();
    noted.push(".");
    noted.push(note);
    let _ = fs::remove_file(noted);
    fs::remove_file(path)
}

/// Deletes old notes whose files have other names.
fn expire_notes(folder: &Path, old: impl Fn(&SystemTime) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let note = entry.file_name().as_bytes().ends_with(b".done");
        if note && old(&since(&entry)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

const APPLIED: &str = "applied";
const REJECTED: &str = "rejected";
/// The prefix of the names that `jindu load` gives.
pub(crate) const LOADED_PREFIX: &str = "load.";
const APPLIED_MAX: usize = 32;
const REJECTED_MAX: usize = 1000;
/// The limit of archived files since a snapshot. Beyond it a rebuild needs a new snapshot.
const NEEDED_MAX: usize = 100_000;
const NAME_MAX: usize = 160;
