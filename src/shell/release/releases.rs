//! Stored releases: immutable folders named by the hash of their content, and a pointer to the live one.
//!
//! ```text
//!  <data>/releases/<hash>/  flow.toml script.toml calendar.toml manifest.json audio/<lang>/<clip>.wav  files.tsv
//!                           takes.tsv   which of the recordings are operators' takes; the others are the factory's
//!                  clips/   each recording once, by its hash; releases hold links to it
//!                  live     the hash of the live release; replaced as a whole
//!                  audit.jsonl   who published what, when and why; only appended to
//! ```
//! `files.tsv` lists every file with its SHA-256; the release's name is the SHA-256 of that list. A release is verified
//! against it whenever it is read, so what went live is what was checked. A flow and its takes are one release, so that
//! a rollback restores both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

pub use crate::audit::{Entry, append_audit, audit};
pub use crate::emergency::{emergency, set_emergency};
pub use crate::layout::{find, names, settings_of};
pub use crate::live_pointer::{live, previous};
pub use crate::lock::lock;
pub use crate::overlay::{Master, Overlay};
pub use crate::replay::replay_past_calls;
pub use crate::retention::KEPT;
pub use crate::store::{store, store_beside};

use audio::Bank;
use base::{Bilingual, Lang, bilingual};
use config::Settings;
use speech::{Clip, ClipText};

use crate::disk::hash;
use crate::hotline::{self, Hotline};
use crate::layout::{folder, is_name};
use crate::live_pointer::set_live;
use crate::recordings::{self, MissingPolicy};
use crate::retention;

/// Makes a stored release live for new calls, writes the audit log, and removes old releases. The number of removed
/// releases; the inner error does not undo the publication.
///
/// # Errors
/// The pointer or the audit log cannot be written.
pub fn go_live(settings: &Settings, name: &str, entry: &Entry) -> Result<Result<usize, Bilingual>, Bilingual> {
    set_live(settings, name)?;
    append_audit(settings, entry)?;
    Ok(retention::clean(settings)
        .map_err(|error| bilingual!("old releases could not be removed: {error}", "无法删除旧版本：{error:#}")))
}

/// Reads a stored release, and verifies that it is what was published.
///
/// # Errors
/// One line per file that was changed or cannot be read.
pub fn load(settings: &Settings, name: &str) -> Result<Hotline, Vec<Bilingual>> {
    verify(&folder(settings).join(name), name, &|_| false).map_err(|error| vec![error])?;
    let hotline = hotline::read(&settings_of(settings, name), MissingPolicy::Tolerate)?;
    Ok(Hotline { name: name.to_owned(), ..hotline })
}

/// Reads a stored release while another one is live. Recordings that both play are taken from the live bank, so that a
/// change of one recording reads and encodes one.
///
/// # Errors
/// One line per file that was changed or cannot be read.
pub fn load_beside(settings: &Settings, name: &str, live: &str, bank: &Bank) -> Result<Hotline, Vec<Bilingual>> {
    let one = |error| vec![error];
    let root = folder(settings);
    let (there, here) = (hashes(&root.join(name)).map_err(one)?, hashes(&root.join(live)).unwrap_or_default());
    let same = |path: &str| path.starts_with("audio/") && there.get(path) == here.get(path);
    verify(&root.join(name), name, &same).map_err(one)?;
    let known = |needed: &ClipText| {
        let path = format!("audio/{}/{}.wav", needed.lang.code(), needed.id);
        if same(&path) { bank.encoded(needed.lang, &needed.id) } else { None }
    };
    let from = recordings::From::Bank(&known);
    let hotline = hotline::read_from(&settings_of(settings, name), &Overlay::new(), &from, MissingPolicy::Tolerate)?;
    Ok(Hotline { name: name.to_owned(), ..hotline })
}

/// The files of a release with their hashes.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, Bilingual> {
    let list = folder.join("files.tsv");
    let text = fs::read_to_string(&list).map_err(|error| os::io_fault(&list, &error))?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(hash, path)| (path.to_owned(), hash.to_owned())).collect())
}

/// Compares the files with the list and the list with the name; paths that `skip` names are not read.
fn verify(folder: &Path, name: &str, skip: &dyn Fn(&str) -> bool) -> Result<(), Bilingual> {
    let list = folder.join("files.tsv");
    let text = fs::read_to_string(&list).map_err(|error| os::io_fault(&list, &error))?;
    if hash(text.as_bytes()) != name {
        return Err(changed(&list));
    }
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    for (written, path) in lines.filter(|(_, path)| !skip(path)) {
        let path = folder.join(path);
        let bytes = fs::read(&path).map_err(|error| os::io_fault(&path, &error))?;
        if hash(&bytes) != written {
            return Err(changed(&path));
        }
    }
    Ok(())
}

fn changed(path: &Path) -> Bilingual {
    bilingual!("{}: changed after it was published; publish again", "{}：发布后被改动；请重新发布", path.display())
}

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

/// What a node starts with: the live release; if it cannot be read, the one before, and so on. The files of the settings
/// are for an office that has not published yet, and then with every recording: where releases cannot be read, what lies
/// in the working files was approved by no one.
///
/// # Errors
/// Nothing can be served; one line per fault.
pub fn to_serve(settings: &Settings) -> Result<Hotline, Vec<Bilingual>> {
    readable(settings).map_err(|error| vec![error])?;
    let past = audit(settings).into_iter().rev().filter_map(|entry| entry.release);
    let mut tried = BTreeSet::new();
    let mut skipped = Vec::new();
    for name in live(settings).into_iter().chain(past) {
        if is_name(&name) && tried.insert(name.clone()) {
            match load(settings, &name) {
                Ok(hotline) => return Ok(Hotline { skipped, ..hotline }),
                Err(errors) => skipped.extend(errors),
            }
        }
    }
    if !tried.is_empty() {
        let folder = folder(settings);
        let folder = folder.display();
        skipped.push(bilingual!("{folder}: {NONE_READABLE}", "{folder}：{NONE_READABLE:#}"));
        return Err(skipped);
    }
    hotline::read(settings, MissingPolicy::Reject)
}

/// Whether the folder of releases, the live pointer and the audit log are absent or can be read.
fn readable(settings: &Settings) -> Result<(), Bilingual> {
    let root = folder(settings);
    let failed = |path: &Path, error: &io::Error| {
        let path = path.display();
        bilingual!("{path}: {error}; {UNREADABLE}", "{path}：{error}；{UNREADABLE:#}")
    };
    match fs::read_dir(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map(drop).map_err(|error| failed(&root, &error))?,
    }
    for file in ["live", "audit.jsonl"].map(|file| root.join(file)) {
        match fs::File::open(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&file, &error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

const UNREADABLE: Bilingual = Bilingual::fixed(
    "the published releases must be readable by this user; give it the folder with chown",
    "本用户须能读取已发布的版本；请用 chown 授予该文件夹",
);
const NONE_READABLE: Bilingual = Bilingual::fixed(
    "none of the published releases can be read; restore the folder from a backup, or move it away to serve the working files",
    "已发布的版本均无法读取；请从备份恢复该文件夹，或将其移走以使用工作文件",
);
