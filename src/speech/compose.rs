//! A sentence and its values → the text for a screen, and the recordings for a caller.
//!
//! Recordings are trimmed, so pauses are inserted here; the punctuation of the text decides their length.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;

use super::script::Script;
use super::sentence::{Part, Sentence, Slot, SlotType};
use super::spoken::{self, Spoken, Unit};
use super::vocabulary::{self, ClipText, date_text};
use super::{Clip, Piece, Value};
use base::{Key, Lang};

/// A composed sentence: clips to play and text to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Utterance {
    /// For the ear: recordings and pauses, in the order heard.
    pub pieces: Vec<Piece>,
    /// For the eye: the same sentence as one line of text.
    pub text: String,
}

/// Why a sentence cannot be composed. A checked release meets only [`SpeechError::Missing`] and [`SpeechError::Range`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    /// No entry has this path.
    #[error("the script has no entry {0}")]
    Entry(String),
    /// The entry at this path is not written in this language.
    #[error("{0} has no text in {lang}", lang = .1.code())]
    Language(String, Lang),
    /// The caller of `compose` gave no value for a slot.
    #[error("{entry}: {{{slot}}} has no value")]
    Missing {
        /// The entry's path.
        entry: String,
        /// The slot's name.
        slot: String,
    },
    /// The value is of another type than the slot.
    #[error("{entry}: the value of {{{slot}}} is not of the type {kind}")]
    Type {
        /// The entry's path.
        entry: String,
        /// The slot's name.
        slot: String,
        /// The slot's type, by its name in the script.
        kind: &'static str,
    },
    /// A number too large, a year without a recording, a character without a word.
    #[error("{entry}: the value of {{{slot}}} cannot be spoken")]
    Range {
        /// The entry's path.
        entry: String,
        /// The slot's name.
        slot: String,
    },
}

impl Script {
    /// Composes an entry. A word's value is its path under `opt`: `doc.passport`.
    pub fn compose(
        &self,
        lang: Lang,
        entry: &str,
        slots: &dyn Fn(&str) -> Option<Value>,
        today: Date,
    ) -> Result<Utterance, SpeechError> {
        let mut builder = UtteranceBuilder::new(lang);
        self.say(entry, slots, today, &mut builder)?;
        Ok(builder.finish())
    }

    /// Composes one line of a menu: the option's words, and its key.
    pub fn compose_option(&self, lang: Lang, opt: &str, key: Key) -> Result<Utterance, SpeechError> {
        let mut builder = UtteranceBuilder::new(lang);
        for part in &self.sentence(lang, "menu_line")?.parts {
            match part {
                Part::Text { text, clip } => builder.literal(text, clip.as_deref()),
                Part::Slot(Slot { kind: SlotType::Key, .. }) => {
                    builder.text.push(key.as_char());
                    builder.word(Spoken::Key(key));
                }
                Part::Slot(_) => self.say(opt, &|_| None, Date::ZERO, &mut builder)?,
            }
        }
        Ok(builder.finish())
    }

    /// Composes the value of a slot alone.
    ///
    /// # Errors
    /// The value does not fit the slot, or cannot be spoken.
    pub fn compose_value(&self, lang: Lang, slot: &Slot, value: &Value, today: Date) -> Result<Utterance, SpeechError> {
        let mut builder = UtteranceBuilder::new(lang);
        self.fill(&slot.name, slot, value, today, &mut builder)?;
        Ok(builder.finish())
    }

    fn sentence(&self, lang: Lang, entry: &str) -> Result<&Sentence, SpeechError> {
        let found = self.entry(entry).ok_or_else(|| SpeechError::Entry(entry.into()))?;
        found.sentence(lang).ok_or_else(|| SpeechError::Language(entry.into(), lang))
    }

