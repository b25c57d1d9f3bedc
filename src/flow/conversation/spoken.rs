//! What a caller hears: lines, and the play in progress.

use std::sync::Arc;
use std::time::Instant;

use crate::io::PlayId;
use base::Lang;
use speech::Piece;

/// What a line of a play is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptId {
    /// A prompt by its name, with the family's member in its place: `fees.hkmo`.
    Prompt(Arc<str>),
    /// The options of a menu.
    Menu(Arc<str>),
    /// A beep, or a recorded message.
    Sound,
}

/// One line of what a caller hears.
#[derive(Clone, Debug)]
pub struct SpokenLine {
    /// Which prompt, menu or sound.
    pub prompt: PromptId,
    /// The language that it is said in.
    pub lang: Lang,
    /// The words, for transcripts and screens; empty for a sound.
    pub text: String,
    /// The recordings that it is made of.
    pub pieces: Vec<Piece>,
    /// It is in the flow's first language, as it is not recorded in the caller's.
    pub is_substitute: bool,
}

/// The play in progress.
pub(super) struct Playing {
    pub id: PlayId,
    pub lines: Vec<SpokenLine>,
    /// It cannot be cut short before this.
    pub guard: Option<Instant>,
}
