//! Slots: the recordings that operators make, computed from a release and the rules of speech.
//!
//! ```text
//!  Release ──► the recordings it can play ──► Slot { text, variant, set, longest, used_by, said }
//!                   └─ sentences with examples ──► Said: what a caller hears before and after each
//! ```
//! Each slot comes with a sentence that a caller can hear, so that it can be read and played in context. The same code
//! composes these sentences and those of a call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::examples::{self, Example};
use flow::Release;
use speech::{Clip, ClipText, Piece, estimated_length};

/// One recording that an operator makes.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Language and id of the recording.
    pub clip: Clip,
    /// The text to read.
    pub text: String,
    /// How the voice ends.
    pub variant: Intonation,
    /// The set it belongs to, recorded by one voice in one sitting.
    pub set: String,
    /// Longer takes are refused.
    pub longest: Duration,
    /// The nodes of the flow that play it.
    pub used_by: Vec<Arc<str>>,
    /// A sentence that contains it; none if it is heard alone.
    pub said: Option<SlotContext>,
}

/// The intonation of a recording: whether the sentence goes on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intonation {
    /// The sentence goes on: the voice stays up.
    Medial,
    /// The sentence ends: the voice falls.
    Final,
}

impl Intonation {
    /// The letter in file names: `m` or `f`.
    pub fn code(self) -> &'static str {
        match self {
            Intonation::Medial => "m",
            Intonation::Final => "f",
        }
    }
}

/// The sentence around a slot.
#[derive(Clone, Debug)]
pub struct SlotContext {
    /// The sentence, by its entry and values.
    pub saying: Example,
    /// The whole sentence, as a screen shows it.
    pub sentence: String,
    /// Up to three recordings before the slot, in the order heard, with their texts.
    pub before: Vec<(Clip, String)>,
    /// Up to three recordings after it.
    pub after: Vec<(Clip, String)>,
}

impl Slot {
    /// The estimated length of the text when read.
    pub fn expected(&self) -> Duration {
        estimated_length(self.clip.lang, &self.text, &[]).max(SHORTEST_WORD)
    }
}

/// All slots of a release in recording order: set by set, numbers in ascending order.
pub fn slots(release: &Release, needed: &BTreeSet<ClipText>) -> Vec<Slot> {
    let texts: BTreeMap<Clip, &str> = needed.iter().map(|needed| (clip_of(needed), &*needed.text)).collect();
    let mut said = BTreeMap::new();
    for saying in examples::examples(release) {
        if let Some(heard) = examples::compose(release, &saying) {
            note_context(&saying, &heard, &texts, &mut said);
        }
    }
    let used = release.entries_used();
    let mut slots: Vec<Slot> = needed.iter().map(|needed| slot(needed, &used, said.remove(&clip_of(needed)))).collect();
    slots.sort_by_cached_key(|slot| (slot.clip.lang, rank(&slot.clip.id), slot.set.clone(), counted(&slot.clip.id)));
    slots
}

fn clip_of(needed: &ClipText) -> Clip {
    Clip { lang: needed.lang, id: Arc::clone(&needed.id) }
}

/// Notes the sentence of each recording that has none yet.
fn note_context(
    saying: &Example,
    heard: &flow::Utterance,
    texts: &BTreeMap<Clip, &str>,
    said: &mut BTreeMap<Clip, SlotContext>,
) {
    let clips: Vec<&Clip> = heard
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Clip(clip) => Some(clip),
            Piece::Silence(_) | Piece::Tone(_) | Piece::Ringing(_) | Piece::Message => None,
        })
        .collect();
    let texts_of = |clips: &[&Clip]| -> Vec<(Clip, String)> {
        clips.iter().map(|clip| ((*clip).clone(), texts.get(*clip).copied().unwrap_or_default().into())).collect()
    };
    for (at, clip) in clips.iter().enumerate() {
        if !said.contains_key(*clip) {
            let before = texts_of(&clips[at.saturating_sub(NEIGHBOURS)..at]);
            let after = texts_of(&clips[at + 1..clips.len().min(at + 1 + NEIGHBOURS)]);
            let sentence = heard.text.clone();
            said.insert((*clip).clone(), SlotContext { saying: saying.clone(), sentence, before, after });
        }
    }
}

fn slot(needed: &ClipText, used: &BTreeMap<String, BTreeSet<Arc<str>>>, said: Option<SlotContext>) -> Slot {
    let id = &needed.id;
    let own = used.get(&**id).or_else(|| id.rsplit_once('.').and_then(|(entry, _)| used.get(entry)));
    let by = own.or_else(|| said.as_ref().and_then(|said| used.get(&said.saying.entry)));
    let variant = match (id.strip_prefix("digit."), &said) {
        (Some(digit), _) if digit.starts_with('m') => Intonation::Medial,
        (None, Some(said)) if !said.after.is_empty() => Intonation::Medial,
        _ => Intonation::Final,
    };
    let mut slot = Slot {
        clip: clip_of(needed),
        text: needed.text.clone(),
        variant,
        set: set_of(id),
        longest: Duration::ZERO,
        used_by: by.map(|by| by.iter().cloned().collect()).unwrap_or_default(),
        said,
    };
    slot.longest = slot.expected() * 5 / 2 + BREATH;
    slot
}

