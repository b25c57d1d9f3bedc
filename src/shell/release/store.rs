//! Writes a release to the disk: first all files under a temporary name, then one rename.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use base::{Bilingual, Lang};
use config::{self, Settings};
use os::sound_key;
use speech::{Clip, ClipText};

use crate::clips::clip_of;
use crate::disk::{hash, write_synced};
use crate::layout::{folder, settings_of};
use crate::overlay::{Master, Overlay};
use crate::recordings;

/// Stores the files of the settings as a release, with the recordings of `above` in place of the folder's; its name.
/// The same content gives the same name.
///
/// # Errors
/// A file that cannot be read or written.
pub fn store(settings: &Settings, needed: &BTreeSet<ClipText>, above: &Overlay) -> Result<String, Bilingual> {
    let root = folder(settings);
    store_at(&root, &Parts { files: &settings.hotline, needed, above, factory: &settings.hotline.manifest })
}

/// Stores the live release's flow and words with other recordings; the name of the new release.
///
/// # Errors
/// A file that cannot be read or written.
pub fn store_beside(
    settings: &Settings,
    live: &str,
    needed: &BTreeSet<ClipText>,
    above: &Overlay,
) -> Result<String, Bilingual> {
    let from = settings_of(settings, live);
    // A recording that neither the live release nor a take has stays missing: another language is played for it.
    let exists = |needed: &&ClipText| {
        let clip = clip_of(needed);
        above.contains_key(&clip) || recordings::path_of(&from.hotline.audio, &clip).exists()
    };
    let needed: BTreeSet<ClipText> = needed.iter().filter(exists).cloned().collect();
    let parts = Parts { files: &from.hotline, needed: &needed, above, factory: &settings.hotline.manifest };
    store_at(&folder(settings), &parts)
}

/// What a release is made of.
struct Parts<'a> {
    files: &'a config::Hotline,
    needed: &'a BTreeSet<ClipText>,
    above: &'a Overlay,
    /// The manifest of the factory's recordings.
    factory: &'a Path,
}

fn store_at(root: &Path, parts: &Parts<'_>) -> Result<String, Bilingual> {
    let new = root.join(format!(".new-{}", std::process::id()));
    fs::create_dir_all(root.join("clips")).map_err(|error| failed(root, error))?;
    let _ = fs::remove_dir_all(&new);
    let stored = fill(parts, root, &new).and_then(|name| {
        let to = root.join(&name);
        match fs::rename(&new, &to) {
            Ok(()) => Ok(name),
            // The same release is stored already.
            Err(_) if to.join("files.tsv").exists() => Ok(name),
            Err(error) => Err(failed(&to, error)),
        }
    });
    let _ = fs::remove_dir_all(&new);
    stored
}

/// Writes all files of a release into `new`; the release's name.
fn fill(parts: &Parts<'_>, root: &Path, new: &Path) -> Result<String, Bilingual> {
    let mut list = String::new();
    fs::create_dir_all(new).map_err(|error| failed(new, error))?;
    for (name, bytes) in texts(parts)? {
        write_synced(&new.join(name), &bytes).map_err(|error| failed(&new.join(name), error))?;
        list.push_str(&format!("{}\t{name}\n", hash(&bytes)));
    }
    for needed in parts.needed {
        let clip = clip_of(needed);
        let from = match parts.above.get(&clip) {
            Some(master) => master.path.clone(),
            None => recordings::path_of(&parts.files.audio, &clip),
        };
        let bytes = read(&from)?;
        let hash = hash(&bytes);
        let name = format!("{}/{}.wav", clip.lang.code(), clip.id);
        let to = new.join("audio").join(&name);
        keep_clip(&root.join("clips"), &hash, &bytes, &to).map_err(|error| failed(&to, error))?;
        list.push_str(&format!("{hash}\taudio/{name}\n"));
    }
    write_synced(&new.join("files.tsv"), list.as_bytes()).map_err(|error| failed(new, error))?;
    Ok(hash(list.as_bytes()))
}

/// The files that are no recordings.
fn texts(parts: &Parts<'_>) -> Result<Vec<(&'static str, Vec<u8>)>, Bilingual> {
    let files = parts.files;
    let mut texts = vec![
        ("flow.toml", read(&files.flow)?),
        ("script.toml", read(&files.script)?),
        ("calendar.toml", read(&files.calendar)?),
        ("manifest.json", manifest(parts, read(&files.manifest)?)?),
    ];
    let takes = takes_tsv(parts);
    if !takes.is_empty() {
        texts.push(("takes.tsv", takes.into_bytes()));
    }
    Ok(texts)
}

fn read(path: &Path) -> Result<Vec<u8>, Bilingual> {
    sound_key::read(path).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: io::Error) -> Bilingual {
    os::io_fault(path, &error)
}

fn takes_tsv(parts: &Parts<'_>) -> String {
    let wanted: BTreeSet<Clip> = parts.needed.iter().map(clip_of).collect();
    let line = |(clip, master): (&Clip, &Master)| {
        let take = master.take.as_deref().filter(|_| wanted.contains(clip))?;
        Some(format!("{}\t{}\t{take}\t{}\n", clip.lang.code(), clip.id, master.text_sha256))
    };
    parts.above.iter().filter_map(line).collect()
}

/// The manifest, with the entries of `above` in place of its own.
fn manifest(parts: &Parts<'_>, own: Vec<u8>) -> Result<Vec<u8>, Bilingual> {
    if parts.above.is_empty() {
        return Ok(own);
    }
    let path = &parts.files.manifest;
    let invalid = |error: String| Bilingual::from(format!("{}: {error}", path.display()));
    let mut manifest: serde_json::Value = serde_json::from_slice(&own).map_err(|error| invalid(error.to_string()))?;
    let clips = manifest.get_mut("clips").and_then(|clips| clips.as_array_mut());
    let clips = clips.ok_or_else(|| invalid("has no list `clips`".into()))?;
    clips.retain(|clip| manifest_clip(clip).is_none_or(|clip| !parts.above.contains_key(&clip)));
    let factory: serde_json::Value = match fs::read(parts.factory) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?,
        Err(_) => serde_json::Value::Null,
    };
    let shipped = factory["clips"].as_array().cloned().unwrap_or_default();
    for (clip, master) in parts.above {
        match &master.take {
            Some(take) => clips.push(serde_json::json!({
                "lang": clip.lang.code(), "id": &*clip.id, "text_sha256": master.text_sha256,
                "state": "recorded", "take": take,
            })),
            None => clips.extend(shipped.iter().find(|shipped| manifest_clip(shipped).as_ref() == Some(clip)).cloned()),
        }
    }
    serde_json::to_vec_pretty(&manifest).map_err(|error| invalid(error.to_string()))
}

fn manifest_clip(written: &serde_json::Value) -> Option<Clip> {
    Some(Clip { lang: Lang::from_code(written["lang"].as_str()?)?, id: written["id"].as_str()?.into() })
}

/// Keeps a recording once on the disk, however many releases link to it.
fn keep_clip(clips: &Path, hash: &str, bytes: &[u8], to: &Path) -> io::Result<()> {
    let clip = clips.join(hash);
    if !clip.exists() {
        let new = clips.join(format!(".new-{}", std::process::id()));
        write_synced(&new, bytes)?;
        fs::rename(&new, &clip)?;
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::hard_link(&clip, to).or_else(|_| fs::copy(&clip, to).map(drop))
}
