//! One call's IVR application: keys and answers in, prompts and requests out.
//!
//! ```text
//!            enter            Played / key             key, entry, silence
//!  Start ──► node ──► Speaking ────────────► Question ────────────────────────► next node
//!                 ├─► Looking       (filler, answer, give up)            │
//!                 ├─► Recording     (beep, take, review, ticket)         │
//!                 ├─► Transferring  (done, busy, failed)                 ▼
//!                 ├─► Booking       (booked, failed)                   Over
//!                 ├─► Submitting    (sent, failed: a text message)
//!                 └─► Queueing      (music, positions, an agent, keys)
//! ```
//! Keys go into one type-ahead queue, also while a prompt plays; a state takes them from it when it can. Steps without
//! the caller are counted, so that no flow can loop: past the bound the call ends with a goodbye.

mod look_up;
mod navigation;
mod prompts;
mod question;
mod queue;
mod recording;
mod spoken;
mod text_message;
mod transfer;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::{Date, DateTime};

use super::calendar::Opening;
use super::io::{Caller, Input, Output, PlayId, TransferOutcome, WallClock};
use super::model::*;
use super::queue_facts;
use super::release::Release;
use base::{Deadline, Key, Lang, Private, earliest};
pub use prompts::joined;
pub(crate) use prompts::{OPTION_PAUSE, pause_before};
pub use recording::SHORTEST_MESSAGE;
use speech::Value;
use spoken::Playing;
pub use spoken::{PromptId, SpokenLine};
use waiting::{Looking, Phase, Question, Queueing, Recording};

/// What the words are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A call: a sentence without a recording needs a substitute.
    Call,
    /// A screen: the script's `[screen.…]` stands in place of a prompt.
    Screen,
    /// A text message: `[sms.…]` does, and entries are said by their ends alone.
    Message,
}

/// The state of one call in its release, from the first prompt to the last.
pub struct Conversation {
    release: Arc<Release>,
    caller: Caller,
    clock: WallClock,
    emergency: bool,
    lang: Lang,
    node: Arc<str>,
    facts: BTreeMap<Arc<str>, Value>,
    entries: BTreeMap<Arc<str>, Entered>,
    /// The questions entered, for `@back`.
    history: Vec<Arc<str>>,
    home: Option<Arc<str>>,
    /// Notices already played.
    notices_heard: BTreeSet<usize>,
    /// Look-ups that found nothing, by node.
    misses: BTreeMap<Arc<str>, u32>,
    /// Answers still to come for look-ups that timed out; each is ignored.
    late_answers: u32,
    /// Keys pressed that no state has taken yet.
    type_ahead: VecDeque<Key>,
    /// The end keys that may still come for an entry that is complete; each means nothing until the next question has been
    /// heard.
    spare_end_keys: Vec<Key>,
    /// When they mean something before that: after a miss, where the question offers such a key.
    spare_until: Option<Instant>,
    playing: Option<Playing>,
    plays: u32,
    /// Played before the next prompt: the age of an answer.
    prefix: Vec<SpokenLine>,
    /// For an answer whose age is announced: the look-up's prefix and the prompt.
    aged: Option<(Arc<str>, Prompt)>,
    /// An answer or a failure is being announced: keys pressed before it do not skip it.
    answering: bool,
    state: State,
    /// Nodes entered since the last input.
    steps: u32,
    /// No-inputs in a row.
    no_inputs: u32,
    /// The apology for a sentence in another language has been played.
    apologised: bool,
    /// The answer is read out slowly, as the caller asked.
    slow: bool,
    /// The time of the last input.
    now: Instant,
    /// The call was made by the node, and the person has not agreed to it.
    may_agree: bool,
    /// The person has pressed a key: no machine.
    has_pressed: bool,
    /// Whether the output is heard or read.
    medium: Medium,
    faults: u32,
    out: Vec<Output>,
}

/// What a caller typed.
#[derive(Clone)]
struct Entered {
    text: Private<String>,
    groups: Vec<u8>,
}

