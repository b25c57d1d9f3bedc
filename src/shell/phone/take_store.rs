//! The take store as the recording service uses it: slots by number, takes as telephone audio, findings as faults that
//! can be spoken.

use std::sync::Arc;
use std::time::Duration;

use super::take_file::Label;
use audio::{RATE, g711, to_telephone_rate};
use base::{Codec, Lang};
use call::{Slot, TakeFault, TakeReport};
use speech::Clip;
use studio::{Grade, Operator, TakeName, TakeSource};
use studio_store::{Accounts, Rejection, SlotRow, SoundForm, SoundSource, Studio, TakeRow, Upload};

/// The take store, as an operator's call sees it.
#[derive(Clone)]
pub struct TakeStore {
    /// Slots, takes and their audio.
    pub studio: Arc<Studio>,
    /// Operators and their PINs.
    pub accounts: Arc<Accounts>,
}

/// A take that was recorded by telephone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    /// 16-bit samples at 8 kHz, as G.711 decodes them.
    pub samples: &'a [i16],
    /// Packets of 20 ms that never came.
    pub packets_lost: u64,
    /// What groups the takes of one call.
    pub sitting: &'a str,
}

/// A take that is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub take: TakeName,
    pub report: TakeReport,
}

impl TakeStore {
    /// The slot of a number, as it is keyed in.
    pub(crate) fn find(&self, lang: Lang, number: u32) -> Result<Option<Slot>, Rejection> {
        match self.studio.by_number(lang, number) {
            Ok(row) => Ok(Some(self.found(&row))),
            Err(Rejection::NoSlot(_)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The next one to record in a language, after the one of that number.
    pub(crate) fn next(&self, lang: Lang, after: u32) -> Result<Option<Slot>, Rejection> {
        let after = self.studio.by_number(lang, after).ok().map(|row| row.slot.clip);
        Ok(self.studio.next_missing(Some(lang), after.as_ref())?.map(|row| self.found(&row)))
    }

    fn found(&self, row: &SlotRow) -> Slot {
        Slot {
            number: row.number,
            clip: row.slot.clip.clone(),
            // Read back in its old words, a text that was changed would be recorded in its old words.
            recorded: row.live.as_ref().filter(|heard| heard.fresh).and_then(|_| self.read_back(&row.slot.clip)),
            longest: row.slot.longest,
            draft: row.waiting.as_ref().and_then(|take| self.heard(&take.name)),
        }
    }

    /// A recording as it goes over the line.
    fn read_back(&self, slot: &Clip) -> Option<Vec<i16>> {
        let wav = self.studio.sound(&SoundSource::Live(slot.clone()), &SoundForm::Master).ok()?;
        let reader = hound::WavReader::new(&wav.bytes[..]).ok()?;
        let rate = reader.spec().sample_rate;
        let samples: Vec<i16> = reader.into_samples().map_while(Result::ok).collect();
        to_telephone_rate(&samples, rate)
    }

    /// A take as callers would hear it. One that cannot be played is only not heard.
    fn heard(&self, take: &TakeName) -> Option<Vec<i16>> {
        let wav = self.studio.sound(&SoundSource::Take(take.clone()), &SoundForm::Phone).ok()?;
        let reader = hound::WavReader::new(&wav.bytes[..]).ok()?;
        (reader.spec().sample_rate == RATE).then(|| reader.into_samples().map_while(Result::ok).collect())
    }

    /// Stores a take.
    pub(crate) fn submit(&self, by: &Operator, slot: &Clip, sent: Sent<'_>) -> Result<Stored, Rejection> {
        let label = match sent.packets_lost {
            0 => "telephone".into(),
            lost => format!("telephone, {lost} packets lost"),
        };
        let upload = Upload { bytes: file(sent.samples), kind: TakeSource::Phone, label, sitting: sent.sitting.into() };
        let row = self.studio.submit(by, slot, upload)?;
        Ok(Stored { report: self.report(&row, sent), take: row.name })
    }

    fn report(&self, row: &TakeRow, sent: Sent<'_>) -> TakeReport {
        let mut findings: Vec<_> = row.report.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
        let mut faults: Vec<TakeFault> = findings.iter().filter_map(|finding| fault(&finding.code)).collect();
        if sent.packets_lost as f64 * PACKET.as_secs_f64() > LOSS_MOST * sent.samples.len() as f64 / f64::from(RATE) {
            faults.insert(0, TakeFault::Lossy);
        }
        faults.dedup();
        let unusable = findings.iter().any(|finding| finding.grade == Grade::Reject);
        TakeReport { unusable, faults, sound: self.heard(&row.name).unwrap_or_default() }
    }

    /// The take is what its operator wants: it waits for an approval.
    pub(crate) fn keep(&self, by: &Operator, take: &TakeName) -> Result<(), Rejection> {
        self.studio.keep(by, take).map(drop)
    }

    /// The take is not what its operator wants.
    pub(crate) fn discard(&self, by: &Operator, take: &TakeName) -> Result<(), Rejection> {
        self.studio.discard(by, take).map(drop)
    }

    /// Stores a take that was found on the disk, for the operator who made it, and keeps it if it can be.
    pub(crate) fn recover(&self, label: &Label, samples: &[i16]) -> Result<(), String> {
        let accounts = self.accounts.list().map_err(|error| error.to_string())?;
        let owner = accounts.into_iter().map(|row| row.operator).find(|operator| operator.id == label.operator);
        let owner = owner.ok_or("its operator has no account any more")?;
        let slot = Clip { lang: label.lang, id: label.slot.as_str().into() };
        let sent = Sent { samples, packets_lost: 0, sitting: &label.sitting };
        let stored = self.submit(&owner, &slot, sent).map_err(|refusal| refusal.to_string())?;
        match stored.report.unusable {
            true => Ok(()),
            false => self.keep(&owner, &stored.take).map_err(|refusal| refusal.to_string()),
        }
    }
}

/// The fault that a finding is spoken as by telephone; none for findings that are only shown.
fn fault(code: &str) -> Option<TakeFault> {
    Some(match code {
        "silent" => TakeFault::Silent,
        "quiet" | "uneven" => TakeFault::Quiet,
        "clipped" | "loud" => TakeFault::Loud,
        "noisy" | "hum" => TakeFault::Noisy,
        "cut_start" | "cut_end" => TakeFault::Cut,
        "long" | "short" => TakeFault::Length,
        "other_voice" | "other_tone" => TakeFault::OtherVoice,
        _ => return None,
    })
}

/// The octets that came over the line, in a RIFF WAVE file: in the law that they came in, which is the one that holds
/// every sample.
fn file(samples: &[i16]) -> Vec<u8> {
    let holds = |law: Codec| samples.iter().all(|sample| g711::decode(law, g711::encode(law, *sample)) == *sample);
    let law = if holds(Codec::Alaw) { Codec::Alaw } else { Codec::Ulaw };
    let octets: Vec<u8> = samples.iter().map(|sample| g711::encode(law, *sample)).collect();
    let count = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    let tag: u16 = match law {
        Codec::Alaw => 6,
        Codec::Ulaw => 7,
    };
    let mut file = Vec::with_capacity(octets.len() + 60);
    file.extend(b"RIFF");
    file.extend((50 + count + count % 2).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(18u32.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend(RATE.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(8u16.to_le_bytes());
    file.extend(0u16.to_le_bytes());
    file.extend(b"fact");
    file.extend(4u32.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(b"data");
    file.extend(count.to_le_bytes());
    file.extend(&octets);
    // A chunk's length is even.
    file.resize(file.len() + octets.len() % 2, 0);
    file
}

const PACKET: Duration = Duration::from_millis(20);
/// More loss than one in a hundred is heard.
const LOSS_MOST: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;
    use audio::decode::decode;
    use release::recordings;
    use studio_store::accounts::SessionAges;
    use support::folder::Folder;

    #[test]
    fn a_slot_is_read_back_as_callers_hear_it_unless_its_words_were_changed() {
        let folder = Folder::new();
        let script = folder.path().join("script.toml");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../prompts/script.toml"), &script).expect("copied");
        let settings = format!("data.folder={}", folder.path().display());
        let words = format!("hotline.script={}", script.display());
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
        let settings =
            config::read(include_str!("../../../config/jindu.toml"), &[settings, words], root).expect("right");
        let studio = Studio::open(&settings).expect("opens");
        let day = Duration::from_secs(86_400);
        let ages = SessionAges { idle: day, longest: day };
        let accounts = Arc::new(Accounts::open(&settings.data.folder, ages).expect("opens"));
        let store = TakeStore { studio: Arc::clone(&studio), accounts };
        let bye = studio.slot(&Clip { lang: Lang::En, id: "prompt.bye".into() }).expect("a slot");
        let found = || store.find(Lang::En, bye.number).expect("readable").expect("a slot");
        let recording = recordings::path_of(&settings.hotline.audio, &bye.slot.clip);
        let (samples, rate) = recordings::samples(&recording).expect("a master");
        assert_eq!(found().recorded, to_telephone_rate(&samples, rate));
        let text = std::fs::read_to_string(&script).expect("the script");
        std::fs::write(&script, text.replace(&*bye.slot.text, "So long, and thanks for calling.")).expect("written");
        assert_eq!(found().recorded, None, "its old words are not what is to be read");
    }

    #[test]
    fn a_file_holds_the_octets_that_came_and_is_read_back_value_for_value() {
        for law in [Codec::Alaw, Codec::Ulaw] {
            let samples: Vec<i16> = (0..=255).cycle().take(8001).map(|octet| g711::decode(law, octet)).collect();
            let file = file(&samples);
            assert_eq!(file.len(), 58 + 8002);
            let octets: Vec<i16> = file[58..58 + 8001].iter().map(|octet| g711::decode(law, *octet)).collect();
            assert_eq!(octets, samples);
            let read = decode(&file, Duration::from_secs(60)).expect("a good file");
            assert!(read.companded);
            assert_eq!(read.rate, RATE);
            let values: Vec<i16> = read.samples.iter().map(|sample| (sample * 32768.0).round() as i16).collect();
            assert_eq!(values, samples);
        }
    }
}
