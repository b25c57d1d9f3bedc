//! A call of a sheet as a script for a telephone: what to do, and which sounds must come before and after it.
//!
//! ```text
//!  sheet ─► the call in text ─► steps: wait for the beginning of this sound, press 1, hear that sound whole, …
//! ```
//! In text every sentence is known with its recordings; a telephone that hears those recordings has heard the sentence.
//! What a caller does depends on what was heard before it, not on a clock, so a slow line changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;

use super::events::{Event, is, shown};
use super::parse::{Act, AgentAct, Expected, SheetTest};
use super::run::{Call, Failure};
use crate::conversation::{PromptId, SpokenLine};
use crate::io::Caller;
use crate::model::Kind;
use crate::release::Release;
use base::{Bilingual, Lang, bilingual};

/// What a call needs that no caller can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// `at`: another day or hour.
    Time,
    /// `db`: cases, or a source that is down.
    Cases,
    /// `caller`: a known caller.
    Caller,
    /// `emergency`: the duty officer's switch.
    Switch,
    /// `lang`: a language that no key chose.
    Language,
    /// `talk`: a message, which has another number in each gateway and would stay in one that serves.
    Message,
    /// Agents, a text message or a call-back, which are simulated in text only.
    ActedOut,
}

/// One call for a telephone.
#[derive(Debug)]
pub struct Script {
    /// What the gateway must be given before the call.
    pub needs: BTreeSet<Requirement>,
    /// The local time at which the call begins.
    pub civil: DateTime,
    /// Who calls.
    pub caller: Caller,
    /// Whether the duty officer's switch is on.
    pub emergency: bool,
    /// What to do and to hear, in order.
    pub steps: Vec<Step>,
}

/// One act.
#[derive(Debug)]
pub struct Step {
    /// The act's line in the sheet.
    pub line: u32,
    /// What to do.
    pub act: Act,
    /// What must be heard for it.
    pub wanted: Option<Cue>,
    /// For `never`: how often the same prompt is heard with other words.
    pub others: usize,
    /// How long it took in text.
    pub took: Duration,
}

/// What a telephone must hear for a step.
#[derive(Debug)]
pub enum Cue {
    /// Before the act, this begins.
    Begins(Sound),
    /// Before the act, this is heard to its end.
    Ends(Sound),
    /// The act is to hear this whole.
    Whole(Sound),
}

/// A prompt, or the options of a menu, as the recordings that it is made of.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Which prompt or menu.
    pub heard: PromptId,
    /// The language of the recordings.
    pub lang: Lang,
    /// The prompt, or each option that is listened to.
    pub lines: Vec<SpokenLine>,
}

/// Makes a script of a call that passes in text. `civil` is the time of the call where the sheet sets none.
///
/// # Errors
/// The first act that fails in text.
pub fn script(
    release: &Arc<Release>,
    test: &SheetTest,
    civil: Option<DateTime>,
    emergency: bool,
    base: Instant,
) -> Result<Script, Failure> {
    let mut call = Call::new(release.clone(), base);
    call.civil = civil.unwrap_or(call.civil);
    call.emergency = emergency;
    let mut writing = Writing { call, known: 0, needs: BTreeSet::new(), steps: Vec::new(), begun: None };
    for (line, act) in &test.acts {
        if let Err(what) = writing.act(*line, act) {
            let came = writing.call.unmatched();
            let came = came.get(..SHOWN_MAX).unwrap_or(&came).join("; ");
            let what = match came.is_empty() {
                true => what,
                false => bilingual!("{what}; what came instead: {came}", "{what:#}；实际出现：{came}"),
            };
            return Err(Failure { line: *line, what });
        }
    }
    writing.begin();
    if acted_out(release, &writing.call) {
        writing.needs.insert(Requirement::ActedOut);
    }
    let (civil, caller, emergency) = writing.begun.unwrap_or_default();
    Ok(Script { needs: writing.needs, civil, caller, emergency, steps: writing.steps })
}

/// At most so many unexpected events are listed.
const SHOWN_MAX: usize = 12;

