//! Messages: the beep, the recording, its review, and its ticket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::prompts::line;
use super::spoken::{PromptId, SpokenLine};
use super::waiting::{PATIENCE, Phase, Recording};
use super::{Conversation, State};
use crate::io::{Output, RecordResult};
use crate::model::{Record, Review};
use base::{Bilingual, Key};
use speech::{Piece, Utterance, Value};

impl Conversation {
    pub(super) fn record(&mut self, now: Instant, record: &Record) {
        match self.compose(now, &record.say) {
            Ok(lines) => {
                self.phase(record, Phase::Intro);
                if self.type_ahead.is_empty() {
                    self.intro(now, record, lines);
                }
            }
            Err(what) => self.fault(now, what),
        }
    }

    fn phase(&mut self, record: &Record, phase: Phase) {
        self.state = State::Recording(Recording { record: record.clone(), phase });
    }

    /// The prompt, unless it was cut short, and the beep.
    fn intro(&mut self, now: Instant, record: &Record, mut lines: Vec<SpokenLine>) {
        // Keys pressed before the beep are not meant for the message.
        self.type_ahead.clear();
        if record.beep {
            lines.push(self.sound(Piece::Tone(BEEP)));
        }
        if lines.is_empty() { self.take(now) } else { self.play(now, lines, None) }
    }

    pub(super) fn sound(&self, piece: Piece) -> SpokenLine {
        line(PromptId::Sound, self.lang, Utterance { pieces: vec![piece], text: String::new() })
    }

    fn take(&mut self, now: Instant) {
        let State::Recording(recording) = &mut self.state else { return };
        let max = recording.record.max;
        recording.phase = Phase::Taking { until: now + max + PATIENCE };
        self.out.push(Output::Record { max });
    }

    pub(super) fn recording_played(&mut self, now: Instant) {
        let State::Recording(recording) = &mut self.state else { return };
        match recording.phase {
            Phase::Intro => self.take(now),
            Phase::Reviewing { .. } => recording.phase = Phase::Reviewing { until: Some(now + REVIEW) },
            Phase::Listening => self.review(now),
            Phase::Asking { from, .. } => recording.phase = Phase::Asking { from, until: Some(now + REVIEW) },
            Phase::Taking { .. } | Phase::Stopping { .. } | Phase::Saving { .. } => {}
        }
    }

    pub(super) fn take_while_recording(&mut self, now: Instant) -> bool {
        let State::Recording(recording) = &mut self.state else { return false };
        let record = recording.record.clone();
        match recording.phase {
            Phase::Intro => {
                let key = self.type_ahead.pop_front();
                self.stop();
                match key.and_then(|key| self.chosen(&record.choices, key)) {
                    Some(choice) => self.choose(now, &choice),
                    None => self.intro(now, &record, Vec::new()),
                }
            }
            Phase::Taking { .. } => {
                if self.type_ahead.pop_front() == Some(record.stop) {
                    recording.phase = Phase::Stopping { until: now + PATIENCE };
                    self.out.push(Output::StopRecording);
                }
            }
            Phase::Reviewing { .. } | Phase::Listening => {
                let key = self.type_ahead.pop_front();
                self.stop();
                self.reviewed(now, &record, key);
            }
            Phase::Asking { from, .. } => {
                let key = self.type_ahead.pop_front();
                // A key that was pressed twice answers no question that the caller has not heard.
                if now >= from {
                    self.stop();
                    self.consented(now, &record, key);
                }
            }
            Phase::Stopping { .. } | Phase::Saving { .. } => return false,
        }
        true
    }

    pub(super) fn recorded(&mut self, now: Instant, result: RecordResult) {
        let State::Recording(Recording { record, phase: Phase::Taking { .. } | Phase::Stopping { .. } }) = &self.state
        else {
            return;
        };
        let record = record.clone();
        match result {
            RecordResult::Recorded { length } if length >= SHORTEST_MESSAGE => match record.review {
                Review::No => self.ask_for_number(now, &record),
                Review::Yes(_) => self.review(now),
            },
            RecordResult::Recorded { .. } | RecordResult::Failed => self.go(now, &record.empty.target),
        }
    }

    fn review(&mut self, now: Instant) {
        let State::Recording(recording) = &mut self.state else { return };
        recording.phase = Phase::Reviewing { until: Some(now + REVIEW) };
        let Review::Yes(Some(prompt)) = recording.record.review.clone() else { return };
        if !self.type_ahead.is_empty() {
            return;
        }
        match self.compose_prompt(now, &prompt) {
            Ok(line) => {
                if let State::Recording(recording) = &mut self.state {
                    recording.phase = Phase::Reviewing { until: None };
                }
                self.play(now, vec![line], None);
            }
            Err(what) => self.fault(now, what),
        }
    }

