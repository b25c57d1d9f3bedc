//! Where files of the spool go when they are done with, and how long they stay.
//!
//! ```text
//!  spool/applied/    000000000007-3c9a41d2-changes.ndjson.zst    what the copy was made of, back to the last snapshot
//!  spool/rejected/   <its name>  <its name>.why                  for a person to look at
//! ```
//!
//! They hold second factors in clear, so the folders are their owner's, and nothing stays longer than it is of use.

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
pub(super) struct Folders {
    pub spool: PathBuf,
    applied: PathBuf,
    rejected: PathBuf,
}

impl Folders {
    /// Those of a spool that is there.
    pub(crate) fn at(spool: PathBuf) -> Folders {
        let (applied, rejected) = (spool.join(APPLIED), spool.join(REJECTED));
        Folders { spool, applied, rejected }
    }

    /// Makes them, for their owner alone.
    pub(crate) fn open(spool: PathBuf) -> io::Result<Folders> {
        let folders = Folders::at(spool);
        for folder in [&folders.spool, &folders.applied, &folders.rejected] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(folders)
    }

    /// Puts a feed file away that is in the copy. A program that waits for `name` finds a note.
    pub(crate) fn taken(&self, name: &OsStr, whole: &VerifiedFile, note: &str) -> io::Result<()> {
        if is_waited_for(name) {
            fs::write(self.applied.join(noted(name, "done")), format!("{note}\n"))?;
        }
        self.put(name, &self.applied, &kept_name(name, whole))
    }

    /// Puts a feed file away of which the copy holds nothing and needs nothing: no copy is made again of it.
    pub(crate) fn superseded(&self, name: &OsStr, whole: &VerifiedFile, note: &str) -> io::Result<()> {
        if is_waited_for(name) {
            fs::write(self.applied.join(noted(name, "done")), format!("{note}\n"))?;
        }
        self.put(name, &self.applied, &format!("old-{}", kept_name(name, whole)))
    }

    /// Puts a batch away that is in the copy. The note first: whoever finds the file there finds what became of it.
    pub(crate) fn applied(&self, name: &OsStr, note: &str) -> io::Result<()> {
        fs::write(self.applied.join(noted(name, "done")), format!("{note}\n"))?;
        self.put(name, &self.applied, &safe(name))
    }

    /// Puts a file away that is of no use. An earlier one of the same name stays.
    pub(crate) fn refused(&self, name: &OsStr, why: &str) -> io::Result<()> {
        let mut place = safe(name);
        for n in 2.. {
            if !self.rejected.join(&place).exists() {
                break;
            }
            place = format!("{n}-{}", safe(name));
        }
        fs::write(self.rejected.join(noted(OsStr::new(&place), "why")), format!("{why}\n"))?;
        self.put(name, &self.rejected, &place)
    }

    fn put(&self, name: &OsStr, folder: &Path, place: &str) -> io::Result<()> {
        let to = folder.join(place);
        fs::rename(self.spool.join(name), &to)?;
        // A gate's account may have written it readable for more than its owner; another owner's mode stays.
        let _ = fs::set_permissions(&to, Permissions::from_mode(0o600));
        Ok(())
    }

    /// How many files lie in `rejected`, and why the newest does.
    pub(crate) fn rejected(&self) -> io::Result<Option<(usize, String)>> {
        let files = files(&self.rejected)?;
        let Some(newest) = files.iter().max_by_key(|file| file.0) else { return Ok(None) };
        let name = newest.1.file_name().unwrap_or_default();
        let why = fs::read_to_string(self.rejected.join(noted(name, "why"))).unwrap_or_default();
        Ok(Some((files.len(), format!("{}: {}", name.to_string_lossy(), why.trim()))))
    }

