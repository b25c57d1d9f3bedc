//! An answer as a screen shows it, and its JSON.
//!
//! The stage decides what is shown: a date only while the case is under way, a hall only if the applicant must go there,
//! and only the stage for applicants under 14.

use std::sync::Arc;

use jiff::{ZonedDateTime, civil::Date};
use serde::Serialize;

use super::words::{CodeKind, StageNames, Step, Wording, no_match};
use inquiry::{Case, SecondFactor, Stage};

/// A hall by its code and names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hall {
    /// The hall's code in the data: `north`.
    pub code: String,
    /// Its name as it is spoken.
    #[serde(flatten)]
    pub name: Wording,
    /// Its street and number, if the script has them.
    pub address: Option<Wording>,
    /// Its opening hours, if the script has them.
    pub hours: Option<Wording>,
}

/// A case that was found, before disclosure.
#[derive(Clone, Debug)]
pub struct FoundCase<'a> {
    /// The row, whole; `Shown::found` takes only what may be shown.
    pub case: &'a Case,
    /// The promised date, if one may be promised.
    pub expected_by: Option<Date>,
    /// The case's hall, if the script has a name for it.
    pub hall: Option<Hall>,
    /// The replica's `as_of`, in the office's time zone.
    pub as_of: ZonedDateTime,
    /// Whether the words state the age.
    pub stale: bool,
    /// The answer's sentences.
    pub wording: Wording,
}

/// An answer as a screen shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanAnswer {
    /// A case was found.
    pub found: bool,
    /// The replica could not be read or is too old.
    pub unavailable: bool,
    /// What the scanned text is.
    pub kind: CodeKind,
    /// Where the case stands; none without a case.
    pub stage: Option<Stage>,
    /// What the screen says.
    pub wording: Wording,
    /// The names of all stages, for the progress line.
    pub stages: Arc<StageNames>,
    /// The promised date; only while the case is under way.
    pub expected_by: Option<Date>,
    /// Where to go; only when the person must.
    pub hall: Option<Hall>,
    /// The day on which the document was posted; only for one that was.
    pub posted_on: Option<Date>,
    /// Sent to the minute, so that replies of one minute are equal and can be cached.
    pub as_of: Option<ZonedDateTime>,
    /// Old enough that the screen shows a warning.
    pub stale: bool,
}

impl ScanAnswer {
    /// A found case, reduced to what its stage allows to disclose.
    pub fn found(found: FoundCase<'_>, stages: Arc<StageNames>) -> ScanAnswer {
        let FoundCase { case, expected_by, hall, as_of, stale, wording } = found;
        let under_way = matches!(case.stage, Stage::Accepted | Stage::Review | Stage::Production);
        let to_visit = matches!(case.stage, Stage::Supplement | Stage::Ready);
        ScanAnswer {
            found: true,
            unavailable: false,
            kind: CodeKind::Receipt,
            stage: Some(case.stage),
            wording,
            stages,
            expected_by: expected_by.filter(|_| under_way && !case.minor),
            hall: hall.filter(|_| to_visit && !case.minor),
            posted_on: (case.stage == Stage::Posted && !case.minor).then_some(case.stage_on),
            as_of: Some(as_of),
            stale,
        }
    }

    /// No such receipt, whether unknown or too new.
    pub fn not_found(wording: Wording, stages: Arc<StageNames>) -> ScanAnswer {
        ScanAnswer {
            found: false,
            unavailable: false,
            kind: CodeKind::Receipt,
            stage: None,
            wording,
            stages,
            expected_by: None,
            hall: None,
            posted_on: None,
            as_of: None,
            stale: false,
        }
    }

    /// The same answer for a stranger, who has stated a second factor as well: a miss names both.
    #[must_use]
    pub fn for_stranger(self, factors: &[SecondFactor]) -> ScanAnswer {
        let is_miss = !self.found && !self.unavailable;
        if is_miss { ScanAnswer { wording: no_match(factors), ..self } } else { self }
    }

    /// The replica could not be read or is too old.
    pub fn unavailable(wording: Wording, stages: Arc<StageNames>) -> ScanAnswer {
        ScanAnswer { unavailable: true, ..ScanAnswer::not_found(wording, stages) }
    }

    /// A code that is not a receipt number.
    pub fn other(kind: CodeKind, stages: Arc<StageNames>) -> ScanAnswer {
        ScanAnswer { kind, ..ScanAnswer::not_found(kind.words(), stages) }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        let body = Body {
            found: self.found,
            unavailable: self.unavailable,
            kind: self.kind,
            stage: self.stage,
            progress: self.stage.and_then(progress),
            wording: &self.wording,
            stages: &self.stages,
            expected_by: self.expected_by,
            hall: self.hall.as_ref(),
            posted_on: self.posted_on,
            as_of: self.as_of.as_ref().map(|at| at.strftime("%Y-%m-%dT%H:%M:00%:z").to_string()),
            stale: self.stale,
        };
        serde_json::to_vec(&body).expect("strings, dates and flags serialise")
    }
}

#[derive(Serialize)]
struct Body<'a> {
    found: bool,
    unavailable: bool,
    kind: CodeKind,
    stage: Option<Stage>,
    progress: Option<Progress>,
    wording: &'a Wording,
    stages: &'a StageNames,
    expected_by: Option<Date>,
    hall: Option<&'a Hall>,
    posted_on: Option<Date>,
    as_of: Option<String>,
    stale: bool,
}

/// The steps of a case and its current step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Progress {
    pub(super) steps: &'static [Step],
    pub(super) at: usize,
    /// The time limit is suspended.
    pub(super) paused: bool,
}