    fn reviewed(&mut self, now: Instant, record: &Record, key: Option<Key>) {
        match key {
            Some(Key::Digit(1)) => self.ask_for_number(now, record),
            Some(Key::Digit(2)) => {
                self.phase(record, Phase::Listening);
                let take = self.sound(Piece::Message);
                self.play(now, vec![take], None);
            }
            Some(Key::Digit(3)) => {
                self.phase(record, Phase::Intro);
                self.intro(now, record, Vec::new());
            }
            Some(key) => match self.chosen(&record.choices, key) {
                Some(choice) => self.choose(now, &choice),
                None => self.review(now),
            },
            None => self.review(now),
        }
    }

    /// Asks whether the calling number may be kept, where there is one and the flow wants to know.
    fn ask_for_number(&mut self, now: Instant, record: &Record) {
        let Some(prompt) = record.number.as_ref().filter(|_| self.caller.number.is_some()) else {
            return self.keep(now, record, false);
        };
        let line = match self.compose_prompt(now, prompt) {
            Ok(line) => line,
            Err(what) => return self.fault(now, what),
        };
        // Consent is an answer to the question, and never pressed ahead.
        self.type_ahead.clear();
        self.phase(record, Phase::Asking { from: now + UNHEARD, until: None });
        self.play(now, vec![line], None);
    }

    /// Only 1 is consent. Where another key leads is gone to once the message is kept.
    fn consented(&mut self, now: Instant, record: &Record, key: Option<Key>) {
        self.keep(now, record, key == Some(Key::Digit(1)));
        if let Some(key) = key.filter(|key| self.chosen(&record.choices, *key).is_some()) {
            self.type_ahead.push_front(key);
        }
    }

    /// Whether the caller's voice is recorded, so that keys but the one that ends it do nothing.
    pub(crate) fn is_taking(&self) -> bool {
        let State::Recording(recording) = &self.state else { return false };
        matches!(recording.phase, Phase::Taking { .. } | Phase::Stopping { .. } | Phase::Saving { .. })
    }

    /// What keys do to the message itself now.
    pub(crate) fn recording_keys(&self) -> Vec<(Key, Bilingual)> {
        let State::Recording(recording) = &self.state else { return Vec::new() };
        match recording.phase {
            Phase::Taking { .. } => vec![(recording.record.stop, Bilingual::fixed("end the message", "结束录音"))],
            Phase::Reviewing { .. } | Phase::Listening => vec![
                (Key::Digit(1), Bilingual::fixed("send it", "提交")),
                (Key::Digit(2), Bilingual::fixed("hear it", "试听")),
                (Key::Digit(3), Bilingual::fixed("record it again", "重录")),
            ],
            Phase::Asking { .. } => vec![(Key::Digit(1), Bilingual::fixed("keep the number with it", "同意留下号码"))],
            Phase::Intro | Phase::Stopping { .. } | Phase::Saving { .. } => Vec::new(),
        }
    }

    /// The message that is sent and not kept yet, since its caller is asked about the number.
    pub fn sent_message(&self) -> Option<(Arc<str>, Duration)> {
        match &self.state {
            State::Recording(Recording { record, phase: Phase::Asking { .. } }) => {
                Some((record.notify.clone(), record.keep))
            }
            _ => None,
        }
    }

    fn keep(&mut self, now: Instant, record: &Record, with_number: bool) {
        self.phase(record, Phase::Saving { until: now + PATIENCE });
        let number = self.caller.number.clone().filter(|_| with_number);
        self.out.push(Output::SaveRecording { notify: record.notify.clone(), keep: record.keep, number });
    }

    pub(super) fn ticket(&mut self, now: Instant, ticket: Option<String>) {
        let State::Recording(Recording { record, phase: Phase::Saving { .. } }) = &self.state else { return };
        let record = record.clone();
        match ticket {
            Some(digits) => {
                if let Some(gives) = &record.gives {
                    self.facts.insert(gives.clone(), Value::Digits { digits, groups: Vec::new() });
                }
                self.answering = true;
                self.go(now, &record.saved.target);
            }
            None => self.go(now, &record.empty.target),
        }
    }

    /// The recording does not end, the ticket does not come, or the caller has nothing to add.
    pub(super) fn recording_timed_out(&mut self, now: Instant) {
        let State::Recording(recording) = &self.state else { return };
        if recording.deadline().is_none_or(|deadline| now < deadline.at) {
            return;
        }
        let record = recording.record.clone();
        match recording.phase {
            Phase::Taking { .. } => {
                self.out.push(Output::StopRecording);
                self.phase(&record, Phase::Stopping { until: now + PATIENCE });
            }
            Phase::Stopping { .. } | Phase::Saving { .. } => self.go(now, &record.empty.target),
            Phase::Reviewing { .. } | Phase::Asking { .. } => self.keep(now, &record, false),
            Phase::Intro | Phase::Listening => {}
        }
    }
}

const BEEP: Duration = Duration::from_millis(250);
/// A shorter recording holds no message.
pub const SHORTEST_MESSAGE: Duration = Duration::from_secs(1);
/// So soon after its start a question has not been heard.
const UNHEARD: Duration = Duration::from_secs(1);
/// A message is stored if its caller presses no key for this long.
const REVIEW: Duration = Duration::from_secs(6);
