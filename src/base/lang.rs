//! The languages that the gateway speaks.

use serde::{Deserialize, Serialize};

/// A language with number and date rules and recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Mandarin (zh-CN).
    Zh,
    /// Cantonese (yue).
    Yue,
    /// English (en).
    En,
}

impl Lang {
    /// All languages, the default first.
    pub const ALL: [Lang; 3] = [Lang::Zh, Lang::Yue, Lang::En];

    /// The code in files and in the HTTP API.
    pub fn code(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::Yue => "yue",
            Lang::En => "en",
        }
    }

    /// Reads a code as [`Lang::code`] writes it, or the BCP 47 tag `zh-CN`.
    pub fn from_code(code: &str) -> Option<Lang> {
        match code {
            "zh" | "zh-CN" => Some(Lang::Zh),
            "yue" => Some(Lang::Yue),
            "en" => Some(Lang::En),
            _ => None,
        }
    }
}
