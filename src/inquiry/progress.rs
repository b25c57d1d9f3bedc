//! What is disclosed of a case: the stage, what comes next, and by when.
//!
//! Both doors use it, so both say the same. What must not be disclosed is left out here and cannot be said elsewhere: of a
//! person under 14 only the stage; of a refused, withdrawn or held case neither date nor hall.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::case::{Case, Document, ItemCode, Stage, TimeLimit, Unit};
use super::working_days::WorkingDays;
use base::{Bilingual, bilingual};

/// The time limits, document × case type.
#[derive(Clone, Debug, Default)]
pub struct TimeLimits(HashMap<String, Limits>);

#[derive(Clone, Debug, Default)]
struct Limits {
    by_case_type: HashMap<String, (u32, Unit)>,
    otherwise: Option<(u32, Unit)>,
}

/// Why a table of limits cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum TimeLimitError {
    /// Two rows for one document and case type.
    Twice {
        /// The document's code.
        document: String,
        /// The case type's code, or that there is none.
        case_type: String,
    },
    /// The number of days is out of bounds.
    Range {
        /// The document's code.
        document: String,
        /// The number as written.
        n: u32,
    },
}

impl TimeLimitError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            TimeLimitError::Twice { document, case_type } => bilingual!(
                "two limits for {document} {case_type}: keep one",
                "{document} {case_type} 有两个时限：只保留一个"
            ),
            TimeLimitError::Range { document, n } => bilingual!(
                "limit of {document}: n = {n}: must be 1 to {LIMIT_MAX}",
                "{document} 的时限：n = {n}：应为 1 至 {LIMIT_MAX}"
            ),
        }
    }
}

/// What is disclosed of a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    /// How far the case is.
    pub stage: Stage,
    /// The applicant is under 14: everything below is empty.
    pub minor: bool,
    /// What is applied for.
    pub document: Option<Document>,
    /// Where to go: while papers are asked for, and when the document is ready.
    pub hall: Option<Arc<str>>,
    /// By when it is expected.
    pub promise: Promise,
    /// Papers that are missing, by their codes.
    pub items: Vec<ItemCode>,
    /// When the present stage was reached.
    pub stage_on: Option<Date>,
    /// The waybill's last four, once posted.
    pub waybill_tail: Option<String>,
}

/// By when a document is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// This day; it may be today.
    By(Date),
    /// The rule, where no date can be promised: so many working days, pauses not counted.
    WorkingDays(u32),
    /// The rule in plain days.
    Days(u32),
    /// The promised date is past: an agent explains, and no date is read out.
    Over,
    /// Nothing is promised in this stage.
    None,
}

impl TimeLimits {
    /// Checks the rows and reports everything that is wrong with them.
    pub fn new(rows: &[TimeLimit]) -> Result<TimeLimits, Vec<TimeLimitError>> {
        let mut table: HashMap<String, Limits> = HashMap::new();
        let mut errors = Vec::new();
        for TimeLimit { document, case_type, n, unit } in rows {
            if !(1..=LIMIT_MAX).contains(n) {
                errors.push(TimeLimitError::Range { document: document.clone(), n: *n });
            }
            let limits = table.entry(document.clone()).or_default();
            let earlier = match case_type {
                Some(case_type) => limits.by_case_type.insert(case_type.clone(), (*n, *unit)),
                None => limits.otherwise.replace((*n, *unit)),
            };
            if earlier.is_some() {
                let case_type = case_type.clone().unwrap_or_else(|| "without case type".into());
                errors.push(TimeLimitError::Twice { document: document.clone(), case_type });
            }
        }
        if errors.is_empty() { Ok(TimeLimits(table)) } else { Err(errors) }
    }

    /// The limit of a document and case type, if the table has one.
    pub fn limit(&self, document: &str, case_type: &str) -> Option<(u32, Unit)> {
        let limits = self.0.get(document)?;
        limits.by_case_type.get(case_type).copied().or(limits.otherwise)
    }
}

impl Progress {
    /// What is disclosed of a case today.
    pub fn of(case: &Case, today: Date, limits: &TimeLimits, calendar: &WorkingDays) -> Progress {
        let bare = Progress {
            stage: case.stage,
            minor: case.minor,
            document: None,
            hall: None,
            promise: Promise::None,
            items: Vec::new(),
            stage_on: None,
            waybill_tail: None,
        };
        if case.minor {
            return bare;
        }
        let known = Progress { document: Some(case.document.clone()), ..bare };
        let dated = Progress { stage_on: Some(case.stage_on), ..known.clone() };
        match case.stage {
            Stage::Accepted | Stage::Review | Stage::Production => {
                Progress { promise: Promise::of(case, today, limits, calendar), ..dated }
            }
            Stage::Supplement => Progress { items: case.items.clone(), hall: Some(case.hall.clone()), ..dated },
            Stage::Ready => Progress { hall: Some(case.hall.clone()), ..dated },
            Stage::Posted => Progress { waybill_tail: case.waybill_tail.clone(), ..dated },
            Stage::Collected => dated,
            Stage::Contact => known,
        }
    }
}

