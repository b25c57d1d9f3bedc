//! Where releases lie on the disk, and their names.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use base::{Bilingual, bilingual};
use config::{self, Settings};

/// `<data>/releases`.
pub(crate) fn folder(settings: &Settings) -> PathBuf {
    settings.data.folder.join("releases")
}

/// A release is named by 64 hex digits, the SHA-256 of its list of files.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The names of all stored releases.
pub fn names(settings: &Settings) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(folder(settings)) else { return BTreeSet::new() };
    files.flatten().filter_map(|file| file.file_name().into_string().ok()).filter(|name| is_name(name)).collect()
}

/// The stored release whose name starts with `prefix`, at least six characters.
///
/// # Errors
/// No release or several start with it, or it is too short.
pub fn find(settings: &Settings, prefix: &str) -> Result<String, Bilingual> {
    let mut names = names(settings).into_iter().filter(|name| name.starts_with(prefix));
    match (names.next(), names.next()) {
        (Some(name), None) if prefix.len() >= 6 => Ok(name),
        (Some(_), Some(_)) => Err(bilingual!(
            "several releases start with {prefix}; write more of the hash",
            "有多个版本以 {prefix} 开头；请多写几位"
        )),
        (Some(_), None) => Err(Bilingual::fixed(
            "write at least six characters of the hash; see jindu releases",
            "请至少写出版本号的前六位；见 jindu releases",
        )),
        (None, _) => {
            Err(bilingual!("there is no release {prefix}; see jindu releases", "没有版本 {prefix}；见 jindu releases"))
        }
    }
}

/// The settings with a stored release's files in place of their own.
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
