//! Reads a scanner's text as a receipt number, or says what it is, so that the kiosk can help.
//!
//! ```text
//!  bytes ─ bounded ─ narrow ─ unframe ─┬─ receipt of a format      ─► Receipt
//!                    (ａ→a)  (]C0, *,  ├─ text of a known QR form  ─► Receipt
//!                             prefix,  ├─ identity card number     ─► IdCard
//!                             CR LF)   ├─ express waybill          ─► Waybill
//!                                      └─ anything else            ─► Unreadable
//! ```
//!
//! A QR code can hold any text: a number is taken out of it by a configured pattern only, and no address is opened. A text
//! that is nothing so is read once more with its cases exchanged, as a keyboard wedge types it with Caps Lock on, and
//! one that holds the same code several times, as a scanner without a suffix that reads it again does, is that code.

use super::format::Formats;
use super::narrow::narrowed;
use super::qr_pattern::{QrPattern, exchanged};
use super::receipt::{NumberError, Receipt};
use super::scan_rule_error::ScanRuleError;

/// What scanners add around a code, by configuration.
#[derive(Clone, Debug, Default)]
pub struct ScanRules {
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    patterns: Vec<QrPattern>,
}

/// What a scan turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A receipt number.
    Receipt(Receipt),
    /// An express waybill: the receipt is another label.
    Waybill,
    /// An identity card's number; it is not kept.
    IdCard,
    /// Something else.
    Unreadable(ScanFault),
}

/// Why a scan is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanFault {
    /// There is no text.
    Empty,
    /// Longer than any code that is printed on a receipt.
    TooLong,
    /// Digits, but no receipt number.
    Number(NumberError),
    /// Something else: a web address, a name card.
    Other,
}

impl ScanRules {
    /// Checks the rules. A pattern is literal text with `{receipt}` where the number stands.
    pub fn new(
        prefixes: Vec<String>,
        suffixes: Vec<String>,
        qr_patterns: &[String],
    ) -> Result<ScanRules, Vec<ScanRuleError>> {
        let mut errors = Vec::new();
        if prefixes.iter().chain(&suffixes).any(String::is_empty) {
            errors.push(ScanRuleError::Empty);
        }
        let mut patterns = Vec::new();
        for pattern in qr_patterns {
            match QrPattern::new(pattern) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(ScanRules { prefixes, suffixes, patterns }) } else { Err(errors) }
    }
}

impl Formats {
    /// Reads what a scanner sent.
    pub fn from_scan(&self, text: &str, rules: &ScanRules) -> Scanned {
        if text.len() > SCAN_BYTES_MAX {
            return Scanned::Unreadable(ScanFault::TooLong);
        }
        let narrow: String = narrowed(text);
        let framed = trim(&narrow);
        if framed.is_empty() {
            return Scanned::Unreadable(ScanFault::Empty);
        }
        let once = once(framed);
        let found = self.receipt(framed, rules).or_else(|| self.receipt(once?, rules));
        match found.or_else(|| self.receipt(&with_caps_lock(framed)?, rules)) {
            Some(receipt) => Scanned::Receipt(receipt),
            None => self.other(unframe(once.unwrap_or(framed), rules)),
        }
    }

    fn receipt(&self, framed: &str, rules: &ScanRules) -> Option<Receipt> {
        // A configured prefix may look like the start of a number, so the code as it is comes first.
        let bare = unframe(framed, rules);
        let coded = [framed, bare].into_iter().find_map(|code| self.of_code(code));
        let in_pattern = |pattern: &QrPattern| self.from_keys(&pattern.number(bare)?).ok();
        coded.or_else(|| rules.patterns.iter().find_map(in_pattern))
    }

    fn of_code(&self, code: &str) -> Option<Receipt> {
        if let Ok(receipt) = self.from_keys(code) {
            return Some(receipt);
        }
        // Interleaved 2 of 5 holds pairs of digits: a number of odd length is printed with a 0 before it.
        let unpadded = code.strip_prefix('0')?;
        let receipt = self.from_keys(unpadded).ok()?;
        (receipt.number.expose().len() % 2 == 1).then_some(receipt)
    }

    fn other(&self, code: &str) -> Scanned {
        let plain: String = code.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if is_id_card(&plain) {
            Scanned::IdCard
        } else if is_waybill(&plain) {
            Scanned::Waybill
        } else if !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            let error = self.from_keys(&plain).err().unwrap_or(NumberError::Prefix);
            Scanned::Unreadable(ScanFault::Number(error))
        } else {
            Scanned::Unreadable(ScanFault::Other)
        }
    }
}

