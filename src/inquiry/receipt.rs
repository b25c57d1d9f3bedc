//! Receipt numbers: formats are configuration.

use serde::{Deserialize, Serialize};

use base::{Bilingual, Private, bilingual};

/// One format of receipt number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFormat {
    /// A name for logs and metrics.
    pub name: String,
    /// How many characters, prefix included.
    pub length: u8,
    /// The characters it begins with.
    #[serde(default)]
    pub prefix: String,
    /// How it is grouped when read back; sums up to `length`. Empty: groups of four.
    #[serde(default)]
    pub groups: Vec<u8>,
    /// How its last digit is checked.
    #[serde(default)]
    pub check: CheckDigit,
    /// What proves that a caller may hear about the case.
    #[serde(default)]
    pub second_factor: SecondFactor,
}

/// The algorithm of a number's last digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckDigit {
    /// The last digit is like any other.
    #[default]
    None,
    /// ISO/IEC 7812-1 annex B.
    Luhn,
    /// ISO/IEC 7064 MOD 11,10.
    Mod11_10,
}

/// What proves that a caller may hear about the case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// The last four of the identity document, X as `*`.
    #[default]
    IdTail,
    /// The full date of birth, yyyymmdd.
    BirthDate,
}

/// A receipt number that fits a format.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The normalised number.
    pub number: Private<String>,
    /// Its place among the configured formats.
    pub format: u8,
}

/// Why some digits are not a receipt number. The flow has words for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum NumberError {
    /// Too few or too many digits: the caller probably stopped early.
    Length {
        /// The nearest length that a format has.
        expected: u8,
        /// The digits that there are.
        got: usize,
    },
    /// No format begins like that.
    Prefix,
    /// The digits do not add up: a wrong key, or a smudged label.
    CheckDigit,
}

impl NumberError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            NumberError::Length { expected, got } => bilingual!(
                "a receipt number has {expected} digits, not {got}",
                "回执号应为 {expected} 位数字，现为 {got} 位"
            ),
            NumberError::Prefix => bilingual!("no receipt number begins like that", "没有这样开头的回执号"),
            NumberError::CheckDigit => bilingual!("the check digit does not match", "校验位不符"),
        }
    }
}
