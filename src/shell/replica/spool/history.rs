//! The hashes of applied feed files, which distinguish a repeated file from a fork.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use replica::gate::{FeedHeader, Hash, VerifiedFile};

use crate::spool::archive::SpoolFolders;

/// The numbers and hashes of the last applied files of the source.
pub(crate) struct AppliedFiles {
    path: PathBuf,
    source: String,
    hashes: BTreeMap<u64, Hash>,
    written: usize,
}

impl AppliedFiles {
    /// Reads the list from the spool. Without an entry, a repeat of an old file cannot be verified and counts as superseded.
    pub(crate) fn open(folders: &SpoolFolders) -> AppliedFiles {
        let path = folders.spool.join(LIST);
        let mut files = AppliedFiles { path, source: String::new(), hashes: BTreeMap::new(), written: 0 };
        for line in fs::read_to_string(&files.path).unwrap_or_default().lines() {
            let mut fields = line.split(' ');
            let (Some(source), Some(sequence), Some(hash)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if let (Ok(sequence), Some(hash)) = (sequence.parse(), Hash::from_hex(hash)) {
                files.insert(source, sequence, hash);
                files.written += 1;
            }
        }
        files
    }

    /// Whether the spool has a list with entries.
    pub(crate) fn has_entries(spool: &Path) -> bool {
        fs::metadata(spool.join(LIST)).is_ok_and(|list| list.len() > 0)
    }

    pub(crate) fn hash(&self, source: &str, sequence: u64) -> Option<Hash> {
        self.hashes.get(&sequence).copied().filter(|_| self.source == source)
    }

    /// Starts again at a snapshot of this number: later files of the earlier history are forgotten.
    pub(crate) fn restart_at(&mut self, source: &str, sequence: u64) {
        if self.source != source || self.hashes.last_key_value().is_some_and(|(last, _)| *last >= sequence) {
            self.hashes.clear();
        }
        self.source = source.to_owned();
    }

    pub(crate) fn add(&mut self, whole: &VerifiedFile) {
        let FeedHeader { source, sequence, .. } = &whole.header;
        if self.hash(source, *sequence).is_some() {
            return;
        }
        self.insert(source, *sequence, whole.hash);
        let line = format!("{source} {sequence} {}\n", whole.hash);
        let mut options = fs::OpenOptions::new();
        // Rewritten when most of its entries have expired.
        let rewrite = self.written > 4 * FILES_MAX;
        if rewrite {
            self.written = 0;
            options.write(true).create(true).truncate(true);
        } else {
            options.append(true).create(true);
        }
        let text = if rewrite { self.all() } else { line };
        self.written += text.lines().count();
        // On a full disk the entry is lost, and a repeat of this file cannot be verified.
        let _ = options.open(&self.path).and_then(|mut file| file.write_all(text.as_bytes()));
    }

    fn insert(&mut self, source: &str, sequence: u64, hash: Hash) {
        if self.source != source {
            self.hashes.clear();
            self.source = source.to_owned();
        }
        self.hashes.insert(sequence, hash);
        if self.hashes.len() > FILES_MAX {
            self.hashes.pop_first();
        }
    }

    fn all(&self) -> String {
        self.hashes.iter().map(|(sequence, hash)| format!("{} {sequence} {hash}\n", self.source)).collect()
    }
}

const LIST: &str = "past";
/// Entries that are kept.
const FILES_MAX: usize = 10_000;
