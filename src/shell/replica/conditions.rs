//! What is wrong with the copy, each condition told once when it begins and once when it ends.
//!
//! A condition has a kind that never changes (a label of the metrics, a word for an alert's rule) and a text that says
//! what is wrong and what would do.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::cache::locked;

/// One condition that lasts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    pub kind: String,
    /// What is wrong, and what would do.
    pub text: String,
    pub since: Timestamp,
}

/// The conditions that last.
#[derive(Debug, Default)]
pub struct Conditions(Mutex<BTreeMap<&'static str, Condition>>);

impl Conditions {
    /// The condition is there.
    pub(super) fn raise(&self, kind: &'static str, text: impl Into<String>) {
        let (text, mut alarms) = (text.into(), locked(&self.0));
        match alarms.get_mut(kind) {
            Some(alarm) if alarm.text == text => {}
            Some(alarm) => {
                tracing::error!(alarm = kind, text, "replica");
                alarm.text = text;
            }
            None => {
                tracing::error!(alarm = kind, text, "replica");
                alarms.insert(kind, Condition { kind: kind.into(), text, since: Timestamp::now() });
            }
        }
    }

    /// The condition is over.
    pub(super) fn clear(&self, kind: &'static str) {
        if locked(&self.0).remove(kind).is_some() {
            tracing::info!(alarm = kind, "replica: over");
        }
    }

    pub(super) fn set(&self, kind: &'static str, text: Option<String>) {
        match text {
            Some(text) => self.raise(kind, text),
            None => self.clear(kind),
        }
    }

    /// Everything that is wrong at the moment.
    pub fn all(&self) -> Vec<Condition> {
        locked(&self.0).values().cloned().collect()
    }
}

/// A batch waits for a person.
pub(super) const HELD: &str = "held";
/// Cases are there that the source took away, as a person decided.
pub(super) const KEPT: &str = "kept";
/// Rows in quarantine.
pub(super) const QUARANTINE: &str = "quarantine";
/// The file is damaged.
pub(super) const DAMAGED: &str = "damaged";
/// The file cannot be written.
pub(super) const UNWRITTEN: &str = "unwritten";
/// The upstream's clock is hours ahead.
pub(super) const CLOCK: &str = "clock";
