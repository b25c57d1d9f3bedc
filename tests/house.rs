//! The map in `src/ARCHITECTURE.md` and the tree are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Room → the rooms it may use; `None` for every room.
fn map() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = fs::read_to_string(src().join("ARCHITECTURE.md")).expect("the map");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let uses = match cells[2] {
            "every room" => None,
            "–" => Some(BTreeSet::new()),
            rooms => Some(rooms.split(' ').map(str::to_owned).collect()),
        };
        (cells[0].trim_matches('`').to_owned(), uses)
    })
    .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Files that are compiled for tests only: `#[cfg(test)]` stands before their `mod`.
fn is_for_tests(file: &Path) -> bool {
    let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
    let folder = file.parent().expect("a folder");
    let above = folder.with_extension("rs");
    [folder.join("mod.rs"), above].iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
        ["mod", "pub mod", "pub(crate) mod", "pub(super) mod"]
            .iter()
            .any(|kind| text.contains(&format!("#[cfg(test)]\n{kind} {name};")))
    })
}

#[test]
fn every_room_is_on_the_map_and_the_map_shows_no_other() {
    let rooms: BTreeSet<String> = fs::read_dir(src())
        .expect("src")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(rooms, map().into_keys().collect());
}

#[test]
fn rooms_use_only_the_rooms_their_arrows_point_to() {
    let map = map();
    let mut wrong = Vec::new();
    for (room, uses) in &map {
        let Some(uses) = uses else { continue };
        let mut files = Vec::new();
        sources(&src().join(room), &mut files);
        for file in files.iter().filter(|file| !is_for_tests(file)) {
            let text = fs::read_to_string(file).expect("a source");
            let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for (n, line) in shipped.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                for after in line.split("crate::").skip(1) {
                    let used: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    if map.contains_key(&used) && used != *room && !uses.contains(&used) {
                        wrong.push(format!("{}:{}: {room} uses {used}", file.display(), n + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_shell_touches_the_world() {
    let worldly = [
        "std::fs",
        "std::net::Udp",
        "std::net::Tcp",
        "std::env::",
        "std::process::",
        "std::thread",
        "tokio::",
        "rusqlite",
        "getrandom",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "hyper::",
    ];
    let mut wrong = Vec::new();
    for room in map().into_keys().filter(|room| room != "shell") {
        let mut files = Vec::new();
        sources(&src().join(&room), &mut files);
        for file in files.iter().filter(|file| !is_for_tests(file)) {
            let text = fs::read_to_string(file).expect("a source");
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (n, line) in shipped.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                if let Some(what) = worldly.iter().find(|what| line.contains(**what)) {
                    wrong.push(format!("{}:{}: {what}", file.display(), n + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
