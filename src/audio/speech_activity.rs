//! The duration of speech in a telephone recording.

use std::time::Duration;

use super::RATE;

/// Measures a recording as it comes: the time from the first to the last 20 ms that are louder than line noise. Samples are
/// at 8000 Hz.
#[derive(Clone, Debug, Default)]
pub struct SpeechMeter {
    /// Of the frame that is not full.
    energy: i64,
    filled: usize,
    /// Frames before it.
    frames: u64,
    /// The first and the last loud frame.
    loud: Option<(u64, u64)>,
}

impl SpeechMeter {
    /// Adds the next stretch.
    pub fn feed(&mut self, samples: &[i16]) {
        for sample in samples {
            self.energy += i64::from(*sample) * i64::from(*sample);
            self.filled += 1;
            if self.filled == FRAME {
                self.end_frame();
            }
        }
    }

    /// Adds silence of this many samples.
    pub fn feed_silence(&mut self, samples: usize) {
        let first = samples.min(FRAME - self.filled);
        self.filled += first;
        if self.filled == FRAME {
            self.end_frame();
        }
        self.frames += ((samples - first) / FRAME) as u64;
        self.filled += (samples - first) % FRAME;
    }

    /// The speech so far; zero without any.
    pub fn duration(&self) -> Duration {
        let mut ended = self.clone();
        if ended.filled > 0 {
            ended.end_frame();
        }
        let Some((first, last)) = ended.loud else { return Duration::ZERO };
        Duration::from_millis((last - first + 1) * 1000 * FRAME as u64 / u64::from(RATE))
    }

    fn end_frame(&mut self) {
        if self.energy > LOUD * LOUD * self.filled as i64 {
            let first = self.loud.map_or(self.frames, |(first, _)| first);
            self.loud = Some((first, self.frames));
        }
        (self.energy, self.filled, self.frames) = (0, 0, self.frames + 1);
    }
}

/// 20 ms.
const FRAME: usize = 160;
/// The RMS of a frame, about −44 dBov: above line noise, below a whisper.
const LOUD: i64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sine;

    fn speech_duration(samples: &[i16]) -> Duration {
        let mut meter = SpeechMeter::default();
        // In stretches that no frame fits.
        samples.chunks(333).for_each(|stretch| meter.feed(stretch));
        meter.duration()
    }

    #[test]
    fn silence_and_line_noise_are_no_speech() {
        assert_eq!(speech_duration(&[]), Duration::ZERO);
        let noise: Vec<i16> = (0..16_000).map(|n| ((n * 7919) % 120 - 60) as i16).collect();
        assert_eq!(speech_duration(&noise), Duration::ZERO);
    }

    #[test]
    fn speech_lasts_from_its_first_word_to_its_last() {
        let word = sine(300.0, -20.0, Duration::from_millis(400));
        let samples = [vec![0; 8000], word.clone(), vec![0; 4000], word.clone(), vec![0; 8000]].concat();
        let length = speech_duration(&samples);
        assert!((Duration::from_millis(1280)..=Duration::from_millis(1340)).contains(&length), "{length:?}");
        let mut meter = SpeechMeter::default();
        meter.feed_silence(8000);
        meter.feed(&word);
        meter.feed_silence(4000);
        meter.feed(&word);
        meter.feed_silence(8001);
        assert_eq!(meter.duration(), length);
    }
}
