//! WAV files (RIFF, RF64 and BW64 of EBU Tech 3306, Sony's Wave64) → a plain WAV file or the stream that is inside.
//!
//! Recorders that were interrupted, pipes and cutting programs write sizes that are 0, the largest number, too large or
//! too small. So a size is believed only as far as the file goes, and where it agrees with the size of the whole file or
//! something follows that is a chunk. What is found is written as a small, sound header before the same octets, which
//! the decoder reads; a file whose sound is MPEG, ADTS, FLAC or Ogg is that stream.

use std::borrow::Cow;

use base::Bilingual;

use super::error::DecodeError;
use super::stream::Stream;
use super::wave_format::{Format, name};

/// What a decoder can read of a WAV file; `None` for another kind of file.
pub(super) fn sound(bytes: &[u8]) -> Result<Option<Stream<'_>>, DecodeError> {
    let Some(kind) = Kind::of(bytes)? else { return Ok(None) };
    let found = kind.chunks(bytes)?;
    let format = Format::read(found.format)?;
    if found.data.is_empty() {
        return Err(DecodeError::Empty);
    }
    let stated = found.stated.and_then(|octets| format.time(octets));
    let name = format.is_stream(&found.data).then(|| name(format.tag));
    let sound = match found.data {
        Cow::Borrowed(data) => format.sound(data)?,
        Cow::Owned(data) => Cow::Owned(format.sound(&data)?.into_owned()),
    };
    Ok(Some(Stream { stated, name, ..Stream::of(sound) }))
}

/// What the chunks of a file hold.
struct Found<'a> {
    format: &'a [u8],
    /// The octets of all data chunks.
    data: Cow<'a, [u8]>,
    /// How many there should be, where the file ends before.
    stated: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sizes of 32 bits, chunks at even places; RF64 has a chunk of larger sizes.
    Riff,
    /// Sizes of 64 bits that include the head of a chunk, chunks at multiples of 8.
    Wave64,
}

/// The head of a chunk.
struct Chunk {
    id: [u8; 4],
    /// Where its content starts.
    at: usize,
    /// Octets of its content, as the file says.
    size: u64,
}

impl Kind {
    fn of(bytes: &[u8]) -> Result<Option<Kind>, DecodeError> {
        let form = bytes.get(8..12).unwrap_or_default();
        Ok(match bytes.get(..4).unwrap_or_default() {
            b"RIFF" | b"RF64" | b"BW64" if form == b"WAVE" => Some(Kind::Riff),
            b"RIFX" => return Err(kind("RIFX (WAV with its octets reversed)", "RIFX（字节顺序相反的 WAV）")),
            b"RIFF" if form == b"AVI " => return Err(kind("AVI (a film)", "AVI（影片）")),
            b"RIFF" if form == b"RMID" => return Err(kind("RMID (MIDI)", "RMID（MIDI 乐曲）")),
            b"RIFF" if form.len() == 4 => {
                let form = printable(form);
                let (en, zh) = (format!("RIFF of the form {form:?}"), format!("“{form}”类型的 RIFF 文件"));
                return Err(DecodeError::Kind(Bilingual::new(en, zh)));
            }
            b"riff" if bytes.get(4..16) == Some(&WAVE64_RIFF) => Some(Kind::Wave64),
            _ => None,
        })
    }