impl Promise {
    fn of(case: &Case, today: Date, limits: &TimeLimits, calendar: &WorkingDays) -> Promise {
        let Some((n, unit)) = limits.limit(&case.document, &case.case_type) else { return Promise::None };
        let (date, rule) = match unit {
            Unit::WorkingDays => {
                (calendar.add_working_days(case.accepted_on, n, &case.pauses), Promise::WorkingDays(n))
            }
            Unit::Days => (calendar.add_days(case.accepted_on, n, &case.pauses), Promise::Days(n)),
        };
        match date {
            Some(date) if date < today => Promise::Over,
            Some(date) => Promise::By(date),
            None => rule,
        }
    }

    /// The member of the flow's `enum.promise`.
    pub fn code(self) -> &'static str {
        match self {
            Promise::By(_) => "date",
            Promise::WorkingDays(_) => "working_days",
            Promise::Days(_) => "days",
            Promise::Over => "over",
            Promise::None => "none",
        }
    }
}

/// A year: a longer limit is a mistake.
const LIMIT_MAX: u32 = 366;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::case::Pause;
    use super::super::working_days::notices_of_2026;
    use super::*;

    fn limit(document: &str, case_type: Option<&str>, n: u32, unit: Unit) -> TimeLimit {
        TimeLimit { document: document.into(), case_type: case_type.map(Into::into), n, unit }
    }

    fn limits() -> TimeLimits {
        TimeLimits::new(&[
            limit("passport", None, 7, Unit::WorkingDays),
            limit("hkmo_permit", None, 7, Unit::WorkingDays),
            limit("hkmo_permit", Some("cross_province"), 20, Unit::Days),
        ])
        .expect("sound")
    }

    fn case(stage: Stage) -> Case {
        Case {
            stage,
            document: "passport".into(),
            case_type: "new".into(),
            hall: "north".into(),
            accepted_on: date(2026, 9, 21),
            stage_on: date(2026, 9, 22),
            pauses: vec![],
            items: vec!["photo".into()],
            waybill_tail: Some("1234".into()),
            minor: false,
            version: 1,
        }
    }

    fn on(day: Date, case: &Case) -> Progress {
        Progress::of(case, day, &limits(), &notices_of_2026())
    }

    #[test]
    fn a_date_is_promised_while_work_goes_on_and_at_no_other_time() {
        for stage in Stage::ALL {
            let expected = match stage {
                Stage::Accepted | Stage::Review | Stage::Production => Promise::By(date(2026, 10, 8)),
                _ => Promise::None,
            };
            assert_eq!(on(date(2026, 9, 23), &case(stage)).promise, expected, "{stage:?}");
        }
    }

    #[test]
    fn a_past_promise_is_over_and_its_day_itself_is_not() {
        assert_eq!(on(date(2026, 10, 8), &case(Stage::Review)).promise, Promise::By(date(2026, 10, 8)));
        assert_eq!(on(date(2026, 10, 9), &case(Stage::Review)).promise, Promise::Over);
    }

    #[test]
    fn past_the_calendar_the_rule_replaces_the_date() {
        let late = Case { accepted_on: date(2026, 12, 28), ..case(Stage::Accepted) };
        assert_eq!(on(date(2026, 12, 29), &late).promise, Promise::WorkingDays(7));
        let cross = Case { document: "hkmo_permit".into(), case_type: "cross_province".into(), ..late };
        assert_eq!(on(date(2026, 12, 29), &cross).promise, Promise::Days(20));
    }

    #[test]
    fn an_open_pause_leaves_only_the_rule() {
        let paused = Case { pauses: vec![Pause { from: date(2026, 9, 22), to: None }], ..case(Stage::Review) };
        assert_eq!(on(date(2026, 12, 1), &paused).promise, Promise::WorkingDays(7));
    }

    #[test]
    fn a_minors_progress_is_the_stage_alone() {
        for stage in Stage::ALL {
            let told = on(date(2026, 9, 23), &Case { minor: true, ..case(stage) });
            let nothing = Progress {
                stage,
                minor: true,
                document: None,
                hall: None,
                promise: Promise::None,
                items: vec![],
                stage_on: None,
                waybill_tail: None,
            };
            assert_eq!(told, nothing);
        }
    }

    #[test]
    fn a_case_held_back_has_neither_date_nor_hall() {
        let told = on(date(2026, 9, 23), &case(Stage::Contact));
        assert_eq!((told.stage_on, told.hall, told.waybill_tail, told.items.len()), (None, None, None, 0));
    }

    #[test]
    fn each_stage_has_what_its_next_step_needs() {
        let supplement = on(date(2026, 9, 23), &case(Stage::Supplement));
        assert_eq!((supplement.items.len(), supplement.hall.as_deref()), (1, Some("north")));
        assert_eq!(on(date(2026, 9, 23), &case(Stage::Ready)).hall.as_deref(), Some("north"));
        let posted = on(date(2026, 9, 23), &case(Stage::Posted));
        assert_eq!((posted.waybill_tail.as_deref(), posted.hall), (Some("1234"), None));
        assert_eq!(on(date(2026, 9, 23), &case(Stage::Accepted)).waybill_tail, None);
    }

    #[test]
    fn a_table_with_two_limits_for_one_thing_is_refused() {
        let rows = [
            limit("visa", None, 7, Unit::Days),
            limit("visa", None, 8, Unit::Days),
            limit("visa", Some("new"), 0, Unit::Days),
        ];
        assert_eq!(TimeLimits::new(&rows).unwrap_err().len(), 2);
    }
}
