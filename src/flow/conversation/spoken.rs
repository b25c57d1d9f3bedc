//! What a caller hears: lines, and the play in progress.

use std::sync::Arc;
use std::time::Instant;

use crate::io::PlayId;
use base::Lang;
use speech::Piece;

/// What a line of a play is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A prompt by its name, with the family's member in its place: `fees.hkmo`.
    Prompt(Arc<str>),
    /// The options of a menu.
    Menu(Arc<str>),
    /// A beep, or a recorded message.
    Sound,
}

/// One line of what a caller hears.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which prompt, menu or sound.
    pub heard: Heard,
    /// The language that it is said in.
    pub lang: Lang,
    /// The words, for transcripts and screens; empty for a sound.
    pub text: String,
    /// The recordings that it is made of.
    pub pieces: Vec<Piece>,
    /// It is in the flow's first language, as it is not recorded in the caller's.
    pub stands_in: bool,
}

/// The play in progress.
pub(super) struct Playing {
    pub id: PlayId,
    pub lines: Vec<Line>,
    /// It cannot be cut short before this.
    pub guard: Option<Instant>,
}
