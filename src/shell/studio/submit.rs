//! A recording arrives: it is decoded, mastered, checked and stored before its sender is answered.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use audio::decode::decode;
use base::Bilingual;
use os::background::run;
use speech::Clip;
use studio::{
    Conditions, Message, Operator, OtherTake, Processed, Slot, TakeName, TakeState, Voice, process, voice_of_set,
};

use crate::catalogue::Catalogue;
use crate::files;
use crate::handle::{Studio, actor};
use crate::rejection::Rejection;
use crate::row::{TakeReport, TakeRow, Upload};
use crate::store::{Action, Actor};

impl Studio {
    /// Stores a recording of a slot as a fresh take, on the disk when this returns. The same upload sent again is the same
    /// take. Its report holds what the checks found.
    ///
    /// # Errors
    /// [`Refusal::NoSlot`], [`Refusal::TooLarge`], [`Refusal::Unreadable`], [`Refusal::Full`], [`Refusal::DiskFull`]; or
    /// the flow cannot be read or the store not written.
    pub fn submit(&self, by: &Operator, slot: &Clip, upload: Upload) -> Result<TakeRow, Rejection> {
        let catalogue = self.catalogue()?;
        let slot = catalogue.slot(slot)?;
        let take = self.make(by, &catalogue, slot, &slot.text, upload)?;
        self.add(by, "record", std::slice::from_ref(&take))?;
        self.take(&take.name)
    }

    /// The take that [`Studio::submit`] would make of a recording; nothing is stored.
    ///
    /// # Errors
    /// Those of [`Studio::submit`].
    pub fn judge(&self, by: &Operator, slot: &Clip, upload: Upload) -> Result<TakeRow, Rejection> {
        let catalogue = self.catalogue()?;
        let slot = catalogue.slot(slot)?;
        let take = self.make(by, &catalogue, slot, &slot.text, upload)?;
        self.sweep(by, std::slice::from_ref(&take))?;
        Ok(take)
    }

    /// Makes a take and its files; the store does not have it yet.
    pub(crate) fn make(
        &self,
        by: &Operator,
        catalogue: &Catalogue,
        slot: &Slot,
        text: &str,
        upload: Upload,
    ) -> Result<TakeRow, Rejection> {
        let (bytes, most) = (upload.bytes.len() as u64, self.settings.studio.upload_bytes_max);
        if bytes > most {
            return Err(Rejection::TooLarge { bytes, most });
        }
        self.files.room_for(bytes * 2)?;
        let _one_at_a_time = self.processing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = self.store().same(&slot.clip, text, &files::hash(&upload.bytes))? {
            return Ok(same);
        }
        let conditions = self.conditions(catalogue, slot, text, &upload)?;
        let longest = self.settings.studio.upload_longest;
        let processed = run(|| decode(&upload.bytes, longest).map(|sound| process(sound, &conditions)));
        let processed = processed
            .map_err(|error| Rejection::Unreadable(Message { zh: unreadable_zh(&error), en: error.to_string() }))?;
        let original = self.files.keep_original(&upload.bytes)?;
        let master = self.files.keep_master(&processed.master)?;
        Ok(row(by, slot, text, upload, Made { original, master, processed }))
    }

