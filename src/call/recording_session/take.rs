//! One take: the beep, the recording, what the operator thinks of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    BREATH, Output, Prompt, REPLY_MAX, RecordingSession, Slot, SpeechDetector, State, StudioRequest, TakeFault,
    TakeReport, trim_to_speech,
};
use audio::Take;
use base::Key;
use speech::Piece;

impl RecordingSession {
    /// What there is to hear of a slot, then the words before the beep, then the beep.
    pub(super) fn before_beep(&mut self, now: Instant, slot: Arc<Slot>, mut pieces: Vec<Piece>) {
        self.state = State::ReadBack(slot);
        pieces.extend([Prompt::Speak.piece(self.lang), Piece::Silence(BREATH), Piece::Tone(BEEP)]);
        self.play(now, pieces);
    }

    pub(super) fn key_before_beep(&mut self, now: Instant, key: Key) {
        let State::ReadBack(slot) = &self.state else { return };
        let slot = Arc::clone(slot);
        match key {
            Key::Pound => self.play(now, vec![Piece::Tone(BEEP)]),
            Key::Star => self.ask_slot(now, &[]),
            Key::Digit(0) => self.leave(now, Prompt::Bye),
            Key::Digit(1) => {
                let heard = self.load(slot.draft.as_deref().or(slot.recorded.as_deref()));
                self.before_beep(now, slot, vec![heard, Piece::Silence(BREATH)]);
            }
            Key::Digit(_) => {}
        }
    }

    /// A recording to be played next, or the prompt that there is none.
    pub(super) fn load(&mut self, recording: Option<&[i16]>) -> Piece {
        match recording {
            Some(samples) => {
                self.out.push(Output::Load(Take::of(samples)));
                Piece::Message
            }
            None => Prompt::Missing.piece(self.lang),
        }
    }

    pub(super) fn take(&mut self, now: Instant) {
        let State::ReadBack(slot) = &self.state else { return };
        let slot = Arc::clone(slot);
        let max = (slot.longest + ROOM).min(LONGEST_LIMIT);
        self.state = State::Taking { slot, detector: SpeechDetector::new() };
        self.playing = false;
        self.until = Some(now + max + MARGIN);
        self.out.extend([Output::Ask(StudioRequest::Begin), Output::Record { max }]);
    }

    pub(super) fn sound(&mut self, now: Instant, samples: Vec<i16>) {
        let taking = matches!(self.state, State::Taking { .. } | State::Stopping(_));
        if let State::Taking { detector, .. } = &mut self.state {
            detector.feed(&samples);
            let enough = if detector.heard_speech() { SILENCE_AFTER } else { SILENCE_BEFORE };
            if detector.quiet() >= enough {
                self.stop_taking(now);
            }
        }
        if taking {
            self.out.push(Output::Ask(StudioRequest::Sound(samples)));
        }
    }

    pub(super) fn stop_taking(&mut self, now: Instant) {
        let State::Taking { slot, .. } = &self.state else { return };
        self.state = State::Stopping(Arc::clone(slot));
        self.until = Some(now + REPLY_MAX);
        self.out.push(Output::StopRecord);
    }

    pub(super) fn recorded(&mut self, now: Instant, samples: Vec<i16>, packets_lost: u64) {
        let (State::Taking { slot, .. } | State::Stopping(slot)) = &self.state else { return };
        let slot = Arc::clone(slot);
        match trim_to_speech(samples) {
            Some(samples) => self.ask(now, State::Saving(slot), StudioRequest::Submit { samples, packets_lost }),
            None => {
                self.out.push(Output::Ask(StudioRequest::Abandon));
                self.before_beep(now, slot, vec![Prompt::Silent.piece(self.lang), Piece::Silence(BREATH)]);
                self.silent_take(now);
            }
        }
    }

    /// A telephone without a speaker does not record endlessly.
    fn silent_take(&mut self, now: Instant) {
        self.silences += 1;
        if self.silences > super::SILENCES_MAX {
            self.leave(now, Prompt::Bye);
        }
    }

    pub(super) fn submitted(&mut self, now: Instant, report: Option<TakeReport>) {
        let State::Saving(slot) = &self.state else { return };
        let mut slot = Arc::clone(slot);
        let Some(report) = report else { return self.leave(now, Prompt::Failed) };
        let mut words: Vec<Prompt> = report.faults.iter().take(FAULTS_TOLD).map(|fault| word_for(*fault)).collect();
        if report.unusable {
            words.push(Prompt::Unusable);
        }
        words.push(Prompt::Review);
        // The state's own reference goes first, so that the slot is changed in place and not copied.
        self.state = State::Leaving;
        Arc::make_mut(&mut slot).draft = (!report.sound.is_empty()).then_some(report.sound);
        self.state = State::Reviewing { slot, unusable: report.unusable };
        self.say(now, &words);
    }

    pub(super) fn reviewed(&mut self, now: Instant, key: Key) {
        let State::Reviewing { slot, unusable } = &self.state else { return };
        let (slot, unusable) = (Arc::clone(slot), *unusable);
        match key {
            Key::Digit(1) => {
                self.out.extend(slot.draft.as_deref().map(Take::of).map(Output::Load));
                let pieces = vec![Piece::Message, Piece::Silence(BREATH), Prompt::Review.piece(self.lang)];
                self.play(now, pieces);
            }
            Key::Digit(2) if unusable => self.say(now, &[Prompt::Unusable, Prompt::Review]),
            Key::Digit(2) => self.ask(now, State::Deciding { kept: true }, StudioRequest::Keep),
            Key::Digit(3) => self.before_beep(now, slot, Vec::new()),
            Key::Digit(4) => self.ask(now, State::Deciding { kept: false }, StudioRequest::Discard),
            Key::Digit(0) => self.leave(now, Prompt::Bye),
            Key::Digit(_) | Key::Star | Key::Pound => self.say(now, &[Prompt::Review]),
        }
    }

    pub(super) fn decided(&mut self, now: Instant, kept: bool, done: bool) {
        match (done, kept) {
            (true, true) => self.ask_slot(now, &[Prompt::Kept]),
            (true, false) => self.ask_slot(now, &[Prompt::Discarded]),
            // The draft is stored, even if the decision is not.
            (false, _) => self.ask_slot(now, &[Prompt::Failed]),
        }
    }
}

fn word_for(fault: TakeFault) -> Prompt {
    match fault {
        TakeFault::Silent => Prompt::Silent,
        TakeFault::Quiet => Prompt::Quiet,
        TakeFault::Loud => Prompt::Loud,
        TakeFault::Noisy => Prompt::Noisy,
        TakeFault::Cut => Prompt::Cut,
        TakeFault::Length => Prompt::Length,
        TakeFault::OtherVoice => Prompt::OtherVoice,
        TakeFault::Lossy => Prompt::Lossy,
    }
}

const BEEP: Duration = Duration::from_millis(250);
/// To begin to speak, and to reach for the key.
const ROOM: Duration = Duration::from_secs(8);
const LONGEST_LIMIT: Duration = Duration::from_secs(180);
/// After the limit of a recording, until it must have ended.
const MARGIN: Duration = Duration::from_secs(3);
/// Until a recording without speech ends.
const SILENCE_BEFORE: Duration = Duration::from_secs(10);
/// Silence after which a recording ends if the operator forgets the end key.
const SILENCE_AFTER: Duration = Duration::from_secs(4);
/// More at once would not help the operator.
const FAULTS_TOLD: usize = 2;
