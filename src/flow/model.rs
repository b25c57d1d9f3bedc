//! A flow as checked: nodes, the keys and outcomes that lead from one to the next, and the sets they rely on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Key, Lang};

/// The graph of a hotline.
#[derive(Clone, Debug)]
pub struct Flow {
    pub name: Arc<str>,
    pub langs: Vec<Lang>,
    pub start: Go,
    pub limits: Limits,
    pub give_up: Option<Go>,
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

/// What makes a call leave a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Key(Key),
    /// An entry was typed.
    Entry,
    /// No key came.
    Silence,
    /// The node came to this end without the caller.
    Itself,
}

/// One way out of a node.
#[derive(Clone, Debug)]
pub struct Exit<'a> {
    pub label: String,
    pub go: &'a Go,
    pub by: By,
    pub set: &'a [(Arc<str>, Arc<str>)],
    pub inherited: bool,
}

impl Flow {
    /// A node by its name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.index.get(name).map(|at| &self.nodes[*at])
    }

    /// What a variable holds: as declared, known to every flow, or the set of the same name.
    pub fn type_of(&self, var: &str) -> Option<Type> {
        if let Some((kind, _)) = self.types.get(var) {
            return Some(kind.clone());
        }
        match var {
            "receipt.length" => Some(Type::Number),
            "desk.number" => Some(Type::Digits),
            "queue.place" | "queue.minutes" => Some(Type::Count),
            _ if self.enums.contains_key(var) => Some(Type::Enum(var.into())),
            _ => self.nodes.iter().find_map(|node| match &node.kind {
                Kind::Ask(ask) if &*ask.store == var => Some(Type::Digits),
                Kind::Record(record) if record.gives.as_deref() == Some(var) => Some(Type::Digits),
                Kind::Rate(rate) if &*rate.store == var => Some(Type::Number),
                _ => None,
            }),
        }
    }

    /// Whether a variable holds a secret entry.
    pub fn is_secret(&self, var: &str) -> bool {
        self.nodes.iter().any(|node| matches!(&node.kind, Kind::Ask(ask) if ask.secret && &*ask.store == var))
    }

    /// The members of the set that a variable is of.
    pub fn members(&self, var: &str) -> Option<(Arc<str>, &[Arc<str>])> {
        match self.type_of(var)? {
            Type::Enum(name) => self.enums.get(&name).map(|e| (name, &e.members[..])),
            Type::Date | Type::Time | Type::Digits | Type::Count | Type::Number | Type::Money => None,
        }
    }
}

