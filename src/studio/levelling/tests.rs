//! Synthetic voices with synthetic faults, and the shipped recordings.

use super::*;
use crate::{Grade, TakeSource, Voice};
use audio::decode::Damage;
use std::f64::consts::TAU;
use support::speaker::{RATE, Speaker};

fn processed(speaker: &Speaker) -> Processed {
    process(sound(speaker.samples()), &conditions(TakeSource::Browser))
}

fn sound(samples: Vec<f32>) -> Decoded {
    Decoded { samples, rate: RATE, companded: false, damage: Damage::default() }
}

fn conditions(kind: TakeSource) -> Conditions {
    Conditions {
        kind,
        expected: Duration::from_secs(2),
        longest: Duration::from_secs(6),
        sitting_dbov: Vec::new(),
        voice: None,
    }
}

fn codes(processed: &Processed) -> Vec<(&str, Grade)> {
    processed.findings.iter().map(|finding| (&*finding.code, finding.grade)).collect()
}

fn master(processed: &Processed) -> Vec<i16> {
    hound::WavReader::new(&processed.master[..]).unwrap().into_samples().map(Result::unwrap).collect()
}

#[test]
fn a_good_take_is_levelled_and_trimmed_and_passes_without_a_fault() {
    let done = processed(&Speaker::default());
    assert_eq!(codes(&done), []);
    let figures = &done.figures;
    assert!((figures.level_dbov + 20.0).abs() < 0.2, "{figures:?}");
    assert!(figures.peak_dbtp <= -3.0 + 0.01, "{figures:?}");
    assert!((2000..2200).contains(&figures.speech_ms), "{figures:?}");
    assert_eq!(figures.original_ms, 2800);
    assert!(figures.snr_db.is_some_and(|snr| (40.0..60.0).contains(&snr)), "{figures:?}");
    assert!(figures.pitch_hz.is_some_and(|hertz| (hertz - 140.0).abs() < 8.0), "{figures:?}");
    let samples = master(&done);
    assert!(samples[0].abs() < 20 && samples[samples.len() - 1].abs() < 20, "the ends are soft");
    let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    let dbov = 10.0 * (power / 32768f64.powi(2)).log10();
    assert!((-22.0..-19.0).contains(&dbov), "{dbov}");
}

#[test]
fn the_same_recording_gives_the_same_master() {
    let speaker = Speaker::default();
    assert_eq!(processed(&speaker).master, processed(&speaker).master);
}

#[test]
fn a_quiet_and_a_loud_take_come_out_equally_loud() {
    let level = |level| processed(&Speaker { level, noise: 0.000_02, ..Speaker::default() }).figures.level_dbov;
    assert!((level(0.05) - level(0.5)).abs() < 0.1);
}

#[test]
fn each_fault_is_named_with_its_figure() {
    let found = |speaker: Speaker| processed(&speaker);
    let named = |done: &Processed, code: &str, grade| {
        let finding = done.findings.iter().find(|finding| finding.code == code);
        let finding = finding.unwrap_or_else(|| panic!("{code} is not among {:?}", done.findings));
        assert_eq!(finding.grade, grade, "{finding:?}");
        assert!(finding.figure.is_some() && !finding.words.zh.is_empty() && !finding.words.en.is_empty());
    };
    named(&found(Speaker { level: 0.012, noise: 0.0, ..Speaker::default() }), "quiet", Grade::Warn);
    named(&found(Speaker { level: 0.002, noise: 0.0, ..Speaker::default() }), "quiet", Grade::Reject);
    named(&found(Speaker { noise: 0.0035, ..Speaker::default() }), "noisy", Grade::Warn);
    named(&found(Speaker { noise: 0.03, ..Speaker::default() }), "noisy", Grade::Reject);
    named(&found(Speaker { hum: 0.012, ..Speaker::default() }), "hum", Grade::Warn);
    named(&found(Speaker { lead_s: 0.0, ..Speaker::default() }), "cut_start", Grade::Warn);
    named(&found(Speaker { tail_s: 0.0, ..Speaker::default() }), "cut_end", Grade::Warn);
    named(&found(Speaker { speech_s: 5.7, ..Speaker::default() }), "long", Grade::Warn);
    named(&found(Speaker { speech_s: 7.0, ..Speaker::default() }), "long", Grade::Reject);
    named(&found(Speaker { speech_s: 0.3, ..Speaker::default() }), "short", Grade::Warn);
}

#[test]
fn clipping_is_found_at_full_scale_and_after_it_was_made_softer() {
    let clip = |at: f32, gain: f32| {
        let mut samples = Speaker { level: 2.5, ..Speaker::default() }.samples();
        samples.iter_mut().for_each(|sample| *sample = sample.clamp(-at, at) * gain);
        process(sound(samples), &conditions(TakeSource::Browser))
    };
    assert!(codes(&clip(0.999, 1.0)).contains(&("clipped", Grade::Reject)));
    assert!(codes(&clip(0.8, 0.7)).contains(&("clipped", Grade::Reject)));
    let loud = processed(&Speaker { level: 0.45, ..Speaker::default() });
    assert!(codes(&loud).iter().all(|(code, _)| *code != "clipped"), "{:?}", loud.findings);
}

