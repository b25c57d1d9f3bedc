//! Resamples recordings to 8000 Hz by a band-limiting polyphase filter.
//!
//! A windowed sinc (Kaiser, about 65 dB): flat to 3400 Hz, more than 55 dB down from 4250 Hz on, which would alias
//! to 3750 Hz and below. The delay is compensated, so the first sample of a clip stays first.

use super::RATE;

/// 16-bit samples at `rate` → 8000 Hz; `None` for a rate that no recording has.
pub(super) fn to_8000(samples: &[i16], rate: u32) -> Option<Vec<i16>> {
    if rate == RATE {
        return Some(samples.to_vec());
    }
    if !(RATE..=192_000).contains(&rate) || rate / gcd(rate, RATE) > MOST_STEPS {
        return None;
    }
    Some(Filter::new(rate).run(samples))
}

/// One row of taps for each position of an output sample between two input samples.
struct Filter {
    rows: Vec<Vec<f32>>,
    /// Input samples to each side of an output sample's place.
    half: usize,
    /// Output sample n lies at input position n × step / rows.
    step: usize,
}

impl Filter {
    fn new(rate: u32) -> Filter {
        let common = gcd(rate, RATE);
        let (phases, step) = ((RATE / common) as usize, (rate / common) as usize);
        let half = (f64::from(rate) * HALF_SECONDS).ceil() as usize;
        let rows = (0..phases).map(|phase| row(phase as f64 / phases as f64, half, f64::from(rate))).collect();
        Filter { rows, half, step }
    }

    fn run(&self, samples: &[i16]) -> Vec<i16> {
        let phases = self.rows.len();
        let mut padded = vec![0f32; samples.len() + 2 * self.half + 1];
        for (to, from) in padded[self.half..].iter_mut().zip(samples) {
            *to = f32::from(*from);
        }
        (0..(samples.len() * phases).div_ceil(self.step))
            .map(|n| {
                let position = n * self.step;
                let row = &self.rows[position % phases];
                let from = position / phases;
                let sample = dot(row, &padded[from..]);
                // Rounds half away from zero; the cast truncates and saturates.
                (sample + 0.5f32.copysign(sample)) as i16
            })
            .collect()
    }
}

/// The taps for an output sample that lies `fraction` of an input sample after one.
fn row(fraction: f64, half: usize, rate: f64) -> Vec<f32> {
    let cutoff = 2.0 * CUTOFF_HZ / rate;
    let taps: Vec<f64> = (0..=2 * half)
        .map(|tap| {
            let x = tap as f64 - half as f64 - fraction;
            let inside = 1.0 - (x / (half as f64 + 1.0)).powi(2);
            let window = bessel(KAISER_BETA * inside.max(0.0).sqrt()) / bessel(KAISER_BETA);
            let angle = std::f64::consts::PI * cutoff * x;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            cutoff * sinc * window
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / sum) as f32).collect()
}

/// The dot product, in eight parallel sums for one vector register.
fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let samples = &samples[..taps.len()];
    for (tap, sample) in taps.chunks_exact(8).zip(samples.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += tap[lane] * sample[lane];
        }
    }
    let done = taps.len() / 8 * 8;
    let rest: f32 = taps[done..].iter().zip(&samples[done..]).map(|(tap, sample)| tap * sample).sum();
    sums.iter().sum::<f32>() + rest
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Between the pass band (3400 Hz) and the stop band (4200 Hz).
const CUTOFF_HZ: f64 = 3800.0;
const KAISER_BETA: f64 = 6.2;
/// Half the filter's length: 65 dB over a transition of 800 Hz.
const HALF_SECONDS: f64 = 0.0026;
/// 44,100 Hz has 441 steps over 80 phases; a rate with more steps is not a rate of recordings.
const MOST_STEPS: u32 = 441;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32) -> Vec<i16> {
        (0..rate)
            .map(|n| (16000.0 * (std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate)).sin()) as i16)
            .collect()
    }

    /// Level after resampling relative to the tone's own, away from the ends.
    fn gain_db(hertz: f64, rate: u32) -> f64 {
        let out = to_8000(&tone(hertz, rate), rate).expect("a known rate");
        let middle = &out[1000..7000];
        let power = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power.max(1e-6) / (16000f64.powi(2) / 2.0)).log10()
    }

    #[test]
    fn speech_passes_and_what_would_fold_into_it_does_not() {
        for rate in [16_000, 24_000, 44_100, 48_000] {
            for hertz in [100.0, 1000.0, 3000.0, 3400.0] {
                assert!(gain_db(hertz, rate).abs() < 0.3, "{rate} {hertz} {}", gain_db(hertz, rate));
            }
            for hertz in [4250.0, 5000.0, 6000.0, 7500.0] {
                assert!(gain_db(hertz, rate) < -55.0, "{rate} {hertz} {}", gain_db(hertz, rate));
            }
        }
    }

    #[test]
    fn length_and_place_are_kept() {
        for rate in [8_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let mut samples = vec![0; rate as usize];
            samples[rate as usize / 2] = 20_000;
            let out = to_8000(&samples, rate).expect("a known rate");
            assert_eq!(out.len(), 8000, "{rate}");
            let loudest = (0..8000).max_by_key(|n| out[*n].unsigned_abs());
            assert_eq!(loudest, Some(4000), "{rate}");
        }
    }

    #[test]
    fn rates_that_no_recording_has_are_refused() {
        for rate in [0, 1, 7_999, 44_101, 400_000] {
            assert_eq!(to_8000(&[1, 2, 3], rate), None, "{rate}");
        }
        assert_eq!(to_8000(&[], 48_000), Some(vec![]));
        assert_eq!(to_8000(&[5], 8_000), Some(vec![5]));
    }
}
