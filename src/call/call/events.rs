//! What a call takes in and gives out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use base::{Codec, Key, Lang, Private};
use flow::{LookUpAnswer, TransferOutcome};
use inquiry::{CallRecord, LookUpResult};
use sip::{Arrival, Message, Method, Outgoing};

use super::call_back::{CallBackEnd, CallBackRequest};
use super::queue::{QueueNotice, QueueRequest};
use crate::media_control::{KeySource, MediaCommand, MediaEvent, MediaSetup};
use crate::recording_session::{Reply, StudioRequest};

/// What a call takes in.
///
/// Large payloads are boxed: a call's inbox reserves room for many inputs, and most calls take few.
#[derive(Debug)]
pub enum Input {
    /// A message of this call's dialog, and how it came.
    Sip(Box<(Message, Arrival)>),
    /// A message that the call sent certainly did not leave this node.
    Undelivered(Bytes),
    /// An event of the call's media session.
    Media(MediaEvent),
    /// The reply to [`Effect::LookUp`].
    LookedUp {
        /// The answer as the flow reads it.
        findings: Box<LookUpAnswer>,
        /// The answer as the call's record names it.
        result: LookUpResult,
    },
    /// The reply to [`Effect::KeepMessage`]: the message's ticket, or none if it could not be kept.
    Ticket(Option<String>),
    /// The reply to [`Effect::MessageBegins`] where no message may be left.
    MessageRefused,
    /// The reply to [`Effect::ReadMessage`]; no samples: the message cannot be read.
    MessageRead {
        /// The first sample.
        from: usize,
        /// Fewer than asked for at the message's end.
        samples: Option<Vec<i16>>,
    },
    /// The studio's reply to [`Effect::Studio`].
    Studio(Box<Reply>),
    /// News of the queue that the caller joined.
    Queue(QueueNotice),
    /// The reply to [`Effect::BookCallBack`].
    CallBackBooked(bool),
    /// The reply to [`Effect::SendText`].
    TextAccepted(bool),
    /// The emergency notice was switched on or off.
    Emergency(bool),
    /// Continues the call in this language instead of the caller's choice.
    Lang(Lang),
    /// The node stops: end the call.
    End,
    /// [`Call::deadline`](crate::Call::deadline) has come.
    Deadline,
}

/// What a step of a call produced; outputs stand in order.
#[derive(Debug)]
pub enum Output {
    /// Work to do.
    Effect(Effect),
    /// An observation to count or to log; nothing depends on it.
    Telemetry(Telemetry),
}

/// What a call wants done.
#[derive(Debug)]
pub enum Effect {
    /// Send a SIP message.
    Send(Outgoing),
    /// Start the media session with this description.
    StartMedia(Box<MediaSetup>),
    /// Command the media session.
    Media(MediaCommand),
    /// Look a case up; exactly one [`Input::LookedUp`] follows.
    LookUp {
        /// The flow's name of the source.
        source: Arc<str>,
        /// What the caller entered, by the flow's name of the entry.
        by: BTreeMap<Arc<str>, Private<String>>,
    },
    /// A caller's message begins to be recorded; [`Input::MessageRefused`] follows if none may be left.
    MessageBegins,
    /// The next stretch of the message: 16-bit samples at 8 kHz.
    MessageSound(Vec<i16>),
    /// The same: this many samples of silence.
    MessageQuiet(usize),
    /// The message is recorded; [`Effect::KeepMessage`] keeps it, a new one or the end of the call forgets it.
    MessageEnds,
    /// The message was not sent, and its caller has gone on: it is deleted.
    ForgetMessage,
    /// Read a stretch of the message back; exactly one [`Input::MessageRead`] follows.
    ReadMessage {
        /// The first sample.
        from: usize,
        /// How many samples.
        most: usize,
    },
    /// Keep a caller's message; exactly one [`Input::Ticket`] follows.
    KeepMessage {
        /// Who is notified of it.
        notify: Arc<str>,
        /// How long it is kept.
        keep: Duration,
        /// The calling number, where the caller agreed that it is kept.
        number: Option<Private<String>>,
    },
    /// Let the caller wait for an agent; [`Input::Queue`] follows.
    JoinQueue {
        /// Where, and how.
        request: Box<QueueRequest>,
        /// The codec of the caller's sound, which the agent's telephone is offered first.
        codec: Option<Codec>,
    },
    /// The caller waits or talks no longer: by a key, so that the place is kept for a while, or because the call is over.
    LeaveQueue {
        /// By a key.
        by_key: bool,
    },
    /// Book a call-back; exactly one [`Input::CallBackBooked`] follows. A caller who left a queue by a key keeps the place.
    BookCallBack(Box<CallBackRequest>),
    /// Send the caller a text message; exactly one [`Input::TextAccepted`] follows.
    SendText {
        /// The words.
        text: Private<String>,
    },
    /// The person whom this node called did not come to the queue. At most once in a call, before [`Effect::Over`]; without it
    /// [`Effect::JoinQueue`] has told that the person agreed.
    CallBackEnded(CallBackEnd),
    /// Press a key towards the agent.
    PassKey(Key),
    /// The caller gave a score after a conversation with an agent.
    Rated {
        /// The queue's name.
        queue: Arc<str>,
        /// The account of the agent who talked to the caller last.
        agent: Arc<str>,
        /// As keyed in: 1 is the best.
        score: u8,
    },
    /// Ask the studio on behalf of an operator's call.
    Studio(StudioRequest),
    /// The call has ended: free its line and write its record.
    Over {
        /// The finished call detail record.
        record: Box<CallRecord>,
        /// How many entries were refused: no input, wrong keys, wrong numbers.
        slips: u32,
    },
    /// A new call under the same key: dispatch its INVITE once this one is gone.
    NewInvite {
        /// The INVITE.
        message: Box<Message>,
        /// How it came.
        arrival: Arrival,
    },
    /// Nothing is left to do: forget the call.
    Gone,
}

/// What is worth counting or logging of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telemetry {
    /// A key reached the line test.
    LineTestKey {
        /// The key itself: a line test holds no personal data.
        key: Key,
        /// How it was received.
        source: KeySource,
    },
    /// A key was pressed; which one is not disclosed.
    KeyHeard(KeySource),
    /// The call was answered, this long after its INVITE came in.
    Answered(Duration),
    /// A transfer to a person began.
    TransferBegun,
    /// How a transfer to a person ended.
    Transferred(TransferOutcome),
    /// A request of this method could not be delivered to the peer, or was never answered.
    Unreachable(Method),
    /// The flow met an error that its check should have found; the caller is helped on.
    Fault {
        /// The node where it happened.
        node: Arc<str>,
        /// What is wrong.
        what: String,
    },
}

impl From<Effect> for Output {
    fn from(effect: Effect) -> Output {
        Output::Effect(effect)
    }
}

impl From<Telemetry> for Output {
    fn from(telemetry: Telemetry) -> Output {
        Output::Telemetry(telemetry)
    }
}
