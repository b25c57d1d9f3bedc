//! `jindu feed verify`: checks files as a node would.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use replica::Change;
use replica::gate::{FileKind, GateKeys, Hash, ReadDepth, VerifiedFile};

use super::text;

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// A line for each file, and for each gap between them.
    pub lines: Vec<String>,
    /// The number of faults.
    pub faults: u64,
}

/// Checks files and folders of files; in a folder, also that the files follow each other. The error names an unreadable
/// path.
pub fn verify(paths: &[PathBuf], keys: &GateKeys) -> Result<Verdict, String> {
    let mut verdict = Verdict::default();
    for path in paths {
        let folder = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.is_dir();
        if !folder {
            verdict.file(path, keys);
            continue;
        }
        let mut files = feed_files(path)?;
        files.sort();
        let mut chain: BTreeMap<(String, u64), Vec<(VerifiedFile, String)>> = BTreeMap::new();
        for file in files {
            if let Some(whole) = verdict.file(&file, keys) {
                let at = (whole.header.source.clone(), whole.header.sequence);
                chain.entry(at).or_default().push((whole, name(&file)));
            }
        }
        verdict.chain(&chain);
    }
    Ok(verdict)
}

impl Verdict {
    fn file(&mut self, path: &Path, keys: &GateKeys) -> Option<VerifiedFile> {
        let (mut puts, mut deletes, mut bad, mut first_bad) = (0u64, 0u64, 0u64, None);
        let read = text::read(path, ReadDepth::Rows, &mut |change| match change {
            Change::Put(_) | Change::Replace(_) => puts += 1,
            Change::Delete { .. } | Change::Truncate => deletes += 1,
            Change::Gone { .. } => {}
            Change::Bad(row) => {
                bad += 1;
                let line = || format!("line {}: {}", row.id.rsplit(':').next().unwrap_or_default(), row.why);
                first_bad.get_or_insert_with(line);
            }
        });
        let whole = match read {
            Ok(whole) => whole,
            Err(error) => return self.fault(path, &error.to_string()),
        };
        if let Err(error) = keys.check(&whole) {
            return self.fault(path, &error.to_string());
        }
        let header = &whole.header;
        let kind = match header.kind {
            FileKind::Changes if header.lines == 0 => "heartbeat",
            FileKind::Changes => "changes",
            FileKind::Snapshot => "snapshot",
        };
        self.lines.push(format!(
            "{}: {} {}, {kind}, {puts} cases, {deletes} deleted, as of {}, {}",
            name(path),
            header.source,
            header.sequence,
            header.as_of,
            signed(&whole, keys)
        ));
        if let Some(first) = first_bad {
            self.faults += bad;
            self.lines.push(format!("  {bad} lines would go to quarantine; the first: {first}"));
        }
        Some(whole)
    }

    fn fault(&mut self, path: &Path, what: &str) -> Option<VerifiedFile> {
        self.faults += 1;
        self.lines.push(format!("{}: {what}", name(path)));
        None
    }

    fn chain(&mut self, files: &BTreeMap<(String, u64), Vec<(VerifiedFile, String)>>) {
        let mut before: Option<(&str, u64, Hash)> = None;
        for ((source, sequence), same) in files {
            let (whole, first) = &same[0];
            for (other, name) in &same[1..] {
                if other.hash == whole.hash {
                    self.lines.push(format!("  {name} repeats {first}"));
                } else {
                    self.chain_fault(format!("{first} and {name} have the same number and different content"));
                }
            }
            match before {
                Some((of, last, hash)) if of == source => {
                    if *sequence > last + 1 {
                        let (first, last) = (last + 1, sequence - 1);
                        self.chain_fault(match first == last {
                            true => format!("{source}: {first} is missing"),
                            false => format!("{source}: {first} to {last} are missing"),
                        });
                    } else if whole.header.previous != hash {
                        self.chain_fault(format!(
                            "{first} does not follow {source} {last}: there are two packers, or one was restored"
                        ));
                    }
                }
                Some(_) | None => {}
            }
            before = Some((source, *sequence, whole.hash));
        }
    }

    fn chain_fault(&mut self, what: String) {
        self.faults += 1;
        self.lines.push(format!("  {what}"));
    }
}

fn signed(whole: &VerifiedFile, keys: &GateKeys) -> String {
    match (&whole.seal.key, keys.is_empty()) {
        (Some(key), false) => format!("signed by {key}"),
        (Some(_), true) => "signed, not verified: no key was given".into(),
        (None, _) => "not signed".into(),
    }
}

/// The feed files of a folder, without links and other files.
fn feed_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && is_feed_name(&entry.file_name()) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Whether a file name is one that the spool accepts: `*.ndjson` or `*.ndjson.zst`.
pub fn is_feed_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".ndjson") || name.ends_with(b".ndjson.zst")
}

/// A file name from outside, escaped and cut to 200 characters for one line of output.
pub fn printable(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().take(200).map(plain).collect()
}

fn name(path: &Path) -> String {
    printable(path.file_name().unwrap_or(path.as_os_str()))
}
