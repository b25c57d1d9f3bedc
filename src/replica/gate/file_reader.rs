//! Reads a feed file from its bytes, in pieces of any size and with bounded memory.
//!
//! ```text
//!  bytes ─► line ─┬─ first: the header
//!                 ├─ {"seal":…}: the end; the hash of all before it must be the seal's
//!                 └─ any other: a change, or a bad row with its place and reason ─► the caller
//! ```
//!
//! An unusable row affects itself alone. The claims about the file (number of lines, hash, end) must hold, or the whole
//! file is rejected.

use sha2::{Digest, Sha256};

use base::Private;

use super::super::change::{BadRow, Change};
use super::super::feed::{FeedLine, LINE_BYTES_MAX};
use super::super::line_error::LineError;
use super::header::{FeedHeader, FileKind, Hash, HeaderError, Seal, read_delete, starts};

/// A file being read.
pub struct FileReader {
    reading: ReadDepth,
    hasher: Sha256,
    /// The line that has no end yet, up to one byte more than the longest.
    line: Vec<u8>,
    /// Of a line that is too long: whether what is left of it is only hashed.
    passing: bool,
    number: u64,
    held: u64,
    bytes: u64,
    header: Option<FeedHeader>,
    seal: Option<Seal>,
}

/// How much is wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadDepth {
    /// Its changes too.
    Rows,
    /// Checks only that the file is complete: rows are counted, not decoded.
    Check,
}

/// A complete file, as it was written. Its seal proves the writer: see [`super::GateKeys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// Its first line.
    pub header: FeedHeader,
    /// Its content's hash, which its seal names too.
    pub hash: Hash,
    /// Its last line.
    pub seal: Seal,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The first line is no feed header.
    #[error("no feed file: its first line must begin with {{\"feed\":")]
    NoFeed,
    /// A newer format than [`super::FORMAT`].
    #[error("format {0} is newer than this program: update jindu, the file is taken then")]
    Newer(u32),
    /// The header is wrong.
    #[error("line 1: {0}")]
    Header(LineError),
    /// The seal is wrong.
    #[error("the seal: {0}")]
    Seal(LineError),
    /// There is no seal; how many lines there are.
    #[error("torn: it ends after {0} lines without a seal; send it again whole")]
    Torn(u64),
    /// The seal is not the last line.
    #[error("something stands after the seal: write one feed a file")]
    AfterSeal,
    /// The content's hash is not the seal's.
    #[error("damaged: its content does not have the hash that its seal names; send it again")]
    Hash,
    /// The number of lines is not the header's.
    #[error("the header announces {announced} lines, the file holds {held}: its writer is at fault, pack it again")]
    Count {
        /// The header's number.
        announced: u64,
        /// The lines that were read.
        held: u64,
    },
    /// Too many changes for one file.
    #[error("more than {CHANGES_MAX} lines of changes: write several files, or a snapshot")]
    Long,
    /// Too many bytes for one file of changes.
    #[error("more than {BYTES_MAX} bytes of changes: write several files, or a snapshot")]
    Large,
}

impl FileReader {
    /// A reader at the beginning of a file.
    pub fn new(reading: ReadDepth) -> FileReader {
        FileReader {
            reading,
            hasher: Sha256::new(),
            line: Vec::new(),
            passing: false,
            number: 0,
            held: 0,
            bytes: 0,
            header: None,
            seal: None,
        }
    }

    /// The header, once the first line is there.
    pub fn header(&self) -> Option<&FeedHeader> {
        self.header.as_ref()
    }

    /// How many lines came between header and seal.
    pub fn lines(&self) -> u64 {
        self.held
    }

