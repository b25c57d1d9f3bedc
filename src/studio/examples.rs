//! Example sentences with values, so that every recording can be played in context.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, date, time};

use base::{Key, Lang};
use flow::{Release, Utterance};
use speech::{Clip, Piece, Slot, SlotType, Value};

/// One sentence in one language, with the values of its slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The language it is spoken in.
    pub lang: Lang,
    /// The entry of the script: `prompt.ready`, `opt.agent`.
    pub entry: String,
    /// The key, if the entry is an option of a menu.
    pub key: Option<Key>,
    /// The value of each slot, by the slot's name.
    pub values: BTreeMap<Arc<str>, Value>,
}

/// Composes a sentence; none if a value is missing or of another type.
pub fn compose(release: &Release, saying: &Example) -> Option<Utterance> {
    let composed = match saying.key {
        Some(key) => release.script.compose_option(saying.lang, &saying.entry, key),
        None => release.script.compose(saying.lang, &saying.entry, &|name| saying.values.get(name).cloned(), TODAY),
    };
    composed.ok().filter(|utterance| !utterance.pieces.is_empty())
}

/// Sentences that together play every recording of a release: each entry once, then one for each word of the vocabulary.
pub fn examples(release: &Release) -> Vec<Example> {
    let used = release.entries_used();
    let offered = release.options_offered();
    let mut sayings = Vec::new();
    for &lang in &release.flow.langs {
        sayings.extend(used.keys().filter(|entry| !is_word(entry)).map(|entry| Example {
            lang,
            entry: entry.clone(),
            key: None,
            values: filled(release, entry),
        }));
        sayings.extend(offered.iter().map(|(entry, key)| option(lang, entry, *key)));
        let any = offered.keys().next();
        sayings.extend(any.iter().flat_map(|entry| KEYS.map(|key| option(lang, entry, key))));
        sayings.extend(spoken(release, lang, used.keys().filter(|entry| !is_word(entry))));
        // A word that no sentence contains is played alone.
        sayings.extend(used.keys().filter(|entry| is_word(entry)).map(|entry| Example {
            lang,
            entry: entry.clone(),
            key: None,
            values: BTreeMap::new(),
        }));
    }
    sayings
}

fn is_word(entry: &str) -> bool {
    entry.starts_with("opt.") || entry == "menu_line"
}

fn option(lang: Lang, entry: &str, key: Key) -> Example {
    Example { lang, entry: entry.into(), key: Some(key), values: BTreeMap::new() }
}

/// Every word of every slot type, in the first sentence with a slot of the type.
fn spoken<'a>(release: &Release, lang: Lang, entries: impl Iterator<Item = &'a String>) -> Vec<Example> {
    let mut sayings = Vec::new();
    let mut done: BTreeSet<(SlotType, Option<Arc<str>>)> = BTreeSet::new();
    for entry in entries {
        let slots = release.script.entry(entry).map(|entry| entry.slots()).unwrap_or_default();
        for slot in &slots {
            let family = release.flow.members(&slot.name).map(|(family, _)| family);
            if done.insert((slot.kind, family)) {
                let filled = filled(release, entry);
                sayings.extend(values(release, slot).into_iter().map(|value| {
                    let mut values = filled.clone();
                    values.insert(Arc::clone(&slot.name), value);
                    Example { lang, entry: entry.clone(), key: None, values }
                }));
            }
        }
    }
    sayings
}

/// A value for every slot of an entry.
pub fn filled(release: &Release, entry: &str) -> BTreeMap<Arc<str>, Value> {
    let slots = release.script.entry(entry).map(|entry| entry.slots()).unwrap_or_default();
    slots.into_iter().filter_map(|slot| Some((Arc::clone(&slot.name), example(release, &slot)?))).collect()
}

/// The example value of a slot.
fn example(release: &Release, slot: &Slot) -> Option<Value> {
    Some(match slot.kind {
        SlotType::Word | SlotType::Words | SlotType::Opt | SlotType::Key => {
            return values(release, slot).into_iter().next();
        }
        SlotType::Digits => digits("440126112233456"),
        SlotType::Count | SlotType::Number => Value::Number(25),
        SlotType::Date => Value::Date(date(2026, 11, 24)),
        SlotType::Time => Value::Time(date(2026, 11, 24).to_datetime(time(14, 30, 0, 0))),
        SlotType::Money => Value::Money(12_000),
    })
}

/// Values that together use every word of a slot's vocabulary.
fn values(release: &Release, slot: &Slot) -> Vec<Value> {
    match slot.kind {
        SlotType::Word => members(release, slot).into_iter().map(Value::Word).collect(),
        SlotType::Words => members(release, slot).into_iter().map(|word| Value::Words(vec![word])).collect(),
        SlotType::Opt | SlotType::Key => Vec::new(),
        SlotType::Digits => {
            let medial = (0..10).map(|d| digits(&format!("4{d}0126112233456")));
            let last = (0..10).map(|d| digits(&format!("44012611223345{d}")));
            medial.chain(last).chain([digits("44012611223345X")]).collect()
        }
        SlotType::Count | SlotType::Number => numbers().map(Value::Number).collect(),
        SlotType::Date => dates().map(Value::Date).collect(),
        SlotType::Time => times().map(Value::Time).chain(dates().map(|d| Value::Time(d.at(9, 0, 0, 0)))).collect(),
        SlotType::Money => {
            numbers().map(|n| Value::Money(n.saturating_mul(100))).chain([Value::Money(99_999)]).collect()
        }
    }
}

