//! The text form of a batch of changes: one JSON object a line.
//!
//! ```text
//!  {"batch":{"source":"intranet","sequence":7,"as_of":"2026-11-23T09:00:00Z","cases":2}}      (may be left out)
//!  {"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport", ...}
//!  {"receipt":"440100000000131","verifier":"0f...","stage":"ready", ...}
//! ```
//!
//! The error of an unusable row names its line and what to do, and never contains its values.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use inquiry::{Case, Factor, Formats, Keys, Pause, SecondFactor, Stage, Verifier};

use super::line_error::{CODE, DAY, LineError, check, read_json};
use super::row::Row;

/// One application, as an upstream sends it. `Debug` prints no value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// 6 to 32 digits.
    pub receipt: String,
    /// The last four of the identity document. One of this, `birth_date` and `verifier` must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_tail: Option<String>,
    /// The date of birth, yyyymmdd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// The second factor's keyed hash under this installation's key, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// Where the case stands.
    pub stage: Stage,
    /// The code of the document that is applied for.
    pub document: String,
    /// The code of the kind of application.
    pub case_type: String,
    /// The code of the hall that accepted it.
    pub hall: String,
    /// The day of acceptance.
    pub accepted_on: Date,
    /// The day on which the case came to its stage.
    pub stage_on: Date,
    /// When the clock of the promised day stood still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// Codes of the papers that are still needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// The last four characters of the waybill number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waybill_tail: Option<String>,
    /// Whether the applicant is a minor: then only the stage is disclosed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
    /// Grows with each change of the case; below 2^63.
    pub version: u64,
}

/// A batch's header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchHeader {
    /// The name of its source; absent: [`SPOOL`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its place among the batches of its source. A lower one than the last does not make the replica older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The upstream's time, up to which the replica holds everything once this batch is applied.
    pub as_of: Timestamp,
    /// How many rows follow: fewer or more is a torn file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<u64>,
}

/// A line of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedLine {
    /// The batch's header.
    Header(BatchHeader),
    /// One case.
    Case(Box<CaseRecord>),
    /// Nothing but blanks.
    Blank,
}

impl FeedLine {
    /// Reads a line without its end. `number` counts from 1.
    pub fn read(bytes: &[u8], number: u64) -> Result<FeedLine, LineError> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| LineError::Encoding)?;
        let text = text.trim_start_matches('\u{FEFF}').trim();
        if text.is_empty() {
            return Ok(FeedLine::Blank);
        }
        if is_header(text) {
            let HeaderLine { batch } = read_json(text)?;
            check(batch.source.as_deref().is_none_or(is_code), "batch.source", CODE)?;
            return if number == 1 { Ok(FeedLine::Header(batch)) } else { Err(LineError::LateHeader) };
        }
        let record: CaseRecord = read_json(text)?;
        record.check()?;
        Ok(FeedLine::Case(Box::new(record)))
    }
}

impl FeedLine {
    /// Whether a line holds nothing but blanks.
    pub fn is_blank(bytes: &[u8]) -> bool {
        let text = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
        text.iter().all(u8::is_ascii_whitespace) || std::str::from_utf8(text).is_ok_and(|text| text.trim().is_empty())
    }

    /// The receipt number of an unusable line, if that much is readable. The line need not be JSON, UTF-8 or complete:
    /// in any case it makes the stored row of this case outdated.
    pub fn receipt_of(line: &[u8]) -> Option<String> {
        let starts = line.windows(RECEIPT.len()).enumerate().filter(|(_, bytes)| *bytes == RECEIPT);
        starts.map(|(at, _)| &line[at + RECEIPT.len()..]).find_map(receipt_value)
    }
}

impl BatchHeader {
    /// The header as a line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(&HeaderLine { batch: self.clone() }).expect("a header holds nothing that JSON cannot")
    }
}

