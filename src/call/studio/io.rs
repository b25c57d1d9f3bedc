//! What an operator's call takes in and gives out.

use std::time::Duration;

use base::{Key, Lang, Private};
use flow::{self, PlayId};
use speech::Clip;

/// What an operator's call takes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// The call is up and hears us.
    Start,
    Key(Key),
    /// A play came to its end by itself.
    Played(PlayId),
    /// The next stretch of the recording in progress.
    Sound(Vec<i16>),
    /// The recording, whole, and how many packets of it never came.
    Recorded {
        samples: Vec<i16>,
        packets_lost: u64,
    },
    Reply(Reply),
    Deadline,
}

/// What an operator's call wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// What any conversation wants.
    Talk(flow::Output),
    /// Record, telling the sound as it comes, until [`flow::Output::StopRecord`] or the limit; exactly one
    /// [`Input::Recorded`] follows.
    Record {
        max: Duration,
    },
    /// What [`speech::Piece::Take`] plays from now on.
    Load(Vec<i16>),
    Ask(Ask),
}

/// What the recording service asks of the studio.
#[derive(Clone, Debug)]
pub enum Ask {
    /// [`Reply::SignedIn`] follows.
    SignIn { number: Private<String>, pin: Private<String> },
    /// The recording of that number. [`Reply::Slot`] follows.
    Find { lang: Lang, number: u32 },
    /// The next one to record, after that number. [`Reply::Slot`] follows.
    Next { lang: Lang, after: u32 },
    /// A take of the slot that was found last begins: what of it follows must outlive the call.
    Begin,
    /// The next stretch of it.
    Sound(Vec<i16>),
    /// The take is whole: make a draft of it. [`Reply::Submitted`] follows.
    Submit { samples: Vec<i16>, packets_lost: u64 },
    /// Nobody said anything: there is no take.
    Forget,
    /// The draft is what its operator wants. [`Reply::Done`] follows.
    Keep,
    /// It is not. [`Reply::Done`] follows.
    Discard,
    /// The call has ended. A take in progress may follow whole, as [`Ask::Last`].
    Left,
    /// What was recorded of the take that the end of the call ended.
    Last { samples: Vec<i16> },
}

/// What the studio replies.
#[derive(Clone, Debug)]
pub enum Reply {
    SignedIn(SignIn),
    /// The slot that was asked for, or that there is none.
    Slot(Option<SlotFound>),
    /// None: it could not be stored.
    Submitted(Option<Report>),
    /// Whether it could be done.
    Done(bool),
    /// The studio cannot answer.
    Down,
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    Welcome,
    Refused,
    /// After too many tries, of this call or of others.
    Locked,
}

/// A recording to be made.
#[derive(Clone, Debug)]
pub struct SlotFound {
    pub number: u32,
    pub clip: Clip,
    /// Its words as they were recorded before, at 8 kHz; none where nobody has spoken these words yet. Not a clip: of a
    /// flow that is still to be published, the call's own recordings hold none.
    pub heard: Option<Vec<i16>>,
    pub longest: Duration,
    /// The newest take that callers do not hear yet, as they would: at 8 kHz.
    pub draft: Option<Vec<i16>>,
}

/// What became of a take.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// It can be heard, but not kept.
    pub unusable: bool,
    /// The worst first.
    pub faults: Vec<Fault>,
    /// As a caller would hear it, at 8 kHz; empty if it cannot be told.
    pub sound: Vec<i16>,
}

/// What is wrong with a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Silent,
    Quiet,
    Loud,
    Noisy,
    Cut,
    /// Too long for its text, or too short.
    Length,
    OtherVoice,
    /// The line lost some of it.
    Lossy,
}
