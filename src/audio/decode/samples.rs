//! Decoded samples of each channel, bounded, and the mixing to one channel.

use std::time::Duration;

use super::damage::Gap;
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
    /// The mean of both channels; the louder one alone if the other is a dead input, whose silence would cost 6 dB, if
    /// they cancel each other, as those of a cable with one reversed polarity do, or if one is the other with a delay,
    /// whose mean would echo.
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
        if self.together() > TOGETHER && delayed(&self.left, &self.right, self.rate) {
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
        self.part(|left, right, louder| {
            let pairs = left.iter().zip(right);
            let mean: f64 = pairs.map(|(left, right)| f64::from((left + right) / 2.0).powi(2)).sum();
            mean < louder * CANCELLING
        })
    }

    /// The part of the sound's power at moments in which both channels sound: 0 to 1.
    fn together(&self) -> f64 {
        self.part(|left, right, louder| power(left).min(power(right)) > louder * DEAD)
    }

    /// The part of the louder channel's power at the moments of a kind.
    fn part(&self, is: impl Fn(&[f32], &[f32], f64) -> bool) -> f64 {
        let window = (self.rate / WINDOWS_PER_S).max(1) as usize;
        let (mut part, mut all) = (0.0, 0.0);
        for (left, right) in self.left.chunks(window).zip(self.right.chunks(window)) {
            let louder = power(left).max(power(right));
            all += louder;
            if is(left, right, louder) {
                part += louder;
            }
        }
        if all > 0.0 { part / all } else { 0.0 }
    }
}

/// Puts silence into one channel, of at most `most` samples in all.
fn fill(samples: &mut Vec<f32>, gaps: &[Gap], most: usize) {
    let mut room = most.saturating_sub(samples.len());
    let Some(first) = gaps.first() else { return };
    let rest = samples.split_off(samples.len().min(first.at as usize));
    let mut rest = rest.as_slice();
    for gap in gaps {
        let before = (gap.at as usize).saturating_sub(samples.len()).min(rest.len());
        samples.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        let silence = room.min(usize::try_from(gap.samples).unwrap_or(usize::MAX));
        samples.resize(samples.len() + silence, 0.0);
        room -= silence;
    }
    samples.extend_from_slice(rest);
}

/// Whether both channels are one sound at two times.
fn delayed(left: &[f32], right: &[f32], rate: u32) -> bool {
    let step = (rate / COMPARED_HZ).max(1) as usize;
    let slow = |samples: &[f32]| -> Vec<f32> {
        samples.chunks_exact(step).take(COMPARED_SAMPLES).map(|part| part.iter().sum::<f32>()).collect()
    };
    let (left, right) = (slow(left), slow(right));
    let all = (power(&left) * power(&right)).sqrt();
    let alike = |early: &[f32], late: &[f32], delay: usize| {
        let both: f32 = early.iter().zip(&late[delay..]).map(|(early, late)| early * late).sum();
        f64::from(both).abs() > all * ALIKE
    };
    let later = |delay: usize| alike(&left, &right, delay) || alike(&right, &left, delay);
    let most = DELAY_MAX.min(left.len() / 2);
    all > 0.0 && !alike(&left, &right, 0) && (1..=most).any(later)
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

    /// Samples of one channel.
    pub(super) fn len(&self) -> usize {
        self.channels.left.len()
    }

    /// Samples a second; 0 before the first.
    pub(super) fn rate(&self) -> u32 {
        self.channels.rate
    }

    /// Appends silence, as much of it as the longest recording has room for.
    pub(super) fn push_silence(&mut self, samples: u64) {
        let end = Gap { at: self.len() as u64, samples };
        self.fill(&[end]);
    }

    /// Puts silence where sound is missing, as much of it as the longest recording has room for.
    pub(super) fn fill(&mut self, gaps: &[Gap]) {
        let sound = &mut self.channels;
        let channels = if sound.right.is_empty() { 1 } else { 2 };
        let most = (self.longest.as_secs_f64() * f64::from(sound.rate)) as usize;
        let most = most.min(SAMPLES_MAX / channels);
        fill(&mut sound.left, gaps, most);
        if channels == 2 {
            fill(&mut sound.right, gaps, most);
        }
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
            return Err(DecodeError::broken("its format changes midway", "录音格式中途改变"));
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
/// Two speakers in turn are mostly alone.
const TOGETHER: f64 = 0.5;
/// Channels are compared at about this rate, for about eight seconds, with delays up to 300 ms.
const COMPARED_HZ: u32 = 2000;
const COMPARED_SAMPLES: usize = 16_000;
const DELAY_MAX: usize = 610;
/// The correlation of one sound in two channels.
const ALIKE: f64 = 0.85;
/// The sample rates of recordings.
const RATES: std::ops::RangeInclusive<u32> = 8000..=192_000;
/// Both channels together: eleven minutes at 48 kHz in stereo, in 256 MB.
const SAMPLES_MAX: usize = 64_000_000;
/// A float file may hold any number; the overshoot of a decoder is kept.
const LOUDEST: f32 = 4.0;
