//! The whole of a flow: nodes, entry rules, notices, limits, sets and types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::nodes::Node;
use super::target::{Go, Prompt, When};
use base::Lang;

/// The graph of a hotline.
#[derive(Clone, Debug)]
pub struct Flow {
    /// As `flow` names it, for operators.
    pub name: Arc<str>,
    /// The languages spoken; the first is the one that calls begin in and that stands in for a missing recording.
    pub langs: Vec<Lang>,
    /// Where a call begins that no entry rule takes.
    pub start: Go,
    /// Where a call begins that the node makes to a person who asked for it.
    pub called_back: Option<Go>,
    /// What the checks prove for every path.
    pub limits: Limits,
    /// Where no-input and no-match end, unless a node says otherwise.
    pub give_up: Option<Go>,
    /// Said once a call, before the first sentence that stands in for one without a recording.
    pub stand_in: Option<Prompt>,
    /// Rules about the caller, in order; the first that holds takes the call.
    pub entries: Vec<Entry>,
    /// Messages before a node, in the order written.
    pub notices: Vec<Notice>,
    /// In the order written.
    pub nodes: Vec<Node>,
    /// The place of each node in `nodes`, by name.
    pub index: BTreeMap<Arc<str>, usize>,
    /// The sets of values, by name.
    pub enums: BTreeMap<Arc<str>, Enum>,
    /// The types of variables as declared, with the line.
    pub types: BTreeMap<Arc<str>, (Type, u32)>,
}

/// What is proven for every path.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Keys from any menu to a person or a message box, at most.
    pub keys_to_human: Option<u32>,
    /// How long a menu takes to hear, at most.
    pub menu_seconds: Option<u32>,
    /// Options that a menu reads out, at most.
    pub options: Option<u32>,
    /// How long a caller who lets every prompt end hears prompts until the result is said, at most.
    pub answer_seconds: Option<u32>,
    /// Words that promise a person: sentences with one of them are said only while a desk is open.
    pub promise_words: Vec<Arc<str>>,
    /// Where `[limits]` stands.
    pub line: u32,
}

/// A closed set of values.
#[derive(Clone, Debug)]
pub struct Enum {
    /// The values, in the order written.
    pub members: Vec<Arc<str>>,
    /// Where the set stands.
    pub line: u32,
}

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// One of the set's values, or several.
    Enum(Arc<str>),
    /// A day.
    Date,
    /// A day and a time of day.
    Time,
    /// Digits that are read one by one.
    Digits,
    /// A number of things.
    Count,
    /// A plain number.
    Number,
    /// An amount of money, in fen.
    Money,
}

/// `[[entry]]`: who is calling.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What must hold.
    pub when: When,
    /// Where the call goes then.
    pub go: Go,
    /// The call begins in the language of the caller's last call.
    pub set_last_lang: bool,
    /// Where the rule stands.
    pub line: u32,
}

/// `[[notice]]`: a message before a node, once a call.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The nodes' names; it is said before the first of them that a call comes to.
    pub before: Vec<Arc<str>>,
    /// The prompt.
    pub say: Prompt,
    /// What must hold; absent: always said.
    pub when: Option<When>,
    /// It cannot be cut short, nor skipped by type-ahead.
    pub must_hear: bool,
    /// The last day; absent: until the condition no longer holds.
    pub until: Option<jiff::civil::Date>,
    /// Where the notice stands.
    pub line: u32,
}

impl Notice {
    /// Whether it announces to callers that conversations are recorded: it is said wherever they are, for as long as they are, and
    /// no key skips it.
    pub fn announces_recording(&self) -> bool {
        self.when == Some(When::Recorded) && self.must_hear && self.until.is_none()
    }
}
