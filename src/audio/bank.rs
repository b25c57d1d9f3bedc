//! All recordings of a release, encoded once per law, in memory that never changes.
//!
//! One octet a sample and law; a clip is the same range in both arenas, so that a call may change its codec in the
//! middle of a sentence.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::playlist::Span;
use super::{RATE, g711, resample, samples_in, tone};
use base::{Codec, Lang};

/// A recording in both laws at 8000 Hz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    alaw: Vec<u8>,
    ulaw: Vec<u8>,
}

/// Why a master cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    /// Its sample rate.
    #[error("{0} samples a second: record at 8000, 16000, 22050, 24000, 32000, 44100 or 48000")]
    Rate(u32),
    /// It holds no sound.
    #[error("the recording is empty")]
    Empty,
}

/// Why no bank can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// More than an arena's index can hold.
    #[error("the recordings are longer than {0} hours in all")]
    TooLong(u64),
}

/// A master, 16-bit mono samples at `rate`, as it goes over the line.
pub fn encode_master(samples: &[i16], rate: u32) -> Result<Encoded, MasterError> {
    if samples.is_empty() {
        return Err(MasterError::Empty);
    }
    let samples = resample::to_8000(samples, rate).ok_or(MasterError::Rate(rate))?;
    Ok(Encoded::new(&samples))
}

impl Encoded {
    fn new(samples: &[i16]) -> Encoded {
        let law = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Encoded { alaw: law(Codec::Alaw), ulaw: law(Codec::Ulaw) }
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        duration(self.alaw.len())
    }
}

/// All recordings of a release.
#[derive(Debug)]
pub struct Bank {
    alaw: Box<[u8]>,
    ulaw: Box<[u8]>,
    clips: HashMap<(Lang, Arc<str>), Span>,
    beep: Span,
    tone: Span,
}

impl Bank {
    /// Lays the recordings out, each under its language and name. Of two under one name the later one counts.
    pub fn build(recordings: impl IntoIterator<Item = ((Lang, Arc<str>), Encoded)>) -> Result<Bank, BankError> {
        let recordings: Vec<_> = recordings.into_iter().collect();
        let (beep, tone) = (Encoded::new(&tone::beep()), Encoded::new(&tone::line_test()));
        let own = beep.alaw.len() + tone.alaw.len();
        let octets = own + recordings.iter().map(|(_, encoded)| encoded.alaw.len()).sum::<usize>();
        // Room for all of it at once: an arena that grows holds twice what it needs for a while.
        let mut arena = Arena { alaw: Vec::with_capacity(octets), ulaw: Vec::with_capacity(octets) };
        let beep = arena.add(&beep)?;
        let tone = arena.add(&tone)?;
        let mut clips = HashMap::with_capacity(recordings.len());
        for (name, encoded) in recordings {
            clips.insert(name, arena.add(&encoded)?);
        }
        clips.shrink_to_fit();
        Ok(Bank { alaw: arena.alaw.into(), ulaw: arena.ulaw.into(), clips, beep, tone })
    }

    /// A clip, to be put on a playlist; none if the release lacks it.
    pub fn clip(&self, lang: Lang, id: &Arc<str>) -> Option<Span> {
        self.clips.get(&(lang, Arc::clone(id))).copied()
    }

    /// How long a clip plays.
    pub fn duration(&self, lang: Lang, id: &Arc<str>) -> Option<Duration> {
        self.clip(lang, id).map(|span| duration(span.length()))
    }

    /// A clip as it goes over the line, for a page that plays it or a test that compares.
    pub fn octets(&self, lang: Lang, id: &Arc<str>, codec: Codec) -> Option<&[u8]> {
        self.clip(lang, id).map(|span| &self.arena(codec)[span.range()])
    }

    /// A clip as it was put in, for the bank of another release.
    pub fn encoded(&self, lang: Lang, id: &Arc<str>) -> Option<Encoded> {
        let span = self.clip(lang, id)?;
        Some(Encoded { alaw: self.alaw[span.range()].to_vec(), ulaw: self.ulaw[span.range()].to_vec() })
    }

    /// How many clips there are, and the octets that they take in both laws.
    pub fn size(&self) -> (usize, usize) {
        (self.clips.len(), self.alaw.len() + self.ulaw.len())
    }

    /// The beep before a recording.
    pub fn beep(&self) -> Span {
        self.beep
    }

    /// A 1 kHz tone for so long: up to the length of a beep the beep itself, longer the line test's.
    pub fn tone(&self, length: Duration) -> Vec<Span> {
        let mut left = samples_in(length.min(TONE_MAX));
        if left <= self.beep.length() {
            return vec![self.beep];
        }
        let mut spans = Vec::new();
        while left > 0 {
            let span = self.tone.shortened(left);
            left -= span.length();
            spans.push(span);
        }
        spans
    }

    pub(super) fn arena(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Alaw => &self.alaw,
            Codec::Ulaw => &self.ulaw,
        }
    }
}

struct Arena {
    alaw: Vec<u8>,
    ulaw: Vec<u8>,
}

impl Arena {
    fn add(&mut self, encoded: &Encoded) -> Result<Span, BankError> {
        let Range { start, end } = self.alaw.len()..self.alaw.len() + encoded.alaw.len();
        let too_long = |_| BankError::TooLong(u64::from(u32::MAX) / u64::from(RATE) / 3600);
        let span = Span::Arena {
            start: u32::try_from(start).map_err(too_long)?,
            length: u32::try_from(end).map_err(too_long)? - start as u32,
        };
        self.alaw.extend_from_slice(&encoded.alaw);
        self.ulaw.extend_from_slice(&encoded.ulaw);
        Ok(span)
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(RATE))
}

/// No line test lasts longer than the longest call.
const TONE_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> Bank {
        let a = encode_master(&[1000; 300], 8000).expect("a good master");
        let b = encode_master(&[-1000; 48_000], 48_000).expect("a good master");
        Bank::build([((Lang::Zh, "a".into()), a), ((Lang::Zh, "b".into()), b)]).expect("small")
    }

    #[test]
    fn a_clip_is_kept_in_both_laws_at_one_octet_a_sample() {
        let bank = bank();
        assert_eq!(bank.octets(Lang::Zh, &"a".into(), Codec::Alaw), Some([0xFA; 300].as_slice()));
        assert_eq!(bank.octets(Lang::Zh, &"a".into(), Codec::Ulaw), Some([0xCE; 300].as_slice()));
        assert_eq!(bank.duration(Lang::Zh, &"b".into()), Some(Duration::from_secs(1)));
        assert_eq!(bank.clip(Lang::En, &"a".into()), None);
        let own_tones = 2000 + 8000;
        assert_eq!(bank.size(), (2, 2 * (300 + 8000 + own_tones)));
    }

    #[test]
    fn an_empty_master_or_an_odd_rate_is_refused() {
        assert_eq!(encode_master(&[], 8000), Err(MasterError::Empty));
        assert_eq!(encode_master(&[0; 10], 4000), Err(MasterError::Rate(4000)));
    }
}
