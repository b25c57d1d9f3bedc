//! A copy of the data folder, while a node serves from it or not.
//!
//! ```text
//!  databases (*.sqlite3) ── SQLite's backup, each at one moment ──┐
//!                                                                 ├─► a new folder, which can be a data folder itself
//!  all other files ── copied after them, links kept ──────────────┘
//! ```
//! Databases come first, so that no row of the copy names a file that is missing; files that appear meanwhile are copied as well. The copy is
//! made beside its place and renamed at the end: a folder of the name that was asked for is complete. Left out are locks, sockets
//! and files that are being written under another name.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bilingual, bilingual};
use os::{folder, io_fault};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files, databases among them.
    pub files: u64,
    /// Their octets; those of files that are linked count once.
    pub octets: u64,
}

/// Copies a data folder into a folder that does not exist yet, or is empty.
///
/// # Errors
/// The other folder holds something, lies in the data folder or on a disk without room for it, or a file cannot be read or written: then
/// nothing is there.
pub fn back_up(data: &Path, to: &Path) -> Result<Copied, Bilingual> {
    back_up_within(data, to, PATIENCE)
}

/// `patience`: how long a database may be locked by another program.
fn back_up_within(data: &Path, to: &Path, patience: Duration) -> Result<Copied, Bilingual> {
    let data = data.canonicalize().map_err(|error| io_fault(data, &error))?;
    refuse(&data, to)?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = to.with_file_name(name);
    if part.exists() {
        return Err(bilingual!(
            "{} is what an unfinished backup left: delete it, and try again",
            "{} 是未完成的备份：请删除后重试",
            part.display()
        ));
    }
    make_folder(&part)?;
    let mut copy = Copy { data: &data, to: &part, patience, linked: HashMap::new(), copied: Copied::default() };
    let finished = copy.all().and_then(|()| sync_folders(&part)).and_then(|()| {
        let place = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let renamed = fs::rename(&part, to).and_then(|()| File::open(place)?.sync_all());
        renamed.map_err(|error| io_fault(to, &error))
    });
    if finished.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    finished.map(|()| copy.copied)
}

/// Refuses a place for a backup before anything is made there.
fn refuse(data: &Path, to: &Path) -> Result<(), Bilingual> {
    if to.exists() && fs::read_dir(to).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(bilingual!(
            "{} is there already: name a new folder for each backup",
            "{} 已存在：每次备份请用新文件夹",
            to.display()
        ));
    }
    let above = to.ancestors().find(|above| above.exists()).unwrap_or_else(|| Path::new("."));
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    let above = above.canonicalize().map_err(|error| io_fault(above, &error))?;
    if above.starts_with(data) {
        return Err(bilingual!(
            "{} lies in the data folder: name a folder elsewhere, best on another disk",
            "{} 在数据文件夹之内：请写其他位置的文件夹，最好在另一块磁盘上",
            to.display()
        ));
    }
    let files = list(data)?;
    let needed: u64 = files.iter().filter_map(|file| fs::metadata(data.join(file)).ok()).map(|about| about.len()).sum();
    if folder::free_bytes(&above).is_some_and(|free| free < needed) {
        let needed = needed as f64 / 1e9;
        return Err(bilingual!(
            "the disk of {} has no room: the backup needs {needed:.1} GB",
            "{} 所在磁盘空间不足：备份需要 {needed:.1} GB",
            to.display()
        ));
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), Bilingual> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| io_fault(folder, &error))
}

