//! Reads recordings from the disk: 16-bit PCM masters in WAV, encoded in memory for every codec.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audio::{Bank, Encoded, encode_master};
use base::{Bilingual, Lang, bilingual};
use config::Settings;
use flow::Release;
use os::sound_key;
use speech::{Clip, ClipText};
use studio::{Coverage, Manifest, ManifestEntry, read_manifest};

use crate::clips::{self, clip_of};
use crate::diagnostics;
use crate::disk::hash;
use crate::overlay::Overlay;

/// A clip's place in the bank.
type Placed = ((Lang, Arc<str>), Encoded);

/// What was read.
pub(crate) struct Recordings {
    pub bank: Bank,
    /// Recordings that do not exist; the first language is played for them.
    pub missing: BTreeSet<Clip>,
    pub remarks: Vec<Bilingual>,
}

/// What happens to recordings that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPolicy {
    /// Each is an error: for what goes live.
    Reject,
    /// The first language is played for them; its own must all exist.
    Substitute,
    /// As [`MissingPolicy::Substitute`], and recordings of older words are played, with a remark: for what was published
    /// by an earlier version, and for trials. With the others such a recording is an error.
    Tolerate,
    /// As [`MissingPolicy::Tolerate`], and no language needs recordings: for call sheets in text, of words that are not recorded yet.
    Unrecorded,
}

/// Where recordings come from.
pub(crate) enum From<'a> {
    /// All are read from the disk, on every core.
    Disk,
    /// Those that the live bank has are taken from there. The others are read on the caller's thread alone, so that
    /// calls in progress keep the cores.
    Bank(&'a (dyn Fn(&ClipText) -> Option<Encoded> + Sync)),
}

/// Reads every recording that a release can play, the ones of `above` in place of the folder's.
pub(crate) fn read(
    settings: &Settings,
    release: &Release,
    above: &Overlay,
    from: &From<'_>,
    allowed: MissingPolicy,
) -> Result<Recordings, Vec<Bilingual>> {
    let needed = &clips::needed(release);
    let folder = &settings.hotline.audio;
    let coverage = coverage(settings, needed, above)?;
    let first = release.flow.langs[0];
    let describe = |needed: &ClipText| diagnostics::missing(release, folder, needed).line();
    let is_error = |needed: &&ClipText| match allowed {
        MissingPolicy::Reject => true,
        MissingPolicy::Substitute | MissingPolicy::Tolerate => needed.lang == first,
        MissingPolicy::Unrecorded => false,
    };
    let mut errors: Vec<Bilingual> = coverage.missing.iter().filter(is_error).map(describe).collect();
    if matches!(allowed, MissingPolicy::Reject | MissingPolicy::Substitute) {
        errors.extend(coverage.stale.iter().map(|needed| diagnostics::outdated(release, needed).line()));
    }
    let missing: BTreeSet<Clip> = coverage.missing.iter().map(clip_of).collect();
    let existing: Vec<&ClipText> = needed.iter().filter(|needed| !missing.contains(&clip_of(needed))).collect();
    let (placed, unreadable) = encode_all(&Places { folder, above, from }, &existing);
    errors.extend(unreadable);
    if !errors.is_empty() {
        return Err(errors);
    }
    let bank = Bank::build(placed).map_err(|error| vec![error.to_string().into()])?;
    let mut remarks = remarks(release, &coverage);
    remarks.extend(coverage.missing.iter().map(|needed| {
        let (missing, first) = (describe(needed), first.code());
        bilingual!("{missing}; until then {first} is heard", "{missing:#}；在此之前播放 {first} 录音")
    }));
    Ok(Recordings { bank, missing, remarks })
}

