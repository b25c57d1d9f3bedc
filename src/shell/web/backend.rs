//! What the web server asks of the rest of the program.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::{Lang, tag};
use inquiry::{Answer, Case, Receipt, Stage};
use metrics::{Metrics, ScanPath, ScanResult, Score};
use web::{CodeKind, Health, Kiosk, KioskSettings, ScanAnswer, Scanned};

/// A future of a closure.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type LookUpNow = dyn Fn(&Receipt) -> Option<Answer> + Send + Sync;
type Key = dyn Fn(&Case, Timestamp) -> u64 + Send + Sync;
type Show = dyn Fn(&Outcome, Timestamp) -> ScanAnswer + Send + Sync;
type Speak = dyn Fn(&Outcome, Lang, Timestamp) -> Option<Vec<u8>> + Send + Sync;

/// The rest of the program, as closures. None of them may block but where it is said.
pub struct Backend {
    /// Takes off what scanners add, and says what the text is.
    pub read: Arc<dyn Fn(&str) -> Scanned + Send + Sync>,
    /// The answer, if it is in memory.
    pub look_up_now: Box<LookUpNow>,
    /// The answer, within the look-up's own time limit.
    pub look_up: Box<dyn Fn(Receipt) -> Boxed<Answer> + Send + Sync>,
    /// A number that is equal for cases of which exactly the same is said at that moment, and different otherwise: a
    /// 64-bit hash of what may be said of the case.
    pub key: Box<Key>,
    /// What a screen shows. Asked once a minute for each [`Backend::key`], and then kept.
    pub show: Box<Show>,
    /// The same sentences as a WAV file; `None` where there are no recordings.
    pub speak: Box<Speak>,
    /// Takes a record for the journal.
    pub record: Box<dyn Fn(ScanRecord) + Send + Sync>,
    /// Takes a score for the journal.
    pub rate: Box<dyn Fn(RateRecord) + Send + Sync>,
    pub health: Box<dyn Fn() -> Health + Send + Sync>,
    /// The live flow as an SVG diagram. May read files.
    pub picture: Arc<dyn Fn() -> String + Send + Sync>,
    pub kiosk: Box<dyn Fn() -> KioskSettings + Send + Sync>,
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    pub metrics: Arc<Metrics>,
}

/// What became of a scanned text.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is a receipt, and this is what the copy says.
    Answer(Answer),
    /// It is something else.
    Other(CodeKind),
}

/// A receipt as a log may name it: a keyed tag and the last four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub tag: String,
    pub tail: String,
}

impl Trace {
    /// The trace of a receipt.
    pub fn of(receipt: &Receipt) -> Trace {
        let number = receipt.number.expose();
        let tail = number.char_indices().rev().nth(3).map_or("", |(at, _)| &number[at..]);
        Trace { tag: tag(number), tail: tail.to_owned() }
    }
}

/// One scan for the journal. Nothing in it identifies a person.
#[derive(Clone, Debug)]
pub struct ScanRecord {
    pub at: Timestamp,
    pub kiosk: Kiosk,
    pub path: ScanPath,
    pub result: ScanResult,
    pub stage: Option<Stage>,
    pub took: Duration,
}

/// One score for the journal.
#[derive(Clone, Debug)]
pub struct RateRecord {
    pub at: Timestamp,
    pub kiosk: Kiosk,
    pub score: Score,
}
