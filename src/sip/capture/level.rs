//! How much is masked, and which numbers stay.

use crate::number::{NumberPlan, matches_user};

/// What is masked; each level masks what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Masked {
    /// Nothing: the message as it was on the wire.
    Nothing,
    /// Keys of SRTP and responses of digests.
    Secrets,
    /// Keys that a caller pressed.
    Keys,
    /// Numbers, names, and whatever may hold them.
    Personal,
}

/// Masks messages.
#[derive(Clone, Debug)]
pub struct Mask {
    level: Masked,
    own: Vec<String>,
    plan: NumberPlan,
}

impl Mask {
    /// `own` are the user parts that are not masked: numbers of this node, compared by `plan`.
    pub fn new(level: Masked, own: impl IntoIterator<Item = String>, plan: NumberPlan) -> Mask {
        Mask { level, own: own.into_iter().collect(), plan }
    }

    /// What is masked.
    pub fn level(&self) -> Masked {
        self.level
    }

    /// Whether a user part is one of this node's own numbers.
    pub(super) fn is_own(&self, user: &[u8]) -> bool {
        let Ok(user) = std::str::from_utf8(user) else { return false };
        self.own.iter().map(String::as_str).chain(["anonymous"]).any(|own| matches_user(own, user, &self.plan))
    }
}
