//! Measurements of a recording: speech level, room noise, pauses, true peak, pitch, spectral tilt.
//!
//! Levels are in dBov: 0 is the power of a full-scale square wave, so a full-scale sine is −3.01 dBov.

use std::ops::Range;

use super::filter::high_pass;

/// The power of each frame of 5 ms.
#[derive(Clone, Debug)]
pub struct Frames {
    power: Vec<f64>,
    /// Samples of a frame.
    pub step: usize,
}

impl Frames {
    /// Cuts samples at `rate` into frames of 5 ms.
    pub fn of(samples: &[f32], rate: u32) -> Frames {
        let step = (rate as usize * FRAME_MS / 1000).max(1);
        let power = |frame: &[f32]| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
        Frames { power: samples.chunks(step).map(power).collect(), step }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.power.len()
    }

    /// Whether there is no frame, as in an empty recording.
    pub fn is_empty(&self) -> bool {
        self.power.is_empty()
    }

    /// The frames of a range.
    pub fn part(&self, frames: Range<usize>) -> Frames {
        Frames { power: self.power[frames].to_vec(), step: self.step }
    }

    /// The level of one frame, in dBov.
    pub fn level(&self, frame: usize) -> f64 {
        dbov(self.power[frame])
    }

    /// The level in dBov that this share of all frames lies below; `share` is 0.0 to 1.0.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.power.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = (sorted.len() as f64 * share) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(SILENCE, |power| dbov(*power))
    }

    /// The mean level of a range of frames, in dBov.
    pub fn mean(&self, frames: Range<usize>) -> f64 {
        let part = &self.power[frames];
        dbov(part.iter().sum::<f64>() / part.len().max(1) as f64)
    }

    /// The frames of the speech: from the first to the last run of three frames above the threshold, without single clicks
    /// at either end. `None` without such a run.
    pub fn speech(&self) -> Option<Range<usize>> {
        let threshold = self.threshold();
        let mut runs: Vec<Range<usize>> = Vec::new();
        for frame in 0..self.len() {
            if self.level(frame) < threshold {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == frame => run.end = frame + 1,
                _ => runs.push(frame..frame + 1),
            }
        }
        runs.retain(|run| run.len() >= RUN);
        while runs.len() > 1 && is_click(&runs[0], &runs[1]) {
            runs.remove(0);
        }
        while let [.., before, last] = runs.as_slice()
            && is_click(last, before)
        {
            runs.pop();
        }
        Some(runs.first()?.start..runs.last()?.end)
    }

    /// 36 dB below the loudest frame, or 12 dB above the room noise if that is loud, or 6 dB above it if it is very loud. A
    /// trimmed word has no room noise: its quietest frames are speech and stay.
    fn threshold(&self) -> f64 {
        let (peak, floor) = (self.percentile(0.99), self.percentile(0.05));
        (peak - 36.0).max((floor + 12.0).min((peak - 20.0).max(floor + 6.0))).max(FAINT)
    }

    /// The room's noise, in dBov: the quietest tenth of a second away from the speech, or of a pause inside it. `None`
    /// for a recording without either, such as a trimmed word.
    pub fn room_noise(&self, speech: &Range<usize>) -> Option<f64> {
        let threshold = self.threshold();
        let quiet: Vec<usize> = (0..self.len()).filter(|frame| self.level(*frame) < threshold).collect();
        let outside = quiet.iter().filter(|frame| !speech.contains(frame)).count();
        let window = ROOM_FRAMES.min(self.len());
        let windows = (0..=self.len() - window).filter(|from| {
            let whole = (*from..from + window).all(|frame| self.level(frame) < threshold);
            whole && (outside >= ROOM_FRAMES || speech.contains(from))
        });
        windows.map(|from| self.mean(from..from + window)).min_by(f64::total_cmp)
    }

    /// Whether more than half a second stays within 10 dB, which speech never does.
    pub fn is_steady(&self) -> bool {
        self.len() > STEADY_FRAMES && self.percentile(0.98) - self.percentile(0.02) < 10.0
    }

    /// The samples of the longest stretch outside the speech, half a second of it at most; `None` if that is less
    /// than a fifth of a second.
    pub fn longest_pause(&self, speech: &Range<usize>, samples: usize) -> Option<Range<usize>> {
        let (before, after) = (0..speech.start, speech.end..self.len());
        let longer = if before.len() >= after.len() { before } else { after };
        // The decay of the last word and the breath before the first are not room noise.
        let (start, end) = (longer.start + PAUSE_EDGE, longer.end.saturating_sub(PAUSE_EDGE));
        let end = end.min(start + PAUSE_MOST);
        (end >= start + PAUSE_LEAST).then(|| start * self.step..(end * self.step).min(samples))
    }

    /// The level of active speech in dBov, after ITU-T P.56 method B on the frames' envelope: a threshold 15.9 dB
    /// below the level of what lies above it, with 200 ms of hangover. `None` for silence.
    pub fn active(&self) -> Option<f64> {
        let total: f64 = self.power.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let envelope = self.envelope();
        let mut before: Option<(f64, f64)> = None;
        for step in 0..THRESHOLDS {
            let threshold = FAINT + f64::from(step) * 2.0;
            let active = above(&envelope, threshold);
            if active == 0 {
                break;
            }
            let level = dbov(total / active as f64);
            let margin = level - threshold;
            if margin <= MARGIN {
                let (last, wide) = before.unwrap_or((level, margin));
                let part = if wide > margin { (wide - MARGIN) / (wide - margin) } else { 0.0 };
                return Some(last + (level - last) * part);
            }
            before = Some((level, margin));
        }
        before.map(|(level, _)| level)
    }

    /// Smoothed twice with 30 ms, in dBov.
    fn envelope(&self) -> Vec<f64> {
        let keep = (-(FRAME_MS as f64) / 30.0).exp();
        let (mut once, mut twice) = (0.0, 0.0);
        let smoothed = self.power.iter().map(|power| {
            once = keep * once + (1.0 - keep) * power.sqrt();
            twice = keep * twice + (1.0 - keep) * once;
            dbov(twice * twice)
        });
        smoothed.collect()
    }
}

