//! A simulated office: cases that come, move from stage to stage on the office's calendar, are paused for supplements,
//! and leave. For trying out, for tests and for load. The same seed, number of cases and days give the same events.
//!
//! ```text
//!  new ─► accepted ─► review ─┬─► production ─┬─► ready ──┬─► collected ─► gone
//!                      ▲  │   └─► contact ────┼───────────┼──────────────► gone
//!                      │  ▼                   └─► posted ─┘
//!                    supplement (the clock is paused)
//! ```
//!
//! As many cases come as leave, so an office keeps its size.

use jiff::civil::Date;

use inquiry::{Pause, Stage, WorkingDays};

use super::feed::CaseRecord;
use super::sample::{self, Draw};

/// The office at a moment.
pub struct SimulatedOffice {
    seed: u64,
    calendar: WorkingDays,
    draw: Draw,
    /// Cases that still move.
    open: Vec<CaseRecord>,
    /// Cases that are at their end, and will leave.
    closed: Vec<CaseRecord>,
    /// About how many of each there are, so that the office neither empties nor swells.
    open_wanted: u64,
    closed_wanted: u64,
    /// The place of the next new case in the sample's numbering.
    next: u64,
}

/// What happened to one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It came, or moved.
    Put(CaseRecord),
    /// It left; this is how it was.
    Gone(CaseRecord),
}

impl SimulatedOffice {
    /// An office with so many cases of the sample.
    pub fn new(cases: u64, seed: u64, today: Date, calendar: &WorkingDays) -> SimulatedOffice {
        let (closed, open): (Vec<_>, Vec<_>) =
            sample::cases(cases, seed, today, calendar).partition(|case| is_end(case.stage));
        let (open_wanted, closed_wanted) = ((open.len() as u64).max(10), (closed.len() as u64).max(10));
        let draw = Draw::new(seed, u64::MAX);
        SimulatedOffice {
            seed,
            calendar: calendar.clone(),
            draw,
            open,
            closed,
            open_wanted,
            closed_wanted,
            next: cases,
        }
    }

    /// Every case there is.
    pub fn cases(&self) -> impl Iterator<Item = &CaseRecord> {
        self.open.iter().chain(&self.closed)
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.open.len() + self.closed.len()
    }

    /// Whether there is no case.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Produces the next event.
    pub fn step(&mut self, today: Date) -> Event {
        // A case's life has some seven events: it comes, it moves four or five times, it leaves.
        let drawn = self.draw.below(25);
        let few_open = self.open.len() as u64 * 5 < self.open_wanted * 4;
        let many_closed = self.closed.len() as u64 * 4 > self.closed_wanted * 5;
        if self.open.is_empty() || few_open || drawn < 4 {
            self.comes(today)
        } else if !self.closed.is_empty() && (many_closed || drawn < 8) {
            let place = self.draw.below(self.closed.len() as u64) as usize;
            Event::Gone(self.closed.swap_remove(place))
        } else {
            self.moves(today)
        }
    }

    fn comes(&mut self, today: Date) -> Event {
        let mut case = sample::cases_from(self.next, 1, self.seed, today, &self.calendar).next().expect("one");
        self.next += 1;
        // No case is accepted on a day off.
        let day = self.working(today);
        (case.stage, case.accepted_on, case.stage_on) = (Stage::Accepted, day, day);
        (case.pauses, case.items, case.waybill_tail, case.version) = (Vec::new(), Vec::new(), None, 1);
        self.open.push(case.clone());
        Event::Put(case)
    }

