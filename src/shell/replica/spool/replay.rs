//! Rebuilds the replica from the archive: the last snapshot and the changes since.
//!
//! ```text
//!  archived files ─ complete, signed, each naming its predecessor ─► a chain ─┬─ up to the replica's position ─► a rebuild
//!                                                                             └─ no copy left: the whole chain ─► a rebuild
//! ```

use std::io;
use std::path::PathBuf;

use replica::Mark;
use replica::gate::{FileKind, FilePosition, GateKeys, ReadDepth, ReplicaState, Standing, VerifiedFile};

use crate::spool::archive::SpoolFolders;
use crate::write::batch::{Applied, ApplyError};
use crate::write::handle::WriterHandle;
use crate::write::rebuild::Rebuild;

/// Archived files that follow each other, beginning with a snapshot or number 1.
pub(crate) struct ArchivedChain {
    files: Vec<(PathBuf, VerifiedFile)>,
}

impl ArchivedChain {
    /// The chain up to `place`, or the longest chain without one; `None` when the archive does not reach `place`.
    /// Damaged and duplicate files are skipped.
    pub(crate) fn find(
        keys: &GateKeys,
        folders: &SpoolFolders,
        place: Option<&FilePosition>,
    ) -> io::Result<Option<ArchivedChain>> {
        let mut files: Vec<(PathBuf, VerifiedFile)> = Vec::new();
        for path in folders.archived()? {
            let Ok(whole) = folders.read(&path, ReadDepth::Check, &mut |_| {}) else { continue };
            if keys.check(&whole).is_ok() && follows(files.last().map(|(_, before)| before), &whole) {
                files.push((path, whole));
            }
            if place.is_some_and(|place| files.last().is_some_and(|(_, last)| is_at(last, place))) {
                break;
            }
        }
        let complete = match (files.last(), place) {
            (Some((_, last)), Some(place)) => is_at(last, place),
            (Some(_), None) => true,
            (None, _) => false,
        };
        Ok(complete.then_some(ArchivedChain { files }))
    }

    /// Its last file.
    pub(crate) fn end(&self) -> &VerifiedFile {
        &self.files.last().expect("a chain has a file").1
    }

    /// The number of its files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Rebuilds the replica from it, and swaps it in.
    pub(crate) fn rebuild(
        &self,
        folders: &SpoolFolders,
        writer: &WriterHandle,
        mark: Mark,
    ) -> Result<Applied, ApplyError> {
        let mut rebuild = Rebuild::begin(writer)?;
        for (path, whole) in &self.files {
            let mut failed = None;
            let read = folders.read(path, ReadDepth::Rows, &mut |change| {
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
                return Err(ApplyError::Source("an archived file changed while it was read; it is read again".into()));
            }
        }
        rebuild.finish(mark)
    }
}

fn is_at(whole: &VerifiedFile, place: &FilePosition) -> bool {
    let header = &whole.header;
    (&header.source, header.sequence, whole.hash) == (&place.source, place.sequence, place.hash)
}

/// Whether a file can begin a chain, or follows its predecessor.
fn follows(before: Option<&VerifiedFile>, whole: &VerifiedFile) -> bool {
    let Some(before) = before else { return whole.header.kind == FileKind::Snapshot || whole.header.sequence == 1 };
    let header = before.header.clone();
    let place =
        FilePosition { source: header.source, sequence: header.sequence, hash: before.hash, as_of: header.as_of };
    ReplicaState::At(place).judge(None, &whole.header, Some(&whole.hash), |_| None) == Standing::Next
}
