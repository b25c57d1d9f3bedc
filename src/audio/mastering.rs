//! The steps that turn a recording into a master: remove hum and offset, trim silence, set the level, fade the ends.
//!
//! No step changes the voice: one filter lies below it, and one gain applies to the whole recording.

use std::ops::Range;

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

pub use super::filter::{high_pass, low_pass};
use super::measure::Frames;

/// The samples to keep: the speech, 20 ms before it and 70 ms after it, which a final consonant needs.
pub fn trimmed(speech: &Range<usize>, frames: &Frames, samples: usize, rate: u32) -> Range<usize> {
    let ms = |ms: usize| rate as usize * ms / 1000;
    let start = (speech.start * frames.step).saturating_sub(ms(BEFORE_MS));
    let end = (speech.end * frames.step + ms(AFTER_MS)).min(samples);
    start..end.max(start)
}

/// Fades the ends by a raised cosine: 5 ms in, 10 ms out.
pub fn fade(samples: &mut [f32], rate: u32) {
    let half = samples.len() / 2;
    let (fade_in, fade_out) = ((rate as usize * 5 / 1000).min(half), (rate as usize * 10 / 1000).min(half));
    let gain = |at: usize, of: usize| (0.5 - 0.5 * (std::f64::consts::PI * (at as f64 + 0.5) / of as f64).cos()) as f32;
    for (at, sample) in samples.iter_mut().take(fade_in).enumerate() {
        *sample *= gain(at, fade_in);
    }
    for (at, sample) in samples.iter_mut().rev().take(fade_out).enumerate() {
        *sample *= gain(at, fade_out);
    }
}

/// 16-bit samples, rounded.
pub fn to_16_bit(samples: &[f32], gain: f64) -> Vec<i16> {
    let gain = gain as f32 * 32768.0;
    samples.iter().map(|sample| (sample * gain).round() as i16).collect()
}

/// Resamples to a rate of masters: odd rates and rates above 48 kHz change, the rates of masters stay.
pub fn to_master_rate(samples: Vec<f32>, rate: u32) -> (Vec<f32>, u32) {
    let to = match rate {
        8000 | 16_000 | 22_050 | 24_000 | 32_000 | 44_100 | 48_000 => return (samples, rate),
        0..16_000 => 16_000,
        16_000..32_000 => 32_000,
        _ => 48_000,
    };
    match resampled(&samples, rate, to) {
        Some(resampled) => (resampled, to),
        None => (samples, rate),
    }
}

fn resampled(samples: &[f32], from: u32, to: u32) -> Option<Vec<f32>> {
    let frames = samples.len();
    let mut resampler = Fft::<f32>::new(from as usize, to as usize, 1024, 1, FixedSync::Both).ok()?;
    let input = InterleavedOwned::new_from(samples.to_vec(), 1, frames).ok()?;
    Some(resampler.process_all(&input, frames, None).ok()?.take_data())
}

const BEFORE_MS: usize = 20;
const AFTER_MS: usize = 70;
