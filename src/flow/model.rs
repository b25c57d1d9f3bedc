//! A flow as checked: nodes, the keys and outcomes that lead from one to the next, and the sets they rely on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{Key, Lang};

/// The graph of a hotline.
#[derive(Clone, Debug)]
pub struct Flow {
    pub name: Arc<str>,
    pub langs: Vec<Lang>,
    pub start: Go,
    pub limits: Limits,
    pub give_up: Option<Go>,
    /// Said before a sentence that stands in for one without a recording, once a call.
    pub stand_in: Option<Prompt>,
    pub entries: Vec<Entry>,
    pub notices: Vec<Notice>,
    /// In the order written.
    pub nodes: Vec<Node>,
    pub index: BTreeMap<Arc<str>, usize>,
    pub enums: BTreeMap<Arc<str>, Enum>,
    pub types: BTreeMap<Arc<str>, (Type, u32)>,
}

/// What is proven for every path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub keys_to_human: Option<u32>,
    pub menu_seconds: Option<u32>,
    pub options: Option<u32>,
    pub line: u32,
}

/// A closed set of values.
#[derive(Clone, Debug)]
pub struct Enum {
    pub members: Vec<Arc<str>>,
    pub line: u32,
}

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Enum(Arc<str>),
    Date,
    Time,
    Digits,
    Count,
    Number,
    Money,
}

/// Where a call goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Go {
    pub target: Target,
    pub line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Node(Arc<str>),
    /// `@end`: hang up.
    End,
    /// `@home`: the menu marked `home` that was met last.
    Home,
    /// `@back`: the question before this one.
    Back,
    /// `@repeat`: this node once more.
    Repeat,
}

/// A prompt by its name, or a family `fees.{doc}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub name: Arc<str>,
    pub line: u32,
}

impl Prompt {
    /// The variable of a family.
    pub fn var(&self) -> Option<&str> {
        let (_, rest) = self.name.split_once('{')?;
        rest.split_once('}').map(|(var, _)| var)
    }

    /// The script's entry, with the family's member in its place.
    pub fn entry(&self, member: &str) -> String {
        match (self.name.split_once('{'), self.name.split_once('}')) {
            (Some((head, _)), Some((_, tail))) => format!("prompt.{head}{member}{tail}"),
            _ => format!("prompt.{}", self.name),
        }
    }
}

/// A condition of an entry rule, a notice or an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    Blocked,
    Senior,
    Mobile,
    LastLang,
    Number,
    Emergency,
    /// Today is in the `days` of a calendar.
    Calendar(Arc<str>),
}

/// `[[entry]]`: who is calling.
#[derive(Clone, Debug)]
pub struct Entry {
    pub when: When,
    pub go: Go,
    pub set_last_lang: bool,
    pub line: u32,
}

/// `[[notice]]`: a message before a node, once a call.
#[derive(Clone, Debug)]
pub struct Notice {
    pub before: Arc<str>,
    pub say: Prompt,
    pub when: Option<When>,
    pub must_hear: bool,
    /// The last day; absent: until the condition no longer holds.
    pub until: Option<jiff::civil::Date>,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: Arc<str>,
    pub line: u32,
    pub kind: Kind,
}

/// The twelve kinds of node.
#[derive(Clone, Debug)]
pub enum Kind {
    Menu(Menu),
    Ask(Ask),
    Say(Say),
    Lookup(Lookup),
    Switch(Switch),
    Hours(Hours),
    Queue(Queue),
    Transfer(Transfer),
    Record(Record),
    Rate(Rate),
    Sms(Sms),
    Callback(Callback),
}

/// How a question waits for keys.
#[derive(Clone, Debug)]
pub struct Manner {
    pub barge_in: bool,
    pub type_ahead: bool,
    pub first_key: Duration,
    pub next_key: Duration,
    /// Said the first, second, … time that no key comes.
    pub silent: Vec<Prompt>,
    /// Said the first, second, … time that a key or an entry is wrong.
    pub wrong: Vec<Prompt>,
    pub give_up: Go,
}

/// A key and where it leads.
#[derive(Clone, Debug)]
pub struct Choice {
    pub key: Key,
    /// The words it is offered with: `progress`, `doc.passport`. Absent: it works, and is not read out.
    pub opt: Option<Arc<str>>,
    pub set: Vec<(Arc<str>, Arc<str>)>,
    pub go: Go,
    pub when: Option<When>,
    pub inherited: bool,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Menu {
    pub say: Vec<Prompt>,
    pub native: bool,
    pub home: bool,
    pub manner: Manner,
    pub choices: Vec<Choice>,
}

/// How long an entry may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Digits {
        min: u8,
        max: u8,
    },
    /// As the receipt formats of the settings say.
    Receipt,
}

