//! The file of the first start's passwords, a line for each account: `<data>/studio/initial-passwords`. A password that is no
//! longer valid is removed from it; the file goes with its last line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes the file, which only this user may read.
///
/// # Errors
/// It cannot be written.
pub fn write(data: &Path, lines: &str) -> io::Result<PathBuf> {
    let path = data.join("studio").join(NAME);
    replace(&path, lines)?;
    Ok(path)
}

/// The file, if there is one.
pub fn path(data: &Path) -> Option<PathBuf> {
    Some(data.join("studio").join(NAME)).filter(|path| path.exists())
}

/// Removes the file.
///
/// # Errors
/// It cannot be removed.
pub fn remove(data: &Path) -> io::Result<()> {
    path(data).map_or(Ok(()), fs::remove_file)
}

/// The file in the studio's folder, if it has a line of this account.
pub(super) fn of(studio: &Path, name: &str) -> Option<PathBuf> {
    let path = studio.join(NAME);
    let text = fs::read_to_string(&path).ok()?;
    text.lines().any(|line| is_of(line, name)).then_some(path)
}

/// Removes the account's line.
pub(super) fn forget(studio: &Path, name: &str) {
    let Some(path) = of(studio, name) else { return };
    let removed = fs::read_to_string(&path).and_then(|text| {
        let kept: String = text.lines().filter(|line| !is_of(line, name)).map(|line| format!("{line}\n")).collect();
        if kept.trim().is_empty() {
            return fs::remove_file(&path);
        }
        replace(&path, &kept)
    });
    match removed {
        Ok(()) => tracing::info!(path = %path.display(), "initial_password_removed: it was changed"),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "initial_password_not_removed: delete the file");
        }
    }
}

/// Puts a new file in the place of an old one: none is half written.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    write_private(&new, text)?;
    fs::rename(&new, path)
}

fn is_of(line: &str, name: &str) -> bool {
    line.contains(&format!(" name {name} "))
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

const NAME: &str = "initial-passwords";

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_changed_password_is_removed_and_the_file_goes_with_the_last() {
        let folder = Folder::new();
        let studio = folder.join("studio");
        fs::create_dir(&studio).unwrap();
        let lines = "  studio URL  name operator  password a  (…)\n  studio URL  name approver  password b  (…)\n";
        let path = write(folder.path(), lines).unwrap();
        assert_eq!(of(&studio, "operator").as_deref(), Some(&*path));
        assert!(of(&studio, "li").is_none());
        forget(&studio, "operator");
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert!(of(&studio, "operator").is_none() && of(&studio, "approver").is_some());
        forget(&studio, "approver");
        assert!(!path.exists());
        forget(&studio, "approver");
    }
}
