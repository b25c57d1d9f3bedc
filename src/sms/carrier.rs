//! What is known of a carrier, and what became of an attempt.

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier has taken the message.
    Sent,
    /// The carrier will never take it; why, without anything of the message.
    Rejected(&'static str),
    /// It may take it later.
    Later(&'static str),
    /// It takes fewer messages than it is sent: all wait.
    Throttled,
    /// The carrier is not there, or serves this node not at all: all wait, and no attempt is counted.
    Unreachable(&'static str),
}

/// What a carrier with a connection reports of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarrierReport {
    /// It takes messages.
    Up,
    /// It does not; why.
    Down(&'static str),
}

/// The state of a carrier, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarrierFigures {
    /// Since when it has been unreachable, in milliseconds since 1970; none: it is reachable, or was not needed yet.
    pub unreachable_since_ms: Option<i64>,
    /// Why it is unreachable, or why the last message was not taken.
    pub why: Option<&'static str>,
    /// It has answered since the start.
    pub answered: bool,
}
