//! Releases on the disk: immutable folders named by the hash of what is in them, and a pointer to the live one.
//!
//! ```text
//!  <data>/releases/<hash>/  flow.toml script.toml calendar.toml manifest.json audio/<lang>/<clip>.wav  files.tsv
//!                  clips/   each recording once, by its hash; releases hold links to it
//!                  live     the hash of the live release; replaced as a whole
//!                  audit.jsonl   who published what, when and why; only appended to
//! ```
//! `files.tsv` lists every file with its SHA-256; the release's name is the SHA-256 of that list. A release is checked
//! against it whenever it is read, so what went live is what was checked.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hotline::{self, Hotline};
use super::recordings::Missing;
use crate::config::{self, Settings};
use crate::speech::Needed;

/// One line of the audit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: jiff::Timestamp,
    /// `publish`, `rollback`, `emergency on` or `emergency off`.
    pub what: String,
    /// The release; none where none was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    pub who: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

fn folder(settings: &Settings) -> PathBuf {
    settings.data.folder.join("releases")
}

/// The hash that the pointer names.
pub fn live(settings: &Settings) -> Option<String> {
    let text = fs::read_to_string(folder(settings).join("live")).ok()?;
    let name = text.trim();
    is_name(name).then(|| name.to_owned())
}

/// Points to another release. The old pointer is there until the new one is.
pub fn set_live(settings: &Settings, name: &str) -> Result<(), String> {
    replace(&folder(settings).join("live"), &format!("{name}\n"))
}

/// The release whose hash begins like this.
pub fn find(settings: &Settings, beginning: &str) -> Result<String, String> {
    let mut names = names(settings).into_iter().filter(|name| name.starts_with(beginning));
    match (names.next(), names.next()) {
        (Some(name), None) if beginning.len() >= 6 => Ok(name),
        (Some(_), Some(_)) => Err(format!("several releases begin with {beginning}; write more of the hash")),
        (Some(_), None) => Err("write at least six characters of the hash; see jindu releases".into()),
        (None, _) => Err(format!("there is no release {beginning}; see jindu releases")),
    }
}

/// Every stored release.
pub fn names(settings: &Settings) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(folder(settings)) else { return BTreeSet::new() };
    files.flatten().filter_map(|file| file.file_name().into_string().ok()).filter(|name| is_name(name)).collect()
}

/// The settings with the files of a release in place of their own.
pub fn settings_of(settings: &Settings, name: &str) -> Settings {
    let folder = folder(settings).join(name);
    Settings {
        hotline: config::Hotline {
            flow: folder.join("flow.toml"),
            script: folder.join("script.toml"),
            calendar: folder.join("calendar.toml"),
            audio: folder.join("audio"),
            manifest: folder.join("manifest.json"),
            ..settings.hotline.clone()
        },
        ..settings.clone()
    }
}

/// Reads a stored release whole, and checks that it is what was published.
pub fn load(settings: &Settings, name: &str) -> Result<Hotline, Vec<String>> {
    verify(&folder(settings).join(name), name).map_err(|complaint| vec![complaint])?;
    let hotline = hotline::read(&settings_of(settings, name), Missing::StoodInFor)?;
    Ok(Hotline { name: name.to_owned(), ..hotline })
}

fn verify(folder: &Path, name: &str) -> Result<(), String> {
    let list = folder.join("files.tsv");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    if hash(text.as_bytes()) != name {
        return Err(format!("{}: changed after it was published; publish again", list.display()));
    }
    for (written, path) in text.lines().filter_map(|line| line.split_once('\t')) {
        let path = folder.join(path);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if hash(&bytes) != written {
            return Err(format!("{}: changed after it was published; publish again", path.display()));
        }
    }
    Ok(())
}

