//! What a browser is told of its telephone: numbered, so that a page asks for what came after the last that it knows.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize, Serializer};

use base::{Codec, Private};

/// Names a call of a browser's telephone, within this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallNumber(pub u64);

/// News for the browser, as its page receives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PhoneEvent {
    /// The connection is up: calls can come.
    Registered,
    /// A caller is offered.
    Incoming {
        /// Names the call in answer and decline.
        call: CallNumber,
        /// The calling number; none: it is withheld.
        #[serde(serialize_with = "exposed")]
        number: Option<Private<String>>,
        /// The codec of the caller: nothing is transcoded where the browser sends it.
        #[serde(serialize_with = "mime")]
        codec: Codec,
    },
    /// The call was answered: both sides are heard.
    Connected {
        /// The call.
        call: CallNumber,
        /// The codec of the caller.
        #[serde(serialize_with = "mime")]
        codec: Codec,
    },
    /// The call is over.
    Ended {
        /// The call.
        call: CallNumber,
        /// Why: `hung_up`, `ended`, `withdrawn`, `declined`, `no_answer`, `lost`.
        why: &'static str,
    },
}

fn exposed<S: Serializer>(number: &Option<Private<String>>, to: S) -> Result<S::Ok, S::Error> {
    number.as_ref().map(Private::expose).serialize(to)
}

fn mime<S: Serializer>(codec: &Codec, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match codec {
        Codec::Alaw => "audio/PCMA",
        Codec::Ulaw => "audio/PCMU",
    })
}

/// The latest events, numbered from 1.
#[derive(Debug, Default)]
pub struct EventLog {
    events: VecDeque<PhoneEvent>,
    /// The number of the newest event.
    newest: u64,
}

impl EventLog {
    /// Adds an event.
    pub fn push(&mut self, event: PhoneEvent) {
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.newest += 1;
    }

    /// The events after a number, oldest first, and the number to ask for next.
    pub fn after(&self, number: u64) -> (Vec<PhoneEvent>, u64) {
        let missing = usize::try_from(self.newest.saturating_sub(number)).unwrap_or(usize::MAX);
        let skip = self.events.len().saturating_sub(missing);
        (self.events.iter().skip(skip).cloned().collect(), self.newest)
    }
}

/// Events that are kept: a page asks many times before as many have come.
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(call: u64) -> PhoneEvent {
        PhoneEvent::Ended { call: CallNumber(call), why: "hung_up" }
    }

    #[test]
    fn a_page_gets_what_came_after_the_last_that_it_knows() {
        let mut log = EventLog::default();
        assert_eq!(log.after(0), (vec![], 0));
        (0..3).for_each(|call| log.push(ended(call)));
        assert_eq!(log.after(0), (vec![ended(0), ended(1), ended(2)], 3));
        assert_eq!(log.after(2), (vec![ended(2)], 3));
        assert_eq!(log.after(3), (vec![], 3));
        assert_eq!(log.after(9), (vec![], 3), "of another telephone");
        (3..100).for_each(|call| log.push(ended(call)));
        let (events, next) = log.after(0);
        assert_eq!((events.len(), next, events.last()), (KEPT, 100, Some(&ended(99))));
    }
}
