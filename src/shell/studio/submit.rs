//! A recording comes in: it is decoded, made into a master, checked and stored; then its sender is told.

use std::sync::PoisonError;

use super::bench::{Studio, hand};
use super::catalogue::Catalogue;
use super::files;
use super::refusal::Refusal;
use super::row::{TakeReport, TakeRow, Upload};
use super::store::Deed;
use audio::decode::decode;
use os::aside::aside;
use speech::Clip;
use studio::{Conditions, Message, Operator, Processed, Slot, TakeName, TakeState, Voice, process};

impl Studio {
    /// Takes a recording of a slot in. The take is on the disk, fresh, when this returns; the same upload sent again is
    /// the same take. What its checks found is in its report.
    pub fn submit(&self, by: &Operator, slot: &Clip, upload: Upload) -> Result<TakeRow, Refusal> {
        let catalogue = self.catalogue()?;
        let slot = catalogue.slot(slot)?;
        let take = self.make(by, &catalogue, slot, &slot.text, upload)?;
        self.add(by, "record", std::slice::from_ref(&take))?;
        self.take(&take.name)
    }

    /// Makes a take, its files on the disk, of which the store does not know yet.
    pub(super) fn make(
        &self,
        by: &Operator,
        catalogue: &Catalogue,
        slot: &Slot,
        text: &str,
        upload: Upload,
    ) -> Result<TakeRow, Refusal> {
        let (bytes, most) = (upload.bytes.len() as u64, self.settings.studio.upload_bytes_max);
        if bytes > most {
            return Err(Refusal::TooLarge { bytes, most });
        }
        self.files.room_for(bytes * 2)?;
        let _one_at_a_time = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = self.store().same(&slot.clip, text, &files::hash(&upload.bytes))? {
            return Ok(same);
        }
        let conditions = self.conditions(catalogue, slot, text, &upload)?;
        let longest = self.settings.studio.upload_longest;
        let processed = aside(|| decode(&upload.bytes, longest).map(|sound| process(sound, &conditions)));
        let processed = processed
            .map_err(|error| Refusal::Unreadable(Message { zh: unreadable_zh(&error), en: error.to_string() }))?;
        let original = self.files.keep_original(&upload.bytes)?;
        let master = self.files.keep_master(&processed.master)?;
        Ok(row(by, slot, text, upload, Made { original, master, processed }))
    }

    /// Tells the store of takes, of all of them or of none.
    pub(super) fn add(&self, by: &Operator, what: &str, takes: &[TakeRow]) -> Result<(), Refusal> {
        self.store().change(&hand(by), |change| {
            for take in takes {
                // Whoever sweeps does it in a transaction too: what is there stays.
                let there = self.files.original(&take.original).exists() && self.files.master(&take.master).exists();
                if !there {
                    return Err(Refusal::Fault("the recording's files are gone: send it again".into()));
                }
                if change.add(take)? {
                    let slot = take.clip();
                    let deed =
                        Deed { what, slot: Some(&slot), take: Some(&take.name), release: None, why: &take.label };
                    change.note(&deed)?;
                }
            }
            Ok(())
        })
    }

    fn conditions(
        &self,
        catalogue: &Catalogue,
        slot: &Slot,
        text: &str,
        upload: &Upload,
    ) -> Result<Conditions, Refusal> {
        let slot = &Slot { text: text.into(), ..slot.clone() };
        let sitting_dbov = match upload.sitting.is_empty() {
            true => Vec::new(),
            false => self.store().levels(&short(&upload.sitting))?,
        };
        let voice = self.voice(catalogue, slot)?;
        let (expected, longest) = (slot.expected(), slot.longest);
        Ok(Conditions { kind: upload.kind, expected, longest, sitting_dbov, voice })
    }

    /// What the set of a slot sounds like: the newest good take of each of its other slots.
    fn voice(&self, catalogue: &Catalogue, slot: &Slot) -> Result<Option<Voice>, Refusal> {
        let takes = self.store().takes()?;
        let in_set = |clip: &Clip| {
            clip.lang == slot.clip.lang
                && *clip != slot.clip
                && catalogue.slot(clip).is_ok_and(|other| other.set == slot.set)
        };
        let mut newest = std::collections::BTreeMap::new();
        for take in takes.iter().filter(|take| take.report.is_good()) {
            let clip = take.clip();
            if in_set(&clip) {
                newest.insert(clip, &take.report.figures);
            }
        }
        let pitches = middle(newest.values().filter_map(|figures| figures.pitch_hz).collect());
        let tilts = middle(newest.values().filter_map(|figures| figures.tilt_db).collect());
        Ok(pitches.zip(tilts).map(|(pitch_hz, tilt_db)| Voice { pitch_hz, tilt_db }))
    }
}

/// What came of an upload.
struct Made {
    original: String,
    master: String,
    processed: Processed,
}

fn row(by: &Operator, slot: &Slot, text: &str, upload: Upload, made: Made) -> TakeRow {
    let hand = hand(by);
    TakeRow {
        name: TakeName::of(&slot.clip, text, &made.original, &made.master),
        lang: slot.clip.lang,
        slot: slot.clip.id.to_string(),
        text: text.into(),
        state: TakeState::Fresh,
        live: false,
        kind: upload.kind,
        label: short(&upload.label),
        sitting: short(&upload.sitting),
        by: hand.who,
        at: hand.at,
        approved: None,
        release: None,
        original: made.original,
        original_bytes: upload.bytes.len() as u64,
        master: made.master,
        report: TakeReport { figures: made.processed.figures, findings: made.processed.findings },
    }
}

/// The middle of enough values to speak of.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    (values.len() >= VOICES_LEAST).then(|| values[values.len() / 2])
}

/// What a sender writes is kept short, and without what would break a line.
fn short(label: &str) -> String {
    label.chars().filter(|c| !c.is_control()).take(LABEL_CHARS).collect()
}

fn unreadable_zh(error: &audio::decode::DecodeError) -> String {
    use audio::decode::DecodeError;
    match error {
        DecodeError::Empty => "文件是空的，没有声音。".into(),
        DecodeError::Kind(kind) => format!("不支持 {kind}：请另存为 WAV、FLAC、MP3、M4A 或 Opus。"),
        DecodeError::Unknown => "这不是录音文件：请上传 WAV、FLAC、MP3、M4A、WebM 或 Ogg。".into(),
        DecodeError::Broken(why) => format!("录音文件已损坏（{why}）：请重新保存或重录。"),
        DecodeError::TooLong(longest) => {
            format!("录音超过 {} 分 {} 秒：请剪短。", longest.as_secs() / 60, longest.as_secs() % 60)
        }
        DecodeError::Rate(rate) => format!("采样率 {rate} 不可用：请用 8000 至 192000，最好 48000。"),
        DecodeError::Channels(channels) => format!("有 {channels} 个声道：请存为单声道或立体声。"),
    }
}

const LABEL_CHARS: usize = 120;
const VOICES_LEAST: usize = 3;