fn members(release: &Release, slot: &Slot) -> Vec<Arc<str>> {
    let Some((family, members)) = release.flow.members(&slot.name) else { return Vec::new() };
    members.iter().map(|member| format!("{family}.{member}").into()).collect()
}

fn digits(digits: &str) -> Value {
    Value::Digits { digits: digits.into(), groups: vec![3, 4, 4, 4] }
}

fn numbers() -> impl Iterator<Item = u32> {
    let round = (1..10).flat_map(|n| [n * 100, n * 1000]);
    (0..100).chain(round).chain([105, 1_005, 12_345, 20_000, 1_000_000, 3_000_015])
}

fn dates() -> impl Iterator<Item = Date> {
    let days = (1..=31).map(|day| date(2026, 12, day));
    let months = (1..=12).map(|month| date(2026, month, 24));
    let years = speech::spoken::YEARS_PUT_TOGETHER.filter(|year| *year != TODAY.year());
    days.chain(months).chain(years.map(|year| date(year, 11, 24)))
}

fn times() -> impl Iterator<Item = DateTime> {
    let hours = (0..24).map(|hour| TODAY.at(hour, 0, 0, 0));
    hours.chain((1..60).map(|minute| TODAY.at(14, minute, 0, 0)))
}

/// No example has this year, so that years are spoken.
const TODAY: Date = date(2001, 6, 1);
const KEYS: [Key; 12] = [
    Key::Digit(0),
    Key::Digit(1),
    Key::Digit(2),
    Key::Digit(3),
    Key::Digit(4),
    Key::Digit(5),
    Key::Digit(6),
    Key::Digit(7),
    Key::Digit(8),
    Key::Digit(9),
    Key::Star,
    Key::Pound,
];

/// The sentence, if it has slots of all these names; else the first of its language that has.
pub fn example_with_slots(release: &Release, saying: &Example, given: &BTreeMap<String, String>) -> Example {
    let names = |saying: &Example| -> BTreeSet<Arc<str>> {
        let slots = release.script.entry(&saying.entry).map(|entry| entry.slots()).unwrap_or_default();
        slots.into_iter().map(|slot| slot.name).collect()
    };
    let fits = |saying: &Example| given.keys().all(|name| names(saying).contains(name.as_str()));
    if fits(saying) {
        return saying.clone();
    }
    let others = examples(release).into_iter().filter(|other| other.lang == saying.lang);
    others.into_iter().find(fits).unwrap_or_else(|| saying.clone())
}

/// The sentence with the given values, and with digits from a seed where none are given. A value that does not fit its
/// slot is ignored; so are random digits that would remove `clip` from the sentence.
pub fn with_values(
    release: &Release,
    saying: &Example,
    clip: &Clip,
    given: &BTreeMap<String, String>,
    seed: u64,
) -> Example {
    let slots = release.script.entry(&saying.entry).map(|entry| entry.slots()).unwrap_or_default();
    let mut made = saying.clone();
    for slot in &slots {
        let value = match given.get(&*slot.name) {
            Some(text) => read(release, slot, text),
            None => random(slot, seed),
        };
        if let Some(value) = value {
            made.values.insert(Arc::clone(&slot.name), value);
        }
    }
    let holds = |saying: &Example| {
        compose(release, saying).is_some_and(|heard| heard.pieces.contains(&Piece::Clip(clip.clone())))
    };
    if !given.is_empty() || holds(&made) { made } else { saying.clone() }
}

/// Reads a value as typed.
fn read(release: &Release, slot: &Slot, text: &str) -> Option<Value> {
    let text = text.trim();
    Some(match slot.kind {
        SlotType::Word => Value::Word(text.into()),
        SlotType::Words => Value::Words(text.split(',').map(|word| word.trim().into()).collect()),
        SlotType::Digits => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).take(DIGITS_MAX).collect();
            let spoken = digits.chars().all(|c| c.is_ascii_digit() || c == 'X');
            let (digits, groups) = match (release.environment.receipt)(&digits) {
                Ok((number, groups)) => (number, groups),
                Err(_) => (digits, Vec::new()),
            };
            return spoken.then_some(Value::Digits { digits, groups });
        }
        SlotType::Count | SlotType::Number => Value::Number(text.parse().ok()?),
        SlotType::Money => Value::Money(text.parse().ok()?),
        SlotType::Date => Value::Date(text.parse().ok()?),
        SlotType::Time => Value::Time(text.parse().ok()?),
        SlotType::Opt | SlotType::Key => return None,
    })
}

fn random(slot: &Slot, seed: u64) -> Option<Value> {
    if slot.kind != SlotType::Digits || seed == 0 {
        return None;
    }
    // Knuth's linear congruential generator: any digits serve as an example.
    let mut state = seed;
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + ((state >> 33) % 10) as u8)
    };
    let tail: String = (0..11).map(|_| digit()).collect();
    Some(digits(&format!("4401{tail}")))
}

const DIGITS_MAX: usize = 32;