    /// Takes the next bytes, and gives the changes that end in them to `take`, in order.
    pub fn push(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(Change)) -> Result<(), FileError> {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            bytes = rest;
            self.piece(piece)?;
            if end.is_some() {
                self.line_ends(take)?;
            }
        }
        Ok(())
    }

    /// Ends the file; the last line needs no line end.
    pub fn end(mut self, take: &mut dyn FnMut(Change)) -> Result<VerifiedFile, FileError> {
        if !self.line.is_empty() {
            self.last_line(take)?;
        }
        let Some(header) = self.header else {
            return Err(if self.number == 0 { FileError::Torn(0) } else { FileError::NoFeed });
        };
        let seal = self.seal.ok_or(FileError::Torn(self.held))?;
        let hash = Hash(self.hasher.finalize().into());
        if hash != seal.sha256 {
            return Err(FileError::Hash);
        }
        if header.lines != self.held {
            return Err(FileError::Count { announced: header.lines, held: self.held });
        }
        Ok(VerifiedFile { header, hash, seal })
    }

    /// A piece of one line, with its end if it has one.
    fn piece(&mut self, piece: &[u8]) -> Result<(), FileError> {
        self.bytes += piece.len() as u64;
        let bounded = self.header.as_ref().is_none_or(|header| header.kind == FileKind::Changes);
        if bounded && self.bytes > BYTES_MAX {
            return Err(FileError::Large);
        }
        if self.passing {
            self.hasher.update(piece);
            return Ok(());
        }
        self.line.extend_from_slice(piece);
        // A line past the limit cannot be the seal, so its bytes are hashed and dropped.
        if content(&self.line).len() > LINE_BYTES_MAX {
            if self.header.is_none() {
                return Err(FileError::NoFeed);
            }
            self.hasher.update(&self.line);
            self.line.truncate(LINE_BYTES_MAX + 1);
            self.passing = true;
        }
        Ok(())
    }

    /// A line without an end is the seal, or it is torn.
    fn last_line(&mut self, take: &mut dyn FnMut(Change)) -> Result<(), FileError> {
        let text = std::str::from_utf8(&self.line).unwrap_or("").trim_start_matches('\u{FEFF}').trim();
        let torn = match self.header {
            Some(_) => self.seal.is_none() && !(starts(text, "seal") && Seal::read(text).is_ok()),
            None => is_feed(&self.line) || FIRST_BYTES.starts_with(text),
        };
        if torn { Err(FileError::Torn(self.held)) } else { self.line_ends(take) }
    }

    fn line_ends(&mut self, take: &mut dyn FnMut(Change)) -> Result<(), FileError> {
        let line = std::mem::take(&mut self.line);
        let hashed = std::mem::take(&mut self.passing);
        self.number += 1;
        let text = std::str::from_utf8(content(&line)).map(|text| text.trim_start_matches('\u{FEFF}').trim());
        if self.seal.is_some() {
            return if text == Ok("") { Ok(()) } else { Err(FileError::AfterSeal) };
        }
        if let (Ok(text), false) = (text, hashed)
            && starts(text, "seal")
            && self.header.is_some()
        {
            self.seal = Some(Seal::read(text).map_err(FileError::Seal)?);
            return Ok(());
        }
        if !hashed {
            self.hasher.update(&line);
        }
        match self.header {
            None => self.first(text.map_err(|_| FileError::NoFeed)?)?,
            Some(_) => self.row(&line, text.ok(), take)?,
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn first(&mut self, text: &str) -> Result<(), FileError> {
        if !starts(text, "feed") {
            return Err(FileError::NoFeed);
        }
        let header = FeedHeader::read(text).map_err(|error| match error {
            HeaderError::Newer(format) => FileError::Newer(format),
            HeaderError::Line(error) => FileError::Header(error),
        })?;
        if header.kind == FileKind::Changes && header.lines > CHANGES_MAX {
            return Err(FileError::Long);
        }
        self.header = Some(header);
        Ok(())
    }

    fn row(&mut self, line: &[u8], text: Option<&str>, take: &mut dyn FnMut(Change)) -> Result<(), FileError> {
        if text == Some("") {
            return Ok(());
        }
        self.held += 1;
        let header = self.header.as_ref().expect("rows come after the header");
        if self.held > header.lines {
            // Before more is kept than was announced.
            return Err(FileError::Count { announced: header.lines, held: self.held });
        }
        if self.reading == ReadDepth::Rows {
            let change = read_change(content(line), text).unwrap_or_else(|error| {
                let id = format!("{}:{}:{}", header.source, header.sequence, self.number);
                Change::Bad(bad_row(id, line, text, &error))
            });
            take(change);
        }
        Ok(())
    }
}

/// Whether a first line is that of a feed file.
pub fn is_feed(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| starts(text.trim_start_matches('\u{FEFF}').trim_start(), "feed"))
}

/// Reads one line, without its end, as a change.
pub fn change(bytes: &[u8]) -> Result<Change, LineError> {
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_start_matches('\u{FEFF}').trim());
    read_change(bytes, text)
}

fn read_change(bytes: &[u8], text: Option<&str>) -> Result<Change, LineError> {
    if bytes.len() <= LINE_BYTES_MAX
        && let Some(text) = text.filter(|text| starts(text, "delete"))
    {
        return read_delete(text).map(|receipt| Change::Delete { receipt: Private::new(receipt) });
    }
    // Only the first line can be a header.
    match FeedLine::read(bytes, 2)? {
        FeedLine::Case(case) => Ok(Change::Put(*case)),
        FeedLine::Header(_) | FeedLine::Blank => Err(LineError::LateHeader),
    }
}

fn bad_row(id: String, line: &[u8], text: Option<&str>, error: &LineError) -> BadRow {
    let receipt = FeedLine::receipt_of(line).map(Private::new);
    let line = text.filter(|text| text.len() <= LINE_BYTES_MAX).map(|line| Private::new(line.to_owned()));
    BadRow { id, why: error.to_string(), receipt, line }
}

/// A line without its end.
fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// How a feed file begins, if it has no added blanks.
const FIRST_BYTES: &str = "{\"feed\":";
/// The most lines of a file of changes, which is one transaction. A snapshot has no limit.
pub const CHANGES_MAX: u64 = 200_000;
/// The most bytes of a file of changes, once it is not compressed.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;
