//! The language in which this process speaks to its user: set once, by the command line.

use std::sync::OnceLock;

use base::{Bilingual, OfficeLang};

/// Sets the language of this process; later calls change nothing.
pub fn set(lang: OfficeLang) {
    let _ = LANG.set(lang);
}

/// The language of this process; English where none was set.
pub fn current() -> OfficeLang {
    LANG.get().copied().unwrap_or_default()
}

/// The language that `LC_ALL`, `LC_MESSAGES` or `LANG` names (POSIX: the first that is set and not empty).
pub fn of_environment() -> OfficeLang {
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter();
    let named = named.filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty());
    named.map_or_else(OfficeLang::default, |locale| OfficeLang::of_locale(&locale))
}

/// A text in the language of this process.
pub fn shown(text: &Bilingual) -> &str {
    text.of(current())
}

static LANG: OnceLock<OfficeLang> = OnceLock::new();