#[derive(Clone, Debug)]
pub struct Ask {
    pub say: Vec<Prompt>,
    pub store: Arc<str>,
    pub length: Length,
    pub end: Option<Key>,
    pub erase: Option<Key>,
    pub star_is: Option<char>,
    pub secret: bool,
    pub scan: bool,
    pub wrong_length: Option<Prompt>,
    pub wrong_number: Option<Prompt>,
    pub next: Go,
    /// Keys that lead elsewhere while nothing has been typed.
    pub choices: Vec<Choice>,
    pub manner: Manner,
}

#[derive(Clone, Debug)]
pub struct Say {
    pub say: Vec<Prompt>,
    pub barge_in: bool,
    pub next: Go,
}

/// What is said while a look-up takes its time.
#[derive(Clone, Debug)]
pub struct Filler {
    pub after: Duration,
    pub every: Duration,
    pub say: Prompt,
}

/// What the age of an answer leads to.
#[derive(Clone, Debug)]
pub struct Stale {
    pub tell_after: Option<Duration>,
    pub say: Option<Prompt>,
    pub refuse_after: Option<Duration>,
    /// Absent: as if the source were down.
    pub refuse: Option<Go>,
}

#[derive(Clone, Debug)]
pub struct Lookup {
    pub source: Arc<str>,
    pub by: Vec<Arc<str>>,
    pub gives: Arc<str>,
    pub filler: Option<Filler>,
    pub give_up_after: Duration,
    pub stale: Stale,
    /// After so many misses in a call the next node is this one.
    pub tries: Option<(u32, Go)>,
    pub found: Go,
    pub none: Go,
    pub many: Go,
    pub down: Go,
}

#[derive(Clone, Debug)]
pub struct Switch {
    pub of: Arc<str>,
    pub arms: Vec<(Arc<str>, Go)>,
}

#[derive(Clone, Debug)]
pub struct Hours {
    pub calendar: Arc<str>,
    pub open: Go,
    pub closed: Go,
    pub holiday: Go,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub say: Vec<Prompt>,
    pub pool: Arc<str>,
    pub music: Option<Arc<str>>,
    pub tell: Option<(Duration, Prompt)>,
    pub hint: Option<(Duration, Prompt)>,
    pub pass: Vec<Arc<str>>,
    pub max_wait: Duration,
    pub choices: Vec<Choice>,
    pub ended: Go,
    pub full: Go,
    pub timeout: Go,
    pub nobody: Go,
}

#[derive(Clone, Debug)]
pub struct Transfer {
    pub say: Vec<Prompt>,
    pub to: Arc<str>,
    pub timeout: Duration,
    pub done: Go,
    pub busy: Go,
    pub failed: Go,
}

/// Whether a caller may hear a message again before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    No,
    /// 1 sends, 2 plays, 3 records again; with words that say so.
    Yes(Option<Prompt>),
}

#[derive(Clone, Debug)]
pub struct Record {
    pub say: Vec<Prompt>,
    pub beep: bool,
    pub max: Duration,
    pub stop: Key,
    pub review: Review,
    pub keep: Duration,
    pub notify: Arc<str>,
    pub gives: Option<Arc<str>>,
    /// Inherited keys, which work before the beep and after the take.
    pub choices: Vec<Choice>,
    pub saved: Go,
    pub empty: Go,
}

#[derive(Clone, Debug)]
pub struct Rate {
    pub say: Vec<Prompt>,
    pub store: Arc<str>,
    pub best: u8,
    pub worst: u8,
    /// From this score on, downwards in praise.
    pub low: Option<(u8, Go)>,
    pub next: Go,
    pub skip: Go,
    pub manner: Manner,
    pub choices: Vec<Choice>,
}

#[derive(Clone, Debug)]
pub struct Sms {
    pub template: Arc<str>,
    pub to: Arc<str>,
    pub sent: Go,
    pub failed: Go,
}

#[derive(Clone, Debug)]
pub struct Callback {
    pub number: Arc<str>,
    pub say: Vec<Prompt>,
    pub booked: Go,
    pub failed: Go,
}
