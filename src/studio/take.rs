//! A take: one immutable recording of one slot, named by the hash of its content.
//!
//! ```text
//!            keep            approve                publish
//!  Fresh ───────────► Draft ───────────► Approved ───────────► Published
//!    └─── discard ──────┴── discard ────────┘                      │
//!              └─► Discarded                 approve again ◄───────┘  (when another take or the factory's is live)
//! ```
//! A fresh take is stored before the upload is acknowledged, so that a lost connection costs nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::coverage::text_hash;
use speech::Clip;

/// How a take came in. It decides the limits of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TakeSource {
    /// Recorded in the studio's page.
    Browser,
    /// Recorded in a call to the recording service.
    Phone,
    /// Uploaded as a file or in an archive.
    File,
}

/// The state of a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TakeState {
    /// Uploaded, not kept yet.
    Fresh,
    /// Kept by its operator: waits for the approval of another person.
    Draft,
    /// Goes live with the next publication.
    Approved,
    /// Published at some time; the live release says whether it is live.
    Published,
    /// Discarded: hidden, and deleted by a tidy-up.
    Discarded,
}

/// The state of a slot: what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// No recording.
    Missing,
    /// The live recording is of another text.
    Stale,
    /// The live recording is synthetic.
    Placeholder,
    /// A take waits for approval.
    Recorded,
    /// A take waits for publication.
    Approved,
    /// A person's recording of the current text is live.
    Live,
}

macro_rules! codes {
    ($of:ty { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl $of {
            /// Its name in the store and the API.
            pub fn code(self) -> &'static str {
                match self { $(<$of>::$variant => $code),+ }
            }

            /// The variant of that name.
            pub fn from_code(code: &str) -> Option<$of> {
                match code { $($code => Some(<$of>::$variant),)+ _ => None }
            }
        }
    };
}

codes!(TakeSource { Browser = "browser", Phone = "phone", File = "file" });
codes!(TakeState { Fresh = "fresh", Draft = "draft", Approved = "approved", Published = "published", Discarded = "discarded" });
codes!(SlotState {
    Missing = "missing",
    Stale = "stale",
    Placeholder = "placeholder",
    Recorded = "recorded",
    Approved = "approved",
    Live = "live",
});

/// The name of a take: SHA-256, in hex, of slot, text, upload and master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TakeName(String);

impl TakeName {
    /// Names a take. `original` and `master` are SHA-256 in hex.
    pub fn of(slot: &Clip, text: &str, original: &str, master: &str) -> TakeName {
        let mut hash = Sha256::new();
        for part in ["jindu take 1", slot.lang.code(), &slot.id, &text_hash(text), original, master] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        TakeName(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads a name: 64 digits in hex.
    pub fn read(text: &str) -> Option<TakeName> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(hex)).then(|| TakeName(text.into()))
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for screens.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for TakeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message for an operator in the two languages of the studio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Message {
    /// Puts the two languages together.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Message {
        Message { zh: zh.into(), en: en.into() }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable code: `clipped`, `quiet`, `noisy`.
    pub code: String,
    /// Whether the take may still be kept.
    pub grade: Grade,
    /// The measured figure; absent if nothing was measured.
    pub figure: Option<f64>,
    /// The unit of `figure`: `dBov`, `dB`, `ms`, `s`, `Hz`, `places`.
    pub unit: String,
    /// What is wrong, with the figure, and what to do.
    pub words: Message,
}

/// The consequence of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The take may be kept; listen to it again.
    Warn,
    /// The take can be played, and cannot be kept.
    Reject,
}

/// The measurements of a take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Length of the upload.
    pub original_ms: u32,
    /// Length after trimming.
    pub speech_ms: u32,
    /// Sample rate of the master.
    pub rate_hz: u32,
    /// Active speech level before the gain.
    pub level_in_dbov: f64,
    /// Active speech level after the gain.
    pub level_dbov: f64,
    /// The gain applied.
    pub gain_db: f64,
    /// True peak of the master.
    pub peak_dbtp: f64,
    /// Speech level above the room noise; absent if no pause is long enough to measure it.
    pub snr_db: Option<f64>,
    /// The median pitch of the voice; absent if none was found.
    pub pitch_hz: Option<f64>,
    /// Energy above 1 kHz over that below.
    pub tilt_db: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Lang;

    fn slot(id: &str) -> Clip {
        Clip { lang: Lang::Yue, id: id.into() }
    }

    #[test]
    fn a_take_name_depends_on_every_part() {
        let name = TakeName::of(&slot("a"), "甲", "11", "22");
        assert_eq!(name, TakeName::of(&slot("a"), "甲", "11", "22"));
        for other in [
            TakeName::of(&slot("b"), "甲", "11", "22"),
            TakeName::of(&slot("a"), "乙", "11", "22"),
            TakeName::of(&slot("a"), "甲", "12", "22"),
            TakeName::of(&slot("a"), "甲", "11", "23"),
            TakeName::of(&Clip { lang: Lang::Zh, id: "a".into() }, "甲", "11", "22"),
        ] {
            assert_ne!(name, other);
        }
        assert_eq!(TakeName::read(name.as_str()), Some(name));
        for wrong in ["", "../../etc", &"A".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert_eq!(TakeName::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn states_are_read_from_their_codes() {
        for state in
            [TakeState::Fresh, TakeState::Draft, TakeState::Approved, TakeState::Published, TakeState::Discarded]
        {
            assert_eq!(TakeState::from_code(state.code()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.code()));
        }
        assert_eq!(TakeSource::from_code("radio"), None);
    }
}
