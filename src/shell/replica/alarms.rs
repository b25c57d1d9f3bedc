//! Alarms of the replica: each is logged once when it is raised and once when it is cleared.
//!
//! An alarm has a stable kind (a label of the metrics, for alerting rules) and a text that says what is wrong and what
//! to do.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::locks::locked;

/// An active alarm.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Alarm {
    /// The stable name.
    pub kind: String,
    /// What is wrong, and what to do.
    pub text: String,
    /// When it was raised.
    pub since: Timestamp,
}

/// The active alarms.
#[derive(Debug, Default)]
pub struct Alarms(Mutex<BTreeMap<&'static str, Alarm>>);

impl Alarms {
    /// Raises an alarm, or updates its text.
    pub(crate) fn raise(&self, kind: &'static str, text: impl Into<String>) {
        let (text, mut alarms) = (text.into(), locked(&self.0));
        match alarms.get_mut(kind) {
            Some(alarm) if alarm.text == text => {}
            Some(alarm) => {
                tracing::error!(alarm = kind, text, "alarm_raised");
                alarm.text = text;
            }
            None => {
                tracing::error!(alarm = kind, text, "alarm_raised");
                alarms.insert(kind, Alarm { kind: kind.into(), text, since: Timestamp::now() });
            }
        }
    }

    /// Clears an alarm.
    pub(crate) fn clear(&self, kind: &'static str) {
        if locked(&self.0).remove(kind).is_some() {
            tracing::info!(alarm = kind, "alarm_cleared");
        }
    }

    /// Raises an alarm with a text, or clears it with `None`.
    pub(crate) fn set(&self, kind: &'static str, text: Option<String>) {
        match text {
            Some(text) => self.raise(kind, text),
            None => self.clear(kind),
        }
    }

    /// All active alarms, by kind.
    pub fn all(&self) -> Vec<Alarm> {
        locked(&self.0).values().cloned().collect()
    }
}

/// A batch waits for an operator's decision.
pub(crate) const HELD: &str = "held";
/// An operator kept cases that the source deleted.
pub(crate) const KEPT: &str = "kept";
/// There are rows in quarantine.
pub(crate) const QUARANTINE: &str = "quarantine";
/// A case that was asked for has a word that the live flow lacks.
pub(crate) const UNKNOWN_WORD: &str = "unknown_word";
/// The file is damaged.
pub(crate) const DAMAGED: &str = "damaged";
/// The file cannot be written.
pub(crate) const UNWRITTEN: &str = "unwritten";
/// The upstream's clock is hours ahead of this node's.
pub(crate) const CLOCK: &str = "clock";
