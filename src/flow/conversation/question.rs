//! Questions: menus, entries and ratings share one set of rules.
//!
//! ```text
//!           Played                 key                    end key, full, next_key
//!  playing ────────► listening ──────────► collecting ───────────────────────────► next
//!     │                  └─ first_key ─► no-input prompt … give up  └─► no-match prompt … give up
//!     └────────────── key (barge-in) ─────────┘
//! ```

use std::time::Instant;

use super::prompts::is_digit;
use super::spoken::SpokenLine;
use super::waiting::Question;
use super::{Conversation, Entered, NO_INPUTS_MAX, State};
use crate::io::{InputError, Output};
use crate::model::*;
use base::{Key, Lang, Private};
use inquiry::NumberError;
use speech::Value;

impl Conversation {
    /// Asks the current node's question.
    pub(super) fn ask(&mut self, now: Instant) {
        let release = self.release.clone();
        let Some(manner) = release.flow.node(&self.node).and_then(manner) else { return };
        if !manner.type_ahead {
            self.type_ahead.clear();
        }
        let asking =
            Question { manner: manner.clone(), typed: String::new(), until: None, no_inputs: 0, no_matches: 0 };
        self.state = State::Asking(asking);
        self.read_question(now, None, true);
    }

    /// Plays the question, after an error prompt if there is one. With keys in the queue it is skipped.
    fn read_question(&mut self, now: Instant, error: Option<SpokenLine>, question: bool) {
        if !self.type_ahead.is_empty() && error.is_none() && self.prefix.is_empty() {
            if let State::Asking(asking) = &mut self.state {
                asking.listen(now);
            }
            return;
        }
        let lines = if question { self.question(now) } else { Ok(Vec::new()) };
        match lines {
            Ok(lines) if lines.is_empty() && error.is_none() && self.prefix.is_empty() => {
                self.spare_end_keys.clear();
                if let State::Asking(asking) = &mut self.state {
                    asking.listen(now);
                }
            }
            Ok(lines) => self.play(now, lines, error),
            Err(what) => self.fault(now, what),
        }
    }

    fn question(&self, now: Instant) -> Result<Vec<SpokenLine>, String> {
        let Some(node) = self.release.flow.node(&self.node) else { return Ok(Vec::new()) };
        match &node.kind {
            Kind::Menu(menu) => {
                let mut lines = self.compose(now, &menu.say)?;
                lines.extend(self.compose_menu(menu, &node.name)?);
                Ok(lines)
            }
            Kind::Ask(ask) => self.compose(now, &ask.say),
            Kind::Rate(rate) => self.compose(now, &rate.say),
            Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => Ok(Vec::new()),
        }
    }

    /// Takes the first key of the queue, if the question may be cut short.
    pub(super) fn take_answer(&mut self, now: Instant) -> bool {
        let State::Asking(asking) = &mut self.state else { return false };
        let barge_in = asking.manner.barge_in;
        if self.playing.is_some() && (!barge_in || self.guarded(now)) {
            return false;
        }
        let Some(key) = self.type_ahead.pop_front() else { return false };
        self.stop();
        self.answer(now, key);
        true
    }

    fn answer(&mut self, now: Instant, key: Key) {
        let release = self.release.clone();
        let Some(node) = release.flow.node(&self.node) else { return };
        match &node.kind {
            Kind::Ask(ask) => self.type_key(now, ask, key),
            Kind::Rate(rate) => self.rate(now, rate, key),
            Kind::Menu(_)
            | Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => match self.chosen(node.choices(), key) {
                Some(choice) => self.choose(now, &choice),
                None => self.no_match(now, InputError::NoMatch, None),
            },
        }
    }

    /// The choice that a key makes, where its condition holds.
    pub(super) fn chosen(&self, choices: &[Choice], key: Key) -> Option<Choice> {
        choices.iter().find(|choice| choice.key == key && self.holds(choice.when.as_ref())).cloned()
    }

    /// The choices that hold now; of several with one key, the first.
    pub(super) fn offered<'a>(&'a self, choices: &'a [Choice]) -> impl Iterator<Item = &'a Choice> {
        let holds = |choice: &Choice| self.holds(choice.when.as_ref());
        choices.iter().enumerate().filter_map(move |(at, choice)| {
            let before = choices[..at].iter().any(|other| other.key == choice.key && holds(other));
            (holds(choice) && !before).then_some(choice)
        })
    }