impl CaseRecord {
    /// The record as a line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("a record holds nothing that JSON cannot")
    }

    /// The row that the replica keeps: neither the receipt number nor the second factor is in it.
    pub fn to_row(&self, keys: &Keys) -> Result<Row, LineError> {
        let at = keys.row(&self.receipt);
        let case = Case {
            stage: self.stage,
            document: self.document.as_str().into(),
            case_type: self.case_type.as_str().into(),
            hall: self.hall.as_str().into(),
            accepted_on: self.accepted_on,
            stage_on: self.stage_on,
            pauses: self.pauses.clone(),
            items: self.items.iter().map(|item| item.as_str().into()).collect(),
            waybill_tail: self.waybill_tail.clone(),
            minor: self.minor,
            version: self.version,
        };
        Ok(Row { at, verifier: self.verifier(keys)?, case: Arc::new(case) })
    }

    /// Whether a caller of an installation with these receipt formats can ask for the case.
    pub fn can_be_asked_for(&self, formats: &Formats) -> bool {
        let factor = match (&self.id_tail, &self.birth_date) {
            (Some(_), None) => Some(SecondFactor::IdTail),
            (None, Some(_)) => Some(SecondFactor::BirthDate),
            _ => None,
        };
        formats.can_ask_for(&self.receipt, factor)
    }

    fn verifier(&self, keys: &Keys) -> Result<Verifier, LineError> {
        let read = |kind, field, entry: &str| {
            let factor = Factor::read(kind, entry);
            factor.map_err(|_| LineError::Field { field, wants: "not of this kind: see the format" })
        };
        let factor = match (&self.id_tail, &self.birth_date, &self.verifier) {
            (Some(tail), None, None) => read(SecondFactor::IdTail, "id_tail", tail)?,
            (None, Some(day), None) => read(SecondFactor::BirthDate, "birth_date", day)?,
            (None, None, Some(hex)) => {
                let verifier = Verifier::from_hex(hex).filter(|verifier| *verifier != Verifier::NONE);
                return verifier
                    .ok_or(LineError::Field { field: "verifier", wants: "must be 32 hex digits, not all 0" });
            }
            _ => {
                return Err(LineError::Field {
                    field: "id_tail, birth_date, verifier",
                    wants: "give exactly one of the three",
                });
            }
        };
        Ok(keys.verifier(&self.receipt, &factor))
    }

    /// Whether its fields hold what they may.
    pub(super) fn check(&self) -> Result<(), LineError> {
        check(is_receipt(&self.receipt), "receipt", "must be 6 to 32 digits")?;
        check(is_code(&self.document), "document", CODE)?;
        check(is_code(&self.case_type), "case_type", CODE)?;
        check(is_code(&self.hall), "hall", CODE)?;
        check(self.items.len() <= ITEMS_MAX, "items", "must be at most 32")?;
        check(self.items.iter().all(|item| is_code(item)), "items", CODE)?;
        check(is_day(self.accepted_on), "accepted_on", DAY)?;
        check(is_day(self.stage_on), "stage_on", DAY)?;
        check(self.stage_on >= self.accepted_on, "stage_on", "must not lie before accepted_on")?;
        check(self.pauses.len() <= PAUSES_MAX, "pauses", "must be at most 32")?;
        check(self.pauses.iter().all(is_pause), "pauses", "must end, if they end, on or after the day they began")?;
        let tail = |tail: &String| tail.len() == 4 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric());
        check(self.waybill_tail.as_ref().is_none_or(tail), "waybill_tail", "must be 4 letters or digits")?;
        check(i64::try_from(self.version).is_ok(), "version", "must be below 2^63")
    }
}

impl std::fmt::Debug for CaseRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseRecord").field("stage", &self.stage).field("version", &self.version).finish_non_exhaustive()
    }
}

/// The digits of a field's value, quoted or not.
fn receipt_value(rest: &[u8]) -> Option<String> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let receipt = std::str::from_utf8(&value[..digits]).ok()?;
    is_receipt(receipt).then(|| receipt.to_owned())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    batch: BatchHeader,
}

/// A case has no field `batch`, so a line that begins with it is a header.
fn is_header(text: &str) -> bool {
    let inside = text.strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with("\"batch\""))
}

