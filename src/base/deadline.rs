//! When a state machine is due again, and why.

use std::time::Instant;

/// The moment of a state machine's next `Deadline` input, with its reason for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment; if it lies in the past, the input is due at once.
    pub at: Instant,
    /// What is due: "first key", "session expires".
    pub why: &'static str,
}

/// The earliest of several deadlines; `None` without any.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Deadline>>) -> Option<Deadline> {
    deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at)
}
