//! Which recordings a release plays.

use std::collections::BTreeSet;

use base::Lang;
use call::{line_test_clips, studio_clips};
use flow::Release;
use speech::{Clip, ClipText, Piece};

/// Every recording that the hotline can play, including music and those of the line test and of the recording service.
pub fn needed(release: &Release) -> BTreeSet<ClipText> {
    let mut needed = release.clips_needed();
    let line_test: Vec<_> = line_test_clips().collect();
    let vocabulary = release.script.vocabulary(Lang::ALL[0]);
    needed.extend(vocabulary.into_iter().filter(|word| line_test.contains(&word.id)));
    needed.extend(release.music());
    needed.extend(studio_clips(&release.flow.langs));
    needed
}

/// The recordings of [`needed`] that exist; another language is played for the others.
pub fn recorded(release: &Release) -> BTreeSet<ClipText> {
    let exists = |needed: &ClipText| release.is_recorded(&[Piece::Clip(clip_of(needed))]);
    needed(release).into_iter().filter(exists).collect()
}

pub(crate) fn clip_of(needed: &ClipText) -> Clip {
    Clip { lang: needed.lang, id: needed.id.clone() }
}
