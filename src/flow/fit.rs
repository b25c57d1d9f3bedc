//! Fits what a source says to the sets of a flow, which may call the same things by other names.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::io::Facts;
use super::model::{Flow, Type};
use crate::inquiry::Stage;
use crate::speech::Value;

/// What is known of a case's promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    By(Date),
    WorkingDays(u32),
    Days(u32),
    /// The limit has passed: a person is offered, and no date.
    Over,
    None,
}

/// What is told of a case, in the parts that both doors have.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    pub stage: Stage,
    pub minor: bool,
    pub document: Option<&'a Arc<str>>,
    pub hall: Option<&'a Arc<str>>,
    pub promise: Promised,
    pub items: &'a [Arc<str>],
    pub stage_on: Option<Date>,
    pub waybill_tail: Option<&'a str>,
}

/// The flow's variables of a case, without their prefix.
pub fn facts_of(told: &Parts<'_>) -> Facts {
    let mut facts: BTreeMap<&str, Value> = BTreeMap::new();
    facts.insert("status", Value::Word(stage_code(told.stage).into()));
    facts.insert("minor", Value::Word(if told.minor { "yes" } else { "no" }.into()));
    facts.extend(told.document.map(|document| ("doc", Value::Word(document.clone()))));
    facts.extend(told.hall.map(|hall| ("hall", Value::Word(hall.clone()))));
    facts.extend(told.stage_on.map(|day| ("on", Value::Date(day))));
    if !told.items.is_empty() {
        facts.insert("items", Value::Words(told.items.to_vec()));
    }
    if let Some(tail) = told.waybill_tail {
        facts.insert("mail_no", Value::Digits { digits: tail.into(), groups: Vec::new() });
    }
    let promise = match told.promise {
        Promised::By(date) => {
            facts.insert("by", Value::Date(date));
            "date"
        }
        Promised::WorkingDays(n) => {
            facts.insert("limit", Value::Number(n));
            "working_days"
        }
        Promised::Days(n) => {
            facts.insert("limit", Value::Number(n));
            "days"
        }
        Promised::Over => "over",
        Promised::None => "none",
    };
    facts.insert("promise", Value::Word(promise.into()));
    facts.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// The code of a stage, as a flow's enum names it.
pub fn stage_code(stage: Stage) -> &'static str {
    match stage {
        Stage::Accepted => "accepted",
        Stage::Review => "review",
        Stage::Supplement => "supplement",
        Stage::Production => "production",
        Stage::Ready => "ready",
        Stage::Posted => "posted",
        Stage::Collected => "collected",
        Stage::Contact => "contact",
    }
}

/// Every stage that a case can be in.
pub const STAGES: [Stage; 8] = [
    Stage::Accepted,
    Stage::Review,
    Stage::Supplement,
    Stage::Production,
    Stage::Ready,
    Stage::Posted,
    Stage::Collected,
    Stage::Contact,
];

/// The member of a set that a value is called by there.
pub fn fit(value: &str, members: &[Arc<str>]) -> Option<Arc<str>> {
    let find = |wanted: &str| members.iter().find(|member| &***member == wanted).cloned();
    if let Some(same) = find(value) {
        return Some(same);
    }
    let group = ALIASES.iter().find(|group| group.contains(&value));
    if let Some(alias) = group.and_then(|group| group.iter().find_map(|alias| find(alias))) {
        return Some(alias);
    }
    let within = |short: &str, long: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('_'));
    members.iter().find(|member| within(member, value) || within(value, member)).cloned()
}

impl Flow {
    /// Fits one fact to the type of its variable; none if the flow has no word for it.
    pub(super) fn fitted(&self, var: &str, value: Value) -> Option<Value> {
        let Some(Type::Enum(name)) = self.type_of(var) else { return Some(value) };
        let members = &self.enums.get(&name)?.members;
        match value {
            Value::Word(word) => fit(&word, members).map(Value::Word),
            Value::Words(words) => words.iter().map(|word| fit(word, members)).collect::<Option<_>>().map(Value::Words),
            Value::Digits { .. } | Value::Number(_) | Value::Money(_) | Value::Date(_) | Value::Time(_) => None,
        }
    }
}

const ALIASES: &[&[&str]] = &[
    &["accepted", "received"],
    &["review", "reviewing", "in_review", "approval"],
    &["supplement", "need_docs", "needs_docs", "more_papers"],
    &["production", "making", "printing"],
    &["ready", "collectable"],
    &["posted", "mailed", "sent"],
    &["collected", "picked_up"],
    &["contact", "declined", "refused", "ask_staff"],
    &["hkmo_permit", "hkmo_endorsement", "hkmo"],
    &["taiwan_permit", "taiwan_endorsement", "taiwan"],
    &["residence_permit", "visa", "residence"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_may_call_a_stage_by_another_name() {
        let members: Vec<Arc<str>> = ["accepted", "reviewing", "mailed", "declined"].map(Arc::from).to_vec();
        let fitted = |value| fit(value, &members).map(|m| m.to_string());
        assert_eq!(fitted("review").as_deref(), Some("reviewing"));
        assert_eq!(fitted("posted").as_deref(), Some("mailed"));
        assert_eq!(fitted("contact").as_deref(), Some("declined"));
        assert_eq!(fitted("ready"), None);
    }
}
