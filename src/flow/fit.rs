//! Fits a source's values to the sets of a flow, which may name the same things differently.

use std::sync::Arc;

use super::io::Facts;
use super::model::{Flow, Node, Type};
use speech::Value;

/// The member of a set that means a value: the same name, an alias, or a name with a suffix.
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
    /// Fits one fact to the type of its variable; `None` if the flow's set has no member for it.
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

/// The first of a look-up's facts that the flow has no word for: its variable, and the word.
pub fn unknown_word(flow: &Flow, facts: &Facts) -> Option<(String, Arc<str>)> {
    let gives = &flow.nodes.iter().find_map(Node::lookup)?.gives;
    facts.iter().find_map(|(name, value)| {
        let var = format!("{gives}.{name}");
        let (_, members) = flow.members(&var)?;
        let words = match value {
            Value::Word(word) => std::slice::from_ref(word),
            Value::Words(words) => words,
            Value::Digits { .. } | Value::Number(_) | Value::Money(_) | Value::Date(_) | Value::Time(_) => return None,
        };
        let unknown = words.iter().find(|word| fit(word, members).is_none())?.clone();
        Some((var, unknown))
    })
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
