//! Makes a master of a decoded recording, measures it and checks it.
//!
//! ```text
//!  one channel ─► high-pass 100 Hz ─► trim ─► gain ─► fades ─► 16 bits
//!                        └─ room, hum       └─ −20 dBov of active speech; one gain for a sitting, ± 2 dB for a take
//! ```
//! The same recording under the same conditions gives the same master, bit for bit.

use std::ops::Range;
use std::time::Duration;

use super::conditions::Conditions;
use super::quality::{self, Measured};
use super::take::{Figures, Finding};
use audio::decode::Decoded;
use audio::measure::{self, Frames};
use audio::{mastering, to_telephone_rate};

/// A master with its figures and findings.
#[derive(Clone, Debug)]
pub struct Processed {
    /// A RIFF WAVE file: 16-bit PCM, one channel.
    pub master: Vec<u8>,
    /// What was measured.
    pub figures: Figures,
    /// What the checks found; empty for a good take.
    pub findings: Vec<Finding>,
}

/// Makes a master. A recording without speech is rejected by one finding, beside those of a damaged file.
pub fn process(sound: Decoded, conditions: &Conditions) -> Processed {
    let mut findings = quality::of_file(&sound.damage, sound.duration());
    let mut processed = of_sound(sound, conditions);
    findings.append(&mut processed.findings);
    Processed { findings, ..processed }
}

fn of_sound(sound: Decoded, conditions: &Conditions) -> Processed {
    let clipped = quality::clipped(&sound.samples, sound.companded);
    let peak_in = sound.samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    let original = sound.duration();
    let (mut samples, rate) = mastering::to_master_rate(sound.samples, sound.rate);
    mastering::high_pass(&mut samples, rate, HIGH_PASS_HZ);
    let frames = Frames::of(&samples, rate);
    let mut figures = Figures { original_ms: millis(original), rate_hz: rate, ..Figures::default() };
    let Some(speech) = frames.speech() else {
        // A loud steady noise masks any speech.
        let loud = frames.percentile(0.5) > quality::SILENT_DBOV;
        let finding = if loud { quality::no_speech } else { quality::silent };
        return without_speech(samples, rate, figures, peak_in, finding);
    };
    if frames.is_steady() {
        return without_speech(samples, rate, figures, peak_in, quality::no_speech);
    }
    let kept = mastering::trimmed(&speech, &frames, samples.len(), rate);
    let hum = quality::hum(&samples, rate, frames.longest_pause(&speech, samples.len()), HIGH_PASS_HZ);
    let measured = measured(&frames, &speech, clipped, hum);
    samples.truncate(kept.end);
    samples.drain(..kept.start);
    figures.speech_ms = millis(Duration::from_secs_f64(samples.len() as f64 / f64::from(rate)));
    figures.snr_db = measured.room_dbov.map(|room| measured.level_dbov - room);
    let gain_db = gain(&mut figures, measured.level_dbov, &samples, &conditions.sitting_dbov);
    mastering::fade(&mut samples, rate);
    let master = mastering::to_16_bit(&samples, measure::factor(gain_db));
    (figures.pitch_hz, figures.tilt_db) = voice(&master, rate);
    let findings = quality::check(&figures, &measured, conditions);
    Processed { master: wav(&master, rate), figures, findings }
}

fn measured(frames: &Frames, speech: &Range<usize>, clipped: u32, hum_dbov: Option<f64>) -> Measured {
    let part = frames.part(speech.clone());
    let level_dbov = part.active().unwrap_or_else(|| frames.mean(speech.clone()));
    Measured {
        clipped,
        level_dbov,
        room_dbov: frames.room_noise(speech),
        hum_dbov,
        lead_ms: (speech.start * FRAME_MS) as u32,
        tail_ms: ((frames.len() - speech.end) * FRAME_MS) as u32,
        edge_start_db: frames.mean(0..EDGE_FRAMES.min(frames.len())) - level_dbov,
        edge_end_db: frames.mean(frames.len().saturating_sub(EDGE_FRAMES)..frames.len()) - level_dbov,
    }
}

/// The gain of a take: that of the sitting's median level, up to 2 dB more or less, limited by the peak.
fn gain(figures: &mut Figures, level: f64, samples: &[f32], sitting: &[f64]) -> f64 {
    let mut levels: Vec<f64> = sitting.iter().copied().chain([level]).collect();
    levels.sort_unstable_by(f64::total_cmp);
    let middle = levels[levels.len() / 2];
    let wanted = (TARGET_DBOV - level).clamp(TARGET_DBOV - middle - OWN_DB, TARGET_DBOV - middle + OWN_DB);
    let peak_db = 20.0 * measure::true_peak(samples).max(1e-9).log10();
    let gain_db = wanted.min(PEAK_DBTP - peak_db).min(GAIN_MOST_DB);
    figures.level_in_dbov = level;
    figures.gain_db = gain_db;
    figures.level_dbov = level + gain_db;
    figures.peak_dbtp = peak_db + gain_db;
    gain_db
}

/// Pitch and tilt within telephone bandwidth, so that takes by browser and by telephone are comparable.
fn voice(master: &[i16], rate: u32) -> (Option<f64>, Option<f64>) {
    let part = &master[..master.len().min(rate as usize * VOICE_SECONDS)];
    match to_telephone_rate(part, rate) {
        Some(samples) => (measure::pitch(&samples), measure::tilt(&samples)),
        None => (None, None),
    }
}

/// A take without speech: it can be played, and cannot be kept.
fn without_speech(
    samples: Vec<f32>,
    rate: u32,
    mut figures: Figures,
    peak: f32,
    finding: fn(f64) -> Finding,
) -> Processed {
    let short = &samples[..samples.len().min(rate as usize * VOICE_SECONDS)];
    let master = mastering::to_16_bit(short, 1.0);
    let level = Frames::of(short, rate).percentile(0.99);
    figures.level_in_dbov = level;
    figures.level_dbov = level;
    figures.peak_dbtp = 20.0 * f64::from(peak.max(1e-9)).log10();
    Processed { master: wav(&master, rate), figures, findings: vec![finding(level)] }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Encodes samples as a master: RIFF WAVE, 16-bit PCM, one channel.
pub fn wav(samples: &[i16], rate: u32) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = std::io::Cursor::new(Vec::with_capacity(samples.len() * 2 + 44));
    let mut writer = hound::WavWriter::new(&mut file, spec).expect("writing to memory does not fail");
    {
        let mut block = writer.get_i16_writer(samples.len() as u32);
        samples.iter().for_each(|sample| block.write_sample(*sample));
        block.flush().expect("the block holds exactly these samples");
    }
    writer.finalize().expect("writing to memory does not fail");
    file.into_inner()
}

const HIGH_PASS_HZ: f64 = 100.0;
pub(super) const TARGET_DBOV: f64 = -20.0;
/// How far the gain of a take may differ from that of its sitting.
const OWN_DB: f64 = 2.0;
const PEAK_DBTP: f64 = -3.0;
/// A higher gain raises the room noise more than the voice.
const GAIN_MOST_DB: f64 = 30.0;
const FRAME_MS: usize = 5;
const EDGE_FRAMES: usize = 2;
const VOICE_SECONDS: usize = 20;

#[cfg(test)]
mod tests;