struct Writing {
    call: Call,
    /// Events before this one are known to have been heard.
    known: usize,
    needs: BTreeSet<Requirement>,
    steps: Vec<Step>,
    begun: Option<(DateTime, Caller, bool)>,
}

impl Writing {
    fn begin(&mut self) {
        let call = &self.call;
        self.begun.get_or_insert_with(|| (call.civil, call.caller.clone(), call.emergency));
    }

    fn act(&mut self, line: u32, act: &Act) -> Result<(), Bilingual> {
        self.needs.extend(need(act));
        let began = self.call.now;
        if is_in_call(act) {
            self.begin();
        }
        let before = self.before(act);
        self.call.act(act)?;
        let wanted = match act {
            Act::Hear(said) => self.heard(said),
            Act::Silence(_) => self.upcoming(),
            Act::Ended => {
                self.known = self.call.events.len();
                None
            }
            Act::At(_)
            | Act::Db(_)
            | Act::Caller(_)
            | Act::Emergency(_)
            | Act::Lang(_)
            | Act::Transfer(_)
            | Act::Agent(..)
            | Act::Position(..)
            | Act::Queue(_)
            | Act::CallBacks(_)
            | Act::Recorded(_)
            | Act::Sms(_)
            | Act::ExpectsSms(_)
            | Act::CalledBack
            | Act::Press(_)
            | Act::Talk(_)
            | Act::Wait(_)
            | Act::Never(_)
            | Act::Listen
            | Act::Within(_)
            | Act::AtNode(_) => before,
        };
        let took = self.call.now.duration_since(began);
        self.steps.push(Step { line, act: act.clone(), wanted, others: self.others(act), took });
        Ok(())
    }

    /// What was heard last before an act, if that is not known yet.
    fn before(&mut self, act: &Act) -> Option<Cue> {
        let whole = match act {
            Act::Talk(_) => {
                // The beep comes while the act waits for it.
                let mut ahead = 0;
                while !self.call.is_recording() && ahead < EVENTS && self.call.step_on() {
                    ahead += 1;
                }
                true
            }
            Act::Listen => {
                let mut ahead = 0;
                while !self.call.is_callers_turn() && ahead < EVENTS && self.call.step_on() {
                    ahead += 1;
                }
                true
            }
            Act::Press(_) | Act::Wait(_) | Act::Never(_) | Act::Emergency(_) | Act::Lang(_) | Act::Db(_) => false,
            Act::At(_)
            | Act::Caller(_)
            | Act::Transfer(_)
            | Act::Agent(..)
            | Act::Position(..)
            | Act::Queue(_)
            | Act::CallBacks(_)
            | Act::Recorded(_)
            | Act::Sms(_)
            | Act::ExpectsSms(_)
            | Act::CalledBack
            | Act::Silence(_)
            | Act::Hear(_)
            | Act::AtNode(_)
            | Act::Within(_)
            | Act::Ended => return None,
        };
        let known = self.known;
        let (at, sound) =
            self.call.events.iter().enumerate().skip(known).rev().find_map(|(at, event)| Some((at, sound(event)?)))?;
        self.known = at + 1;
        Some(if whole { Cue::Ends(sound) } else { Cue::Begins(sound) })
    }

    /// The event that an expectation came true with.
    fn heard(&mut self, said: &Expected) -> Option<Cue> {
        let at = self.call.cursor.checked_sub(1)?;
        self.known = self.known.max(at + 1);
        let event = &self.call.events[at];
        let mut sound = sound(event)?;
        if let Event::Heard { play, .. } = event
            && self.call.is_cut(*play)
        {
            return Some(Cue::Begins(sound));
        }
        if said.menu {
            // The caller listens to a menu up to the expected words, and at least to its first option.
            let holds = |line: &SpokenLine, word: &String| line.text.contains(word.as_str());
            let last = |word: &String| sound.lines.iter().position(|line| holds(line, word));
            let far = said.words.iter().map(|word| last(word).unwrap_or(sound.lines.len())).max().unwrap_or(0);
            sound.lines.truncate(far + 1);
        }
        Some(Cue::Whole(sound))
    }