    fn say(
        &self,
        entry: &str,
        slots: &dyn Fn(&str) -> Option<Value>,
        today: Date,
        builder: &mut UtteranceBuilder,
    ) -> Result<(), SpeechError> {
        for part in &self.sentence(builder.lang, entry)?.parts {
            match part {
                Part::Text { text, clip } => builder.literal(text, clip.as_deref()),
                Part::Slot(slot) => {
                    let missing = || SpeechError::Missing { entry: entry.into(), slot: slot.name.to_string() };
                    let value = slots(&slot.name).ok_or_else(missing)?;
                    self.fill(entry, slot, &value, today, builder)?;
                }
            }
        }
        Ok(())
    }

    fn fill(
        &self,
        entry: &str,
        slot: &Slot,
        value: &Value,
        today: Date,
        builder: &mut UtteranceBuilder,
    ) -> Result<(), SpeechError> {
        let lang = builder.lang;
        let (text, words) = match (slot.kind, value) {
            (SlotType::Word | SlotType::Words, Value::Word(word)) => return self.words(&[word], builder),
            (SlotType::Word | SlotType::Words, Value::Words(words)) => {
                return self.words(&words.iter().collect::<Vec<_>>(), builder);
            }
            (SlotType::Digits, Value::Digits { digits, groups }) => {
                (spoken::grouped(digits, groups).join(" "), spoken::digits(digits, groups))
            }
            (SlotType::Count, Value::Number(n)) => (n.to_string(), spoken::number(lang, *n, true)),
            (SlotType::Number, Value::Number(n)) => (n.to_string(), spoken::number(lang, *n, false)),
            (SlotType::Money, Value::Money(fen)) => (money_text(lang, *fen), spoken::money(lang, *fen)),
            (SlotType::Date, Value::Date(date)) => (date_text(lang, *date, today), spoken::date(lang, *date, today)),
            (SlotType::Time, Value::Time(time)) => (time_text(lang, *time, today), spoken::time(lang, *time, today)),
            _ => {
                let slot_name = slot.name.to_string();
                return Err(SpeechError::Type { entry: entry.into(), slot: slot_name, kind: slot.kind.name() });
            }
        };
        let words = words.ok_or_else(|| SpeechError::Range { entry: entry.into(), slot: slot.name.to_string() })?;
        builder.text.push_str(&text);
        words.into_iter().for_each(|word| builder.word(word));
        Ok(())
    }

    fn words(&self, words: &[&std::sync::Arc<str>], builder: &mut UtteranceBuilder) -> Result<(), SpeechError> {
        for (nth, word) in words.iter().enumerate() {
            if nth > 0 {
                let comma = match builder.lang {
                    Lang::Zh | Lang::Yue => "、",
                    Lang::En => ", ",
                };
                builder.literal(comma, None);
            }
            self.say(&format!("opt.{word}"), &|_| None, Date::ZERO, builder)?;
        }
        Ok(())
    }

    /// The recordings of every word that values of a language are spoken with.
    pub fn vocabulary(&self, lang: Lang) -> Vec<ClipText> {
        vocabulary::vocabulary(lang)
    }

    /// The recordings that these entries can play, with the vocabulary of their slots.
    pub fn clips_of<'a>(&self, langs: &[Lang], entries: impl IntoIterator<Item = &'a str>) -> BTreeSet<ClipText> {
        let mut needed = BTreeSet::new();
        for path in entries {
            let Some(entry) = self.entry(path) else { continue };
            for &lang in langs {
                let Some(sentence) = entry.sentence(lang) else { continue };
                needed.extend(sentence.clips().map(|(id, text)| ClipText { lang, id: id.clone(), text: text.into() }));
                let words = sentence.slots().flat_map(|slot| vocabulary::words_of(lang, slot.kind));
                needed.extend(words.filter_map(|word| word.needed(lang)));
            }
        }
        needed
    }

    /// The recordings of the whole script, used or not, for a renderer.
    pub fn clips(&self) -> BTreeSet<ClipText> {
        let mut all = self.clips_of(&Lang::ALL, self.entries.keys().map(|path| &**path));
        all.extend(Lang::ALL.into_iter().flat_map(vocabulary::vocabulary));
        all
    }
}

