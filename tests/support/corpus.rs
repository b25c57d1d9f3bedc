//! Committed files that unit tests of pure crates read: fuzz corpora and prompt recordings.

use std::path::{Path, PathBuf};

/// Every file of `tests/fuzz/corpus/<folder>`, as name and content, sorted by name.
pub fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let paths = list(&tree().join("tests/fuzz/corpus").join(folder));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).expect("a corpus file is readable"))).collect()
}

/// Every prompt recording in `prompts/audio`, as path, sample rate and 16-bit samples; empty where the tree has none.
pub fn prompts() -> impl Iterator<Item = (PathBuf, u32, Vec<i16>)> {
    let folder = tree().join("prompts/audio");
    let languages = if folder.is_dir() { list(&folder) } else { Vec::new() };
    let files = languages.into_iter().filter(|path| path.is_dir()).flat_map(|path| list(&path));
    files.filter_map(|path| {
        let mut wav = hound::WavReader::open(&path).ok()?;
        let rate = wav.spec().sample_rate;
        let samples = wav.samples().flatten().collect();
        Some((path, rate, samples))
    })
}

fn tree() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is committed");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths
}
