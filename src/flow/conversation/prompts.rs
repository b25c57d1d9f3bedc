//! Composing prompts and playing them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::spoken::{Playing, PromptId, SpokenLine};
use super::{Conversation, GUARD, Medium, State};
use crate::io::{Output, PlayId};
use crate::model::{Choice, Menu, Prompt, TAIL, Target};
use base::{Key, Lang};
use speech::{Piece, SENTENCE_PAUSE, SpeechError, Utterance, Value};

/// Why a sentence cannot be composed: a fault of the release or of a source.
type Unsayable = String;

impl Conversation {
    pub(super) fn say(&mut self, now: Instant, prompts: &[Prompt], next: &Target, barge_in: bool) {
        let hold = if self.answering { self.type_ahead.len() } else { 0 };
        if prompts.is_empty() || (barge_in && self.type_ahead.len() > hold) {
            self.prefix.clear();
            return self.go(now, next);
        }
        match self.again_with_age(now, prompts).and_then(|()| self.compose(now, prompts)) {
            Ok(lines) => {
                self.state = State::Speaking { next: next.clone(), barge_in, hold };
                self.play(now, lines, None);
            }
            Err(what) => self.fault(now, what),
        }
    }

    /// An old answer that is repeated announces its age again.
    fn again_with_age(&mut self, now: Instant, prompts: &[Prompt]) -> Result<(), Unsayable> {
        let Some((gives, _)) = self.aged.clone().filter(|_| !self.answering) else { return Ok(()) };
        let of_answer = |name: &str| name.strip_prefix(&*gives).is_some_and(|rest| rest.starts_with('.'));
        let tells = prompts.iter().any(|prompt| {
            let entry = prompt.entry(&prompt.var().and_then(|var| self.member(var)).unwrap_or_default());
            let slots = self.release.script.entry(&entry).map(|entry| entry.slots()).unwrap_or_default();
            prompt.var().is_some_and(of_answer) || slots.iter().any(|slot| of_answer(&slot.name))
        });
        if tells {
            self.answering = true;
            self.tell_age(now)?;
        }
        Ok(())
    }

    /// Plays lines, after those that must come first. The start of an error prompt cannot be cut short.
    pub(super) fn play(&mut self, now: Instant, lines: Vec<SpokenLine>, error: Option<SpokenLine>) {
        let guard = error.is_some().then(|| now + GUARD);
        let mut all = std::mem::take(&mut self.prefix);
        all.extend(error);
        all.extend(lines);
        self.apologise(now, &mut all);
        if self.slow {
            all.iter_mut().for_each(|line| slow_down(&mut line.pieces));
        }
        let pieces = joined(&all);
        self.plays += 1;
        let id = PlayId(self.plays);
        self.playing = Some(Playing { id, lines: all, guard });
        self.out.push(Output::Play { id, pieces });
    }

    /// Puts the apology before the first sentence of a call that stands in for another.
    fn apologise(&mut self, now: Instant, lines: &mut Vec<SpokenLine>) {
        let Some(at) = lines.iter().position(|line| line.is_substitute).filter(|_| !self.apologised) else { return };
        self.apologised = true;
        let Some(prompt) = self.release.flow.stand_in.clone() else { return };
        if let Ok(apology) = self.compose_prompt(now, &prompt)
            && !apology.is_substitute
        {
            lines.insert(at, apology);
        }
    }

    pub(super) fn stop(&mut self) {
        if self.playing.take().is_some() {
            self.out.push(Output::Stop);
        }
    }

    pub(super) fn guarded(&self, now: Instant) -> bool {
        self.playing.as_ref().and_then(|playing| playing.guard).is_some_and(|guard| now < guard)
    }

    pub(super) fn compose(&self, now: Instant, prompts: &[Prompt]) -> Result<Vec<SpokenLine>, Unsayable> {
        prompts.iter().map(|prompt| self.compose_prompt(now, prompt)).collect()
    }

