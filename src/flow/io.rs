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
    /// The node can call the caller back.
    pub call_back: bool,
    /// The node records conversations with its agents.
    pub recorded: bool,
    /// Text messages that the node can send the caller in this call; 0: none.
    pub text_messages: u8,
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

/// Why a caller does not wait any longer, or cannot begin to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOutcome {
    /// The queue is full.
    Full,
    /// The queue is closed.
    Closed,
    /// No agent is signed in who could serve the caller, or the node has no such queue.
    NoAgents,
    /// The longest wait is over, or the node shuts down.
    WaitedTooLong,
}

/// What a queue reports of a caller who waits in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueEvent {
    /// The position, 1 for the next caller, and the estimated wait in minutes.
    Position {
        /// Never higher than announced before.
        position: u32,
        /// Absent where it cannot be estimated.
        minutes: Option<u32>,
    },
    /// The node shuts down; waiting callers are served for a limited time.
    Draining,
    /// An agent has answered, and hears the caller: nothing plays until the end.
    Connected,
    /// The agent is gone before a word was spoken: the caller waits again, at the old place.
    Disconnected,
    /// The conversation with the agent is over, and the caller is still there.
    Ended,
    /// The caller waits no longer.
    Left(QueueOutcome),
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
    /// Instead of [`Input::Start`]: the node has called a person who asked for it, and the call is answered.
    StartCallBack,
    /// What became of [`Output::EnterQueue`], at any time after it.
    Queue(QueueEvent),
    /// Whether the call-back of [`Output::BookCallBack`] is booked.
    CallBackBooked(bool),
    /// Whether the text message of [`Output::SendText`] is accepted for sending.
    TextAccepted(bool),
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
    /// The caller waits in a queue; [`Input::Queue`] reports what happens, until [`QueueEvent::Ended`] or [`QueueEvent::Left`]
    /// ends it, or [`Output::LeaveQueue`]. If the caller was in this queue before, within two minutes, it is the old place.
    EnterQueue {
        /// The queue's name in the settings.
        queue: Arc<str>,
        /// Callers of a higher priority come first.
        priority: u8,
        /// What the agent must be able to do.
        skills: Vec<Arc<str>>,
        /// How often the position is announced; absent: never.
        announce_every: Option<Duration>,
        /// The longest wait.
        max_wait: Duration,
        /// What the agent is shown: variables and their values.
        pass: BTreeMap<Arc<str>, Private<String>>,
        /// The person was called back and agrees: the place is the one of the request.
        called_back: bool,
    },
    /// The caller waits no longer, by a key.
    LeaveQueue,
    /// Book a call-back; exactly one [`Input::CallBackBooked`] follows. A caller who left a queue keeps the place.
    BookCallBack {
        /// The queue's name in the settings.
        queue: Arc<str>,
        /// The number to call, as the caller sent or typed it.
        number: Private<String>,
        /// Callers of a higher priority come first.
        priority: u8,
        /// What the agent must be able to do.
        skills: Vec<Arc<str>>,
        /// What the agent is shown: variables and their values.
        pass: BTreeMap<Arc<str>, Private<String>>,
    },
    /// The person who was called back wants no conversation: the request is over.
    DeclineCallBack,
    /// The caller hears from here on that the conversation with an agent will be recorded, and cannot skip it: nothing else follows
    /// before its end.
    RecordingAnnounced,
    /// Send the caller a text message; exactly one [`Input::TextAccepted`] follows, once it is stored or refused.
    SendText {
        /// The words, with nothing in them that identifies a person.
        text: Private<String>,
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
