//! What slots hold, and what comes out of a sentence.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime};

use base::Lang;

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A member of an enum, spoken by its word `opt.<enum>.<member>`.
    Word(Arc<str>),
    /// Several members.
    Words(Vec<Arc<str>>),
    /// Digits spoken one by one, with the group lengths of their format (empty: groups of four).
    Digits {
        digits: String,
        groups: Vec<u8>,
    },
    /// A count of something, or a plain number.
    Number(u32),
    /// Money, in fen.
    Money(u32),
    Date(Date),
    /// A moment in local time; its date is spoken when it is not today's.
    Time(DateTime),
}

/// A recording: `prompts/audio/<lang>/<id>.wav`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clip {
    pub lang: Lang,
    pub id: Arc<str>,
}

/// A stretch of what a caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Clip(Clip),
    Silence(Duration),
    /// A 1 kHz tone: the beep before a recording, the line test.
    Tone(Duration),
    /// A recorded message of this call, played back to its caller.
    Take,
}