/// Writes the names in a folder and in those below it to the disk.
fn sync_folders(folder: &Path) -> Result<(), Bilingual> {
    let failed = |error: io::Error| io_fault(folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The files of a data folder that belong to a backup, by their paths in it.
fn list(data: &Path) -> Result<Vec<PathBuf>, Bilingual> {
    let mut files = Vec::new();
    collect(data, Path::new(""), &mut files)?;
    Ok(files)
}

/// The files below a folder that belong to a backup, by their paths in the data folder. A link that leads out of it counts as what it
/// leads to.
fn collect(data: &Path, within: &Path, files: &mut Vec<PathBuf>) -> Result<(), Bilingual> {
    let folder = data.join(within);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        // It was removed meanwhile, as an old release is.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_fault(&folder, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| io_fault(&folder, &error))?;
        let kind = entry.file_type().map_err(|error| io_fault(&entry.path(), &error))?;
        let path = within.join(entry.file_name());
        if is_left_out(&path) {
            continue;
        }
        let leads_out = kind.is_symlink() && !leads_within(data, &entry.path());
        if kind.is_dir() || leads_out && entry.path().is_dir() {
            collect(data, &path, files)?;
        } else if kind.is_file() || kind.is_symlink() && entry.path().exists() {
            files.push(path);
        }
    }
    Ok(())
}

fn leads_within(data: &Path, link: &Path) -> bool {
    link.canonicalize().is_ok_and(|target| target.starts_with(data))
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "sqlite3")
}

/// Locks, sockets, what SQLite keeps beside a database, and what is not finished: it gets its name when it is.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ["lock", "replica.rebuild"].contains(&&*name)
        || LEFT_OUT.iter().any(|end| name.ends_with(end))
        || name.contains(".new-")
}

struct Copy<'a> {
    data: &'a Path,
    to: &'a Path,
    patience: Duration,
    /// Files with several names, by device and number: where the first was copied to.
    linked: HashMap<(u64, u64), PathBuf>,
    copied: Copied,
}

impl Copy<'_> {
    fn all(&mut self) -> Result<(), Bilingual> {
        let mut done: HashSet<PathBuf> = HashSet::new();
        for file in list(self.data)?.into_iter().filter(|file| is_database(file)) {
            self.database(&file)?;
            done.insert(file);
        }
        for _ in 0..PASSES {
            let mut new = list(self.data)?;
            new.retain(|file| done.insert(file.clone()));
            if new.is_empty() {
                break;
            }
            for file in &new {
                if is_database(file) { self.database(file)? } else { self.file(file)? }
            }
        }
        Ok(())
    }

    fn database(&mut self, path: &Path) -> Result<(), Bilingual> {
        let (from, to) = (self.data.join(path), self.place(path)?);
        let failed = |error: rusqlite::Error| {
            bilingual!("{} cannot be backed up: {error}", "无法备份 {}：{error}", from.display())
        };
        let source = Connection::open_with_flags(&from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        source.busy_timeout(self.patience).map_err(failed)?;
        let mut copy = Connection::open(&to).map_err(failed)?;
        let backup = Backup::new(&source, &mut copy).map_err(failed)?;
        // All pages in one step: the copy shows one moment, and changes that are written during it do not restart it.
        let step = backup.step(-1).map_err(failed)?;
        drop(backup);
        if step != StepResult::Done {
            return Err(bilingual!(
                "{} cannot be backed up: another program has locked it",
                "无法备份 {}：已被其他程序锁定",
                from.display()
            ));
        }
        copy.close().map_err(|(_, error)| failed(error))?;
        self.count(&to)
    }

    fn file(&mut self, path: &Path) -> Result<(), Bilingual> {
        let from = self.data.join(path);
        let is_link = fs::symlink_metadata(&from).is_ok_and(|about| about.is_symlink());
        let about = match fs::metadata(&from) {
            Ok(about) => about,
            // It was removed, or got its name, meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_fault(&from, &error)),
        };
        let to = self.place(path)?;
        let key = (about.dev(), about.ino());
        if is_link && leads_within(self.data, &from) {
            return fs::read_link(&from).and_then(|target| symlink(target, &to)).map_err(|error| io_fault(&to, &error));
        }
        if let Some(first) = self.linked.get(&key) {
            return fs::hard_link(first, &to).map_err(|error| io_fault(&to, &error));
        }
        match fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_fault(&to, &error)),
        }
        if about.nlink() > 1 {
            self.linked.insert(key, to.clone());
        }
        self.count(&to)
    }

    /// Where a file goes; its folder is made.
    fn place(&self, path: &Path) -> Result<PathBuf, Bilingual> {
        let to = self.to.join(path);
        if let Some(folder) = to.parent() {
            make_folder(folder)?;
        }
        Ok(to)
    }

    fn count(&mut self, to: &Path) -> Result<(), Bilingual> {
        let about = fs::metadata(to).map_err(|error| io_fault(to, &error))?;
        self.copied.files += 1;
        self.copied.octets += about.len();
        Ok(())
    }
}

