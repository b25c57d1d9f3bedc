//! An operator records prompts by telephone.
//!
//! ```text
//!            number #        PIN #       welcome         1, 2, 3            number #, *
//!  Number ──────────► Pin ─────────► … ─────────► Language ───────► Slot ─────────────► …
//!     ▲                      refused  │                │ ▲            ▲                 │ found
//!     └───────────────────────────────┘                └─┘ #          │ not found ──────┤
//!                                                                     │                 ▼
//!     1 hear, 2 keep, 3 again, 4 discard            keep, discard     │    ReadBack: its text, the beep
//!     ┌────────────────────────────► Reviewing ───────────────────────┘                 │
//!     │ a draft                          │ again                                        ▼
//!  Saving ◄─────────────────────────── Stopping ◄─────── #, silence, too long ───── Taking
//! ```
//!
//! A take is stored as a draft as soon as it ends, before the operator decides about it, and [`StudioRequest::Sound`]
//! carries its sound while it is recorded: a hang-up or a failure does not lose it. Takes never replace one another.
//! Sign-in digits are [`Private`], and no step of the record contains a key.

mod entry;
mod interface;
mod menus;
mod prompts;
mod speech_detector;
mod take;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Deadline, Key, Lang, Private, earliest};
use flow::{self, PlayId};
use inquiry::STUDIO_STEP;
use speech::Piece;

use entry::Entry;
pub(crate) use interface::{Input, Output};
pub use interface::{Reply, SignIn, Slot, StudioRequest, TakeFault, TakeReport};
use prompts::Prompt;
pub use prompts::studio_clips;
use speech_detector::SpeechDetector;
pub use speech_detector::trim_to_speech;

/// One call to the recording service.
#[derive(Debug)]
pub struct RecordingSession {
    langs: Vec<Lang>,
    lang: Lang,
    /// How long the sign-in may take, all tries together.
    sign_in_limit: Duration,
    /// None once the operator has signed in.
    sign_in_until: Option<Instant>,
    state: State,
    entry: Entry,
    ahead: VecDeque<Key>,
    plays: u32,
    /// A play whose end is waited for.
    playing: bool,
    /// When the operator is taken to have nothing more to say.
    until: Option<Instant>,
    silences: u8,
    refusals: u8,
    /// The slot that was recorded last, for the next one.
    last: u32,
    out: Vec<Output>,
}

#[derive(Debug)]
enum State {
    Number,
    Pin {
        number: Private<String>,
    },
    SigningIn,
    Language,
    Slot,
    Finding {
        next: bool,
    },
    ReadBack(Arc<Slot>),
    Taking {
        slot: Arc<Slot>,
        detector: SpeechDetector,
    },
    Stopping(Arc<Slot>),
    Saving(Arc<Slot>),
    Reviewing {
        slot: Arc<Slot>,
        unusable: bool,
    },
    /// A draft is kept, or discarded.
    Deciding {
        kept: bool,
    },
    /// The last words, then the end.
    Leaving,
}