/// Frames at or above a threshold, and those within 200 ms after one.
fn above(envelope: &[f64], threshold: f64) -> usize {
    let mut left = 0;
    envelope
        .iter()
        .filter(|level| {
            left = if **level >= threshold { HANGOVER } else { left.saturating_sub(1) };
            left > 0
        })
        .count()
}

fn is_click(run: &Range<usize>, next: &Range<usize>) -> bool {
    let apart = if run.end <= next.start { next.start - run.end } else { run.start - next.end };
    run.len() < CLICK_FRAMES && apart > APART_FRAMES
}

/// The true peak, four times oversampled near the loudest samples (ITU-R BS.1770-5 annex 2).
pub fn true_peak(samples: &[f32]) -> f64 {
    let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    let mut highest = f64::from(peak);
    if peak <= 0.0 {
        return 0.0;
    }
    // Between two samples below this no peak can grow over the highest sample by more than the filter's gain.
    let near = peak * 0.6;
    for at in 0..samples.len().saturating_sub(1) {
        if samples[at].abs() < near && samples[at + 1].abs() < near {
            continue;
        }
        for quarter in 1..4 {
            highest = highest.max(between(samples, at, f64::from(quarter) / 4.0).abs());
        }
    }
    highest
}

/// The value at a fraction of the way from one sample to the next, by a windowed sinc of 12 taps.
fn between(samples: &[f32], at: usize, fraction: f64) -> f64 {
    let mut sum = 0.0;
    for tap in -5i64..=6 {
        let place = at as i64 + tap;
        let sample = usize::try_from(place).ok().and_then(|place| samples.get(place));
        let x = tap as f64 - fraction;
        let angle = std::f64::consts::PI * x;
        let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
        let window = 0.5 + 0.5 * (std::f64::consts::PI * x / 6.5).cos();
        sum += sample.map_or(0.0, |sample| f64::from(*sample)) * sinc * window;
    }
    sum
}

