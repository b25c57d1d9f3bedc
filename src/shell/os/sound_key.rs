//! The key that seals callers' messages and the studio's takes, where `data.sound_key` names one: 32 octets in a file, or in
//! a credential of systemd.
//!
//! A program has one, which [`adopt`] or [`adopt_to_read`] reads at the start. The data folder remembers the fingerprint of
//! the one that seals, so that a wrong key is found before anything is sealed under it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base::{Bilingual, bilingual};
use config::{Data, SoundKey};
use inquiry::Keys;

use crate::sealed_file;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum SoundKeyError {
    /// The file is missing, or may not be read.
    Io {
        /// The key's file.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// systemd gave no credentials.
    Credential(String),
    /// Another length than 32 octets.
    Length(String),
    /// Group or others may read it.
    Lax(String),
    /// Not the key that sealed what is in the data folder.
    Other {
        /// The key's file.
        path: String,
        /// The data folder.
        folder: String,
    },
    /// The data folder's fingerprint of the key cannot be read or written.
    Fingerprint {
        /// The fingerprint's file.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// The data folder has sealed recordings.
    Unset(String),
}

impl SoundKeyError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            SoundKeyError::Io { path, error } => bilingual!(
                "data.sound_key = {path}: {error}; make one with: (umask 077; head -c 32 /dev/urandom > {path}), or name the right file [sound_key.missing]",
                "data.sound_key = {path}：{error}；请生成：(umask 077; head -c 32 /dev/urandom > {path})，或写正确的文件 [sound_key.missing]"
            ),
            SoundKeyError::Credential(name) => bilingual!(
                "data.sound_key = credential:{name}: there is no $CREDENTIALS_DIRECTORY; write LoadCredential={name}:PATH into the unit, and run commands with --set data.sound_key=PATH [sound_key.credential]",
                "data.sound_key = credential:{name}：没有 $CREDENTIALS_DIRECTORY；请在服务单元中写 LoadCredential={name}:PATH，命令请加 --set data.sound_key=PATH [sound_key.credential]"
            ),
            SoundKeyError::Length(path) => bilingual!(
                "data.sound_key = {path}: must hold 32 octets; make one with: head -c 32 /dev/urandom [sound_key.length]",
                "data.sound_key = {path}：应为 32 字节；请生成：head -c 32 /dev/urandom [sound_key.length]"
            ),
            SoundKeyError::Lax(path) => bilingual!(
                "data.sound_key = {path}: group or others may read it: chmod 600 {path} [sound_key.lax]",
                "data.sound_key = {path}：同组或其他用户可读：请 chmod 600 {path} [sound_key.lax]"
            ),
            SoundKeyError::Other { path, folder } => bilingual!(
                "data.sound_key = {path}: the recordings in {folder} were sealed under another key: name that one, or open them with it first (jindu seal --undo) [sound_key.other]",
                "data.sound_key = {path}：{folder} 中的录音是用另一密钥加密的：请写那个密钥，或先用它解密（jindu seal --undo）[sound_key.other]"
            ),
            SoundKeyError::Fingerprint { path, error } => bilingual!(
                "{path}: {error}; it says which key sealed the recordings: let the node's user read and write it [sound_key.fingerprint]",
                "{path}：{error}；它记录录音由哪个密钥加密：请让节点用户可读写 [sound_key.fingerprint]"
            ),
            SoundKeyError::Unset(folder) => bilingual!(
                "data.sound_key is not set, and recordings in {folder} are sealed: name their key, or open them with it first (jindu seal --undo) [sound_key.unset]",
                "未设 data.sound_key，而 {folder} 中有加密录音：请写其密钥，或先用它解密（jindu seal --undo）[sound_key.unset]"
            ),
        }
    }
}

/// Reads the key and compares it with the data folder's; changes nothing.
///
/// # Errors
/// [`SoundKeyError`]
pub fn check(data: &Data) -> Result<Option<Keys>, SoundKeyError> {
    let remembered = remembered(&data.folder.join(NAME))?;
    let Some(key) = &data.sound_key else {
        return match remembered {
            Some(_) => Err(SoundKeyError::Unset(data.folder.display().to_string())),
            None => Ok(None),
        };
    };
    let path = match key {
        SoundKey::File(path) => path.clone(),
        SoundKey::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
            PathBuf::from(folder.ok_or_else(|| SoundKeyError::Credential(name.clone()))?).join(name)
        }
    };
    let keys = read_key(&path, matches!(key, SoundKey::File(_)))?;
    match remembered {
        Some(known) if known.trim() != fingerprint(&keys) => {
            let folder = data.folder.display().to_string();
            Err(SoundKeyError::Other { path: path.display().to_string(), folder })
        }
        Some(_) | None => Ok(Some(keys)),
    }
}

/// The fingerprint in a file; none if there is no file.
fn remembered(path: &Path) -> Result<Option<String>, SoundKeyError> {
    match fs::read_to_string(path) {
        Ok(fingerprint) => Ok(Some(fingerprint)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SoundKeyError::Fingerprint { path: path.display().to_string(), error }),
    }
}

