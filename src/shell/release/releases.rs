//! Releases on the disk: immutable folders named by the hash of what is in them, and a pointer to the live one.
//!
//! ```text
//!  <data>/releases/<hash>/  flow.toml script.toml calendar.toml manifest.json audio/<lang>/<clip>.wav  files.tsv
//!                           takes.tsv   which of the recordings are operators' takes; the others are the factory's
//!                  clips/   each recording once, by its hash; releases hold links to it
//!                  live     the hash of the live release; replaced as a whole
//!                  audit.jsonl   who published what, when and why; only appended to
//! ```
//! `files.tsv` lists every file with its SHA-256; the release's name is the SHA-256 of that list. A release is checked
//! against it whenever it is read, so what went live is what was checked. A flow and the takes above the factory's
//! recordings are one release, so that a rollback brings both back as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hotline::{self, Hotline};
use super::recordings::{self, Missing};
use super::retention;
pub use crate::store::{store, store_beside};
use audio::Bank;
use base::Lang;
use config::{self, Settings};
use speech::{Clip, ClipText};

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

pub(crate) fn folder(settings: &Settings) -> PathBuf {
    settings.data.folder.join("releases")
}

/// The hash that the pointer names.
pub fn live(settings: &Settings) -> Option<String> {
    let text = fs::read_to_string(folder(settings).join("live")).ok()?;
    let name = text.trim();
    is_name(name).then(|| name.to_owned())
}

/// Makes a stored release live for new calls, notes it, and removes the releases that nobody needs any more: how many
/// these were. What is live is live, so the inner error is only to be told.
pub fn go_live(settings: &Settings, name: &str, entry: &Entry) -> Result<Result<usize, String>, String> {
    set_live(settings, name)?;
    note(settings, entry)?;
    Ok(retention::clean(settings).map_err(|error| format!("old releases could not be removed: {error}")))
}

/// Points to another release. The old pointer is there until the new one is.
fn set_live(settings: &Settings, name: &str) -> Result<(), String> {
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

/// Reads a stored release beside the live one: what both play is taken from memory, so that a change of one recording
/// reads and encodes one.
pub fn load_beside(settings: &Settings, name: &str, live: &str, bank: &Bank) -> Result<Hotline, Vec<String>> {
    let one = |complaint| vec![complaint];
    let root = folder(settings);
    let (there, here) = (hashes(&root.join(name)).map_err(one)?, hashes(&root.join(live)).unwrap_or_default());
    let same = |path: &str| path.starts_with("audio/") && there.get(path) == here.get(path);
    verify_but(&root.join(name), name, &same).map_err(one)?;
    let known = |needed: &ClipText| {
        let path = format!("audio/{}/{}.wav", needed.lang.code(), needed.id);
        if same(&path) { bank.encoded(needed.lang, &needed.id) } else { None }
    };
    let from = recordings::From::Bank(&known);
    let hotline = hotline::read_from(&settings_of(settings, name), &Overlay::new(), &from, Missing::StoodInFor)?;
    Ok(Hotline { name: name.to_owned(), ..hotline })
}

/// The files of a release with their hashes.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let list = folder.join("files.tsv");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(hash, path)| (path.to_owned(), hash.to_owned())).collect())
}

fn verify(folder: &Path, name: &str) -> Result<(), String> {
    verify_but(folder, name, &|_| false)
}

fn verify_but(folder: &Path, name: &str, skip: &dyn Fn(&str) -> bool) -> Result<(), String> {
    let list = folder.join("files.tsv");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    if hash(text.as_bytes()) != name {
        return Err(format!("{}: changed after it was published; publish again", list.display()));
    }
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    for (written, path) in lines.filter(|(_, path)| !skip(path)) {
        let path = folder.join(path);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if hash(&bytes) != written {
            return Err(format!("{}: changed after it was published; publish again", path.display()));
        }
    }
    Ok(())
}

/// A recording that takes the place of the one in the folder of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// The take's name; none where the factory's recording comes back.
    pub take: Option<String>,
    pub path: PathBuf,
    /// [`studio::text_hash`] of what it was read from.
    pub text_sha256: String,
}

/// Recordings above those of the folder.
pub type Overlay = BTreeMap<Clip, Master>;

/// The takes of the live release.
pub fn live_takes(settings: &Settings) -> Overlay {
    live(settings).map(|name| takes_of(settings, &name)).unwrap_or_default()
}

/// The takes of a stored release.
pub fn takes_of(settings: &Settings, name: &str) -> Overlay {
    let folder = folder(settings).join(name);
    let text = fs::read_to_string(folder.join("takes.tsv")).unwrap_or_default();
    let line = |line: &str| {
        let mut parts = line.split('\t');
        let clip = Clip { lang: Lang::from_code(parts.next()?)?, id: parts.next()?.into() };
        let (take, text_sha256) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let path = recordings::path_of(&folder.join("audio"), &clip);
        Some((clip, Master { take: Some(take), path, text_sha256 }))
    };
    text.lines().filter_map(line).collect()
}

/// Held while a release is made and goes live: two at once would each undo the other. `None` if another has it.
pub fn lock(settings: &Settings) -> Result<Option<fs::File>, String> {
    let path = folder(settings).join("lock");
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder(settings)).map_err(failed)?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Ok(None)
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

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

pub(crate) fn hash(bytes: &[u8]) -> String {
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

/// How long a publication waits for another to end.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