/// A list of recordings as lines of `lang`, `id` and `text`, separated by tabs.
pub fn to_tsv<'a>(needed: impl IntoIterator<Item = &'a ClipText>) -> String {
    needed
        .into_iter()
        .map(|n| format!("{}\t{}\t{}\n", n.lang.code(), n.id, n.text.replace(['\t', '\n'], " ")))
        .collect()
}

fn money_text(lang: Lang, fen: u32) -> String {
    let amount =
        if fen.is_multiple_of(100) { (fen / 100).to_string() } else { format!("{}.{:02}", fen / 100, fen % 100) };
    match lang {
        Lang::Zh => format!("{amount}元"),
        Lang::Yue => format!("{amount}蚊"),
        Lang::En => format!("{amount} yuan"),
    }
}

fn time_text(lang: Lang, time: jiff::civil::DateTime, today: Date) -> String {
    let date = if time.date() == today { String::new() } else { date_text(lang, time.date(), today) };
    let (hour, minute) = (time.hour() as u8, time.minute());
    let clock = match lang {
        Lang::Zh | Lang::Yue => chinese_clock(lang, hour, minute),
        Lang::En => english_clock(hour, minute),
    };
    match lang {
        Lang::En if !date.is_empty() => format!("{date}, {clock}"),
        Lang::Zh | Lang::Yue | Lang::En => format!("{date}{clock}"),
    }
}

/// 上午9点15分, 下晝1點半.
fn chinese_clock(lang: Lang, hour: u8, minute: i8) -> String {
    let said = |unit: Unit| unit.text(lang);
    let minutes = match minute {
        0 => String::new(),
        30 => said(Unit::HalfPast),
        _ => format!("{minute:02}{}", said(Unit::Minute)),
    };
    format!("{}{}{}{minutes}", said(spoken::part_of_day(hour)), spoken::hour_of_part(hour), said(Unit::Hour))
}

/// 9 a.m., 9:15 a.m., 12 noon.
fn english_clock(hour: u8, minute: i8) -> String {
    let twelve = (hour + 11) % 12 + 1;
    let half = if hour < 12 { "a.m." } else { "p.m." };
    match (hour, minute) {
        (0, 0) => "12 midnight".into(),
        (12, 0) => "12 noon".into(),
        (_, 0) => format!("{twelve} {half}"),
        _ => format!("{twelve}:{minute:02} {half}"),
    }
}

/// Joins clips and inserts the pauses between them.
struct UtteranceBuilder {
    lang: Lang,
    pieces: Vec<Piece>,
    /// The pause owed before the next clip.
    pause: Duration,
    text: String,
}

impl UtteranceBuilder {
    fn new(lang: Lang) -> UtteranceBuilder {
        UtteranceBuilder { lang, pieces: Vec::new(), pause: Duration::ZERO, text: String::new() }
    }

    fn literal(&mut self, text: &str, clip: Option<&str>) {
        // The full stop of an abbreviation ends the sentence too: 5 p.m.
        let stopped = text.strip_prefix('.').filter(|_| self.text.ends_with('.'));
        self.text.push_str(stopped.unwrap_or(text));
        let Some(clip) = clip else {
            self.pause = self.pause.max(pause_of(text));
            return;
        };
        let words = text.trim_start_matches(|c: char| !c.is_alphanumeric());
        self.pause = self.pause.max(pause_of(&text[..text.len() - words.len()]));
        self.clip(clip, JOIN);
        let tail = words.trim_end_matches(|c: char| !c.is_alphanumeric());
        self.pause = self.pause.max(pause_of(&words[tail.len()..]));
    }

