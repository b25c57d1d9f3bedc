//! Values of slots, and the pieces that a sentence is composed of.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime};

use base::Lang;

/// The value of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A member of an enum, spoken by its word `opt.<enum>.<member>`.
    Word(Arc<str>),
    /// Several members.
    Words(Vec<Arc<str>>),
    /// Digits spoken one by one, with the group lengths of their format (empty: groups of four).
    Digits {
        /// 0 to 9, and X at the end of an identity number.
        digits: String,
        /// The length of each group; another sum than the number of digits counts as empty.
        groups: Vec<u8>,
    },
    /// A count of something, or a plain number.
    Number(u32),
    /// Money, in fen.
    Money(u32),
    /// A day in the calendar.
    Date(Date),
    /// A moment in local time; its date is spoken when it is not today's.
    Time(DateTime),
}

/// A recording: `prompts/audio/<lang>/<id>.wav`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clip {
    /// The language it is spoken in, which is its folder.
    pub lang: Lang,
    /// The file's name without its ending: `prompt.welcome`, `digit.m.7`.
    pub id: Arc<str>,
}

/// One piece of what a caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A recording of the release.
    Clip(Clip),
    /// Silence of this length.
    Silence(Duration),
    /// A 1 kHz tone: the beep before a recording, the line test.
    Tone(Duration),
    /// The ringing tone of a telephone network, for at most this long: what a caller hears while the other side rings.
    Ringing(Duration),
    /// A recorded message of this call, played back to its caller.
    Message,
}