    pub(super) fn compose_prompt(&self, now: Instant, prompt: &Prompt) -> Result<SpokenLine, Unsayable> {
        let member = match prompt.var() {
            None => "".into(),
            Some(var) => self.member(var).ok_or_else(|| format!("{}: {var} has no value", prompt.name))?,
        };
        let entry = prompt.entry(&member);
        let name = entry.strip_prefix("prompt.").unwrap_or(&entry);
        self.compose_entry(now, self.lang, name, &entry)
    }

    pub(super) fn compose_entry(
        &self,
        now: Instant,
        lang: Lang,
        name: &str,
        entry: &str,
    ) -> Result<SpokenLine, Unsayable> {
        let slots = |slot: &str| self.slot(slot);
        let said = |lang| self.release.script.compose(lang, entry, &slots, self.today(now));
        let heard = PromptId::Prompt(name.into());
        match (self.as_recorded(heard.clone(), lang, said), self.in_writing(now, lang, name)) {
            (Ok(spoken), None) => Ok(spoken),
            (Ok(spoken), Some(text)) => Ok(SpokenLine { text, ..spoken }),
            // What cannot be spoken may be written: the words for it are others.
            (Err(_), Some(text)) => Ok(line(heard, lang, Utterance { pieces: Vec::new(), text })),
            (Err(unsayable), None) => Err(unsayable),
        }
    }

    /// What a screen or a message says in place of a prompt, if the script has it: the sound stays the telephone's. On a screen,
    /// hours are on the hall's card, and not in the sentences beside it.
    fn in_writing(&self, now: Instant, lang: Lang, name: &str) -> Option<String> {
        let table = match self.medium {
            Medium::Call => return None,
            Medium::Screen => "screen",
            Medium::Message => "sms",
        };
        let entry = format!("{table}.{name}");
        self.release.script.entry(&entry)?;
        if self.medium == Medium::Screen && name.starts_with(ON_CARD) {
            return Some(String::new());
        }
        let slots = |slot: &str| match self.slot(slot)? {
            // A desk without a number cannot be called.
            Value::Digits { digits, .. } if digits.is_empty() => None,
            // A telephone's number is read in one piece, as it is dialled.
            Value::Digits { digits, .. } if slot == "desk.number" => {
                let whole = digits.len().try_into().ok()?;
                Some(Value::Digits { digits, groups: vec![whole] })
            }
            value => Some(value),
        };
        let shown = self.release.script.compose(lang, &entry, &slots, self.today(now));
        shown.ok().map(|shown| shown.text)
    }

    pub(super) fn compose_menu(&self, menu: &Menu, name: &Arc<str>) -> Result<Vec<SpokenLine>, Unsayable> {
        let mut lines: Vec<SpokenLine> = Vec::new();
        for choice in self.offered(&menu.choices) {
            let Some(opt) = &choice.opt else { continue };
            let lang = if menu.native { own_lang(choice).unwrap_or(self.lang) } else { self.lang };
            let said = |lang| self.release.script.compose_option(lang, &format!("opt.{opt}"), choice.key);
            lines.push(self.as_recorded(PromptId::Menu(name.clone()), lang, said)?);
        }
        Ok(lines)
    }

    /// A sentence in a language, or in the flow's first one where that is not recorded. Never silence.
    fn as_recorded(
        &self,
        heard: PromptId,
        lang: Lang,
        said: impl Fn(Lang) -> Result<Utterance, SpeechError>,
    ) -> Result<SpokenLine, Unsayable> {
        let own = said(lang).map_err(|error| error.to_string())?;
        let first = self.release.flow.langs[0];
        if self.medium != Medium::Call || lang == first || self.release.is_recorded(&own.pieces) {
            return Ok(line(heard, lang, own));
        }
        let said = said(first).map_err(|error| error.to_string())?;
        Ok(SpokenLine { is_substitute: true, ..line(heard, first, said) })
    }

    /// The last characters of an entry: `receipt.tail`. Those of a secret fill no slot.
    fn tail(&self, name: &str) -> Option<Value> {
        let entered = self.entries.get(name).filter(|_| !self.release.flow.is_secret(name))?;
        let text = entered.text.expose();
        let at = text.char_indices().rev().nth(TAIL_LENGTH - 1).map_or(0, |(at, _)| at);
        Some(Value::Digits { digits: text[at..].to_owned(), groups: Vec::new() })
    }