    fn word(&mut self, word: Spoken) {
        match word {
            Spoken::GroupPause => self.pause = self.pause.max(BETWEEN_GROUPS),
            Spoken::ClausePause => self.pause = self.pause.max(CLAUSE),
            Spoken::DigitMedial(_) | Spoken::DigitFinal(_) | Spoken::X => self.spoken(word, WITHIN_GROUP),
            Spoken::Num(_)
            | Spoken::TwoCount
            | Spoken::Hundreds(_)
            | Spoken::Thousands(_)
            | Spoken::Unit(_)
            | Spoken::Year(_)
            | Spoken::Month(_)
            | Spoken::Day(_)
            | Spoken::Key(_) => self.spoken(word, JOIN),
        }
    }

    fn spoken(&mut self, word: Spoken, gap: Duration) {
        if let Some(id) = word.clip_id() {
            self.clip(&id, gap);
        }
    }

    fn clip(&mut self, id: &str, gap: Duration) {
        if !self.pieces.is_empty() {
            self.pieces.push(Piece::Silence(self.pause.max(gap)));
        }
        self.pause = Duration::ZERO;
        self.pieces.push(Piece::Clip(Clip { lang: self.lang, id: id.into() }));
    }

    fn finish(self) -> Utterance {
        Utterance { pieces: self.pieces, text: self.text.trim().into() }
    }
}

/// The longest pause that the punctuation calls for.
fn pause_of(punctuation: &str) -> Duration {
    let longest = punctuation.chars().map(|c| match c {
        '。' | '！' | '？' | '.' | '!' | '?' => SENTENCE_PAUSE,
        '：' | ':' => COLON,
        '，' | '、' | '；' | ',' | ';' => CLAUSE,
        _ => Duration::ZERO,
    });
    longest.max().unwrap_or_default()
}

/// Estimates how long a text and its pauses take to say, from its length.
pub fn estimated_length(lang: Lang, text: &str, pieces: &[Piece]) -> Duration {
    let spoken = text.chars().filter(|c| c.is_alphanumeric()).count() as u64;
    let per_character = match lang {
        Lang::Zh | Lang::Yue => 210,
        Lang::En => 80,
    };
    let sounds = pieces.iter().map(|piece| match piece {
        Piece::Silence(pause) | Piece::Tone(pause) | Piece::Ringing(pause) => *pause,
        Piece::Clip(_) | Piece::Message => Duration::ZERO,
    });
    Duration::from_millis(spoken * per_character) + sounds.sum::<Duration>()
}

