//! What the studio tells of slots and takes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use base::Lang;
use speech::Clip;
use studio::{Figures, Finding, Grade, Message, Slot, SlotState, TakeName, TakeSource, TakeState};

/// A recording that comes in.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The file as it was sent: it is kept byte for byte.
    pub bytes: Vec<u8>,
    pub kind: TakeSource,
    /// What the sender calls it; told in the history.
    pub label: String,
    /// Recordings of one sitting share one gain: one voice, one microphone, one room.
    pub sitting: String,
}

/// A slot as the studio's table shows it.
#[derive(Clone, Debug)]
pub struct SlotRow {
    pub slot: Slot,
    /// Short, and the same for a slot in every language; never given to another slot.
    pub number: u32,
    pub state: SlotState,
    /// What callers hear; none if there is no recording.
    pub live: Option<Heard>,
    /// The newest take that is not live and waits for something.
    pub waiting: Option<TakeRow>,
    /// Whether the factory's recording comes back with the next publication.
    pub restored: bool,
}

/// What callers hear of a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heard {
    /// The take; none where it is the factory's recording.
    pub take: Option<TakeName>,
    /// Whether it was read from the text that the script has.
    pub fresh: bool,
    /// Made by a machine.
    pub placeholder: bool,
}

/// One take, with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TakeRow {
    pub name: TakeName,
    pub lang: Lang,
    pub slot: String,
    /// What it was read from.
    pub text: String,
    pub state: TakeState,
    /// Whether callers hear it.
    pub live: bool,
    pub kind: TakeSource,
    pub label: String,
    pub sitting: String,
    pub by: Person,
    pub at: jiff::Timestamp,
    pub approved: Option<(Person, jiff::Timestamp)>,
    /// The release that it was published in first.
    pub release: Option<String>,
    /// SHA-256 of the upload and of the master.
    pub original: String,
    pub original_bytes: u64,
    pub master: String,
    pub report: TakeReport,
}

impl TakeRow {
    pub fn clip(&self) -> Clip {
        Clip { lang: self.lang, id: self.slot.as_str().into() }
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.report.figures.speech_ms.into())
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The account; 0 for the command line.
    pub id: i64,
    pub name: String,
}

impl Person {
    /// Whether two are one person. Someone at the command line is known by name only.
    pub fn is(&self, other: &Person) -> bool {
        (self.id != 0 && self.id == other.id) || self.name.to_lowercase() == other.name.to_lowercase()
    }
}

/// What the checks say of a take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct TakeReport {
    pub figures: Figures,
    pub findings: Vec<Finding>,
}

impl TakeReport {
    /// Whether the take may be kept.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.grade == Grade::Warn)
    }
}

/// What a publication would change, or did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Publication {
    pub changes: Vec<Change>,
    /// Approved takes that stay behind: their text is not what callers are to hear.
    pub behind: Vec<Change>,
    /// What would sound wrong: half-recorded sets, two voices in a set.
    pub warnings: Vec<Message>,
}

/// One slot of a publication.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub lang: Lang,
    pub slot: String,
    pub text: String,
    /// The take that goes live; none: the factory's recording comes back.
    pub take: Option<TakeName>,
    pub by: Option<Person>,
    pub approved_by: Option<Person>,
    /// What callers hear before.
    pub before: Option<Heard>,
}

/// A release as the studio lists it.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseRow {
    pub at: jiff::Timestamp,
    pub what: String,
    pub release: Option<String>,
    pub who: String,
    pub why: String,
    pub live: bool,
    /// Whether it is still on the disk, so that it can go live again.
    pub stored: bool,
    /// Takes in it.
    pub takes: usize,
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    pub id: i64,
    pub at: jiff::Timestamp,
    pub who: Person,
    /// `record`, `keep`, `discard`, `approve`, `publish`, `rollback`, `restore`, `import`, `tidy`.
    pub what: String,
    pub lang: Option<String>,
    pub slot: Option<String>,
    pub take: Option<String>,
    pub release: Option<String>,
    pub why: String,
}

/// What is played.
#[derive(Clone, Debug)]
pub enum Which {
    Take(TakeName),
    /// What callers hear of a slot.
    Live(Clip),
}

/// How it is played.
#[derive(Clone, Debug)]
pub enum Form {
    /// The upload as it came, byte for byte; the live recording's master where there is no upload.
    Original,
    /// The master.
    Master,
    /// As a caller hears it: 300 to 3400 Hz, 8000 samples a second, A-law.
    Phone,
    /// The same, in its sentence. Values by the names of the sentence's slots, as in `receipt=442026123456789`; what
    /// is not given is made up from the seed. `with` are takes that are heard in place of what is live.
    InSentence { values: BTreeMap<String, String>, seed: u64, with: Vec<TakeName> },
}

/// Sound for a player.
#[derive(Clone, Debug)]
pub struct Wav {
    pub bytes: Vec<u8>,
    /// `audio/wav`, else the type of the upload.
    pub media_type: &'static str,
    /// What is said, where it is a sentence.
    pub text: Option<String>,
}
