//! Pieces of a sentence → ranges of the bank.

use audio::{Bank, Playlist, Span, samples_in};
use speech::{Clip, Piece};

/// A playlist asks for a clip that the release lacks; a release whose check passed holds every one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the prompt set holds no recording {}/{}", .0.lang.code(), .0.id)]
pub struct MissingClip(pub Clip);

/// What can be played of these pieces, and the first that cannot.
pub(super) fn resolve(bank: &Bank, pieces: &[Piece]) -> (Playlist, Option<MissingClip>) {
    let mut missing = None;
    let mut spans = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Clip(clip) => match bank.clip(clip.lang, &clip.id) {
                Some(span) => spans.push(span),
                None => missing = missing.or_else(|| Some(MissingClip(clip.clone()))),
            },
            Piece::Silence(time) => spans.push(Span::silence(samples_in(*time))),
            Piece::Tone(time) => spans.extend(bank.tone(*time)),
            Piece::Ringing(time) => spans.extend(bank.ringing(*time)),
            Piece::Message => spans.push(Span::Take),
        }
    }
    (Playlist::new(spans), missing)
}
