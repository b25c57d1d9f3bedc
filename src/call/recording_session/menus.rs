//! Signing in, choosing a language, choosing what to record.

use std::sync::Arc;
use std::time::Instant;

use super::prompts::spelled;
use super::{BREATH, NEXT_KEY, Output, Prompt, RecordingSession, SignIn, Slot, State, StudioRequest};
use base::{Key, Lang, Private};
use speech::Piece;

impl RecordingSession {
    pub(super) fn ask_number(&mut self, now: Instant, words: &[Prompt]) {
        self.entry.clear();
        self.state = State::Number;
        self.say(now, words);
    }

    /// A key of a number or a PIN.
    pub(super) fn typed(&mut self, now: Instant, key: Key) {
        self.hush();
        self.until = Some(now + NEXT_KEY);
        let in_slots = matches!(self.state, State::Slot);
        match key {
            Key::Digit(0) if in_slots && self.entry.is_empty() => self.leave(now, Prompt::Bye),
            Key::Digit(digit) => self.entry.push(digit),
            Key::Star if in_slots && self.entry.is_empty() => {
                self.ask(now, State::Finding { next: true }, StudioRequest::Next { lang: self.lang, after: self.last });
            }
            Key::Star => {
                self.entry.clear();
                self.ask_again(now);
            }
            Key::Pound if self.entry.is_empty() && in_slots => self.ask_language(now),
            Key::Pound if self.entry.is_empty() => self.ask_again(now),
            Key::Pound => self.entered(now),
        }
    }

    fn entered(&mut self, now: Instant) {
        let digits = self.entry.take();
        match &mut self.state {
            State::Number => {
                self.state = State::Pin { number: Private::new(digits) };
                self.say(now, &[Prompt::Pin]);
            }
            State::Pin { number } => {
                let number = std::mem::take(number);
                self.ask(now, State::SigningIn, StudioRequest::SignIn { number, pin: Private::new(digits) });
            }
            State::Slot => match digits.parse() {
                Ok(number) => {
                    self.ask(now, State::Finding { next: false }, StudioRequest::Find { lang: self.lang, number })
                }
                Err(_) => self.ask_slot(now, &[Prompt::Unknown]),
            },
            State::SigningIn
            | State::Language
            | State::Finding { .. }
            | State::ReadBack(_)
            | State::Taking { .. }
            | State::Stopping(_)
            | State::Saving(_)
            | State::Reviewing { .. }
            | State::Deciding { .. }
            | State::Leaving => {}
        }
    }

    pub(super) fn signed_in(&mut self, now: Instant, how: SignIn) {
        match how {
            SignIn::Welcome => {
                self.sign_in_until = None;
                self.ask_language(now);
            }
            SignIn::Locked => self.leave(now, Prompt::Locked),
            SignIn::Refused => {
                self.refusals += 1;
                if self.refusals >= REFUSALS_MAX {
                    self.leave(now, Prompt::Locked);
                } else {
                    self.ask_number(now, &[Prompt::Refused]);
                }
            }
        }
    }

    /// Each language offers itself in its own words.
    pub(super) fn ask_language(&mut self, now: Instant) {
        if self.langs.len() < 2 {
            return self.ask_slot(now, &[]);
        }
        self.state = State::Language;
        let offer = |lang: &Lang| [Prompt::Language.piece(*lang), Piece::Silence(BREATH)];
        let pieces = self.langs.iter().flat_map(offer).collect();
        self.play(now, pieces);
    }

    pub(super) fn language(&mut self, now: Instant, key: Key) {
        let chosen = match key {
            Key::Digit(digit @ 1..=3) => Some(Lang::ALL[usize::from(digit) - 1]),
            Key::Digit(_) | Key::Star | Key::Pound => None,
        };
        self.hush();
        match chosen.filter(|lang| self.langs.contains(lang)) {
            Some(lang) => {
                if lang != self.lang {
                    (self.lang, self.last) = (lang, 0);
                    self.out.push(Output::Lang(lang));
                }
                self.ask_slot(now, &[]);
            }
            None => self.ask_language(now),
        }
    }

    /// Asks for the next number, after some words on what came before.
    pub(super) fn ask_slot(&mut self, now: Instant, before: &[Prompt]) {
        self.entry.clear();
        self.state = State::Slot;
        self.say(now, &[before, &[Prompt::Slot]].concat());
    }

    pub(super) fn found(&mut self, now: Instant, found: Option<Slot>, next: bool) {
        match found {
            Some(slot) => {
                self.last = slot.number;
                self.read_back(now, slot);
            }
            None if next => self.ask_slot(now, &[Prompt::NothingLeft]),
            None => self.ask_slot(now, &[Prompt::Unknown]),
        }
    }

    /// Its number, its text as it was recorded before, and what to do.
    fn read_back(&mut self, now: Instant, slot: Slot) {
        let mut pieces = vec![Prompt::Number.piece(self.lang)];
        pieces.extend(spelled(self.lang, slot.number));
        pieces.push(Piece::Silence(BREATH));
        pieces.push(self.load(slot.recorded.as_deref()));
        pieces.push(Piece::Silence(BREATH));
        self.before_beep(now, Arc::new(slot), pieces);
    }
}

/// Refused sign-ins in one call.
const REFUSALS_MAX: u8 = 3;
