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

/// The characters that screens are written in for speakers of Cantonese, where they read standard Chinese.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Characters {
    /// As everywhere on the mainland: the texts for Mandarin.
    #[default]
    Simplified,
    /// Texts of their own.
    Traditional,
}

impl Characters {
    /// All of them, the default first.
    pub const ALL: [Characters; 2] = [Characters::Simplified, Characters::Traditional];

    /// The code in settings and in the HTTP API.
    pub fn code(self) -> &'static str {
        match self {
            Characters::Simplified => "simplified",
            Characters::Traditional => "traditional",
        }
    }

    /// The language whose texts a screen shows to a speaker of `lang`.
    pub fn written(self, lang: Lang) -> Lang {
        match (self, lang) {
            (Characters::Simplified, Lang::Yue) => Lang::Zh,
            (Characters::Simplified | Characters::Traditional, lang) => lang,
        }
    }
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
