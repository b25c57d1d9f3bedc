//! What goes into the studio and what it returns: uploads, slots, takes, publications, audit lines, sound.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use base::Lang;
use speech::Clip;
use studio::{Figures, Finding, Grade, Message, Slot, SlotState, TakeName, TakeSource, TakeState};

/// A recording as it is sent.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The file as it was sent: it is kept byte for byte.
    pub bytes: Vec<u8>,
    /// How it was recorded.
    pub kind: TakeSource,
    /// The sender's name for it, for the history.
    pub label: String,
    /// Recordings of one sitting share one gain: one voice, one microphone, one room.
    pub sitting: String,
}

/// A slot as the studio's table shows it.
#[derive(Clone, Debug)]
pub struct SlotRow {
    /// What is to be recorded.
    pub slot: Slot,
    /// For a telephone: from 101, the same in every language, never given to another slot.
    pub number: u32,
    /// Where the slot stands.
    pub state: SlotState,
    /// What callers hear; `None` if there is no recording.
    pub live: Option<LiveRecording>,
    /// The newest take that is not live and waits for something.
    pub waiting: Option<TakeRow>,
    /// Whether the next publication restores the factory's recording.
    pub restored: bool,
}

/// What callers hear of a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveRecording {
    /// The take; `None` for the factory's recording.
    pub take: Option<TakeName>,
    /// Whether it was read from the present text of the script.
    pub fresh: bool,
    /// Whether it is synthetic.
    pub placeholder: bool,
}

/// One take, with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TakeRow {
    /// Its name, a hash of slot, text and sound.
    pub name: TakeName,
    /// The slot's language.
    pub lang: Lang,
    /// The slot's id.
    pub slot: String,
    /// The text that it was read from.
    pub text: String,
    /// Where it stands.
    pub state: TakeState,
    /// Whether callers hear it.
    pub live: bool,
    /// How it was recorded.
    pub kind: TakeSource,
    /// The sender's name for it.
    pub label: String,
    /// The sitting that it was recorded in; empty for none.
    pub sitting: String,
    /// Who recorded it.
    pub by: Person,
    /// When it was stored.
    pub at: jiff::Timestamp,
    /// Who approved it, and when.
    pub approved: Option<(Person, jiff::Timestamp)>,
    /// Whether it was approved without having been listened to.
    pub unheard: bool,
    /// The first release with it.
    pub release: Option<String>,
    /// SHA-256 of the upload, in hex.
    pub original: String,
    /// Size of the upload.
    pub original_bytes: u64,
    /// SHA-256 of the master, in hex.
    pub master: String,
    /// What the checks found.
    pub report: TakeReport,
}

impl TakeRow {
    /// The slot as a clip.
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
    /// The account's name, or the one given with `--who`.
    pub name: String,
}

impl Person {
    /// Whether both are the same person. The command line knows names only.
    pub fn is(&self, other: &Person) -> bool {
        (self.id != 0 && self.id == other.id) || self.name.to_lowercase() == other.name.to_lowercase()
    }
}

/// What the checks found in a take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct TakeReport {
    /// Levels, durations and pitch.
    pub figures: Figures,
    /// Faults, worst first.
    pub findings: Vec<Finding>,
}

impl TakeReport {
    /// Whether the take may be kept.
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.grade == Grade::Warn)
    }
}

/// What a publication changes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PublicationPlan {
    /// The slots that change.
    pub changes: Vec<Change>,
    /// Approved takes that are not published: their text differs from the live script.
    pub behind: Vec<Change>,
    /// Sets that would be recorded in part only.
    pub warnings: Vec<Message>,
}

/// One slot of a publication.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The slot's language.
    pub lang: Lang,
    /// The slot's id.
    pub slot: String,
    /// The text that callers hear.
    pub text: String,
    /// The take that goes live; `None` restores the factory's recording.
    pub take: Option<TakeName>,
    /// Who recorded the take, or asked for the factory's recording.
    pub by: Option<Person>,
    /// Who approved the take.
    pub approved_by: Option<Person>,
    /// Whether it was approved without having been listened to.
    pub unheard: bool,
    /// What callers heard until then.
    pub before: Option<LiveRecording>,
}

/// A release as the studio lists it.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseRow {
    /// When it went live.
    pub at: jiff::Timestamp,
    /// `publish`, `publish prompts` or `rollback`.
    pub what: String,
    /// The release's name.
    pub release: Option<String>,
    /// Who made it live.
    pub who: String,
    /// Why.
    pub why: String,
    /// Whether it is live: one row at most, the newest of the live release.
    pub live: bool,
    /// Whether it is still on the disk, so that it can go live again.
    pub stored: bool,
    /// The number of takes in it.
    pub takes: usize,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRow {
    /// Its number, rising.
    pub id: i64,
    /// When it was done.
    pub at: jiff::Timestamp,
    /// Who did it.
    pub who: Person,
    /// `record`, `keep`, `discard`, `approve`, `publish`, `rollback`, `restore`, `import`, `tidy`.
    pub what: String,
    /// The slot's language.
    pub lang: Option<String>,
    /// The slot's id.
    pub slot: Option<String>,
    /// The take's name.
    pub take: Option<String>,
    /// The release's name.
    pub release: Option<String>,
    /// The reason, or what the sender called the recording.
    pub why: String,
}

/// Which recording is played.
#[derive(Clone, Debug)]
pub enum SoundSource {
    /// A take.
    Take(TakeName),
    /// What callers hear of a slot.
    Live(Clip),
}

/// In which form it is played.
#[derive(Clone, Debug)]
pub enum SoundForm {
    /// The upload, byte for byte; the master of a recording without upload.
    Original,
    /// The master.
    Master,
    /// As a caller hears it: 300 to 3400 Hz, 8000 samples a second, A-law.
    Phone,
    /// As a caller hears it, in its sentence.
    InSentence {
        /// Values by the names of the sentence's slots, as in `receipt=442026123456789`.
        values: BTreeMap<String, String>,
        /// Makes the values that are not given.
        seed: u64,
        /// Takes that replace live recordings.
        with: Vec<TakeName>,
    },
}

/// Sound for a player.
#[derive(Clone, Debug)]
pub struct Sound {
    /// The file.
    pub bytes: Vec<u8>,
    /// `audio/wav`, else the type of the upload.
    pub media_type: &'static str,
    /// The text of a sentence.
    pub text: Option<String>,
}
