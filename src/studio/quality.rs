//! The checks of a take. A finding names the fault, the measured figure and what the operator can do.
//!
//! Limits depend on how a take came in: in the browser it can be repeated at once; a telephone adds noise; a file from
//! a studio is already trimmed.

use std::ops::Range;
use std::time::Duration;

use super::conditions::Conditions;
use super::take::{Figures, Finding, Grade, Message, TakeSource};
use audio::decode::Damage;
use audio::measure;

/// Measurements that only the checks need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// The number of clipped places.
    pub clipped: u32,
    /// Active speech before the gain.
    pub level_dbov: f64,
    pub room_dbov: Option<f64>,
    /// The strongest line of mains hum in the room noise, before the high-pass.
    pub hum_dbov: Option<f64>,
    /// Milliseconds before and after the speech.
    pub lead_ms: u32,
    pub tail_ms: u32,
    /// The level of the first and the last 10 ms, relative to the speech.
    pub edge_start_db: f64,
    pub edge_end_db: f64,
}

/// Runs every check of a take in which speech was found.
pub(super) fn check(figures: &Figures, measured: &Measured, conditions: &Conditions) -> Vec<Finding> {
    let found = [
        clipping(measured),
        level(measured),
        uneven(figures),
        noise(figures, conditions.kind),
        mains_hum(figures, measured),
        cut_start(measured, conditions.kind),
        cut_end(measured, conditions.kind),
        length(figures, conditions),
        other_voice(figures, conditions),
    ];
    found.into_iter().flatten().collect()
}

/// The findings of a file that lost sound before it came here. `played`: its playing time.
pub(super) fn of_file(damage: &Damage, played: Duration) -> Vec<Finding> {
    [damaged(damage), ends_early(damage, played)].into_iter().flatten().collect()
}

fn damaged(damage: &Damage) -> Option<Finding> {
    let (n, lost) = (damage.places, damage.lost.as_secs_f64());
    if n == 0 {
        return None;
    }
    let places = if n == 1 { "place" } else { "places" };
    let (zh_lost, en_lost) = match damage.lost.is_zero() {
        true => ("缺失时长不明".into(), "an unknown part is missing".into()),
        false => (format!("缺约 {lost:.1} 秒"), format!("about {lost:.1} s missing")),
    };
    let zh = format!("文件已损坏：有 {n} 处损坏，{zh_lost}。请从原处重新复制或导出，再上传一次。");
    let en = format!("damaged in {n} {places}, {en_lost}. Copy or export the file again, and send it once more.");
    finding("damaged", Grade::Reject, n.into(), "places", zh, en)
}

fn ends_early(damage: &Damage, played: Duration) -> Option<Finding> {
    let (stated, played) = (damage.stated?.as_secs_f64(), played.as_secs_f64());
    let zh = format!("文件不完整：应有 {stated:.1} 秒，只有 {played:.1} 秒。请从原处重新复制或导出，再上传一次。");
    let en = format!(
        "the file ends early: {played:.1} of {stated:.1} s. Copy or export the file again, and send it once more."
    );
    finding("ends_early", Grade::Reject, played, "s", zh, en)
}

fn finding(code: &str, grade: Grade, figure: f64, unit: &str, zh: String, en: String) -> Option<Finding> {
    let figure = (figure * 10.0).round() / 10.0;
    Some(Finding { code: code.into(), grade, figure: Some(figure), unit: unit.into(), words: Message { zh, en } })
}

fn clipping(measured: &Measured) -> Option<Finding> {
    let n = measured.clipped;
    if n == 0 {
        return None;
    }
    let zh = format!("声音失真：有 {n} 处过载。请调低麦克风音量或离远一些，再录一遍。");
    let en = format!("clipped at {n} places. Turn the microphone down or move away from it, and record again.");
    finding("clipped", Grade::Reject, n.into(), "places", zh, en)
}

fn level(measured: &Measured) -> Option<Finding> {
    let level = measured.level_dbov;
    let grade = |near: bool| if near { Grade::Warn } else { Grade::Reject };
    if level < QUIET_DBOV {
        let zh = format!("声音太小：{level:.0} dBov（应在 −35 至 −12）。请靠近麦克风或调高音量。");
        let en = format!("too quiet: {level:.0} dBov (−35 to −12 is right). Move closer or turn the microphone up.");
        return finding("quiet", grade(level >= FAINT_DBOV), level, "dBov", zh, en);
    }
    if level > LOUD_DBOV {
        let zh = format!("声音太大：{level:.0} dBov（应在 −35 至 −12）。请离远一些或调低音量。");
        let en = format!("too loud: {level:.0} dBov (−35 to −12 is right). Move away or turn the microphone down.");
        return finding("loud", Grade::Warn, level, "dBov", zh, en);
    }
    None
}

fn uneven(figures: &Figures) -> Option<Finding> {
    let level = figures.level_dbov;
    if level >= SOFT_DBOV {
        return None;
    }
    let zh = format!("处理后仍偏小：{level:.1} dBov（目标 −20）。录音里有突发的响声，请避免喷麦和碰撞麦克风。");
    let en = format!(
        "still quiet after levelling: {level:.1} dBov (the target is −20). Something in it is much louder than the voice: avoid pops and knocks."
    );
    finding("uneven", Grade::Warn, level, "dBov", zh, en)
}

