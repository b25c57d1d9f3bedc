//! A file that grows while sound is recorded into it: for its owner only, whole up to its last stretch at every moment, and
//! sealed where there is a key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use inquiry::Keys;

use crate::sealed_file::{Chunks, Sealer};
use crate::{clock, folder};

/// A recording in progress.
pub struct GrowingFile {
    file: File,
    path: PathBuf,
    sealer: Option<Sealer>,
    ended: bool,
}

impl GrowingFile {
    /// Begins one under a random name in a folder, which is made if it is not there. `head` comes before the sound.
    ///
    /// # Errors
    /// It cannot be written; nothing is left.
    pub fn begin(folder: &Path, extension: &str, keys: Option<&Keys>, head: &[u8]) -> io::Result<GrowingFile> {
        GrowingFile::begin_as(folder, &format!("{:016x}.{extension}", clock::random_u64()), keys, head)
    }

    /// The same under a name that no file of the folder has.
    ///
    /// # Errors
    /// As [`GrowingFile::begin`].
    pub fn begin_as(folder: &Path, name: &str, keys: Option<&Keys>, head: &[u8]) -> io::Result<GrowingFile> {
        folder::create(folder).map_err(io::Error::other)?;
        let path = folder.join(name);
        let mut start = Vec::new();
        let sealer = keys.map(|keys| Sealer::new(keys, Chunks::Small, &mut start)).transpose()?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut growing = GrowingFile { file, path, sealer, ended: false };
        match growing.file.write_all(&start).and_then(|()| growing.add(head)) {
            Ok(()) => Ok(growing),
            Err(error) => {
                let _ = growing.remove();
                Err(error)
            }
        }
    }

    /// Adds octets.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.sealer {
            Some(sealer) => {
                let mut sealed = Vec::new();
                sealer.add(octets, &mut sealed)?;
                self.file.write_all(&sealed)
            }
            None if self.ended => Err(io::Error::other("the recording has ended")),
            None => self.file.write_all(octets),
        }
    }

    /// Adds 16-bit samples, low octet first.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add_samples(&mut self, samples: &[i16]) -> io::Result<()> {
        let octets: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.add(&octets)
    }

    /// Adds samples of silence.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add_silence(&mut self, samples: usize) -> io::Result<()> {
        let (silence, octets) = ([0; 4096], samples * 2);
        for at in (0..octets).step_by(silence.len()) {
            self.add(&silence[..silence.len().min(octets - at)])?;
        }
        Ok(())
    }

    /// Ends the sound. What is in clear gets a head of the same length, which may say how much there is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&mut self, head: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        match self.sealer.take() {
            Some(sealer) => {
                let mut sealed = Vec::new();
                sealer.finish(&mut sealed)?;
                self.file.write_all(&sealed)
            }
            None => self.file.write_all_at(head, 0),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it a name of its own in its folder, once it is on the disk.
    ///
    /// # Errors
    /// It cannot; nothing is left.
    pub fn keep_as(self, name: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let whole = folder.join(name);
        let kept = self.file.sync_all().and_then(|()| {
            fs::rename(&self.path, &whole)?;
            File::open(folder)?.sync_all()
        });
        if kept.is_err() {
            let _ = (fs::remove_file(&self.path), fs::remove_file(&whole));
        }
        kept
    }

    /// Deletes it.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl std::fmt::Debug for GrowingFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrowingFile").field("path", &self.path).finish_non_exhaustive()
    }
}
