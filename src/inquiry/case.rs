//! A case as the replica holds it: public state and dates, nothing that names a person.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// How far an application is: the public states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The application is taken in.
    Accepted,
    /// It is examined.
    Review,
    /// Papers are missing.
    Supplement,
    /// The document is made.
    Production,
    /// The document waits at the hall.
    Ready,
    /// The document is in the post.
    Posted,
    /// The applicant has the document.
    Collected,
    /// Refused, withdrawn and held alike.
    Contact,
}

impl Stage {
    /// All stages, in the order that a case passes them.
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

    /// Its code in files and replies, and the member of the flow's `enum.case_status`.
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
    /// The first day.
    pub from: Date,
    /// The last day; absent: the pause goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

/// One application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// How far it is.
    pub stage: Stage,
    /// What is applied for.
    pub document: Document,
    /// How it is applied for.
    pub case_type: CaseType,
    /// The hall's code, one of the flow's `enum.hall`.
    pub hall: Arc<str>,
    /// When the time limit began.
    pub accepted_on: Date,
    /// When the present stage was reached.
    pub stage_on: Date,
    /// Days that do not count, in any order.
    pub pauses: Vec<Pause>,
    /// Papers that are missing while the stage is `Supplement`.
    pub items: Vec<ItemCode>,
    /// The last four of the waybill, once posted.
    pub waybill_tail: Option<String>,
    /// The applicant is under 14: only the stage is disclosed.
    pub minor: bool,
    /// The upstream's version of this row; a higher one replaces a lower one.
    pub version: u64,
}

/// Working days or plain days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Days that the working calendar counts.
    WorkingDays,
    /// Every day.
    Days,
}

/// How long an application may take: a row of the table document × case type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLimit {
    /// The document's code.
    pub document: String,
    /// The case type's code; absent: every case type that has no row of its own.
    pub case_type: Option<String>,
    /// How many, 1 to 366.
    pub n: u32,
    /// Of which days.
    pub unit: Unit,
}

/// What the replica answers, the same at both doors.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The number and its proof fit this case.
    Found {
        /// The case.
        case: Arc<Case>,
        /// When the upstream last vouched for the replica.
        as_of: Timestamp,
    },
    /// Wrong number, wrong second factor and too new alike.
    NotFound,
    /// The replica could not be read in time.
    Unavailable,
}
