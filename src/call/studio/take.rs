//! One take: the beep, the recording, what the operator thinks of it.

use std::time::{Duration, Instant};

use super::{Ask, BREATH, Ear, Fault, Output, REPLY_MAX, Report, SlotFound, State, Studio, Word, spoken};
use base::Key;
use flow;
use speech::Piece;

impl Studio {
    /// What there is to hear of a slot, then the words before the beep, then the beep.
    pub(super) fn before_beep(&mut self, now: Instant, slot: SlotFound, mut pieces: Vec<Piece>) {
        self.state = State::ReadBack(slot);
        pieces.extend([Word::Speak.piece(self.lang), Piece::Silence(BREATH), Piece::Tone(BEEP)]);
        self.play(now, pieces);
    }

    pub(super) fn key_before_beep(&mut self, now: Instant, key: Key) {
        let State::ReadBack(slot) = &self.state else { return };
        let slot = slot.clone();
        match key {
            Key::Pound => self.play(now, vec![Piece::Tone(BEEP)]),
            Key::Star => self.ask_slot(now, &[]),
            Key::Digit(0) => self.leave(now, Word::Bye),
            Key::Digit(1) => {
                let heard = self.load(slot.draft.clone().or_else(|| slot.heard.clone()));
                self.before_beep(now, slot, vec![heard, Piece::Silence(BREATH)]);
            }
            Key::Digit(_) => {}
        }
    }

    /// A recording to be played next; the word that there is none, if there is none.
    pub(super) fn load(&mut self, recording: Option<Vec<i16>>) -> Piece {
        match recording {
            Some(samples) => {
                self.out.push(Output::Load(samples));
                Piece::Take
            }
            None => Word::Missing.piece(self.lang),
        }
    }

    pub(super) fn take(&mut self, now: Instant) {
        let State::ReadBack(slot) = &self.state else { return };
        let slot = slot.clone();
        let max = (slot.longest + ROOM).min(LONGEST_LIMIT);
        self.state = State::Taking { slot, ear: Ear::new() };
        self.playing = false;
        self.until = Some(now + max + MARGIN);
        self.out.extend([Output::Ask(Ask::Begin), Output::Record { max }]);
    }

    pub(super) fn sound(&mut self, now: Instant, samples: Vec<i16>) {
        let taking = matches!(self.state, State::Taking { .. } | State::Stopping(_));
        if let State::Taking { ear, .. } = &mut self.state {
            ear.feed(&samples);
            let enough = if ear.heard_speech() { SILENCE_AFTER } else { SILENCE_BEFORE };
            if ear.quiet() >= enough {
                self.stop_taking(now);
            }
        }
        if taking {
            self.out.push(Output::Ask(Ask::Sound(samples)));
        }
    }

    pub(super) fn stop_taking(&mut self, now: Instant) {
        let State::Taking { slot, .. } = &self.state else { return };
        self.state = State::Stopping(slot.clone());
        self.until = Some(now + REPLY_MAX);
        self.out.push(Output::Talk(flow::Output::StopRecord));
    }

    pub(super) fn recorded(&mut self, now: Instant, samples: Vec<i16>, packets_lost: u64) {
        let (State::Taking { slot, .. } | State::Stopping(slot)) = &self.state else { return };
        let slot = slot.clone();
        match spoken(samples) {
            Some(samples) => self.ask(now, State::Saving(slot), Ask::Submit { samples, packets_lost }),
            None => {
                self.out.push(Output::Ask(Ask::Forget));
                self.before_beep(now, slot, vec![Word::Silent.piece(self.lang), Piece::Silence(BREATH)]);
                self.silent_take(now);
            }
        }
    }

    /// A telephone that nobody speaks into does not record for ever.
    fn silent_take(&mut self, now: Instant) {
        self.silences += 1;
        if self.silences > super::SILENCES_MAX {
            self.leave(now, Word::Bye);
        }
    }

    pub(super) fn submitted(&mut self, now: Instant, report: Option<Report>) {
        let State::Saving(slot) = &self.state else { return };
        let slot = slot.clone();
        let Some(report) = report else { return self.leave(now, Word::Failed) };
        let mut words: Vec<Word> = report.faults.iter().take(FAULTS_TOLD).map(|fault| word_for(*fault)).collect();
        if report.unusable {
            words.push(Word::Unusable);
        }
        words.push(Word::Review);
        let draft = (!report.sound.is_empty()).then_some(report.sound);
        self.state = State::Reviewing { slot: SlotFound { draft, ..slot }, unusable: report.unusable };
        self.say(now, &words);
    }

    pub(super) fn reviewed(&mut self, now: Instant, key: Key) {
        let State::Reviewing { slot, unusable } = &self.state else { return };
        let (slot, unusable) = (slot.clone(), *unusable);
        match key {
            Key::Digit(1) => {
                self.out.extend(slot.draft.map(Output::Load));
                let pieces = vec![Piece::Take, Piece::Silence(BREATH), Word::Review.piece(self.lang)];
                self.play(now, pieces);
            }
            Key::Digit(2) if unusable => self.say(now, &[Word::Unusable, Word::Review]),
            Key::Digit(2) => self.ask(now, State::Deciding { kept: true }, Ask::Keep),
            Key::Digit(3) => self.before_beep(now, slot, Vec::new()),
            Key::Digit(4) => self.ask(now, State::Deciding { kept: false }, Ask::Discard),
            Key::Digit(0) => self.leave(now, Word::Bye),
            Key::Digit(_) | Key::Star | Key::Pound => self.say(now, &[Word::Review]),
        }
    }

    pub(super) fn decided(&mut self, now: Instant, kept: bool, done: bool) {
        match (done, kept) {
            (true, true) => self.ask_slot(now, &[Word::Kept]),
            (true, false) => self.ask_slot(now, &[Word::Discarded]),
            // The draft is there, whatever could not be noted of it.
            (false, _) => self.ask_slot(now, &[Word::Failed]),
        }
    }
}

fn word_for(fault: Fault) -> Word {
    match fault {
        Fault::Silent => Word::Silent,
        Fault::Quiet => Word::Quiet,
        Fault::Loud => Word::Loud,
        Fault::Noisy => Word::Noisy,
        Fault::Cut => Word::Cut,
        Fault::Length => Word::Length,
        Fault::OtherVoice => Word::OtherVoice,
        Fault::Lossy => Word::Lossy,
    }
}

const BEEP: Duration = Duration::from_millis(250);
/// To begin to speak, and to reach for the key.
const ROOM: Duration = Duration::from_secs(8);
const LONGEST_LIMIT: Duration = Duration::from_secs(180);
/// After the limit of a recording, until it must have ended.
const MARGIN: Duration = Duration::from_secs(3);
/// Nobody begins to speak.
const SILENCE_BEFORE: Duration = Duration::from_secs(10);
/// Whoever spoke has finished, and forgot the key.
const SILENCE_AFTER: Duration = Duration::from_secs(4);
/// More at once help nobody.
const FAULTS_TOLD: usize = 2;
