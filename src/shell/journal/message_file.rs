//! The file of a message: WAV, 16-bit samples at 8 kHz. It grows while the message is recorded, and bears its ticket once it is
//! kept.
//!
//! The head of one in clear says how long it is once it is whole. A sealed one cannot be changed: its head says "to the
//! end", which [`read`] corrects.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use inquiry::Keys;
use os::growing_file::GrowingFile;
use os::{sealed_file, sound_key};

use crate::entry::{PART, WAVE};
use crate::wave::{self, HEAD_OCTETS};

/// A message in progress.
pub(crate) struct MessageFile {
    file: GrowingFile,
    keys: Option<Keys>,
    samples: u64,
}

impl MessageFile {
    /// Begins one in a folder.
    pub(crate) fn begin(folder: &Path, keys: Option<Keys>) -> io::Result<MessageFile> {
        let file = GrowingFile::begin(folder, PART, keys.as_ref(), &head(None))?;
        Ok(MessageFile { file, keys, samples: 0 })
    }

    pub(crate) fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        self.samples += samples.len() as u64;
        self.file.add_samples(samples)
    }

    pub(crate) fn add_silence(&mut self, samples: usize) -> io::Result<()> {
        self.samples += samples as u64;
        self.file.add_silence(samples)
    }

    /// All of it is there.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.file.end(&head(Some(self.samples)))
    }

    /// Samples of a file that has ended, from one on.
    pub(crate) fn samples(&self, from: usize, most: usize) -> io::Result<Vec<i16>> {
        let mut sound = sealed_file::open_whole(self.keys.as_ref(), self.file.path())?;
        io::copy(&mut Read::by_ref(&mut sound).take((HEAD_OCTETS + 2 * from) as u64), &mut io::sink())?;
        let mut octets = Vec::new();
        sound.take(2 * most as u64).read_to_end(&mut octets)?;
        Ok(octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    /// Gives it the name of its ticket, once it is on the disk; how long it plays. A failure leaves nothing.
    pub(crate) fn keep(self, ticket: &str) -> io::Result<Duration> {
        let length = Duration::from_micros(self.samples * 125);
        self.file.keep_as(&format!("{ticket}.{WAVE}"))?;
        Ok(length)
    }

    pub(crate) fn remove(self) -> io::Result<()> {
        self.file.remove()
    }
}

/// A recording as a WAV file in clear.
///
/// # Errors
/// It cannot be read; it is damaged, or sealed under another key.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = sound_key::read(path)?;
    let samples = octets.len().saturating_sub(HEAD_OCTETS) as u64 / 2;
    if octets.starts_with(&head(None)) {
        octets[..HEAD_OCTETS].copy_from_slice(&head(Some(samples)));
    }
    Ok(octets)
}

/// How long a recording plays, by the size of its file.
pub(crate) fn length(path: &Path) -> Duration {
    let octets = sealed_file::text_length(path).map_or(0, |(octets, _)| octets);
    Duration::from_micros(octets.saturating_sub(HEAD_OCTETS as u64) / 2 * 125)
}

/// The head of so many samples; none: to the end of the file.
fn head(samples: Option<u64>) -> [u8; HEAD_OCTETS] {
    wave::head(1, samples)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use support::folder::Folder;

    fn recorded(folder: &Path, keys: Option<Keys>) -> MessageFile {
        let mut file = MessageFile::begin(folder, keys).expect("a writable folder");
        file.add(&[1, -2, 3]).expect("room");
        file.add_silence(5000).expect("room");
        file.add(&[i16::MIN]).expect("room");
        file.end().expect("room");
        file
    }

    #[test]
    fn a_kept_message_is_a_wav_file_and_is_read_back_in_stretches() {
        let folder = Folder::new();
        let file = recorded(folder.path(), None);
        assert_eq!(file.samples(0, 4).expect("readable"), [1, -2, 3, 0]);
        assert_eq!(file.samples(5002, 4).expect("readable"), [0, i16::MIN]);
        assert_eq!(file.samples(5004, 4).expect("readable"), [0_i16; 0]);
        assert_eq!(file.keep("12345678").expect("kept"), Duration::from_micros(5004 * 125));
        let path = folder.join("12345678.wav");
        let reader = hound::WavReader::new(fs::File::open(&path).expect("there")).expect("a WAV file");
        assert_eq!((reader.len(), reader.spec().sample_rate), (5004, 8000));
        assert_eq!(length(&path), Duration::from_micros(5004 * 125));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_sealed_message_is_read_back_and_holds_nothing_in_clear() {
        let (folder, keys) = (Folder::new(), Keys::new(&[3; 32]));
        let file = recorded(folder.path(), Some(keys));
        assert_eq!(file.samples(1, 2).expect("readable"), [-2, 3]);
        assert_eq!(file.samples(5003, 9).expect("readable"), [i16::MIN]);
        file.keep("12345678").expect("kept");
        let path = folder.join("12345678.wav");
        let stored = fs::read(&path).expect("there");
        assert!(!stored.windows(4).any(|four| four == b"WAVE" || four == [0; 4]));
        assert_eq!(length(&path), Duration::from_micros(5004 * 125));
        assert_eq!(read(&path).expect_err("no key").kind(), io::ErrorKind::InvalidData);
    }
}
