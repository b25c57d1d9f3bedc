//! Seals whole files: AES-256-GCM in chunks, under a key of the file's own that is derived from the installation's secret.
//!
//! ```text
//!  "jinduSF1" │ salt 16 │ chunk │ … │ last chunk       chunk = ciphertext of 64 KiB │ tag 16
//!  "jinduSF2": the same with chunks of 4 KiB           the last one has fewer octets, at least none
//!  nonce = 1 for the last chunk, else 0 │ 000 │ number of the chunk, 8
//! ```
//! This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015): a file that was cut off,
//! reordered or changed cannot be opened. Small chunks are for files that grow while sound is recorded: of one that a
//! program that died left behind, [`open_grown`] reads all whole chunks.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use inquiry::Keys;

/// Reads `from` to its end, and writes it sealed.
///
/// # Errors
/// One of the two fails, or the system gives no random numbers.
pub fn seal(keys: &Keys, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let (mut sealed, mut text) = (Vec::new(), vec![0; LARGE_CHUNK]);
    let mut sealer = Sealer::new(keys, Chunks::Large, &mut sealed)?;
    loop {
        let read = from.read(&mut text)?;
        if read == 0 {
            break;
        }
        sealer.add(&text[..read], &mut sealed)?;
        to.write_all(&sealed)?;
        sealed.clear();
    }
    sealer.finish(&mut sealed)?;
    to.write_all(&sealed)
}

/// How much of a file is sealed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// 64 KiB.
    Large,
    /// 4 KiB.
    Small,
}

impl Chunks {
    fn bytes(self) -> usize {
        match self {
            Chunks::Large => LARGE_CHUNK,
            Chunks::Small => SMALL_CHUNK,
        }
    }

    fn magic(self) -> [u8; 8] {
        match self {
            Chunks::Large => *b"jinduSF1",
            Chunks::Small => *b"jinduSF2",
        }
    }

    /// The chunks and the salt of a sealed file, by its first octets; none: it is in clear.
    fn of(start: &[u8]) -> Option<(Chunks, &[u8; SALT_BYTES])> {
        [Chunks::Large, Chunks::Small]
            .into_iter()
            .find_map(|chunks| Some((chunks, start.strip_prefix(&chunks.magic())?.first_chunk()?)))
    }
}

/// Seals a text that comes in parts.
pub struct Sealer {
    key: LessSafeKey,
    chunks: Chunks,
    /// Of the next chunk.
    number: u64,
    text: Vec<u8>,
}

impl Sealer {
    /// Begins a file; its head is appended to `to`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(keys: &Keys, chunks: Chunks, to: &mut Vec<u8>) -> io::Result<Sealer> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        to.extend(chunks.magic());
        to.extend(salt);
        Ok(Sealer { key: file_key(keys, &salt), chunks, number: 0, text: Vec::new() })
    }

    /// Adds text; chunks that became full are appended to `to`.
    ///
    /// # Errors
    /// The file is too large to be sealed.
    pub fn add(&mut self, mut text: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let (now, rest) = text.split_at(text.len().min(self.chunks.bytes() - self.text.len()));
            self.text.extend_from_slice(now);
            if self.text.len() < self.chunks.bytes() {
                return Ok(());
            }
            self.seal(false, to)?;
            text = rest;
        }
    }

    /// Ends the file: its last chunk is appended to `to`.
    ///
    /// # Errors
    /// The file is too large to be sealed.
    pub fn finish(mut self, to: &mut Vec<u8>) -> io::Result<()> {
        self.seal(true, to)
    }

    fn seal(&mut self, last: bool, to: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = std::mem::take(&mut self.text);
        let sealed = self.key.seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut chunk);
        sealed.map_err(|_| io::Error::other("the file is too large to be sealed"))?;
        to.append(&mut chunk);
        self.number += 1;
        Ok(())
    }
}

/// Opens a file for reading, sealed or not. Links are not followed, and a pipe does not block.
///
/// # Errors
/// It cannot be read. What was sealed under another secret, or is damaged, fails with
/// [`InvalidData`](io::ErrorKind::InvalidData) when that part is read.
pub fn open(keys: &Keys, path: &Path) -> io::Result<Box<dyn Read + Send>> {
    opened(Some(keys), path, false, libc::O_NOFOLLOW)
}

