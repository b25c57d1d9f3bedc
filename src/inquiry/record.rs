//! The record of a call: enough to run the service, and nothing that names a person.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::Lang;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The application ended the call.
    Finished,
    /// The caller hung up during it.
    HungUp,
    /// An agent took over.
    Transferred,
    /// The caller hung up before an answer, or cancelled.
    Abandoned,
    /// Refused before it began: full, unknown, draining, no codec in common.
    Refused,
    /// The node or the network failed: lost media, no ACK, an internal fault.
    Failed,
}

impl CallOutcome {
    /// All outcomes, in the order of metrics.
    pub const ALL: [CallOutcome; 6] = [
        CallOutcome::Finished,
        CallOutcome::HungUp,
        CallOutcome::Transferred,
        CallOutcome::Abandoned,
        CallOutcome::Refused,
        CallOutcome::Failed,
    ];

    /// The value in the journal and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            CallOutcome::Finished => "finished",
            CallOutcome::HungUp => "hung_up",
            CallOutcome::Transferred => "transferred",
            CallOutcome::Abandoned => "abandoned",
            CallOutcome::Refused => "refused",
            CallOutcome::Failed => "failed",
        }
    }
}

/// How a look-up ended, for records and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookUpResult {
    /// The case was found.
    Found,
    /// Nothing matches the number and its proof.
    NotFound,
    /// The replica was too old to answer from.
    TooOld,
    /// The replica could not be read in time.
    Unavailable,
    /// Not made: its client had too many failures.
    Rejected,
}

impl LookUpResult {
    /// All results, in the order of metrics.
    pub const ALL: [LookUpResult; 5] = [
        LookUpResult::Found,
        LookUpResult::NotFound,
        LookUpResult::TooOld,
        LookUpResult::Unavailable,
        LookUpResult::Rejected,
    ];

    /// The value in the journal and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            LookUpResult::Found => "found",
            LookUpResult::NotFound => "not_found",
            LookUpResult::TooOld => "too_old",
            LookUpResult::Unavailable => "down",
            LookUpResult::Rejected => "handed_over",
        }
    }
}

/// The one step of a call to the recording service: not a node, and so in brackets.
pub const STUDIO_STEP: &str = "(studio)";
/// The one step of a call to the line test.
pub const LINE_TEST_STEP: &str = "(line test)";

/// Whether a step is of no flow, so that its call is not counted among those of callers.
pub fn is_of_no_flow(step: &str) -> bool {
    step.starts_with('(')
}

/// How a wait for an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOutcome {
    /// An agent answered.
    Answered,
    /// The caller hung up.
    Abandoned,
    /// The caller chose something else by a key.
    Left,
    /// The queue was full.
    Full,
    /// No agent was there, or none in time.
    Unavailable,
}

impl QueueOutcome {
    /// The value in the journal.
    pub fn name(self) -> &'static str {
        match self {
            QueueOutcome::Answered => "answered",
            QueueOutcome::Abandoned => "abandoned",
            QueueOutcome::Left => "left",
            QueueOutcome::Full => "full",
            QueueOutcome::Unavailable => "unavailable",
        }
    }
}

/// One step of what agents did with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlingStep {
    /// An agent talked to the caller: the account's name.
    Agent(Arc<str>),
    /// Another agent was asked, and answered: the account's name.
    AskedAgent(Arc<str>),
    /// A number was asked, and answered: its last four digits.
    AskedNumber(Arc<str>),
    /// The caller was given to an agent: the account's name.
    ToAgent(Arc<str>),
    /// The caller was given to a number: its last four digits.
    ToNumber(Arc<str>),
    /// The caller was given to a queue: its name.
    ToQueue(Arc<str>),
    /// The number did not answer, and the caller came back.
    Returned,
    /// A supervisor took the conversation over: the account's name.
    TakenOver(Arc<str>),
}

impl HandlingStep {
    /// The step in the journal: a word, and whom it is about after a colon.
    pub fn journal_text(&self) -> String {
        let (word, about) = match self {
            HandlingStep::Agent(name) => ("agent", name),
            HandlingStep::AskedAgent(name) => ("asked_agent", name),
            HandlingStep::AskedNumber(number) => ("asked_number", number),
            HandlingStep::ToAgent(name) => ("to_agent", name),
            HandlingStep::ToNumber(number) => ("to_number", number),
            HandlingStep::ToQueue(name) => ("to_queue", name),
            HandlingStep::TakenOver(name) => ("taken_over", name),
            HandlingStep::Returned => return "returned".into(),
        };
        format!("{word}:{}", about.replace([',', ':'], "_"))
    }
}