    /// The format and the sound.
    fn chunks(self, bytes: &[u8]) -> Result<Found<'_>, DecodeError> {
        let mut reading = Reading { kind: self, bytes, format: None, data: Vec::new(), long: None, stated: None };
        reading.from(if self == Kind::Riff { 12 } else { 40 });
        if reading.format.is_none() || reading.data.is_empty() {
            reading.lost();
        }
        reading.found()
    }

    /// The chunk at a place, if there is one.
    fn chunk(self, bytes: &[u8], at: usize) -> Option<Chunk> {
        let id: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        if !id.iter().all(|byte| (0x20..0x7F).contains(byte)) {
            return None;
        }
        Some(match self {
            Kind::Riff => {
                let size = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?);
                Chunk { id, at: at + 8, size: size.into() }
            }
            Kind::Wave64 => {
                let size = u64::from_le_bytes(bytes.get(at + 16..at + 24)?.try_into().ok()?);
                Chunk { id, at: at + 24, size: size.saturating_sub(24) }
            }
        })
    }

    /// Where the next chunk begins; some programs omit the octet after an odd size.
    fn after(self, bytes: &[u8], end: usize) -> usize {
        match self {
            Kind::Riff if end % 2 == 1 && self.chunk(bytes, end + 1).is_none() && self.chunk(bytes, end).is_some() => {
                end
            }
            Kind::Riff => end + end % 2,
            Kind::Wave64 => end.next_multiple_of(8),
        }
    }

    /// The end of the whole file, as it says. `long`: its size, by a chunk for large files.
    fn end(self, bytes: &[u8], long: Option<u64>) -> Option<u64> {
        match self {
            Kind::Riff => {
                let size = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
                Some(if size == u32::MAX { long? } else { size.into() }.saturating_add(8))
            }
            Kind::Wave64 => Some(u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?)),
        }
    }

    fn are_chunks(self, bytes: &[u8], at: usize) -> bool {
        // A file may be cut off within its last chunk.
        self.broken_chunk(bytes, at).is_none_or(|chunk| chunk.is_some_and(|chunk| chunk.is_known()))
    }

    fn are_whole_chunks(self, bytes: &[u8], at: usize) -> bool {
        self.broken_chunk(bytes, at).is_none()
    }

    /// The first chunk from a place on that the file does not hold in full; the inner `None` if there is no chunk.
    fn broken_chunk(self, bytes: &[u8], mut at: usize) -> Option<Option<Chunk>> {
        while at < bytes.len() {
            let Some(chunk) = self.chunk(bytes, at) else { return Some(None) };
            let end = usize::try_from(chunk.size).ok().and_then(|size| chunk.at.checked_add(size));
            let Some(end) = end.filter(|end| *end <= bytes.len()) else { return Some(Some(chunk)) };
            at = self.after(bytes, end);
        }
        None
    }
}

/// The chunks of a file as they are read.
struct Reading<'a> {
    kind: Kind,
    bytes: &'a [u8],
    format: Option<&'a [u8]>,
    /// The sound, in its order.
    data: Vec<&'a [u8]>,
    /// The sizes of the file and of its sound, by a chunk for large files.
    long: Option<(u64, u64)>,
    stated: Option<u64>,
}

impl<'a> Reading<'a> {
    fn from(&mut self, mut at: usize) {
        while let Some(chunk) = self.kind.chunk(self.bytes, at) {
            let end = self.take(&chunk);
            at = self.kind.after(self.bytes, end);
        }
    }

    /// Takes a chunk, and returns where it ends.
    fn take(&mut self, chunk: &Chunk) -> usize {
        let size = usize::try_from(chunk.size).unwrap_or(usize::MAX);
        let end = chunk.at.saturating_add(size).min(self.bytes.len());
        let content = &self.bytes[chunk.at..end];
        match &chunk.id {
            b"ds64" => {
                let size = |at: usize| Some(u64::from_le_bytes(content.get(at..at + 8)?.try_into().ok()?));
                self.long = size(0).zip(size(8));
            }
            b"fmt " if self.format.is_none() => self.format = Some(content),
            b"data" => return self.data(chunk),
            _ => {}
        }
        end
    }

    /// Takes the sound that begins with a data chunk.
    fn data(&mut self, chunk: &Chunk) -> usize {
        let rest = self.bytes.len() - chunk.at;
        let long = self.long.filter(|_| chunk.size == u64::from(u32::MAX)).map(|(_, sound)| sound);
        let stated = long.unwrap_or(chunk.size);
        let size = usize::try_from(stated).unwrap_or(usize::MAX);
        let end = if size >= rest {
            if self.agrees_beyond(chunk, stated) {
                self.stated = Some(stated);
            }
            self.without_tail(chunk.at)
        } else if self.agrees(chunk.at + size, size) {
            chunk.at + size
        } else {
            self.without_tail(chunk.at)
        };
        if end > chunk.at {
            self.data.push(&self.bytes[chunk.at..end]);
        }
        end
    }

    /// Whether the file's other sizes bear out that sound ends here.
    fn agrees(&self, end: usize, size: usize) -> bool {
        let next = self.kind.after(self.bytes, end);
        // After a true size there is nothing, or chunks up to the end.
        if self.kind.are_chunks(self.bytes, next) {
            return size > 0 || next >= self.bytes.len() || self.has_data(next);
        }
        let whole = self.kind.end(self.bytes, self.long.map(|(whole, _)| whole));
        let Some(whole) = whole.and_then(|whole| usize::try_from(whole).ok()) else { return false };
        let Some(inside) = self.bytes.get(..whole) else { return false };
        size > 0 && (whole == end || (whole >= next && self.kind.are_whole_chunks(inside, next)))
    }