/// The pause between two sentences.
pub const SENTENCE_PAUSE: Duration = Duration::from_millis(400);
const COLON: Duration = Duration::from_millis(250);
const CLAUSE: Duration = Duration::from_millis(150);
const BETWEEN_GROUPS: Duration = Duration::from_millis(280);
const WITHIN_GROUP: Duration = Duration::from_millis(20);
const JOIN: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const SCRIPT: &str = r#"
[menu_line]
zh = "{opt}，请按{key}。"
en = "For {opt}, press {key}."
[opt]
agent = { zh = "人工服务", en = "a member of staff" }
[opt.doc]
passport = { zh = "普通护照", en = "a passport" }
[opt.item]
photo = { zh = "照片", en = "a photo" }
form  = { zh = "表", en = "a form" }
[prompt.ready]
zh = "您的{case.doc:word}，请在{case.by:date}前领取。"
en = "Your {case.doc:word} is ready by {case.by:date}."
[prompt.need]
zh = "需要：{case.items:words}。"
en = "Needed: {case.items:words}."
[prompt.number]
zh = "编号是：{receipt:digits}。"
en = "It is {receipt:digits}."
"#;

    fn say(lang: Lang, entry: &str, value: &dyn Fn(&str) -> Option<Value>) -> (String, String) {
        let script = Script::parse(SCRIPT, "script.toml").unwrap();
        let said = script.compose(lang, entry, value, date(2026, 11, 24)).unwrap();
        (said.text, shown(&said.pieces))
    }

    fn shown(pieces: &[Piece]) -> String {
        let words: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Clip(clip) => clip.id.to_string(),
                Piece::Silence(d) => format!("{}", d.as_millis()),
                Piece::Tone(_) => "tone".into(),
                Piece::Ringing(_) => "ringing".into(),
                Piece::Message => "take".into(),
            })
            .collect();
        words.join(" ")
    }

    fn case(name: &str) -> Option<Value> {
        Some(match name {
            "case.doc" => Value::Word("doc.passport".into()),
            "case.by" => Value::Date(date(2026, 12, 24)),
            "case.items" => Value::Words(vec!["item.photo".into(), "item.form".into()]),
            "receipt" => Value::Digits { digits: "442026123456789".into(), groups: vec![3, 4, 4, 4] },
            _ => return None,
        })
    }

    #[test]
    fn text_and_clips_hold_the_same_words() {
        let (text, pieces) = say(Lang::Zh, "prompt.ready", &case);
        assert_eq!(text, "您的普通护照，请在12月24日前领取。");
        assert_eq!(
            pieces,
            "prompt.ready.0 30 opt.doc.passport 150 prompt.ready.1 30 month.12 30 day.24 30 prompt.ready.2"
        );
        assert_eq!(say(Lang::En, "prompt.ready", &case).0, "Your a passport is ready by December 24.");
    }

    #[test]
    fn items_of_a_list_are_separated_by_a_pause() {
        let (text, pieces) = say(Lang::Zh, "prompt.need", &case);
        assert_eq!((&*text, &*pieces), ("需要：照片、表。", "prompt.need.0 250 opt.item.photo 150 opt.item.form"));
    }

    #[test]
    fn digits_are_close_in_a_group_and_apart_between_groups() {
        let (text, pieces) = say(Lang::En, "prompt.number", &case);
        assert_eq!(text, "It is 442 0261 2345 6789.");
        assert!(pieces.starts_with("prompt.number.0 20 digit.m.4 20 digit.m.4 20 digit.f.2 280 digit.m.0"), "{pieces}");
    }

    #[test]
    fn an_option_is_spoken_with_its_key() {
        let script = Script::parse(SCRIPT, "script.toml").unwrap();
        let said = script.compose_option(Lang::Zh, "opt.agent", Key::Digit(0)).unwrap();
        assert_eq!(
            (said.text, shown(&said.pieces)),
            ("人工服务，请按0。".into(), "opt.agent 150 menu_line.0 30 key.0".into())
        );
        let said = script.compose_option(Lang::En, "opt.agent", Key::Pound).unwrap();
        assert_eq!(shown(&said.pieces), "menu_line.0 30 opt.agent 150 menu_line.1 30 key.pound");
    }

    #[test]
    fn a_missing_value_is_an_error_and_never_silence() {
        let script = Script::parse(SCRIPT, "script.toml").unwrap();
        let error = script.compose(Lang::Zh, "prompt.ready", &|_| None, date(2026, 1, 1)).unwrap_err();
        assert_eq!(error.to_string(), "prompt.ready: {case.doc} has no value");
        let error = script.compose(Lang::Yue, "prompt.ready", &case, date(2026, 1, 1)).unwrap_err();
        assert_eq!(error.to_string(), "prompt.ready has no text in yue");
    }

    #[test]
    fn every_composed_clip_is_on_the_list_of_recordings() {
        let script = Script::parse(SCRIPT, "script.toml").unwrap();
        let needed: BTreeSet<(Lang, String)> = script.clips().into_iter().map(|n| (n.lang, n.id.to_string())).collect();
        for lang in [Lang::Zh, Lang::En] {
            for entry in ["prompt.ready", "prompt.need", "prompt.number"] {
                for piece in script.compose(lang, entry, &case, date(2025, 11, 24)).unwrap().pieces {
                    if let Piece::Clip(clip) = piece {
                        assert!(needed.contains(&(clip.lang, clip.id.to_string())), "{}", clip.id);
                    }
                }
            }
        }
    }
}
