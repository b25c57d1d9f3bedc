//! Texts for the office's own people, in English and in Chinese side by side.
//!
//! What callers and applicants hear and read is in the script of a release. This is for those who run the gateway: errors,
//! remarks and tables of the command line. Both languages are written at one place, so that who changes one sees the other;
//! the shell chooses one when it prints. Logs and JSON are in English; over the control sockets both go.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A language of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfficeLang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl OfficeLang {
    /// The language that a POSIX locale names: `zh_CN.UTF-8` is Chinese, all others are English.
    pub fn of_locale(locale: &str) -> OfficeLang {
        if locale.starts_with("zh") { OfficeLang::Zh } else { OfficeLang::En }
    }

    /// One of two.
    pub fn choose<T>(self, en: T, zh: T) -> T {
        match self {
            OfficeLang::En => en,
            OfficeLang::Zh => zh,
        }
    }
}

/// A text in both languages. It displays in English; `{:#}` displays it in Chinese, for a Chinese text around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Received")]
pub struct Bilingual {
    /// English.
    pub en: Cow<'static, str>,
    /// Chinese; the English text where there is none, as of errors of the system and of libraries.
    pub zh: Cow<'static, str>,
}

/// A text as it comes over a control socket: a program of an earlier version sends one language alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Received {
    One(String),
    Both { en: String, zh: String },
}

impl From<Received> for Bilingual {
    fn from(received: Received) -> Bilingual {
        match received {
            Received::One(text) => text.into(),
            Received::Both { en, zh } => Bilingual::new(en, zh),
        }
    }
}

impl Bilingual {
    /// Puts two composed texts together.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Bilingual {
        Bilingual { en: Cow::Owned(en.into()), zh: Cow::Owned(zh.into()) }
    }

    /// Two texts without values.
    pub const fn fixed(en: &'static str, zh: &'static str) -> Bilingual {
        Bilingual { en: Cow::Borrowed(en), zh: Cow::Borrowed(zh) }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.en.is_empty()
    }

    /// The text in a language.
    pub fn of(&self, lang: OfficeLang) -> &str {
        lang.choose(&self.en, &self.zh)
    }

    /// Several texts as one: `a, b` and `a、b`.
    pub fn list(texts: &[Bilingual], en: &str, zh: &str) -> Bilingual {
        let join = |lang: OfficeLang, separator: &str| {
            texts.iter().map(|text| text.of(lang)).collect::<Vec<_>>().join(separator)
        };
        Bilingual::new(join(OfficeLang::En, en), join(OfficeLang::Zh, zh))
    }
}

impl fmt::Display for Bilingual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if f.alternate() { &self.zh } else { &self.en })
    }
}

impl std::error::Error for Bilingual {}

/// A text padded to some columns of a terminal, in which a Chinese character takes two.
pub fn padded(text: &str, columns: usize) -> String {
    let is_wide = |c: &char| ('\u{2e80}'..='\u{a4cf}').contains(c) || ('\u{ac00}'..='\u{fffd}').contains(c);
    let width = text.chars().count() + text.chars().filter(is_wide).count();
    format!("{text}{}", " ".repeat(columns.saturating_sub(width)))
}

/// The ending of an English noun that is counted: `1 call`, `2 calls`.
pub fn plural(count: impl TryInto<u64>) -> &'static str {
    if matches!(count.try_into(), Ok(1)) { "" } else { "s" }
}

/// The same in both languages: names, figures, and what a library or the system says.
impl From<String> for Bilingual {
    fn from(text: String) -> Bilingual {
        Bilingual { zh: Cow::Owned(text.clone()), en: Cow::Owned(text) }
    }
}

impl From<&'static str> for Bilingual {
    fn from(text: &'static str) -> Bilingual {
        Bilingual::fixed(text, text)
    }
}

/// Composes a [`Bilingual`] of two format strings, English first, with the same values: `bilingual!("{n} calls", "来电 {n} 次")`.
/// A value that is bilingual itself is `{x}` in English and `{x:#}` in Chinese.
#[macro_export]
macro_rules! bilingual {
    ($en:literal, $zh:literal $(,)?) => {
        $crate::Bilingual::new(::std::format_args!($en).to_string(), ::std::format_args!($zh).to_string())
    };
    ($en:literal, $zh:literal, $($values:tt)+) => {
        $crate::Bilingual::new(
            ::std::format_args!($en, $($values)+).to_string(),
            ::std::format_args!($zh, $($values)+).to_string(),
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_have_the_same_values_and_a_part_has_its_own_language() {
        let part = bilingual!("a list", "列表");
        let n = 3;
        let text = bilingual!("{n} of {}: {part}", "共 {} 项，第 {n} 项为{part:#}", 7);
        assert_eq!(text.en, "3 of 7: a list");
        assert_eq!(text.of(OfficeLang::Zh), "共 7 项，第 3 项为列表");
    }

    #[test]
    fn columns_count_chinese_characters_twice() {
        assert_eq!(["号码", "a号", "number"].map(|text| padded(text, 5)), ["号码 ", "a号  ", "number"]);
    }

    #[test]
    fn a_locale_names_a_language() {
        let zh = ["zh_CN.UTF-8", "zh", "zh_TW"].map(OfficeLang::of_locale);
        assert!(zh.iter().all(|lang| *lang == OfficeLang::Zh));
        assert_eq!(["C", "", "en_GB"].map(OfficeLang::of_locale), [OfficeLang::En; 3]);
    }
}
