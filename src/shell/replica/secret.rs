//! The installation's secret: 32 random bytes in `<data>/secret.key`, created at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Io {
        /// The file.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// The file has another length than 32 bytes.
    #[error("{0}: must be 32 bytes; restore the installation's own key, without which the replica cannot be read")]
    Length(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// Reads the secret, and creates it if there is none.
pub fn secret(folder: &Path) -> Result<[u8; 32], SecretError> {
    let path = folder.join(NAME);
    let io_error = |error| SecretError::Io { path: path.display().to_string(), error };
    if !path.try_exists().map_err(io_error)? {
        make(folder, &path)?;
    }
    // One byte more than a key, so that a longer file is noticed.
    let mut bytes = Vec::with_capacity(33);
    File::open(&path).and_then(|file| file.take(33).read_to_end(&mut bytes)).map_err(io_error)?;
    bytes.try_into().map_err(|_| SecretError::Length(path.display().to_string()))
}

/// Written under another name and then linked, so that the file is never incomplete and an existing one stays.
fn make(folder: &Path, path: &Path) -> Result<(), SecretError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| SecretError::Random(error.to_string()))?;
    let draft = folder.join(format!("{NAME}.{}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(&key)?;
            file.sync_all()?;
            match fs::hard_link(&draft, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                Ok(()) | Err(_) => File::open(folder)?.sync_all(),
            }
        });
    let _ = fs::remove_file(&draft);
    written.map_err(|error| SecretError::Io { path: path.display().to_string(), error })
}

const NAME: &str = "secret.key";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use support::folder::Folder;

    #[test]
    fn the_secret_is_made_once_and_is_for_its_owner_only() {
        let folder = Folder::new();
        let first = secret(folder.path()).unwrap();
        assert_eq!(secret(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let folder = Folder::new();
        for length in [0, 31, 33] {
            fs::write(folder.path().join(NAME), vec![1; length]).unwrap();
            assert!(matches!(secret(folder.path()), Err(SecretError::Length(_))));
        }
    }
}
