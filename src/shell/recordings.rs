//! Reads recordings from the disk: masters, 16-bit PCM in WAV, into memory as they go over the line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audio::{Bank, Encoded, encode_master};
use crate::base::Lang;
use crate::config::Settings;
use crate::speech::Needed;

/// A clip's place in the bank.
type Placed = ((Lang, Arc<str>), Encoded);

/// Reads every recording that is needed. What is missing stops a start.
pub fn read(settings: &Settings, needed: &[Needed]) -> Result<(Bank, Vec<String>), Vec<String>> {
    let folder = &settings.hotline.audio;
    let absent: Vec<String> =
        needed.iter().filter(|needed| !path_of(folder, needed).is_file()).map(|needed| missing(folder, needed)).collect();
    if !absent.is_empty() {
        return Err(absent);
    }
    let (placed, complaints) = encode_all(folder, needed);
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let bank = Bank::build(placed).map_err(|error| vec![error.to_string()])?;
    Ok((bank, Vec::new()))
}

fn missing(folder: &Path, needed: &Needed) -> String {
    let path = path_of(folder, needed);
    format!("{}: no recording of \"{}\"; record it, or render a placeholder (prompts/render)", path.display(), needed.text)
}

fn path_of(folder: &Path, clip: &Needed) -> PathBuf {
    folder.join(clip.lang.code()).join(format!("{}.wav", clip.id))
}

/// Reads and encodes on every core: a thousand files are a second's work for one.
fn encode_all(folder: &Path, clips: &[Needed]) -> (Vec<Placed>, Vec<String>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = clips.len().div_ceil(threads).max(1);
    let results: Vec<Result<Placed, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = clips
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(|clip| encode(folder, clip)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("encoding does not panic")).collect()
    });
    let mut placed = Vec::with_capacity(results.len());
    let mut complaints = Vec::new();
    for result in results {
        match result {
            Ok(clip) => placed.push(clip),
            Err(complaint) => complaints.push(complaint),
        }
    }
    (placed, complaints)
}

fn encode(folder: &Path, clip: &Needed) -> Result<Placed, String> {
    let path = path_of(folder, clip);
    let (samples, rate) = samples(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let encoded = encode_master(&samples, rate).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(((clip.lang, Arc::clone(&clip.id)), encoded))
}

fn samples(path: &Path) -> Result<(Vec<i16>, u32), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let mut reader = hound::WavReader::new(&bytes[..]).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err("must be 16-bit PCM with one channel".into());
    }
    let samples: Result<Vec<i16>, _> = reader.samples().collect();
    Ok((samples.map_err(|error| error.to_string())?, spec.sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_with_two_channels_is_refused_with_a_reason() {
        let folder = std::env::temp_dir().join(format!("jindu-recordings-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("stereo.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        hound::WavWriter::create(&path, spec).expect("a file").finalize().expect("written");
        assert!(samples(&path).expect_err("refused").contains("one channel"));
        fs::write(&path, b"RIFF").expect("written");
        assert!(samples(&path).is_err());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
