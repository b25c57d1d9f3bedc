//! A copy of the data folder, while a node serves from it or not.
//!
//! ```text
//!  databases (*.sqlite3) ── SQLite's backup, each at one moment ──┐
//!                                                                 ├─► a new folder, which can be a data folder itself
//!  all other files ── copied after them, links kept ──────────────┘
//! ```
//! Databases come first, so that no row of the copy names a file that came later and is missing. Locks, sockets and files that are
//! being written under another name are left out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bilingual, bilingual};
use os::{folder, io_fault};
use rusqlite::backup::Backup;
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
/// The other folder holds something or lies in the data folder, or a file cannot be read or written: then the copy is not complete.
pub fn back_up(data: &Path, to: &Path) -> Result<Copied, Bilingual> {
    let data = data.canonicalize().map_err(|error| io_fault(data, &error))?;
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(bilingual!(
            "{} holds files already: name a new folder for each backup",
            "{} 中已有文件：每次备份请用新文件夹",
            to.display()
        ));
    }
    folder::create(to)?;
    let to = to.canonicalize().map_err(|error| io_fault(to, &error))?;
    if to.starts_with(&data) {
        let _ = fs::remove_dir(&to);
        return Err(bilingual!(
            "{} lies in the data folder: name a folder elsewhere, best on another disk",
            "{} 在数据文件夹之内：请写其他位置的文件夹，最好在另一块磁盘上",
            to.display()
        ));
    }
    let mut files = Vec::new();
    collect(&data, Path::new(""), &mut files)?;
    let (databases, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_database(file));
    let mut copy = Copy { data: &data, to: &to, linked: HashMap::new(), copied: Copied::default() };
    for file in &databases {
        copy.database(file)?;
    }
    for file in &others {
        copy.file(file)?;
    }
    // The names are on the disk, too.
    File::open(&to).and_then(|folder| folder.sync_all()).map_err(|error| io_fault(&to, &error))?;
    Ok(copy.copied)
}

/// The files below a folder that belong to a backup, by their paths in the data folder. Folders are made where they hold a file.
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
        if kind.is_dir() {
            collect(data, &path, files)?;
        } else if (kind.is_file() || kind.is_symlink()) && !is_left_out(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "sqlite3")
}

/// Locks, and what SQLite keeps beside a database: the copy of a database is whole.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "lock" || BESIDE.iter().any(|end| name.ends_with(end))
}

struct Copy<'a> {
    data: &'a Path,
    to: &'a Path,
    /// Files with several names, by device and number: where the first was copied to.
    linked: HashMap<(u64, u64), PathBuf>,
    copied: Copied,
}

impl Copy<'_> {
    fn database(&mut self, path: &Path) -> Result<(), Bilingual> {
        let (from, to) = (self.data.join(path), self.place(path)?);
        let failed = |error: rusqlite::Error| {
            bilingual!("{} cannot be backed up: {error}", "无法备份 {}：{error}", from.display())
        };
        let source = Connection::open_with_flags(&from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        source.busy_timeout(PATIENCE).map_err(failed)?;
        let mut copy = Connection::open(&to).map_err(failed)?;
        let backup = Backup::new(&source, &mut copy).map_err(failed)?;
        // All pages in one step: what is written meanwhile is not in the copy, and does not begin it anew.
        backup.step(-1).map_err(failed)?;
        drop(backup);
        copy.close().map_err(|(_, error)| failed(error))?;
        self.count(&to)
    }

    fn file(&mut self, path: &Path) -> Result<(), Bilingual> {
        let from = self.data.join(path);
        let about = match fs::symlink_metadata(&from) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_fault(&from, &error)),
        };
        let to = self.place(path)?;
        let key = (about.dev(), about.ino());
        if about.is_symlink() {
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
            folder::create(folder)?;
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
const BESIDE: [&str; 5] = ["-wal", "-shm", "-journal", ".sock", ".tmp"];
/// How long a database may be locked by somebody else.
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
        for name in ["lock", "status.sock", "x.tmp"] {
            folder.file(name, "");
        }
        let to = place.path().join("copy");
        let copied = back_up(data, &to).unwrap();
        assert_eq!(copied.files, 2, "a database and a file");
        let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
        assert_eq!(inode("releases/clip"), inode("releases/a/clip"));
        assert_eq!(fs::read_link(to.join("releases/live")).unwrap(), Path::new("a"));
        let mut names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["journal.sqlite3", "releases"]);
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
        assert!(back_up(&folder.path().join("none"), &place.path().join("copy")).is_err());
    }
}