fn noise(figures: &Figures, kind: TakeSource) -> Option<Finding> {
    let snr = figures.snr_db?;
    let (good, least) = match kind {
        TakeSource::Browser => (35.0, 25.0),
        // Trimmed close, a file has little but the decay of its words to measure a room in.
        TakeSource::File => (30.0, 22.0),
        TakeSource::Phone => (30.0, 20.0),
    };
    if snr >= good {
        return None;
    }
    let grade = if snr < least { Grade::Reject } else { Grade::Warn };
    let zh = format!("噪声大：人声只比环境噪声高 {snr:.0} dB（应在 {good:.0} 以上）。请关掉风扇和空调，关好门窗。");
    let en = format!(
        "noisy: the voice is only {snr:.0} dB above the room ({good:.0} or more is right). Switch off fans, close doors and windows."
    );
    finding("noisy", grade, snr, "dB", zh, en)
}

fn mains_hum(figures: &Figures, measured: &Measured) -> Option<Finding> {
    let line = measured.hum_dbov? + figures.gain_db;
    if line < HUM_DBOV {
        return None;
    }
    let zh = format!("有电源嗡声：{line:.0} dBov（应低于 −50）。请换一个插座或电缆，让麦克风远离电源。");
    let en = format!(
        "mains hum: {line:.0} dBov (below −50 is right). Try another socket or cable, and keep the microphone away from power supplies."
    );
    finding("hum", Grade::Warn, line, "dBov", zh, en)
}

fn cut_start(measured: &Measured, kind: TakeSource) -> Option<Finding> {
    let ms = measured.lead_ms;
    if !is_cut(ms, measured.edge_start_db, kind) {
        return None;
    }
    let zh = format!("开头可能不完整：开始录音后 {ms} 毫秒就有人声。请按下录音键，稍等片刻再读。");
    let en = format!(
        "the beginning may be cut off: speech begins {ms} ms after the start. Wait a moment after pressing record."
    );
    finding("cut_start", Grade::Warn, ms.into(), "ms", zh, en)
}

fn cut_end(measured: &Measured, kind: TakeSource) -> Option<Finding> {
    let ms = measured.tail_ms;
    if !is_cut(ms, measured.edge_end_db, kind) {
        return None;
    }
    let zh = format!("结尾可能不完整：距录音结束 {ms} 毫秒处仍有人声。请读完稍等片刻再停止。");
    let en =
        format!("the end may be cut off: speech lasts until {ms} ms before the end. Wait a moment before you stop.");
    finding("cut_end", Grade::Warn, ms.into(), "ms", zh, en)
}

/// A live recording has silence around it. A file may be trimmed; cut off is one that begins or ends in mid-sound.
fn is_cut(ms: u32, edge_db: f64, kind: TakeSource) -> bool {
    match kind {
        TakeSource::Browser => ms < 50,
        TakeSource::Phone => ms < 20,
        TakeSource::File => ms < 20 && edge_db > -12.0,
    }
}

fn length(figures: &Figures, conditions: &Conditions) -> Option<Finding> {
    let seconds = f64::from(figures.speech_ms) / 1000.0;
    let (expected, longest) = (conditions.expected.as_secs_f64(), conditions.longest.as_secs_f64());
    if seconds > longest {
        let zh = format!("太长：{seconds:.1} 秒，这里最多 {longest:.1} 秒。请只读显示的文字。");
        let en = format!("too long: {seconds:.1} s, at most {longest:.1} s here. Read only the text that is shown.");
        return finding("long", Grade::Reject, seconds, "s", zh, en);
    }
    if seconds > expected * 2.5 + 0.3 {
        let zh = format!("偏长：{seconds:.1} 秒，预计约 {expected:.1} 秒。请检查是否多读了内容。");
        let en = format!("long: {seconds:.1} s, expected about {expected:.1} s. Check that nothing else was said.");
        return finding("long", Grade::Warn, seconds, "s", zh, en);
    }
    // The silence kept around the words does not count.
    let spoken = (seconds - 0.09).max(0.0);
    if spoken < (expected * 0.35).max(0.08) {
        let zh = format!("偏短：{spoken:.1} 秒，预计约 {expected:.1} 秒。请检查是否漏读。");
        let en = format!("short: {spoken:.1} s, expected about {expected:.1} s. Check that nothing is missing.");
        return finding("short", Grade::Warn, spoken, "s", zh, en);
    }
    None
}

