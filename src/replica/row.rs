//! A case as bytes in the replica's table.
//!
//! ```text
//!  form 1 │ checksum 4 │ receipt check 8 │ verifier 16 │ stage 1 │ flags 1 │ dates │ words │ pauses │ version
//! ```
//!
//! The checksum covers the row's key and everything after itself: a flipped bit, and a row that stands under another
//! key, are found when it is read (SQLite's own check sees neither). Words that nearly every case has take one byte:
//! some 45 bytes a case.

use std::sync::{Arc, LazyLock};

use jiff::civil::Date;

use inquiry::{Case, Pause, RowKey, Stage, Verifier};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The keyed hash of its receipt number.
    pub at: RowKey,
    /// The keyed hash of its second factor.
    pub verifier: Verifier,
    /// The case itself.
    pub case: Arc<Case>,
}

/// Why a row's bytes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The first byte names another form.
    #[error("a row in a form that this version does not know: rebuild the replica")]
    Form,
    /// The bytes or their key were damaged.
    #[error("a row's checksum does not match: the disk or the file is damaged, rebuild the replica")]
    Checksum,
    /// The checksum matches, but the fields cannot be read.
    #[error("a row whose checksum matches and whose content does not: rebuild the replica")]
    Content,
}

impl Row {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Row { at, verifier, case } = self;
        let mut out = Vec::with_capacity(96);
        out.push(FORM);
        out.extend([0; 4]);
        out.extend(at.check.to_be_bytes());
        out.extend(verifier.0);
        out.push(stage_code(case.stage));
        out.push(u8::from(case.minor) | u8::from(case.waybill_tail.is_some()) << 1);
        put_day(&mut out, case.accepted_on);
        put_day(&mut out, case.stage_on);
        for word in [&case.document, &case.case_type, &case.hall] {
            put_word(&mut out, word);
        }
        put_number(&mut out, case.items.len() as u64);
        case.items.iter().for_each(|item| put_word(&mut out, item));
        if let Some(tail) = &case.waybill_tail {
            put_word(&mut out, tail);
        }
        put_number(&mut out, case.pauses.len() as u64);
        for pause in &case.pauses {
            put_day(&mut out, pause.from);
            put_number(&mut out, pause.to.map_or(0, |to| day_number(to) + 1));
        }
        put_number(&mut out, case.version);
        let sum = checksum(at.key, &out[BODY..]);
        out[1..BODY].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// Reads the bytes that stand under a key.
    pub fn decode(key: i64, bytes: &[u8]) -> Result<Row, RowError> {
        Bytes(sound_body(key, bytes)?).row(key).ok_or(RowError::Content)
    }

    /// The receipt check of the bytes that stand under a key, without the rest; none when they are damaged.
    pub fn check_of(key: i64, bytes: &[u8]) -> Option<u64> {
        let body = sound_body(key, bytes).ok()?;
        Some(u64::from_be_bytes(body.get(..8)?.try_into().ok()?))
    }

    /// Whether the bytes that stand under a key are those that were written there.
    pub fn is_sound(key: i64, bytes: &[u8]) -> Result<(), RowError> {
        sound_body(key, bytes).map(drop)
    }
}

