//! A sample of cases that looks like an office's: for trying out, for tests, for benchmarks. The same seed, day and
//! calendar give the same cases.
//!
//! The first [`SHOWN`] cases are one for each document in each stage, none of a minor and none overdue, so that one can
//! be named for everything that may be heard; then one minor's and one overdue case for each document.

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use base::Bilingual;
use inquiry::{CheckDigit, Pause, ReceiptFormat, SecondFactor, Stage, WorkingDays};

use super::feed::{BatchHeader, CaseRecord, SAMPLE};

/// The format of the sample's receipts: 15 digits.
pub fn format() -> ReceiptFormat {
    ReceiptFormat {
        name: "sample".into(),
        length: 15,
        prefix: PREFIX.into(),
        groups: vec![4, 4, 4, 3],
        check: CheckDigit::None,
        second_factor: SecondFactor::IdTail,
    }
}

/// `n` cases, each with a receipt number of its own, with dates around `today`.
pub fn cases(
    n: u64,
    seed: u64,
    today: Date,
    calendar: &WorkingDays,
) -> impl Iterator<Item = CaseRecord> + Send + use<> {
    cases_from(0, n, seed, today, calendar)
}

/// [`cases`] from a place on.
pub(super) fn cases_from(
    first: u64,
    n: u64,
    seed: u64,
    today: Date,
    calendar: &WorkingDays,
) -> impl Iterator<Item = CaseRecord> + Send + use<> {
    let calendar = calendar.clone();
    (first..first + n).map(move |place| Draw::new(seed, place).case(place, seed, today, &calendar))
}

/// The sample as a batch file, line by line without their ends: a header that says so, and [`cases`].
pub fn lines(
    n: u64,
    seed: u64,
    today: Date,
    calendar: &WorkingDays,
    as_of: Timestamp,
) -> impl Iterator<Item = String> + Send + use<> {
    let header = BatchHeader { source: Some(SAMPLE.into()), sequence: None, as_of, cases: Some(n) };
    std::iter::once(header.to_line()).chain(cases(n, seed, today, calendar).map(|case| case.to_line()))
}

/// A case worth trying, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// A stage's code, `minor` or `overdue`.
    pub shows: &'static str,
    /// The case.
    pub case: CaseRecord,
}

impl Example {
    /// What it shows, for a person: the code, and what a window calls it.
    pub fn name(&self) -> Bilingual {
        let zh = match self.shows {
            "accepted" => "已受理",
            "review" => "审批中",
            "supplement" => "需补正材料",
            "production" => "制证中",
            "ready" => "可以领取",
            "posted" => "已寄出",
            "collected" => "已领取",
            "contact" => "请到窗口咨询",
            "minor" => "未满 14 周岁",
            "overdue" => "已超期",
            other => other,
        };
        Bilingual::fixed(self.shows, zh)
    }
}

/// One case for each stage, one of a minor and one overdue.
pub fn examples(seed: u64, today: Date, calendar: &WorkingDays) -> Vec<Example> {
    let of = |place: usize| Draw::new(seed, place as u64).case(place as u64, seed, today, calendar);
    let stage = |(n, stage): (usize, &Stage)| Example { shows: stage.code(), case: of(n * DOCUMENTS.len()) };
    let mut examples: Vec<Example> = Stage::ALL.iter().enumerate().map(stage).collect();
    examples.push(Example { shows: "minor", case: of(SHOWN) });
    examples.push(Example { shows: "overdue", case: of(SHOWN + DOCUMENTS.len()) });
    examples
}

/// The random numbers of one case: SplitMix64 (Steele, Lea, Flood 2014), with a seed for each case.
pub(super) struct Draw(u64);

/// What kind of case it is.
struct Plan {
    stage: Stage,
    document: &'static str,
    minor: bool,
    overdue: bool,
}

