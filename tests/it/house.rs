//! The tables of rooms and wings in `src/ARCHITECTURE.md` and the workspace are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use support::gateway::home;

type Rooms = BTreeMap<String, BTreeSet<String>>;

/// Room or wing → what it uses of its own kind, as the tables say.
fn tables() -> Rooms {
    let text = std::fs::read_to_string(home().join("src/ARCHITECTURE.md")).expect("the map");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    rows.iter()
        .map(|cells| {
            let uses = match cells[2] {
                "–" => BTreeSet::new(),
                names => names.split(' ').map(str::to_owned).collect(),
            };
            (cells[0].trim_matches('`').to_owned(), uses)
        })
        .collect()
}

/// The same as the crates below `src` declare it, dependencies for tests left out. A wing may use every room.
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
    let is_wing = |package: &Value| text(&package["manifest_path"]).contains("/src/shell/");
    let houses = packages.iter().filter(|package| text(&package["manifest_path"]).contains("/src/"));
    let rooms: BTreeMap<String, &Value> = houses.map(|package| (text(&package["name"]), package)).collect();
    rooms
        .iter()
        .map(|(name, package)| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let shipped = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let names = shipped.map(|dependency| text(&dependency["name"]));
            let uses = names.filter(|name| rooms.get(name).is_some_and(|used| is_wing(used) || !is_wing(package)));
            (name.clone(), uses.collect())
        })
        .collect()
}

#[test]
fn the_tables_of_rooms_and_wings_are_what_the_workspace_declares() {
    assert_eq!(tables(), workspace());
}

/// Examples in the documentation of code are text, as `tests/run` runs no others.
#[test]
fn the_documentation_of_code_has_no_examples_that_would_have_to_run() {
    let mut folders = vec![home().join("src"), home().join("tests")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let text = std::fs::read_to_string(&path).expect("text");
                let comments = text.lines().filter_map(|line| {
                    let line = line.trim_start();
                    line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))
                });
                let fences = comments.filter_map(|line| line.trim().strip_prefix("```"));
                let opening: Vec<&str> = fences.step_by(2).filter(|language| *language != "text").collect();
                assert!(opening.is_empty(), "{}: write ```text", path.display());
            }
        }
    }
    assert!(files > 300, "the sources are there");
}
