//! What a caller did before an agent answers: for the screen of that agent alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use base::{Lang, Private};
use flow::LookUpAnswer;
use inquiry::LookUpResult;

/// What a caller did. Its values are private: no log line holds one.
#[derive(Clone, Debug, Default)]
pub struct CallerContext {
    /// The language of the call.
    pub lang: Option<Lang>,
    /// The nodes that were entered, in order.
    pub path: Vec<Arc<str>>,
    /// The variables that the flow passes on, and their values.
    pub passed: BTreeMap<Arc<str>, Private<String>>,
    /// The last look-up that was answered.
    pub inquiry: Option<LastInquiry>,
}

/// A look-up and its answer.
#[derive(Clone, Debug)]
pub struct LastInquiry {
    /// What was looked up by. Secrets, as second factors are, are left out.
    pub by: BTreeMap<Arc<str>, Private<String>>,
    /// The answer as the call's record names it.
    pub result: LookUpResult,
    /// The answer as the flow read it.
    pub answer: Private<LookUpAnswer>,
    /// When it came.
    pub at: Instant,
}

/// The look-ups of one call: those that are under way, and the last answer.
#[derive(Debug, Default)]
pub(crate) struct Inquiries {
    asked: VecDeque<BTreeMap<Arc<str>, Private<String>>>,
    last: Option<Box<LastInquiry>>,
}

impl Inquiries {
    /// A look-up begins; `by` holds no secret.
    pub(crate) fn asked(&mut self, by: BTreeMap<Arc<str>, Private<String>>) {
        self.asked.push_back(by);
    }

    /// The oldest look-up that is under way is answered.
    pub(crate) fn answered(&mut self, now: Instant, answer: &LookUpAnswer, result: LookUpResult) {
        if let Some(by) = self.asked.pop_front() {
            self.last = Some(Box::new(LastInquiry { by, result, answer: Private::new(answer.clone()), at: now }));
        }
    }

    /// The last answer.
    pub(crate) fn last(&self) -> Option<&LastInquiry> {
        self.last.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_clock;

    #[test]
    fn the_last_answer_stands_beside_what_was_looked_up_by_and_prints_nothing_of_it() {
        let by = |receipt: &str| BTreeMap::from([(Arc::from("receipt"), Private::new(receipt.to_owned()))]);
        let mut inquiries = Inquiries::default();
        inquiries.asked(by("442026112400018"));
        inquiries.asked(by("442026112400026"));
        assert!(inquiries.last().is_none(), "nothing is answered");
        let now = test_clock::start();
        inquiries.answered(now, &LookUpAnswer::NotFound, LookUpResult::NotFound);
        let facts = BTreeMap::from([(Arc::from("status"), speech::Value::Word("ready".into()))]);
        let found = LookUpAnswer::Found { facts, age: std::time::Duration::ZERO };
        inquiries.answered(now, &found, LookUpResult::Found);
        inquiries.answered(now, &LookUpAnswer::NotFound, LookUpResult::NotFound);
        let last = inquiries.last().expect("an answer");
        assert_eq!((last.result, last.by["receipt"].expose().as_str()), (LookUpResult::Found, "442026112400026"));
        let printed = format!("{inquiries:?}");
        assert!(!printed.contains("4420") && !printed.contains("ready"), "{printed}");
    }
}
