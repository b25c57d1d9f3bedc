//! The bank: all recordings of a release, encoded once per law, immutable.
//!
//! A sample is one octet per law; a clip is the same range in both arenas, so that a call can change its codec within a
//! sentence.

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
    /// A sample rate that masters do not have.
    #[error("the recording has {0} samples a second: record at 8000, 16000, 22050, 24000, 32000, 44100 or 48000")]
    Rate(u32),
    /// There is no sample.
    #[error("the recording is empty: record it again")]
    Empty,
}

/// Why a bank cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// More samples than a 32-bit index can address.
    #[error("the recordings together are longer than {0} hours: remove some")]
    TooLong(u64),
}

/// Encodes a master, 16-bit mono samples at `rate` Hz, in both laws at 8000 Hz.
///
/// # Errors
/// It is empty, or `rate` is not supported.
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

    /// The playing time.
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
    ringing: Span,
}

impl Bank {
    /// Builds a bank of recordings by language and name. Of two under one name the later one counts.
    pub fn build(recordings: impl IntoIterator<Item = ((Lang, Arc<str>), Encoded)>) -> Result<Bank, BankError> {
        let recordings: Vec<_> = recordings.into_iter().collect();
        let [beep, tone, ringing] = [tone::beep(), tone::line_test(), tone::ringing()].map(|own| Encoded::new(&own));
        let own = beep.alaw.len() + tone.alaw.len() + ringing.alaw.len();
        let octets = own + recordings.iter().map(|(_, encoded)| encoded.alaw.len()).sum::<usize>();
        // Reserved at once: a growing arena needs twice its memory for a while.
        let mut arena = Arena { alaw: Vec::with_capacity(octets), ulaw: Vec::with_capacity(octets) };
        let beep = arena.add(&beep)?;
        let tone = arena.add(&tone)?;
        let ringing = arena.add(&ringing)?;
        let mut clips = HashMap::with_capacity(recordings.len());
        for (name, encoded) in recordings {
            clips.insert(name, arena.add(&encoded)?);
        }
        clips.shrink_to_fit();
        Ok(Bank { alaw: arena.alaw.into(), ulaw: arena.ulaw.into(), clips, beep, tone, ringing })
    }

    /// A clip for a playlist; `None` if the release lacks it.
    pub fn clip(&self, lang: Lang, id: &Arc<str>) -> Option<Span> {
        self.clips.get(&(lang, Arc::clone(id))).copied()
    }

    /// The playing time of a clip.
    pub fn duration(&self, lang: Lang, id: &Arc<str>) -> Option<Duration> {
        self.clip(lang, id).map(|span| duration(span.length()))
    }

    /// The octets of a clip in one law.
    pub fn octets(&self, lang: Lang, id: &Arc<str>, codec: Codec) -> Option<&[u8]> {
        self.clip(lang, id).map(|span| &self.arena(codec)[span.range()])
    }

    /// A clip in both laws, for the bank of another release.
    pub fn encoded(&self, lang: Lang, id: &Arc<str>) -> Option<Encoded> {
        let span = self.clip(lang, id)?;
        Some(Encoded { alaw: self.alaw[span.range()].to_vec(), ulaw: self.ulaw[span.range()].to_vec() })
    }

    /// The number of clips, and the octets of both arenas.
    pub fn size(&self) -> (usize, usize) {
        (self.clips.len(), self.alaw.len() + self.ulaw.len())
    }

    /// The beep before a recording.
    pub fn beep(&self) -> Span {
        self.beep
    }

    /// A 1 kHz tone of this length: the beep if the length is no longer than it, else the line test tone.
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

    /// The ringing tone for this length: one second of tone, four of silence, and so on.
    pub fn ringing(&self, length: Duration) -> Vec<Span> {
        let mut left = samples_in(length.min(TONE_MAX));
        let mut spans = Vec::new();
        for span in [self.ringing, Span::silence(samples_in(RINGING_PAUSE))].into_iter().cycle() {
            if left == 0 {
                break;
            }
            let span = span.shortened(left);
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

/// The silence between two ringing tones.
const RINGING_PAUSE: Duration = Duration::from_secs(4);
/// The longest tone: the longest call.
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
        let own_tones = 2000 + 8000 + 8000;
        assert_eq!(bank.size(), (2, 2 * (300 + 8000 + own_tones)));
    }

    #[test]
    fn an_empty_master_or_an_odd_rate_is_refused() {
        assert_eq!(encode_master(&[], 8000), Err(MasterError::Empty));
        assert_eq!(encode_master(&[0; 10], 4000), Err(MasterError::Rate(4000)));
    }
}