    pub(super) fn choose(&mut self, now: Instant, choice: &Choice) {
        self.slow = choice.slow;
        for (var, value) in &choice.set {
            match Lang::from_code(value).filter(|_| &**var == "lang") {
                Some(lang) => self.speak_in(lang),
                None => {
                    self.facts.insert(var.clone(), Value::Word(value.clone()));
                }
            }
        }
        self.go(now, &choice.go.target);
    }

    fn rate(&mut self, now: Instant, rate: &Rate, key: Key) {
        match (key, self.chosen(&rate.choices, key)) {
            (Key::Digit(score), _) if (rate.best..=rate.worst).contains(&score) => {
                self.out.push(Output::Rated { score });
                self.facts.insert(rate.store.clone(), Value::Number(score.into()));
                let low = rate.low.as_ref().filter(|(from, _)| score >= *from).map(|(_, go)| go);
                self.go(now, &low.unwrap_or(&rate.next).target);
            }
            (_, Some(choice)) => self.choose(now, &choice),
            (_, None) => self.no_match(now, InputError::NoMatch, None),
        }
    }

    fn type_key(&mut self, now: Instant, ask: &Ask, key: Key) {
        let State::Asking(asking) = &mut self.state else { return };
        let nothing = asking.typed.is_empty();
        if nothing
            && is_digit(key).is_none()
            && let Some(choice) = self.chosen(&ask.choices, key)
        {
            return self.choose(now, &choice);
        }
        let State::Asking(asking) = &mut self.state else { return };
        if ask.end == Some(key) {
            return self.entered(now, ask, false);
        }
        if ask.erase == Some(key) {
            asking.typed.clear();
            asking.until = None;
            return self.read_question(now, None, true);
        }
        match is_digit(key).or_else(|| ask.star_is.filter(|_| key == Key::Star)) {
            Some(character) => {
                asking.typed.push(character);
                asking.listen(now);
                if nothing
                    && character == '0'
                    && !self.may_begin_with_0(ask)
                    && let Some(choice) = self.chosen(&ask.choices, key)
                {
                    // A 0 that begins no number does at once what it does everywhere.
                    self.expect_spare_end_keys(ask);
                    return self.choose(now, &choice);
                }
                if self.is_full(ask) {
                    self.entered(now, ask, true);
                }
            }
            None => self.no_match(now, InputError::NoMatch, None),
        }
    }

    fn is_full(&self, ask: &Ask) -> bool {
        let State::Asking(asking) = &self.state else { return false };
        match ask.length {
            Length::Digits { max, .. } => asking.typed.len() >= usize::from(max),
            Length::Receipt => {
                let environment = &self.release.environment;
                let (shortest, longest) = environment.receipt_lengths();
                let length = asking.typed.len();
                length >= usize::from(longest)
                    || length >= usize::from(shortest) && !environment.more_may_come(&asking.typed)
            }
        }
    }

    fn may_begin_with_0(&self, ask: &Ask) -> bool {
        match ask.length {
            Length::Digits { .. } => true,
            Length::Receipt => self.release.environment.more_may_come("0"),
        }
    }

    /// An entry ends: by its end key, or without it, by its last digit or a timeout.
    fn entered(&mut self, now: Instant, ask: &Ask, without_end_key: bool) {
        let State::Asking(asking) = &mut self.state else { return };
        let typed = std::mem::take(&mut asking.typed);
        if without_end_key {
            self.expect_spare_end_keys(ask);
        }
        let zero = self.chosen(&ask.choices, Key::Digit(0)).filter(|_| typed == "0");
        match (self.checked(ask, &typed), zero) {
            (Ok(entered), _) => {
                self.entries.insert(ask.store.clone(), entered);
                self.go(now, &ask.next.target);
            }
            // A lone 0 is no entry: it does what 0 does everywhere.
            (Err(_), Some(choice)) => self.choose(now, &choice),
            (Err(NumberError::Length { .. }), None) => {
                self.no_match(now, InputError::WrongLength, ask.wrong_length.as_ref())
            }
            (Err(NumberError::Prefix | NumberError::CheckDigit), None) => {
                self.no_match(now, InputError::WrongNumber, ask.wrong_number.as_ref());
            }
        }
    }

