//! Lines in the language of the command line: both texts stand at the place that prints them.

use base::{Bilingual, OfficeLang, padded};

/// Prints a line in the language of the command line: `say!("{n} calls", "来电 {n} 次")`.
macro_rules! say {
    ($($text:tt)+) => {
        $crate::exit::print(format!("{}\n", os::language::shown(&base::bilingual!($($text)+))))
    };
}

/// The same as a text.
macro_rules! text {
    ($($text:tt)+) => {
        os::language::shown(&base::bilingual!($($text)+)).to_owned()
    };
}

pub(crate) use {say, text};

/// Lines of a name and a value, the values in one column.
pub(crate) struct Lines {
    text: String,
    lang: OfficeLang,
    columns: usize,
}

impl Lines {
    /// No line yet; names take so many columns.
    pub(crate) fn new(lang: OfficeLang, columns: usize) -> Lines {
        Lines { text: String::new(), lang, columns }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, name: &Bilingual, value: &Bilingual) {
        self.text.push_str(&format!("{} {}\n", padded(name.of(self.lang), self.columns), value.of(self.lang)));
    }

    /// Adds a line without a column.
    pub(crate) fn plain(&mut self, line: &Bilingual) {
        self.text.push_str(&format!("{}\n", line.of(self.lang)));
    }

    /// The lines.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
