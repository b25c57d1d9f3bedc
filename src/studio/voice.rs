//! The voice of a set: what a take's pitch is compared with.
//!
//! In a language of tones, the pitch of a word says as much about the word as about the speaker: a Cantonese 零 lies most of
//! an octave below a 一 of the same person. So a take is compared with takes of the same tone, those of its own slot among
//! them; where there are too few, with the others, each moved from its tone to this one.

use super::conditions::Voice;
use base::Lang;
use speech::Clip;

/// Another good take of the set.
#[derive(Clone, Debug)]
pub struct OtherTake {
    /// Its slot.
    pub clip: Clip,
    /// The text that it was read from.
    pub text: String,
    /// Its median pitch, if one was measured.
    pub pitch_hz: Option<f64>,
    /// Energy above 1 kHz over that below.
    pub tilt_db: Option<f64>,
}

/// The voice that a take of this text should have; none of too few others.
pub fn voice_of_set(lang: Lang, text: &str, others: &[OtherTake]) -> Option<Voice> {
    let own = tone_height(lang, text);
    let pitches = |same: bool| -> Vec<f64> {
        let moved = |take: &OtherTake| {
            let height = tone_height(lang, &take.text);
            let fits = !same || (height - own).abs() < SAME_TONE;
            fits.then_some(take.pitch_hz? * own / height)
        };
        others.iter().filter_map(moved).collect()
    };
    let pitch_hz = median(pitches(true)).or_else(|| median(pitches(false)))?;
    let tilt_db = median(others.iter().filter_map(|take| take.tilt_db).collect())?;
    Some(Voice { pitch_hz, tilt_db })
}

/// How high a text lies against the middle of its speaker's voice, by the tones of its numerals. Longer texts and those of
/// other words lie in the middle.
fn tone_height(lang: Lang, text: &str) -> f64 {
    let numerals = match lang {
        Lang::Zh => ZH,
        Lang::Yue => YUE,
        Lang::En => return 1.0,
    };
    let height = |c: char| numerals.iter().find(|(numeral, _)| numeral.contains(c)).map(|(_, height)| *height);
    let heights: Option<Vec<f64>> = text.chars().map(height).collect();
    match heights {
        Some(heights) if !heights.is_empty() => heights.iter().sum::<f64>() / heights.len() as f64,
        Some(_) | None => 1.0,
    }
}

/// The median; `None` of too few values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    (values.len() >= VOICES_MIN).then(|| values[values.len() / 2])
}

const VOICES_MIN: usize = 3;
/// Heights nearer than this are one tone.
const SAME_TONE: f64 = 0.01;
/// Cantonese: 55, 25, 33, 21, 23 and 22 of Chao's scale, of which one step is 2.5 semitones.
const YUE: &[(&str, f64)] =
    &[("一三七", 1.29), ("九", 1.04), ("四八百", 1.0), ("零", 0.83), ("五", 0.93), ("二六十月", 0.88)];
