//! Replies to the page, as JSON.

use hyper::StatusCode;
use serde::Serialize;

use crate::reply::{self, Reply};
use base::Lang;
use speech::Clip;
use studio_store::accounts::AccountEvent;
use studio_store::{AuditRow, LiveRecording, Rejection, SlotRow, TakeRow};
use web::studio::{Message, StudioError};

/// A slot in the table.
#[derive(Serialize)]
pub(super) struct SlotSummary<'a> {
    lang: Lang,
    id: &'a str,
    number: u32,
    text: &'a str,
    variant: &'static str,
    set: &'a str,
    longest_ms: u64,
    state: &'static str,
    live: Option<&'a LiveRecording>,
    waiting: Option<Waiting<'a>>,
    restored: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<&'a str>,
}

/// The take that a slot waits for.
#[derive(Serialize)]
struct Waiting<'a> {
    name: &'a str,
    state: &'static str,
    by: &'a str,
    at: String,
    kind: &'static str,
}

impl<'a> SlotSummary<'a> {
    pub(super) fn of(row: &'a SlotRow, others: Vec<&'a str>) -> SlotSummary<'a> {
        let waiting = row.waiting.as_ref().map(|take| Waiting {
            name: take.name.as_str(),
            state: take.state.code(),
            by: &take.by.name,
            at: take.at.to_string(),
            kind: take.kind.code(),
        });
        SlotSummary {
            lang: row.slot.clip.lang,
            id: &row.slot.clip.id,
            number: row.number,
            text: &row.slot.text,
            variant: row.slot.variant.code(),
            set: &row.slot.set,
            longest_ms: u64::try_from(row.slot.longest.as_millis()).unwrap_or(u64::MAX),
            state: row.state.code(),
            live: row.live.as_ref(),
            waiting,
            restored: row.restored,
            others,
        }
    }
}

/// A slot with what is said around it and its takes.
#[derive(Serialize)]
pub(super) struct SlotDetail<'a> {
    #[serde(flatten)]
    row: SlotSummary<'a>,
    used_by: Vec<&'a str>,
    sentence: Option<&'a str>,
    before: Vec<Near<'a>>,
    after: Vec<Near<'a>>,
    takes: Vec<Take<'a>>,
    /// Present even when empty.
    #[serde(rename = "others")]
    here: Vec<&'a str>,
}

#[derive(Serialize)]
struct Near<'a> {
    id: &'a str,
    text: &'a str,
}

impl<'a> SlotDetail<'a> {
    pub(super) fn of(row: &'a SlotRow, takes: &'a [TakeRow], here: &'a [String]) -> SlotDetail<'a> {
        let said = row.slot.said.as_ref();
        let near = |list: &'a [(Clip, String)]| list.iter().map(|(clip, text)| Near { id: &clip.id, text }).collect();
        SlotDetail {
            row: SlotSummary::of(row, Vec::new()),
            used_by: row.slot.used_by.iter().map(|node| &**node).collect(),
            sentence: said.map(|said| &*said.sentence),
            before: said.map(|said| near(&said.before)).unwrap_or_default(),
            after: said.map(|said| near(&said.after)).unwrap_or_default(),
            takes: takes.iter().map(Take::of).collect(),
            here: here.iter().map(String::as_str).collect(),
        }
    }
}

/// A take, and whether it may be kept.
#[derive(Serialize)]
pub(super) struct Take<'a> {
    #[serde(flatten)]
    take: &'a TakeRow,
    good: bool,
}

impl<'a> Take<'a> {
    pub(super) fn of(take: &'a TakeRow) -> Take<'a> {
        Take { take, good: take.report.is_good() }
    }
}

/// A line of the audit log, of takes or of accounts.
#[derive(Serialize)]
pub(super) struct Line {
    pub at: jiff::Timestamp,
    who: String,
    what: String,
    /// Who did it, where it was done to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    why: String,
}

impl From<AuditRow> for Line {
    fn from(row: AuditRow) -> Line {
        let AuditRow { at, who, what, lang, slot, release, why, .. } = row;
        Line { at, who: who.name, what, by: None, lang, slot, release, why }
    }
}

impl From<AccountEvent> for Line {
    fn from(AccountEvent { at, what, who, by, from }: AccountEvent) -> Line {
        let by = Some(by).filter(|by| !by.is_empty() && *by != who);
        Line { at, who, what, by, lang: None, slot: None, release: None, why: from }
    }
}

/// A reply with status 200.
pub(crate) fn json<T: Serialize>(value: &T) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => reply::studio(StatusCode::OK, reply::JSON, body),
        Err(error) => {
            tracing::error!(%error, "a reply of the studio cannot be written");
            reply::trouble(&StudioError::Unavailable)
        }
    }
}

/// A refusal of the studio, with the status that fits it. Faults of the node go to its log.
pub(super) fn refused(refusal: Rejection) -> StudioError {
    let status = match &refusal {
        Rejection::NoSlot(_) | Rejection::NoTake(_) | Rejection::NoRelease(_) | Rejection::NothingBefore => 404,
        Rejection::TooLarge { .. } => 413,
        Rejection::NotApprover | Rejection::Unproven(_) | Rejection::OwnTake | Rejection::NotYours(_) => 403,
        Rejection::Unreadable(_) | Rejection::ChecksFailed(_) | Rejection::NoReason => 422,
        Rejection::State { .. }
        | Rejection::OtherText
        | Rejection::FactoryWords(_)
        | Rejection::IsLive
        | Rejection::NothingApproved { .. }
        | Rejection::HalfRecorded(_) => 409,
        Rejection::Busy => 503,
        Rejection::Full { .. } | Rejection::DiskFull(_) => 507,
        Rejection::Flow(_) | Rejection::Fault(_) => {
            tracing::error!(%refusal, "a studio request failed");
            500
        }
    };
    let words = refusal.words();
    StudioError::Refused { status, code: refusal.code(), words: Message { zh: words.zh, en: words.en } }
}