    /// Whether sound begins later.
    fn has_data(&self, mut at: usize) -> bool {
        while let Some(chunk) = self.kind.chunk(self.bytes, at) {
            if chunk.id == *b"data" {
                return true;
            }
            let end = chunk.at.saturating_add(usize::try_from(chunk.size).unwrap_or(usize::MAX));
            at = self.kind.after(self.bytes, end.min(self.bytes.len()));
        }
        false
    }

    /// Whether the size of the whole file says, too, that it should be longer than it is.
    fn agrees_beyond(&self, chunk: &Chunk, stated: u64) -> bool {
        let end = (chunk.at as u64).saturating_add(stated);
        let whole = self.kind.end(self.bytes, self.long.map(|(whole, _)| whole));
        stated < UNKNOWN && whole.is_some_and(|whole| (end..=end.saturating_add(AFTER_MAX)).contains(&whole))
    }

    /// The end of sound of unknown size: the file's, or where chunks begin that lead exactly there.
    fn without_tail(&self, from: usize) -> usize {
        let end = self.bytes.len();
        let step = if self.kind == Kind::Riff { 2 } else { 8 };
        let is_tail = |at: &usize| {
            let chunk = self.kind.chunk(self.bytes, *at);
            chunk.is_some_and(|chunk| chunk.is_known()) && self.kind.are_whole_chunks(self.bytes, *at)
        };
        (from..end).step_by(step).find(is_tail).unwrap_or(end)
    }

    /// Looks for the chunks after one whose size is false.
    fn lost(&mut self) {
        let head = &self.bytes[..self.bytes.len().min(HEAD)];
        for id in [b"fmt ", b"data"] {
            let missing = if id == b"fmt " { self.format.is_none() } else { self.data.is_empty() };
            let place = |at: &usize| {
                let chunk = self.kind.chunk(self.bytes, *at);
                head[*at..].starts_with(id) && chunk.is_some_and(|chunk| self.is_possible(&chunk))
            };
            if let Some(at) = (12..head.len()).find(place).filter(|_| missing) {
                self.from(at);
            }
        }
    }

    /// Whether a chunk's size lies within the file, or says that it is not known.
    fn is_possible(&self, chunk: &Chunk) -> bool {
        chunk.size >= UNKNOWN || chunk.size <= (self.bytes.len() - chunk.at) as u64
    }

    fn found(self) -> Result<Found<'a>, DecodeError> {
        let has_sound = !self.data.is_empty();
        let Some(format) = self.format else {
            return Err(match has_sound || self.has_data(12) {
                true => DecodeError::broken("the WAV file does not say its format", "WAV 文件没有格式说明"),
                false => {
                    DecodeError::broken("the WAV file has neither a format nor sound", "WAV 文件没有格式说明和声音")
                }
            });
        };
        if !has_sound && !self.has_data(12) {
            return Err(DecodeError::broken("the WAV file ends before its sound", "WAV 文件在声音开始前就结束了"));
        }
        let data = match self.data.as_slice() {
            [one] => Cow::Borrowed(*one),
            parts => Cow::Owned(parts.concat()),
        };
        let stated = self.stated.map(|last| {
            let before = self.data.iter().rev().skip(1).map(|part| part.len() as u64);
            last + before.sum::<u64>()
        });
        Ok(Found { format, data, stated })
    }
}

impl Chunk {
    /// Whether it is one that programs write after the sound.
    fn is_known(&self) -> bool {
        [*b"LIST", *b"id3 ", *b"ID3 ", *b"bext", *b"cue ", *b"smpl", *b"iXML", *b"fact", *b"PEAK", *b"JUNK"]
            .contains(&self.id)
    }
}

fn kind(en: &'static str, zh: &'static str) -> DecodeError {
    DecodeError::Kind(Bilingual::fixed(en, zh))
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

/// A size from here on is one that was not known.
const UNKNOWN: u64 = 0x7FFF_0000;
/// Octets of the chunks after the sound.
const AFTER_MAX: u64 = 1 << 20;
/// Where the chunks before the sound are looked for.
const HEAD: usize = 1 << 20;
/// The rest of Wave64's GUID for `riff`.
const WAVE64_RIFF: [u8; 12] = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];
