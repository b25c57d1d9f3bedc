//! The table of rooms in `src/ARCHITECTURE.md` and the workspace are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use support::gateway::home;

type Rooms = BTreeMap<String, BTreeSet<String>>;

/// Room → the rooms it uses, as the table says.
fn table() -> Rooms {
    let text = std::fs::read_to_string(home().join("src/ARCHITECTURE.md")).expect("the map");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: BTreeSet<String> = rows.iter().map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    rows.iter()
        .map(|cells| {
            let room = cells[0].trim_matches('`').to_owned();
            let uses = match cells[2] {
                "every room" => names.iter().filter(|name| **name != room).cloned().collect(),
                "–" => BTreeSet::new(),
                rooms => rooms.split(' ').map(str::to_owned).collect(),
            };
            (room, uses)
        })
        .collect()
}

/// The same as the crates below `src` declare it, dependencies for tests left out.
fn workspace() -> Rooms {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(home())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    let rooms = packages.iter().filter(|package| {
        let manifest = text(&package["manifest_path"]);
        manifest.contains("/src/") && manifest.ends_with("/Cargo.toml")
    });
    let rooms: BTreeMap<String, &Value> = rooms.map(|package| (text(&package["name"]), package)).collect();
    rooms
        .iter()
        .map(|(name, package)| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let shipped = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let uses = shipped.map(|dependency| text(&dependency["name"])).filter(|name| rooms.contains_key(name));
            (name.clone(), uses.collect())
        })
        .collect()
}

#[test]
fn the_table_of_rooms_is_what_the_workspace_declares() {
    assert_eq!(table(), workspace());
}