#[test]
fn silence_and_noise_alone_are_no_speech() {
    for level in [0.0, 0.00005] {
        let done = processed(&Speaker { level: 0.0, noise: level, ..Speaker::default() });
        assert_eq!(codes(&done), [("silent", Grade::Reject)]);
    }
    let noise = processed(&Speaker { level: 0.0, noise: 0.05, ..Speaker::default() });
    assert_eq!(codes(&noise), [("no_speech", Grade::Reject)]);
    let offset = process(sound(vec![0.4; 48_000]), &conditions(TakeSource::Browser));
    assert_eq!(codes(&offset), [("silent", Grade::Reject)]);
}

#[test]
fn a_click_of_the_mouse_is_cut_off_with_the_silence() {
    let mut samples = Speaker::default().samples();
    samples[2400..2800].iter_mut().enumerate().for_each(|(n, s)| *s = if n % 2 == 0 { 0.5 } else { -0.5 });
    let done = process(sound(samples), &conditions(TakeSource::Browser));
    assert!((2000..2200).contains(&done.figures.speech_ms), "{:?}", done.figures);
}

#[test]
fn takes_of_one_sitting_share_a_gain_and_differ_by_two_db_at_most() {
    let with = |sitting: Vec<f64>| {
        let conditions = Conditions { sitting_dbov: sitting, ..conditions(TakeSource::Browser) };
        process(sound(Speaker { level: 0.1, ..Speaker::default() }.samples()), &conditions).figures
    };
    let alone = with(Vec::new());
    assert!((alone.level_dbov + 20.0).abs() < 0.2, "{alone:?}");
    let softer = with(vec![alone.level_in_dbov + 5.0; 9]);
    assert!((softer.level_dbov + 23.0).abs() < 0.2, "a soft word of a louder sitting stays 3 dB softer: {softer:?}");
    let near = with(vec![alone.level_in_dbov + 1.0; 9]);
    assert!((near.level_dbov + 20.0).abs() < 0.2, "{near:?}");
}

#[test]
fn another_speaker_is_detected_in_the_set() {
    let voice = Some(Voice { pitch_hz: 140.0, tilt_db: -3.0 });
    let pitch = |pitch_hz| {
        let conditions = Conditions { voice, ..conditions(TakeSource::Browser) };
        process(sound(Speaker { pitch_hz, ..Speaker::default() }.samples()), &conditions)
    };
    assert!(codes(&pitch(225.0)).contains(&("other_voice", Grade::Warn)));
    assert!(!codes(&pitch(150.0)).iter().any(|(code, _)| *code == "other_voice"));
}

#[test]
fn odd_rates_and_high_ones_become_one_that_a_release_can_play() {
    for (rate, wanted) in [(11_025, 16_000), (44_056, 48_000), (96_000, 48_000), (192_000, 48_000), (8000, 8000)] {
        let samples: Vec<f32> = (0..rate * 2)
            .map(|n| {
                let t = f64::from(n) / f64::from(rate);
                let on = (0.4..1.6).contains(&t);
                if on { ((TAU * 500.0 * t).sin() * 0.2) as f32 } else { 0.0 }
            })
            .collect();
        let done = process(
            Decoded { samples, rate, companded: false, damage: Damage::default() },
            &conditions(TakeSource::File),
        );
        assert_eq!(done.figures.rate_hz, wanted, "{rate}");
        assert!((1200..1350).contains(&done.figures.speech_ms), "{rate}: {:?}", done.figures);
    }
}

#[test]
fn the_shipped_recordings_pass() {
    let (mut all, mut warnings) = (0, Vec::new());
    for (name, bytes) in support::recordings::files() {
        let sound = audio::decode::decode(&bytes, Duration::from_secs(60)).unwrap();
        let expected = sound.duration();
        let longest = expected;
        let done = process(sound, &Conditions { expected, longest, ..conditions(TakeSource::File) });
        all += 1;
        for finding in done.findings {
            assert_eq!(finding.grade, Grade::Warn, "{finding:?}");
            warnings.push(format!("{name}: {}", finding.words.en));
        }
    }
    assert!(all > 900, "{all}");
    assert!(warnings.len() * 50 < all, "{} of {all}:\n{}", warnings.len(), warnings.join("\n"));
}

#[test]
fn a_file_that_lost_sound_is_rejected() {
    let speaker = Speaker::default();
    let second = Duration::from_secs(1);
    for (damage, code) in [
        (Damage { places: 2, lost: second, stated: None }, "damaged"),
        (Damage { places: 0, lost: Duration::ZERO, stated: Some(second * 9) }, "ends_early"),
    ] {
        let heard = Decoded { damage, ..sound(speaker.samples()) };
        let silent = Decoded { damage, ..sound(vec![0.0; RATE as usize]) };
        for sound in [heard, silent] {
            let found = process(sound, &conditions(TakeSource::File)).findings;
            assert!(found[0].code == code && found[0].grade == Grade::Reject, "{found:?}");
        }
    }
}
