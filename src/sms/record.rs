//! A message as it is stored, so that it survives the end of the program.

use std::fmt;
use std::str::FromStr;

use base::Private;
use serde::{Deserialize, Serialize};

/// A message; unique across restarts. It is written as 16 hexadecimal digits, the identifier that a carrier gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SmsId(pub u64);

impl fmt::Display for SmsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SmsId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<SmsId, std::num::ParseIntError> {
        u64::from_str_radix(text, 16).map(SmsId)
    }
}

/// A message. The number and the words are in it: store it sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsRecord {
    /// Which message.
    pub id: SmsId,
    /// The number as it is dialled.
    pub number: Private<String>,
    /// The words; empty once it is over.
    pub text: Private<String>,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_ms: i64,
    /// Attempts that the carrier answered.
    pub attempts: u8,
    /// How far it is.
    pub state: SmsState,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsState {
    /// It is to be sent.
    Waiting,
    /// It is over. The record counts for the limits for 24 hours.
    Over(SmsEnd),
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsEnd {
    /// The carrier has taken it.
    Sent,
    /// The carrier will never take it.
    Rejected,
    /// All attempts failed.
    Failed,
    /// It was too old.
    Expired,
    /// The office withdrew it.
    Cancelled,
}

impl SmsState {
    /// A stable name.
    pub fn name(self) -> &'static str {
        match self {
            SmsState::Waiting => "waiting",
            SmsState::Over(SmsEnd::Sent) => "sent",
            SmsState::Over(SmsEnd::Rejected) => "rejected",
            SmsState::Over(SmsEnd::Failed) => "failed",
            SmsState::Over(SmsEnd::Expired) => "expired",
            SmsState::Over(SmsEnd::Cancelled) => "cancelled",
        }
    }
}

/// Why stored octets are no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// They are no JSON of a record.
    #[error("this is not a record of a text message: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// They are longer than any record.
    #[error("this is longer than a record of a text message can be")]
    TooLong,
}

/// The record as JSON: what [`Private`] hides is open here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: u64,
    number: String,
    text: String,
    accepted_ms: i64,
    attempts: u8,
    state: SmsState,
}

impl SmsRecord {
    /// The record as JSON, with the number and the words: seal it before it is written.
    pub fn to_json(&self) -> String {
        let written = Written {
            id: self.id.0,
            number: self.number.expose().clone(),
            text: self.text.expose().clone(),
            accepted_ms: self.accepted_ms,
            attempts: self.attempts,
            state: self.state,
        };
        serde_json::to_string(&written).expect("strings and numbers are JSON")
    }

    /// The record of [`SmsRecord::to_json`].
    ///
    /// # Errors
    /// The text is not one.
    pub fn from_json(text: &str) -> Result<SmsRecord, RecordError> {
        if text.len() > LONGEST {
            return Err(RecordError::TooLong);
        }
        let written: Written = serde_json::from_str(text)?;
        Ok(SmsRecord {
            id: SmsId(written.id),
            number: Private::new(written.number),
            text: Private::new(written.text),
            accepted_ms: written.accepted_ms,
            attempts: written.attempts,
            state: written.state,
        })
    }
}

/// A number for people: its last two digits, stars before them.
pub fn masked(number: &str) -> String {
    let shown = number.len().saturating_sub(SHOWN);
    format!("{}{}", "*".repeat(shown), number.get(shown..).unwrap_or(""))
}

/// Digits of a number that are shown.
const SHOWN: usize = 2;
/// A record is short: a number, and a text of at most [`crate::outbox::TEXT_MAX`] octets, escaped.
const LONGEST: usize = 64 * 1024;