/// Ends of names that are left out.
const LEFT_OUT: [&str; 8] = ["-wal", "-shm", "-journal", ".sock", ".tmp", ".part", ".new", ".draft"];
/// How often the files are listed, until no new one is found.
const PASSES: usize = 20;
/// How long a database may be locked by another program.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_copy_holds_what_was_committed_and_the_files_with_their_links() {
        let (folder, place) = (Folder::new(), Folder::new());
        let data = folder.path();
        let writer = Connection::open(data.join("journal.sqlite3")).unwrap();
        writer.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n); INSERT INTO t VALUES (1), (2)").unwrap();
        writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (3)").unwrap();
        fs::create_dir_all(data.join("releases/a")).unwrap();
        folder.file("releases/clip", "sound");
        fs::hard_link(data.join("releases/clip"), data.join("releases/a/clip")).unwrap();
        symlink("a", data.join("releases/live")).unwrap();
        let elsewhere = Folder::new();
        elsewhere.file("one.wav", "sound of a message");
        symlink(elsewhere.path(), data.join("messages")).unwrap();
        symlink("gone", data.join("broken")).unwrap();
        for name in ["lock", "status.sock", "x.tmp", "two.part", "desk.json.new"] {
            folder.file(name, "");
        }
        let to = place.path().join("copy");
        let copied = back_up(data, &to).unwrap();
        assert_eq!(copied.files, 3, "a database, a file, and one on another disk");
        let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
        assert_eq!(inode("releases/clip"), inode("releases/a/clip"));
        assert_eq!(fs::read_link(to.join("releases/live")).unwrap(), Path::new("a"));
        let mut names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["journal.sqlite3", "messages", "releases"]);
        assert!(fs::symlink_metadata(to.join("messages")).unwrap().is_dir() && to.join("messages/one.wav").exists());
        assert!(!place.path().join("copy.part").exists());
        let copy = Connection::open(to.join("journal.sqlite3")).unwrap();
        let rows: i64 = copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
        writer.execute_batch("COMMIT").unwrap();
    }

    #[test]
    fn a_folder_that_holds_something_or_lies_in_the_data_is_refused() {
        let (folder, place) = (Folder::new(), Folder::new());
        place.file("kept", "");
        assert!(back_up(folder.path(), place.path()).is_err());
        assert!(back_up(folder.path(), &folder.path().join("copy")).is_err());
        assert!(!folder.path().join("copy").exists());
        fs::create_dir(folder.path().join("spool")).unwrap();
        assert!(back_up(folder.path(), &folder.path().join("spool")).is_err() && folder.path().join("spool").exists());
        assert!(back_up(&folder.path().join("none"), &place.path().join("copy")).is_err());
    }
    #[test]
    fn a_database_that_is_locked_is_no_backup() {
        let (folder, place) = (Folder::new(), Folder::new());
        let holder = Connection::open(folder.path().join("journal.sqlite3")).unwrap();
        holder.execute_batch("CREATE TABLE t (n); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)").unwrap();
        let to = place.path().join("copy");
        assert!(back_up_within(folder.path(), &to, Duration::from_millis(10)).is_err());
        assert!(!to.exists() && !place.path().join("copy.part").exists());
        holder.execute_batch("COMMIT").unwrap();
        assert_eq!(back_up(folder.path(), &to).unwrap().files, 1);
    }
}
