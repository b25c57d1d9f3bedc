//! A folder for a test, gone with it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::gateway::temporary_folder;
use crate::wait::{SOON, within};

/// A folder below the system's temporary one; dropping it removes it with everything in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new empty folder.
    pub fn new() -> Folder {
        Folder(temporary_folder("test"))
    }

    /// A folder that exists and is removed with this one's owner.
    pub fn at(path: PathBuf) -> Folder {
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a key of 32 such octets, which only its owner can read; the setting that seals recordings with it.
    pub fn sound_key(&self, name: &str, octet: u8) -> String {
        let path = self.join(name);
        std::fs::write(&path, [octet; 32]).expect("a file can be written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its owner's");
        format!("data.sound_key={}", path.display())
    }

    /// Writes a text file into it; its path as a word of a command line.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }
}

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether something comes true soon, for an assertion that shows what it is in place of it.
pub fn comes(what: impl FnMut() -> bool) -> bool {
    within(SOON, what).is_ok()
}
