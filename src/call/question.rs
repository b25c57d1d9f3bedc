//! From what a caller keyed in to a question for the replica, and from its answer to what the flow speaks of.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{Timestamp, civil::Date};

use crate::base::Private;
use crate::flow::{self, Findings};
use crate::inquiry::{self, Answer, Factor, LookUpResult, Receipt, Rules, Verdict};

/// A receipt and the proof that its holder gave.
#[derive(Clone, Debug)]
pub struct Question {
    pub receipt: Receipt,
    pub factor: Factor,
}

/// Reads a look-up's fields. `None`: they are no receipt and proof, and so match nothing.
pub fn question(rules: &Rules, by: &BTreeMap<Arc<str>, Private<String>>) -> Option<Question> {
    let receipt = rules.formats.from_keys(by.get("receipt")?.expose()).ok()?;
    let kind = rules.formats.of(&receipt).second_factor;
    let entry = by.iter().find(|(name, _)| &***name != "receipt")?.1;
    let factor = Factor::read(kind, entry.expose()).ok()?;
    Some(Question { receipt, factor })
}

/// What the flow is told of an answer.
pub fn findings(rules: &Rules, answer: &Answer, today: Date, now: Timestamp) -> (Findings, LookUpResult) {
    match answer {
        Answer::Found { case, as_of } => {
            let facts = flow::facts(&rules.progress(case, today));
            (Findings::Found { facts, age: inquiry::age(*as_of, now) }, LookUpResult::Found)
        }
        Answer::NotFound => (Findings::None, LookUpResult::NotFound),
        Answer::Down => (Findings::Down, LookUpResult::Down),
    }
}

/// What the flow is told instead of an answer, when there were too many failures before: more tries lead to a person.
pub fn instead(verdict: Verdict) -> Option<(Findings, LookUpResult)> {
    match verdict {
        Verdict::Go => None,
        Verdict::HandToPerson => Some((Findings::Many, LookUpResult::HandedOver)),
    }
}
