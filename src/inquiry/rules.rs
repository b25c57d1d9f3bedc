//! The office's rules: the formats of numbers, the time limits, the working calendar.

use jiff::civil::Date;

use super::case::{Case, TimeLimit};
use super::format::{FormatError, Formats};
use super::progress::{Progress, TimeLimitError, TimeLimits};
use super::receipt::ReceiptFormat;
use super::working_days::WorkingDays;
use base::Bilingual;

/// The office's rules, checked.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The formats of receipt numbers.
    pub formats: Formats,
    limits: TimeLimits,
    calendar: WorkingDays,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum RulesError {
    /// A receipt format is wrong.
    Format(#[from] FormatError),
    /// A time limit is wrong.
    Limit(#[from] TimeLimitError),
}

impl RulesError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            RulesError::Format(error) => error.text(),
            RulesError::Limit(error) => error.text(),
        }
    }
}

impl Rules {
    /// Checks formats and limits.
    ///
    /// # Errors
    /// Everything that is wrong with either.
    pub fn new(
        formats: Vec<ReceiptFormat>,
        limits: &[TimeLimit],
        calendar: WorkingDays,
    ) -> Result<Rules, Vec<RulesError>> {
        match (Formats::new(formats), TimeLimits::new(limits)) {
            (Ok(formats), Ok(limits)) => Ok(Rules { formats, limits, calendar }),
            (formats, limits) => {
                let formats = formats.err().into_iter().flatten().map(RulesError::from);
                Err(formats.chain(limits.err().into_iter().flatten().map(RulesError::from)).collect())
            }
        }
    }

    /// What is disclosed of a case today.
    pub fn progress(&self, case: &Case, today: Date) -> Progress {
        Progress::of(case, today, &self.limits, &self.calendar)
    }
}
