//! Detects speech by its level above the noise floor: whether an operator speaks, and what of a recording to keep.

use std::time::Duration;

use audio::{RATE, before_last_key};
use base::Key;

/// Follows a recording while it is made, 20 ms at a time.
#[derive(Clone, Debug)]
pub(super) struct SpeechDetector {
    frame: Vec<i16>,
    /// The noise floor: the quietest recent level, in dBov.
    floor: f32,
    voiced: u32,
    quiet: u32,
}

impl SpeechDetector {
    pub(super) fn new() -> SpeechDetector {
        SpeechDetector { frame: Vec::with_capacity(FRAME), floor: FLOOR_AT_FIRST, voiced: 0, quiet: 0 }
    }

    pub(super) fn feed(&mut self, samples: &[i16]) {
        for sample in samples {
            self.frame.push(*sample);
            if self.frame.len() == FRAME {
                self.judge();
                self.frame.clear();
            }
        }
    }

    /// Whether there was speech: more than a click or the line's noise.
    pub(super) fn heard_speech(&self) -> bool {
        self.voiced >= SPEECH_FRAMES
    }

    /// How long the speaker has been silent, by the samples that came.
    pub(super) fn quiet(&self) -> Duration {
        Duration::from_millis(20) * self.quiet
    }

    fn judge(&mut self) {
        let energy: f32 = self.frame.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        let level = 10.0 * (energy / FRAME as f32 / f32::from(i16::MAX).powi(2)).max(1e-10).log10();
        self.floor = level.min(self.floor + RISE_PER_FRAME).max(LOWEST_FLOOR);
        if level > (self.floor + ABOVE_FLOOR).max(FAINTEST) {
            self.voiced += 1;
            self.quiet = 0;
        } else {
            self.quiet += 1;
        }
    }
}

/// A recording (16-bit samples at 8 kHz) without the tone of the key that ended it; none if it holds no speech.
pub fn trim_to_speech(mut samples: Vec<i16>) -> Option<Vec<i16>> {
    let end = before_last_key(&samples, Key::Pound);
    samples.truncate(end);
    let mut detector = SpeechDetector::new();
    detector.feed(&samples);
    detector.heard_speech().then_some(samples)
}

/// 20 ms.
const FRAME: usize = RATE as usize / 50;
/// 100 ms.
const SPEECH_FRAMES: u32 = 5;
const FLOOR_AT_FIRST: f32 = -60.0;
const LOWEST_FLOOR: f32 = -70.0;
/// One dB a second: a noise that begins later becomes the floor, a sentence does not.
const RISE_PER_FRAME: f32 = 0.02;
const ABOVE_FLOOR: f32 = 12.0;
/// A whisper far from the microphone.
const FAINTEST: f32 = -48.0;

#[cfg(test)]
mod tests {
    use super::*;
    use audio::sine;

    fn tone(hertz: f64, dbov: f64, ms: u64) -> Vec<i16> {
        sine(hertz, dbov, Duration::from_millis(ms))
    }

    #[test]
    fn a_click_and_the_noise_of_a_line_are_no_speech() {
        let mut samples: Vec<i16> = (0..40_000).map(|n| ((n * 7919) % 61 - 30) as i16).collect();
        assert_eq!(trim_to_speech(samples.clone()), None);
        samples[20_000..20_080].fill(9000);
        assert_eq!(trim_to_speech(samples), None);
        assert_eq!(trim_to_speech(Vec::new()), None);
    }

    #[test]
    fn speech_is_kept_whole_and_quiet_is_counted_after_it() {
        let samples = [tone(440.0, -20.0, 400), vec![0; 8000]].concat();
        assert_eq!(trim_to_speech(samples.clone()).map(|kept| kept.len()), Some(samples.len()));
        let mut detector = SpeechDetector::new();
        samples.chunks(77).for_each(|part| detector.feed(part));
        assert!(detector.heard_speech());
        assert_eq!(detector.quiet(), Duration::from_secs(1));
    }

    #[test]
    fn the_tone_of_the_key_that_ended_it_is_cut_off() {
        let key: Vec<i16> =
            tone(941.0, -13.0, 80).iter().zip(tone(1477.0, -13.0, 80)).map(|(low, high)| low + high).collect();
        let said = [tone(440.0, -20.0, 400), vec![0; 1600]].concat();
        let kept = trim_to_speech([said.clone(), key].concat()).expect("speech");
        assert!(kept.len() <= said.len() && kept.len() > said.len() - 160, "{} of {}", kept.len(), said.len());
        assert_eq!(kept, said[..kept.len()]);
    }
}
