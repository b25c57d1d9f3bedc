//! Turns a caller's digits into a query of the replica, and its answer into the flow's facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{Timestamp, civil::Date};

use base::Private;
use flow::{self, LookUpAnswer};
use inquiry::{self, Answer, Factor, LookUpResult, Proof, Query, Rules};

/// Reads a look-up's fields. `None`: they are no receipt and proof, and so match nothing.
pub fn query(rules: &Rules, by: &BTreeMap<Arc<str>, Private<String>>) -> Option<Query> {
    let receipt = rules.formats.from_keys(by.get("receipt")?.expose()).ok()?;
    let kind = rules.formats.of(&receipt).second_factor;
    let entry = by.iter().find(|(name, _)| &***name != "receipt")?.1;
    let factor = Factor::read(kind, entry.expose()).ok()?;
    Some(Query { receipt, proof: Proof::Factor(factor) })
}

/// What the flow receives of an answer, and the result that the record keeps.
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
