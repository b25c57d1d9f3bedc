//! The file of a recorded conversation: WAV, two channels of 16 bits at 8 kHz, the caller's first. It grows with the conversation and
//! is sealed; its head says "to the end", which [`RecordingSound`] corrects.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inquiry::Keys;
use os::growing_file::GrowingFile;
use os::{sealed_file, sound_key};

use crate::wave::{self, HEAD_OCTETS};

/// A recording in progress.
#[derive(Debug)]
pub struct RecordingFile {
    file: GrowingFile,
    frames: u64,
}

impl RecordingFile {
    /// Begins one in the folder of recordings, under its name there. It is sealed.
    ///
    /// # Errors
    /// It cannot be written; nothing is left.
    pub fn begin(folder: &Path, id: &str, keys: &Keys) -> io::Result<RecordingFile> {
        let name = format!("{id}.{PART}");
        Ok(RecordingFile { file: GrowingFile::begin_as(folder, &name, Some(keys), &wave::head(2, None))?, frames: 0 })
    }

    /// Adds samples of both channels in turn.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        self.file.add_samples(samples)?;
        self.frames += samples.len() as u64 / 2;
        Ok(())
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        length_of(self.frames)
    }

    /// About how many octets it takes on the disk.
    pub fn octets(&self) -> u64 {
        self.frames * FRAME_OCTETS
    }

    /// Ends it, and gives it its own name once it is on the disk.
    ///
    /// # Errors
    /// It cannot be ended: what was written stays where it is, and [`RecordingFile::give_up`] keeps that.
    pub fn keep(mut self, id: &str) -> io::Result<()> {
        self.file.end(&wave::head(2, None))?;
        self.file.keep_as(&file_name(id))
    }

    /// Deletes it.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(self) -> io::Result<()> {
        self.file.remove()
    }

    /// Keeps what was written, without an end.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn give_up(folder: &Path, id: &str) -> io::Result<()> {
        std::fs::rename(folder.join(format!("{id}.{PART}")), folder.join(file_name(id)))
    }
}

/// A recording that is read, in clear.
#[derive(Debug)]
pub struct RecordingSound {
    path: PathBuf,
    is_whole: bool,
    /// Octets of the samples.
    octets: u64,
}

impl RecordingSound {
    /// A recording's file; one that is not whole was cut short, and is read to its last whole stretch.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path, is_whole: bool) -> io::Result<RecordingSound> {
        let text = if is_whole { sealed_file::text_length(path)?.0 } else { sealed_file::grown_length(path)? };
        let octets = text.saturating_sub(HEAD_OCTETS as u64) / FRAME_OCTETS * FRAME_OCTETS;
        Ok(RecordingSound { path: path.to_owned(), is_whole, octets })
    }

    /// Octets of the WAV file in clear.
    pub fn length(&self) -> u64 {
        HEAD_OCTETS as u64 + self.octets
    }

    /// How long it plays.
    pub fn plays(&self) -> Duration {
        length_of(self.octets / FRAME_OCTETS)
    }

    /// Octets of the WAV file from one on, at most so many.
    ///
    /// # Errors
    /// It cannot be read; [`InvalidData`](io::ErrorKind::InvalidData): it is damaged, or sealed under another key.
    pub fn read(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        self.copy(from, most as u64, &mut octets)?;
        Ok(octets)
    }

    /// Writes the whole WAV file.
    ///
    /// # Errors
    /// As [`RecordingSound::read`], or it cannot be written.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        self.copy(0, self.length(), to)
    }

    fn copy(&self, from: u64, most: u64, to: &mut impl Write) -> io::Result<()> {
        let end = self.length().min(from.saturating_add(most));
        if from >= end {
            return Ok(());
        }
        let head = wave::head(2, Some(self.octets / 2));
        let of_head = (from.min(HEAD_OCTETS as u64) as usize)..(end.min(HEAD_OCTETS as u64) as usize);
        to.write_all(&head[of_head.clone()])?;
        let keys = sound_key::current();
        let sound = sealed_file::open_from(keys.as_ref(), &self.path, !self.is_whole, from + of_head.len() as u64)?;
        io::copy(&mut sound.take(end - from - of_head.len() as u64), to).map(drop)
    }
}

