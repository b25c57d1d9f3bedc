//! Which column of the upstream's table is which field of a case, and what its codes mean here.
//!
//! ```text
//!  a row of the table ─ columns ─► texts ─ code tables ─► CaseRecord, or why it cannot be one
//! ```
//!
//! The upstream's codes map many to one. A code that no table knows makes its row unusable: nothing is guessed. The
//! error of such a row names the column, and the code only if it cannot be a person's number.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::CaseRecord;
use base::{Private, tag};
use inquiry::{SecondFactor, Stage};

use super::case_field::{CaseField, ROLES};
use super::message::{Field, StreamColumn};
use super::value;

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A column of this name.
    Column(String),
    /// The same for every case.
    Fixed(String),
}

/// What the factor's column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// The number of the identity document, or its end; the last four are taken.
    IdTail,
    /// A date of birth.
    BirthDate,
    /// The keyed hash itself, 32 hex digits.
    Verifier,
}

/// The mapping of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// What the factor's column holds.
    pub factor: FactorKind,
    /// By role; a role that is not there has no value.
    pub origins: BTreeMap<CaseField, Origin>,
    /// The upstream's codes → stages; empty: the codes are equal.
    pub stages: BTreeMap<String, Stage>,
    /// The upstream's codes → documents; empty: the codes are equal.
    pub documents: BTreeMap<String, String>,
    /// The upstream's codes → case types; empty: the codes are equal.
    pub case_types: BTreeMap<String, String>,
    /// The upstream's codes → halls; empty: the codes are equal.
    pub halls: BTreeMap<String, String>,
    /// The upstream's codes → papers; empty: the codes are equal.
    pub items: BTreeMap<String, String>,
}

/// A mapping held against the columns of a table: where each role's value stands in a row.
#[derive(Clone, Debug)]
pub struct Bound {
    places: [Source; ROLES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Column(usize),
    Fixed,
    Absent,
}

/// Why a row is no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// A large value was not sent with the change: the row must be asked for.
    Incomplete(Private<String>),
    /// It cannot be used. One whose receipt number cannot be read has a name of its own, if enough of it came.
    Bad {
        /// The receipt number, if it can be read.
        receipt: Option<Private<String>>,
        /// The row's own name ([`Mapping::nameless`]), if the number cannot be read.
        nameless: Option<String>,
        /// Field and reason; no value is quoted.
        why: String,
    },
}

/// A mapped column that the table does not have, or has in a type that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// There is no column of this name.
    #[error(
        "column {0} is not there: rename it back, or change replica.postgres.columns (\"\" for a field that the table does not have)"
    )]
    Missing(String),
    /// A column's type cannot be read as its field.
    #[error("column {column} has a type that cannot be {what}: change it back, or map another column")]
    Type {
        /// The column's name.
        column: String,
        /// The field's name in the settings.
        what: &'static str,
    },
    /// The replica identity does not hold this column.
    #[error("a delete does not tell column {0}: set the table's REPLICA IDENTITY to FULL, or to a unique index on it")]
    NotInIdentity(String),
}

impl Mapping {
    /// The columns that are read, in the order of [`CaseField::ALL`], each once for each role.
    pub fn columns(&self) -> impl Iterator<Item = (CaseField, &str)> {
        CaseField::ALL.into_iter().filter_map(|role| match self.origins.get(&role)? {
            Origin::Column(name) => Some((role, name.as_str())),
            Origin::Fixed(_) => None,
        })
    }

    /// The column of the receipt number.
    pub fn receipt_column(&self) -> &str {
        self.columns().find(|(role, _)| *role == CaseField::Receipt).map_or("", |(_, name)| name)
    }

    /// A hash of everything that decides what a row becomes: if it changes, every row must be read again.
    pub fn fingerprint(&self, row_filter: Option<&str>) -> String {
        let digest = Sha256::digest(format!("1 {self:?} {row_filter:?}"));
        base::hex(&digest[..8])
    }

