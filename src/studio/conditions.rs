//! The conditions that a take is checked under: its slot, its sitting and its set.

use std::time::Duration;

use super::take::TakeSource;

/// What a take is compared with.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// How the recording came in.
    pub kind: TakeSource,
    /// The estimated length of its text.
    pub expected: Duration,
    /// The longest speech that the slot takes.
    pub longest: Duration,
    /// The levels of the other takes of the sitting, before the gain, in dBov.
    pub sitting_dbov: Vec<f64>,
    /// The voice of the other takes of the set; none if there are too few.
    pub voice: Option<Voice>,
}

/// The voice of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// The median pitch of the voice.
    pub pitch_hz: f64,
    /// Energy above 1 kHz over that below: the microphone and its distance.
    pub tilt_db: f64,
}