    fn moves(&mut self, today: Date) -> Event {
        let place = self.draw.below(self.open.len() as u64) as usize;
        let mut case = self.open.swap_remove(place);
        let day = self.working(today).max(case.stage_on);
        case.stage = self.after(&case);
        case.stage_on = day;
        case.version += 1;
        case.items.clear();
        for pause in &mut case.pauses {
            pause.to.get_or_insert_with(|| day.max(pause.from));
        }
        if case.stage == Stage::Supplement {
            case.pauses.push(Pause { from: day, to: None });
            case.items = self.draw.items(&case.document);
        }
        if case.stage == Stage::Posted {
            case.waybill_tail = Some(format!("{:04}", self.draw.below(10_000)));
        }
        if is_end(case.stage) {
            self.closed.push(case.clone())
        } else {
            self.open.push(case.clone())
        }
        Event::Put(case)
    }

    fn after(&mut self, case: &CaseRecord) -> Stage {
        match case.stage {
            Stage::Accepted => Stage::Review,
            // Papers are requested at most three times.
            Stage::Review if case.pauses.len() < 3 && self.draw.percent(12) => Stage::Supplement,
            Stage::Review if self.draw.percent(3) => Stage::Contact,
            Stage::Review => Stage::Production,
            Stage::Supplement => Stage::Review,
            Stage::Production if self.draw.percent(40) => Stage::Posted,
            Stage::Production => Stage::Ready,
            Stage::Ready | Stage::Posted | Stage::Collected | Stage::Contact => Stage::Collected,
        }
    }

    /// The day, or the last one before it on which offices worked.
    fn working(&self, day: Date) -> Date {
        if self.calendar.is_working(day) { day } else { self.calendar.working_days_before(day, 1) }
    }
}

fn is_end(stage: Stage) -> bool {
    match stage {
        Stage::Collected | Stage::Contact => true,
        Stage::Accepted | Stage::Review | Stage::Supplement | Stage::Production | Stage::Ready | Stage::Posted => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Span;
    use jiff::civil::date;

    use super::*;
    use crate::FeedLine;
    use support::calendar::notices_of_2026;

    const TODAY: Date = date(2026, 11, 23);

    fn office(cases: u64) -> SimulatedOffice {
        SimulatedOffice::new(cases, 1, TODAY, &notices_of_2026())
    }

    #[test]
    fn the_same_seed_lives_the_same_life_and_another_seed_another() {
        let life = |seed| {
            let mut office = SimulatedOffice::new(50, seed, TODAY, &notices_of_2026());
            (0..500).map(|_| office.step(TODAY)).collect::<Vec<_>>()
        };
        assert_eq!(life(1), life(1));
        assert_ne!(life(1), life(2));
    }

    #[test]
    fn a_case_moves_forward_with_higher_versions_and_every_line_is_one_that_the_feed_takes() {
        let mut office = office(200);
        let mut known: BTreeMap<String, CaseRecord> =
            office.cases().map(|case| (case.receipt.clone(), case.clone())).collect();
        for n in 0..20_000 {
            match office.step(TODAY.saturating_add(Span::new().days(n / 1000))) {
                Event::Put(case) => {
                    assert_eq!(
                        FeedLine::read(case.to_line().as_bytes(), 2),
                        Ok(FeedLine::Case(Box::new(case.clone())))
                    );
                    if let Some(before) = known.insert(case.receipt.clone(), case.clone()) {
                        assert!(case.version > before.version && case.stage_on >= before.stage_on);
                        assert_ne!(case.stage, before.stage);
                    }
                }
                Event::Gone(case) => assert_eq!(known.remove(&case.receipt), Some(case)),
            }
        }
        let now: BTreeMap<String, CaseRecord> =
            office.cases().map(|case| (case.receipt.clone(), case.clone())).collect();
        assert_eq!(now, known);
    }

    #[test]
    fn an_office_keeps_its_size_and_has_cases_in_every_stage() {
        let mut office = office(2_000);
        (0..50_000).for_each(|_| drop(office.step(TODAY)));
        assert!((1_500..2_500).contains(&office.len()), "{}", office.len());
        for stage in Stage::ALL {
            assert!(office.cases().any(|case| case.stage == stage), "{}", stage.code());
        }
        assert!(office.cases().any(|case| case.stage == Stage::Supplement && case.pauses.last().unwrap().to.is_none()));
    }
}
