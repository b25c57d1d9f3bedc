//! Sound for an operator: an upload, a master, and both as a caller hears them, alone or in a sentence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use audio::g711;
use audio::{RATE, mastering, samples_in, to_telephone_rate};
use base::Codec;
use os::sound_key;
use release::recordings;
use speech::{Clip, Piece};
use studio::{self, examples};

use crate::catalogue::Catalogue;
use crate::handle::Studio;
use crate::rejection::Rejection;
use crate::row::{Sound, SoundForm, SoundSource};

impl Studio {
    /// Sound for a player.
    ///
    /// # Errors
    /// [`Refusal::NoSlot`], [`Refusal::NoTake`]; or a file cannot be read.
    pub fn sound(&self, which: &SoundSource, form: &SoundForm) -> Result<Sound, Rejection> {
        let catalogue = self.catalogue()?;
        let (clip, master, original) = self.source(&catalogue, which)?;
        match form {
            SoundForm::Original => Ok(match original {
                Some(path) => {
                    let bytes = read(path)?;
                    Sound { media_type: media_type(&bytes), bytes, text: None }
                }
                None => plain(read(master)?),
            }),
            SoundForm::Master => Ok(plain(read(master)?)),
            SoundForm::Phone => Ok(plain(studio::wav(&as_heard(&narrow(&samples(&master)?)), RATE))),
            SoundForm::InSentence { values, seed, with } => {
                let mut masters = BTreeMap::new();
                for name in with {
                    let take = self.take(name)?;
                    masters.insert(take.clip(), self.files.master(&take.master));
                }
                if matches!(which, SoundSource::Take(_)) || !masters.contains_key(&clip) {
                    masters.insert(clip.clone(), master);
                }
                self.sentence(&catalogue, &clip, &masters, values, *seed)
            }
        }
    }

    fn source(
        &self,
        catalogue: &Catalogue,
        which: &SoundSource,
    ) -> Result<(Clip, PathBuf, Option<PathBuf>), Rejection> {
        match which {
            SoundSource::Take(name) => {
                let take = self.take(name)?;
                Ok((take.clip(), self.files.master(&take.master), Some(self.files.original(&take.original))))
            }
            SoundSource::Live(clip) => {
                let slot = || Rejection::NoSlot(format!("{}/{}", clip.lang.code(), clip.id));
                let path = catalogue.path(clip).ok_or_else(slot)?;
                Ok((clip.clone(), path.to_owned(), None))
            }
        }
    }

    /// The sentence of the slot, made of `masters` and the live recordings; of a slot without a sentence the recording
    /// alone.
    fn sentence(
        &self,
        catalogue: &Catalogue,
        clip: &Clip,
        masters: &BTreeMap<Clip, PathBuf>,
        values: &BTreeMap<String, String>,
        seed: u64,
    ) -> Result<Sound, Rejection> {
        let Some(said) = &catalogue.slot(clip)?.said else {
            return Ok(plain(studio::wav(&as_heard(&narrow(&samples(&masters[clip])?)), RATE)));
        };
        let saying = examples::example_with_slots(&catalogue.release, &said.saying, values);
        let saying = examples::with_values(&catalogue.release, &saying, clip, values, seed);
        let heard = examples::compose(&catalogue.release, &saying).ok_or_else(|| {
            Rejection::NoSlot(format!("{}: these values do not fill the sentence", said.saying.entry))
        })?;
        let mut sound: Vec<i16> = Vec::new();
        for piece in &heard.pieces {
            match piece {
                Piece::Clip(wanted) => {
                    let path = masters.get(wanted).map(PathBuf::as_path).or_else(|| catalogue.path(wanted));
                    let path =
                        path.ok_or_else(|| Rejection::NoSlot(format!("{}/{}", wanted.lang.code(), wanted.id)))?;
                    sound.extend(narrow(&samples(path)?));
                }
                Piece::Silence(pause) => sound.resize(sound.len() + samples_in(*pause), 0),
                Piece::Tone(_) | Piece::Ringing(_) | Piece::Message => {}
            }
            if sound.len() > SENTENCE_SAMPLES_MAX {
                break;
            }
        }
        Ok(Sound { text: Some(heard.text), ..plain(studio::wav(&as_heard(&sound), RATE)) })
    }
}

/// Samples of a master, and their rate.
type Samples = (Vec<i16>, u32);

fn samples(path: &Path) -> Result<Samples, Rejection> {
    recordings::samples(path).map_err(|error| Rejection::Fault(format!("{}: {error}", path.display()).into()))
}

fn narrow((samples, rate): &Samples) -> Vec<i16> {
    to_telephone_rate(samples, *rate).unwrap_or_default()
}

/// Limited to a telephone's band and companded with A-law.
fn as_heard(samples: &[i16]) -> Vec<i16> {
    let mut band: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    mastering::high_pass(&mut band, RATE, 300.0);
    mastering::low_pass(&mut band, RATE, 3400.0);
    let coded = mastering::to_16_bit(&band, 1.0).into_iter();
    coded.map(|sample| g711::decode(Codec::Alaw, g711::encode(Codec::Alaw, sample))).collect()
}

fn read(path: PathBuf) -> Result<Vec<u8>, Rejection> {
    sound_key::read(&path).map_err(|error| Rejection::Fault(format!("{}: {error}", path.display()).into()))
}

fn plain(bytes: Vec<u8>) -> Sound {
    Sound { bytes, media_type: "audio/wav", text: None }
}

/// The media type of an upload by its first bytes, so that a browser does not guess.
fn media_type(bytes: &[u8]) -> &'static str {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"RIFF") {
        "audio/wav"
    } else if starts(&[0x1A, 0x45, 0xDF, 0xA3]) {
        "audio/webm"
    } else if starts(b"OggS") {
        "audio/ogg"
    } else if starts(b"fLaC") {
        "audio/flac"
    } else if bytes.get(4..8) == Some(b"ftyp") {
        "audio/mp4"
    } else if starts(b"ID3") || bytes.first() == Some(&0xFF) {
        "audio/mpeg"
    } else {
        "application/octet-stream"
    }
}

/// Two minutes.
const SENTENCE_SAMPLES_MAX: usize = 120 * RATE as usize;
