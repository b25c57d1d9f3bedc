//! The variables that a look-up sets.

use std::sync::Arc;

use super::io::Facts;
use inquiry::{Progress, Promise};
use speech::Value;

/// The variables of a case, without their prefix: `status`, `doc`, `by`.
pub fn facts(progress: &Progress) -> Facts {
    let mut facts = Facts::new();
    let mut put = |name: &str, value: Option<Value>| facts.extend(value.map(|value| (Arc::from(name), value)));
    let word = |word: &str| Some(Value::Word(word.into()));
    put("status", word(progress.stage.code()));
    put("minor", word(if progress.minor { "yes" } else { "no" }));
    // Not every office says which waybill it is, or which documents are missing; and letters of a waybill have no recordings.
    let tail = progress.waybill_tail.as_ref().filter(|tail| speech::spoken::digits(tail, &[]).is_some());
    put("mailed", word(if tail.is_some() { "yes" } else { "no" }));
    put("asked", word(if progress.items.is_empty() { "no" } else { "yes" }));
    put("doc", progress.document.clone().map(Value::Word));
    put("hall", progress.hall.clone().map(Value::Word));
    put("on", progress.stage_on.map(Value::Date));
    put("items", (!progress.items.is_empty()).then(|| Value::Words(progress.items.clone())));
    let digits = |digits: &String| Value::Digits { digits: digits.clone(), groups: Vec::new() };
    put("mail_no", tail.map(digits));
    put("promise", word(progress.promise.code()));
    match progress.promise {
        Promise::By(date) => put("by", Some(Value::Date(date))),
        Promise::WorkingDays(n) | Promise::Days(n) => put("limit", Some(Value::Number(n))),
        Promise::Over | Promise::None => {}
    }
    facts
}
