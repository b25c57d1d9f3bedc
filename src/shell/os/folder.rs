//! The data folder, readable by the user that runs the node only, and its disk.

use std::ffi::CString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base::{Bilingual, bilingual};

use crate::io_fault;

/// Makes everything that this program creates from here on readable and writable by its own user only (umask 077).
pub fn keep_files_private() {
    // SAFETY: `umask` sets a number of the process and cannot fail.
    unsafe { libc::umask(0o077) };
}

/// Makes no core file of this program: its memory holds what callers keyed in, and keys.
pub fn keep_memory_private() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is complete; a limit can always be lowered.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    debug_assert_eq!(set, 0, "a limit can be lowered");
}

/// Creates the folder with mode 0700 if it does not exist. An existing folder keeps its mode. The error names the folder.
pub fn create(folder: &Path) -> Result<(), Bilingual> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        let fault = io_fault(folder, &error);
        bilingual!("the data folder cannot be created: {fault}", "无法创建数据文件夹：{fault:#}")
    })
}

/// Whether this user may read the folder, if it is there: otherwise all that is in it would seem not to be.
///
/// # Errors
/// The user may not, and what to do.
pub fn may_be_read(folder: &Path) -> Result<(), Bilingual> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io_fault(folder, &error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Takes the rights of group and others from the folder and everything in it; the number of files and folders that had
/// such rights. Links are not followed, so nothing outside the folder changes.
///
/// # Errors
/// The folder itself, or the first file in it whose rights cannot be changed: it belongs to another user.
pub fn repair(folder: &Path) -> Result<usize, Bilingual> {
    let failed = |path: &Path, error: &io::Error| {
        bilingual!(
            "{}: others may read it, and its mode cannot be set: {error}; run chown and chmod go= on it",
            "{}：其他用户可读，且无法更改权限：{error}；请对其运行 chown 和 chmod go=",
            path.display()
        )
    };
    let mut repaired = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        repaired += usize::from(make_private(&folder).map_err(|error| failed(&folder, &error))?);
        for path in entries(&folder).map_err(|error| io_fault(&folder, &error))? {
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) if metadata.is_symlink() => {}
                Ok(_) => repaired += usize::from(make_private(&path).map_err(|error| failed(&path, &error))?),
                // A running command has removed it.
                Err(_) => {}
            }
        }
    }
    Ok(repaired)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Whether group or others had rights, which it takes away. A file that has gone needs none.
fn make_private(path: &Path) -> io::Result<bool> {
    let changed = fs::symlink_metadata(path).and_then(|metadata| {
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 == 0 {
            return Ok(false);
        }
        fs::set_permissions(path, Permissions::from_mode(mode & 0o7700)).map(|()| true)
    });
    match changed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other,
    }
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
    fn a_lax_folder_is_repaired_and_links_are_not_followed() {
        let (folder, outside) = (support::folder::Folder::new(), support::folder::Folder::new());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let (inner, file, linked) =
            (folder.path().join("spool"), folder.path().join("spool/a"), outside.path().join("b"));
        fs::create_dir(&inner).unwrap();
        for path in [&file, &linked] {
            fs::write(path, "x").unwrap();
            set(path, 0o644);
        }
        std::os::unix::fs::symlink(&linked, inner.join("link")).unwrap();
        set(&inner, 0o750);
        set(folder.path(), 0o755);
        assert_eq!(repair(folder.path()), Ok(3));
        assert_eq!([folder.path(), &*inner, &*file].map(mode), [0o700, 0o700, 0o600]);
        assert_eq!(mode(&linked), 0o644);
        assert_eq!(repair(folder.path()), Ok(0));
    }

    #[test]
    fn the_free_space_of_a_disk_is_known_and_that_of_no_folder_is_not() {
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!(free_bytes(Path::new("/no/such/folder")), None);
        assert_eq!(free_bytes(Path::new("with a zero \0")), None);
    }
}
