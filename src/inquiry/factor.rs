//! What proves that a client may hear about a case.

use super::narrow::narrowed;
use super::receipt::SecondFactor;
use base::{Bilingual, Private, bilingual};

/// A second factor in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Factor(Private<String>);

/// Why an entry cannot be a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum FactorError {
    /// Not the last four of an identity number.
    IdTail,
    /// Not a day.
    BirthDate,
}

impl FactorError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            FactorError::IdTail => bilingual!(
                "the end of an identity number has 4 characters: digits, and perhaps X at the end",
                "证件号后四位为 4 个字符：数字，末位可为 X"
            ),
            FactorError::BirthDate => {
                bilingual!("a date of birth has 8 digits: year, month, day", "出生日期为 8 位数字：年、月、日")
            }
        }
    }
}

/// What entitles a client to hear about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The paper itself was scanned.
    Paper,
    /// The number was keyed in, with a second factor that its holder knows.
    Factor(Factor),
}

impl Factor {
    /// Reads an entry of the kind that the receipt's format demands. `*` is X: keypads have no letters.
    pub fn read(kind: SecondFactor, entry: &str) -> Result<Factor, FactorError> {
        match kind {
            SecondFactor::IdTail => id_tail(entry).ok_or(FactorError::IdTail),
            SecondFactor::BirthDate => birth_date(entry).ok_or(FactorError::BirthDate),
        }
    }

    /// The normalised text, for the verifier alone.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// An entry as it was meant, without its separators; `None` for one that is too long.
fn bare(entry: &str, separators: &[char]) -> Option<String> {
    let is_kept = |c: &char| !c.is_whitespace() && !separators.contains(c);
    (entry.len() <= ENTRY_BYTES_MAX).then(|| narrowed(entry).chars().filter(is_kept).collect())
}

fn id_tail(entry: &str) -> Option<Factor> {
    let entry = bare(entry, &['-'])?;
    if entry.len() != 4 {
        return None;
    }
    // Permits and foreign documents may end in other letters, so letters stand anywhere; X alone has a key.
    let tail = entry.bytes().map(|byte| match byte {
        b'*' => Some('X'),
        byte if byte.is_ascii_alphanumeric() => Some(char::from(byte.to_ascii_uppercase())),
        _ => None,
    });
    tail.collect::<Option<String>>().map(|tail| Factor(Private::new(tail)))
}

fn birth_date(entry: &str) -> Option<Factor> {
    let digits = bare(entry, &['-', '/', '.'])?;
    is_birth_date(&digits).then(|| Factor(Private::new(digits)))
}

/// Whether a text is eight digits that name a day: yyyymmdd.
pub(super) fn is_birth_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i16>().ok());
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (part(0..4), part(4..6), part(6..8)) else { return false };
    (1850..=2150).contains(&year) && jiff::civil::Date::new(year, month as i8, day as i8).is_ok()
}

/// Eight characters of full width and as many spaces.
const ENTRY_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_a_small_x_and_a_capital_x_are_one_factor() {
        let tail = |entry| Factor::read(SecondFactor::IdTail, entry);
        assert_eq!(tail("123*"), tail("123X"));
        assert_eq!(tail("123x"), tail(" 123X "));
        assert_ne!(tail("1234"), tail("123X"));
    }

    #[test]
    fn an_entry_is_the_same_in_full_width_and_with_spaces() {
        let read = |kind, entry| Factor::read(kind, entry).map(|factor| factor.expose().to_owned());
        for entry in ["１２３Ｘ", "１２３＊", "1 2 3 x", "12-3X", "\u{3000}123X\u{200B}", "１２ 3ｘ"] {
            assert_eq!(read(SecondFactor::IdTail, entry), Ok("123X".into()), "{entry}");
        }
        for entry in ["１９８００１３１", "1980．01．31", "1980 01 31", "\u{3000}19800131 "] {
            assert_eq!(read(SecondFactor::BirthDate, entry), Ok("19800131".into()), "{entry}");
        }
    }

    #[test]
    fn entries_of_another_shape_are_refused() {
        for entry in ["123", "12345", "12#4", "", "１２３４５", "12.4", "１２３"] {
            assert_eq!(Factor::read(SecondFactor::IdTail, entry), Err(FactorError::IdTail), "{entry}");
        }
        for entry in ["19800230", "1980013", "80010101x", "99990101"] {
            assert_eq!(Factor::read(SecondFactor::BirthDate, entry), Err(FactorError::BirthDate), "{entry}");
        }
        assert_eq!(
            Factor::read(SecondFactor::BirthDate, "1980-01-31"),
            Factor::read(SecondFactor::BirthDate, "19800131")
        );
    }

    #[test]
    fn a_factor_prints_nothing_of_itself() {
        let factor = Factor::read(SecondFactor::IdTail, "9876").unwrap();
        assert!(!format!("{factor:?}").contains("9876"));
    }
}