/// The code that a text holds twice or more, with a line break or a space between, or nothing.
fn once(text: &str) -> Option<&str> {
    let mut lines = text.split(|c: char| c.is_control()).map(trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let mut others = lines.peekable();
    if others.peek().is_some() {
        return others.all(|line| line == first).then_some(first);
    }
    (2..=COPIES_MAX).find_map(|copies| copied(text, copies))
}

/// The code that a text consists of so many copies of, with a space between them or without.
fn copied(text: &str, copies: usize) -> Option<&str> {
    let of = |gap: usize| {
        let letters = text.len().checked_sub(gap * (copies - 1)).filter(|letters| letters % copies == 0)?;
        let first = text.get(..letters / copies)?;
        let is_whole = first.len() >= COPY_BYTES_MIN && !first.ends_with(' ');
        let all = [first].repeat(copies).join(&" "[..gap]);
        (is_whole && all == text).then_some(first)
    };
    of(0).or_else(|| of(1))
}

/// The text that was meant, if a keyboard wedge typed it with Caps Lock on; `None` for an address whose scheme is in small
/// letters, since the case of its path counts.
fn with_caps_lock(text: &str) -> Option<String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    let is_small = scheme.is_some_and(|scheme| scheme.ends_with(|c: char| c.is_ascii_lowercase()));
    (!is_small).then(|| exchanged(text))
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{FEFF}')
}

/// Removes what the scanner is configured to add, in any order.
fn unframe<'a>(text: &'a str, rules: &ScanRules) -> &'a str {
    let mut code = text;
    for _ in 0..FRAMES_MAX {
        let before = code;
        code = trim(without_aim(code));
        code = longest(&rules.prefixes, |prefix| code.strip_prefix(prefix)).unwrap_or(code);
        code = longest(&rules.suffixes, |suffix| code.strip_suffix(suffix)).unwrap_or(code);
        code = trim(code);
        if code == before {
            break;
        }
    }
    // Code 39 begins and ends with a star, which some scanners send.
    code.strip_prefix('*').and_then(|code| code.strip_suffix('*')).map_or(code, trim)
}

/// The shortest rest is what the longest match leaves.
fn longest<'a>(affixes: &[String], strip: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    affixes.iter().filter_map(|affix| strip(affix)).min_by_key(|rest| rest.len())
}

/// ISO/IEC 15424: `]`, a letter for the symbology, a modifier.
fn without_aim(code: &str) -> &str {
    match code.as_bytes() {
        [b']', symbology, modifier, ..] if symbology.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() => {
            &code[3..]
        }
        _ => code,
    }
}

/// GB 11643: 17 digits and a check character by ISO 7064 MOD 11-2, with a date of birth inside.
fn is_id_card(code: &str) -> bool {
    let bytes = code.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum = bytes[..17].iter().fold(0, |sum: u32, byte| (sum + u32::from(byte - b'0')) * 2 % 11);
    let check = match (12 - sum) % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    };
    bytes[17].to_ascii_uppercase() == check && super::factor::is_birth_date(&code[6..14])
}

/// UPU S10 (`EA123456789CN`), or the numbers of common express firms (`SF` and 12 to 15 digits and the like).
fn is_waybill(code: &str) -> bool {
    let bytes = code.as_bytes();
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let letters = |part: &[u8]| part.iter().all(u8::is_ascii_alphabetic);
    match bytes.len() {
        13 if letters(&bytes[..2]) && digits(&bytes[2..11]) && letters(&bytes[11..]) => true,
        length => {
            let firm = |name: &&str| code.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
            FIRMS
                .iter()
                .find(|name| firm(name))
                .is_some_and(|name| (12..=15).contains(&(length - name.len())) && digits(&bytes[name.len()..]))
        }
    }
}