/// The set of a recording: the parts of one sentence, the digits, the numbers, the words of one family.
pub fn set_of(id: &str) -> String {
    let mut parts = id.split('.');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    match (first, second, parts.next()) {
        ("digit" | "word", ..) => "digits".into(),
        ("num" | "hundreds" | "thousands" | "unit", ..) => "numbers".into(),
        ("day" | "month" | "year", ..) => "dates".into(),
        ("time" | "money" | "key", ..) => first.into(),
        ("opt", Some(family), Some(_)) => format!("opt.{family}"),
        ("opt", ..) => "opt".into(),
        ("prompt", Some(_), Some(_)) => match id.rsplit_once('.') {
            Some((entry, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => entry.into(),
            _ => id.into(),
        },
        _ => id.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').into(),
    }
}

/// Whether a set must be recorded whole: several of its words are heard in one phrase.
pub fn is_recorded_whole(set: &str) -> bool {
    matches!(set, "digits" | "numbers" | "dates" | "time" | "money")
}

/// Sentences first, then what is said in menus, then numbers.
fn rank(id: &str) -> u8 {
    match id.split('.').next().unwrap_or_default() {
        "prompt" => 0,
        "opt" | "menu_line" => 1,
        "key" => 2,
        "digit" | "word" => 3,
        "month" | "day" | "year" => 4,
        _ => 5,
    }
}

/// An id with its numbers padded, so that 10 sorts after 9. Digits come from 0 to 9, each inside a number and then at its
/// end, and X after them.
fn counted(id: &str) -> String {
    let spoken = id.split_once('.').and_then(|(kind, rest)| match (kind, rest.split_once('.')) {
        ("digit", Some((place, digit))) => Some(format!("digit.{digit}.{}", u8::from(place == "f"))),
        ("word", _) => Some(format!("digit.x.{rest}")),
        _ => None,
    });
    if let Some(spoken) = spoken {
        return spoken;
    }
    id.split('.').map(|part| format!("{part:0>6}.")).collect()
}

/// Recordings on each side that are listed.
const NEIGHBOURS: usize = 3;
/// Time that a take may hold beside its words.
const BREATH: Duration = Duration::from_millis(1500);
/// The shortest time for a word.
const SHORTEST_WORD: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    use base::Lang;
    use flow::{Environment, Sources};

    fn release() -> Arc<Release> {
        let environment = Environment {
            receipt: Box::new(|typed| Ok((typed.into(), vec![3, 4, 4, 4]))),
            receipt_formats: Vec::new(),
            desk_number: "96110110".into(),
        };
        let sources = Sources {
            flow: ("flow.toml", include_str!("../../config/hotline/flow.toml")),
            script: ("script.toml", include_str!("../../prompts/script.toml")),
            calendar: ("calendar.toml", include_str!("../../config/calendar.toml")),
        };
        Release::load(sources, environment).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    #[test]
    fn every_recording_that_a_call_can_play_is_one_slot_with_a_sentence() {
        let release = release();
        let needed = release.clips_needed();
        let slots = slots(&release, &needed);
        let ids: BTreeSet<Clip> = slots.iter().map(|slot| slot.clip.clone()).collect();
        assert_eq!(ids, needed.iter().map(clip_of).collect());
        assert_eq!(slots.len(), needed.len());
        let alone: Vec<_> = slots.iter().filter(|slot| slot.said.is_none()).map(|slot| &*slot.clip.id).collect();
        assert_eq!(alone, [""; 0], "heard in no sentence");
        let unused: Vec<_> = slots.iter().filter(|slot| slot.used_by.is_empty()).map(|slot| &*slot.clip.id).collect();
        assert!(unused.iter().all(|id| id.starts_with("prompt.bye")), "{unused:?}");
    }

    #[test]
    fn digits_have_two_variants_and_are_one_set() {
        let release = release();
        let slots = slots(&release, &release.clips_needed());
        let find = |id: &str| slots.iter().find(|s| &*s.clip.id == id && s.clip.lang == Lang::Yue).expect("a slot");
        let (medial, last) = (find("digit.m.7"), find("digit.f.7"));
        assert_eq!((medial.variant, last.variant), (Intonation::Medial, Intonation::Final));
        assert_eq!((&*medial.set, &*last.set), ("digits", "digits"));
        assert_eq!(medial.text, "七");
        assert!(medial.longest >= Duration::from_secs(2) && medial.longest < Duration::from_secs(4));
        let said = last.said.as_ref().expect("digits are said in a sentence");
        assert!(!said.before.is_empty(), "{said:?}");
    }

    #[test]
    fn parts_of_a_sentence_belong_together_and_families_too() {
        for (id, set) in [
            ("prompt.ready.0", "prompt.ready"),
            ("prompt.fees.passport", "prompt.fees.passport"),
            ("prompt.fees.passport.1", "prompt.fees.passport"),
            ("prompt.bye", "prompt.bye"),
            ("opt.doc.passport", "opt.doc"),
            ("opt.agent", "opt"),
            ("menu_line.1", "menu_line"),
            ("word.x", "digits"),
            ("hundreds.3", "numbers"),
        ] {
            assert_eq!(set_of(id), set, "{id}");
        }
    }

    #[test]
    fn digits_come_from_nought_to_nine_and_x_after_them() {
        let release = release();
        let slots = slots(&release, &release.clips_needed());
        for lang in Lang::ALL {
            let own = slots.iter().filter(|slot| slot.clip.lang == lang && slot.set == "digits");
            let ids: Vec<&str> = own.map(|slot| &*slot.clip.id).collect();
            let mut expected: Vec<String> =
                (0..10).flat_map(|digit| ["m", "f"].map(|place| format!("digit.{place}.{digit}"))).collect();
            expected.push("word.x".into());
            assert_eq!(ids, expected, "{lang:?}");
        }
    }

    #[test]
    fn ten_sorts_after_nine() {
        let release = release();
        let slots = slots(&release, &release.clips_needed());
        let days: Vec<&str> = slots
            .iter()
            .filter(|slot| slot.clip.lang == Lang::En && slot.clip.id.starts_with("day."))
            .map(|slot| &*slot.clip.id)
            .collect();
        assert_eq!((days[0], days[9], days[30]), ("day.1", "day.10", "day.31"));
    }
}
