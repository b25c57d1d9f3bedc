//! Patterns of telephone numbers: whom a node may call back, or send a text message.

use std::fmt;
use std::str::FromStr;

use crate::{Bilingual, bilingual};

/// A pattern of whole numbers: digits stand for themselves, `X` for any digit, `[13-9]` for one of these; `+` may come first.
/// A pattern has one length, so that nothing can be dialled behind an allowed number.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberPattern {
    written: String,
    international: bool,
    /// Each place as a set of digits: bit n allows digit n.
    places: Vec<u16>,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A character that means nothing here.
    #[error("{0:?} means nothing in a number pattern; digits, X and [1-9] do")]
    Character(char),
    /// `[` without `]`, or nothing in between.
    #[error("a set of digits is written [13-9]")]
    Set,
    /// No number has so few or so many digits.
    #[error("a number has 3 to 20 digits")]
    Length,
}

impl PatternError {
    /// The same in both languages.
    pub fn text(self) -> Bilingual {
        match self {
            PatternError::Character(c) => {
                bilingual!("{self}", "号码样式中不能有 {c:?}，可用数字、X 和 [1-9]")
            }
            PatternError::Set => bilingual!("{self}", "一组数字写作 [13-9]"),
            PatternError::Length => bilingual!("{self}", "号码应为 3 至 20 位"),
        }
    }
}

impl NumberPattern {
    /// Whether a number fits as a whole.
    pub fn fits(&self, number: &str) -> bool {
        let digits = number.strip_prefix('+');
        if digits.is_some() != self.international {
            return false;
        }
        let digits = digits.unwrap_or(number).as_bytes();
        let fits = |(digit, place): (&u8, &u16)| digit.is_ascii_digit() && place & (1 << (digit - b'0')) != 0;
        digits.len() == self.places.len() && digits.iter().zip(&self.places).all(fits)
    }
}

impl FromStr for NumberPattern {
    type Err = PatternError;

    fn from_str(written: &str) -> Result<NumberPattern, PatternError> {
        let text = written.strip_prefix('+');
        let international = text.is_some();
        let mut left = text.unwrap_or(written).chars();
        let mut places = Vec::new();
        while let Some(c) = left.next() {
            places.push(match c {
                '0'..='9' => bit(c)?,
                'X' => 0x3ff,
                '[' => {
                    let (set, rest) = left.as_str().split_once(']').ok_or(PatternError::Set)?;
                    left = rest.chars();
                    set_of(set)?
                }
                other => return Err(PatternError::Character(other)),
            });
        }
        if !(3..=20).contains(&places.len()) {
            return Err(PatternError::Length);
        }
        Ok(NumberPattern { written: written.into(), international, places })
    }
}

/// The number as it is dialled, without spaces, hyphens and parentheses, if one of `allow` and none of `deny` fits it.
pub fn allowed_number(number: &str, allow: &[NumberPattern], deny: &[NumberPattern]) -> Option<String> {
    if number.len() > WRITTEN_MAX {
        return None;
    }
    let dialled: String = number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    let fits = |patterns: &[NumberPattern]| patterns.iter().any(|pattern| pattern.fits(&dialled));
    (fits(allow) && !fits(deny)).then_some(dialled)
}

/// Longer texts are no numbers.
const WRITTEN_MAX: usize = 64;

fn bit(c: char) -> Result<u16, PatternError> {
    c.to_digit(10).map(|digit| 1 << digit).ok_or(PatternError::Character(c))
}

fn set_of(text: &str) -> Result<u16, PatternError> {
    let chars: Vec<char> = text.chars().collect();
    let mut set = 0;
    let mut at = 0;
    while at < chars.len() {
        let first = chars[at].to_digit(10).ok_or(PatternError::Character(chars[at]))?;
        let is_range = chars.get(at + 1) == Some(&'-');
        let last = if is_range { *chars.get(at + 2).ok_or(PatternError::Set)? } else { chars[at] };
        let last = last.to_digit(10).ok_or(PatternError::Character(last))?;
        if last < first {
            return Err(PatternError::Set);
        }
        (first..=last).for_each(|digit| set |= 1 << digit);
        at += if is_range { 3 } else { 1 };
    }
    if set == 0 { Err(PatternError::Set) } else { Ok(set) }
}

impl fmt::Display for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NumberPattern({})", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NumberPattern {
        text.parse().expect("a pattern")
    }

    #[test]
    fn a_pattern_fits_whole_numbers_only() {
        let mobile = pattern("1[3-9]XXXXXXXXX");
        assert!(mobile.fits("13800000000"));
        for wrong in ["12800000000", "1380000000", "138000000000", "+13800000000", "1380000000#", "", "1380000000１"] {
            assert!(!mobile.fits(wrong), "{wrong}");
        }
        assert!(pattern("+861[3-9]XXXXXXXXX").fits("+8613800000000"));
    }

    #[test]
    fn a_text_that_is_no_pattern_says_why() {
        let error = |text: &str| text.parse::<NumberPattern>().expect_err(text);
        assert_eq!(error("1."), PatternError::Character('.'));
        assert_eq!(error("1[3"), PatternError::Set);
        assert_eq!(error("1[]23"), PatternError::Set);
        assert_eq!(error("1[9-3]23"), PatternError::Set);
        assert_eq!(error("1[3-]23"), PatternError::Set);
        assert_eq!(error("12"), PatternError::Length);
    }
}
