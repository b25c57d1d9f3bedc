//! Diagnostics: what is wrong with the files of a release, for the person who edits them.

use std::fmt;
use std::sync::Arc;

use base::{Bilingual, bilingual};

/// One fault of a file: where it is, what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable code: `E03` for an error, which refuses the release; `W02` for a warning, which does not.
    pub code: &'static str,
    /// The file's name, as the person who edits it knows it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// What is wrong, with the key or value that was found.
    pub message: Bilingual,
    /// What to do about it; empty where the fault says it all.
    pub remedy: Bilingual,
}

impl Diagnostic {
    /// Whether it refuses the release.
    pub fn is_error(&self) -> bool {
        self.code.starts_with('E')
    }

    /// The line that is printed: place, code, what is wrong, what to do.
    pub fn line(&self) -> Bilingual {
        let Diagnostic { code, file, line, message, remedy } = self;
        if remedy.is_empty() {
            bilingual!("{file}:{line}: {code} {message}", "{file}:{line}: {code} {message:#}")
        } else {
            bilingual!("{file}:{line}: {code} {message}; {remedy}", "{file}:{line}: {code} {message:#}；{remedy:#}")
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line().en)
    }
}

/// The word of `known` nearest to `word` by edit distance, for "did you mean"; none if all are too far away.
pub fn closest_match<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1) + 1;
    known.into_iter().map(|k| (edits(word, k), k)).filter(|(n, _)| *n <= most).min_by_key(|(n, _)| *n).map(|(_, k)| k)
}

/// The Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_its_neighbour() {
        assert_eq!(closest_match("receit", ["receipt", "main"]), Some("receipt"));
        assert_eq!(closest_match("give-up", ["give_up", "go"]), Some("give_up"));
        assert_eq!(closest_match("elephant", ["main", "desk"]), None);
    }
}
