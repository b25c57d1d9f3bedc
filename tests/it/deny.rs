//! `deny.toml` in force without cargo-deny and without a network: licences, sources, duplicate versions; and each dependency's reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::gateway::home;
use toml::Table;

/// A package that the program or its tests are built from.
struct Package {
    name: String,
    version: Vec<u64>,
    license: Option<String>,
    source: Option<String>,
    folder: String,
}

fn rules() -> Table {
    fs::read_to_string(home().join("deny.toml")).expect("deny.toml").parse().expect("TOML")
}

fn texts(list: &toml::Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|value| value.as_str().expect("a text")).collect()
}

/// Every package for the platform that deny.toml names, those of tests and build scripts included.
fn packages(rules: &Table) -> Vec<Package> {
    let target = texts(&rules["graph"]["targets"])[0].to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &target])
        .current_dir(home())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = metadata["packages"].as_array().expect("packages");
    all.iter()
        .map(|package| Package {
            name: text(&package["name"]).expect("a name"),
            version: version(package["version"].as_str().expect("a version")),
            license: text(&package["license"]),
            source: text(&package["source"]),
            folder: text(&package["manifest_path"]).expect("a path").trim_end_matches("/Cargo.toml").to_owned(),
        })
        .collect()
}

/// The numbers of a version, in order; what follows `-` or `+` is left out.
fn version(text: &str) -> Vec<u64> {
    let numbers = text.split(['-', '+']).next().expect("a version");
    numbers.split('.').map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let rules = rules();
    let allowed: BTreeSet<&str> = texts(&rules["licenses"]["allow"]).into_iter().collect();
    let clarified = rules["licenses"]["clarify"].as_array().expect("a list");
    let clarified: BTreeMap<&str, &toml::Value> =
        clarified.iter().map(|entry| (entry["crate"].as_str().expect("a crate"), entry)).collect();
    let mut wrong = Vec::new();
    for package in packages(&rules) {
        let expression = package.license.clone().unwrap_or_else(|| {
            let entry = clarified.get(package.name.as_str());
            let entry = entry.unwrap_or_else(|| panic!("{} names no licence and deny.toml none for it", package.name));
            check_files(Path::new(&package.folder), entry);
            entry["expression"].as_str().expect("an expression").to_owned()
        });
        if !Expression::of(&expression).holds(&allowed) {
            wrong.push(format!("{}: {expression}", package.name));
        }
    }
    assert!(wrong.is_empty(), "licences that deny.toml does not allow: {wrong:#?}");
}

/// The files that a clarification was read from are those of the package.
fn check_files(folder: &Path, entry: &toml::Value) {
    for file in entry["license-files"].as_array().expect("files") {
        let path = folder.join(file["path"].as_str().expect("a path"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let hash = file["hash"].as_integer().expect("a hash");
        assert_eq!(i64::from(crc32(&bytes)), hash, "{} has changed: read it again", path.display());
    }
}

/// CRC-32 (ISO 3309), by which cargo-deny knows a licence file.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), bit))
}

/// An SPDX licence expression; `/` is an old spelling of `OR`.
struct Expression(Vec<String>);

impl Expression {
    fn of(text: &str) -> Expression {
        let text = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.reverse();
        Expression(words)
    }

    fn holds(mut self, allowed: &BTreeSet<&str>) -> bool {
        let holds = self.any(allowed);
        assert!(self.0.is_empty(), "left over: {:?}", self.0);
        holds
    }

    fn any(&mut self, allowed: &BTreeSet<&str>) -> bool {
        let mut holds = self.all(allowed);
        while self.0.pop_if(|word| word == "OR").is_some() {
            holds |= self.all(allowed);
        }
        holds
    }

    fn all(&mut self, allowed: &BTreeSet<&str>) -> bool {
        let mut holds = self.one(allowed);
        while self.0.pop_if(|word| word == "AND").is_some() {
            holds &= self.one(allowed);
        }
        holds
    }

    fn one(&mut self, allowed: &BTreeSet<&str>) -> bool {
        let word = self.0.pop().expect("a licence");
        if word == "(" {
            let holds = self.any(allowed);
            assert_eq!(self.0.pop().as_deref(), Some(")"));
            return holds;
        }
        // A licence with an exception is another one, and is allowed by its whole name.
        let with = self.0.pop_if(|word| word == "WITH").and_then(|_| self.0.pop());
        let name = with.map_or_else(|| word.clone(), |exception| format!("{word} WITH {exception}"));
        allowed.contains(name.as_str())
    }
}

#[test]
fn expressions_are_read_as_spdx_writes_them() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for (text, holds) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/ISC", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND (ISC)", true),
        ("MIT WITH Something", false),
    ] {
        assert_eq!(Expression::of(text).holds(&allowed), holds, "{text}");
    }
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn every_package_comes_from_this_tree_or_an_allowed_registry() {
    let rules = rules();
    let registries = texts(&rules["sources"]["allow-registry"]);
    for package in packages(&rules) {
        match package.source.as_deref().map(|source| source.strip_prefix("registry+")) {
            None => assert!(package.folder.starts_with(&*home().canonicalize().expect("home").to_string_lossy())),
            Some(registry) => {
                assert!(registry.is_some_and(|registry| registries.contains(&registry)), "{}", package.name)
            }
        }
    }
}

#[test]
fn a_crate_is_there_in_one_version_unless_deny_toml_says_why() {
    let rules = rules();
    let mut versions: BTreeMap<String, BTreeSet<Vec<u64>>> = BTreeMap::new();
    for package in packages(&rules) {
        versions.entry(package.name).or_default().insert(package.version);
    }
    let mut older = BTreeSet::new();
    for (name, mut versions) in versions {
        versions.pop_last();
        older.extend(versions.into_iter().map(|version| {
            let numbers: Vec<String> = version.iter().map(u64::to_string).collect();
            format!("{name}@{}", numbers.join("."))
        }));
    }
    let skipped = rules["bans"]["skip"].as_array().expect("a list");
    assert!(skipped.iter().all(|entry| entry["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    let skipped: BTreeSet<String> =
        skipped.iter().map(|entry| entry["crate"].as_str().expect("a crate").to_owned()).collect();
    let (new, gone): (Vec<_>, Vec<_>) = (older.difference(&skipped).collect(), skipped.difference(&older).collect());
    assert!(
        new.is_empty(),
        "older versions beside newer ones; update, or add them to deny.toml with a reason: {new:?}"
    );
    assert!(gone.is_empty(), "deny.toml excuses what is not there any more; remove: {gone:?}");
}

#[test]
fn every_dependency_of_the_workspace_says_why_it_is_there() {
    let manifest = fs::read_to_string(home().join("Cargo.toml")).expect("Cargo.toml");
    let table = manifest.split("[workspace.dependencies]\n").nth(1).expect("the table");
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    let crates: Vec<&str> = lines.filter(|line| line.contains(" = ") && !line.contains("path = ")).collect();
    assert!(crates.len() > 20, "{crates:?}");
    let silent: Vec<&&str> = crates.iter().filter(|line| !line.contains("# ")).collect();
    assert!(silent.is_empty(), "add `# why` after: {silent:#?}");
}