impl RecordingSession {
    /// A call in which these languages can be recorded; its first words are in the first of them. The call ends unless the
    /// operator has signed in within the limit.
    pub fn new(langs: Vec<Lang>, sign_in_limit: Duration) -> RecordingSession {
        let lang = langs.first().copied().unwrap_or(Lang::ALL[0]);
        RecordingSession {
            langs,
            lang,
            sign_in_limit,
            sign_in_until: None,
            state: State::Number,
            entry: Entry::default(),
            ahead: VecDeque::new(),
            plays: 0,
            playing: false,
            until: None,
            silences: 0,
            refusals: 0,
            last: 0,
            out: Vec::new(),
        }
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub(crate) fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::Start => {
                self.out.push(Output::Step { node: STUDIO_STEP.into() });
                self.out.push(Output::Lang(self.lang));
                self.sign_in_until = Some(now + self.sign_in_limit);
                self.ask_number(now, &[Prompt::Welcome]);
            }
            Input::Key(key) => self.key(now, key),
            Input::Played(PlayId(id)) => {
                if id == self.plays && std::mem::take(&mut self.playing) {
                    self.played(now);
                }
            }
            Input::Sound(samples) => self.sound(now, samples),
            Input::Recorded { samples, packets_lost } => self.recorded(now, samples, packets_lost),
            Input::Reply(reply) => {
                self.reply(now, reply);
                self.catch_up(now);
            }
            Input::Deadline => {
                if self.sign_in_until.is_some_and(|until| until <= now) {
                    self.hush();
                    self.leave(now, Prompt::Bye);
                } else if self.until.is_some_and(|until| until <= now) {
                    self.waited(now);
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Deadline`] is due.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        earliest([
            self.until.map(|at| Deadline { at, why: "operator's next step" }),
            self.sign_in_until.map(|at| Deadline { at, why: "operator's sign-in" }),
        ])
    }

    fn played(&mut self, now: Instant) {
        match &self.state {
            State::ReadBack(_) => self.take(now),
            State::Leaving => self.hang_up(),
            State::Number | State::Pin { .. } | State::Language | State::Slot | State::Reviewing { .. } => {
                self.until = Some(now + if self.entry.is_empty() { PATIENCE } else { NEXT_KEY });
            }
            State::SigningIn
            | State::Finding { .. }
            | State::Taking { .. }
            | State::Stopping(_)
            | State::Saving(_)
            | State::Deciding { .. } => {}
        }
    }

    fn key(&mut self, now: Instant, key: Key) {
        self.silences = 0;
        match &self.state {
            State::Number | State::Pin { .. } | State::Slot => self.typed(now, key),
            State::Language => self.language(now, key),
            State::ReadBack(_) => self.key_before_beep(now, key),
            State::Taking { .. } if key == Key::Pound => self.stop_taking(now),
            State::Reviewing { .. } => self.reviewed(now, key),
            State::SigningIn | State::Finding { .. } | State::Saving(_) | State::Deciding { .. } => {
                if self.ahead.len() < AHEAD_MAX {
                    self.ahead.push_back(key);
                }
            }
            State::Taking { .. } | State::Stopping(_) | State::Leaving => {}
        }
    }

    /// Keys pressed while the studio was asked count once it has replied.
    fn catch_up(&mut self, now: Instant) {
        while !matches!(
            self.state,
            State::SigningIn | State::Finding { .. } | State::Saving(_) | State::Deciding { .. }
        ) && let Some(key) = self.ahead.pop_front()
        {
            self.key(now, key);
        }
    }

    fn reply(&mut self, now: Instant, reply: Reply) {
        match (&self.state, reply) {
            (State::SigningIn, Reply::SignedIn(how)) => self.signed_in(now, how),
            (State::Finding { next }, Reply::Slot(found)) => {
                let next = *next;
                self.found(now, found, next);
            }
            (State::Saving(_), Reply::Submitted(report)) => self.submitted(now, report),
            (State::Deciding { kept }, Reply::Done(done)) => {
                let kept = *kept;
                self.decided(now, kept, done);
            }
            (State::SigningIn | State::Finding { .. } | State::Saving(_) | State::Deciding { .. }, Reply::Down) => {
                self.leave(now, Prompt::Failed);
            }
            // What was asked before the state changed.
            (_, Reply::SignedIn(_) | Reply::Slot(_) | Reply::Submitted(_) | Reply::Done(_) | Reply::Down) => {}
        }
    }

    fn waited(&mut self, now: Instant) {
        self.until = None;
        match &self.state {
            State::SigningIn
            | State::Finding { .. }
            | State::Stopping(_)
            | State::Saving(_)
            | State::Deciding { .. } => {
                self.leave(now, Prompt::Failed);
            }
            State::Taking { .. } => self.stop_taking(now),
            State::Leaving => self.hang_up(),
            State::ReadBack(_) => self.take(now),
            State::Number | State::Pin { .. } | State::Language | State::Slot | State::Reviewing { .. } => {
                self.silent(now);
            }
        }
    }

    /// Nothing was pressed for a while: what was typed is complete, or the question is asked again.
    fn silent(&mut self, now: Instant) {
        if !self.entry.is_empty() {
            return self.typed(now, Key::Pound);
        }
        self.silences += 1;
        if self.silences > SILENCES_MAX {
            return self.leave(now, Prompt::Bye);
        }
        self.ask_again(now);
    }

    /// Asks what is to be typed or pressed once more.
    fn ask_again(&mut self, now: Instant) {
        match &self.state {
            State::Number => self.say(now, &[Prompt::Welcome]),
            State::Pin { .. } => self.say(now, &[Prompt::Pin]),
            State::Language => self.ask_language(now),
            State::Slot => self.say(now, &[Prompt::Slot]),
            State::Reviewing { .. } => self.say(now, &[Prompt::Review]),
            State::SigningIn
            | State::Finding { .. }
            | State::ReadBack(_)
            | State::Taking { .. }
            | State::Stopping(_)
            | State::Saving(_)
            | State::Deciding { .. }
            | State::Leaving => {}
        }
    }

    /// Says sentences, with a breath between them.
    fn say(&mut self, now: Instant, words: &[Prompt]) {
        let pieces = words.iter().flat_map(|word| [word.piece(self.lang), Piece::Silence(BREATH)]).collect();
        self.play(now, pieces);
    }

    fn play(&mut self, now: Instant, pieces: Vec<Piece>) {
        self.plays += 1;
        self.playing = true;
        // A line on hold plays nothing to its end.
        self.until = Some(now + PLAY_MAX);
        self.out.push(Output::Play { id: PlayId(self.plays), pieces });
    }

    /// A key cuts what plays short.
    fn hush(&mut self) {
        if std::mem::take(&mut self.playing) {
            self.out.push(Output::Stop);
        }
    }

    fn ask(&mut self, now: Instant, state: State, ask: StudioRequest) {
        self.hush();
        self.state = state;
        self.until = Some(now + REPLY_MAX);
        self.out.push(Output::Ask(ask));
    }

    fn leave(&mut self, now: Instant, word: Prompt) {
        self.sign_in_until = None;
        self.state = State::Leaving;
        let last: &[Prompt] = if word == Prompt::Bye { &[Prompt::Bye] } else { &[word, Prompt::Bye] };
        self.say(now, last);
        self.until = Some(now + LAST_PROMPTS_MAX);
    }

    fn hang_up(&mut self) {
        self.until = None;
        self.out.push(Output::HangUp);
    }
}

/// After a question, until it is asked again.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a key, until what was typed is complete.
const NEXT_KEY: Duration = Duration::from_secs(6);
/// Longer than anything that is played.
const PLAY_MAX: Duration = Duration::from_secs(120);
/// Longer than the studio takes for a take of the longest kind.
const REPLY_MAX: Duration = Duration::from_secs(20);
const LAST_PROMPTS_MAX: Duration = Duration::from_secs(20);
const BREATH: Duration = Duration::from_millis(300);
const SILENCES_MAX: u8 = 3;
const AHEAD_MAX: usize = 32;

#[cfg(test)]
mod tests;
