//! An answer as a screen shows it, and its JSON.
//!
//! What may be told depends on the stage, and is decided here once: a date only while the case is under way, a hall
//! only where the person must go, and nothing but the stage of somebody under 14.

use std::sync::Arc;

use jiff::{ZonedDateTime, civil::Date};
use serde::Serialize;

use super::words::{CodeKind, StageNames, Step, Wording};
use inquiry::{Case, Stage};

/// A hall by its code and names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hall {
    pub code: String,
    #[serde(flatten)]
    pub name: Wording,
}

/// What is known of a case that was found.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    pub case: &'a Case,
    /// The promised date, if one may be promised.
    pub expected_by: Option<Date>,
    pub hall: Option<Hall>,
    /// When the upstream last vouched for the copy, in the office's time zone.
    pub as_of: ZonedDateTime,
    /// Old enough that the words tell the age.
    pub stale: bool,
    pub wording: Wording,
}

/// An answer as a screen shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub found: bool,
    /// The copy could not be read, or is too old to be believed.
    pub unavailable: bool,
    pub kind: CodeKind,
    pub stage: Option<Stage>,
    pub wording: Wording,
    pub stages: Arc<StageNames>,
    pub expected_by: Option<Date>,
    pub hall: Option<Hall>,
    /// Told to the minute: replies of one minute are the same.
    pub as_of: Option<ZonedDateTime>,
    pub stale: bool,
}

impl Shown {
    /// A case. Of what is given, only what the stage allows is shown.
    pub fn found(found: Found<'_>, stages: Arc<StageNames>) -> Shown {
        let Found { case, expected_by, hall, as_of, stale, wording } = found;
        let under_way = matches!(case.stage, Stage::Accepted | Stage::Review | Stage::Production);
        let to_visit = matches!(case.stage, Stage::Supplement | Stage::Ready);
        Shown {
            found: true,
            unavailable: false,
            kind: CodeKind::Receipt,
            stage: Some(case.stage),
            wording,
            stages,
            expected_by: expected_by.filter(|_| under_way && !case.minor),
            hall: hall.filter(|_| to_visit && !case.minor),
            as_of: Some(as_of),
            stale,
        }
    }

    /// No such receipt: unknown and too new alike.
    pub fn not_found(wording: Wording, stages: Arc<StageNames>) -> Shown {
        Shown {
            found: false,
            unavailable: false,
            kind: CodeKind::Receipt,
            stage: None,
            wording,
            stages,
            expected_by: None,
            hall: None,
            as_of: None,
            stale: false,
        }
    }

    /// The copy could not be read, or is too old.
    pub fn unavailable(wording: Wording, stages: Arc<StageNames>) -> Shown {
        Shown { unavailable: true, ..Shown::not_found(wording, stages) }
    }

    /// A code that is no receipt.
    pub fn other(kind: CodeKind, stages: Arc<StageNames>) -> Shown {
        Shown { kind, ..Shown::not_found(kind.words(), stages) }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        let told = Told {
            found: self.found,
            unavailable: self.unavailable,
            kind: self.kind,
            stage: self.stage,
            progress: self.stage.and_then(progress),
            wording: &self.wording,
            stages: &self.stages,
            expected_by: self.expected_by,
            hall: self.hall.as_ref(),
            as_of: self.as_of.as_ref().map(|at| at.strftime("%Y-%m-%dT%H:%M:00%:z").to_string()),
            stale: self.stale,
        };
        serde_json::to_vec(&told).expect("strings, dates and flags serialise")
    }
}

#[derive(Serialize)]
struct Told<'a> {
    found: bool,
    unavailable: bool,
    kind: CodeKind,
    stage: Option<Stage>,
    progress: Option<Progress>,
    wording: &'a Wording,
    stages: &'a StageNames,
    expected_by: Option<Date>,
    hall: Option<&'a Hall>,
    as_of: Option<String>,
    stale: bool,
}

/// The way of a case, and where on it the case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Progress {
    steps: &'static [Step],
    at: usize,
    /// The clock of the time limit is stopped.
    paused: bool,
}

/// `None` where a line would tell more than the words may.
fn progress(stage: Stage) -> Option<Progress> {
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
        let found = Found {
            case,
            expected_by: Some(date(2026, 12, 1)),
            hall: Some(Hall {
                code: "north".into(), name: Wording::new("城北大厅", "城北大廳", "the North Hall")
            }),
            as_of: date(2026, 11, 23).at(10, 0, 0, 0).in_tz("Asia/Shanghai").unwrap(),
            stale: false,
            wording: Wording::new("甲", "乙", "C"),
        };
        serde_json::from_slice(&Shown::found(found, names()).to_json()).unwrap()
    }

    #[test]
    fn a_case_under_way_tells_its_date_and_where_it_stands() {
        let told = json(&case(Stage::Review, false));
        assert_eq!(told["found"], true);
        assert_eq!(told["kind"], "receipt");
        assert_eq!(told["stage"], "review");
        assert_eq!(told["progress"]["at"], 1);
        assert_eq!(told["progress"]["steps"][2], "production");
        assert_eq!(told["expected_by"], "2026-12-01");
        assert_eq!(told["hall"], serde_json::Value::Null);
        assert_eq!(told["as_of"], "2026-11-23T10:00:00+08:00");
        assert_eq!(told["wording"]["yue"], "乙");
        assert_eq!(told["stages"]["delivery"]["zh"], "领取或寄送");
    }

    #[test]
    fn a_hall_is_told_only_where_the_person_must_go() {
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
    fn of_somebody_under_14_only_the_stage_is_told() {
        for stage in [Stage::Accepted, Stage::Ready, Stage::Supplement] {
            let told = json(&case(stage, true));
            assert!(told["hall"].is_null() && told["expected_by"].is_null());
            assert!(!told["stage"].is_null());
        }
    }

    #[test]
    fn contact_has_no_line_and_no_date() {
        let told = json(&case(Stage::Contact, false));
        assert!(told["progress"].is_null() && told["expected_by"].is_null() && told["hall"].is_null());
    }

    #[test]
    fn a_reply_without_a_case_has_the_same_shape() {
        let found = json(&case(Stage::Ready, false));
        for shown in [
            Shown::not_found(Wording::new("无", "無", "none"), names()),
            Shown::unavailable(Wording::new("无", "無", "none"), names()),
            Shown::other(CodeKind::Waybill, names()),
        ] {
            let told: serde_json::Value = serde_json::from_slice(&shown.to_json()).unwrap();
            let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&told), keys(&found));
            assert_eq!(told["found"], false);
        }
    }

    #[test]
    fn the_step_a_case_stands_at_is_its_stage() {
        for stage in [Stage::Accepted, Stage::Review, Stage::Supplement, Stage::Production, Stage::Ready, Stage::Posted]
        {
            let told = json(&case(stage, false));
            let at = told["progress"]["at"].as_u64().unwrap() as usize;
            assert_eq!(told["progress"]["steps"][at], told["stage"]);
        }
    }
}
