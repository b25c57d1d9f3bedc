//! Seals whole files: AES-256-GCM in chunks, under a key of the file's own that is derived from the installation's secret.
//!
//! ```text
//!  "jinduSF1" │ salt 16 │ chunk │ … │ last chunk       chunk = ciphertext of 64 KiB │ tag 16
//!                                                      the last one has fewer octets, at least none
//!  nonce = 1 for the last chunk, else 0 │ 000 │ number of the chunk, 8
//! ```
//! This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015): a file that was cut off,
//! reordered or changed cannot be opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use inquiry::Keys;

/// Reads `from` to its end, and writes it sealed.
///
/// # Errors
/// One of the two fails, or the system gives no random numbers.
pub(crate) fn seal(keys: &Keys, from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    let key = file_key(keys, &salt);
    to.write_all(&MAGIC)?;
    to.write_all(&salt)?;
    for number in 0.. {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        Read::by_ref(from).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        let last = chunk.len() < CHUNK_BYTES;
        let sealed = key.seal_in_place_append_tag(nonce(number, last), Aad::empty(), &mut chunk);
        sealed.map_err(|_| io::Error::other("the file is too large to be sealed"))?;
        to.write_all(&chunk)?;
        if last {
            break;
        }
    }
    Ok(())
}

/// Opens a file for reading, sealed or not. Links are not followed, and a pipe does not block.
///
/// # Errors
/// It cannot be read. What was sealed under another secret, or is damaged, fails with
/// [`InvalidData`](io::ErrorKind::InvalidData) when that part is read.
pub(crate) fn open(keys: &Keys, path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut start = Vec::with_capacity(MAGIC.len() + SALT_BYTES);
    Read::by_ref(&mut file).take((MAGIC.len() + SALT_BYTES) as u64).read_to_end(&mut start)?;
    match start.strip_prefix(&MAGIC).and_then(|salt| salt.first_chunk()) {
        Some(salt) => {
            let key = file_key(keys, salt);
            Ok(Box::new(OpenedFile { file, key, number: 0, text: Cursor::default(), ended: false }))
        }
        None => Ok(Box::new(Cursor::new(start).chain(file))),
    }
}

/// A sealed file that is read.
struct OpenedFile {
    file: File,
    key: LessSafeKey,
    /// Of the next chunk.
    number: u64,
    /// The text of the chunk before it.
    text: Cursor<Vec<u8>>,
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
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        Read::by_ref(&mut self.file).take((CHUNK_BYTES + TAG_BYTES) as u64).read_to_end(&mut chunk)?;
        let last = chunk.len() < CHUNK_BYTES + TAG_BYTES;
        let text = self.key.open_in_place(nonce(self.number, last), Aad::empty(), &mut chunk);
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

const MAGIC: [u8; 8] = *b"jinduSF1";
const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const CHUNK_BYTES: usize = 64 * 1024;
const DAMAGED: &str = "it is damaged, or was sealed under another secret.key";

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
    fn a_sealed_file_opens_under_the_same_secret_only_and_whole() {
        let (folder, keys) = (Folder::new(), Keys::new(&[1; 32]));
        let path = folder.path().join("file");
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut sealed = Vec::new();
            seal(&keys, &mut &*text, &mut sealed).unwrap();
            fs::write(&path, &sealed).unwrap();
            assert_eq!(opened(&keys, &path).unwrap(), text);
            assert!(opened(&Keys::new(&[2; 32]), &path).is_err());
            let chunk_end = MAGIC.len() + SALT_BYTES + CHUNK_BYTES + TAG_BYTES;
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