impl Draw {
    pub(super) fn new(seed: u64, place: u64) -> Draw {
        let mut draw = Draw(seed ^ place.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        draw.next();
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(u64::from(high - low + 1)) as u32
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn weighed<T: Copy>(&mut self, of: &[(T, u64)]) -> T {
        let mut left = self.below(of.iter().map(|(_, weight)| weight).sum());
        for (value, weight) in of {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        of[0].0
    }

    fn case(mut self, place: u64, seed: u64, today: Date, calendar: &WorkingDays) -> CaseRecord {
        let plan = self.plan(place);
        let (accepted_on, stage_on) = self.days(&plan, today, calendar);
        let supplement = plan.stage == Stage::Supplement;
        CaseRecord {
            receipt: receipt(place, seed),
            id_tail: Some(self.id_tail(place)),
            birth_date: None,
            verifier: None,
            stage: plan.stage,
            document: plan.document.into(),
            case_type: self.case_type(plan.document).into(),
            hall: self.weighed(&HALLS).into(),
            accepted_on,
            stage_on,
            pauses: self.pauses(&plan, accepted_on, stage_on),
            items: if supplement { self.items(plan.document) } else { Vec::new() },
            waybill_tail: (plan.stage == Stage::Posted).then(|| format!("{:04}", self.below(10_000))),
            minor: plan.minor,
            version: u64::from(self.between(1, 5)),
        }
    }

    fn plan(&mut self, place: u64) -> Plan {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let kinds = DOCUMENTS.len();
        let document = DOCUMENTS[place % kinds].0;
        if place < SHOWN {
            Plan { stage: Stage::ALL[place / kinds], document, minor: false, overdue: false }
        } else if place < SHOWN + kinds {
            Plan { stage: self.weighed(&STAGES), document, minor: true, overdue: false }
        } else if place < SHOWN + 2 * kinds {
            Plan { stage: Stage::Review, document, minor: false, overdue: true }
        } else {
            let (minor, overdue) = (self.percent(4), self.percent(2));
            Plan { stage: self.weighed(&STAGES), document: self.weighed(&DOCUMENTS), minor, overdue }
        }
    }

    /// When it was accepted and when its stage was reached, both in the past and on working days.
    fn days(&mut self, plan: &Plan, today: Date, calendar: &WorkingDays) -> (Date, Date) {
        let age = match plan.stage {
            Stage::Accepted if !plan.overdue => self.between(0, 1),
            Stage::Review if !plan.overdue => self.between(1, 3),
            Stage::Production if !plan.overdue => self.between(3, 5),
            Stage::Accepted | Stage::Review | Stage::Production => self.between(35, 90),
            Stage::Supplement => self.between(3, 25),
            Stage::Ready | Stage::Posted => self.between(5, 30),
            Stage::Collected | Stage::Contact => self.between(8, 120),
        };
        let since = match plan.stage {
            Stage::Accepted => age,
            Stage::Supplement => self.between(1, age - 1),
            _ => self.between(0, age / 2),
        };
        // No case changes on a day off, so today counts only if it is a working day.
        let last = if calendar.is_working(today) { today } else { calendar.working_days_before(today, 1) };
        (calendar.working_days_before(last, age), calendar.working_days_before(last, since))
    }

    fn pauses(&mut self, plan: &Plan, accepted_on: Date, stage_on: Date) -> Vec<Pause> {
        if plan.stage == Stage::Supplement {
            return vec![Pause { from: stage_on, to: None }];
        }
        let answered = matches!(plan.stage, Stage::Production | Stage::Ready | Stage::Posted | Stage::Collected);
        if answered && !plan.overdue && self.percent(8) {
            let to = accepted_on.saturating_add(Span::new().days(1)).min(stage_on);
            return vec![Pause { from: accepted_on, to: Some(to) }];
        }
        Vec::new()
    }

    fn case_type(&mut self, document: &str) -> &'static str {
        match document {
            "hkmo_endorsement" | "taiwan_endorsement" => {
                self.weighed(&[("renewal", 6), ("self_service", 3), ("new", 1)])
            }
            "hkmo_permit" | "taiwan_permit" => self.weighed(&[("new", 5), ("renewal", 3), ("cross_province", 2)]),
            _ => self.weighed(&[("new", 6), ("renewal", 4)]),
        }
    }

    /// The second case's ends in X, so that the list to try has one; else one in eleven, as real numbers do.
    fn id_tail(&mut self, place: u64) -> String {
        let digits = self.below(10_000);
        let x = self.below(11) == 0 || place == DOCUMENTS.len() as u64;
        if x { format!("{:03}X", digits / 10) } else { format!("{digits:04}") }
    }

    /// One to three papers that this document may lack.
    pub(super) fn items(&mut self, document: &str) -> Vec<String> {
        let papers = ITEMS.iter().find(|(of, _)| *of == document).map_or(&ITEMS[0].1, |(_, papers)| papers);
        let count = self.between(1, 3) as usize;
        let first = self.below(papers.len() as u64) as usize;
        // Steps of 2 through 5 papers meet none twice.
        (0..count).map(|n| papers[(first + 2 * n) % papers.len()].to_owned()).collect()
    }
}

/// A number of its own for each place: a multiplier without 2 and 5 as factors only changes the order of 10^11 numbers.
fn receipt(place: u64, seed: u64) -> String {
    const NUMBERS: u128 = 100_000_000_000;
    let offset = u128::from(Draw(seed).next());
    let number = (u128::from(place) * 38_715_496_313 + offset) % NUMBERS;
    format!("{PREFIX}{number:011}")
}

const PREFIX: &str = "4401";
/// How many cases show each document in each stage.
pub const SHOWN: usize = DOCUMENTS.len() * Stage::ALL.len();
/// Endorsements are the most frequent by far.
const DOCUMENTS: [(&str, u64); 7] = [
    ("passport", 17),
    ("hkmo_permit", 15),
    ("hkmo_endorsement", 42),
    ("taiwan_permit", 5),
    ("taiwan_endorsement", 10),
    ("visa", 6),
    ("residence_permit", 5),
];
const HALLS: [(&str, u64); 5] = [("central", 40), ("north", 18), ("south", 16), ("east", 14), ("west", 12)];
const STAGES: [(Stage, u64); 8] = [
    (Stage::Accepted, 12),
    (Stage::Review, 12),
    (Stage::Supplement, 5),
    (Stage::Production, 11),
    (Stage::Ready, 18),
    (Stage::Posted, 12),
    (Stage::Collected, 27),
    (Stage::Contact, 3),
];
/// The papers that an applicant brings for each document.
const ITEMS: [(&str, [&str; 5]); 7] = [
    ("passport", ["photo", "id_original", "household", "old_document", "form"]),
    ("hkmo_permit", ["photo", "id_original", "household", "old_document", "form"]),
    ("hkmo_endorsement", ["kinship", "id_copy", "employer", "old_document", "form"]),
    ("taiwan_permit", ["photo", "id_original", "household", "old_document", "form"]),
    ("taiwan_endorsement", ["kinship", "id_copy", "employer", "invitation", "form"]),
    ("visa", ["photo", "invitation", "lodging", "employer", "form"]),
    ("residence_permit", ["photo", "lodging", "health", "work_permit", "employer"]),
];

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use jiff::civil::date;

    use super::*;
    use crate::FeedLine;
    use inquiry::{Formats, Keys, Progress, Promise, TimeLimit, TimeLimits, Unit};
    use support::calendar::notices_of_2026;

    const TODAY: Date = date(2026, 11, 23);

    fn sample(n: u64) -> Vec<CaseRecord> {
        cases(n, 1, TODAY, &notices_of_2026()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_cases_and_another_seed_others() {
        assert_eq!(sample(300), sample(300));
        assert_ne!(sample(300), cases(300, 2, TODAY, &notices_of_2026()).collect::<Vec<_>>());
        assert_eq!(sample(300)[..], sample(600)[..300]);
    }

    #[test]
    fn every_receipt_is_its_own_and_fits_the_sample_format() {
        let formats = Formats::new(vec![format()]).unwrap();
        let sample = sample(20_000);
        let receipts: HashSet<&str> = sample.iter().map(|case| case.receipt.as_str()).collect();
        assert_eq!(receipts.len(), sample.len());
        assert!(sample.iter().all(|case| formats.from_keys(&case.receipt).is_ok()));
    }

    #[test]
    fn every_line_is_one_that_the_feed_takes() {
        let keys = Keys::new(&[1; 32]);
        let mut lines = lines(5_000, 1, TODAY, &notices_of_2026(), Timestamp::UNIX_EPOCH);
        let header = lines.next().map(|line| FeedLine::read(line.as_bytes(), 1));
        assert!(matches!(header, Some(Ok(FeedLine::Header(header))) if header.cases == Some(5_000)));
        for (case, line) in sample(5_000).into_iter().zip(lines) {
            assert!(case.to_row(&keys).is_ok());
            assert_eq!(FeedLine::read(line.as_bytes(), 2), Ok(FeedLine::Case(Box::new(case))));
        }
    }

    #[test]
    fn the_first_cases_show_each_document_in_each_stage() {
        let shown: HashSet<(&'static str, String)> =
            sample(SHOWN as u64).into_iter().map(|case| (case.stage.code(), case.document)).collect();
        assert_eq!(shown.len(), SHOWN);
    }

    #[test]
    fn papers_are_those_that_the_document_needs() {
        let lacking = sample(20_000).into_iter().filter(|case| !case.items.is_empty());
        for case in lacking {
            let (_, papers) = ITEMS.iter().find(|(of, _)| *of == case.document).expect("every document has papers");
            assert!(case.items.iter().all(|item| papers.contains(&item.as_str())), "{case:?}");
            assert_eq!(case.items.iter().collect::<HashSet<_>>().len(), case.items.len());
        }
    }

    #[test]
    fn endorsements_are_the_most_frequent_and_every_hall_has_cases() {
        let sample = sample(20_000);
        let mut count: HashMap<&str, usize> = HashMap::new();
        for case in &sample {
            *count.entry(case.document.as_str()).or_default() += 1;
            *count.entry(case.hall.as_str()).or_default() += 1;
        }
        assert!(DOCUMENTS.iter().all(|(name, _)| count[name] <= count["hkmo_endorsement"]));
        assert!(HALLS.iter().all(|(name, _)| count[name] > 1000));
        assert!(sample.iter().filter(|case| case.minor).count() > 200);
    }

    #[test]
    fn examples_sound_as_they_are_listed_on_any_day() {
        let calendar = notices_of_2026();
        let limit =
            |document: &str| TimeLimit { document: document.into(), case_type: None, n: 7, unit: Unit::WorkingDays };
        let limits = TimeLimits::new(&DOCUMENTS.map(|(name, _)| limit(name))).unwrap();
        for n in 0..330 {
            let today = date(2026, 1, 15).saturating_add(Span::new().days(n));
            for Example { shows, case } in examples(1, today, &calendar) {
                let shown = Example { shows, case: case.clone() }.name();
                assert_ne!(shown.en, shown.zh, "{shows} has a Chinese name");
                assert!(case.accepted_on <= case.stage_on && case.stage_on <= today, "{shows} on {today}");
                let row = case.to_row(&Keys::new(&[1; 32])).unwrap();
                let promise = Progress::of(&row.case, today, &limits, &calendar).promise;
                match shows {
                    "minor" => assert!(case.minor),
                    "overdue" => assert_eq!(promise, Promise::Over, "on {today}"),
                    "supplement" => assert!(!case.items.is_empty()),
                    "accepted" | "review" | "production" => assert_ne!(promise, Promise::Over, "{shows} on {today}"),
                    _ => assert_eq!(case.stage.code(), shows),
                }
            }
        }
    }
}
