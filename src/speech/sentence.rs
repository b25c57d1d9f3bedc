//! One sentence of one language, parsed into literal texts and slots.

use std::sync::Arc;

use base::{Bilingual, bilingual};

/// What a slot may be filled with, as written after its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotType {
    /// A member of an enum, spoken by its words under `opt`.
    Word,
    /// Several members, with a pause between them.
    Words,
    /// Digits, one by one, in groups.
    Digits,
    /// A number with a measure word after it: 2 is 两, not 二.
    Count,
    /// A number that stands alone.
    Number,
    /// A date; its year is spoken where it is not the current one.
    Date,
    /// A time of day, with its date where that is not today.
    Time,
    /// Yuan, jiao and fen.
    Money,
    /// `{opt}` of the menu line: the words of an option.
    Opt,
    /// `{key}` of the menu line: a key of the telephone.
    Key,
}

impl SlotType {
    /// The names that a sentence may use.
    pub const NAMES: [&'static str; 8] = ["word", "words", "digits", "count", "number", "date", "time", "money"];

    /// Reads the name after a slot's colon.
    pub fn from_name(name: &str) -> Option<SlotType> {
        Some(match name {
            "word" => SlotType::Word,
            "words" => SlotType::Words,
            "digits" => SlotType::Digits,
            "count" => SlotType::Count,
            "number" => SlotType::Number,
            "date" => SlotType::Date,
            "time" => SlotType::Time,
            "money" => SlotType::Money,
            _ => return None,
        })
    }

    /// The name as written.
    pub fn name(self) -> &'static str {
        match self {
            SlotType::Word => "word",
            SlotType::Words => "words",
            SlotType::Digits => "digits",
            SlotType::Count => "count",
            SlotType::Number => "number",
            SlotType::Date => "date",
            SlotType::Time => "time",
            SlotType::Money => "money",
            SlotType::Opt => "opt",
            SlotType::Key => "key",
        }
    }
}

/// A slot of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The name that a value is given under: `case.doc`, `receipt`.
    pub name: Arc<str>,
    /// What may fill it.
    pub kind: SlotType,
}

/// A part of a sentence, in the order spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text; `clip` is absent if the text is only punctuation.
    Text {
        /// As written, punctuation included.
        text: String,
        /// The recording's id.
        clip: Option<Arc<str>>,
    },
    /// A place that a value fills.
    Slot(Slot),
}

/// A sentence as written, and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// As written, slots in braces.
    pub text: String,
    /// Its texts and slots, in the order spoken.
    pub parts: Vec<Part>,
}

/// Why a sentence cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum SlotError {
    /// An opening brace is never closed.
    Open,
    /// A closing brace was never opened.
    Close,
    /// The slot, by its name, has no `:type`.
    NoType(String),
    /// No slot type has this name.
    UnknownType {
        /// The slot's name.
        name: String,
        /// The type as written.
        kind: String,
    },
    /// Nothing stands before the colon.
    NoName,
}

impl SlotError {
    /// What is wrong.
    pub fn text(&self) -> Bilingual {
        match self {
            SlotError::Open => Bilingual::fixed("{ is not closed by }", "{ 没有对应的 }"),
            SlotError::Close => Bilingual::fixed("} has no { before it", "} 之前没有 {"),
            SlotError::NoType(name) => bilingual!("the slot {{{name}}} has no type", "空位 {{{name}}} 没有类型"),
            SlotError::UnknownType { name, kind } => {
                bilingual!(
                    "the slot {{{name}}} has the unknown type {kind:?}",
                    "空位 {{{name}}} 的类型 {kind:?} 不存在"
                )
            }
            SlotError::NoName => Bilingual::fixed("a slot has no name", "空位没有名称"),
        }
    }
}

impl Sentence {
    /// Parses a sentence into recordings and slots. A recording is named after the entry's path; with slots, by the
    /// path and its place among the texts that hold more than punctuation.
    pub fn parse(path: &str, text: &str) -> Result<Sentence, SlotError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if rest[open..].starts_with('}') {
                return Err(SlotError::Close);
            }
            push_text(&mut parts, &rest[..open]);
            let inner = &rest[open + 1..];
            let close = inner.find(['{', '}']).filter(|at| inner[*at..].starts_with('}')).ok_or(SlotError::Open)?;
            parts.push(Part::Slot(slot(path, &inner[..close])?));
            rest = &inner[close + 1..];
        }
        push_text(&mut parts, rest);
        name_clips(path, &mut parts);
        Ok(Sentence { text: text.into(), parts })
    }

    /// The slots, in the order spoken.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Text { .. } => None,
        })
    }

    /// The recordings with the text that each is read from.
    pub fn clips(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text { text, clip: Some(clip) } => Some((clip, text.trim())),
            Part::Text { clip: None, .. } | Part::Slot(_) => None,
        })
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text { text: text.into(), clip: None });
    }
}

fn slot(path: &str, inner: &str) -> Result<Slot, SlotError> {
    let inner = inner.trim();
    let kind = match (path, inner) {
        ("menu_line", "opt") => return Ok(Slot { name: "opt".into(), kind: SlotType::Opt }),
        ("menu_line", "key") => return Ok(Slot { name: "key".into(), kind: SlotType::Key }),
        (_, inner) => inner.split_once(':').ok_or_else(|| SlotError::NoType(inner.into()))?,
    };
    let (name, kind) = (kind.0.trim(), kind.1.trim());
    if name.is_empty() {
        return Err(SlotError::NoName);
    }
    let kind =
        SlotType::from_name(kind).ok_or_else(|| SlotError::UnknownType { name: name.into(), kind: kind.into() })?;
    Ok(Slot { name: name.into(), kind })
}

fn name_clips(path: &str, parts: &mut [Part]) {
    let whole = !parts.iter().any(|part| matches!(part, Part::Slot(_)));
    let mut n = 0;
    for part in parts {
        if let Part::Text { text, clip } = part
            && text.chars().any(char::is_alphanumeric)
        {
            *clip = Some(if whole { path.into() } else { format!("{path}.{n}").into() });
            n += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_without_slots_is_one_recording() {
        let sentence = Sentence::parse("prompt.bye", "感谢来电，再见。").unwrap();
        assert_eq!(sentence.clips().map(|(c, t)| (&**c, t)).collect::<Vec<_>>(), [("prompt.bye", "感谢来电，再见。")]);
    }

    #[test]
    fn punctuation_alone_needs_no_recording() {
        let sentence = Sentence::parse("p", "{a:word}，请按 {b:date}。").unwrap();
        assert_eq!(sentence.clips().map(|(c, t)| (&**c, t)).collect::<Vec<_>>(), [("p.0", "，请按")]);
        assert_eq!(sentence.slots().count(), 2);
    }

    #[test]
    fn a_wrong_slot_is_named() {
        assert_eq!(Sentence::parse("p", "a {b"), Err(SlotError::Open));
        assert_eq!(Sentence::parse("p", "a {b {c:word}"), Err(SlotError::Open));
        assert_eq!(Sentence::parse("p", "a b}"), Err(SlotError::Close));
        assert_eq!(Sentence::parse("p", "{b}"), Err(SlotError::NoType("b".into())));
        assert!(matches!(Sentence::parse("p", "{b:dat}"), Err(SlotError::UnknownType { .. })));
        assert_eq!(Sentence::parse("p", "{:date}"), Err(SlotError::NoName));
    }
}