enum State {
    Before,
    /// With `barge_in`, keys beyond the first `hold` in the queue cut it short.
    Speaking {
        next: Target,
        barge_in: bool,
        hold: usize,
    },
    Asking(Question),
    Looking(Looking),
    /// The prompt before a transfer.
    Announcing,
    Transferring {
        until: Instant,
    },
    Recording(Recording),
    Queueing(Queueing),
    /// A call-back is being booked.
    Booking {
        until: Instant,
    },
    /// A text message is being accepted.
    Submitting {
        until: Instant,
    },
    Over,
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(release: Arc<Release>, caller: Caller, clock: WallClock, emergency: bool, now: Instant) -> Conversation {
        let passed = now.saturating_duration_since(clock.at);
        let civil = clock.civil.saturating_add(jiff::SignedDuration::try_from(passed).unwrap_or_default());
        let clock = WallClock { at: now, civil };
        let lang = release.flow.langs.first().copied().unwrap_or(Lang::Zh);
        Conversation {
            caller,
            clock,
            emergency,
            lang,
            node: "".into(),
            facts: BTreeMap::new(),
            entries: BTreeMap::new(),
            history: Vec::new(),
            home: None,
            notices_heard: BTreeSet::new(),
            misses: BTreeMap::new(),
            late_answers: 0,
            type_ahead: VecDeque::new(),
            spare_end_keys: Vec::new(),
            spare_until: None,
            playing: None,
            plays: 0,
            prefix: Vec::new(),
            aged: None,
            answering: false,
            state: State::Before,
            steps: 0,
            no_inputs: 0,
            apologised: false,
            slow: false,
            now: clock.at,
            may_agree: false,
            has_pressed: false,
            medium: Medium::Call,
            faults: 0,
            out: Vec::new(),
            release,
        }
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        // The other inputs are answers of the node, which may come at once and in a loop: they do not reset the count.
        if matches!(input, Input::Start | Input::StartCallBack | Input::Key(_) | Input::Played(_) | Input::Deadline) {
            self.steps = 0;
        }
        self.now = now;
        match input {
            Input::Start => self.start(now),
            Input::Key(key) => self.key(key),
            Input::Played(id) => self.played(now, id),
            Input::LookedUp(findings) => self.looked_up(now, findings),
            Input::TransferEnded(ended) => self.transferred(now, ended),
            Input::StartCallBack => self.start_call_back(now),
            Input::Queue(event) => self.queue_reported(now, event),
            Input::CallBackBooked(booked) => self.call_back_booked(now, booked),
            Input::TextAccepted(accepted) => self.text_accepted(now, accepted),
            Input::Recorded(result) => self.recorded(now, result),
            Input::RecordingSaved(ticket) => self.ticket(now, ticket),
            Input::Deadline => self.deadline_passed(now),
        }
        self.settle(now);
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Deadline`] is due; `None` while only another input can change anything.
    pub fn deadline(&self) -> Option<Deadline> {
        let guard = self.playing.as_ref().filter(|_| !self.type_ahead.is_empty()).and_then(|playing| playing.guard);
        let guard = guard.map(|at| Deadline { at, why: "first words of an error" });
        let own = match &self.state {
            State::Asking(asking) => asking.deadline(),
            State::Looking(looking) => looking.deadline(self.playing.is_some()),
            State::Transferring { until } => Some(Deadline { at: *until, why: "transfer" }),
            State::Recording(recording) => recording.deadline(),
            State::Queueing(queueing) => queueing.deadline(!self.is_idle_in_queue()),
            State::Booking { until } => Some(Deadline { at: *until, why: "call-back" }),
            State::Submitting { until } => Some(Deadline { at: *until, why: "text message" }),
            State::Before | State::Speaking { .. } | State::Announcing | State::Over => None,
        };
        earliest([guard, own])
    }

    /// What is being played, for a transcript. Secrets are never part of it.
    pub fn playing(&self) -> Option<(PlayId, &[SpokenLine])> {
        self.playing.as_ref().map(|playing| (playing.id, &playing.lines[..]))
    }

    /// What the words are for.
    pub(crate) fn medium(&self) -> Medium {
        self.medium
    }

    /// What was caused without an input.
    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Where the prompt that plays leads.
    pub(crate) fn next(&self) -> Option<&Target> {
        match &self.state {
            State::Speaking { next, .. } => Some(next),
            State::Before
            | State::Asking(_)
            | State::Looking(_)
            | State::Announcing
            | State::Transferring { .. }
            | State::Recording(_)
            | State::Queueing(_)
            | State::Booking { .. }
            | State::Submitting { .. }
            | State::Over => None,
        }
    }

    /// The node that the caller is at.
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    /// The language of the call.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// The release that this call began with, and keeps.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// Turns the duty officer's emergency switch, for calls in progress too.
    pub fn set_emergency(&mut self, on: bool) {
        self.emergency = on;
    }

    /// Speaks another language from the next prompt on, as if the caller had chosen it.
    pub fn set_lang(&mut self, lang: Lang) {
        if self.release.flow.langs.contains(&lang) {
            self.lang = lang;
        }
    }

    /// Whether the call waits for the caller once nothing plays.
    pub(crate) fn is_callers_turn(&self) -> bool {
        match &self.state {
            State::Asking(_) | State::Recording(_) | State::Queueing(_) | State::Over => true,
            State::Before
            | State::Speaking { .. }
            | State::Looking(_)
            | State::Announcing
            | State::Booking { .. }
            | State::Submitting { .. }
            | State::Transferring { .. } => false,
        }
    }

    /// Whether a caller waits in a queue, and nothing is being said.
    pub(crate) fn waits_in_queue(&self) -> bool {
        self.is_idle_in_queue()
    }

    /// Whether the call takes a message: asks for it, records it, has it reviewed or stores it.
    pub fn is_recording(&self) -> bool {
        matches!(self.state, State::Recording(_))
    }

    /// Whether the caller's message is recorded, or about to be: not while the caller decides about it.
    pub(crate) fn takes_message(&self) -> bool {
        matches!(&self.state, State::Recording(Recording { phase: Phase::Intro | Phase::Taking { .. }, .. }))
    }

    /// Whether the call has been ended by the flow.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The choices whose keys lead somewhere now.
    pub(crate) fn open_choices(&self) -> Vec<&Choice> {
        let choices = self.release.flow.node(&self.node).map_or(&[][..], Node::choices);
        self.offered(choices).collect()
    }

    fn start(&mut self, now: Instant) {
        if !matches!(self.state, State::Before) {
            return;
        }
        let release = self.release.clone();
        self.out.push(Output::Lang(self.lang));
        let rule = release.flow.entries.iter().find(|entry| self.holds(Some(&entry.when)));
        if let Some(lang) = rule.filter(|rule| rule.set_last_lang).and(self.caller.last_lang) {
            self.speak_in(lang);
        }
        self.go(now, &rule.map_or(&release.flow.start, |rule| &rule.go).target);
    }

    fn start_call_back(&mut self, now: Instant) {
        if !matches!(self.state, State::Before) {
            return;
        }
        let release = self.release.clone();
        self.out.push(Output::Lang(self.lang));
        if let Some(lang) = self.caller.last_lang {
            self.speak_in(lang);
        }
        self.may_agree = true;
        match &release.flow.called_back {
            Some(go) => self.go(now, &go.target),
            None => self.end_politely(now, "the flow does not say where a call-back begins".into()),
        }
    }

    fn key(&mut self, key: Key) {
        if matches!(self.state, State::Over) {
            return;
        }
        self.has_pressed = true;
        if self.spare_end_keys.contains(&key) && self.spare_until.is_none_or(|until| self.now < until) {
            return;
        }
        self.spare_end_keys.clear();
        self.no_inputs = 0;
        if self.type_ahead.len() < TYPE_AHEAD_MAX {
            self.type_ahead.push_back(key);
        }
    }

    /// Lets the state take keys from the queue until it stops.
    fn settle(&mut self, now: Instant) {
        while !self.type_ahead.is_empty() && self.steps <= STEPS_MAX && self.take_one(now) {}
    }

    /// Whether something changed.
    fn take_one(&mut self, now: Instant) -> bool {
        match &self.state {
            State::Speaking { next, barge_in: true, hold } if self.type_ahead.len() > *hold && !self.guarded(now) => {
                let next = next.clone();
                self.stop();
                self.prefix.clear();
                self.go(now, &next);
                true
            }
            State::Asking(_) => self.take_answer(now),
            State::Recording(_) => self.take_while_recording(now),
            State::Queueing(_) => self.take_while_queueing(now),
            State::Before
            | State::Speaking { .. }
            | State::Looking(_)
            | State::Announcing
            | State::Booking { .. }
            | State::Submitting { .. }
            | State::Transferring { .. }
            | State::Over => false,
        }
    }

    fn played(&mut self, now: Instant, id: PlayId) {
        if self.playing.as_ref().is_none_or(|playing| playing.id != id) {
            return;
        }
        self.playing = None;
        if self.is_callers_turn() {
            self.spare_end_keys.clear();
        }
        match &mut self.state {
            State::Speaking { next, .. } => {
                let next = next.clone();
                self.go(now, &next);
            }
            State::Asking(asking) => asking.listen(now),
            State::Looking(_) => self.looked_up_after_filler(now),
            State::Announcing => self.transfer(now),
            State::Recording(_) => self.recording_played(now),
            State::Queueing(_) => self.queue_played(now),
            State::Before
            | State::Transferring { .. }
            | State::Booking { .. }
            | State::Submitting { .. }
            | State::Over => {}
        }
    }

    fn deadline_passed(&mut self, now: Instant) {
        match &self.state {
            State::Asking(_) => self.timed_out(now),
            State::Looking(_) => self.lookup_timed_out(now),
            State::Transferring { until } if *until <= now => self.transferred(now, TransferOutcome::Failed),
            State::Recording(_) => self.recording_timed_out(now),
            State::Queueing(_) => self.queue_timed_out(now),
            State::Booking { until } if *until <= now => self.call_back_booked(now, false),
            State::Submitting { until } if *until <= now => self.text_accepted(now, false),
            State::Before
            | State::Speaking { .. }
            | State::Announcing
            | State::Transferring { .. }
            | State::Booking { .. }
            | State::Submitting { .. }
            | State::Over => {}
        }
    }

    fn holds(&self, when: Option<&When>) -> bool {
        self.holds_at(self.now, when)
    }

    fn holds_at(&self, now: Instant, when: Option<&When>) -> bool {
        match when {
            None => true,
            Some(When::Blocked) => self.caller.blocked,
            Some(When::Senior) => self.caller.senior,
            Some(When::Mobile) => self.caller.mobile,
            Some(When::LastLang) => self.caller.last_lang.is_some(),
            Some(When::Number) => self.caller.number.is_some(),
            Some(When::Emergency) => self.emergency,
            Some(When::CallBack) => self.caller.call_back,
            Some(When::Recorded) => self.caller.recorded,
            Some(When::Sms) => self.may_get_text(),
            Some(When::Calendar(name)) => self.release.calendar.holds(name, self.today(now)),
            Some(When::Open(name)) => self.release.calendar.opening(name, self.civil(now)) == Some(Opening::Open),
        }
    }

    fn civil(&self, now: Instant) -> DateTime {
        let passed = now.saturating_duration_since(self.clock.at);
        self.clock.civil.saturating_add(jiff::SignedDuration::try_from(passed).unwrap_or_default())
    }

    fn today(&self, now: Instant) -> Date {
        self.civil(now).date()
    }

    fn speak_in(&mut self, lang: Lang) {
        if self.lang != lang && self.release.flow.langs.contains(&lang) {
            self.lang = lang;
            self.out.push(Output::Lang(lang));
        }
    }

    /// The member of a set that a variable holds.
    fn member(&self, var: &str) -> Option<Arc<str>> {
        match self.facts.get(var) {
            Some(Value::Word(member)) => Some(member.clone()),
            Some(_) => None,
            None if var == "desk.call_back" => Some(self.can_call_back().into()),
            None if var == "desk.recorded" => Some(self.is_recorded().into()),
            None => (var == "lang").then(|| self.lang.code().into()),
        }
    }

    /// The value of `desk.call_back`.
    fn can_call_back(&self) -> &'static str {
        if self.caller.call_back { queue_facts::CAN } else { queue_facts::CANNOT }
    }

    /// The value of `desk.recorded`.
    fn is_recorded(&self) -> &'static str {
        if self.caller.recorded { queue_facts::CAN } else { queue_facts::CANNOT }
    }
}

/// How long after a miss an end key is taken for a habit; later it is meant.
const SPARE: Duration = Duration::from_secs(3);
/// Nodes that one input may enter.
const STEPS_MAX: u32 = 64;
/// Keys that wait; further ones are dropped.
const TYPE_AHEAD_MAX: usize = 64;
/// Questions kept for `@back`.
const HISTORY_MAX: usize = 256;
/// Faults after which a call ends.
const FAULTS_MAX: u32 = 2;
/// No-inputs in a row after which a call ends, also where the flow would go on.
const NO_INPUTS_MAX: u32 = 12;
/// How long the first words of an error cannot be cut short.
const GUARD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