/// Compares what is needed with the folder, its manifest and `above`.
fn coverage(settings: &Settings, needed: &BTreeSet<ClipText>, above: &Overlay) -> Result<Coverage, Vec<Bilingual>> {
    let folder = &settings.hotline.audio;
    if !folder.is_dir() {
        return Err(vec![bilingual!(
            "hotline.audio = {}: there is no such folder of recordings",
            "hotline.audio = {}：没有这个录音文件夹",
            folder.display()
        )]);
    }
    let mut manifest = manifest(&settings.hotline.manifest).map_err(|error| vec![error])?;
    let mut existing = clips_in(folder).map_err(|error| vec![os::io_fault(folder, &error)])?;
    for (clip, master) in above.iter().filter(|(_, master)| master.take.is_some()) {
        existing.insert(clip.clone());
        let text_sha256 = Some(master.text_sha256.clone());
        manifest.insert(clip.clone(), ManifestEntry { text_sha256, sha256: None, placeholder: false });
    }
    let mut coverage = Coverage::of(needed, &existing, &manifest);
    let (stale, replaced) = coverage.stale.into_iter().partition(|needed| {
        let clip = clip_of(needed);
        above.contains_key(&clip) || is_described(&path_of(folder, &clip), manifest.get(&clip))
    });
    coverage.stale = stale;
    coverage.unknown.extend::<Vec<ClipText>>(replaced);
    coverage.unknown.sort();
    Ok(coverage)
}

/// Whether the manifest's entry is about the file that lies there, and not about one that it has replaced.
fn is_described(path: &Path, entry: Option<&ManifestEntry>) -> bool {
    let Some(described) = entry.and_then(|entry| entry.sha256.as_deref()) else { return true };
    sound_key::read(path).is_ok_and(|bytes| hash(&bytes) == described)
}

fn remarks(release: &Release, coverage: &Coverage) -> Vec<Bilingual> {
    let stale = coverage.stale.iter().map(|needed| diagnostics::stale(release, needed).line());
    let unknown = coverage.unknown.iter().map(|needed| diagnostics::unknown(release, needed).line());
    let placeholders = match coverage.placeholder.len() {
        0 => None,
        n => Some(bilingual!(
            "{n} recordings are synthetic placeholders; record them before callers hear them",
            "{n} 条录音为合成的占位录音；请在来电人听到之前完成录音"
        )),
    };
    stale.chain(unknown).chain(placeholders).collect()
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

/// Reads the manifest of a folder of recordings.
///
/// # Errors
/// The file and what is wrong with it.
pub fn manifest(path: &Path) -> Result<Manifest, Bilingual> {
    let text = fs::read_to_string(path).map_err(|error| os::io_fault(path, &error))?;
    read_manifest(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Where a recording lies in a folder of recordings.
pub fn path_of(folder: &Path, clip: &Clip) -> PathBuf {
    folder.join(clip.lang.code()).join(format!("{}.wav", clip.id))
}

/// Where recordings lie: in `above`, else in the folder.
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

/// Reads and encodes. From the disk it uses every core, as a thousand files take one core a second.
fn encode_all(places: &Places<'_>, clips: &[&ClipText]) -> (Vec<Placed>, Vec<Bilingual>) {
    let threads = match places.from {
        From::Disk => std::thread::available_parallelism().map_or(1, usize::from),
        From::Bank(_) => 1,
    };
    let share = clips.len().div_ceil(threads).max(1);
    let results: Vec<Result<Placed, Bilingual>> = std::thread::scope(|scope| {
        let workers: Vec<_> = clips
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(|clip| encode(places, clip)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("encoding does not panic")).collect()
    });
    let mut placed = Vec::with_capacity(results.len());
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(clip) => placed.push(clip),
            Err(error) => errors.push(error),
        }
    }
    (placed, errors)
}

fn encode(places: &Places<'_>, clip: &ClipText) -> Result<Placed, Bilingual> {
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
///
/// # Errors
/// What is wrong with the file.
pub fn samples(path: &Path) -> Result<(Vec<i16>, u32), String> {
    let bytes = sound_key::read(path).map_err(|error| error.to_string())?;
    let reader = hound::WavReader::new(&bytes[..]).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err("must be 16-bit PCM with one channel".into());
    }
    // Hound decodes sample by sample, a third of a start's time. After the header its reader holds the samples' octets.
    let size = reader.len() as usize * 2;
    let octets = reader.into_inner().get(..size).ok_or("is cut short")?;
    let samples = octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok((samples, spec.sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_with_two_channels_is_rejected_with_a_reason() {
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
