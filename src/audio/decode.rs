//! A recording as somebody's program saved it → one channel of samples.
//!
//! ```text
//!  bytes ─► container, packets ─► samples of each channel ─► one channel
//!           (symphonia)           (symphonia; Opus: opus-rs)
//! ```
//! The bytes are a stranger's. They are bounded before they come here, what comes out is bounded here, and a decoder
//! that panics over them costs the recording and nothing else.

mod packets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// One channel of sound, as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// 1.0 is full scale; a lossy codec may overshoot it.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// A-law or µ-law: as coarse as a telephone.
    pub companded: bool,
}

impl Decoded {
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.max(1)))
    }
}

/// Why bytes are no recording that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// A kind of file that is known, and not read here.
    #[error("{0} is not read here: save it as WAV, FLAC, MP3, M4A or Opus")]
    Kind(&'static str),
    #[error("this is no recording: send WAV, FLAC, MP3, M4A, WebM or Ogg")]
    Unknown,
    /// It is one of those, and broken.
    #[error("the recording is damaged ({0}): save or record it again")]
    Broken(String),
    #[error("the recording is longer than {} minutes and {} seconds: cut it", .0.as_secs() / 60, .0.as_secs() % 60)]
    TooLong(Duration),
    #[error("{0} samples a second: record at 8000 to 192000, best 48000")]
    Rate(u32),
    #[error("{0} channels: save it as mono or stereo")]
    Channels(usize),
}

/// Decodes a file whose kind is found out from its bytes.
pub fn decode(bytes: &[u8], longest: Duration) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if let Some(kind) = foreign(bytes) {
        return Err(DecodeError::Kind(kind));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| packets::read(bytes, longest)));
    let channels = decoded.map_err(|_| DecodeError::Broken("its decoder gave up".into()))??;
    if channels.left.is_empty() {
        return Err(DecodeError::Empty);
    }
    let (rate, companded) = (channels.rate, channels.companded);
    Ok(Decoded { samples: channels.mixed(), rate, companded })
}

/// What comes out of a decoder.
#[derive(Debug, Default)]
struct Channels {
    left: Vec<f32>,
    /// Empty where there is one channel.
    right: Vec<f32>,
    rate: u32,
    companded: bool,
}

impl Channels {
    /// The mean of both; the louder one alone where the other is a dead input, whose silence would cost 6 dB.
    fn mixed(self) -> Vec<f32> {
        if self.right.is_empty() {
            return self.left;
        }
        let (left, right) = (power(&self.left), power(&self.right));
        if right < left * DEAD {
            return self.left;
        }
        if left < right * DEAD {
            return self.right;
        }
        let mut mixed = self.left;
        mixed.iter_mut().zip(&self.right).for_each(|(left, right)| *left = (*left + right) / 2.0);
        mixed
    }
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// Kinds of files that people send and that are not read, by their first bytes.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |place: usize, magic: &[u8]| bytes.get(place..place + magic.len()) == Some(magic);
    if starts(b"#!AMR") {
        Some("AMR (a telephone's voice memo)")
    } else if starts(&[0x30, 0x26, 0xB2, 0x75]) {
        Some("WMA")
    } else if starts(b"FORM") && at(8, b"AIF") {
        Some("AIFF")
    } else if starts(b"caff") {
        Some("CAF")
    } else if starts(b"RIFF") && at(8, b"WAVE") && wave_format(bytes) == Some(0x31) {
        Some("GSM in a WAV file")
    } else if starts(b"RIFF") && at(8, b"WAVE") && matches!(wave_format(bytes), Some(2 | 0x11)) {
        Some("ADPCM in a WAV file")
    } else if starts(b"PK\x03\x04") {
        Some("a ZIP archive (bring it in with jindu prompts import)")
    } else if at(4, b"ftyp3g") {
        Some("3GP")
    } else {
        None
    }
}

/// The format tag of a RIFF WAVE file.
fn wave_format(bytes: &[u8]) -> Option<u16> {
    let head = bytes.get(..bytes.len().min(4096))?;
    let at = head.windows(4).position(|four| four == b"fmt ")?;
    Some(u16::from_le_bytes([*head.get(at + 8)?, *head.get(at + 9)?]))
}

/// 20 dB below the other channel.
const DEAD: f64 = 0.01;
/// What recordings are made at.
const RATES: std::ops::RangeInclusive<u32> = 8000..=192_000;
