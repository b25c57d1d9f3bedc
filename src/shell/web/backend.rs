//! What the HTTP service asks of the node.

use std::pin::Pin;

use jiff::Timestamp;

use base::Lang;
use inquiry::{AgeLimits, Answer, Case, Outcome, Query, Receipt, ReplicaAnswer, ScanRecord, Scanned, Score};
use web::{CodeKind, Health, Kiosk, KioskSettings, PublicSettings, RequestError, ScanAnswer};

/// A future that a [`Backend`] gives.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a number and a second factor ask for.
#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    /// The receipt; `None` if the number is none.
    pub receipt: Option<Receipt>,
    /// [`inquiry::Keys::receipt`] of its number: every door counts its look-ups together.
    pub key: Option<u64>,
    /// What to read; `None` if the number is none.
    pub query: Option<Query>,
}

/// The node behind the HTTP service. No method blocks; [`Backend::picture`] takes some milliseconds.
pub trait Backend: Send + Sync {
    /// The wall clock, for records and for the dates that a screen shows.
    fn now(&self) -> Timestamp;

    /// Removes what scanners add, and says what the text is.
    fn read(&self, text: &str) -> Scanned;

    /// Reads a number and a second factor.
    ///
    /// # Errors
    /// [`RequestError::NotReceipt`] and [`RequestError::Factor`] for what cannot be one by its form, which is no secret. A
    /// number that only fails its check digit is a miss like an unknown one.
    fn inquiry(&self, code: &str, tail: &str) -> Result<Inquiry, RequestError>;

    /// The answer, if it is in memory.
    fn cached(&self, query: &Query) -> Option<Answer>;

    /// The answer, within the look-up's own time limit.
    fn look_up<'a>(&'a self, query: &'a Query) -> Pending<'a, Answer>;

    /// An answer of this moment with the age of the replica that gave it.
    fn reading(&self, answer: Answer) -> ReplicaAnswer;

    /// The ages from which the live release says an answer's age, and rejects the answer.
    fn age_limits(&self) -> AgeLimits;

    /// A 64-bit hash of what may be said of the case at that moment: equal where the same is said, and different
    /// otherwise.
    fn key(&self, case: &Case, now: Timestamp) -> u64;

    /// What a screen shows of a receipt. Asked once a minute for each [`Backend::key`], and then kept.
    fn show(&self, outcome: &Outcome, now: Timestamp) -> ScanAnswer;

    /// What a screen shows of a code that is no receipt.
    fn show_other(&self, kind: CodeKind) -> ScanAnswer;

    /// The sentences of [`Backend::show`] as a WAV file; `None` where there are no recordings.
    fn speak(&self, outcome: &Outcome, lang: Lang, now: Timestamp) -> Option<Vec<u8>>;

    /// Takes a record for the journal.
    fn record(&self, record: ScanRecord);

    /// Takes a person's score for the journal.
    fn rate(&self, at: Timestamp, kiosk: &Kiosk, score: Score);

    /// How the node is.
    fn health(&self) -> Health;

    /// What the kiosk's page is set to.
    fn kiosk(&self) -> KioskSettings;

    /// What the public page is set to.
    fn public(&self) -> PublicSettings;

    /// The live flow as an SVG diagram. Its cost must not grow with the number of past calls.
    fn picture(&self) -> String;
}
