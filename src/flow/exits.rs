//! The graph of a flow: every exit of every node, and the prompts that can be heard there.

use std::sync::Arc;

use super::hours::HOURS_NOW;
use super::model::*;
use super::queue_facts;
use base::Key;

/// What makes a call take an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The caller pressed this key.
    Key(Key),
    /// An entry was typed.
    Entry,
    /// No key came in time (no-input).
    Silence,
    /// The node took it without the caller.
    Itself,
}

/// One exit of a node.
#[derive(Clone, Debug)]
pub(crate) struct Exit<'a> {
    /// The outcome's name in the flow, or `key 1`.
    pub label: String,
    /// Where it leads.
    pub go: &'a Go,
    /// What makes the call take it.
    pub by: By,
    /// Variables that it sets, and their values.
    pub set: &'a [(Arc<str>, Arc<str>)],
    /// It comes from `[defaults]`.
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
            "hours.until" | "hours.next" => Some(Type::Time),
            "hours.now" => Some(Type::Enum(HOURS_NOW.into())),
            "desk.number" | "caller.number" => Some(Type::Digits),
            "desk.call_back" => Some(Type::Enum(queue_facts::CALL_BACK.into())),
            "desk.recorded" => Some(Type::Enum(queue_facts::RECORDED.into())),
            "queue.place" | "queue.ahead" | "queue.minutes" => Some(Type::Count),
            "queue.standing" => Some(Type::Enum(queue_facts::STANDING.into())),
            "queue.wait" => Some(Type::Enum(queue_facts::WAIT.into())),
            _ if self.enums.contains_key(var) => Some(Type::Enum(var.into())),
            _ if var.ends_with(TAIL) => self.type_of(var.strip_suffix(TAIL)?).filter(|kind| *kind == Type::Digits),
            _ => {
                let mut stores = self.nodes.iter().filter_map(Node::stores);
                stores.find(|(name, _)| ***name == *var).map(|(_, kind)| kind)
            }
        }
    }

    /// Whether a variable holds a secret entry.
    pub fn is_secret(&self, var: &str) -> bool {
        let var = var.strip_suffix(TAIL).unwrap_or(var);
        self.nodes.iter().any(|node| matches!(&node.kind, Kind::Ask(ask) if ask.secret && &*ask.store == var))
    }

    /// The node where a call begins that the node makes.
    pub fn called_back_node(&self) -> Option<&str> {
        match &self.called_back.as_ref()?.target {
            Target::Node(name) => Some(name),
            Target::End | Target::Home | Target::Back | Target::Repeat => None,
        }
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
    /// The variable that the caller's answer goes to, and its type.
    pub fn stores(&self) -> Option<(&Arc<str>, Type)> {
        match &self.kind {
            Kind::Ask(ask) => Some((&ask.store, Type::Digits)),
            Kind::Rate(rate) => Some((&rate.store, Type::Number)),
            Kind::Record(record) => record.gives.as_ref().map(|gives| (gives, Type::Digits)),
            Kind::Menu(_)
            | Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => None,
        }
    }

    /// The look-up, if it is one.
    pub fn lookup(&self) -> Option<&Lookup> {
        if let Kind::Lookup(lookup) = &self.kind { Some(lookup) } else { None }
    }

    /// The kind's name, as in `[menu.main]`.
    pub(crate) fn kind_name(&self) -> &'static str {
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

    /// Whether it is a question, to which `@back` leads.
    pub(crate) fn is_question(&self) -> bool {
        matches!(&self.kind, Kind::Menu(_) | Kind::Ask(_) | Kind::Rate(_))
    }

    /// Whether the caller is asked something here, or waits for an agent.
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

    /// Every exit.
    pub(crate) fn exits(&self) -> Vec<Exit<'_>> {
        match &self.kind {
            Kind::Menu(menu) => keys(&menu.choices).chain(menu.manner.exits()).collect(),
            Kind::Ask(ask) => {
                keys(&ask.choices).chain([out("next", &ask.next, By::Entry)]).chain(ask.manner.exits()).collect()
            }
            Kind::Say(say) => vec![itself("next", &say.next)],
            Kind::Lookup(lookup) => lookup.exits(),
            Kind::Switch(switch) => switch.arms.iter().map(|(value, go)| itself(value, go)).collect(),
            Kind::Hours(h) => vec![itself("open", &h.open), itself("closed", &h.closed), itself("holiday", &h.holiday)],
            Kind::Queue(q) => {
                let own = [
                    ("ended", &q.ended),
                    ("full", &q.full),
                    ("timeout", &q.timeout),
                    ("nobody", &q.no_agents),
                    ("closed", &q.closed),
                ];
                keys(&q.choices).chain(own.map(|(label, go)| itself(label, go))).collect()
            }
            Kind::Transfer(t) => vec![itself("done", &t.done), itself("busy", &t.busy), itself("failed", &t.failed)],
            Kind::Record(r) => keys(&r.choices).chain([itself("saved", &r.saved), itself("empty", &r.empty)]).collect(),
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
            Kind::Queue(q) => {
                let told = q.tell.iter().flat_map(|(_, say)| say);
                q.say.iter().chain(told).chain(q.hint.iter().map(|(_, say)| say)).chain(&q.draining).collect()
            }
            Kind::Transfer(t) => t.say.iter().collect(),
            Kind::Record(r) => {
                let review = if let Review::Yes(Some(prompt)) = &r.review { Some(prompt) } else { None };
                r.say.iter().chain(review).chain(&r.number).collect()
            }
            Kind::Rate(rate) => rate.say.iter().chain(&rate.manner.no_match).collect(),
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
            Kind::Record(record) => &record.choices,
            Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Transfer(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => &[],
        }
    }
}

impl InputPolicy {
    /// Where no-match and no-input lead in the end.
    fn exits(&self) -> impl Iterator<Item = Exit<'_>> {
        let silent = self.silent_end.iter().map(|go| out("silent_end", go, By::Silence));
        [out("give_up", &self.give_up, By::Silence)].into_iter().chain(silent)
    }

    /// The no-input and no-match prompts.
    pub fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.no_input.iter().chain(&self.no_match)
    }
}

impl Lookup {
    fn exits(&self) -> Vec<Exit<'_>> {
        let own = [("found", &self.found), ("none", &self.none), ("many", &self.ambiguous), ("down", &self.down)];
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