/// The same of a file that may have been cut short while it grew: it ends with its last whole chunk. Without keys a sealed
/// file is an error that says so.
///
/// # Errors
/// As [`open`].
pub fn open_grown(keys: Option<&Keys>, path: &Path) -> io::Result<Box<dyn Read + Send>> {
    opened(keys, path, true, 0)
}

/// The same of a whole file. Links are followed.
///
/// # Errors
/// As [`open`].
pub fn open_whole(keys: Option<&Keys>, path: &Path) -> io::Result<Box<dyn Read + Send>> {
    opened(keys, path, false, 0)
}

/// The same from an octet of the text on, without opening what stands before it. `grown`: the file may have been cut short.
///
/// # Errors
/// As [`open`].
pub fn open_from(keys: Option<&Keys>, path: &Path, grown: bool, from: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let mut start = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut start)?;
    let Some((chunks, salt)) = Chunks::of(&start) else {
        file.seek(SeekFrom::Start(from))?;
        return Ok(Box::new(file));
    };
    let keys = keys.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, NO_KEY))?;
    let bytes = chunks.bytes() as u64;
    let number = from / bytes;
    file.seek(SeekFrom::Start(HEAD_BYTES as u64 + number * (bytes + TAG_BYTES as u64)))?;
    let (key, text) = (file_key(keys, salt), Cursor::default());
    let mut opened = OpenedFile { file, key, chunks, number, text, grown, ended: false };
    io::copy(&mut Read::by_ref(&mut opened).take(from % bytes), &mut io::sink())?;
    Ok(Box::new(opened))
}

/// How many octets of a file that was cut short while it grew can be read in clear: its whole chunks.
///
/// # Errors
/// It cannot be read.
pub fn grown_length(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut start)?;
    let Some((chunks, _)) = Chunks::of(&start) else { return Ok(length) };
    let chunk = (chunks.bytes() + TAG_BYTES) as u64;
    Ok((length - HEAD_BYTES as u64) / chunk * chunks.bytes() as u64)
}

/// How many octets a file holds in clear, and whether it is sealed.
///
/// # Errors
/// It cannot be read.
pub fn text_length(path: &Path) -> io::Result<(u64, bool)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut start)?;
    let Some((chunks, _)) = Chunks::of(&start) else { return Ok((length, false)) };
    let sealed = length - HEAD_BYTES as u64;
    let number = sealed.div_ceil((chunks.bytes() + TAG_BYTES) as u64);
    Ok((sealed.saturating_sub(number * TAG_BYTES as u64), true))
}

fn opened(keys: Option<&Keys>, path: &Path, grown: bool, flags: i32) -> io::Result<Box<dyn Read + Send>> {
    let mut file = OpenOptions::new().read(true).custom_flags(flags | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut start = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(&mut file).take(HEAD_BYTES as u64).read_to_end(&mut start)?;
    match Chunks::of(&start) {
        Some((chunks, salt)) => {
            let keys = keys.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, NO_KEY))?;
            let (key, text) = (file_key(keys, salt), Cursor::default());
            Ok(Box::new(OpenedFile { file, key, chunks, number: 0, text, grown, ended: false }))
        }
        None => Ok(Box::new(Cursor::new(start).chain(file))),
    }
}

/// A sealed file that is read.
struct OpenedFile {
    file: File,
    key: LessSafeKey,
    chunks: Chunks,
    /// Of the next chunk.
    number: u64,
    /// The text of the chunk before it.
    text: Cursor<Vec<u8>>,
    /// It may have been cut short.
    grown: bool,
    ended: bool,
}

impl Read for OpenedFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.text.read(out)?;
            if read > 0 || self.ended || out.is_empty() {
                return Ok(read);
            }
            self.next_chunk()?;
        }
    }
}

impl OpenedFile {
    fn next_chunk(&mut self) -> io::Result<()> {
        let whole = self.chunks.bytes() + TAG_BYTES;
        let mut chunk = Vec::with_capacity(whole);
        Read::by_ref(&mut self.file).take(whole as u64).read_to_end(&mut chunk)?;
        let (last, empty) = (chunk.len() < whole, chunk.is_empty());
        let text = self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut chunk);
        if text.is_err() && last && self.grown && (self.number > 0 || empty) {
            (self.text, self.ended) = (Cursor::default(), true);
            return Ok(());
        }
        let length = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, DAMAGED))?.len();
        chunk.truncate(length);
        (self.number, self.text, self.ended) = (self.number + 1, Cursor::new(chunk), last);
        Ok(())
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[0] = u8::from(last);
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn file_key(keys: &Keys, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &keys.file_key(salt)).expect("a key of 32 bytes"))
}

