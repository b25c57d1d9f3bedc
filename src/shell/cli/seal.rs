//! `jindu seal`: seals the recordings that are in clear, with a serving node or without one, or opens those that are sealed,
//! without one: it would go on sealing.
//!
//! Each file is exchanged for its other form once that is on the disk: a command that is killed loses nothing, and is run
//! again.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::{Bilingual, bilingual};
use config::Settings;
use journal::RECORDINGS_FOLDER;
use journal::messages::{self, read_recording};
use os::{sealed_file, sound_key};
use replica_store::FolderLock;

use crate::say::say;

/// Runs the command.
///
/// # Errors
/// There is no key, a node serves and would go on sealing, or a file cannot be read or written; those before it stay as they
/// are then.
pub(crate) fn run(settings: &Settings, undo: bool) -> Result<(), Bilingual> {
    if sound_key::current().is_none() {
        return Err(Bilingual::fixed("there is no key: set data.sound_key first", "没有密钥：请先设 data.sound_key"));
    }
    let data = &settings.data.folder;
    let _lock = if undo { Some(lock(data)?) } else { None };
    let (mut done, mut left) = (0, 0);
    for (folder, kind) in FOLDERS {
        remove_leftovers(&data.join(folder));
        for path in recordings(&data.join(folder))? {
            match change(&path, kind, undo) {
                Ok(true) => done += 1,
                Ok(false) => left += 1,
                // It was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, &error)),
            }
        }
    }
    if undo {
        forget_key(data)?;
    }
    match undo {
        true => {
            say!("recordings opened: {done}; in clear already: {left}", "已解密 {done} 条录音，{left} 条原为明文")
        }
        false => {
            say!("recordings sealed: {done}; sealed already: {left}", "已加密 {done} 条录音，{left} 条原已加密")
        }
    }
    if undo {
        say!(
            "set data.sound_key to \"\" before the node starts again, or new recordings are sealed",
            "再次启动节点之前请把 data.sound_key 设为 \"\"，否则新录音仍会加密"
        );
    }
    Ok(())
}

/// Keeps a node from serving, and so from sealing.
fn lock(data: &Path) -> Result<FolderLock, Bilingual> {
    let lock = FolderLock::take(data).map_err(|error| failed(data, &error))?;
    lock.ok_or_else(|| {
        bilingual!(
            "{}: a node serves from this folder and would go on sealing: stop the node first",
            "{}：有节点正在使用此文件夹并会继续加密：请先停止节点",
            data.display()
        )
    })
}

/// Seals or opens a recording; whether it had to be.
fn change(path: &Path, kind: Kind, undo: bool) -> io::Result<bool> {
    let (_, sealed) = sealed_file::text_length(path)?;
    if sealed != undo {
        return Ok(false);
    }
    let text = match kind {
        Kind::Message => read_recording(path)?,
        Kind::Conversation => read_conversation(path)?,
        Kind::Take => sound_key::read(path)?,
    };
    replace(path, &if undo { text } else { sound_key::sealed(&text)? })?;
    Ok(true)
}

/// A recorded conversation, which may have been cut short.
fn read_conversation(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    sealed_file::open_grown(sound_key::current().as_ref(), path)?.read_to_end(&mut text)?;
    Ok(text)
}

/// Forgets the key, unless another command has sealed something meanwhile.
fn forget_key(data: &Path) -> Result<(), Bilingual> {
    for (folder, _) in FOLDERS {
        for path in recordings(&data.join(folder))? {
            if sealed_file::text_length(&path).map_err(|error| failed(&path, &error))?.1 {
                return Err(bilingual!(
                    "{}: was sealed meanwhile: run this again",
                    "{}：其间又被加密：请再次运行",
                    path.display()
                ));
            }
        }
    }
    sound_key::forget(data).map_err(|error| failed(data, &error))
}

/// The recordings of a folder; not what is being written.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>, Bilingual> {
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(|error| failed(folder, &error))?,
    };
    let mut recordings = Vec::new();
    for file in files {
        let path = file.map_err(|error| failed(folder, &error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden && path.extension().is_none_or(|extension| extension == "wav") {
            recordings.push(path);
        }
    }
    Ok(recordings)
}

fn failed(path: &Path, error: &io::Error) -> Bilingual {
    os::io_fault(path, error)
}

/// What a command that was killed left behind.
fn remove_leftovers(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with(NEW) {
            let _ = fs::remove_file(file.path());
        }
    }
}

fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let new = folder.join(format!("{NEW}{}", std::process::id()));
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let replaced = made.and_then(|mut file| {
        file.write_all(octets)?;
        // A recording without a row in the journal is as old as its file says.
        file.set_modified(fs::metadata(path)?.modified()?)?;
        file.sync_all()?;
        exchange(&new, path)
    });
    // What is there now: the former file, the new one if that failed, or none.
    let _ = fs::remove_file(&new);
    replaced.and_then(|()| fs::File::open(folder)?.sync_all())
}

/// Exchanges a file for another one; one that was deleted meanwhile stays deleted.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound): one of them is not there.
fn exchange(new: &Path, path: &Path) -> io::Result<()> {
    let (new_name, name) = (CString::new(new.as_os_str().as_bytes())?, CString::new(path.as_os_str().as_bytes())?);
    let (here, how) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
    // SAFETY: both names end with a NUL and outlive the call, which only reads them.
    if unsafe { libc::renameat2(here, new_name.as_ptr(), here, name.as_ptr(), how) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Some file systems, NFS among them, cannot exchange.
        error if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            fs::metadata(path)?;
            fs::rename(new, path)
        }
        error => Err(error),
    }
}

const NEW: &str = ".seal-";
/// What a folder holds.
#[derive(Clone, Copy)]
enum Kind {
    Message,
    Conversation,
    Take,
}

/// Below the data folder.
const FOLDERS: [(&str, Kind); 4] = [
    (messages::FOLDER, Kind::Message),
    (RECORDINGS_FOLDER, Kind::Conversation),
    ("studio/originals", Kind::Take),
    ("studio/masters", Kind::Take),
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_recording_is_replaced_with_its_age_and_a_deleted_one_stays_deleted() {
        let folder = Folder::new();
        let path = folder.join("12345678.wav");
        fs::write(&path, "clear").unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        OpenOptions::new().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        replace(&path, b"sealed").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"sealed");
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
        let (new, gone) = (folder.join("new"), folder.join("gone.wav"));
        fs::write(&new, "sealed").unwrap();
        assert_eq!(exchange(&new, &gone).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(replace(&gone, b"sealed").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }
}
