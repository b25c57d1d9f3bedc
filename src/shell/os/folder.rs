//! The data folder, readable by the user that runs the node only, and its disk.

use std::ffi::CString;
use std::fs::DirBuilder;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Creates the folder with mode 0700 if it does not exist. An existing folder keeps its mode. The error names the folder.
pub fn create(folder: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("{}: the data folder cannot be created: {error}", folder.display()))
}

/// Bytes that this user can still write to the folder's disk; `None` when the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut disk = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and `disk` is read only after the call has filled it.
    let disk = unsafe {
        if libc::statvfs(path.as_ptr(), disk.as_mut_ptr()) != 0 {
            return None;
        }
        disk.assume_init()
    };
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Free space, in bytes, below which a day's journal or a rebuilt copy may not fit.
pub const LOW_SPACE_BYTES: u64 = 512 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_of_a_disk_is_known_and_that_of_no_folder_is_not() {
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(free_bytes(Path::new("/no/such/folder")), None);
        assert_eq!(free_bytes(Path::new("with a zero \0")), None);
    }
}
