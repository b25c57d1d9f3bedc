//! A recording file → one channel of samples.
//!
//! ```text
//!  bytes ─► container, packets ─► samples of each channel ─► one channel
//!           (symphonia)           (symphonia; Opus: opus-rs)
//! ```
//! The bytes come from outside. Their sender bounds them before this module, this module bounds the samples, and a panic
//! of a decoder costs the recording and nothing else.

mod container;
mod error;
pub mod opus;
mod samples;

pub use error::DecodeError;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// One channel of sound at its original rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// 1.0 is full scale; a lossy codec may exceed it.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// The source was A-law or µ-law, with the resolution of a telephone.
    pub companded: bool,
}

impl Decoded {
    /// The playing time.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.max(1)))
    }
}

/// Decodes a file; its content decides its kind. A recording above `longest` is an error.
pub fn decode(bytes: &[u8], longest: Duration) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if let Some(kind) = foreign(bytes) {
        return Err(DecodeError::Kind(kind));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| container::read(bytes, longest)));
    let channels = decoded.map_err(|_| DecodeError::Broken("its decoder failed".into()))??;
    if channels.left.is_empty() {
        return Err(DecodeError::Empty);
    }
    let (rate, companded) = (channels.rate, channels.companded);
    Ok(Decoded { samples: channels.mixed(), rate, companded })
}

/// Known kinds of files that are not supported, by their first bytes.
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
