//! Decoded samples of each channel, bounded, and the mixing to one channel.

use std::time::Duration;

use super::error::DecodeError;

/// The channels of a recording.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub left: Vec<f32>,
    /// Empty for a mono recording.
    pub right: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// A-law or µ-law.
    pub companded: bool,
}

impl Channels {
    /// The mean of both channels; the louder one alone if the other is a dead input, whose silence would cost 6 dB, or
    /// if they cancel each other, as those of a cable with one reversed polarity do.
    pub(super) fn mixed(self) -> Vec<f32> {
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
        if self.cancelled() > CANCELLED_MAX {
            return if left < right { self.right } else { self.left };
        }
        let mut mixed = self.left;
        mixed.iter_mut().zip(&self.right).for_each(|(left, right)| *left = (*left + right) / 2.0);
        mixed
    }
}

impl Channels {
    /// The part of the sound's power that the mean of the channels would lose: 0 to 1. A moment in which only one
    /// channel sounds loses nothing so.
    fn cancelled(&self) -> f64 {
        let window = (self.rate / WINDOWS_PER_S).max(1) as usize;
        let (mut lost, mut all) = (0.0, 0.0);
        for (left, right) in self.left.chunks(window).zip(self.right.chunks(window)) {
            let louder = power(left).max(power(right));
            let pairs = left.iter().zip(right);
            let mean: f64 = pairs.map(|(left, right)| f64::from((left + right) / 2.0).powi(2)).sum();
            all += louder;
            if mean < louder * CANCELLING {
                lost += louder;
            }
        }
        if all > 0.0 { lost / all } else { 0.0 }
    }
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

/// Collects samples up to the limits of a recording.
pub(super) struct SampleSink {
    channels: Channels,
    longest: Duration,
}

impl SampleSink {
    pub(super) fn new(companded: bool, longest: Duration) -> SampleSink {
        SampleSink { channels: Channels { companded, ..Channels::default() }, longest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.left.is_empty()
    }

    /// The error of a recording that exceeds its limit.
    pub(super) fn too_long(&self) -> DecodeError {
        DecodeError::TooLong(self.longest)
    }

    /// Appends interleaved samples. The format must not change, and the limits of length, rate and channels hold.
    pub(super) fn push(&mut self, interleaved: &[f32], channels: usize, rate: u32) -> Result<(), DecodeError> {
        let sound = &mut self.channels;
        if !(1..=2).contains(&channels) {
            return Err(DecodeError::Channels(channels));
        }
        if !RATES.contains(&rate) {
            return Err(DecodeError::Rate(rate));
        }
        let first = sound.left.is_empty();
        if !first && (sound.rate != rate || sound.right.is_empty() != (channels == 1)) {
            return Err(DecodeError::Broken("its format changes midway".into()));
        }
        sound.rate = rate;
        let most = self.longest.as_secs_f64() * f64::from(rate);
        let samples = (sound.left.len() + sound.right.len() + interleaved.len()) as f64;
        if samples / channels as f64 > most || samples > SAMPLES_MAX as f64 {
            return Err(DecodeError::TooLong(self.longest));
        }
        let clean = |sample: f32| if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
        if channels == 1 {
            sound.left.extend(interleaved.iter().map(|sample| clean(*sample)));
        } else {
            for pair in interleaved.chunks_exact(2) {
                sound.left.push(clean(pair[0]));
                sound.right.push(clean(pair[1]));
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Channels, DecodeError> {
        if self.is_empty() { Err(DecodeError::Empty) } else { Ok(self.channels) }
    }
}

/// 20 dB below the other channel.
const DEAD: f64 = 0.01;
/// Both channels are compared for moments of 20 ms.
const WINDOWS_PER_S: u32 = 50;
/// The mean of a moment with one silent channel has 0.25 of the other's power.
const CANCELLING: f64 = 0.15;
const CANCELLED_MAX: f64 = 0.05;
/// The sample rates of recordings.
const RATES: std::ops::RangeInclusive<u32> = 8000..=192_000;
/// Both channels together: eleven minutes at 48 kHz in stereo, in 256 MB.
const SAMPLES_MAX: usize = 64_000_000;
/// A float file may hold any number; the overshoot of a decoder is kept.
const LOUDEST: f32 = 4.0;
