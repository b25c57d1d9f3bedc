//! What is noted of a call while it lasts, for its record.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::Lang;
use inquiry::{CallOutcome, CallRecord, LookUpResult};

/// A call's record in the making.
#[derive(Clone, Debug)]
pub struct Tally {
    record: CallRecord,
    /// Set once: the first reason that a call ended for is the true one.
    ended: bool,
    transferred: bool,
    slips: u32,
}

impl Tally {
    /// Begins the record of a call from a trunk; `caller` is the keyed hash of the calling number.
    pub fn new(started: Timestamp, release: Arc<str>, trunk: String, caller: Option<u64>) -> Tally {
        let record = CallRecord {
            started,
            answered_after: None,
            duration: Duration::ZERO,
            outcome: CallOutcome::Failed,
            cause: Some("fault"),
            lang: None,
            release,
            path: Vec::new(),
            keys: 0,
            look_ups: Vec::new(),
            trunk,
            caller,
            rating: None,
        };
        Tally { record, ended: false, transferred: false, slips: 0 }
    }

    /// The record of a call that lasted so long. A call that nothing ended was ended by a fault of ours.
    pub fn record(&self, duration: Duration) -> CallRecord {
        CallRecord { duration, ..self.record.clone() }
    }

    pub(super) fn answered(&mut self, after: Duration) {
        self.record.answered_after = Some(after);
    }

    pub(super) fn key(&mut self) {
        self.record.keys += 1;
    }

    pub(super) fn looked_up(&mut self, result: LookUpResult) {
        if self.record.look_ups.len() < STEPS_MAX {
            self.record.look_ups.push(result);
        }
    }

    pub(super) fn step(&mut self, node: Arc<str>) {
        if self.record.path.len() < STEPS_MAX {
            self.record.path.push(node);
        }
    }

    pub(super) fn slip(&mut self) {
        self.slips += 1;
    }

    /// How many entries were refused: silences, wrong keys, wrong numbers.
    pub fn slips(&self) -> u32 {
        self.slips
    }

    pub(super) fn rated(&mut self, score: u8) {
        self.record.rating = Some(score);
    }

    pub(super) fn lang(&mut self, lang: Lang) {
        self.record.lang = Some(lang);
    }

    pub(super) fn transferred(&mut self) {
        self.transferred = true;
    }

    pub(super) fn ended(&mut self, outcome: CallOutcome, cause: Option<&'static str>) {
        if self.ended {
            return;
        }
        self.ended = true;
        let after_transfer = self.transferred && matches!(outcome, CallOutcome::Finished | CallOutcome::HungUp);
        self.record.outcome = if after_transfer { CallOutcome::Transferred } else { outcome };
        self.record.cause = cause;
    }
}

/// A caller who goes round in circles fills no disk.
const STEPS_MAX: usize = 200;
