//! The format chunk of a WAV file, and its sound with a header that is true.

use std::borrow::Cow;
use std::time::Duration;

use base::Bilingual;

use super::error::DecodeError;

/// What a format chunk says.
pub(super) struct Format<'a> {
    pub(super) tag: u16,
    channels: u16,
    rate: u32,
    align: u16,
    bits: u16,
    chunk: &'a [u8],
}

impl Format<'_> {
    pub(super) fn read(chunk: &[u8]) -> Result<Format<'_>, DecodeError> {
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
        let format = read()
            .ok_or_else(|| DecodeError::broken("the WAV file's format is cut off", "WAV 文件的格式说明不完整"))?;
        match format {
            Format { channels: 0, .. } => Err(DecodeError::Channels(0)),
            Format { rate: 0, .. } => Err(DecodeError::Rate(0)),
            sound => Ok(sound),
        }
    }

    /// The playing time of octets, if the sound is of a constant size.
    pub(super) fn time(&self, octets: u64) -> Option<Duration> {
        let is_constant = matches!(self.tag, PCM | FLOAT | ALAW | MULAW) && self.align > 0;
        let rate = f64::from(self.rate) * f64::from(self.align);
        is_constant.then(|| Duration::from_secs_f64(octets as f64 / rate))
    }

    pub(super) fn sound<'a>(&self, data: &'a [u8]) -> Result<Cow<'a, [u8]>, DecodeError> {
        if self.is_stream(data) {
            return Ok(Cow::Borrowed(data));
        }
        match self.tag {
            PCM | FLOAT | ALAW | MULAW => self.plain(data).map(Cow::Owned),
            MS_ADPCM | IMA_ADPCM => Ok(Cow::Owned(wav(self.chunk, data))),
            AAC_RAW => Err(DecodeError::Kind(Bilingual::fixed(
                "AAC without frame headers in a WAV file",
                "WAV 文件中不带帧头的 AAC",
            ))),
            tag => Err(DecodeError::Kind(name(tag))),
        }
    }

    /// Whether the sound is a stream that is a file without its WAV header.
    pub(super) fn is_stream(&self, data: &[u8]) -> bool {
        match self.tag {
            0x50 | 0x55 => true,
            // AAC is a stream only in ADTS.
            AAC_RAW | 0x1600 => super::mpeg_header::is_frame(data),
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
            let bits = self.bits;
            let (en, zh) = (format!("the WAV file has samples of {bits} bits"), format!("WAV 文件的采样为 {bits} 位"));
            return Err(DecodeError::Broken(Bilingual::new(en, zh)));
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
pub(super) fn name(tag: u16) -> Bilingual {
    let name = match tag {
        0x10 | 0x17 | 0x20 | 0x200 => {
            return Bilingual::fixed("ADPCM of another kind in a WAV file", "WAV 文件中的其他 ADPCM");
        }
        0x14 => "G.723",
        0x22 => "TrueSpeech",
        0x31 => "GSM",
        0x40 | 0x45 => "G.726",
        0x50 => "MP2",
        0x55 => "MP3",
        0x64 | 0x65 | 0x28F => "G.722",
        0x83 => "G.729",
        0x92 | 0x2000 => "AC-3",
        0x160..=0x163 => "WMA",
        AAC_RAW | 0x1600..=0x1602 | 0x1610 | 0xA106 => "AAC",
        0x2001 => "DTS",
        0x674F..=0x6771 => "Ogg Vorbis",
        0xF1AC => "FLAC",
        _ => {
            let (en, zh) = (format!("format {tag:#06x} in a WAV file"), format!("WAV 文件中的 {tag:#06x} 格式"));
            return Bilingual::new(en, zh);
        }
    };
    Bilingual::new(format!("{name} of this kind in a WAV file"), format!("WAV 文件中的这种 {name}"))
}

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const ALAW: u16 = 6;
const MULAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const AAC_RAW: u16 = 0xFF;
