//! Reads a feed or batch file from the disk, plain or decompressed within bounds.
//!
//! The decompressed size is bounded before the sender is verified: by a multiple of the file's size, and by the memory
//! of the decompression window.

use std::fs::OpenOptions;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zstd::stream::read::Decoder;

use replica::Change;
use replica::gate::{FeedHeader, FileError, FileReader, ReadDepth, VerifiedFile};

/// Why a file cannot be read as a feed file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk or the access rights are at fault; the file may be sound.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is incomplete, damaged or malformed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The compressed data is damaged.
    #[error("damaged: it cannot be decompressed ({0}); send it again")]
    Packing(String),
    /// The compression ratio exceeds that of any feed.
    #[error("it decompresses to more than {RATIO_MAX} times its size, which no feed does; find out who sent it")]
    Bomb,
}

/// The decompressed bytes of a file.
pub struct Text {
    input: Input,
    unpacked: u64,
}

enum Input {
    Plain(Packed),
    Zstd(Box<Decoder<'static, BufReader<Counted<Packed>>>>),
}

/// The file's bytes; the first ones were read to detect the format.
type Packed = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

struct Counted<R> {
    input: R,
    read: u64,
}

impl Text {
    /// Opens a plain or zstd file, detected by its content. Links are not followed, and a pipe does not block.
    pub fn open(path: &Path) -> io::Result<Text> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Text::of(Box::new(file))
    }

    fn of(mut file: Box<dyn Read + Send>) -> io::Result<Text> {
        let mut start = Vec::with_capacity(MAGIC.len());
        Read::by_ref(&mut file).take(MAGIC.len() as u64).read_to_end(&mut start)?;
        let packed = start == MAGIC;
        let input = Cursor::new(start).chain(file);
        if !packed {
            return Ok(Text { input: Input::Plain(input), unpacked: 0 });
        }
        let mut decoder = Decoder::with_buffer(BufReader::with_capacity(PIECE, Counted { input, read: 0 }))?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Text { input: Input::Zstd(Box::new(decoder)), unpacked: 0 })
    }
}

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.input {
            Input::Plain(file) => file.read(out),
            Input::Zstd(decoder) => {
                let read = decoder.read(out)?;
                self.unpacked += read as u64;
                let most = decoder.get_ref().get_ref().read.saturating_mul(RATIO_MAX) + FREE_BYTES;
                if self.unpacked > most { Err(io::Error::other(Bomb)) } else { Ok(read) }
            }
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.read += read as u64;
        Ok(read)
    }
}

/// Reads a complete feed file, and passes its changes to `take` in order.
pub fn read(path: &Path, reading: ReadDepth, take: &mut dyn FnMut(Change)) -> Result<VerifiedFile, ReadError> {
    read_text(Text::open(path).map_err(ReadError::Io)?, reading, take)
}

/// The same for the bytes of a file that do not lie on the disk as they are.
pub fn read_from(
    file: Box<dyn Read + Send>,
    reading: ReadDepth,
    take: &mut dyn FnMut(Change),
) -> Result<VerifiedFile, ReadError> {
    read_text(Text::of(file).map_err(ReadError::Io)?, reading, take)
}

fn read_text(mut text: Text, reading: ReadDepth, take: &mut dyn FnMut(Change)) -> Result<VerifiedFile, ReadError> {
    let mut intake = FileReader::new(reading);
    let mut piece = vec![0; PIECE];
    loop {
        match next(&mut text, &mut piece) {
            Ok(0) => return Ok(intake.end(take)?),
            Ok(n) => intake.push(&piece[..n], take)?,
            // Cut off within the compressed data: incomplete, as a text without its last line.
            Err(Stopped::CutOff) => return Err(FileError::Torn(intake.lines()).into()),
            Err(Stopped::Failed(error)) => return Err(error),
        }
    }
}

/// Reads the header only.
pub fn header(path: &Path) -> Result<FeedHeader, ReadError> {
    let mut text = Text::open(path).map_err(ReadError::Io)?;
    let mut intake = FileReader::new(ReadDepth::Check);
    let mut piece = vec![0; FIRST_PIECE];
    loop {
        let result = match next(&mut text, &mut piece) {
            // No complete line: the header is incomplete, or there is none.
            Ok(0) => return Err(intake.end(&mut |_| {}).err().unwrap_or(FileError::Torn(0)).into()),
            Ok(n) => intake.push(&piece[..n], &mut |_| {}),
            Err(Stopped::CutOff) => return Err(FileError::Torn(0).into()),
            Err(Stopped::Failed(error)) => return Err(error),
        };
        // Later faults are found when the file is read completely.
        match (intake.header(), result) {
            (Some(header), _) => return Ok(header.clone()),
            (None, Err(error)) => return Err(error.into()),
            (None, Ok(())) => {}
        }
    }
}

enum Stopped {
    CutOff,
    Failed(ReadError),
}

fn next(text: &mut Text, piece: &mut [u8]) -> Result<usize, Stopped> {
    loop {
        return match text.read(piece) {
            Ok(n) => Ok(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Stopped::CutOff),
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Bomb>()) => {
                Err(Stopped::Failed(ReadError::Bomb))
            }
            // Errors of the decompressor have no error number.
            Err(error) if error.raw_os_error().is_none() => Err(Stopped::Failed(ReadError::Packing(error.to_string()))),
            Err(error) => Err(Stopped::Failed(ReadError::Io(error))),
        };
    }
}

#[derive(Debug, thiserror::Error)]
#[error("decompresses to more than {RATIO_MAX} times its size")]
struct Bomb;

/// How every zstd frame begins (RFC 8878 §3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Cases compress 10 to 30 times.
const RATIO_MAX: u64 = 200;
/// Decompressed regardless of the ratio.
const FREE_BYTES: u64 = 4 * 1024 * 1024;
/// 32 MiB of memory for the decompression window.
const WINDOW_LOG_MAX: u32 = 25;
const PIECE: usize = 128 * 1024;
/// A header has about 250 bytes.
const FIRST_PIECE: usize = 1024;