pub(super) fn is_receipt(text: &str) -> bool {
    (6..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}

fn is_day(day: Date) -> bool {
    (1980..=2200).contains(&day.year())
}

fn is_pause(pause: &Pause) -> bool {
    is_day(pause.from) && pause.to.is_none_or(|to| is_day(to) && pause.from <= to)
}

/// The field that names a case.
const RECEIPT: &[u8] = b"\"receipt\"";
/// The source of a batch that names none.
pub const SPOOL: &str = "spool";
/// The source of the built-in sample, which the node itself vouches for.
pub const SAMPLE: &str = "sample";
/// The longest line; a case has some 300 bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
const ITEMS_MAX: usize = 32;
const PAUSES_MAX: usize = 32;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const CASE: &str = r#"{"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport",
        "case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":3}"#;

    fn read(text: &str) -> Result<FeedLine, LineError> {
        FeedLine::read(text.as_bytes(), 1)
    }

    #[test]
    fn a_broken_line_still_names_its_case_if_it_is_no_json_no_utf8_or_cut_off() {
        let own = |line: &[u8]| FeedLine::receipt_of(line);
        for rest in [&b"}"[..], b",\"version\":1e400}", b",\"hall\":\"\xff\xfe", b"}\0", b",\"receipt\":null,"] {
            let quoted = [&b"\xef\xbb\xbf{\"receipt\" : \"440100000000123\""[..], rest].concat();
            assert_eq!(own(&quoted).as_deref(), Some("440100000000123"));
        }
        assert_eq!(own(br#"{"delete":{"receipt":"440100000000123"},"x":1}"#).as_deref(), Some("440100000000123"));
        assert_eq!(own(br#"{"receipt":440100000000123}"#).as_deref(), Some("440100000000123"));
        for none in ["", "{\"receipt\"", "{\"receipt\":\"12345\"}", "{\"note\":\"\\\"receipt\\\":1234567\"}"] {
            assert_eq!(own(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_case_line_is_read_and_printed_back() {
        let Ok(FeedLine::Case(case)) = read(CASE) else { panic!("{:?}", read(CASE)) };
        assert_eq!((case.stage, case.version, case.minor), (Stage::Review, 3, false));
        assert_eq!(read(&case.to_line()), Ok(FeedLine::Case(case)));
    }

    #[test]
    fn a_header_is_read_on_the_first_line_only() {
        let text = r#" { "batch":{"sequence":7,"as_of":"2026-11-23T09:00:00+08:00","cases":2}}"#;
        let Ok(FeedLine::Header(header)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!((header.sequence, header.cases), (Some(7), Some(2)));
        assert_eq!(FeedLine::read(text.as_bytes(), 2), Err(LineError::LateHeader));
        assert_eq!(read(&header.to_line()), Ok(FeedLine::Header(header)));
    }

    #[test]
    fn an_error_never_quotes_a_value() {
        for (from, to) in [
            ("\"440100000000123\"", "9999888877776666"),
            ("\"review\"", "\"9999888877776666\""),
            ("\"hall\"", "\"9999888877776666\""),
            ("2026-11-04", "9999888877776666"),
            ("\"version\":3", "\"version\":\"9999888877776666\""),
        ] {
            let error = read(&CASE.replace(from, to)).unwrap_err().to_string();
            assert!(!error.contains("9999"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        for (from, to, field) in [
            ("440100000000123", "4401-00", "receipt"),
            ("\"passport\"", "\"Pass port\"", "document"),
            ("2026-11-04", "2026-10-04", "stage_on"),
            ("2026-11-02", "1911-11-02", "accepted_on"),
            ("\"version\":3", "\"version\":18446744073709551615", "version"),
            ("\"version\":3", "\"version\":3,\"waybill_tail\":\"12\"", "waybill_tail"),
            ("\"version\":3", "\"version\":3,\"pauses\":[{\"from\":\"2026-11-03\",\"to\":\"2026-11-02\"}]", "pauses"),
        ] {
            let error = read(&CASE.replace(from, to)).unwrap_err();
            assert!(matches!(error, LineError::Field { field: found, .. } if found == field), "{to}: {error}");
            assert!(!error.text().zh.contains("must"), "{}", error.text().zh);
        }
    }

    #[test]
    fn exactly_one_second_factor_makes_a_row() {
        let keys = Keys::new(&[1; 32]);
        let row = |factor: &str| match read(&CASE.replace("\"id_tail\":\"123X\"", factor)) {
            Ok(FeedLine::Case(case)) => case.to_row(&keys).map(|row| row.verifier),
            other => panic!("{other:?}"),
        };
        assert_eq!(row("\"id_tail\":\"123X\""), row("\"id_tail\":\"123*\""));
        assert!(row("\"birth_date\":\"19800131\"").is_ok());
        assert!(row("\"verifier\":\"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\"").is_ok());
        for bad in [
            "\"id_tail\":\"1234\",\"birth_date\":\"19800131\"",
            "\"minor\":true",
            "\"id_tail\":\"123\"",
            "\"verifier\":\"00000000000000000000000000000000\"",
        ] {
            assert!(row(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = FeedLine::read(&bytes, 1);
        }

        #[test]
        fn a_case_with_one_byte_changed_never_makes_it_panic(at in 0usize..250, byte in any::<u8>()) {
            let mut bytes = CASE.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(FeedLine::Case(case)) = FeedLine::read(&bytes, 2) {
                let _ = case.to_row(&Keys::new(&[1; 32]));
            }
        }
    }
}
