//! The duration of speech in a telephone recording.

use std::time::Duration;

use super::RATE;

/// The time from the first to the last 20 ms that are louder than line noise; zero without any. Samples are at 8000 Hz.
pub fn speech_duration(samples: &[i16]) -> Duration {
    let is_loud = |frame: &[i16]| {
        let energy: i64 = frame.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
        energy > LOUD * LOUD * frame.len() as i64
    };
    let frames = || samples.chunks(FRAME).enumerate().filter(|(_, frame)| is_loud(frame)).map(|(at, _)| at);
    let (Some(first), Some(last)) = (frames().next(), frames().next_back()) else { return Duration::ZERO };
    Duration::from_millis((last - first + 1) as u64 * 1000 * FRAME as u64 / u64::from(RATE))
}

/// 20 ms.
const FRAME: usize = 160;
/// The RMS of a frame, about −44 dBov: above line noise, below a whisper.
const LOUD: i64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sine;

    #[test]
    fn silence_and_line_noise_are_no_speech() {
        assert_eq!(speech_duration(&[]), Duration::ZERO);
        let noise: Vec<i16> = (0..16_000).map(|n| ((n * 7919) % 120 - 60) as i16).collect();
        assert_eq!(speech_duration(&noise), Duration::ZERO);
    }

    #[test]
    fn speech_lasts_from_its_first_word_to_its_last() {
        let word = sine(300.0, -20.0, Duration::from_millis(400));
        let samples = [vec![0; 8000], word.clone(), vec![0; 4000], word, vec![0; 8000]].concat();
        let length = speech_duration(&samples);
        assert!((Duration::from_millis(1280)..=Duration::from_millis(1340)).contains(&length), "{length:?}");
    }
}