    /// Holds the mapping against a table's columns.
    pub fn bind(&self, columns: &[StreamColumn]) -> Result<Bound, Vec<Drift>> {
        let mut drifts = Vec::new();
        let places = CaseField::ALL.map(|role| match self.origins.get(&role) {
            None => Source::Absent,
            Some(Origin::Fixed(_)) => Source::Fixed,
            Some(Origin::Column(name)) => match columns.iter().position(|column| column.name == *name) {
                Some(at) if role.reads(columns[at].type_id) => Source::Column(at),
                Some(_) => {
                    drifts.push(Drift::Type { column: name.clone(), what: role.name() });
                    Source::Absent
                }
                None => {
                    drifts.push(Drift::Missing(name.clone()));
                    Source::Absent
                }
            },
        });
        let receipt = self.receipt_column();
        if columns.iter().any(|column| column.name == receipt && !column.is_identity) {
            drifts.push(Drift::NotInIdentity(receipt.to_owned()));
        }
        if drifts.is_empty() { Ok(Bound { places }) } else { Err(drifts) }
    }

    /// For rows that hold just the columns of [`Mapping::columns`], in that order.
    pub fn bind_copied(&self) -> Bound {
        let mut next = 0..;
        let places = CaseField::ALL.map(|role| match self.origins.get(&role) {
            None => Source::Absent,
            Some(Origin::Fixed(_)) => Source::Fixed,
            Some(Origin::Column(_)) => Source::Column(next.next().unwrap_or_default()),
        });
        Bound { places }
    }

