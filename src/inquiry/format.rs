//! The configured receipt formats as one set, and numbers typed on a keypad.
//!
//! There is no single receipt format; an office lists its own. A set is sound when every number fits at most one
//! format, so that a number alone says how it is grouped, checked and proven.

use super::receipt::{CheckDigit, NumberError, Receipt, ReceiptFormat, SecondFactor};
use base::{Bilingual, Private, bilingual};

/// A sound set of receipt formats.
#[derive(Clone, Debug)]
pub struct Formats(Vec<ReceiptFormat>);

/// Why a list of formats cannot be used. `format` is the place in the list, from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum FormatError {
    /// The list is empty.
    Empty,
    /// The list is too long; how many it has.
    TooMany(usize),
    /// The length is out of bounds.
    Length {
        /// Its place.
        format: usize,
        /// Its name.
        name: String,
        /// The length as written.
        length: u8,
    },
    /// The prefix cannot be keyed in, or is the whole number.
    Prefix {
        /// Its place.
        format: usize,
        /// Its name.
        name: String,
    },
    /// The groups do not make up the number.
    Groups {
        /// Its place.
        format: usize,
        /// Its name.
        name: String,
        /// What the groups add up to.
        sum: usize,
        /// What they should add up to.
        length: u8,
    },
    /// The name is empty or not unique.
    Name {
        /// Its place.
        format: usize,
        /// The name as written.
        name: String,
    },
    /// A number could fit both.
    Ambiguous {
        /// The place of the earlier one.
        first: usize,
        /// The place of the later one.
        second: usize,
    },
}

impl FormatError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            FormatError::Empty => bilingual!("no receipt format: give at least one", "没有回执格式：请至少写一种"),
            FormatError::TooMany(count) => bilingual!(
                "{count} receipt formats: give at most {FORMATS_MAX}",
                "有 {count} 种回执格式：最多 {FORMATS_MAX} 种"
            ),
            FormatError::Length { format, name, length } => bilingual!(
                "format {format} ({name}): length = {length}: must be {LENGTH_MIN} to {LENGTH_MAX}",
                "第 {format} 种格式（{name}）：length = {length}：应为 {LENGTH_MIN} 至 {LENGTH_MAX}"
            ),
            FormatError::Prefix { format, name } => bilingual!(
                "format {format} ({name}): prefix: must be digits, and shorter than the number; keypads have no letters",
                "第 {format} 种格式（{name}）：prefix 应为数字，且短于回执号；电话键盘没有字母"
            ),
            FormatError::Groups { format, name, sum, length } => bilingual!(
                "format {format} ({name}): groups add up to {sum}: must be {length}, and no group may be 0",
                "第 {format} 种格式（{name}）：各组合计 {sum} 位，应为 {length} 位，且不得有 0 位的组"
            ),
            FormatError::Name { format, name } => bilingual!(
                "format {format}: the name {name:?} is empty or taken: give each format a name of its own",
                "第 {format} 种格式：名称 {name:?} 为空或已被使用：请各取不同名称"
            ),
            FormatError::Ambiguous { first, second } => bilingual!(
                "formats {first} and {second} are ambiguous: same length, and one prefix begins like the other; change a prefix",
                "第 {first} 种与第 {second} 种格式无法区分：长度相同，且一个前缀是另一个的开头；请更改前缀"
            ),
        }
    }
}

impl Formats {
    /// Checks a list of formats and reports everything that is wrong with it.
    pub fn new(formats: Vec<ReceiptFormat>) -> Result<Formats, Vec<FormatError>> {
        let mut errors = Vec::new();
        match formats.len() {
            0 => errors.push(FormatError::Empty),
            n if n > FORMATS_MAX => errors.push(FormatError::TooMany(n)),
            _ => {}
        }
        for (place, format) in formats.iter().enumerate() {
            check_one(place, format, &mut errors);
            check_against(&formats[..place], place, format, &mut errors);
        }
        if errors.is_empty() { Ok(Formats(formats)) } else { Err(errors) }
    }

    /// All formats, in the order that [`Receipt::format`] counts.
    pub fn all(&self) -> &[ReceiptFormat] {
        &self.0
    }

    /// The format of a receipt.
    pub fn of(&self, receipt: &Receipt) -> &ReceiptFormat {
        self.0.get(usize::from(receipt.format)).unwrap_or(&self.0[0])
    }

