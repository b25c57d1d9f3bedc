//! Makes the copy again of the files it was made of: the last snapshot, and the changes since, which are kept for this.
//!
//! ```text
//!  kept files ─ whole, sealed, each naming the one before ─► the way ─┬─ it leads where the copy stands ─► a new copy
//!                                                                     └─ no copy is left: as far as it leads ─► the same
//! ```

use std::io;
use std::path::PathBuf;

use feed::text;
use replica::Mark;
use replica::gate::{FileKind, FilePosition, GateKeys, Reading, ReplicaState, Standing, VerifiedFile};

use super::apply::{Applied, ApplyError};
use super::feeding::Feeding;
use super::putaway::Folders;

/// Kept files that follow each other, from one to begin with on.
pub(super) struct Way {
    files: Vec<(PathBuf, VerifiedFile)>,
}

impl Way {
    /// The way to `place`, or without one as far as it leads. None: the kept files do not lead there. One that is damaged,
    /// or is there twice, is not followed.
    pub(crate) fn find(keys: &GateKeys, folders: &Folders, place: Option<&FilePosition>) -> io::Result<Option<Way>> {
        let mut files: Vec<(PathBuf, VerifiedFile)> = Vec::new();
        for path in folders.kept()? {
            let Ok(whole) = text::read(&path, Reading::Check, &mut |_| {}) else { continue };
            if keys.check(&whole).is_ok() && follows(files.last().map(|(_, before)| before), &whole) {
                files.push((path, whole));
            }
            if place.is_some_and(|place| files.last().is_some_and(|(_, last)| is_at(last, place))) {
                break;
            }
        }
        let there = match (files.last(), place) {
            (Some((_, last)), Some(place)) => is_at(last, place),
            (Some(_), None) => true,
            (None, _) => false,
        };
        Ok(there.then_some(Way { files }))
    }

    /// Where it leads.
    pub(crate) fn end(&self) -> &VerifiedFile {
        &self.files.last().expect("a way has a file").1
    }

    /// How many files it is long.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Makes a new copy of it, and swaps it in.
    pub(crate) fn go(&self, feeding: &Feeding, mark: Mark) -> Result<Applied, ApplyError> {
        let mut rebuild = feeding.rebuild()?;
        for (path, whole) in &self.files {
            let mut failed = None;
            let read = text::read(path, Reading::Rows, &mut |change| {
                if failed.is_none()
                    && let Err(error) = rebuild.add(&whole.header.source, change)
                {
                    failed = Some(error);
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
            if read.ok().as_ref() != Some(whole) {
                return Err(ApplyError::Source("a kept file changed while it was read: it is read again".into()));
            }
        }
        rebuild.finish(mark)
    }
}

fn is_at(whole: &VerifiedFile, place: &FilePosition) -> bool {
    let header = &whole.header;
    (&header.source, header.sequence, whole.hash) == (&place.source, place.sequence, place.hash)
}

/// Whether a kept file is one to begin with, or follows the one before.
fn follows(before: Option<&VerifiedFile>, whole: &VerifiedFile) -> bool {
    let Some(before) = before else { return whole.header.kind == FileKind::Snapshot || whole.header.sequence == 1 };
    let header = before.header.clone();
    let place =
        FilePosition { source: header.source, sequence: header.sequence, hash: before.hash, as_of: header.as_of };
    ReplicaState::At(place).judge(None, &whole.header, Some(&whole.hash), |_| None) == Standing::Next
}