fn read_key(path: &Path, private: bool) -> Result<Keys, SoundKeyError> {
    let name = path.display().to_string();
    let io_error = |error| SoundKeyError::Io { path: path.display().to_string(), error };
    let file = File::open(path).map_err(io_error)?;
    if private && file.metadata().map_err(io_error)?.permissions().mode() & 0o077 != 0 {
        return Err(SoundKeyError::Lax(name));
    }
    // One octet more than a key, so that a longer file is noticed.
    let mut octets = Vec::with_capacity(33);
    file.take(33).read_to_end(&mut octets).map_err(io_error)?;
    let secret: [u8; 32] = octets.try_into().map_err(|_| SoundKeyError::Length(name))?;
    Ok(Keys::new(&secret))
}

/// Takes the key of the settings for this program; changes nothing on the disk.
///
/// # Errors
/// As [`check`].
pub fn adopt_to_read(data: &Data) -> Result<(), SoundKeyError> {
    let _ = KEYS.set(check(data)?);
    Ok(())
}

/// Takes the key of the settings for this program, which seals, and remembers its fingerprint in a data folder that exists.
///
/// # Errors
/// As [`check`], or the fingerprint cannot be written.
pub fn adopt(data: &Data) -> Result<(), SoundKeyError> {
    let keys = check(data)?;
    if let Some(keys) = keys.as_ref().filter(|_| data.folder.is_dir()) {
        let path = data.folder.join(NAME);
        if !path.exists() {
            let draft = data.folder.join(format!("{NAME}.new"));
            let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
            let written = made.and_then(|mut file| {
                file.write_all(fingerprint(keys).as_bytes())?;
                file.sync_all()?;
                fs::rename(&draft, &path)
            });
            written.map_err(|error| SoundKeyError::Fingerprint { path: path.display().to_string(), error })?;
        }
    }
    let _ = KEYS.set(keys);
    Ok(())
}

/// Forgets which key sealed recordings: none is sealed any more.
///
/// # Errors
/// The fingerprint cannot be deleted.
pub fn forget(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The key of this program, if it has one.
pub fn current() -> Option<Keys> {
    KEYS.get().cloned().flatten()
}

/// Reads a file, sealed or not.
///
/// # Errors
/// It cannot be read; [`InvalidData`](io::ErrorKind::InvalidData): it is damaged, or sealed under another key.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    sealed_file::open_whole(current().as_ref(), path)?.read_to_end(&mut octets)?;
    Ok(octets)
}

/// The octets as they are stored: sealed, where there is a key.
///
/// # Errors
/// The system gives no random numbers.
pub fn sealed(octets: &[u8]) -> io::Result<Vec<u8>> {
    let Some(keys) = current() else { return Ok(octets.to_vec()) };
    let mut sealed = Vec::with_capacity(octets.len() + octets.len() / 1000 + 64);
    sealed_file::seal(&keys, &mut &*octets, &mut sealed)?;
    Ok(sealed)
}

fn fingerprint(keys: &Keys) -> String {
    base::hex(&keys.fingerprint())
}

static KEYS: OnceLock<Option<Keys>> = OnceLock::new();
/// In the data folder.
const NAME: &str = "sound-key.id";

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_key_is_32_octets_for_its_owner_only_and_the_one_that_sealed() {
        let folder = Folder::new();
        let path = folder.join("sound.key");
        let data = |key: Option<SoundKey>| Data {
            folder: folder.path().to_owned(),
            sample_cases: 0,
            sample_heartbeat: false,
            sound_key: key,
        };
        let named = data(Some(SoundKey::File(path.clone())));
        assert!(matches!(check(&named), Err(SoundKeyError::Io { .. })));
        let write = |octets: &[u8], mode| {
            fs::write(&path, octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write(&[7; 32], 0o640);
        assert!(matches!(check(&named), Err(SoundKeyError::Lax(_))));
        for length in [0, 31, 33] {
            write(&vec![7; length], 0o600);
            assert!(matches!(check(&named), Err(SoundKeyError::Length(_))));
        }
        write(&[7; 32], 0o600);
        let keys = check(&named).unwrap().expect("a key");
        assert!(check(&data(None)).unwrap().is_none());
        fs::write(folder.join(NAME), fingerprint(&keys)).unwrap();
        assert!(check(&named).is_ok());
        assert!(matches!(check(&data(None)), Err(SoundKeyError::Unset(_))));
        write(&[8; 32], 0o600);
        assert!(matches!(check(&named), Err(SoundKeyError::Other { .. })));
        forget(folder.path()).unwrap();
        fs::create_dir(folder.join(NAME)).unwrap();
        assert!(matches!(check(&named), Err(SoundKeyError::Fingerprint { .. })), "one that cannot be read is not none");
        fs::remove_dir(folder.join(NAME)).unwrap();
        assert!(check(&named).is_ok() && forget(folder.path()).is_ok());
        let credential = data(Some(SoundKey::Credential("sound.key".into())));
        if std::env::var_os("CREDENTIALS_DIRECTORY").is_none() {
            assert!(matches!(check(&credential), Err(SoundKeyError::Credential(_))));
        }
    }
}