    /// The receipt number of a row, in its one spelling.
    pub fn receipt(&self, bound: &Bound, row: &[Field<'_>]) -> Option<Private<String>> {
        let Source::Column(at) = bound.places[CaseField::Receipt as usize] else { return None };
        let Field::Text(bytes) = row.get(at)? else { return None };
        receipt(std::str::from_utf8(bytes).ok()?)
    }

    /// Identifies a row without a readable receipt number: by the text in the number's place, or, if there is none, by
    /// all mapped columns. None: the number is readable, or the message holds too little of the row.
    pub fn nameless(&self, bound: &Bound, row: &[Field<'_>]) -> Option<String> {
        let Source::Column(at) = bound.places[CaseField::Receipt as usize] else { return None };
        if self.receipt(bound, row).is_some() {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(Field::Text(bytes)) = row.get(at) {
            return Some(format!("{NAMELESS}{}", tag(&text(bytes))));
        }
        let mut whole = String::new();
        for place in bound.places {
            match place {
                Source::Column(at) => match row.get(at)? {
                    Field::Text(bytes) => whole += &text(bytes),
                    Field::Null => {}
                    Field::Unchanged => return None,
                },
                Source::Fixed | Source::Absent => {}
            }
            whole.push('\u{1f}');
        }
        Some(format!("{NAMELESS}{}", tag(&whole)))
    }

    /// The case that a row holds.
    pub fn case(&self, bound: &Bound, row: &[Field<'_>]) -> Result<CaseRecord, Unmapped> {
        let receipt = self.receipt(bound, row);
        let reading = RowReader { mapping: self, bound, row };
        let bad = |why: String| Unmapped::Bad { receipt: receipt.clone(), nameless: self.nameless(bound, row), why };
        if reading.is_incomplete() {
            return Err(match receipt {
                Some(receipt) => Unmapped::Incomplete(receipt),
                None => bad("receipt: cannot be read".into()),
            });
        }
        let number = receipt.clone().ok_or_else(|| bad(why(CaseField::Receipt, "must be 6 to 32 digits")))?;
        let record = reading.record(number.into_inner()).map_err(bad)?;
        record.check().map_err(|error| bad(error.to_string()))?;
        Ok(record)
    }
}

/// What proves a case, by one of the three.
#[derive(Default)]
struct Proven {
    id_tail: Option<String>,
    birth_date: Option<String>,
    verifier: Option<String>,
}

/// A row being read.
struct RowReader<'a> {
    mapping: &'a Mapping,
    bound: &'a Bound,
    row: &'a [Field<'a>],
}

impl<'a> RowReader<'a> {
    fn is_incomplete(&self) -> bool {
        self.bound.places.iter().any(|place| match place {
            Source::Column(at) => self.row.get(*at) == Some(&Field::Unchanged),
            Source::Fixed | Source::Absent => false,
        })
    }

    /// The text of a role's value; none when it is NULL or nothing but blanks.
    fn text(&self, role: CaseField) -> Result<Option<&'a str>, String> {
        let text = match self.bound.places[role as usize] {
            Source::Absent => return Ok(None),
            Source::Fixed => match self.mapping.origins.get(&role) {
                Some(Origin::Fixed(text)) => text.as_str(),
                Some(Origin::Column(_)) | None => return Ok(None),
            },
            Source::Column(at) => match self.row.get(at) {
                Some(Field::Text(bytes)) => {
                    std::str::from_utf8(bytes).map_err(|_| why(role, "is not UTF-8: mend it upstream"))?
                }
                Some(Field::Null | Field::Unchanged) | None => return Ok(None),
            },
        };
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    fn record(&self, receipt: String) -> Result<CaseRecord, String> {
        let map = self.mapping;
        let accepted_on = self.day(CaseField::AcceptedOn)?.ok_or_else(|| why(CaseField::AcceptedOn, "is missing"))?;
        let Proven { id_tail, birth_date, verifier } = self.factor()?;
        let waybill = self.text(CaseField::Waybill)?;
        Ok(CaseRecord {
            receipt,
            id_tail,
            birth_date,
            verifier,
            stage: self.stage()?,
            document: self.code(CaseField::Document, &map.documents)?,
            case_type: self.code(CaseField::CaseType, &map.case_types)?,
            hall: self.code(CaseField::Hall, &map.halls)?,
            accepted_on,
            stage_on: self.day(CaseField::StageOn)?.unwrap_or(accepted_on),
            pauses: self.list(CaseField::Pauses, value::pauses, "must be JSON or ranges of dates")?,
            items: self.items()?,
            waybill_tail: waybill.map(waybill_tail),
            minor: self.minor()?,
            version: self.version()?,
        })
    }

    fn day(&self, role: CaseField) -> Result<Option<jiff::civil::Date>, String> {
        self.text(role)?.map(|text| value::day(text).ok_or_else(|| why(role, "is not a date"))).transpose()
    }

    fn factor(&self) -> Result<Proven, String> {
        let text = self.text(CaseField::Factor)?.ok_or("the second factor is missing")?;
        let wrong = |what: &str| format!("the second factor {what}");
        match self.mapping.factor {
            FactorKind::IdTail => {
                let tail = last_four(text);
                inquiry::Factor::read(SecondFactor::IdTail, &tail)
                    .map_err(|_| wrong("must end in four letters or digits"))?;
                Ok(Proven { id_tail: Some(tail), ..Proven::default() })
            }
            FactorKind::BirthDate => {
                let day = value::day(text).ok_or_else(|| wrong("is not a date"))?;
                Ok(Proven { birth_date: Some(day.strftime("%Y%m%d").to_string()), ..Proven::default() })
            }
            FactorKind::Verifier => {
                let hex = text.trim_start_matches("\\x");
                inquiry::Verifier::from_hex(hex)
                    .filter(|verifier| *verifier != inquiry::Verifier::NONE)
                    .ok_or_else(|| wrong("must be 32 hex digits, not all 0"))?;
                Ok(Proven { verifier: Some(hex.to_owned()), ..Proven::default() })
            }
        }
    }

    fn stage(&self) -> Result<Stage, String> {
        let code = self.text(CaseField::Stage)?.unwrap_or_default();
        let stages = &self.mapping.stages;
        let found = match stages.get(code).or_else(|| stages.get(ANY)) {
            Some(stage) => Some(*stage),
            None if stages.is_empty() => Stage::ALL.into_iter().find(|stage| stage.code() == code),
            None => None,
        };
        found.ok_or_else(|| unknown(CaseField::Stage, code, "replica.postgres.stages"))
    }

    fn code(&self, role: CaseField, table: &BTreeMap<String, String>) -> Result<String, String> {
        let code = self.text(role)?.unwrap_or_default();
        let fixed = self.bound.places[role as usize] == Source::Fixed;
        match table.get(code).or_else(|| table.get(ANY)) {
            Some(found) => Ok(found.clone()),
            None if (table.is_empty() || fixed) && !code.is_empty() => Ok(code.to_owned()),
            None => Err(unknown(role, code, &format!("replica.postgres.{}s", role.name()))),
        }
    }

    fn items(&self) -> Result<Vec<String>, String> {
        let words = self.list(CaseField::Items, value::words, "must be an array, JSON, or words with commas")?;
        let table = &self.mapping.items;
        let word = |word: String| match table.get(&word).or_else(|| table.get(ANY)) {
            Some(found) => Ok(found.clone()),
            None if table.is_empty() => Ok(word),
            None => Err(unknown(CaseField::Items, &word, "replica.postgres.items")),
        };
        words.into_iter().map(word).collect()
    }

    fn list<T>(&self, role: CaseField, read: fn(&str) -> Option<Vec<T>>, wants: &str) -> Result<Vec<T>, String> {
        let text = self.text(role)?;
        text.map_or_else(|| Ok(Vec::new()), |text| read(text).ok_or_else(|| why(role, wants)))
    }

    /// If the column exists and is NULL, the applicant may be a child: the answer is the stage alone.
    fn minor(&self) -> Result<bool, String> {
        let absent = self.bound.places[CaseField::Minor as usize] == Source::Absent;
        match self.text(CaseField::Minor)? {
            None => Ok(!absent),
            Some(text) => value::truth(text).ok_or_else(|| why(CaseField::Minor, "must be yes or no")),
        }
    }

    /// A whole number, or a time as its microseconds.
    fn version(&self) -> Result<u64, String> {
        let Some(text) = self.text(CaseField::Version)? else { return Ok(0) };
        let time = || {
            let plain = text.get(..text.rfind(['+']).unwrap_or(text.len()))?;
            let time: jiff::civil::DateTime = plain.parse().ok()?;
            let micros = jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_microsecond();
            u64::try_from(micros).ok()
        };
        text.parse().ok().or_else(time).ok_or_else(|| why(CaseField::Version, "must be a whole number or a time"))
    }
}

/// A receipt number in its one spelling: digits alone.
pub fn receipt(text: &str) -> Option<Private<String>> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let sound = (6..=32).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| Private::new(digits))
}

fn last_four(text: &str) -> String {
    let from = text.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    text[from..].to_ascii_uppercase()
}

/// The last four digits of a waybill: `EA123456789CN` (UPU S10) ends in letters, which have no recordings.
fn waybill_tail(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    last_four(if digits.len() < 4 { text } else { &digits })
}

fn why(role: CaseField, what: &str) -> String {
    format!("{}: {what}", role.name())
}

/// Names the code if it is too short, or has too many letters, to be part of a person's number.
fn unknown(role: CaseField, code: &str, table: &str) -> String {
    let wordy = code.len() <= 24 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let role = role.name();
    if code.is_empty() {
        format!("{role}: is missing: add \"\" to [{table}] if that has a meaning")
    } else if wordy || code.len() <= 3 {
        format!("{role}: the code \"{}\" is not in [{table}]: add it", code.escape_debug())
    } else {
        format!("{role}: a code that is not in [{table}]: add it")
    }
}

/// What the names of rows without a readable receipt number begin with, after the source's name.
pub const NAMELESS: &str = "row-";
/// Stands in a code table for every code that is not there.
const ANY: &str = "*";

#[cfg(test)]
#[path = "mapping_tests.rs"]
pub(super) mod tests;
