//! What a conversation takes in and gives out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;

use base::{Key, Lang, Private};
use speech::{Piece, Value};

/// Numbers the plays of one conversation, so that a late "played" of a stopped one is known for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u32);

/// What is known of a caller before the first prompt.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The calling number, if the trunk tells it.
    pub number: Option<Private<String>>,
    pub blocked: bool,
    pub senior: bool,
    pub mobile: bool,
    pub last_lang: Option<Lang>,
}

/// Local civil time at one instant; later times follow from it.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    pub at: Instant,
    pub civil: DateTime,
}

/// The flow's variables of a case without their prefix: `status`, `doc`, `by`.
pub type Facts = BTreeMap<Arc<str>, Value>;

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum Findings {
    Found { facts: Facts, age: Duration },
    None,
    Many,
    Down,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transferred {
    Done,
    Busy,
    Failed,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordResult {
    /// So much was spoken; a message is kept only when the flow says [`Output::KeepTake`].
    Taken {
        length: Duration,
    },
    Failed,
}

/// What a conversation takes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// The call is up and hears us.
    Start,
    Key(Key),
    /// A play came to its end by itself.
    Played(PlayId),
    LookedUp(Findings),
    Transferred(Transferred),
    Recorded(RecordResult),
    /// The kept message has this ticket number.
    Ticket(Option<String>),
    Deadline,
}

/// Why a caller's entry was refused, for the journal; never the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlipKind {
    Silence,
    WrongKey,
    WrongLength,
    WrongNumber,
}

/// What a conversation wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Play these; any earlier play is over.
    Play {
        id: PlayId,
        pieces: Vec<Piece>,
    },
    /// Be silent at once.
    Stop,
    /// Ask a source; exactly one [`Input::LookedUp`] follows.
    LookUp {
        source: Arc<str>,
        by: BTreeMap<Arc<str>, Private<String>>,
    },
    /// Transfer the caller to a configured address; exactly one [`Input::Transferred`] follows.
    Transfer {
        to: Arc<str>,
        timeout: Duration,
    },
    /// Record the caller until `stop`, [`Output::StopRecord`] or the limit; exactly one [`Input::Recorded`] follows.
    Record {
        max: Duration,
    },
    StopRecord,
    /// Keep the last take as a message for `notify` for so long; exactly one [`Input::Ticket`] follows.
    KeepTake {
        notify: Arc<str>,
        keep: Duration,
    },
    /// A node was reached: the journal's key path.
    Step {
        node: Arc<str>,
    },
    Slip {
        node: Arc<str>,
        kind: SlipKind,
    },
    /// The caller's score.
    Rated {
        score: u8,
    },
    Lang(Lang),
    /// Something that a checked release should not meet, for the log; the caller is helped on.
    Fault {
        node: Arc<str>,
        what: String,
    },
    /// End the call.
    HangUp,
}