/// Longer than any receipt's code, and than any QR text with an address and a number.
const SCAN_BYTES_MAX: usize = 512;
/// A scanner that holds a code in its light sends it again and again; more than these are something else.
const COPIES_MAX: usize = 9;
/// No code is shorter; the digits of one number may repeat.
const COPY_BYTES_MIN: usize = 4;
/// Prefix, AIM identifier and suffix in any order are three.
const FRAMES_MAX: usize = 4;
const FIRMS: [&str; 7] = ["SF", "JDV", "JD", "YT", "ZTO", "STO", "EMS"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ReceiptFormat;

    fn formats() -> Formats {
        let format = |name: &str, length, prefix: &str| ReceiptFormat {
            name: name.into(),
            length,
            prefix: prefix.into(),
            groups: vec![],
            check: Default::default(),
            second_factor: Default::default(),
        };
        Formats::new(vec![format("city", 15, "4401"), format("province", 20, "44")]).expect("sound")
    }

    fn rules() -> ScanRules {
        let patterns = ["https://jz.example/r?n={receipt}&v=1".into(), "https://jz.example/r/{receipt}".into()];
        ScanRules::new(vec!["K1:".into()], vec!["$".into()], &patterns).unwrap()
    }

    fn scan(text: &str) -> Scanned {
        formats().from_scan(text, &rules())
    }

    fn number(text: &str) -> String {
        match scan(text) {
            Scanned::Receipt(receipt) => receipt.number.into_inner(),
            other => panic!("{text:?} is {other:?}"),
        }
    }

    const PLAIN: &str = "440100000000123";

    #[test]
    fn what_a_scanner_adds_is_removed() {
        let framings = [
            "440100000000123\r\n",
            "440100000000123\t",
            "]C0440100000000123\r",
            "]C1440100000000123",
            "]I00440100000000123",
            "]A0*440100000000123*",
            "*440100000000123*",
            "K1:440100000000123$",
            "]C0K1:440100000000123$\r",
            "K1:]C0440100000000123",
            "4401-0000-0000-123",
            "4401 0000 0000 123",
            "４４０１００００００００１２３",
            "］Ｃ０４４０１００００００００１２３",
            "0440100000000123",
            "]Q1https://jz.example/r?n=440100000000123&v=1",
            "]Q1HTTPS://JZ.EXAMPLE/R/440100000000123",
            "]q1HTTPS://JZ.EXAMPLE/R/440100000000123\r",
            "https：／／jz。example／r/440100000000123",
            "https：、、jz。example、r、440100000000123",
            "k1:440100000000123$",
            "440100000000123440100000000123",
            "440100000000123440100000000123440100000000123",
            "440100000000123 440100000000123",
            "440100000000123 440100000000123 440100000000123\r",
            "\u{2066}4401\u{2009}0000\u{202F}0000\u{2009}123\u{2069}\u{FE0F}",
            "440100000000123\r440100000000123\r",
            "]C0440100000000123\r\n]C0440100000000123\r\n",
            "4401\u{200B}0000000\u{200E}0123",
            "٤٤٠١٠٠٠٠٠٠٠٠١٢٣",
            "\u{FEFF}440100000000123\u{0}",
        ];
        for text in framings {
            assert_eq!(number(text), PLAIN, "{text:?}");
        }
    }

    #[test]
    fn zeros_of_the_number_itself_are_kept() {
        assert_eq!(number("44010000000000000000"), "44010000000000000000");
        assert!(matches!(scan("00440100000000123"), Scanned::Unreadable(ScanFault::Number(_))), "two zeros are no pad");
    }

    #[test]
    fn an_address_that_is_not_allow_listed_gives_no_number() {
        for text in [
            "https://evil.example/r?n=440100000000123&v=1",
            "https://jz.example/r?n=440100000000123&v=1&next=x",
            "https://jz.example/R/440100000000123",
            "https://jz.example@evil.example/r/440100000000123",
            "receipt 440100000000123",
            "440100000000123\r440100000000124",
        ] {
            assert_eq!(scan(text), Scanned::Unreadable(ScanFault::Other), "{text}");
        }
    }

    #[test]
    fn other_labels_and_cards_are_recognised() {
        for waybill in ["EA123456789CN", "ea123456789cn", "SF1234567890123", "]C0SF123456789012", "JDVA12345678901"] {
            let expected =
                if waybill.starts_with("JDVA") { Scanned::Unreadable(ScanFault::Other) } else { Scanned::Waybill };
            assert_eq!(scan(waybill), expected, "{waybill}");
        }
        // GB 11643's own example, and one with a wrong check character.
        assert_eq!(scan("11010519491231002X"), Scanned::IdCard);
        assert_eq!(scan("11010519491231002x\r\n"), Scanned::IdCard);
        assert!(matches!(scan("110105194912310021"), Scanned::Unreadable(_)));
    }

    #[test]
    fn long_and_empty_scans_are_refused() {
        assert_eq!(scan(&"4".repeat(513)), Scanned::Unreadable(ScanFault::TooLong));
        assert_eq!(scan("\r\n"), Scanned::Unreadable(ScanFault::Empty));
        assert_eq!(scan("12345"), Scanned::Unreadable(ScanFault::Number(NumberError::Length { expected: 15, got: 5 })));
    }

    #[test]
    fn a_pattern_without_its_slot_is_refused() {
        let errors = ScanRules::new(vec!["".into()], vec![], &["x".into(), "{receipt}{receipt}".into()]).unwrap_err();
        assert_eq!(errors.len(), 3);
    }

    proptest! {
        #[test]
        fn no_scan_makes_it_panic(text in "\\PC{0,60}|[\\]*\\x00-\\x7f]{0,40}|[０-９Ａ-Ｚ］＊]{0,40}") {
            let _ = scan(&text);
        }

        #[test]
        fn a_number_survives_every_framing(
            tail in "[0-9]{11}", aim in "|\\]C0|\\]C1|\\]A0|\\]I0|\\]Q1", prefix in "|K1:", end in "|\r|\n|\r\n|\t",
        ) {
            let plain = format!("4401{tail}");
            prop_assert_eq!(number(&format!("{prefix}{aim}{plain}{end}")), plain);
        }
    }
}
