//! A recording → a master: without hum and offset, without the silence around it, at the right level, with soft ends.
//!
//! Nothing here changes a voice: one filter below it, one gain for all of it.

use std::ops::Range;

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use super::measure::Frames;

/// A high-pass of the second order (Butterworth). It begins settled, so that an offset makes no thump.
pub fn high_pass(samples: &mut [f32], rate: u32, hertz: f64) {
    let angle = std::f64::consts::TAU * hertz / f64::from(rate);
    let alpha = angle.sin() * std::f64::consts::FRAC_1_SQRT_2;
    let a0 = 1.0 + alpha;
    let (b0, a1, a2) = ((1.0 + angle.cos()) / 2.0 / a0, -2.0 * angle.cos() / a0, (1.0 - alpha) / a0);
    let first = samples.first().map_or(0.0, |sample| f64::from(*sample));
    let (mut x1, mut x2, mut y1, mut y2) = (first, first, 0.0, 0.0);
    for sample in samples {
        let x = f64::from(*sample);
        let y = b0 * (x - 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
        (x2, x1, y2, y1) = (x1, x, y1, y);
        *sample = y as f32;
    }
}

/// A low-pass of the second order (Butterworth).
pub fn low_pass(samples: &mut [f32], rate: u32, hertz: f64) {
    let angle = std::f64::consts::TAU * hertz / f64::from(rate);
    let alpha = angle.sin() * std::f64::consts::FRAC_1_SQRT_2;
    let a0 = 1.0 + alpha;
    let (b0, a1, a2) = ((1.0 - angle.cos()) / 2.0 / a0, -2.0 * angle.cos() / a0, (1.0 - alpha) / a0);
    let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
    for sample in samples {
        let x = f64::from(*sample);
        let y = b0 * (x + 2.0 * x1 + x2) - a1 * y1 - a2 * y2;
        (x2, x1, y2, y1) = (x1, x, y1, y);
        *sample = y as f32;
    }
}

/// Samples to keep: speech, a breath before it, and the tail that a final consonant needs.
pub fn kept(speech: &Range<usize>, frames: &Frames, samples: usize, rate: u32) -> Range<usize> {
    let ms = |ms: usize| rate as usize * ms / 1000;
    let start = (speech.start * frames.step).saturating_sub(ms(BEFORE_MS));
    let end = (speech.end * frames.step + ms(AFTER_MS)).min(samples);
    start..end.max(start)
}

/// Raised-cosine ends: 5 ms in, 10 ms out.
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

/// Brings rates that no master has to one that it has: odd ones and those above 48 kHz. What a master may have stays.
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
