//! What a recording session takes in and gives out, and what it asks of the studio.

use std::sync::Arc;
use std::time::Duration;

use audio::Take;
use base::{Key, Lang, Private};
use flow::{self, PlayId};
use speech::{Clip, Piece};

/// What a recording session takes in.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The call is up, and the operator can hear it.
    Start,
    /// A key was pressed.
    Key(Key),
    /// A play came to its end by itself.
    Played(PlayId),
    /// The next part of the recording in progress.
    Sound(Vec<i16>),
    /// The whole recording, and how many of its packets never came.
    Recorded { samples: Vec<i16>, packets_lost: u64 },
    /// The studio's reply.
    Reply(Reply),
    /// [`RecordingSession::deadline`](super::RecordingSession::deadline) has come.
    Deadline,
}

impl Input {
    /// What the call offers every application, as far as it concerns a recording session; the rest are replies to
    /// what only a flow asks.
    pub(crate) fn of(input: flow::Input) -> Option<Input> {
        match input {
            flow::Input::Start => Some(Input::Start),
            flow::Input::Key(key) => Some(Input::Key(key)),
            flow::Input::Played(id) => Some(Input::Played(id)),
            flow::Input::Deadline => Some(Input::Deadline),
            flow::Input::LookedUp(_)
            | flow::Input::TransferEnded(_)
            | flow::Input::StartCallBack
            | flow::Input::Queue(_)
            | flow::Input::CallBackBooked(_)
            | flow::Input::TextAccepted(_)
            | flow::Input::Recorded(_)
            | flow::Input::RecordingSaved(_) => None,
        }
    }
}

/// What a recording session wants done, in order.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Play these; an earlier play ends without [`Input::Played`].
    Play { id: PlayId, pieces: Vec<Piece> },
    /// Stop what plays.
    Stop,
    /// Record and report the sound until [`Output::StopRecording`] or the limit; exactly one [`Input::Recorded`]
    /// follows.
    Record { max: Duration },
    /// End the recording.
    StopRecord,
    /// What [`Piece::Take`] plays from here on.
    Load(Take),
    /// Ask the studio.
    Ask(StudioRequest),
    /// The one step of the call's record.
    Step { node: Arc<str> },
    /// The language was chosen.
    Lang(Lang),
    /// End the call.
    HangUp,
}

/// What the recording service asks of the studio.
#[derive(Clone, Debug)]
pub enum StudioRequest {
    /// [`Reply::SignedIn`] follows.
    SignIn {
        /// The operator's number.
        number: Private<String>,
        /// The operator's PIN.
        pin: Private<String>,
    },
    /// The recording of that number. [`Reply::Slot`] follows.
    Find {
        /// The language that is recorded.
        lang: Lang,
        /// The slot's number, as printed in the script.
        number: u32,
    },
    /// The next one to record, after that number. [`Reply::Slot`] follows.
    Next {
        /// The language that is recorded.
        lang: Lang,
        /// The number of the slot recorded last; 0 at the beginning.
        after: u32,
    },
    /// A take of the slot that was found last begins: what of it follows must outlive the call.
    Begin,
    /// The next stretch of it.
    Sound(Vec<i16>),
    /// The take is whole: make a draft of it. [`Reply::Submitted`] follows.
    Submit {
        /// 16-bit samples at 8 kHz.
        samples: Vec<i16>,
        /// Packets that never came while it was made.
        packets_lost: u64,
    },
    /// The recording holds no speech: there is no take.
    Abandon,
    /// The draft is what its operator wants. [`Reply::Done`] follows.
    Keep,
    /// It is not. [`Reply::Done`] follows.
    Discard,
    /// The call has ended. A take in progress may follow whole, as [`StudioRequest::LastRecording`].
    CallEnded,
    /// What was recorded of the take that the end of the call ended.
    LastRecording {
        /// 16-bit samples at 8 kHz.
        samples: Vec<i16>,
    },
}

/// What the studio replies.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The reply to [`StudioRequest::SignIn`].
    SignedIn(SignIn),
    /// The slot that was asked for, or that there is none.
    Slot(Option<Slot>),
    /// None: it could not be stored.
    Submitted(Option<TakeReport>),
    /// Whether it could be done.
    Done(bool),
    /// The studio cannot answer.
    Down,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// Number and PIN are right.
    Welcome,
    /// Number or PIN is wrong.
    Refused,
    /// After too many tries, of this call or of others.
    Locked,
}

/// A recording to be made.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its number in the script of its language.
    pub number: u32,
    /// The recording's language and id.
    pub clip: Clip,
    /// Its words as they were recorded before, at 8 kHz; none if these words have no recording yet. Not a clip: the
    /// call's own recordings hold none of a flow that is not yet published.
    pub recorded: Option<Vec<i16>>,
    /// How long a recording of its text may be.
    pub longest: Duration,
    /// The newest take that callers do not hear yet, as they would: at 8 kHz.
    pub draft: Option<Vec<i16>>,
}

/// What became of a take.
#[derive(Clone, Debug, Default)]
pub struct TakeReport {
    /// It can be heard, but not kept.
    pub unusable: bool,
    /// The worst first.
    pub faults: Vec<TakeFault>,
    /// As a caller would hear it, at 8 kHz; empty if it cannot be decoded.
    pub sound: Vec<i16>,
}

/// What is wrong with a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeFault {
    /// It holds no speech.
    Silent,
    /// The level is too low.
    Quiet,
    /// The level is too high, or the sound is clipped.
    Loud,
    /// The background is too loud.
    Noisy,
    /// The speech begins or ends at the edge of the recording.
    Cut,
    /// Too long for its text, or too short.
    Length,
    /// The voice differs from that of the other recordings.
    OtherVoice,
    /// The line lost some of it.
    Lossy,
}
