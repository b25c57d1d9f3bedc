//! A case as the replica holds it: public state and dates, nothing that names a person.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// How far an application is: the public states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Accepted,
    Review,
    Supplement,
    Production,
    Ready,
    Posted,
    Collected,
    /// Refused, withdrawn and held alike.
    Contact,
}

impl Stage {
    /// All stages, in the order of a case's way.
    pub const ALL: [Stage; 8] = [
        Stage::Accepted,
        Stage::Review,
        Stage::Supplement,
        Stage::Production,
        Stage::Ready,
        Stage::Posted,
        Stage::Collected,
        Stage::Contact,
    ];

    /// Its code: in files, on the wire, and the member of the flow's `enum.case_status`.
    pub fn code(self) -> &'static str {
        match self {
            Stage::Accepted => "accepted",
            Stage::Review => "review",
            Stage::Supplement => "supplement",
            Stage::Production => "production",
            Stage::Ready => "ready",
            Stage::Posted => "posted",
            Stage::Collected => "collected",
            Stage::Contact => "contact",
        }
    }
}

/// A kind of document by its code (`passport`), one of the flow's `enum.doc`.
pub type Document = Arc<str>;
/// A case type by its code (`new`, `renewal`, `cross_province`).
pub type CaseType = Arc<str>;
/// An item of the supplement list by its code (`photo`).
pub type ItemCode = Arc<str>;

/// Days that do not count towards the time limit, both ends included; open while the applicant has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    pub from: Date,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

/// One application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub stage: Stage,
    pub document: Document,
    pub case_type: CaseType,
    /// The hall's code, one of the flow's `enum.hall`.
    pub hall: Arc<str>,
    pub accepted_on: Date,
    /// When the present stage was reached.
    pub stage_on: Date,
    pub pauses: Vec<Pause>,
    /// Asked for while the stage is `Supplement`.
    pub items: Vec<ItemCode>,
    /// The last four of the waybill, once posted.
    pub waybill_tail: Option<String>,
    /// The applicant is under 14: the stage is told and nothing else.
    pub minor: bool,
    /// The upstream's version of this row; a higher one replaces a lower one.
    pub version: u64,
}

/// Working days or plain days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    WorkingDays,
    Days,
}

/// How long an application may take: a row of the table document × case type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLimit {
    pub document: String,
    /// Absent: every case type that has no row of its own.
    pub case_type: Option<String>,
    pub n: u32,
    pub unit: Unit,
}

/// What a look-up gives, by either door.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The case, and when the upstream last vouched for the copy.
    Found { case: Arc<Case>, as_of: Timestamp },
    /// Wrong number, wrong second factor and too new alike.
    NotFound,
    /// The copy could not be read in time.
    Down,
}