    /// The lengths of the groups in which a receipt is read back; they add up to its length.
    pub fn groups(&self, receipt: &Receipt) -> Vec<u8> {
        let format = self.of(receipt);
        if format.groups.is_empty() { fours(format.length) } else { format.groups.clone() }
    }

    /// Reads digits from a keypad, or from paper with spaces and hyphens between its groups.
    pub fn from_keys(&self, keys: &str) -> Result<Receipt, NumberError> {
        if keys.len() > KEYS_MAX {
            return Err(NumberError::Length { expected: self.nearest(keys.len()), got: keys.len() });
        }
        let number: String = keys.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let got = number.chars().count();
        let mut of_length =
            self.0.iter().enumerate().filter(|(_, format)| usize::from(format.length) == got).peekable();
        if of_length.peek().is_none() {
            return Err(NumberError::Length { expected: self.nearest(got), got });
        }
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let (place, format) =
            of_length.find(|(_, format)| digits && number.starts_with(&format.prefix)).ok_or(NumberError::Prefix)?;
        if !adds_up(format.check, &number) {
            return Err(NumberError::CheckDigit);
        }
        let format = u8::try_from(place).expect("at most FORMATS_MAX formats");
        Ok(Receipt { number: Private::new(number), format })
    }

    /// Whether a caller could key in a case's number and prove the right to it. The factor is that which the case has; none
    /// where only its hash is known.
    pub fn can_ask_for(&self, number: &str, factor: Option<SecondFactor>) -> bool {
        let of = |format: &ReceiptFormat| {
            usize::from(format.length) == number.len()
                && number.starts_with(&format.prefix)
                && factor.is_none_or(|factor| factor == format.second_factor)
                && adds_up(format.check, number)
        };
        number.bytes().all(|byte| byte.is_ascii_digit()) && self.0.iter().any(of)
    }

    fn nearest(&self, got: usize) -> u8 {
        let distance = |format: &&ReceiptFormat| usize::from(format.length).abs_diff(got);
        self.0.iter().min_by_key(distance).map_or(0, |format| format.length)
    }
}

fn check_one(place: usize, format: &ReceiptFormat, errors: &mut Vec<FormatError>) {
    let ReceiptFormat { name, length, prefix, groups, .. } = format;
    let name = || name.clone();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(length) {
        errors.push(FormatError::Length { format: place, name: name(), length: *length });
    }
    if prefix.len() >= usize::from(*length) || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        errors.push(FormatError::Prefix { format: place, name: name() });
    }
    let sum: usize = groups.iter().map(|&group| usize::from(group)).sum();
    if !groups.is_empty() && (sum != usize::from(*length) || groups.contains(&0)) {
        errors.push(FormatError::Groups { format: place, name: name(), sum, length: *length });
    }
}

fn check_against(earlier: &[ReceiptFormat], place: usize, format: &ReceiptFormat, errors: &mut Vec<FormatError>) {
    if format.name.is_empty() || earlier.iter().any(|other| other.name == format.name) {
        errors.push(FormatError::Name { format: place, name: format.name.clone() });
    }
    let overlaps = |other: &ReceiptFormat| {
        let same_start = other.prefix.starts_with(&format.prefix) || format.prefix.starts_with(&other.prefix);
        other.length == format.length && same_start
    };
    if let Some(first) = earlier.iter().position(overlaps) {
        errors.push(FormatError::Ambiguous { first, second: place });
    }
}

fn fours(length: u8) -> Vec<u8> {
    let mut groups = vec![4; usize::from(length / 4)];
    if !length.is_multiple_of(4) {
        groups.push(length % 4);
    }
    groups
}

/// Whether a number's last digit is right. Anything but ASCII digits is wrong, except where nothing is checked.
fn adds_up(check: CheckDigit, number: &str) -> bool {
    let digits = || number.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    match check {
        CheckDigit::None => true,
        CheckDigit::Luhn => {
            let weighed = |(place, digit): (usize, u32)| match (place % 2 == 1, digit * 2) {
                (false, _) => digit,
                (true, double) => double / 10 + double % 10,
            };
            digits().rev().enumerate().map(weighed).sum::<u32>() % 10 == 0
        }
        CheckDigit::Mod11_10 => {
            // ISO/IEC 7064 §8, hybrid system: start at 10, add, reduce by 10 (0 counts as 10), double, reduce by 11.
            let step = |product: u32, digit: u32| (nonzero((product + digit) % 10) * 2) % 11;
            let body = number.len().saturating_sub(1);
            let product = digits().take(body).fold(10, step);
            digits().next_back().is_some_and(|last| (product + last) % 10 == 1)
        }
    }
}