/// What came of a transfer to a person outside the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferResult {
    /// The person answered, or the caller left with the transfer.
    Done,
    /// The final SIP status that the carrier reported for it.
    Refused(u16),
    /// It was not answered in the time that the flow gives it.
    NoAnswer,
    /// The carrier reported nothing, or the request could not be sent.
    NoReport,
    /// The caller had all the transfers that the settings allow.
    Limited,
    /// No address is set for it: `phone.desk`.
    NoTarget,
}

impl TransferResult {
    /// The value in the journal: a word, or the SIP status.
    pub fn journal_text(self) -> String {
        let word = match self {
            TransferResult::Done => "done",
            TransferResult::Refused(status) => return status.to_string(),
            TransferResult::NoAnswer => "no_answer",
            TransferResult::NoReport => "no_report",
            TransferResult::Limited => "limited",
            TransferResult::NoTarget => "no_target",
        };
        word.into()
    }
}

/// What became of a message that a caller recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageResult {
    /// It is kept under this ticket.
    Kept(String),
    /// It was sent, and the call was over before it was stored.
    Sent,
    /// It could not be stored.
    Failed,
    /// None may be left: the quota of the caller or of the trunk, or the disk.
    Refused,
    /// The caller recorded something and did not send it.
    Unsent,
    /// Nothing was heard between the tone and its end.
    Empty,
}

impl MessageResult {
    /// The journal values of messages that were not kept.
    pub const NOT_LEFT: [&str; 4] = ["failed", "refused", "unsent", "empty"];

    /// The value in the journal: the ticket, or a word.
    pub fn journal_text(&self) -> &str {
        match self {
            MessageResult::Kept(ticket) => ticket,
            MessageResult::Sent => "sent",
            MessageResult::Failed => "failed",
            MessageResult::Refused => "refused",
            MessageResult::Unsent => "unsent",
            MessageResult::Empty => "empty",
        }
    }
}

/// A call's last wait in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueVisit {
    /// The queue's name.
    pub queue: Arc<str>,
    /// How long the caller waited.
    pub waited: Duration,
    /// How the wait ended.
    pub outcome: QueueOutcome,
    /// The account of the agent who answered.
    pub agent: Option<Arc<str>>,
    /// The account of the supervisor who took the conversation over; the last one of several.
    pub taken_over_by: Option<Arc<str>>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Stands for the call in the log; none where the node has no key for tags.
    pub tag: Option<String>,
    /// When the INVITE came in.
    pub started: Timestamp,
    /// INVITE → 200; absent when it was not answered.
    pub answered_after: Option<Duration>,
    /// From the INVITE to the end.
    pub duration: Duration,
    /// How the call ended.
    pub outcome: CallOutcome,
    /// The last SIP status or the cause, for the engineer: `486`, `media lost`.
    pub cause: Option<&'static str>,
    /// The language at the end of the call.
    pub lang: Option<Lang>,
    /// The hash of the release that the call began with.
    pub release: Arc<str>,
    /// The nodes that were entered, in order.
    pub path: Vec<Arc<str>>,
    /// How many keys were pressed; never which.
    pub keys: u32,
    /// What its look-ups came to, in order.
    pub look_ups: Vec<LookUpResult>,
    /// The name of the trunk.
    pub trunk: String,
    /// The address that the INVITE came from.
    pub source: String,
    /// [`super::Keys::client`] of the caller's number; absent when it is hidden.
    pub caller: Option<u64>,
    /// The caller's score, as keyed in.
    pub rating: Option<u8>,
    /// How many of our packets the peer missed, by its last RTCP report; none without a report.
    pub peer_packets_lost: Option<u32>,
    /// The last round trip that RTCP measured between this node and the peer.
    pub round_trip: Option<Duration>,
    /// How good the call sounded, in hundredths of a mean opinion score: the E-model's estimate of the worse direction
    /// (ITU-T G.107); none for a call with little sound.
    pub mos_hundredths: Option<u16>,
    /// How its media was protected: the suite of SRTP, `none`, or `partly` if that changed; absent where no media was
    /// agreed on.
    pub srtp: Option<&'static str>,
    /// Its last wait for an agent; the agent is the last one who talked to the caller.
    pub queue: Option<QueueVisit>,
    /// What agents did with it, in order.
    pub handling: Vec<HandlingStep>,
    /// The names of the recordings of its conversations with agents, in order.
    pub recordings: Vec<Arc<str>>,
    /// Whether the last text message that the caller asked for was accepted for sending; none: the caller asked for none.
    pub text_message: Option<bool>,
    /// What came of the last transfer outside the queues.
    pub transfer: Option<TransferResult>,
    /// What became of the messages that the caller recorded, in order.
    pub messages: Vec<MessageResult>,
}
