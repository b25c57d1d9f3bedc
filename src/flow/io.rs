//! The inputs and outputs of a conversation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;

use base::{Key, Lang, Private};
use speech::{Piece, Value};

/// Numbers the plays of one conversation, so that the late end of a stopped play is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u32);

/// What is known of a caller before the first prompt.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The calling number; absent when the caller hides it.
    pub number: Option<Private<String>>,
    /// The number is on the list of blocked ones.
    pub blocked: bool,
    /// The caller is known to be a senior.
    pub senior: bool,
    /// The call comes from a mobile telephone.
    pub mobile: bool,
    /// The language of the caller's last call.
    pub last_lang: Option<Lang>,
}

/// Local civil time at one instant; later times follow from it.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The instant.
    pub at: Instant,
    /// The local date and time at it.
    pub civil: DateTime,
}

/// The flow's variables of a case without their prefix: `status`, `doc`, `by`.
pub type Facts = BTreeMap<Arc<str>, Value>;

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum LookUpAnswer {
    /// One record fits.
    Found {
        /// What it says, fitted to the flow's variables.
        facts: Facts,
        /// How old the replica was when it was read.
        age: Duration,
    },
    /// No record fits.
    NotFound,
    /// More than one record fits, or the caller has failed too often: no look-up was made.
    Ambiguous,
    /// The source does not answer.
    Unavailable,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The other side took the call, and has ended it.
    Done,
    /// The other side is busy.
    Busy,
    /// The other side cannot be reached.
    Failed,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordResult {
    /// There is a recording; it is kept as a message only on [`Output::KeepTake`].
    Recorded {
        /// How much was spoken.
        length: Duration,
    },
    /// There is no recording.
    Failed,
}

/// What a conversation takes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// The call is answered and its media runs.
    Start,
    /// The caller pressed a key.
    Key(Key),
    /// A play ended by itself.
    Played(PlayId),
    /// The answer to [`Output::LookUp`].
    LookedUp(LookUpAnswer),
    /// The end of [`Output::Transfer`].
    TransferEnded(TransferOutcome),
    /// The end of [`Output::Record`].
    Recorded(RecordResult),
    /// The ticket number of the kept message; absent when it could not be kept.
    RecordingSaved(Option<String>),
    /// [`super::Conversation::deadline`] has come.
    Deadline,
}

/// Why an answer was not taken (no-input, no-match), for the journal. It never holds the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputError {
    /// No key came in time (no-input).
    NoInput,
    /// The key leads nowhere (no-match).
    NoMatch,
    /// The entry is too short or too long.
    WrongLength,
    /// The entry cannot be a receipt number.
    WrongNumber,
}

/// What a conversation wants done. Outputs are performed in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Play these pieces; an earlier play is over.
    Play {
        /// Comes back with [`Input::Played`].
        id: PlayId,
        /// Recordings and silences, in order.
        pieces: Vec<Piece>,
    },
    /// Stop playing at once.
    Stop,
    /// Ask a source; exactly one [`Input::LookedUp`] follows.
    LookUp {
        /// The source's name in the flow.
        source: Arc<str>,
        /// What to look up by: each variable and its value.
        by: BTreeMap<Arc<str>, Private<String>>,
    },
    /// Transfer the caller to a configured address; exactly one [`Input::TransferEnded`] follows.
    Transfer {
        /// The address by its name in the settings.
        to: Arc<str>,
        /// How long it may ring.
        timeout: Duration,
    },
    /// Record the caller until `stop`, [`Output::StopRecording`] or the limit; exactly one [`Input::Recorded`] follows.
    Record {
        /// The longest recording.
        max: Duration,
    },
    /// End the recording; [`Input::Recorded`] still follows.
    StopRecording,
    /// Store the last take as a message for `notify` for this time; exactly one [`Input::Ticket`] follows.
    SaveRecording {
        /// Which department it is for.
        notify: Arc<str>,
        /// How long it is kept.
        keep: Duration,
        /// The calling number, where the caller agrees that it is kept with the message.
        number: Option<Private<String>>,
    },
    /// A node was entered: one step of the journal's path.
    Step {
        /// Its name.
        node: Arc<str>,
    },
    /// A question was answered with nothing, or with something wrong: for the call's figures.
    InputError {
        /// The question.
        node: Arc<str>,
        /// What was wrong.
        kind: InputError,
    },
    /// The caller's score.
    Rated {
        /// As keyed in; which end is best is for the flow.
        score: u8,
    },
    /// The call is in this language from here on.
    Lang(Lang),
    /// A fault that a checked release should not have, for the log. The caller is led on to help.
    Fault {
        /// Where it was met.
        node: Arc<str>,
        /// What is wrong, in a sentence without a caller's data.
        what: String,
    },
    /// End the call.
    HangUp,
}