/// `None` if a progress line would disclose more than the words.
pub(super) fn progress(stage: Stage) -> Option<Progress> {
    use Step::{Accepted, Collected, Delivery, Posted, Production, Ready, Review, Supplement};
    const USUAL: &[Step] = &[Accepted, Review, Production, Delivery, Collected];
    let (steps, at): (&'static [Step], usize) = match stage {
        Stage::Accepted => (USUAL, 0),
        Stage::Review => (USUAL, 1),
        Stage::Supplement => (&[Accepted, Supplement, Review, Production, Delivery, Collected], 1),
        Stage::Production => (USUAL, 2),
        Stage::Ready => (&[Accepted, Review, Production, Ready, Collected], 3),
        Stage::Posted => (&[Accepted, Review, Production, Posted], 3),
        Stage::Collected => (USUAL, 4),
        Stage::Contact => return None,
    };
    Some(Progress { steps, at, paused: stage == Stage::Supplement })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn names() -> Arc<StageNames> {
        Arc::new(StageNames::by(|stage| Wording::by(|lang| format!("{stage:?} {}", lang.code()))))
    }

    fn case(stage: Stage, minor: bool) -> Case {
        Case {
            stage,
            document: "passport".into(),
            case_type: "new".into(),
            hall: "north".into(),
            accepted_on: date(2026, 11, 20),
            stage_on: date(2026, 11, 21),
            pauses: Vec::new(),
            items: vec!["photo".into()],
            waybill_tail: Some("8812".into()),
            minor,
            version: 1,
        }
    }

    fn json(case: &Case) -> serde_json::Value {
        let found = FoundCase {
            case,
            expected_by: Some(date(2026, 12, 1)),
            hall: Some(Hall {
                code: "north".into(),
                name: Wording::new("城北大厅", "城北大廳", "the North Hall"),
                address: None,
                hours: None,
            }),
            as_of: date(2026, 11, 23).at(10, 0, 0, 0).in_tz("Asia/Shanghai").unwrap(),
            stale: false,
            wording: Wording::new("甲", "乙", "C"),
        };
        serde_json::from_slice(&ScanAnswer::found(found, names()).to_json()).unwrap()
    }

    #[test]
    fn a_case_under_way_shows_its_date_and_step() {
        let body = json(&case(Stage::Review, false));
        assert_eq!(body["found"], true);
        assert_eq!(body["kind"], "receipt");
        assert_eq!(body["stage"], "review");
        assert_eq!(body["progress"]["at"], 1);
        assert_eq!(body["progress"]["steps"][2], "production");
        assert_eq!(body["expected_by"], "2026-12-01");
        assert_eq!(body["hall"], serde_json::Value::Null);
        assert_eq!(body["as_of"], "2026-11-23T10:00:00+08:00");
        assert_eq!(body["wording"]["yue"], "乙");
        assert_eq!(body["stages"]["delivery"]["zh"], "领取或寄送");
    }

    #[test]
    fn a_hall_is_shown_only_if_the_applicant_must_go_there() {
        assert_eq!(json(&case(Stage::Ready, false))["hall"]["en"], "the North Hall");
        assert_eq!(json(&case(Stage::Ready, false))["hall"]["code"], "north");
        let supplement = json(&case(Stage::Supplement, false));
        assert_eq!(supplement["progress"]["paused"], true);
        assert_eq!(supplement["hall"]["code"], "north");
        for stage in [Stage::Posted, Stage::Collected, Stage::Contact, Stage::Accepted] {
            assert!(json(&case(stage, false))["hall"].is_null(), "{stage:?}");
        }
    }

    #[test]
    fn of_an_applicant_under_14_only_the_stage_is_shown() {
        for stage in [Stage::Accepted, Stage::Ready, Stage::Supplement] {
            let body = json(&case(stage, true));
            assert!(body["hall"].is_null() && body["expected_by"].is_null());
            assert!(!body["stage"].is_null());
        }
    }

    #[test]
    fn only_a_posted_document_has_the_day_on_which_it_was_posted() {
        assert_eq!(json(&case(Stage::Posted, false))["posted_on"], "2026-11-21");
        assert!(json(&case(Stage::Posted, true))["posted_on"].is_null(), "under 14");
        assert!(json(&case(Stage::Collected, false))["posted_on"].is_null());
    }

    #[test]
    fn contact_has_no_line_and_no_date() {
        let body = json(&case(Stage::Contact, false));
        assert!(body["progress"].is_null() && body["expected_by"].is_null() && body["hall"].is_null());
    }

    #[test]
    fn a_reply_without_a_case_has_the_same_shape() {
        let found = json(&case(Stage::Ready, false));
        for shown in [
            ScanAnswer::not_found(Wording::new("无", "無", "none"), names()),
            ScanAnswer::unavailable(Wording::new("无", "無", "none"), names()),
            ScanAnswer::other(CodeKind::Waybill, names()),
        ] {
            let body: serde_json::Value = serde_json::from_slice(&shown.to_json()).unwrap();
            let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&body), keys(&found));
            assert_eq!(body["found"], false);
        }
    }

    #[test]
    fn the_step_a_case_stands_at_is_its_stage() {
        for stage in [Stage::Accepted, Stage::Review, Stage::Supplement, Stage::Production, Stage::Ready, Stage::Posted]
        {
            let body = json(&case(stage, false));
            let at = body["progress"]["at"].as_u64().unwrap() as usize;
            assert_eq!(body["progress"]["steps"][at], body["stage"]);
        }
    }
}
