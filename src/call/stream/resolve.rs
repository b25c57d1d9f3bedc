//! Pieces of a sentence → ranges of the bank.

use crate::audio::{Bank, Playlist, Span, samples_in};
use crate::speech::{Clip, Piece};

/// A playlist asks for a clip that the release lacks; a release whose check passed holds every one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt set holds no recording {}/{}", .0.lang.code(), .0.id)]
pub struct MissingClip(pub Clip);

/// What can be played of these pieces, and the first that cannot.
pub(super) fn resolve(bank: &Bank, pieces: &[Piece]) -> (Playlist, Option<MissingClip>) {
    let mut missing = None;
    let spans = pieces.iter().filter_map(|piece| match piece {
        Piece::Clip(clip) => {
            let span = bank.clip(clip.lang, &clip.id);
            if span.is_none() && missing.is_none() {
                missing = Some(MissingClip(clip.clone()));
            }
            span
        }
        Piece::Silence(time) => Some(Span::silence(samples_in(*time))),
        Piece::Beep => Some(bank.beep()),
        Piece::Take => Some(Span::Take),
    });
    let list = Playlist::new(spans.collect());
    (list, missing)
}