/// Stores the files of the settings as a release, and gives its hash. It is whole before it has its name.
pub fn store(settings: &Settings, needed: &BTreeSet<Needed>) -> Result<String, String> {
    let root = folder(settings);
    let new = root.join(format!(".new-{}", std::process::id()));
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(root.join("clips")).map_err(|error| failed(&root, error))?;
    let _ = fs::remove_dir_all(&new);
    let stored = fill(settings, needed, &root, &new).and_then(|name| {
        let to = root.join(&name);
        match fs::rename(&new, &to) {
            Ok(()) => Ok(name),
            // The same release was stored before.
            Err(_) if to.join("files.tsv").exists() => Ok(name),
            Err(error) => Err(failed(&to, error)),
        }
    });
    let _ = fs::remove_dir_all(&new);
    stored
}

fn fill(settings: &Settings, needed: &BTreeSet<Needed>, root: &Path, new: &Path) -> Result<String, String> {
    let files = &settings.hotline;
    let mut list = String::new();
    let texts = [
        (&files.flow, "flow.toml"),
        (&files.script, "script.toml"),
        (&files.calendar, "calendar.toml"),
        (&files.manifest, "manifest.json"),
    ];
    let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(new).map_err(|error| failed(new, error))?;
    for (from, name) in texts {
        let bytes = fs::read(from).map_err(|error| failed(from, error))?;
        write_synced(&new.join(name), &bytes).map_err(|error| failed(&new.join(name), error))?;
        list.push_str(&format!("{}\t{name}\n", hash(&bytes)));
    }
    for needed in needed {
        let name = format!("{}/{}.wav", needed.lang.code(), needed.id);
        let from = files.audio.join(&name);
        let bytes = fs::read(&from).map_err(|error| failed(&from, error))?;
        let hash = hash(&bytes);
        let to = new.join("audio").join(&name);
        keep_clip(&root.join("clips"), &hash, &bytes, &to).map_err(|error| failed(&to, error))?;
        list.push_str(&format!("{hash}\taudio/{name}\n"));
    }
    write_synced(&new.join("files.tsv"), list.as_bytes()).map_err(|error| failed(new, error))?;
    Ok(hash(list.as_bytes()))
}

/// A recording is on the disk once, however many releases play it. What the operator records over is another file.
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

/// Replaces a small file as a whole.
pub fn replace(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    write_synced(&new, text.as_bytes()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Appends to the audit.
pub fn note(settings: &Settings, entry: &Entry) -> Result<(), String> {
    let path = folder(settings).join("audit.jsonl");
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder(settings)).map_err(failed)?;
    let line = serde_json::to_string(entry).map_err(|error| error.to_string())?;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// The audit, the oldest first; a line that cannot be read is left out.
pub fn audit(settings: &Settings) -> Vec<Entry> {
    let text = fs::read_to_string(folder(settings).join("audit.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The release that was live before the one that is.
pub fn previous(settings: &Settings) -> Option<String> {
    let live = live(settings)?;
    let stored = names(settings);
    let before = audit(settings).into_iter().rev().filter_map(|entry| entry.release);
    before.into_iter().find(|name| *name != live && stored.contains(name))
}

/// What a node begins with: the live release; if that cannot be read the one before, and so on; the files of the
/// settings where nothing was ever published, and then whole. What was passed over is told with it.
pub fn to_serve(settings: &Settings) -> Result<Hotline, Vec<String>> {
    let past = audit(settings).into_iter().rev().filter_map(|entry| entry.release);
    let mut tried = BTreeSet::new();
    let mut passed_over = Vec::new();
    for name in live(settings).into_iter().chain(past) {
        if is_name(&name) && tried.insert(name.clone()) {
            match load(settings, &name) {
                Ok(hotline) => return Ok(Hotline { passed_over, ..hotline }),
                Err(complaints) => passed_over.extend(complaints),
            }
        }
    }
    hotline::read(settings, Missing::Refused).map(|hotline| Hotline { passed_over, ..hotline })
}

fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The duty officer's switch, if it was ever used.
pub fn emergency(settings: &Settings) -> Option<bool> {
    match fs::read_to_string(settings.data.folder.join("emergency")).ok()?.trim() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Turns the duty officer's switch.
pub fn set_emergency(settings: &Settings, on: bool) -> Result<(), String> {
    replace(&settings.data.folder.join("emergency"), if on { "on\n" } else { "off\n" })
}