impl Node {
    /// The kind's name, as in `[menu.main]`.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Menu(_) => "menu",
            Kind::Ask(_) => "ask",
            Kind::Say(_) => "say",
            Kind::Lookup(_) => "lookup",
            Kind::Switch(_) => "switch",
            Kind::Hours(_) => "hours",
            Kind::Queue(_) => "queue",
            Kind::Transfer(_) => "transfer",
            Kind::Record(_) => "record",
            Kind::Rate(_) => "rate",
            Kind::Sms(_) => "sms",
            Kind::Callback(_) => "callback",
        }
    }

    /// Whether the caller is asked something here, or waits for a person.
    pub fn asks(&self) -> bool {
        match &self.kind {
            Kind::Menu(_) | Kind::Ask(_) | Kind::Queue(_) | Kind::Record(_) | Kind::Rate(_) => true,
            Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Transfer(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => false,
        }
    }

    /// Every way out.
    pub fn exits(&self) -> Vec<Exit<'_>> {
        match &self.kind {
            Kind::Menu(menu) => {
                keys(&menu.choices).chain([out("give_up", &menu.manner.give_up, By::Silence)]).collect()
            }
            Kind::Ask(ask) => keys(&ask.choices)
                .chain([out("next", &ask.next, By::Entry), out("give_up", &ask.manner.give_up, By::Silence)])
                .collect(),
            Kind::Say(say) => vec![itself("next", &say.next)],
            Kind::Lookup(lookup) => lookup.exits(),
            Kind::Switch(switch) => switch.arms.iter().map(|(value, go)| itself(value, go)).collect(),
            Kind::Hours(h) => vec![itself("open", &h.open), itself("closed", &h.closed), itself("holiday", &h.holiday)],
            Kind::Queue(q) => {
                let own = [("ended", &q.ended), ("full", &q.full), ("timeout", &q.timeout), ("nobody", &q.nobody)];
                keys(&q.choices).chain(own.map(|(label, go)| itself(label, go))).collect()
            }
            Kind::Transfer(t) => vec![itself("done", &t.done), itself("busy", &t.busy), itself("failed", &t.failed)],
            Kind::Record(r) => vec![itself("saved", &r.saved), itself("empty", &r.empty)],
            Kind::Rate(rate) => keys(&rate.choices)
                .chain([out("next", &rate.next, By::Entry), out("skip", &rate.skip, By::Silence)])
                .chain(rate.low.iter().map(|(_, go)| out("low", go, By::Entry)))
                .collect(),
            Kind::Sms(sms) => vec![itself("sent", &sms.sent), itself("failed", &sms.failed)],
            Kind::Callback(c) => vec![itself("booked", &c.booked), itself("failed", &c.failed)],
        }
    }

    /// Every prompt that can be heard here, notices aside.
    pub fn prompts(&self) -> Vec<&Prompt> {
        match &self.kind {
            Kind::Menu(menu) => menu.say.iter().chain(menu.manner.prompts()).collect(),
            Kind::Ask(ask) => {
                let wrong = ask.wrong_length.iter().chain(&ask.wrong_number);
                ask.say.iter().chain(ask.manner.prompts()).chain(wrong).collect()
            }
            Kind::Say(say) => say.say.iter().collect(),
            Kind::Lookup(l) => l.filler.iter().map(|f| &f.say).chain(&l.stale.say).collect(),
            Kind::Queue(q) => q.say.iter().chain(q.tell.iter().chain(&q.hint).map(|(_, say)| say)).collect(),
            Kind::Transfer(t) => t.say.iter().collect(),
            Kind::Record(r) => match &r.review {
                Review::Yes(Some(prompt)) => r.say.iter().chain([prompt]).collect(),
                Review::Yes(None) | Review::No => r.say.iter().collect(),
            },
            Kind::Rate(rate) => rate.say.iter().chain(&rate.manner.wrong).collect(),
            Kind::Callback(c) => c.say.iter().collect(),
            Kind::Switch(_) | Kind::Hours(_) | Kind::Sms(_) => Vec::new(),
        }
    }

    /// The keys that lead somewhere.
    pub fn choices(&self) -> &[Choice] {
        match &self.kind {
            Kind::Menu(menu) => &menu.choices,
            Kind::Ask(ask) => &ask.choices,
            Kind::Queue(queue) => &queue.choices,
            Kind::Rate(rate) => &rate.choices,
            Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => &[],
        }
    }
}

impl Manner {
    /// What is said to the silent and to the mistaken.
    pub fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.silent.iter().chain(&self.wrong)
    }
}

impl Lookup {
    fn exits(&self) -> Vec<Exit<'_>> {
        let own = [("found", &self.found), ("none", &self.none), ("many", &self.many), ("down", &self.down)];
        let tries = self.tries.iter().map(|(_, go)| itself("tries", go));
        let refuse = self.stale.refuse.iter().map(|go| itself("refuse", go));
        own.into_iter().map(|(label, go)| itself(label, go)).chain(tries).chain(refuse).collect()
    }
}

fn out<'a>(label: &str, go: &'a Go, by: By) -> Exit<'a> {
    Exit { label: label.into(), go, by, set: &[], inherited: false }
}

fn itself<'a>(label: &str, go: &'a Go) -> Exit<'a> {
    out(label, go, By::Itself)
}

fn keys(choices: &[Choice]) -> impl Iterator<Item = Exit<'_>> {
    choices.iter().map(|choice| Exit {
        label: format!("key {}", choice.key.as_char()),
        go: &choice.go,
        by: By::Key(choice.key),
        set: &choice.set,
        inherited: choice.inherited,
    })
}