    /// Adds takes to the store: all of them or none.
    pub(crate) fn add(&self, by: &Operator, what: &str, takes: &[TakeRow]) -> Result<(), Rejection> {
        self.store().update(&actor(by), |update| {
            for take in takes {
                // Files are deleted in a transaction too, so that they cannot go between here and the commit.
                let exist = self.files.original(&take.original).exists() && self.files.master(&take.master).exists();
                if !exist {
                    return Err(Rejection::Fault(Bilingual::fixed(
                        "the recording's files are gone: send it again",
                        "录音文件已不存在，请重新上传",
                    )));
                }
                if update.add(take)? {
                    let slot = take.clip();
                    let action =
                        Action { what, slot: Some(&slot), take: Some(&take.name), release: None, why: &take.label };
                    update.note(&action)?;
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
    ) -> Result<Conditions, Rejection> {
        let slot = &Slot { text: text.into(), ..slot.clone() };
        let sitting_dbov = match upload.sitting.is_empty() {
            true => Vec::new(),
            false => self.store().levels(&short(&upload.sitting))?,
        };
        let voice = self.voice(catalogue, slot)?;
        let (expected, longest) = (slot.expected(), slot.longest);
        Ok(Conditions { kind: upload.kind, expected, longest, sitting_dbov, voice })
    }

    /// The voice of a slot's set, from the newest good take of each slot.
    fn voice(&self, catalogue: &Catalogue, slot: &Slot) -> Result<Option<Voice>, Rejection> {
        let takes = self.store().takes()?;
        let in_set =
            |clip: &Clip| clip.lang == slot.clip.lang && catalogue.slot(clip).is_ok_and(|other| other.set == slot.set);
        let mut newest = BTreeMap::new();
        for take in takes.iter().filter(|take| take.report.is_good()) {
            let clip = take.clip();
            if in_set(&clip) {
                let (pitch_hz, tilt_db) = (take.report.figures.pitch_hz, take.report.figures.tilt_db);
                newest.insert(clip.clone(), OtherTake { clip, text: take.text.clone(), pitch_hz, tilt_db });
            }
        }
        let others: Vec<OtherTake> = newest.into_values().collect();
        Ok(voice_of_set(slot.clip.lang, &slot.text, &others))
    }
}

/// The files of an upload, and what processing found.
struct Made {
    original: String,
    master: String,
    processed: Processed,
}

fn row(by: &Operator, slot: &Slot, text: &str, upload: Upload, made: Made) -> TakeRow {
    let Actor { who, at } = actor(by);
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
        by: who,
        at,
        approved: None,
        unheard: false,
        release: None,
        original: made.original,
        original_bytes: upload.bytes.len() as u64,
        master: made.master,
        report: TakeReport { figures: made.processed.figures, findings: made.processed.findings },
    }
}

/// A sender's text, shortened and without control characters.
fn short(label: &str) -> String {
    label.chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX).collect()
}

fn unreadable_zh(error: &audio::decode::DecodeError) -> String {
    use audio::decode::DecodeError;
    match error {
        DecodeError::Empty => "文件是空的，没有声音。".into(),
        DecodeError::Kind(kind) => format!("不支持{kind:#}：请另存为 WAV、FLAC、MP3、M4A 或 Opus。"),
        DecodeError::Archive(kind) => {
            format!("{kind:#}，不是录音文件：请解压后上传其中的录音；成批录音的 ZIP 压缩包请用导入功能。")
        }
        DecodeError::NoSound => "文件里没有声音：请上传录音文件。".into(),
        DecodeError::Unknown => "这不是录音文件：请上传 WAV、FLAC、MP3、M4A、WebM 或 Ogg。".into(),
        DecodeError::Broken(why) => format!("录音文件已损坏（{why:#}）：请重新保存或重录。"),
        DecodeError::TooLong(longest) => {
            format!("录音超过 {} 分 {} 秒：请剪短。", longest.as_secs() / 60, longest.as_secs() % 60)
        }
        DecodeError::Rate(rate) => format!("采样率 {rate} 不可用：请用 8000 至 192000，最好 48000。"),
        DecodeError::Channels(channels) => format!("有 {channels} 个声道：请存为单声道或立体声。"),
    }
}

const LABEL_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use audio::decode::DecodeError;
    use std::time::Duration;

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_chinese_alone() {
        let error = |bytes: &[u8]| decode(bytes, Duration::from_secs(9)).expect_err("no recording");
        let ends = [&b"#!AMR\n"[..], b"Rar!\x1A\x07", b"fLaC\0", b"RIFF\0\0\0\0WAVE", b"RIFX", b"MThd", b"hello"];
        let found = ends.map(error).into_iter().chain([DecodeError::NoSound, DecodeError::Channels(6)]);
        for error in found {
            let words = unreadable_zh(&error);
            let is_english = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
            let mut parts = words.split(|c: char| !c.is_ascii_alphabetic());
            assert!(!parts.any(is_english), "{words}");
        }
    }
}