    fn others(&self, act: &Act) -> usize {
        let Act::Never(said) = act else { return 0 };
        let any = Expected { words: Vec::new(), ..said.clone() };
        self.call.events.iter().filter(|event| is(event, &any)).count()
    }

    /// What begins when a caller has been silent for long enough.
    fn upcoming(&mut self) -> Option<Cue> {
        let (_, next) = self.call.lines.front()?;
        let sound = sound(next)?;
        self.known = self.call.events.len() + 1;
        Some(Cue::Begins(sound))
    }
}

fn sound(event: &Event) -> Option<Sound> {
    match event {
        Event::Heard { heard, lang, lines, .. } => {
            Some(Sound { heard: heard.clone(), lang: *lang, lines: lines.clone() })
        }
        Event::Node(_) | Event::Text(_) | Event::Transferred(_) | Event::Ended => None,
    }
}

impl Sound {
    /// As a sheet would ask for it.
    pub fn name(&self) -> Bilingual {
        let (name, menu) = match &self.heard {
            PromptId::Prompt(name) => (name.to_string(), false),
            PromptId::Menu(name) => (name.to_string(), true),
            PromptId::Sound => return Bilingual::fixed("the beep", "提示音"),
        };
        shown(&Expected { name, menu, lang: Some(self.lang), words: Vec::new() })
    }
}

fn need(act: &Act) -> Option<Requirement> {
    match act {
        Act::At(_) => Some(Requirement::Time),
        Act::Db(_) => Some(Requirement::Cases),
        Act::Caller(_) => Some(Requirement::Caller),
        Act::Emergency(_) => Some(Requirement::Switch),
        Act::Lang(_) => Some(Requirement::Language),
        Act::Agent(..)
        | Act::Position(..)
        | Act::Queue(_)
        | Act::CallBacks(_)
        | Act::Recorded(_)
        | Act::Sms(_)
        | Act::ExpectsSms(_)
        | Act::CalledBack => Some(Requirement::ActedOut),
        Act::Talk(_) => Some(Requirement::Message),
        Act::Transfer(_)
        | Act::Press(_)
        | Act::Silence(_)
        | Act::Wait(_)
        | Act::Hear(_)
        | Act::Never(_)
        | Act::AtNode(_)
        | Act::Listen
        | Act::Within(_)
        | Act::Ended => None,
    }
}

/// Whether an act begins the call, if nothing did before.
fn is_in_call(act: &Act) -> bool {
    match act {
        Act::At(_) | Act::Caller(_) | Act::Db(_) | Act::Emergency(_) | Act::Transfer(_) => false,
        Act::Agent(_, AgentAct::Ready | AgentAct::Leaves)
        | Act::Queue(_)
        | Act::CallBacks(_)
        | Act::Recorded(_)
        | Act::Sms(_)
        | Act::CalledBack => false,
        Act::Agent(_, AgentAct::Answers | AgentAct::Fails | AgentAct::HangsUp)
        | Act::Position(..)
        | Act::Lang(_)
        | Act::Press(_)
        | Act::Silence(_)
        | Act::Talk(_)
        | Act::Wait(_)
        | Act::Hear(_)
        | Act::Never(_)
        | Act::ExpectsSms(_)
        | Act::AtNode(_)
        | Act::Listen
        | Act::Within(_)
        | Act::Ended => true,
    }
}

/// Whether the call entered a node that a real call leaves by its failure outcome.
fn acted_out(release: &Release, call: &Call) -> bool {
    call.events.iter().any(|event| match event {
        Event::Node(name) => {
            release.flow.node(name).is_some_and(|node| matches!(node.kind, Kind::Sms(_) | Kind::Callback(_)))
        }
        Event::Heard { .. } | Event::Text(_) | Event::Transferred(_) | Event::Ended => false,
    })
}

/// Steps to a beep; more is a flow that never stops talking.
const EVENTS: usize = 2_000;