const SALT_BYTES: usize = 16;
const HEAD_BYTES: usize = 8 + SALT_BYTES;
const TAG_BYTES: usize = 16;
const LARGE_CHUNK: usize = 64 * 1024;
const SMALL_CHUNK: usize = 4096;
const DAMAGED: &str = "it is damaged, or was sealed under another key";
const NO_KEY: &str = "it is sealed, and no key is set (data.sound_key)";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use support::folder::Folder;

    fn opened(keys: &Keys, path: &Path) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        open(keys, path)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_file_that_was_cut_short_while_it_grew_opens_up_to_its_last_whole_chunk() {
        let (folder, keys) = (Folder::new(), Keys::new(&[1; 32]));
        let path = folder.path().join("file");
        let text: Vec<u8> = (0..3 * SMALL_CHUNK + 7).map(|n| n as u8).collect();
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(&keys, Chunks::Small, &mut sealed).unwrap();
        text.chunks(1000).for_each(|part| sealer.add(part, &mut sealed).unwrap());
        let grown = |sealed: &[u8]| {
            fs::write(&path, sealed).unwrap();
            let mut read = Vec::new();
            open_grown(Some(&keys), &path).unwrap().read_to_end(&mut read).map(|_| read)
        };
        assert_eq!(grown(&sealed).unwrap(), text[..3 * SMALL_CHUNK], "without its last chunk");
        assert_eq!(grown(&sealed[..sealed.len() - 1]).unwrap(), text[..2 * SMALL_CHUNK]);
        assert_eq!(grown(&sealed[..HEAD_BYTES]).unwrap(), b"");
        sealer.finish(&mut sealed).unwrap();
        assert_eq!(grown(&sealed).unwrap(), text);
        assert_eq!(text_length(&path).unwrap(), (text.len() as u64, true));
        assert_eq!(opened(&keys, &path).unwrap(), text);
        for from in [0, 1, SMALL_CHUNK - 1, SMALL_CHUNK, 3 * SMALL_CHUNK + 3, text.len(), text.len() + 1] {
            let mut read = Vec::new();
            open_from(Some(&keys), &path, false, from as u64).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, text.get(from..).unwrap_or_default(), "from {from}");
        }
        fs::write(&path, &sealed[..sealed.len() - 1]).unwrap();
        assert_eq!(grown_length(&path).unwrap(), 3 * SMALL_CHUNK as u64);
        assert!(open_from(Some(&keys), &path, false, 1).unwrap().read_to_end(&mut Vec::new()).is_err(), "it was cut");
        sealed[HEAD_BYTES] ^= 1;
        assert!(grown(&sealed).is_err(), "damage is an error");
        assert!(open_whole(None, &path).is_err(), "without a key");
    }

    #[test]
    fn a_sealed_file_opens_under_the_same_secret_only_and_whole() {
        let (folder, keys) = (Folder::new(), Keys::new(&[1; 32]));
        let path = folder.path().join("file");
        for length in [0, 1, LARGE_CHUNK - 1, LARGE_CHUNK, LARGE_CHUNK + 1, 2 * LARGE_CHUNK] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut sealed = Vec::new();
            seal(&keys, &mut &*text, &mut sealed).unwrap();
            fs::write(&path, &sealed).unwrap();
            assert_eq!(opened(&keys, &path).unwrap(), text);
            assert!(opened(&Keys::new(&[2; 32]), &path).is_err());
            let chunk_end = HEAD_BYTES + LARGE_CHUNK + TAG_BYTES;
            for cut in [sealed.len() - 1, sealed.len() - TAG_BYTES, chunk_end.min(sealed.len() - 1)] {
                fs::write(&path, &sealed[..cut]).unwrap();
                assert!(opened(&keys, &path).is_err(), "{length} cut to {cut}");
            }
            let mut changed = sealed.clone();
            *changed.last_mut().unwrap() ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(opened(&keys, &path).is_err());
        }
        fs::write(&path, "in clear").unwrap();
        assert_eq!(opened(&keys, &path).unwrap(), b"in clear");
    }
}