fn nonzero(sum: u32) -> u32 {
    if sum == 0 { 10 } else { sum }
}

const FORMATS_MAX: usize = 16;
const LENGTH_MIN: u8 = 6;
const LENGTH_MAX: u8 = 32;
/// What `from_keys` looks at: the longest number with a hyphen after each digit.
const KEYS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(name: &str, length: u8, prefix: &str) -> ReceiptFormat {
        ReceiptFormat {
            name: name.into(),
            length,
            prefix: prefix.into(),
            groups: vec![],
            check: CheckDigit::None,
            second_factor: Default::default(),
        }
    }

    fn checked(check: CheckDigit) -> Formats {
        Formats::new(vec![ReceiptFormat { check, ..format("a", 10, "") }]).expect("sound")
    }

    #[test]
    fn a_number_of_the_right_length_and_prefix_is_a_receipt() {
        let formats = Formats::new(vec![format("city", 15, "4401"), format("province", 20, "")]).unwrap();
        let receipt = formats.from_keys("4401 0000-0000 123").unwrap();
        assert_eq!((receipt.number.expose().as_str(), receipt.format), ("440100000000123", 0));
        assert_eq!(formats.groups(&receipt), [4, 4, 4, 3]);
    }

    #[test]
    fn each_fault_of_a_number_has_its_own_error() {
        let formats = Formats::new(vec![format("city", 15, "4401"), format("province", 20, "")]).unwrap();
        assert_eq!(formats.from_keys("44010000"), Err(NumberError::Length { expected: 15, got: 8 }));
        assert_eq!(formats.from_keys("4401000000001234567"), Err(NumberError::Length { expected: 20, got: 19 }));
        assert_eq!(formats.from_keys("990100000000123"), Err(NumberError::Prefix));
        assert_eq!(formats.from_keys("44010000000012*"), Err(NumberError::Prefix));
    }

    #[test]
    fn all_diagnostics_about_formats_come_at_once() {
        let bad = vec![
            ReceiptFormat { groups: vec![4, 4], ..format("a", 15, "44") },
            format("a", 15, "4401"),
            format("c", 3, "GZ"),
        ];
        let errors = Formats::new(bad).unwrap_err();
        assert_eq!(errors.len(), 5, "{errors:?}");
        assert!(errors.contains(&FormatError::Ambiguous { first: 0, second: 1 }));
        assert_eq!(Formats::new(vec![]).unwrap_err(), [FormatError::Empty]);
    }

    #[test]
    fn published_check_digits_hold() {
        // ISO/IEC 7812-1 annex B's 7992739871-3; ISO/IEC 7064's 0794-5.
        assert!(adds_up(CheckDigit::Luhn, "79927398713"));
        assert!(!adds_up(CheckDigit::Luhn, "79927398710"));
        assert!(adds_up(CheckDigit::Mod11_10, "07945"));
        assert!(!adds_up(CheckDigit::Mod11_10, "07946"));
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(keys in ".{0,80}") {
            let _ = checked(CheckDigit::Luhn).from_keys(&keys);
            let _ = checked(CheckDigit::Mod11_10).from_keys(&keys);
        }

        #[test]
        fn exactly_one_last_digit_fits(body in "[0-9]{9}") {
            for check in [CheckDigit::Luhn, CheckDigit::Mod11_10] {
                let formats = checked(check);
                let fits = (0..10).filter(|last| formats.from_keys(&format!("{body}{last}")).is_ok()).count();
                prop_assert_eq!(fits, 1);
            }
        }

        #[test]
        fn one_wrong_digit_is_always_noticed(body in "[0-9]{10}", place in 0usize..10, other in 0u8..10) {
            for check in [CheckDigit::Luhn, CheckDigit::Mod11_10] {
                let formats = checked(check);
                let mut changed = body.clone().into_bytes();
                changed[place] = b'0' + other;
                let changed = String::from_utf8(changed).unwrap();
                if changed != body {
                    prop_assert!(formats.from_keys(&body).is_err() || formats.from_keys(&changed).is_err());
                }
            }
        }
    }
}
