//! Opens the file: SQLite in WAL mode, one writer, many readers.
//!
//! Rows and mark change in one transaction, which is synced before it counts, so a crash at any moment leaves rows that
//! match their mark. No read transaction outlives its look-up, or the write-ahead log would grow without limit.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use inquiry::Keys;

use crate::file::failure::{StoreError, is_unwritable};
use crate::file::schema;

/// The path of the file in a data folder.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("replica.sqlite3")
}

/// The inode of the file at a path, if there is one.
pub(crate) fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).map(|file| file.ino()).ok()
}

/// Opens the file for writing; creates or upgrades it if needed.
pub(crate) fn open_writer(path: &Path, keys: &Keys) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::Sqlite { path: path.display().to_string(), error };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(WRITER_PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Before anything is changed: another program's file stays as it is.
    if !schema::is_fresh(&connection).map_err(failed)? {
        schema::check(&connection, path, keys)?;
    }
    connection.execute_batch(WRITER_PRAGMAS).map_err(failed)?;
    schema::prepare(&mut connection, keys).map_err(failed)?;
    preallocate_index(path);
    Ok(connection)
}

/// Open descriptors of log indexes (`-shm`), by inode. They stay open as long as the file exists: closing any descriptor of
/// a file releases all POSIX locks that the process holds on it, SQLite's included.
static INDEXES: Mutex<Vec<(u64, File)>> = Mutex::new(Vec::new());

/// Closes the descriptors of indexes that were deleted.
pub(crate) fn close_unlinked_indexes() {
    let mut kept = INDEXES.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|(_, index)| index.metadata().is_ok_and(|index| index.nlink() > 0));
}

/// Allocates the log's index at its largest size, so that a disk that fills up later does not stop readers: the index is
/// mapped memory, and touching a page that the disk cannot hold kills the process.
fn preallocate_index(path: &Path) {
    close_unlinked_indexes();
    let mut kept = INDEXES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = with_suffix(path, "-shm");
    let Ok(inode) = std::fs::metadata(&path).map(|index| index.ino()) else { return };
    if !kept.iter().any(|(known, _)| *known == inode) {
        match OpenOptions::new().write(true).open(&path) {
            Ok(index) => kept.push((inode, index)),
            Err(_) => return,
        }
    }
    let Some((_, index)) = kept.iter().find(|(known, _)| *known == inode) else { return };
    // SAFETY: the descriptor is open, and the call touches no memory.
    let code = unsafe { libc::posix_fallocate(index.as_raw_fd(), 0, INDEX_BYTES) };
    if code != 0 {
        tracing::warn!(error = %std::io::Error::from_raw_os_error(code), "replica_index_not_preallocated");
    }
}

/// Opens the file for look-ups.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let opened = open_read_only(path, path.as_os_str().to_owned(), OpenFlags::empty());
    match opened {
        Err(error) if is_unwritable(&error) && !has_wal(path) => {
            // In a read-only folder there is no writer, so the file alone is complete.
            let mut uri = std::ffi::OsString::from("file:");
            uri.push(uri_path(path));
            uri.push("?immutable=1");
            open_read_only(path, uri, OpenFlags::SQLITE_OPEN_URI)
        }
        opened => opened,
    }
}

fn open_read_only(path: &Path, name: std::ffi::OsString, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    loop {
        let before = inode(path);
        let connection = Connection::open_with_flags(&name, flags)?;
        connection.busy_timeout(READER_PATIENCE)?;
        // The last connection to close would delete the log by name, which may belong to a new file by then.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch(READER_PRAGMAS)?;
        // Opens log and index now, since the disk may be full later.
        connection.query_row("SELECT 1 FROM state", [], |_| Ok(()))?;
        if inode(path) == before {
            return Ok(connection);
        }
    }
}

/// Whether the operating system allows writing to the file.
pub(crate) fn is_writable(path: &Path) -> bool {
    OpenOptions::new().write(true).open(path).is_ok()
}

/// Renames a damaged file to `.damaged`, replacing an earlier one.
pub(crate) fn rename_damaged(path: &Path) -> std::io::Result<()> {
    std::fs::rename(path, with_suffix(path, ".damaged"))?;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
    Ok(())
}

fn has_wal(path: &Path) -> bool {
    std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// The path with a suffix added to the file name, as SQLite names `-wal` and `-shm`.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => text.push(char::from(*byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// Moves the write-ahead log into the file and truncates it; `false` when a reader prevents it.
pub(crate) fn truncate_wal(connection: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    connection.busy_timeout(patience)?;
    let truncated = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0));
    connection.busy_timeout(WRITER_PATIENCE)?;
    truncated
}

/// `synchronous = FULL`: a batch's file leaves the spool only when its rows would survive a power failure.
const WRITER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
/// No memory map: a mapped page that the disk cannot read kills the process, and at 20 million cases reading is faster.
const READER_PRAGMAS: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -16384;";
const WRITER_PATIENCE: Duration = Duration::from_secs(5);
const READER_PATIENCE: Duration = Duration::from_millis(250);
const STATEMENTS: usize = 64;
/// A log of 256 MiB has 65,536 pages, whose index takes 17 segments of 32 KiB.
const INDEX_BYTES: libc::off_t = 20 * 32 * 1024;
