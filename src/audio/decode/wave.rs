//! WAV files (RIFF, RF64 and BW64 of EBU Tech 3306, Sony's Wave64) → a plain WAV file or the stream that is inside.
//!
//! Recorders that were interrupted, pipes and cutting programs write sizes that are 0, the largest number, too large or
//! too small. So a size is believed only as far as the file goes, and where something follows that is a chunk. What is
//! found is written as a small, sound header before the same octets, which the decoder reads; a file whose sound is
//! MPEG, ADTS, FLAC or Ogg is that stream.

use std::borrow::Cow;

use super::error::DecodeError;

/// What a decoder can read of a WAV file; `None` for another kind of file.
pub(super) fn sound(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, DecodeError> {
    let Some(kind) = Kind::of(bytes)? else { return Ok(None) };
    let (format, data) = kind.chunks(bytes)?;
    let format = Format::read(format)?;
    if data.is_empty() {
        return Err(DecodeError::Empty);
    }
    format.sound(data).map(Some)
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
            b"RIFX" => return Err(DecodeError::Kind("RIFX (WAV with its octets reversed)".into())),
            b"RIFF" if form == b"AVI " => return Err(DecodeError::Kind("AVI (a film)".into())),
            b"RIFF" if form.len() == 4 => {
                return Err(DecodeError::Kind(format!("RIFF of the form {:?}", printable(form)).into()));
            }
            b"riff" if bytes.get(4..16) == Some(&WAVE64_RIFF) => Some(Kind::Wave64),
            _ => None,
        })
    }

    /// The format chunk's content and the sound.
    fn chunks(self, bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
        let mut at = if self == Kind::Riff { 12 } else { 40 };
        let (mut format, mut data, mut long) = (None, None, None);
        while let Some(chunk) = self.chunk(bytes, at) {
            let end = chunk.at.saturating_add(usize::try_from(chunk.size).unwrap_or(usize::MAX)).min(bytes.len());
            let content = &bytes[chunk.at..end];
            match &chunk.id {
                b"ds64" => long = content.get(8..16).and_then(|size| size.try_into().ok()).map(u64::from_le_bytes),
                b"fmt " => format = Some(content),
                b"data" => data = Some(self.data(bytes, &chunk, long)),
                _ => {}
            }
            if let (Some(format), Some(data)) = (format, data) {
                return Ok((format, data));
            }
            at = self.after(bytes, end);
        }
        Err(DecodeError::Broken(match (format, data) {
            (None, None) => "the WAV file has neither a format nor sound".into(),
            (None, Some(_)) => "the WAV file does not say its format".into(),
            (Some(_), _) => "the WAV file ends before its sound".into(),
        }))
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

    /// The sound that begins with a data chunk. `long`: its size, by a chunk for large files.
    fn data<'a>(self, bytes: &'a [u8], chunk: &Chunk, long: Option<u64>) -> &'a [u8] {
        let rest = &bytes[chunk.at..];
        let size = if chunk.size == u64::from(u32::MAX) { long.unwrap_or(chunk.size) } else { chunk.size };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size >= rest.len() {
            return rest;
        }
        // After a true size there is nothing, or chunks up to the end.
        if self.are_chunks(bytes, self.after(bytes, chunk.at + size)) { &rest[..size] } else { rest }
    }

    fn are_chunks(self, bytes: &[u8], mut at: usize) -> bool {
        while at < bytes.len() {
            let Some(chunk) = self.chunk(bytes, at) else { return false };
            let end = usize::try_from(chunk.size).ok().and_then(|size| chunk.at.checked_add(size));
            // A file that was cut off within its last chunk.
            let Some(end) = end.filter(|end| *end <= bytes.len()) else { return chunk.is_known() };
            at = self.after(bytes, end);
        }
        true
    }
}

impl Chunk {
    /// Whether it is one that programs write after the sound.
    fn is_known(&self) -> bool {
        [*b"LIST", *b"id3 ", *b"ID3 ", *b"bext", *b"cue ", *b"smpl", *b"iXML", *b"fact", *b"PEAK", *b"JUNK"]
            .contains(&self.id)
    }
}

/// What a format chunk says.
struct Format<'a> {
    tag: u16,
    channels: u16,
    rate: u32,
    align: u16,
    bits: u16,
    chunk: &'a [u8],
}

