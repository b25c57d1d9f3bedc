//! The lock of the data folder, which one writing program holds at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// The lock. The system releases it when the program ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock; `None` when another program holds it.
    pub fn take(folder: &Path) -> io::Result<Option<FolderLock>> {
        let path = folder.join("lock");
        let file = match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            // On a read-only disk the lock file of an earlier start is enough.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(&path)?,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(FolderLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn the_second_taker_waits_until_the_first_is_gone() {
        let folder = Folder::new();
        let first = FolderLock::take(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(FolderLock::take(folder.path()).unwrap().is_none());
        drop(first);
        assert!(FolderLock::take(folder.path()).unwrap().is_some());
    }
}
