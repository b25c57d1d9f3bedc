//! A recording file → one channel of samples.
//!
//! ```text
//!  bytes ─► rewritten ──────────► container, packets ─► samples of each channel ─► one channel
//!          (wave, quicktime, mpeg) (symphonia)          (symphonia; Opus: opus-rs)
//!             └─ gaps (mpeg, ogg) ──────────────────────► silence in their place
//! ```
//! The decoders pass over what is damaged. So the frames and pages of a file are looked at first, and what is missing is
//! in [`Decoded::damage`].
//!
//! The bytes come from outside. Their sender bounds them before this module, this module bounds the samples, and a panic
//! of a decoder costs the recording and nothing else.

mod container;
mod damage;
mod error;
mod kinds;
mod mpeg;
mod mpeg_header;
mod ogg;
pub mod opus;
mod quicktime;
mod samples;
mod stream;
#[cfg(test)]
mod tests;
mod wave;
mod wave_format;

pub use damage::Damage;
pub use error::DecodeError;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use stream::Stream;

/// One channel of sound at its original rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// 1.0 is full scale; a lossy codec may exceed it.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// The source was A-law or µ-law, with the resolution of a telephone.
    pub companded: bool,
    /// What the file lost.
    pub damage: Damage,
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
    // Some programs write a tag before any kind of file.
    let sound = &bytes[mpeg::after_tags(bytes)..];
    let bytes = if kinds::has_container(sound) { sound } else { bytes };
    if let Some(error) = kinds::of_file(bytes) {
        return Err(error);
    }
    let stream = stream(bytes)?;
    let decoded = catch_unwind(AssertUnwindSafe(|| container::read(&stream, longest)));
    let failed = |_| DecodeError::broken("its decoder failed", "解码失败");
    let (channels, mut damage) = decoded.map_err(failed)??;
    if channels.left.is_empty() {
        return Err(DecodeError::Empty);
    }
    let played = damage::time(channels.left.len() as u64, channels.rate);
    let is_early = |stated: &Duration| *stated <= longest && damage::ends_early(played, *stated);
    damage.stated = stream.stated.or(damage.stated).filter(is_early);
    let (rate, companded) = (channels.rate, channels.companded);
    Ok(Decoded { samples: channels.mixed(), rate, companded, damage })
}

/// The octets for the decoder, and what is known of them.
fn stream(bytes: &[u8]) -> Result<Stream<'_>, DecodeError> {
    let outer = match wave::sound(bytes)? {
        Some(outer) => outer,
        None => quicktime::sound(bytes).map_or_else(|| Stream::of(without_tag(bytes)), Stream::of),
    };
    let inner = match &outer.bytes {
        Cow::Borrowed(bytes) => inner(bytes)?,
        // A header that was written here is before the sound.
        Cow::Owned(_) => None,
    };
    Ok(match inner {
        Some(inner) => Stream { stated: inner.stated.or(outer.stated), name: outer.name, ..inner },
        None => outer,
    })
}

/// A stream of frames or pages.
fn inner(bytes: &[u8]) -> Result<Option<Stream<'_>>, DecodeError> {
    match ogg::sound(bytes) {
        Some(stream) => Ok(Some(stream)),
        None => mpeg::sound(bytes),
    }
}

/// A FLAC file without the tag of another kind of file (ID3v1), which would be part of its last frame.
fn without_tag(bytes: &[u8]) -> &[u8] {
    let Some(end) = bytes.len().checked_sub(ID3V1) else { return bytes };
    if bytes.starts_with(b"fLaC") && bytes[end..].starts_with(b"TAG") { &bytes[..end] } else { bytes }
}

/// Octets of the tag.
const ID3V1: usize = 128;