    /// The copy goes on from a snapshot that is about to be put away: what it was made of before is of no use.
    pub(crate) fn begin(&self) -> io::Result<()> {
        for (_, path) in files(&self.applied)? {
            if number(&path).is_some() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The feed files that the copy was made of, from its last snapshot on, or from number 1 where there was none, in the
    /// order of their numbers.
    pub(crate) fn kept(&self) -> io::Result<Vec<PathBuf>> {
        let mut kept: Vec<PathBuf> = files(&self.applied)?.into_iter().map(|(_, path)| path).collect();
        kept.retain(|path| number(path).is_some());
        kept.sort();
        let first = || kept.first().filter(|path| number(path) == Some(1)).map(|_| 0);
        let begin = kept.iter().rposition(|path| is_snapshot(path)).or_else(first);
        Ok(begin.map_or_else(Vec::new, |first| kept.split_off(first)))
    }

    /// Brings kept files back that the copy does not hold: it is an older one than they were put away from. Gives how many.
    pub(crate) fn bring_back(&self, sequence: u64) -> io::Result<usize> {
        let kept = self.kept()?;
        let beyond: Vec<&PathBuf> =
            kept.iter().filter(|path| number(path).is_some_and(|number| number > sequence)).collect();
        for path in &beyond {
            if let Some(name) = path.file_name() {
                fs::rename(path, self.spool.join(name))?;
            }
        }
        Ok(beyond.len())
    }

    /// Lets go of what is old. Of feed files, those from the last snapshot on are kept as long as they are not too many:
    /// the copy can be made again of them.
    pub(crate) fn forget(&self, keep: Duration) -> io::Result<()> {
        let now = SystemTime::now();
        let old = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age > keep);
        let mut applied = files(&self.applied)?;
        applied.sort();
        let kept = self.kept()?;
        let needed = |path: &PathBuf| kept.len() <= NEEDED_MAX && kept.binary_search(path).is_ok();
        let spare = applied.iter().filter(|(_, path)| !needed(path)).count().saturating_sub(APPLIED_KEPT);
        let others = applied.iter().filter(|(_, path)| !needed(path)).enumerate();
        for (place, (since, path)) in others {
            if place < spare || old(since) {
                remove(path, "done")?;
            }
        }
        let mut rejected = files(&self.rejected)?;
        rejected.sort();
        let spare = rejected.len().saturating_sub(REJECTED_KEPT);
        for (place, (since, path)) in rejected.iter().enumerate() {
            if place < spare || old(since) {
                remove(path, "why")?;
            }
        }
        forget_notes(&self.applied, old)
    }
}

/// Where applied files of a data folder go.
pub(super) fn applied(spool: &Path) -> PathBuf {
    spool.join(APPLIED)
}

/// Where refused files of a data folder go.
pub(super) fn rejected(spool: &Path) -> PathBuf {
    spool.join(REJECTED)
}

/// A name from outside as one that any folder takes and any terminal shows, with room for a note's ending.
pub(super) fn safe(name: &OsStr) -> String {
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

/// Whether somebody waits for what becomes of a file: `jindu load` does.
pub(super) fn is_waited_for(name: &OsStr) -> bool {
    name.as_bytes().starts_with(WAITED_FOR.as_bytes())
}

/// The name of a file's note.
pub(super) fn noted(name: &OsStr, note: &str) -> String {
    format!("{}.{note}", safe(name))
}

fn kept_name(name: &OsStr, whole: &VerifiedFile) -> String {
    let end = if name.as_bytes().ends_with(b".zst") { "ndjson.zst" } else { "ndjson" };
    let kind = match whole.header.kind {
        FileKind::Changes => "changes",
        FileKind::Snapshot => "snapshot",
    };
    let hash = whole.hash.to_string();
    format!("{:020}-{}-{kind}.{end}", whole.header.sequence, &hash[..8])
}

/// The number in a kept file's name.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (number, rest) = name.split_at_checked(20)?;
    rest.starts_with('-').then(|| number.parse().ok())?
}

fn is_snapshot(path: &Path) -> bool {
    path.to_string_lossy().contains("-snapshot.")
}

/// The files of a folder that are no notes, with when they came there.
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

/// When a file came to its folder: its last change of place or mode, as its content may be far older.
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

/// Notes that belong to files of other names.
fn forget_notes(folder: &Path, old: impl Fn(&SystemTime) -> bool) -> io::Result<()> {
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
/// How names begin that `jindu load` gives.
pub(super) const WAITED_FOR: &str = "load.";
const APPLIED_KEPT: usize = 32;
const REJECTED_KEPT: usize = 1000;
/// So many files since a snapshot are worth keeping; an upstream that sends no snapshots has to send one to heal.
const NEEDED_MAX: usize = 100_000;
const NAME_MAX: usize = 160;
