//! Where a call goes, what it says, and under which condition.

use std::sync::Arc;

/// Where a call goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Go {
    /// The node, or one of the four relative targets.
    pub target: Target,
    /// Where it is written.
    pub line: u32,
}

/// A target as `go` and the outcomes write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A node by its name.
    Node(Arc<str>),
    /// `@end`: hang up.
    End,
    /// `@home`: the last menu entered that is marked `home`.
    Home,
    /// `@back`: the question before this one.
    Back,
    /// `@repeat`: this node once more.
    Repeat,
}

/// A prompt by its name, or a family `fees.{doc}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// As written, without `prompt.`.
    pub name: Arc<str>,
    /// Where it is written.
    pub line: u32,
}

impl Prompt {
    /// The variable of a family.
    pub fn var(&self) -> Option<&str> {
        let (_, rest) = self.name.split_once('{')?;
        rest.split_once('}').map(|(var, _)| var)
    }

    /// The name, with the family's member in its place.
    pub fn with(&self, member: &str) -> String {
        match (self.name.split_once('{'), self.name.split_once('}')) {
            (Some((head, _)), Some((_, tail))) => format!("{head}{member}{tail}"),
            _ => self.name.to_string(),
        }
    }

    /// The script's entry, with the family's member in its place.
    pub fn entry(&self, member: &str) -> String {
        format!("prompt.{}", self.with(member))
    }
}

/// A condition of an entry rule, a notice or an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// `caller.blocked`: the caller is on the list of blocked numbers.
    Blocked,
    /// `caller.senior`: the caller is known to be a senior.
    Senior,
    /// `caller.mobile`: the call comes from a mobile telephone.
    Mobile,
    /// `caller.last_lang`: the language of the last call is known.
    LastLang,
    /// `caller.number`: the calling number is not hidden.
    Number,
    /// `switch.emergency`: the duty officer's switch is on.
    Emergency,
    /// `desk.call_back`: the node can call the caller back.
    CallBack,
    /// `desk.recorded`: the node records conversations of its queues.
    Recorded,
    /// `sms.possible`: the caller may get a text message, and has not had one for each that a call may send.
    Sms,
    /// Today is in the `days` of a calendar.
    Calendar(Arc<str>),
    /// `open.desk`: it is within the hours of a calendar.
    Open(Arc<str>),
}