impl Format<'_> {
    fn read(chunk: &[u8]) -> Result<Format<'_>, DecodeError> {
        let short = |at: usize| Some(u16::from_le_bytes(chunk.get(at..at + 2)?.try_into().ok()?));
        let read = || {
            let rate = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
            let tag = match short(0)? {
                // WAVE_FORMAT_EXTENSIBLE: the tag is the start of a GUID.
                0xFFFE => short(24)?,
                tag => tag,
            };
            Some(Format { tag, channels: short(2)?, rate, align: short(12)?, bits: short(14)?, chunk })
        };
        let format = read().ok_or_else(|| DecodeError::Broken("the WAV file's format is cut off".into()))?;
        match format {
            Format { channels: 0, .. } => Err(DecodeError::Channels(0)),
            Format { rate: 0, .. } => Err(DecodeError::Rate(0)),
            sound => Ok(sound),
        }
    }

    fn sound<'a>(&self, data: &'a [u8]) -> Result<Cow<'a, [u8]>, DecodeError> {
        if self.is_stream(data) {
            return Ok(Cow::Borrowed(data));
        }
        match self.tag {
            PCM | FLOAT | ALAW | MULAW => self.plain(data).map(Cow::Owned),
            MS_ADPCM | IMA_ADPCM => Ok(Cow::Owned(wav(self.chunk, data))),
            tag => Err(DecodeError::Kind(name(tag))),
        }
    }

    /// Whether the sound is a stream that is a file without its WAV header.
    fn is_stream(&self, data: &[u8]) -> bool {
        match self.tag {
            // MPEG layers 1 to 3, and ADTS.
            0x50 | 0x55 | 0xFF | 0x1600 => true,
            0xF1AC => data.starts_with(b"fLaC"),
            0x674F..=0x6771 => data.starts_with(b"OggS"),
            _ => false,
        }
    }

    /// A file of this format with a header that is true.
    fn plain(&self, data: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let channels = usize::from(self.channels);
        if channels > 2 {
            return Err(DecodeError::Channels(channels));
        }
        // The octets of a frame say more than the bits of a sample, which may be fewer than are stored.
        let stored = usize::from(self.align) / channels;
        let is_sound = |octets: usize| match self.tag {
            ALAW | MULAW => octets == 1,
            FLOAT => matches!(octets, 4 | 8),
            _ => (1..=4).contains(&octets),
        };
        let said = usize::from(self.bits.div_ceil(8));
        let exact = stored * channels == usize::from(self.align) && stored >= said;
        let octets = if exact && is_sound(stored) { stored } else { said };
        if !is_sound(octets) {
            return Err(DecodeError::Broken(format!("the WAV file has samples of {} bits", self.bits)));
        }
        let align = channels * octets;
        let mut format = Vec::with_capacity(18);
        format.extend_from_slice(&self.tag.to_le_bytes());
        format.extend_from_slice(&self.channels.to_le_bytes());
        format.extend_from_slice(&self.rate.to_le_bytes());
        format.extend_from_slice(&self.rate.saturating_mul(align as u32).to_le_bytes());
        format.extend_from_slice(&(align as u16).to_le_bytes());
        format.extend_from_slice(&(octets as u16 * 8).to_le_bytes());
        // The length of an extension, which there is none of; formats other than PCM have it.
        if self.tag != PCM {
            format.extend_from_slice(&0u16.to_le_bytes());
        }
        let whole = data.len() - data.len() % align;
        if whole == 0 {
            return Err(DecodeError::Empty);
        }
        Ok(wav(&format, &data[..whole]))
    }
}

/// A WAV file of a format chunk and its sound.
fn wav(format: &[u8], data: &[u8]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut file = Vec::with_capacity(data.len() + format.len() + 32);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size(20 + format.len() + format.len() % 2 + data.len() + data.len() % 2));
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&size(format.len()));
    file.extend_from_slice(format);
    file.extend(std::iter::repeat_n(0, format.len() % 2));
    file.extend_from_slice(b"data");
    file.extend_from_slice(&size(data.len()));
    file.extend_from_slice(data);
    file.extend(std::iter::repeat_n(0, data.len() % 2));
    file
}

/// The name of a format that is not supported (RFC 2361).
fn name(tag: u16) -> Cow<'static, str> {
    let name = match tag {
        0x10 | 0x17 | 0x20 | 0x200 => "ADPCM of another kind",
        0x14 => "G.723",
        0x22 => "TrueSpeech",
        0x31 => "GSM",
        0x40 | 0x45 => "G.726",
        0x64 | 0x65 | 0x28F => "G.722",
        0x83 => "G.729",
        0x92 | 0x2000 => "AC-3",
        0x160..=0x163 => "WMA",
        _ => return format!("format {tag:#06x} in a WAV file").into(),
    };
    format!("{name} in a WAV file").into()
}

fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const MULAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
/// The rest of Wave64's GUID for `riff`.
const WAVE64_RIFF: [u8; 12] = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];