/// The name of a whole recording's file.
pub(crate) fn file_name(id: &str) -> String {
    format!("{id}.{WAVE}")
}

fn length_of(frames: u64) -> Duration {
    Duration::from_micros(frames * 125)
}

/// Recordings in the data folder.
pub const RECORDINGS_FOLDER: &str = "recordings";
/// A whole recording, and one that is being written, by the end of their names.
pub(crate) const WAVE: &str = "wav";
pub(crate) const PART: &str = "part";
/// Two samples of 16 bits.
const FRAME_OCTETS: u64 = 4;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use support::folder::Folder;

    fn read(path: &Path, is_whole: bool, keys: &Keys) -> Vec<u8> {
        // The program's own key is set once; here the sound is read with this one.
        let sound = RecordingSound::open(path, is_whole).expect("readable");
        let mut octets = Vec::new();
        let mut from = sealed_file::open_from(Some(keys), path, !is_whole, 0).expect("readable");
        from.read_to_end(&mut octets).expect("the right key");
        octets.truncate(sound.length() as usize);
        octets
    }

    #[test]
    fn a_recording_is_sealed_as_it_grows_and_one_that_was_cut_short_is_read_to_its_last_stretch() {
        let (folder, keys) = (Folder::new(), Keys::new(&[9; 32]));
        let mut file = RecordingFile::begin(folder.path(), "0a", &keys).expect("a writable folder");
        let samples: Vec<i16> = (0..8000).map(|n| n as i16).collect();
        file.add(&samples).expect("room");
        let part = folder.join("0a.part");
        let sealed = fs::read(&part).expect("it grows");
        assert!(sealed.starts_with(b"jinduSF2") && !sealed.windows(4).any(|octets| octets == b"RIFF"));
        assert_eq!(file.length(), Duration::from_millis(500));
        // As a program that died leaves it.
        fs::copy(&part, folder.join("0b.wav")).expect("copied");
        let cut = RecordingSound::open(&folder.join("0b.wav"), false).expect("readable");
        assert_eq!(cut.length(), 44 + (3 * 4096 - 44));
        assert_eq!(read(&folder.join("0b.wav"), false, &keys)[44..48], [0, 0, 1, 0]);
        file.keep("0a").expect("kept");
        let whole = RecordingSound::open(&folder.join("0a.wav"), true).expect("readable");
        assert_eq!((whole.length(), whole.plays()), (44 + 16_000, Duration::from_millis(500)));
        assert_eq!(read(&folder.join("0a.wav"), true, &keys).len(), 16_044);
        assert!(!part.exists());
    }

    #[test]
    fn a_recording_in_clear_is_read_from_any_octet_with_a_head_that_says_its_length() {
        let folder = Folder::new();
        let path = folder.join("0c.wav");
        let mut octets = wave::head(2, None).to_vec();
        octets.extend((0..4000_u32).flat_map(|n| (n as i16).to_le_bytes()));
        fs::write(&path, &octets).expect("written");
        let sound = RecordingSound::open(&path, true).expect("readable");
        let mut whole = Vec::new();
        sound.write_to(&mut whole).expect("written");
        assert_eq!((whole.len(), &whole[..44]), (8044, &wave::head(2, Some(4000))[..]));
        for (from, most) in [(0, 10), (40, 10), (43, 2), (44, 4), (8000, 100), (8044, 4), (9000, 4)] {
            let end = whole.len().min(from + most);
            let wanted = whole.get(from..end).unwrap_or_default();
            assert_eq!(sound.read(from as u64, most).expect("readable"), wanted, "{from} {most}");
        }
    }
}
