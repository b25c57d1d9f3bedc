//! What agents do with a caller beside holding: give the caller to another agent or to a number, or ask one of them before.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use base::Private;
use config::TransferLine;
use queue::TransferError;

/// Whom a caller is given to, or who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTarget {
    /// Another agent, by the account's name.
    Agent(String),
    /// A number outside, or an extension behind a trunk, as it is typed.
    Number(Private<String>),
}

/// What an agent wants of the conversation on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferCommand {
    /// Give the caller away at once; the agent is free.
    Give(TransferTarget),
    /// Ask somebody while the caller hears music.
    Consult(TransferTarget),
    /// Connect the caller with the one who was asked; the agent is free.
    Complete,
    /// Talk to the other one of both: the caller, or the one who was asked.
    Swap,
    /// Hang up on the one who was asked, and talk to the caller.
    Back,
}

/// Why a request of an agent is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefusal {
    /// The conversation is not there any more.
    #[error("the conversation is not there any more")]
    NoCall,
    /// The agent asks somebody already.
    #[error("a consultation is in progress")]
    Consulting,
    /// There is no consultation, or it has not been answered.
    #[error("nobody who was asked has answered")]
    NotAnswered,
    /// There is no such agent.
    #[error("there is no such agent")]
    UnknownAgent,
    /// It is the agent who asks.
    #[error("it is the agent's own account")]
    SameAgent,
    /// The agent is away or busy.
    #[error("the agent is not available")]
    NotAvailable,
    /// The settings do not allow the number.
    #[error("the number may not be called")]
    NumberNotAllowed,
    /// The numbers of the day have been called.
    #[error("the limit of the day is reached")]
    NumberLimit,
    /// This node cannot call now.
    #[error("the call cannot be made now")]
    NotMade,
}

impl From<TransferError> for TransferRefusal {
    fn from(error: TransferError) -> TransferRefusal {
        match error {
            TransferError::NoConversation => TransferRefusal::NoCall,
            TransferError::UnknownAgent => TransferRefusal::UnknownAgent,
            TransferError::SameAgent => TransferRefusal::SameAgent,
            TransferError::NotAvailable => TransferRefusal::NotAvailable,
        }
    }
}

/// The last four digits of a number, as pages, records and the audit log show it.
pub fn last_four(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    digits[digits.len().saturating_sub(4)..].iter().collect()
}

/// The numbers that agents called today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CalledNumbers {
    day: Option<Date>,
    by_agent: BTreeMap<String, u32>,
}

impl CalledNumbers {
    /// As they were kept, if that was today.
    pub(super) fn kept(day: &str, by_agent: BTreeMap<String, u32>) -> CalledNumbers {
        day.parse().ok().map(|day| CalledNumbers { day: Some(day), by_agent }).unwrap_or_default()
    }

    /// The day and the counts, to keep.
    pub(super) fn to_keep(&self) -> (String, BTreeMap<String, u32>) {
        (self.day.map(|day| day.to_string()).unwrap_or_default(), self.by_agent.clone())
    }

    /// Counts a number that an agent calls.
    ///
    /// # Errors
    /// A limit of the settings is reached, and nothing is counted.
    pub(super) fn count(&mut self, today: Date, agent: &Arc<str>, line: &TransferLine) -> Result<(), TransferRefusal> {
        if self.day != Some(today) {
            *self = CalledNumbers { day: Some(today), by_agent: BTreeMap::new() };
        }
        let all: u32 = self.by_agent.values().copied().fold(0, u32::saturating_add);
        let own = self.by_agent.entry(agent.to_string()).or_default();
        if *own >= line.per_agent_per_day || all >= line.per_day {
            return Err(TransferRefusal::NumberLimit);
        }
        *own += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn numbers_are_counted_by_day_and_agent_and_over_a_restart() {
        let line = TransferLine {
            dial: "sip:{number}@192.0.2.1".into(),
            from: "96110110".into(),
            allow: Vec::new(),
            deny: Vec::new(),
            per_agent_per_day: 2,
            per_day: 3,
            ring_limit: Duration::from_secs(30),
        };
        let (li, wang): (Arc<str>, Arc<str>) = ("li".into(), "wang".into());
        let (today, tomorrow) = (date(2026, 11, 30), date(2026, 12, 1));
        let mut called = CalledNumbers::default();
        assert_eq!(called.count(today, &li, &line), Ok(()));
        assert_eq!(called.count(today, &li, &line), Ok(()));
        assert_eq!(called.count(today, &li, &line), Err(TransferRefusal::NumberLimit), "of the agent");
        let (day, counts) = called.to_keep();
        let mut called = CalledNumbers::kept(&day, counts);
        assert_eq!(called.count(today, &wang, &line), Ok(()));
        assert_eq!(called.count(today, &wang, &line), Err(TransferRefusal::NumberLimit), "of all");
        assert_eq!(called.count(tomorrow, &li, &line), Ok(()));
        assert_eq!(CalledNumbers::kept("", BTreeMap::new()), CalledNumbers::default());
    }

    #[test]
    fn of_a_number_four_digits_are_shown() {
        assert_eq!(["+86 138-0000 1234", "801", ""].map(last_four), ["1234", "801", ""]);
    }
}
