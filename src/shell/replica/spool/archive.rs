//! The archive of processed files, and how long it keeps them.
//!
//! ```text
//!  spool/applied/    000000000007-3c9a41d2-changes.ndjson.zst.sealed    the files since the last snapshot, from which
//!                                                                       the replica can be rebuilt
//!  spool/rejected/   <its name>.sealed  <its name>.why                  for an operator: jindu feed unseal
//! ```
//!
//! The files hold second factors, so they are sealed under the installation's secret, readable by their owner only, and
//! deleted after `replica.spool_keep_days`, those of a rebuild too. A file leaves the spool when its sealed copy is
//! complete; a crash in between archives it again. The modification time is the file's arrival here, by the steady clock.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use feed::is_feed_name;
use feed::text::{self, ReadError};
use inquiry::Keys;
use os::sealed_file;
use replica::Change;
use replica::gate::{FileKind, ReadDepth, VerifiedFile};

/// The folders of a spool.
pub(crate) struct SpoolFolders {
    pub spool: PathBuf,
    applied: PathBuf,
    rejected: PathBuf,
    keys: Keys,
}

impl SpoolFolders {
    /// The folders of an existing spool.
    pub(crate) fn at(spool: PathBuf, keys: Keys) -> SpoolFolders {
        let (applied, rejected) = (spool.join(APPLIED), spool.join(REJECTED));
        SpoolFolders { spool, applied, rejected, keys }
    }

    /// Creates the folders with mode 0700, and seals what an older program has kept in clear.
    pub(crate) fn open(spool: PathBuf, keys: Keys) -> io::Result<SpoolFolders> {
        let folders = SpoolFolders::at(spool, keys);
        for folder in [&folders.spool, &folders.applied, &folders.rejected] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(folders)
    }

    /// Seals what a program that was killed has moved and not sealed, and removes its drafts.
    pub(crate) fn seal_leftovers(&self) -> io::Result<()> {
        self.seal_all(&self.applied)?;
        self.seal_all(&self.rejected)
    }

