//! What the copy was made of: what tells a repeat from a fork.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use replica::gate::{FeedHeader, Hash, VerifiedFile};

use super::putaway::Folders;

/// The files that are in the copy, as far back as is remembered: what tells a repeat from a fork.
pub(super) struct Past {
    path: PathBuf,
    source: String,
    hashes: BTreeMap<u64, Hash>,
    written: usize,
}

impl Past {
    /// Reads what was noted. A note that was lost makes a repeat of an old file one of which nothing can be said.
    pub(crate) fn open(folders: &Folders) -> Past {
        let path = folders.spool.join(NOTES);
        let mut past = Past { path, source: String::new(), hashes: BTreeMap::new(), written: 0 };
        for line in fs::read_to_string(&past.path).unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let (Some(source), Some(sequence), Some(hash)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if let (Ok(sequence), Some(hash)) = (sequence.parse(), Hash::from_hex(hash)) {
                past.note(source, sequence, hash);
                past.written += 1;
            }
        }
        past
    }

    /// Whether anything was noted in a spool.
    pub(crate) fn is_noted(spool: &Path) -> bool {
        fs::metadata(spool.join(NOTES)).is_ok_and(|notes| notes.len() > 0)
    }

    pub(crate) fn hash(&self, source: &str, sequence: u64) -> Option<Hash> {
        self.hashes.get(&sequence).copied().filter(|_| self.source == source)
    }

    /// The copy goes on from a snapshot of this number: what was beyond it is another story.
    pub(crate) fn begin(&mut self, source: &str, sequence: u64) {
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
        self.note(source, *sequence, whole.hash);
        let line = format!("{source} {sequence} {}\n", whole.hash);
        let mut options = fs::OpenOptions::new();
        // Rewritten when most of it is of the past's past.
        let again = self.written > 4 * PAST_MAX;
        if again {
            self.written = 0;
            options.write(true).create(true).truncate(true);
        } else {
            options.append(true).create(true);
        }
        let text = if again { self.all() } else { line };
        self.written += text.lines().count();
        // A full disk costs a note, which costs a word about a repeat.
        let _ = options.open(&self.path).and_then(|mut file| file.write_all(text.as_bytes()));
    }

    fn note(&mut self, source: &str, sequence: u64, hash: Hash) {
        if self.source != source {
            self.hashes.clear();
            self.source = source.to_owned();
        }
        self.hashes.insert(sequence, hash);
        if self.hashes.len() > PAST_MAX {
            self.hashes.pop_first();
        }
    }

    fn all(&self) -> String {
        self.hashes.iter().map(|(sequence, hash)| format!("{} {sequence} {hash}\n", self.source)).collect()
    }
}

const NOTES: &str = "past";
/// Files that are remembered.
const PAST_MAX: usize = 10_000;
