//! Finds recordings in what was heard: the gateway sends each clip's octets as they were encoded, so a clip is
//! there when its own octets are.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audio::{Bank, encode_master, g711, sine};
use base::{Codec, Lang};

use crate::gateway::home;

/// A recording as the gateway plays it.
pub fn clip(lang: &str, id: &str, codec: Codec) -> Vec<u8> {
    recording(&home().join(format!("prompts/audio/{lang}/{id}.wav")), codec)
}

/// A master as the gateway plays it.
pub fn recording(path: &Path, codec: Codec) -> Vec<u8> {
    let mut reader = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rate = reader.spec().sample_rate;
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    let name: Arc<str> = "clip".into();
    let encoded = encode_master(&samples, rate).expect("a master");
    let bank = Bank::build([((Lang::Zh, Arc::clone(&name)), encoded)]).expect("a bank");
    bank.octets(Lang::Zh, &name, codec).expect("the clip").to_vec()
}

/// The tone after which a take begins, in A-law.
pub fn beep() -> Vec<u8> {
    let samples = sine(1000.0, -20.0, Duration::from_millis(250));
    samples.iter().map(|sample| g711::encode(Codec::Alaw, *sample)).collect()
}

/// A second of sound unlike that of any other seed: a sweep of this codec.
pub fn speech(codec: Codec, seed: usize) -> Vec<u8> {
    let sample = |n: usize| ((n * n / (40 + seed)) % 16_000) as i16 - 8000;
    (0..8000).map(|n| g711::encode(codec, sample(n))).collect()
}

/// The samples of A-law octets.
pub fn decoded(octets: &[u8]) -> Vec<i16> {
    octets.iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect()
}

/// The end of the first stretch that holds a clip, but for its quiet ends.
pub fn find(heard: &[u8], clip: &[u8]) -> Option<usize> {
    Search::new(clip, 0).in_more(heard)
}

/// Looks for a clip in sound that grows: what was searched once is not searched again.
#[derive(Debug)]
pub struct Search<'a> {
    core: &'a [u8],
    from: usize,
}

impl<'a> Search<'a> {
    /// A search that begins at `from`.
    pub fn new(clip: &'a [u8], from: usize) -> Search<'a> {
        Search { core: core_of(clip), from }
    }

    /// The end of the first stretch that holds the clip; `heard` is all that was heard so far.
    pub fn in_more(&mut self, heard: &[u8]) -> Option<usize> {
        if self.core.is_empty() || heard.len() < self.from + self.core.len() {
            return None;
        }
        let found = heard[self.from..].windows(self.core.len()).position(|window| window == self.core);
        let end = found.map(|at| self.from + at + self.core.len());
        self.from = heard.len() - self.core.len() + 1;
        end
    }
}

/// The middle half of a clip: fades and silence are alike in many.
fn core_of(clip: &[u8]) -> &[u8] {
    &clip[clip.len() / 4..clip.len() - clip.len() / 4]
}