    /// Many callers end an entry that is already complete, some of them seconds later: with its own end key, or with the
    /// `#` that ends entries elsewhere.
    fn expect_spare_end_keys(&mut self, ask: &Ask) {
        let habit = Some(Key::Pound).filter(|key| ask.erase != Some(*key));
        self.spare_until = None;
        self.spare_end_keys = ask.end.into_iter().chain(habit).collect();
        while self.type_ahead.front().is_some_and(|key| self.spare_end_keys.contains(key)) {
            self.type_ahead.pop_front();
        }
        if !self.type_ahead.is_empty() {
            self.spare_end_keys.clear();
        }
    }

    fn checked(&self, ask: &Ask, typed: &str) -> Result<Entered, NumberError> {
        match ask.length {
            Length::Digits { min, max } if (usize::from(min)..=usize::from(max)).contains(&typed.len()) => {
                Ok(Entered { text: Private::new(typed.into()), groups: Vec::new() })
            }
            Length::Digits { max, .. } => Err(NumberError::Length { expected: max, got: typed.len() }),
            Length::Receipt => {
                let (text, groups) = (self.release.environment.receipt)(typed)?;
                Ok(Entered { text: Private::new(text), groups })
            }
        }
    }

    /// The wait for a key has timed out.
    pub(super) fn timed_out(&mut self, now: Instant) {
        let State::Asking(asking) = &self.state else { return };
        if asking.until.is_none_or(|until| now < until) {
            return;
        }
        if asking.typed.is_empty() {
            return self.no_input(now);
        }
        let release = self.release.clone();
        if let Some(Node { kind: Kind::Ask(ask), .. }) = release.flow.node(&self.node) {
            self.entered(now, ask, true);
        }
    }

    fn no_input(&mut self, now: Instant) {
        self.out.push(Output::InputError { node: self.node.clone(), kind: InputError::NoInput });
        self.no_inputs += 1;
        if self.no_inputs > NO_INPUTS_MAX {
            return self.end_politely(now, "the caller answers no question".into());
        }
        let State::Asking(asking) = &mut self.state else { return };
        asking.until = None;
        let prompt = asking.manner.no_input.get(asking.no_inputs).cloned();
        asking.no_inputs += 1;
        let rated = matches!(self.release.flow.node(&self.node), Some(Node { kind: Kind::Rate(_), .. }));
        match prompt.filter(|_| !rated) {
            Some(prompt) => {
                self.say_and_ask_again(now, &prompt, true);
                // A no-input prompt is no error: it can be cut short from its first word.
                if let Some(playing) = &mut self.playing {
                    playing.guard = None;
                }
            }
            None => {
                let target = asking_end(&self.state);
                target.into_iter().for_each(|target| self.go(now, &target));
            }
        }
    }

    /// The answer was wrong; `own` is the question's own prompt for it.
    fn no_match(&mut self, now: Instant, kind: InputError, own: Option<&Prompt>) {
        self.out.push(Output::InputError { node: self.node.clone(), kind });
        let State::Asking(asking) = &mut self.state else { return };
        asking.until = None;
        asking.typed.clear();
        let prompt = asking.manner.no_match.get(asking.no_matches).cloned();
        asking.no_matches += 1;
        match prompt {
            Some(prompt) => self.say_and_ask_again(now, own.unwrap_or(&prompt), own.is_none()),
            None => self.give_up(now),
        }
    }

    fn say_and_ask_again(&mut self, now: Instant, prompt: &Prompt, question: bool) {
        match self.compose_prompt(now, prompt) {
            Ok(line) => self.read_question(now, Some(line), question),
            Err(what) => self.fault(now, what),
        }
    }

    fn give_up(&mut self, now: Instant) {
        let State::Asking(asking) = &self.state else { return };
        let target = asking.manner.give_up.target.clone();
        self.go(now, &target);
    }
}

/// Where a question that nothing answers leads.
fn asking_end(state: &State) -> Option<Target> {
    if let State::Asking(asking) = state { Some(asking.manner.after_silence().target.clone()) } else { None }
}

fn manner(node: &Node) -> Option<&InputPolicy> {
    match &node.kind {
        Kind::Menu(menu) => Some(&menu.manner),
        Kind::Ask(ask) => Some(&ask.manner),
        Kind::Rate(rate) => Some(&rate.manner),
        Kind::Say(_)
        | Kind::Lookup(_)
        | Kind::Switch(_)
        | Kind::Hours(_)
        | Kind::Queue(_)
        | Kind::Transfer(_)
        | Kind::Record(_)
        | Kind::Sms(_)
        | Kind::Callback(_) => None,
    }
}
