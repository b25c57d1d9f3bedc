//! A recording file → one channel of samples.
//!
//! ```text
//!  bytes ─► rewritten ──────────► container, packets ─► samples of each channel ─► one channel
//!          (wave, quicktime)      (symphonia)           (symphonia; Opus: opus-rs)
//! ```
//! The bytes come from outside. Their sender bounds them before this module, this module bounds the samples, and a panic
//! of a decoder costs the recording and nothing else.

mod container;
mod error;
mod kinds;
pub mod opus;
mod quicktime;
mod samples;
#[cfg(test)]
mod tests;
mod wave;

pub use error::DecodeError;

use std::borrow::Cow;
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
    if let Some(kind) = kinds::of_file(bytes) {
        return Err(DecodeError::Kind(kind.into()));
    }
    let rewritten = wave::sound(bytes)?.or_else(|| quicktime::sound(bytes).map(Cow::Owned));
    let bytes = rewritten.as_deref().unwrap_or(bytes);
    let decoded = catch_unwind(AssertUnwindSafe(|| container::read(bytes, longest)));
    let channels = decoded.map_err(|_| DecodeError::Broken("its decoder failed".into()))??;
    if channels.left.is_empty() {
        return Err(DecodeError::Empty);
    }
    let (rate, companded) = (channels.rate, channels.companded);
    Ok(Decoded { samples: channels.mixed(), rate, companded })
}