/// Mandarin: 55, 35, 214 and 51.
const ZH: &[(&str, f64)] = &[("一幺三七八", 1.2), ("零十", 1.04), ("五九百", 0.8), ("二四六月", 1.0)];

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::time::Duration;

    use super::*;
    use crate::{Conditions, Figures, Processed, TakeSource, process};
    use audio::decode::{Damage, Decoded};

    const RATE: u32 = 48_000;
    const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    /// Chao's scale from 1, low, to 5, high: where each digit begins and ends; the last are short, with a stop.
    const CONTOURS: [(f64, f64, f64); 10] = [
        (2.0, 1.0, 0.4),
        (5.0, 5.0, 0.18),
        (2.0, 2.0, 0.36),
        (5.0, 5.0, 0.4),
        (3.0, 3.0, 0.38),
        (2.0, 3.0, 0.36),
        (2.0, 2.0, 0.2),
        (5.0, 5.0, 0.18),
        (3.0, 3.0, 0.24),
        (2.0, 5.0, 0.4),
    ];

    /// One digit of a speaker whose middle is at this pitch; at the end of a number the voice is lower and falls.
    fn said(digit: usize, middle_hz: f64, is_last: bool) -> Decoded {
        let (from, to, seconds) = CONTOURS[digit];
        let drop = if is_last { 0.94 } else { 1.0 };
        let mut phase = 0.0;
        let total = ((seconds + 0.8) * f64::from(RATE)) as usize;
        let mut state = 7u32;
        let samples = (0..total)
            .map(|n| {
                let at = (n as f64 / f64::from(RATE) - 0.4) / seconds;
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) * 0.0004;
                if !(0.0..1.0).contains(&at) {
                    return noise as f32;
                }
                let level = from + (to - from) * at;
                let hertz =
                    middle_hz * drop * 2f64.powf((level - 3.0) * 2.2 / 12.0) * (1.0 + 0.02 * (TAU * 2.5 * at).sin());
                phase += TAU * hertz / f64::from(RATE);
                let buzz: f64 = (1..24).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
                (buzz * 0.18 * (TAU * at / 2.0).sin().max(0.02).sqrt() + noise) as f32
            })
            .collect();
        Decoded { samples, rate: RATE, companded: false, damage: Damage::default() }
    }

    fn processed(digit: usize, middle_hz: f64, is_last: bool, voice: Option<Voice>) -> Processed {
        let (expected, longest) = (Duration::from_millis(400), Duration::from_secs(3));
        let conditions = Conditions { kind: TakeSource::Browser, expected, longest, sitting_dbov: Vec::new(), voice };
        process(said(digit, middle_hz, is_last), &conditions)
    }

    fn other(digit: usize, is_last: bool, figures: &Figures) -> OtherTake {
        let id = format!("digit.{}.{digit}", if is_last { "f" } else { "m" });
        let clip = Clip { lang: Lang::Yue, id: id.into() };
        OtherTake { clip, text: DIGITS[digit].into(), pitch_hz: figures.pitch_hz, tilt_db: figures.tilt_db }
    }

    /// The digits of a speaker that are taken for another voice, when the others of the set are `of_set`'s.
    fn strange(speaker_hz: f64, of_set: f64) -> Vec<&'static str> {
        let all: Vec<(usize, bool)> = (0..10).flat_map(|digit| [(digit, false), (digit, true)]).collect();
        let set: Vec<OtherTake> = all
            .iter()
            .map(|(digit, is_last)| other(*digit, *is_last, &processed(*digit, of_set, *is_last, None).figures))
            .collect();
        let is_strange = |(digit, is_last): &(usize, bool)| {
            let own = other(*digit, *is_last, &Figures::default()).clip;
            let others: Vec<OtherTake> = set.iter().filter(|take| take.clip != own).cloned().collect();
            let voice = voice_of_set(Lang::Yue, DIGITS[*digit], &others);
            let done = processed(*digit, speaker_hz, *is_last, voice);
            done.findings.iter().any(|finding| finding.code == "other_voice")
        };
        all.iter().filter(|take| is_strange(take)).map(|(digit, _)| DIGITS[*digit]).collect()
    }

    #[test]
    fn the_tones_of_one_speaker_are_one_voice_and_those_of_another_are_not() {
        for (low, high) in [(112.0, 196.0), (125.0, 220.0)] {
            assert_eq!(strange(low, low), [""; 0], "{low} Hz");
            assert_eq!(strange(high, high), [""; 0], "{high} Hz");
            for (speaker, set) in [(high, low), (low, high)] {
                let found = strange(speaker, set);
                assert_eq!(found.len(), 20, "{speaker} Hz among {set} Hz: {found:?}");
            }
        }
    }

    #[test]
    fn a_take_is_compared_with_its_own_tone_where_there_are_enough() {
        let take = |text: &str, pitch| OtherTake {
            clip: Clip { lang: Lang::Yue, id: text.into() },
            text: text.into(),
            pitch_hz: Some(pitch),
            tilt_db: Some(-3.0),
        };
        let set = [
            take("一", 180.0),
            take("三", 182.0),
            take("七", 184.0),
            take("零", 90.0),
            take("二", 91.0),
            take("六", 92.0),
        ];
        let pitch = |text| voice_of_set(Lang::Yue, text, &set).map(|voice| voice.pitch_hz);
        assert_eq!(pitch("三"), Some(182.0));
        assert!(pitch("零").is_some_and(|hertz| (85.0..120.0).contains(&hertz)), "{:?}", pitch("零"));
        assert_eq!(voice_of_set(Lang::Yue, "三", &set[..2]), None, "too few");
        assert_eq!(tone_height(Lang::Yue, "城北大厅"), 1.0);
        assert_eq!(tone_height(Lang::En, "one"), 1.0);
    }
}
