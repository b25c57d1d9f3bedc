//! A call-back as it is stored, so that it survives the end of the program.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Lang, Private};
use serde::{Deserialize, Serialize};

use crate::ids::CallBackId;

/// A call-back request. Numbers and entries are in it: store it sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBackRecord {
    /// The request.
    pub id: CallBackId,
    /// The queue's name.
    pub queue: Arc<str>,
    /// The number as it is dialled.
    pub number: Private<String>,
    /// The priority.
    pub priority: u8,
    /// What the agent must be able to do.
    pub skills: Vec<Arc<str>>,
    /// The language to call in.
    pub lang: Option<Lang>,
    /// What the caller keyed, for the agent's screen.
    pub passed: BTreeMap<Arc<str>, Private<String>>,
    /// When the request was made, in milliseconds since 1970.
    pub requested_ms: i64,
    /// Since when the person has waited, in milliseconds since 1970: the place in the order.
    pub arrived_ms: i64,
    /// The next attempt is not before this time, in milliseconds since 1970.
    pub not_before_ms: i64,
    /// Attempts so far.
    pub attempts: u8,
    /// How far it is.
    pub state: CallBackState,
}

/// How far a call-back is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBackState {
    /// It waits for its turn.
    Waiting,
    /// The number is being called, or the person waits for the agent.
    Calling,
    /// It is over. The record counts for the limits of the number for 24 hours.
    Done(CallBackOutcome),
}

/// How a call-back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBackOutcome {
    /// The person talked to an agent.
    Served,
    /// The person, or the office, withdrew it.
    Cancelled,
    /// All attempts failed.
    Unreachable,
    /// Its time was over.
    Expired,
    /// The person agreed and hung up before an agent was there.
    Abandoned,
}

/// Why stored octets are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They are no JSON of a record.
    #[error("this is not a record of a call-back: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// They are longer than any record.
    #[error("this is longer than a record of a call-back can be")]
    TooLong,
}

/// The record as JSON: what [`Private`] hides is open here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: u64,
    queue: String,
    number: String,
    priority: u8,
    skills: Vec<String>,
    lang: Option<String>,
    passed: BTreeMap<String, String>,
    requested_ms: i64,
    arrived_ms: i64,
    not_before_ms: i64,
    attempts: u8,
    state: CallBackState,
}

impl CallBackRecord {
    /// The record as JSON, with everything that identifies a person: seal it before it is written.
    pub fn to_json(&self) -> String {
        let passed = self.passed.iter().map(|(name, value)| (name.to_string(), value.expose().clone())).collect();
        let written = Written {
            id: self.id.0,
            queue: self.queue.to_string(),
            number: self.number.expose().clone(),
            priority: self.priority,
            skills: self.skills.iter().map(|skill| skill.to_string()).collect(),
            lang: self.lang.map(|lang| lang.code().to_owned()),
            passed,
            requested_ms: self.requested_ms,
            arrived_ms: self.arrived_ms,
            not_before_ms: self.not_before_ms,
            attempts: self.attempts,
            state: self.state,
        };
        serde_json::to_string(&written).expect("strings and numbers are JSON")
    }

    /// The record of [`CallBackRecord::to_json`].
    ///
    /// # Errors
    /// The text is not one.
    pub fn from_json(text: &str) -> Result<CallBackRecord, RecordError> {
        if text.len() > LONGEST {
            return Err(RecordError::TooLong);
        }
        let written: Written = serde_json::from_str(text)?;
        let passed = written.passed.into_iter().map(|(name, value)| (name.into(), Private::new(value))).collect();
        Ok(CallBackRecord {
            id: CallBackId(written.id),
            queue: written.queue.into(),
            number: Private::new(written.number),
            priority: written.priority,
            skills: written.skills.into_iter().map(Into::into).collect(),
            lang: written.lang.as_deref().and_then(Lang::from_code),
            passed,
            requested_ms: written.requested_ms,
            arrived_ms: written.arrived_ms,
            not_before_ms: written.not_before_ms,
            attempts: written.attempts,
            state: written.state,
        })
    }
}

/// A record is short: a number, a few names, a few entries.
const LONGEST: usize = 64 * 1024;
