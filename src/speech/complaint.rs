//! What is wrong with the files that make a conversation, told to the person who edits them.

use std::fmt;
use std::sync::Arc;

/// One fault of a file: where it is, what is wrong in plain words, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `E03`: the release is refused; `W02`: it is not.
    pub code: &'static str,
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    pub what: String,
    pub remedy: String,
}

impl Complaint {
    /// Whether a release with this fault is refused.
    pub fn is_error(&self) -> bool {
        self.code.starts_with('E')
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} {}", self.file, self.line, self.code, self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// The word of `known` that is likely meant by `word`: fewest edits, and not too many of them.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1) + 1;
    known.into_iter().map(|k| (edits(word, k), k)).filter(|(n, _)| *n <= most).min_by_key(|(n, _)| *n).map(|(_, k)| k)
}

/// Levenshtein's distance.
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
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("receit", ["receipt", "main"]), Some("receipt"));
        assert_eq!(nearest("give-up", ["give_up", "go"]), Some("give_up"));
        assert_eq!(nearest("elephant", ["main", "desk"]), None);
    }
}
