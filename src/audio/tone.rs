//! Tones: the beep before a recording, the reference tone of the line test, the two tones of a key.

use std::f64::consts::TAU;
use std::time::Duration;

use super::{RATE, samples_in};
use base::Key;

/// The beep before a recording.
pub(super) fn beep() -> Vec<i16> {
    let mut samples = sine(1000.0, BEEP_DBOV, Duration::from_millis(250));
    fade(&mut samples, samples_in(Duration::from_millis(5)));
    samples
}

/// One second of the line test's tone: whole periods, so that it repeats without a seam.
pub(super) fn line_test() -> Vec<i16> {
    sine(LINE_TEST_HZ, LINE_TEST_DBOV, Duration::from_secs(1))
}

/// One second of the ringing tone: 425 Hz (ITU-T E.180 recommends 400 to 450 Hz). The pause of four seconds follows as
/// silence, as callers in China know it.
pub(super) fn ringing() -> Vec<i16> {
    let mut samples = sine(RINGING_HZ, RINGING_DBOV, Duration::from_secs(1));
    fade(&mut samples, samples_in(Duration::from_millis(5)));
    samples
}

/// A sine at a level relative to the loudest square wave (dBov, ITU-T G.100.1), at 8000 samples a second.
pub fn sine(hertz: f64, dbov: f64, length: Duration) -> Vec<i16> {
    let peak = 32768.0 * 2f64.sqrt() * 10f64.powf(dbov / 20.0);
    (0..samples_in(length))
        .map(|n| (peak * (TAU * hertz * n as f64 / f64::from(RATE)).sin()).round().clamp(-32768.0, 32767.0) as i16)
        .collect()
}

/// The two tones of a key (ITU-T Q.23), at 8000 samples a second.
pub fn dtmf_tone(key: Key, length: Duration) -> Vec<i16> {
    let (low, high) = match key {
        Key::Digit(0) => (3, 1),
        Key::Digit(digit) => ((usize::from(digit) - 1) / 3 % 3, (usize::from(digit) - 1) % 3),
        Key::Star => (3, 0),
        Key::Pound => (3, 2),
    };
    let (low, high) = (sine(DTMF_LOW[low], DTMF_DBOV, length), sine(DTMF_HIGH[high], DTMF_DBOV, length));
    let mut samples: Vec<i16> = low.iter().zip(&high).map(|(low, high)| low.saturating_add(*high)).collect();
    fade(&mut samples, samples_in(Duration::from_millis(2)));
    samples
}

/// Fades the ends by a raised cosine, so that a tone does not click.
fn fade(samples: &mut [i16], length: usize) {
    let count = samples.len();
    for n in 0..length.min(count / 2) {
        let gain = 0.5 - 0.5 * (TAU / 2.0 * n as f64 / length as f64).cos();
        for at in [n, count - 1 - n] {
            samples[at] = (f64::from(samples[at]) * gain) as i16;
        }
    }
}

/// The frequency of the line test tone; ITU-T O.131 uses a similar one.
const LINE_TEST_HZ: f64 = 1000.0;
/// The level of the line test tone.
const LINE_TEST_DBOV: f64 = -20.0;
/// The frequency of the ringing tone.
const RINGING_HZ: f64 = 425.0;
/// Softer than speech: it goes on until the other side answers.
const RINGING_DBOV: f64 = -25.0;
const BEEP_DBOV: f64 = -20.0;
const DTMF_LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const DTMF_HIGH: [f64; 3] = [1209.0, 1336.0, 1477.0];
/// Each of the two tones.
const DTMF_DBOV: f64 = -16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_test_tone_has_its_level_and_repeats_without_a_seam() {
        let tone = line_test();
        let power = tone.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / tone.len() as f64;
        let dbov = 10.0 * (power / 32768f64.powi(2)).log10();
        assert!((dbov - LINE_TEST_DBOV).abs() < 0.05, "{dbov}");
        assert_eq!(tone[0], 0);
        assert_eq!(tone.len() % 8, 0);
    }

    #[test]
    fn the_beep_begins_and_ends_softly() {
        let beep = beep();
        assert_eq!(beep.len(), 2000);
        assert!(beep[..4].iter().chain(&beep[1996..]).all(|sample| sample.abs() < 300));
    }
}