/// The median pitch in Hz of voiced speech at 8000 Hz; `None` with too few voiced frames.
pub fn pitch(samples: &[i16]) -> Option<f64> {
    let halved: Vec<f32> =
        samples.chunks_exact(2).map(|pair| (f32::from(pair[0]) + f32::from(pair[1])) / 2.0).collect();
    let (window, hop) = (160, 80);
    if halved.len() < window {
        return None;
    }
    let starts: Vec<usize> = (0..=halved.len() - window).step_by(hop).take(PITCH_FRAMES).collect();
    let loudest = starts.iter().map(|at| energy(&halved[*at..at + window])).fold(0.0, f32::max);
    let voiced = starts.iter().map(|at| &halved[*at..at + window]).filter(|part| energy(part) > loudest * 0.01);
    let mut found: Vec<f32> = voiced.filter_map(period).map(|lag| 4000.0 / lag).collect();
    if found.len() < VOICED_LEAST {
        return None;
    }
    found.sort_unstable_by(f32::total_cmp);
    Some(f64::from(found[found.len() / 2]))
}

fn energy(part: &[f32]) -> f32 {
    part.iter().map(|sample| sample * sample).sum()
}

/// The pitch period by autocorrelation, in samples at 4000 Hz: 400 down to 60 Hz.
fn period(part: &[f32]) -> Option<f32> {
    let score = |lag: usize| {
        let (early, late) = (&part[..part.len() - lag], &part[lag..]);
        let both: f32 = early.iter().zip(late).map(|(a, b)| a * b).sum();
        both / (energy(early) * energy(late)).sqrt().max(1.0)
    };
    let scores: Vec<f32> = (10..=66).map(score).collect();
    let best = scores.iter().copied().fold(0.0, f32::max);
    if best < VOICED {
        return None;
    }
    // The first lag that is nearly as good as the best: a later one is two periods or three.
    let peak =
        |at: usize| (at == 0 || scores[at] >= scores[at - 1]) && scores.get(at + 1).is_none_or(|s| scores[at] >= *s);
    (0..scores.len()).find(|at| scores[*at] > best * 0.9 && peak(*at)).map(|at| (at + 10) as f32)
}

/// Energy above 1000 Hz over that below, in dB, of speech at 8000 Hz.
pub fn tilt(samples: &[i16]) -> Option<f64> {
    let mut high: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    let all: f64 = high.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    high_pass(&mut high, super::RATE, 1000.0);
    let above: f64 = high.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (all > above && above > 0.0).then(|| 10.0 * (above / (all - above)).log10())
}

/// The level of one frequency in samples at `rate`, in dBov (Goertzel's algorithm).
pub fn tone_level(samples: &[f32], rate: u32, hertz: f64) -> f64 {
    let angle = std::f64::consts::TAU * hertz / f64::from(rate);
    let (mut one, mut two) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let window = 1.0 - (std::f64::consts::TAU * at as f64 / samples.len() as f64).cos();
        let next = f64::from(*sample) * window + 2.0 * angle.cos() * one - two;
        two = one;
        one = next;
    }
    let power = one * one + two * two - 2.0 * angle.cos() * one * two;
    // A sine's amplitude A gives (A·n/2)²; its power is A²/2.
    dbov(2.0 * power / (samples.len() as f64).powi(2))
}

/// A mean square as a level in dBov.
pub fn dbov(power: f64) -> f64 {
    if power > 1e-15 { 10.0 * power.log10() } else { SILENCE }
}

/// A level in dB as an amplitude factor.
pub fn factor(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// The level of digital silence, in dBov.
const SILENCE: f64 = -150.0;
const FRAME_MS: usize = 5;
/// Frames that must be loud in a row.
const RUN: usize = 3;
/// A click of a mouse, a key or the lips is shorter than this, and farther from the speech than the closure of a stop.
const CLICK_FRAMES: usize = 8;
const APART_FRAMES: usize = 30;
const ROOM_FRAMES: usize = 20;
const STEADY_FRAMES: usize = 100;
const PAUSE_EDGE: usize = 10;
const PAUSE_LEAST: usize = 40;
const PAUSE_MOST: usize = 100;
/// The lowest level of speech.
const FAINT: f64 = -65.0;
const THRESHOLDS: u32 = 33;
const MARGIN: f64 = 15.9;
const HANGOVER: usize = 40;
/// Pitch is that of the first minute or so.
const PITCH_FRAMES: usize = 2000;
const VOICED: f32 = 0.55;
const VOICED_LEAST: usize = 4;