fn other_voice(figures: &Figures, conditions: &Conditions) -> Option<Finding> {
    let voice = conditions.voice?;
    let pitch = figures.pitch_hz.map(|hertz| (hertz, hertz / voice.pitch_hz));
    if let Some((hertz, ratio)) = pitch
        && !(1.0 / PITCH_RATIO..=PITCH_RATIO).contains(&ratio)
    {
        let (zh, en) = (
            format!(
                "可能不是同一个人的声音：音高 {hertz:.0} 赫兹，同组录音约 {:.0} 赫兹。同一组请由同一人录制。",
                voice.pitch_hz
            ),
            format!(
                "sounds like another speaker: pitch {hertz:.0} Hz, the rest of the set about {:.0} Hz. One person should record the whole set.",
                voice.pitch_hz
            ),
        );
        return finding("other_voice", Grade::Warn, hertz, "Hz", zh, en);
    }
    let apart = figures.tilt_db? - voice.tilt_db;
    if apart.abs() <= TILT_DB {
        return None;
    }
    let zh = format!("音色与同组录音相差 {:.0} dB：请使用同一个麦克风，保持同样的距离。", apart.abs());
    let en = format!(
        "its tone differs from the rest of the set by {:.0} dB: use the same microphone at the same distance.",
        apart.abs()
    );
    finding("other_tone", Grade::Warn, apart, "dB", zh, en)
}

/// The finding of a silent recording.
pub(super) fn silent(level: f64) -> Finding {
    let zh = format!("没有录到人声（最响处 {level:.0} dBov）。请检查麦克风是否接好、是否静音。");
    let en = format!("no voice: {level:.0} dBov at the loudest. Check that the microphone is connected and not muted.");
    let words = Message { zh, en };
    Finding { code: "silent".into(), grade: Grade::Reject, figure: Some(level.round()), unit: "dBov".into(), words }
}

/// The finding of a recording that holds only a fan, a tone or line noise.
pub(super) fn no_speech(level: f64) -> Finding {
    let zh = format!("只录到持续的噪声或音调（{level:.0} dBov），没有人声。请检查麦克风和录音环境。");
    let en = format!("only a steady noise or tone ({level:.0} dBov), no voice. Check the microphone and the room.");
    let words = Message { zh, en };
    Finding { code: "no_speech".into(), grade: Grade::Reject, figure: Some(level.round()), unit: "dBov".into(), words }
}

/// Counts clipped places: three samples in a row at full scale, all at one height or beyond it.
pub(super) fn clipped(samples: &[f32], companded: bool) -> u32 {
    let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    let (full, least) = if companded { (COMPANDED_FULL, 4) } else { (FULL, 3) };
    let hard = flat_tops(samples, full.min(peak * 0.999).max(full), least, 0.001);
    if hard > 0 || companded || peak < PULLED_DOWN || peak >= full {
        return hard;
    }
    // Clipped first and attenuated afterwards: the same height many times.
    let soft = flat_tops(samples, peak * 0.9999, 4, 0.0001);
    if soft >= 5 { soft } else { 0 }
}

/// Counts runs of at least `least` samples of one sign above a level that are flat or beyond full scale.
fn flat_tops(samples: &[f32], level: f32, least: usize, flat: f32) -> u32 {
    let (mut places, mut at) = (0, 0);
    while at < samples.len() {
        if samples[at].abs() < level {
            at += 1;
            continue;
        }
        let sign = samples[at].signum();
        let length = samples[at..].iter().take_while(|sample| *sample * sign >= level).count();
        let run = samples[at..at + length].iter().map(|sample| sample.abs());
        let (low, high) = run.fold((f32::MAX, 0f32), |(low, high), sample| (low.min(sample), high.max(sample)));
        if length >= least && (high - low <= flat || high > 1.001 || length >= 4 * least) {
            places += 1;
        }
        at += length;
    }
    places
}

/// The strongest line of mains hum in the room's sound, in dBov as it was before a high-pass; `None` where there is
/// none, or where no pause is long enough to tell.
pub(super) fn hum(samples: &[f32], rate: u32, room: Option<Range<usize>>, high_pass_hz: f64) -> Option<f64> {
    let part = &samples[room?];
    let line = |hertz: f64| {
        let beside = [-30.0, -20.0, 20.0, 30.0].map(|away| measure::tone_level(part, rate, hertz + away));
        let (line, beside) = (measure::tone_level(part, rate, hertz), beside.into_iter().fold(f64::MIN, f64::max));
        let lost = 10.0 * (1.0 + (high_pass_hz / hertz).powi(4)).log10();
        (line > beside + 10.0).then_some(line + lost)
    };
    [50.0, 100.0, 150.0, 60.0, 120.0].into_iter().filter_map(line).max_by(f64::total_cmp)
}

/// A recording that is mostly below this holds no voice.
pub(super) const SILENT_DBOV: f64 = -55.0;
const QUIET_DBOV: f64 = -35.0;
/// Below this, the gain would raise mostly the noise of the converter.
const FAINT_DBOV: f64 = -50.0;
const LOUD_DBOV: f64 = -12.0;
/// A levelled take should reach this.
const SOFT_DBOV: f64 = -25.5;
const HUM_DBOV: f64 = -50.0;
const FULL: f32 = 0.985;
/// The highest codes of A-law and µ-law.
const COMPANDED_FULL: f32 = 0.98;
const PULLED_DOWN: f32 = 0.25;
/// The median pitch of one voice varies by this ratio between prompts; between people it varies by more.
const PITCH_RATIO: f64 = 1.25;
const TILT_DB: f64 = 6.0;