fn sound_body(key: i64, bytes: &[u8]) -> Result<&[u8], RowError> {
    if bytes.first() != Some(&FORM) {
        return Err(RowError::Form);
    }
    let sum = bytes.get(1..BODY).ok_or(RowError::Checksum)?;
    let body = &bytes[BODY..];
    if sum == checksum(key, body).to_be_bytes() { Ok(body) } else { Err(RowError::Checksum) }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn row(mut self, key: i64) -> Option<Row> {
        let check = u64::from_be_bytes(self.take(8)?.try_into().ok()?);
        let verifier = Verifier(self.take(16)?.try_into().ok()?);
        let stage = *Stage::ALL.get(usize::from(self.byte()?))?;
        let flags = self.byte()?;
        let (accepted_on, stage_on) = (self.day()?, self.day()?);
        let (document, case_type, hall) = (self.word()?, self.word()?, self.word()?);
        let items = (0..self.count()?).map(|_| self.word()).collect::<Option<_>>()?;
        let waybill_tail = if flags & 2 == 0 { None } else { Some(self.word()?.to_string()) };
        let pauses = (0..self.count()?).map(|_| self.pause()).collect::<Option<_>>()?;
        let version = self.number()?;
        let minor = flags & 1 != 0;
        let case = Case {
            stage,
            document,
            case_type,
            hall,
            accepted_on,
            stage_on,
            pauses,
            items,
            waybill_tail,
            minor,
            version,
        };
        self.0.is_empty().then_some(Row { at: RowKey { key, check }, verifier, case: Arc::new(case) })
    }

    fn take(&mut self, n: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// LEB128.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn count(&mut self) -> Option<u64> {
        self.number().filter(|count| *count <= COUNT_MAX)
    }

    fn word(&mut self) -> Option<Arc<str>> {
        let length = match self.byte()? {
            LONG => usize::try_from(self.number()?).ok()?,
            place if place & COMMON_BIT != 0 => return common(place & !COMMON_BIT),
            length => usize::from(length),
        };
        std::str::from_utf8(self.take(length)?).ok().map(Arc::from)
    }

    fn day(&mut self) -> Option<Date> {
        let number = self.number()?;
        day_of(number)
    }

    fn pause(&mut self) -> Option<Pause> {
        let from = self.day()?;
        let to = match self.number()? {
            0 => None,
            after => Some(day_of(after - 1)?),
        };
        Some(Pause { from, to })
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// One byte for a common word; else its length, after [`LONG`] where that is not one small byte.
fn put_word(out: &mut Vec<u8>, word: &str) {
    if let Some(place) = COMMON.iter().position(|common| *common == word) {
        return out.push(COMMON_BIT | place as u8);
    }
    if word.len() >= usize::from(COMMON_BIT) {
        out.push(LONG);
    }
    put_number(out, word.len() as u64);
    out.extend(word.as_bytes());
}

/// The common words, shared by all rows in memory.
fn common(place: u8) -> Option<Arc<str>> {
    static WORDS: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| COMMON.iter().map(|word| Arc::from(*word)).collect());
    WORDS.get(usize::from(place)).cloned()
}

fn put_day(out: &mut Vec<u8>, day: Date) {
    put_number(out, day_number(day));
}

fn stage_code(stage: Stage) -> u8 {
    Stage::ALL.iter().position(|other| *other == stage).expect("ALL holds every stage") as u8
}

/// Days since [`FIRST_DAY`]; an earlier day is that day.
fn day_number(day: Date) -> u64 {
    u64::try_from(day.duration_since(FIRST_DAY).as_hours() / 24).unwrap_or_default()
}

fn day_of(number: u64) -> Option<Date> {
    let days = i64::try_from(number).ok().filter(|days| *days <= DAYS_MAX)?;
    FIRST_DAY.checked_add(jiff::SignedDuration::from_hours(24 * days)).ok()
}

/// CRC-32 (ISO 3309) of the key and the body.
pub(super) fn checksum(key: i64, body: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| CRC[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
    !key.to_be_bytes().iter().chain(body).fold(!0, step)
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut sum = n as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[n] = sum;
        n += 1;
    }
    table
};

const FORM: u8 = 1;
/// A byte with this bit is a common word.
const COMMON_BIT: u8 = 0x80;
/// A word's length follows as a number.
const LONG: u8 = 0xFF;
/// Part of form 1: words may be added at the end, at most 127, and none may go. Any other word is written out.
const COMMON: [&str; 32] = [
    "passport",
    "hkmo_permit",
    "hkmo_endorsement",
    "taiwan_permit",
    "taiwan_endorsement",
    "visa",
    "residence_permit",
    "new",
    "renewal",
    "replacement",
    "cross_province",
    "self_service",
    "central",
    "north",
    "south",
    "east",
    "west",
    "photo",
    "id_copy",
    "id_original",
    "household",
    "old_document",
    "guardian",
    "birth",
    "kinship",
    "employer",
    "invitation",
    "lodging",
    "health",
    "work_permit",
    "form",
    "other",
];
/// Where the body begins: after the form and the checksum.
const BODY: usize = 5;
const COUNT_MAX: u64 = 32;
const FIRST_DAY: Date = Date::constant(1980, 1, 1);
/// Past the year 2200.
const DAYS_MAX: i64 = 366 * 230;

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn days()(n in 0i64..80_000) -> Date { FIRST_DAY.saturating_add(jiff::Span::new().days(n)) }
    }
    prop_compose! {
        fn pauses()(from in days(), to in proptest::option::of(days())) -> Pause { Pause { from, to } }
    }
    prop_compose! {
        fn rows()(
            key in 0i64.., check in any::<u64>(), verifier in any::<[u8; 16]>(), stage in 0usize..8,
            words in proptest::collection::vec("[a-z_]{1,40}|passport|form|[a-z]{120,300}", 3), accepted_on in days(), stage_on in days(),
            pauses in proptest::collection::vec(pauses(), 0..4), items in proptest::collection::vec("[a-z]{1,9}", 0..5),
            waybill_tail in proptest::option::of("[0-9]{4}"), minor in any::<bool>(), version in any::<u64>(),
        ) -> Row {
            let word = |n: usize| words[n].as_str().into();
            let items = items.iter().map(|item| item.as_str().into()).collect();
            let case = Case {
                stage: Stage::ALL[stage], document: word(0), case_type: word(1), hall: word(2), accepted_on, stage_on,
                pauses, items, waybill_tail, minor, version,
            };
            Row { at: RowKey { key, check }, verifier: Verifier(verifier), case: Arc::new(case) }
        }
    }

    fn row() -> Row {
        let case = Case {
            stage: Stage::Review,
            document: "hkmo_endorsement".into(),
            case_type: "renewal".into(),
            hall: "central".into(),
            accepted_on: date(2026, 11, 2),
            stage_on: date(2026, 11, 4),
            pauses: vec![],
            items: vec![],
            waybill_tail: None,
            minor: false,
            version: 3,
        };
        Row { at: RowKey { key: 5, check: 6 }, verifier: Verifier([7; 16]), case: Arc::new(case) }
    }

    #[test]
    fn the_checksum_is_the_published_crc() {
        // CRC-32's check value is of the text "123456789"; its first eight bytes stand for the key here.
        assert_eq!(checksum(i64::from_be_bytes(*b"12345678"), b"9"), 0xCBF4_3926);
    }

    #[test]
    fn a_common_row_is_small() {
        assert!(row().encode().len() <= 45, "{} bytes", row().encode().len());
    }

    #[test]
    fn a_row_under_another_key_is_detected() {
        assert_eq!(Row::decode(6, &row().encode()), Err(RowError::Checksum));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(row in rows()) {
            let bytes = row.encode();
            prop_assert_eq!(Row::check_of(row.at.key, &bytes), Some(row.at.check));
            prop_assert_eq!(Row::decode(row.at.key, &bytes), Ok(row));
        }

        #[test]
        fn one_flipped_bit_is_found_out(bit in 0usize..360) {
            let mut bytes = row().encode();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Row::decode(5, &bytes).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Row::decode(5, &bytes);
            let _ = Bytes(&bytes).row(5);
        }
    }
}
