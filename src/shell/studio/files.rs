//! The studio's recordings on the disk: each file once, under the hash of what is in it.
//!
//! ```text
//!  <data>/studio/  originals/<sha256>       uploads, byte for byte
//!                  masters/<sha256>.wav     16-bit masters made of them
//!                  studio.sqlite3           what they are, and where they stand
//! ```
//! A file is synced and then renamed to its name before the store has it. A crash leaves at most a file that no take
//! names. Where `data.sound_key` names a key, both are stored sealed; their names stay those of what is in them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use os::{folder, sealed_file, sound_key};

use crate::rejection::Rejection;

/// The folder and its allowance in bytes.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    used: AtomicU64,
    most: u64,
}

impl Files {
    /// Opens the folder, and creates it if there is none.
    pub(crate) fn open(data: &Path, most: u64) -> Result<Files, Rejection> {
        let folder = data.join("studio");
        for part in [&folder, &folder.join(ORIGINALS), &folder.join(MASTERS)] {
            folder::create(part).map_err(Rejection::Fault)?;
        }
        let used = [ORIGINALS, MASTERS].iter().map(|part| size(&folder.join(part))).sum();
        Ok(Files { folder, used: AtomicU64::new(used), most })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Rejects what the allowance or the disk has no room for.
    pub(crate) fn room_for(&self, bytes: u64) -> Result<(), Rejection> {
        let used = self.used.load(Ordering::Relaxed);
        if used.saturating_add(bytes) > self.most {
            return Err(Rejection::Full { used: used / MB, most: self.most / MB });
        }
        match free(&self.folder) {
            Some(left) if left < bytes.saturating_add(SPARE) => Err(Rejection::DiskFull(SPARE / MB)),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn keep_original(&self, bytes: &[u8]) -> Result<String, Rejection> {
        let hash = hash(bytes);
        self.keep(&self.original(&hash), bytes)?;
        Ok(hash)
    }

    pub(crate) fn keep_master(&self, bytes: &[u8]) -> Result<String, Rejection> {
        let hash = hash(bytes);
        self.keep(&self.master(&hash), bytes)?;
        Ok(hash)
    }

    pub(crate) fn original(&self, hash: &str) -> PathBuf {
        self.folder.join(ORIGINALS).join(hash)
    }

    pub(crate) fn master(&self, hash: &str) -> PathBuf {
        self.folder.join(MASTERS).join(format!("{hash}.wav"))
    }

    /// Deletes a file; the freed bytes.
    pub(crate) fn delete(&self, path: &Path) -> u64 {
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if fs::remove_file(path).is_err() {
            return 0;
        }
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(bytes)));
        bytes
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), Rejection> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        if sealed_file::text_length(path).is_ok_and(|(length, _)| length == bytes.len() as u64) {
            return Ok(());
        }
        let failed = |error: io::Error| Rejection::Fault(os::io_fault(path, &error));
        let folder = path.parent().unwrap_or(&self.folder);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let new = folder.join(format!(".new-{}-{serial}", std::process::id()));
        let bytes = sound_key::sealed(bytes).map_err(failed)?;
        let written = write(&new, &bytes).and_then(|()| fs::rename(&new, path)).and_then(|()| sync(folder));
        if let Err(error) = written {
            let _ = fs::remove_file(&new);
            return Err(failed(error));
        }
        self.used.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A rename outlives a power cut once its folder is synced.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The bytes in a folder. Half-written files of a crash are deleted.
fn size(folder: &Path) -> u64 {
    let Ok(files) = fs::read_dir(folder) else { return 0 };
    let mut size = 0;
    for file in files.flatten() {
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        if file.file_name().to_string_lossy().starts_with(".new-") && is_old(&file) {
            let _ = fs::remove_file(file.path());
        } else {
            size += bytes;
        }
    }
    size
}

/// Whether no other process can be writing the file.
fn is_old(file: &fs::DirEntry) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age.as_secs() > 3600)
}

/// Free bytes of the file system.
fn free(folder: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero, and statvfs fills the whole structure when it returns 0.
    let stat = unsafe { (libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) == 0).then(|| stat.assume_init())? };
    Some(stat.f_bavail as u64 * stat.f_frsize as u64)
}

/// SHA-256 in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    base::hex(&Sha256::digest(bytes))
}

const ORIGINALS: &str = "originals";
const MASTERS: &str = "masters";
pub(crate) const MB: u64 = 1_000_000;
/// Free bytes that the rest of the node keeps in any case.
const SPARE: u64 = 200 * MB;
