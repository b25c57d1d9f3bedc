//! The file of a take in progress: it grows with the take, so that the take survives the end of the call and of the
//! program.
//!
//! ```text
//!  begin ──► LABEL as a line of JSON, then 16-bit samples, low octet first ──► remove, once a draft holds them
//!                                  └─ kill -9, power ──► found at the next start, and made a draft then
//! ```

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use base::Lang;
use inquiry::Keys;
use os::growing_file::GrowingFile;
use os::sealed_file;

/// What a take is of, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    /// The operator's id.
    pub operator: i64,
    pub lang: Lang,
    /// The recording's id.
    pub slot: String,
    /// What groups the takes of one call.
    pub sitting: String,
}

/// A take in progress.
pub(crate) struct TakeFile {
    file: GrowingFile,
    keys: Option<Keys>,
}

/// A take whose recording was cut short.
#[derive(Debug)]
pub(crate) struct Leftover {
    pub label: Label,
    pub samples: Vec<i16>,
    path: PathBuf,
}

impl TakeFile {
    /// Begins one in a folder, which is made if it is not there; sealed, if there are keys.
    pub(crate) fn begin(folder: &Path, label: &Label, keys: Option<Keys>) -> io::Result<TakeFile> {
        let mut line = serde_json::to_vec(label)?;
        line.push(b'\n');
        let file = GrowingFile::begin(folder, EXTENSION, keys.as_ref(), &line)?;
        Ok(TakeFile { file, keys })
    }

    /// Adds the next stretch.
    pub(crate) fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        self.file.add_samples(samples)
    }

    /// What was recorded so far.
    pub(crate) fn samples(&self) -> io::Result<Vec<i16>> {
        read(self.keys.as_ref(), self.file.path()).map(|(_, samples)| samples)
    }

    /// Deletes it: a draft holds the take, or it is discarded.
    pub(crate) fn remove(self) -> io::Result<()> {
        self.file.remove()
    }
}

impl Leftover {
    /// The takes that lie in a folder, oldest first, with what cannot be read left where it is.
    pub(crate) fn in_folder(folder: &Path, keys: Option<&Keys>) -> Vec<Leftover> {
        let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<(std::time::SystemTime, Leftover)> = files
            .filter_map(|file| {
                let path = file.ok()?.path();
                let is_take = path.extension().is_some_and(|extension| extension == EXTENSION);
                let written = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
                let (label, samples) = is_take.then(|| read(keys, &path).ok())??;
                Some((written, Leftover { label, samples, path }))
            })
            .collect();
        found.sort_by_key(|(written, _)| *written);
        found.into_iter().map(|(_, leftover)| leftover).collect()
    }

    /// Deletes it: a draft holds the take, or it is discarded.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn read(keys: Option<&Keys>, path: &Path) -> io::Result<(Label, Vec<i16>)> {
    if fs::metadata(path)?.len() > OCTETS_MAX {
        return Err(io::Error::other("longer than any take"));
    }
    let mut octets = Vec::new();
    sealed_file::open_grown(keys, path)?.read_to_end(&mut octets)?;
    let end = octets.iter().position(|octet| *octet == b'\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    let label = serde_json::from_slice(&octets[..end])?;
    // A write that was cut short may end with half a sample.
    let samples = octets[end + 1..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok((label, samples))
}

/// Part of the layout of the data folder.
const EXTENSION: &str = "tape";
/// Ten minutes, the label, and the seals.
const OCTETS_MAX: u64 = 600 * 16_200 + 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use support::folder::Folder;

    fn label() -> Label {
        Label { operator: 7, lang: Lang::Yue, slot: "prompt.bye".into(), sitting: "s".into() }
    }

    #[test]
    fn a_take_that_was_cut_short_is_found_with_all_that_was_written() {
        let folder = Folder::new();
        let mut file = TakeFile::begin(folder.path(), &label(), None).expect("a writable folder");
        file.add(&[1, -2, i16::MIN]).expect("room");
        file.add(&[i16::MAX]).expect("room");
        assert_eq!(file.samples().expect("readable"), [1, -2, i16::MIN, i16::MAX]);
        file.file.add(&[0x55]).expect("room");
        drop(file);
        fs::write(folder.path().join("other.tape"), b"no label").expect("written");
        fs::write(folder.path().join("notes.txt"), b"{}\n").expect("written");
        let mut found = Leftover::in_folder(folder.path(), None);
        assert_eq!(found.len(), 1);
        let leftover = found.remove(0);
        assert_eq!((&leftover.label, &leftover.samples[..]), (&label(), &[1, -2, i16::MIN, i16::MAX][..]));
        leftover.remove().expect("removed");
        assert!(Leftover::in_folder(folder.path(), None).is_empty());
    }

    #[test]
    fn a_sealed_take_that_was_cut_short_is_found_up_to_its_last_quarter_of_a_second() {
        let (folder, keys) = (Folder::new(), Keys::new(&[1; 32]));
        let mut file = TakeFile::begin(folder.path(), &label(), Some(keys.clone())).expect("a writable folder");
        let samples: Vec<i16> = (0..10_000).collect();
        samples.chunks(1600).for_each(|part| file.add(part).expect("room"));
        drop(file);
        let found = Leftover::in_folder(folder.path(), Some(&keys)).remove(0);
        assert_eq!(found.label, label());
        assert!(found.samples.len() > 10_000 - 2100, "{}", found.samples.len());
        assert_eq!(found.samples, samples[..found.samples.len()]);
        assert!(Leftover::in_folder(folder.path(), Some(&Keys::new(&[2; 32]))).is_empty(), "under another key");
        assert!(Leftover::in_folder(folder.path(), None).is_empty() && found.remove().is_ok());
    }

    #[test]
    fn a_finished_take_leaves_nothing_behind() {
        let folder = Folder::new();
        let file = TakeFile::begin(&folder.path().join("tapes"), &label(), None).expect("a writable folder");
        file.remove().expect("removed");
        assert!(Leftover::in_folder(&folder.path().join("tapes"), None).is_empty());
    }
}
