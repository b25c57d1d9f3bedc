//! From what a caller keyed in to a question for the replica, and from its answer to what the flow speaks of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use base::Private;
use flow::{self, LookUpAnswer};
use inquiry::{self, Answer, Factor, LookUpResult, Receipt, Rules, Verdict};

/// A receipt and the proof that its holder gave.
#[derive(Clone, Debug)]
pub struct Question {
    /// The case's receipt number.
    pub receipt: Receipt,
    /// The second factor.
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

/// An answer that counts: in a copy too old to answer from, a number that is missing may merely not have arrived.
pub fn believed(answer: Answer, as_of: Option<Timestamp>, now: Timestamp, refuse_after: Option<Duration>) -> Answer {
    let too_old = |limit: Duration| as_of.is_none_or(|as_of| inquiry::age(as_of, now) > limit);
    match answer {
        Answer::NotFound if refuse_after.is_some_and(too_old) => Answer::Unavailable,
        Answer::NotFound | Answer::Found { .. } | Answer::Unavailable => answer,
    }
}

/// What the flow is told of an answer.
pub fn findings(rules: &Rules, answer: &Answer, today: Date, now: Timestamp) -> (LookUpAnswer, LookUpResult) {
    match answer {
        Answer::Found { case, as_of } => {
            let facts = flow::facts(&rules.progress(case, today));
            (LookUpAnswer::Found { facts, age: inquiry::age(*as_of, now) }, LookUpResult::Found)
        }
        Answer::NotFound => (LookUpAnswer::NotFound, LookUpResult::NotFound),
        Answer::Unavailable => (LookUpAnswer::Unavailable, LookUpResult::Unavailable),
    }
}

/// What the record says of an answer.
pub fn result_of(findings: &LookUpAnswer) -> LookUpResult {
    match findings {
        LookUpAnswer::Found { .. } => LookUpResult::Found,
        LookUpAnswer::NotFound => LookUpResult::NotFound,
        LookUpAnswer::Ambiguous => LookUpResult::Rejected,
        LookUpAnswer::Unavailable => LookUpResult::Unavailable,
    }
}

/// What the flow is told instead of an answer, when there were too many failures before: more tries lead to a person.
pub fn instead(verdict: Verdict) -> Option<(LookUpAnswer, LookUpResult)> {
    match verdict {
        Verdict::Go => None,
        Verdict::HandToPerson => Some((LookUpAnswer::Ambiguous, LookUpResult::Rejected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_old_copy_lacks_may_merely_not_have_arrived() {
        let at = |second| Timestamp::from_second(second).expect("a moment");
        let hour = Some(Duration::from_secs(3600));
        let believed = |as_of, now, limit| believed(Answer::NotFound, as_of, now, limit);
        assert!(matches!(believed(Some(at(0)), at(60), hour), Answer::NotFound));
        assert!(matches!(believed(Some(at(0)), at(3601), hour), Answer::Unavailable));
        assert!(matches!(believed(None, at(0), hour), Answer::Unavailable));
        assert!(matches!(believed(Some(at(0)), at(99_999), None), Answer::NotFound));
    }
}