    fn seal_all(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_bytes().ends_with(DRAFT.as_bytes()) {
                fs::remove_file(entry.path())?;
            } else if is_feed_name(&name) && entry.file_type()?.is_file() {
                let seconds = u64::try_from(entry.metadata()?.ctime()).unwrap_or(0);
                let arrived = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                self.seal(&entry.path(), folder, &name.to_string_lossy(), arrived)?;
            }
        }
        Ok(())
    }

    /// Reads a file of the archive, and passes its changes to `take` in order.
    pub(crate) fn read(
        &self,
        path: &Path,
        reading: ReadDepth,
        take: &mut dyn FnMut(Change),
    ) -> Result<VerifiedFile, ReadError> {
        text::read_from(sealed_file::open(&self.keys, path).map_err(ReadError::Io)?, reading, take)
    }

    /// Archives an applied feed file. `jindu load`, which waits for `name`, finds a note.
    pub(crate) fn archive(&self, name: &OsStr, whole: &VerifiedFile, note: &str, now: Timestamp) -> io::Result<()> {
        if is_loaded(name) {
            write_note(&self.applied.join(note_name(name, "done")), note, now)?;
        }
        self.move_file(name, &self.applied, &archive_name(name, whole), now)
    }

    /// Archives a feed file that is older than the replica; no rebuild uses it.
    pub(crate) fn archive_superseded(
        &self,
        name: &OsStr,
        whole: &VerifiedFile,
        note: &str,
        now: Timestamp,
    ) -> io::Result<()> {
        if is_loaded(name) {
            write_note(&self.applied.join(note_name(name, "done")), note, now)?;
        }
        self.move_file(name, &self.applied, &format!("old-{}", archive_name(name, whole)), now)
    }

    /// Archives an applied batch file. The note is written first, so that a file in the folder always has one.
    pub(crate) fn archive_batch(&self, name: &OsStr, note: &str, now: Timestamp) -> io::Result<()> {
        write_note(&self.applied.join(note_name(name, "done")), note, now)?;
        self.move_file(name, &self.applied, &safe(name), now)
    }

    /// Moves a file to `rejected` with the reason. An earlier file of the same name stays.
    pub(crate) fn reject(&self, name: &OsStr, why: &str, now: Timestamp) -> io::Result<()> {
        let mut free_name = safe(name);
        for n in 2.. {
            if !self.rejected.join(format!("{free_name}{SEALED}")).exists() {
                break;
            }
            free_name = format!("{n}-{}", safe(name));
        }
        write_note(&self.rejected.join(note_name(OsStr::new(&free_name), "why")), why, now)?;
        self.move_file(name, &self.rejected, &free_name, now)
    }

    fn move_file(&self, name: &OsStr, folder: &Path, new_name: &str, now: Timestamp) -> io::Result<()> {
        self.seal(&self.spool.join(name), folder, new_name, system_time(now))
    }

    /// Replaces a file by its sealed copy in `folder`. The copy is not synced: after a power cut a rebuild may have to ask
    /// for a snapshot.
    fn seal(&self, from: &Path, folder: &Path, new_name: &str, arrived: SystemTime) -> io::Result<()> {
        let draft = folder.join(format!("{new_name}{DRAFT}"));
        let mut input = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(from)?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        let mut out = BufWriter::new(file);
        let sealed = sealed_file::seal(&self.keys, &mut input, &mut out)
            .and_then(|()| out.into_inner().map_err(io::IntoInnerError::into_error)?.set_modified(arrived));
        if let Err(error) = sealed {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        fs::rename(&draft, folder.join(format!("{new_name}{SEALED}")))?;
        fs::remove_file(from)
    }

    /// The number of files in `rejected`, and the name and reason of the newest.
    pub(crate) fn rejected_files(&self) -> io::Result<Option<(usize, String)>> {
        let mut files = files(&self.rejected)?;
        // A person who loads a file gets the reason from the command; it is no alarm of the node.
        files.retain(|(_, path)| !is_loaded(&plain_name(path)));
        let Some(newest) = files.iter().max_by_key(|file| file.0) else { return Ok(None) };
        let name = plain_name(&newest.1);
        let why = fs::read_to_string(self.rejected.join(note_name(&name, "why"))).unwrap_or_default();
        Ok(Some((files.len(), format!("{}: {}", name.to_string_lossy(), why.trim()))))
    }

    /// Deletes the archived feed files, since the replica continues from a snapshot that is archived next.
    pub(crate) fn delete_before_snapshot(&self) -> io::Result<()> {
        for (_, path) in files(&self.applied)? {
            if number(&path).is_some() {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The archived feed files from the last snapshot on, or from number 1 if there was none, in the order of their
    /// numbers.
    pub(crate) fn archived(&self) -> io::Result<Vec<PathBuf>> {
        let mut kept: Vec<PathBuf> = files(&self.applied)?.into_iter().map(|(_, path)| path).collect();
        kept.retain(|path| number(path).is_some());
        kept.sort();
        let first = || kept.first().filter(|path| number(path) == Some(1)).map(|_| 0);
        let begin = kept.iter().rposition(|path| is_snapshot(path)).or_else(first);
        Ok(begin.map_or_else(Vec::new, |first| kept.split_off(first)))
    }

    /// Moves archived files with numbers above `sequence` back to the spool, since the replica was restored from an older
    /// one. Gives their number.
    pub(crate) fn return_after(&self, sequence: u64) -> io::Result<usize> {
        let archived = self.archived()?;
        let beyond: Vec<&PathBuf> =
            archived.iter().filter(|path| number(path).is_some_and(|number| number > sequence)).collect();
        for path in &beyond {
            let name = plain_name(path);
            let draft = self.spool.join(format!("{}.tmp", name.to_string_lossy()));
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            io::copy(&mut sealed_file::open(&self.keys, path)?, &mut out)?;
            fs::rename(&draft, self.spool.join(&name))?;
            fs::remove_file(path)?;
        }
        Ok(beyond.len())
    }

    /// Deletes files older than `keep`, and of files that no rebuild uses the oldest beyond a number. A copy that is
    /// damaged later than `keep` after the last snapshot needs a new one.
    pub(crate) fn expire(&self, keep: Duration, now: Timestamp) -> io::Result<()> {
        let now = system_time(now);
        let old = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age > keep);
        let mut applied = files(&self.applied)?;
        applied.sort();
        let archived = self.archived()?;
        let needed = |path: &PathBuf| archived.len() <= NEEDED_MAX && archived.binary_search(path).is_ok();
        let spare = applied.iter().filter(|(_, path)| !needed(path)).count().saturating_sub(APPLIED_MAX);
        let mut unneeded = 0;
        for (since, path) in &applied {
            let beyond = !needed(path) && {
                unneeded += 1;
                unneeded <= spare
            };
            if beyond || old(since) {
                remove(path, "done")?;
            } else {
                not_later(path, since, now)?;
            }
        }
        let mut rejected = files(&self.rejected)?;
        rejected.sort();
        let spare = rejected.len().saturating_sub(REJECTED_MAX);
        for (place, (since, path)) in rejected.iter().enumerate() {
            if place < spare || old(since) {
                remove(path, "why")?;
            } else {
                not_later(path, since, now)?;
            }
        }
        expire_notes(&self.applied, old)
    }
}

/// Copies a file of `data/spool/applied` or `rejected` in clear to `out`, for an operator; its bytes.
///
/// # Errors
/// It cannot be read or written, or was sealed under another secret.
pub fn unseal(keys: &Keys, path: &Path, out: &mut impl Write) -> io::Result<u64> {
    io::copy(&mut sealed_file::open(keys, path)?, out)
}

/// The archived feed files of a data folder, whether or not they can be opened.
pub(crate) fn has_archived(data: &Path) -> bool {
    files(&applied(data)).is_ok_and(|files| files.iter().any(|(_, path)| number(path).is_some()))
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
        if is_feed_name(&plain_name(&entry.path())) {
            files.push((since(&entry), entry.path()));
        }
    }
    Ok(files)
}

/// The name that a file had before it was sealed.
fn plain_name(path: &Path) -> OsString {
    let name = path.file_name().unwrap_or_default().as_bytes();
    OsStr::from_bytes(name.strip_suffix(SEALED.as_bytes()).unwrap_or(name)).to_owned()
}

/// The arrival of a file in its folder, which its modification time was set to.
fn since(entry: &DirEntry) -> SystemTime {
    entry.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(time.as_microsecond()).unwrap_or(0))
}

/// A file that came while the clock was ahead counts from `now`, or it would be kept too long.
fn not_later(path: &Path, since: &SystemTime, now: SystemTime) -> io::Result<()> {
    if *since > now + CLOCK_SLACK { File::open(path)?.set_modified(now) } else { Ok(()) }
}

fn write_note(path: &Path, text: &str, now: Timestamp) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.set_modified(system_time(now))
}

fn remove(path: &Path, note: &str) -> io::Result<()> {
    let mut noted = path.with_file_name(plain_name(path)).into_os_string();
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

/// What the name of a sealed file ends with, and that of one that is being written.
const SEALED: &str = ".sealed";
const DRAFT: &str = ".sealing";
/// How far an arrival may lie in the future.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
const APPLIED: &str = "applied";
const REJECTED: &str = "rejected";
/// The prefix of the names that `jindu load` gives.
pub(crate) const LOADED_PREFIX: &str = "load.";
const APPLIED_MAX: usize = 32;
const REJECTED_MAX: usize = 1000;
/// The limit of archived files since a snapshot. Beyond it a rebuild needs a new snapshot.
const NEEDED_MAX: usize = 100_000;
const NAME_MAX: usize = 160;
