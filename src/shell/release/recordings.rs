//! Reads recordings from the disk: masters, 16-bit PCM in WAV, into memory as they go over the line.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::releases::Overlay;
use crate::hotline;
use crate::recorded;
use audio::{Bank, Encoded, encode_master};
use base::Lang;
use config::Settings;
use flow::Release;
use speech::{Clip, ClipText};
use studio::{Coverage, Manifest, ManifestEntry, read_manifest};

/// A clip's place in the bank.
type Placed = ((Lang, Arc<str>), Encoded);

/// What was read.
pub struct Recordings {
    pub bank: Bank,
    /// What is not there, though another language has it.
    pub lacking: BTreeSet<Clip>,
    pub remarks: Vec<String>,
}

/// What is made of recordings that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// All of them must be there: before anything goes live.
    Refused,
    /// What the first language has stands in for them: somebody published it so.
    StoodInFor,
}

/// Where recordings come from.
pub enum From<'a> {
    /// All from the disk.
    Disk,
    /// What the live bank has of them from there, by their hash; calls go on, and come first.
    Bank(&'a (dyn Fn(&ClipText) -> Option<Encoded> + Sync)),
}

/// Reads every recording that a release can play, operators' takes above the folder's. What is stale is remarked.
pub fn read(
    settings: &Settings,
    release: &Release,
    above: &Overlay,
    from: &From<'_>,
    allowed: Missing,
) -> Result<Recordings, Vec<String>> {
    let needed = &hotline::needed(release);
    let folder = &settings.hotline.audio;
    if !folder.is_dir() {
        return Err(vec![format!("hotline.audio = {}: there is no such folder of recordings", folder.display())]);
    }
    let mut manifest = manifest(&settings.hotline.manifest).map_err(|complaint| vec![complaint])?;
    let mut there = clips_in(folder).map_err(|error| vec![format!("{}: {error}", folder.display())])?;
    for (clip, master) in above.iter().filter(|(_, master)| master.take.is_some()) {
        there.insert(clip.clone());
        let recorded = ManifestEntry { text_sha256: Some(master.text_sha256.clone()), placeholder: false };
        manifest.insert(clip.clone(), recorded);
    }
    let coverage = Coverage::of(needed, &there, &manifest);
    let first = release.flow.langs[0];
    let refused = |needed: &&ClipText| allowed == Missing::Refused || needed.lang == first;
    let tell = |needed: &ClipText| recorded::missing(release, folder, needed).to_string();
    let mut complaints: Vec<String> = coverage.missing.iter().filter(refused).map(tell).collect();
    let lacking = coverage.missing.iter().map(|needed| Clip { lang: needed.lang, id: needed.id.clone() });
    let lacking: BTreeSet<Clip> = lacking.collect();
    let is_there = |needed: &&ClipText| !lacking.contains(&Clip { lang: needed.lang, id: needed.id.clone() });
    let needed: Vec<&ClipText> = needed.iter().filter(is_there).collect();
    let (placed, unreadable) = encode_all(&Places { folder, above, from }, &needed);
    complaints.extend(unreadable);
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let bank = Bank::build(placed).map_err(|error| vec![error.to_string()])?;
    let mut remarks = remarks(release, &coverage);
    remarks.extend(
        coverage.missing.iter().map(|needed| format!("{}; until then {} is heard", tell(needed), first.code())),
    );
    Ok(Recordings { bank, lacking, remarks })
}

fn remarks(release: &Release, coverage: &Coverage) -> Vec<String> {
    let stale = coverage.stale.iter().map(|needed| recorded::stale(release, needed).to_string());
    let placeholders = match coverage.placeholder.len() {
        0 => None,
        n => Some(format!("{n} recordings are synthetic placeholders; record them before callers hear them")),
    };
    stale.chain(placeholders).collect()
}

fn clips_in(folder: &Path) -> io::Result<BTreeSet<Clip>> {
    let mut clips = BTreeSet::new();
    for lang in Lang::ALL {
        let Ok(files) = fs::read_dir(folder.join(lang.code())) else { continue };
        for file in files {
            let name = file?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".wav"));
            clips.extend(id.map(|id| Clip { lang, id: id.into() }));
        }
    }
    Ok(clips)
}

/// Reads what a manifest tells of each recording.
pub fn manifest(path: &Path) -> Result<Manifest, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    read_manifest(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where a recording lies in a folder of recordings.
pub fn path_of(folder: &Path, clip: &Clip) -> PathBuf {
    folder.join(clip.lang.code()).join(format!("{}.wav", clip.id))
}

fn clip_of(needed: &ClipText) -> Clip {
    Clip { lang: needed.lang, id: Arc::clone(&needed.id) }
}

/// Where recordings lie: a take where there is one, else the folder.
struct Places<'a> {
    folder: &'a Path,
    above: &'a Overlay,
    from: &'a From<'a>,
}

impl Places<'_> {
    fn of(&self, clip: &Clip) -> PathBuf {
        self.above.get(clip).map_or_else(|| path_of(self.folder, clip), |master| master.path.clone())
    }
}

/// Reads and encodes: at a start on every core, as a thousand files are a second's work for one; beside calls on the
/// caller's thread alone.
fn encode_all(places: &Places<'_>, clips: &[&ClipText]) -> (Vec<Placed>, Vec<String>) {
    let threads = match places.from {
        From::Disk => std::thread::available_parallelism().map_or(1, usize::from),
        From::Bank(_) => 1,
    };
    let share = clips.len().div_ceil(threads).max(1);
    let results: Vec<Result<Placed, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = clips
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(|clip| encode(places, clip)).collect::<Vec<_>>()))
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

fn encode(places: &Places<'_>, clip: &ClipText) -> Result<Placed, String> {
    if let From::Bank(known) = places.from
        && let Some(encoded) = known(clip)
    {
        return Ok(((clip.lang, Arc::clone(&clip.id)), encoded));
    }
    let path = places.of(&clip_of(clip));
    let (samples, rate) = samples(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let encoded = encode_master(&samples, rate).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(((clip.lang, Arc::clone(&clip.id)), encoded))
}

/// Reads a master: 16-bit samples of one channel, and their rate in Hz.
pub fn samples(path: &Path) -> Result<(Vec<i16>, u32), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let reader = hound::WavReader::new(&bytes[..]).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err("must be 16-bit PCM with one channel".into());
    }
    // Hound reads sample by sample, which is a third of a start; past the head, what it leaves is the samples' octets.
    let size = reader.len() as usize * 2;
    let octets = reader.into_inner().get(..size).ok_or("is cut short")?;
    let samples = octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok((samples, spec.sample_rate))
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
