//! When a machine wants to be called again, and why.

use std::time::Instant;

/// A moment at which a machine wants its `Deadline` input, with a word for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment; it may lie in the past, then the input is due at once.
    pub at: Instant,
    /// What falls due: "first key", "session expires".
    pub why: &'static str,
}

/// The deadline that comes first.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Deadline>>) -> Option<Deadline> {
    deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at)
}
