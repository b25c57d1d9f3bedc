//! A take: one recording of one slot, immutable, and named by the hash of what it is made of.
//!
//! ```text
//!            keep            approve                publish
//!  Fresh ───────────► Draft ───────────► Approved ───────────► Published
//!    └─── discard ──────┴── discard ────────┘                      │
//!              └─► Discarded                 approve again ◄───────┘  (once another take, or the factory's, is live)
//! ```
//! A fresh take is stored before anybody is told of it, so that a lost connection costs nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::coverage::text_hash;
use speech::Clip;

/// How a take came in; the limits of its checks follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Browser,
    Phone,
    File,
}

/// Where a take stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TakeState {
    /// Sent in; nobody has said yet that it is good.
    Fresh,
    /// Kept by who recorded it: waits for another person's approval.
    Draft,
    /// Goes live with the next publication.
    Approved,
    /// Was published; whether it is live, the live release says.
    Published,
    /// Hidden.
    Discarded,
}

/// Where a slot stands: what is to be done about it next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// There is no recording at all.
    Missing,
    /// What callers hear was read from another text.
    Stale,
    /// What callers hear was made by a machine.
    Placeholder,
    /// A take waits for its approval.
    Recorded,
    /// A take waits for its publication.
    Approved,
    /// Callers hear a person, and the right words.
    Live,
}

macro_rules! codes {
    ($of:ty { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl $of {
            /// As it is stored and shown.
            pub fn code(self) -> &'static str {
                match self { $(<$of>::$variant => $code),+ }
            }

            /// The one that is written so.
            pub fn from_code(code: &str) -> Option<$of> {
                match code { $($code => Some(<$of>::$variant),)+ _ => None }
            }
        }
    };
}

codes!(Kind { Browser = "browser", Phone = "phone", File = "file" });
codes!(TakeState { Fresh = "fresh", Draft = "draft", Approved = "approved", Published = "published", Discarded = "discarded" });
codes!(SlotState {
    Missing = "missing",
    Stale = "stale",
    Placeholder = "placeholder",
    Recorded = "recorded",
    Approved = "approved",
    Live = "live",
});

/// The name of a take: SHA-256, in hex, of its slot, its text, the upload and the master made of it.
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

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it to tell it from others on a screen.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for TakeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is told to an operator, in the two languages of the studio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub zh: String,
    pub en: String,
}

impl Words {
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Words {
        Words { zh: zh.into(), en: en.into() }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A short name for programs: `clipped`, `quiet`, `noisy`.
    pub code: String,
    pub grade: Grade,
    /// What was measured, in the unit of the check; absent where nothing is counted.
    pub figure: Option<f64>,
    pub unit: String,
    /// What is wrong and what would do, the figure included.
    pub words: Words,
}

/// What a finding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The take may be kept; somebody should listen again.
    Warn,
    /// The take is there to be heard, and cannot be kept.
    Reject,
}

/// What was measured of a take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// What came in, and what is left after trimming.
    pub original_ms: u32,
    pub speech_ms: u32,
    /// Samples a second of the master.
    pub rate_hz: u32,
    /// Active speech before and after the gain.
    pub level_in_dbov: f64,
    pub level_dbov: f64,
    pub gain_db: f64,
    pub peak_dbtp: f64,
    /// Speech over the room's noise; absent where there is no pause to measure it in.
    pub snr_db: Option<f64>,
    /// The median pitch of the voice; absent where none was found.
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
    fn a_take_is_named_by_all_that_it_is_made_of() {
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
    fn states_read_as_they_are_written() {
        for state in
            [TakeState::Fresh, TakeState::Draft, TakeState::Approved, TakeState::Published, TakeState::Discarded]
        {
            assert_eq!(TakeState::from_code(state.code()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.code()));
        }
        assert_eq!(Kind::from_code("radio"), None);
    }
}