    /// What fills a slot; a word by its path under `opt`. Secrets fill no slot.
    pub(super) fn slot(&self, name: &str) -> Option<Value> {
        let flow = &self.release.flow;
        let path = |member: &Arc<str>| match flow.members(name) {
            Some((set, _)) => Arc::from(format!("{set}.{member}")),
            None => member.clone(),
        };
        match self.facts.get(name) {
            Some(Value::Word(member)) => return Some(Value::Word(path(member))),
            Some(Value::Words(members)) => return Some(Value::Words(members.iter().map(path).collect())),
            Some(value) => return Some(value.clone()),
            None => {}
        }
        if let Some(entered) = self.entries.get(name) {
            // Who has the telephone later has the message, too.
            if self.medium == Medium::Message {
                return None;
            }
            let groups = entered.groups.clone();
            return (!flow.is_secret(name)).then(|| Value::Digits { digits: entered.text.expose().clone(), groups });
        }
        match name {
            _ if name.ends_with(TAIL) => self.tail(name.strip_suffix(TAIL)?),
            "receipt.length" => Some(Value::Number(self.release.environment.receipt_lengths().1.into())),
            "caller.number" if self.medium == Medium::Message => None,
            "caller.number" => {
                let number = self.caller.number.as_ref().map_or("", |number| number.expose());
                let digits: String = number.chars().filter(char::is_ascii_digit).collect();
                // A mobile number is read as people write it.
                let is_mobile = digits.len() == 11 && digits.starts_with('1');
                let groups = if is_mobile { vec![3, 4, 4] } else { Vec::new() };
                Some(Value::Digits { digits, groups })
            }
            "desk.call_back" => Some(Value::Word(self.can_call_back().into())),
            "desk.recorded" => Some(Value::Word(self.is_recorded().into())),
            "desk.number" => {
                let digits = self.release.environment.desk_number.chars().filter(char::is_ascii_digit).collect();
                Some(Value::Digits { digits, groups: Vec::new() })
            }
            _ => None,
        }
    }
}

/// Lines as one play, with the pauses between them.
pub fn joined(lines: &[SpokenLine]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !pieces.is_empty() && !line.pieces.is_empty() {
            pieces.push(Piece::Silence(pause_before(lines, at)));
        }
        pieces.extend(line.pieces.iter().cloned());
    }
    pieces
}

/// The pause before a line: options follow each other closely.
pub(crate) fn pause_before(lines: &[SpokenLine], at: usize) -> Duration {
    if at == 0 {
        return Duration::ZERO;
    }
    let is_option = |line: &SpokenLine| matches!(line.prompt, PromptId::Menu(_));
    if is_option(&lines[at]) && is_option(&lines[at - 1]) { OPTION_PAUSE } else { SENTENCE_PAUSE }
}

/// Longer pauses between words, digits and sentences, for a caller who writes along.
fn slow_down(pieces: &mut [Piece]) {
    for piece in pieces {
        if let Piece::Silence(pause) = piece {
            *pause += SLOWER;
        }
    }
}

pub(super) fn line(heard: PromptId, lang: Lang, said: Utterance) -> SpokenLine {
    SpokenLine { prompt: heard, lang, text: said.text, pieces: said.pieces, is_substitute: false }
}

/// The language that an option switches to.
fn own_lang(choice: &Choice) -> Option<Lang> {
    let (_, code) = choice.set.iter().find(|(var, _)| &**var == "lang")?;
    Lang::from_code(code)
}

/// The prompts whose texts are on the card of the case's hall.
const ON_CARD: &str = "hall_hours.";
/// The pause between two options of a menu.
pub(crate) const OPTION_PAUSE: Duration = Duration::from_millis(100);
/// What slow reading adds to each pause.
const SLOWER: Duration = Duration::from_millis(350);
/// How many characters the end of an entry has.
const TAIL_LENGTH: usize = 4;

/// The key of a digit.
pub(super) fn is_digit(key: Key) -> Option<char> {
    matches!(key, Key::Digit(_)).then(|| key.as_char())
}
