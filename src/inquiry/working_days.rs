//! The working calendar: which days count towards a time limit.
//!
//! Weekends are off unless a notice of the State Council makes them working days; weekdays count unless it takes them
//! off. Notices appear once a year, so a calendar ends: no date past its last published day is computed.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

use super::case::Pause;

/// The days that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingDays {
    published_to: Date,
    off: BTreeSet<Date>,
    work: BTreeSet<Date>,
}

impl WorkingDays {
    /// A calendar from the notices: `off` are days off, `work` weekend days that are worked.
    pub fn new(
        published_to: Date,
        off: impl IntoIterator<Item = Date>,
        work: impl IntoIterator<Item = Date>,
    ) -> WorkingDays {
        WorkingDays { published_to, off: off.into_iter().collect(), work: work.into_iter().collect() }
    }

    /// The last day that a notice covers.
    pub fn published_to(&self) -> Date {
        self.published_to
    }

    /// Whether offices work on a day. Past the published end, the plain week counts.
    pub fn is_working(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend { self.work.contains(&day) } else { !self.off.contains(&day) }
    }

    /// The `n`th working day after a day, not counting days in a pause. `None` past the calendar's published end,
    /// and while a pause is open.
    pub fn add_working_days(&self, from: Date, n: u32, pauses: &[Pause]) -> Option<Date> {
        self.add(from, n, pauses, |day| self.is_working(day))
    }

    /// The `n`th day after a day, not counting days in a pause. `None` as for working days.
    pub fn add_days(&self, from: Date, n: u32, pauses: &[Pause]) -> Option<Date> {
        self.add(from, n, pauses, |_| true)
    }

    /// The `n`th working day before a day, by the plain week where no notice is known.
    pub fn working_days_before(&self, from: Date, n: u32) -> Date {
        let mut day = from;
        let mut left = n;
        while left > 0 {
            let Ok(before) = day.yesterday() else { break };
            day = before;
            left -= u32::from(self.is_working(day));
        }
        day
    }

    fn add(&self, from: Date, n: u32, pauses: &[Pause], counts: impl Fn(Date) -> bool) -> Option<Date> {
        if pauses.iter().any(|pause| pause.to.is_none()) {
            return None;
        }
        let paused = |day: Date| pauses.iter().any(|pause| pause.from <= day && pause.to.is_some_and(|to| day <= to));
        let mut day = from;
        let mut left = n;
        while left > 0 {
            day = day.tomorrow().ok().filter(|day| *day <= self.published_to)?;
            left -= u32::from(counts(day) && !paused(day));
        }
        (day <= self.published_to).then_some(day)
    }
}

/// A small calendar for tests: the notices of 2026.
#[cfg(test)]
pub(crate) fn notices_of_2026() -> WorkingDays {
    use jiff::civil::date;
    let range = |from: Date, to: Date| from.series(jiff::Span::new().days(1)).take_while(move |day| *day <= to);
    let off = [
        range(date(2026, 1, 1), date(2026, 1, 3)),
        range(date(2026, 2, 15), date(2026, 2, 23)),
        range(date(2026, 4, 4), date(2026, 4, 6)),
        range(date(2026, 5, 1), date(2026, 5, 5)),
        range(date(2026, 6, 19), date(2026, 6, 21)),
        range(date(2026, 9, 25), date(2026, 9, 27)),
        range(date(2026, 10, 1), date(2026, 10, 7)),
    ];
    let work = [(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)].map(|(month, day)| date(2026, month, day));
    WorkingDays::new(date(2026, 12, 31), off.into_iter().flatten(), work)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_check_values_hold() {
        let calendar = notices_of_2026();
        for (from, to) in [
            (date(2026, 2, 9), date(2026, 2, 25)),
            (date(2026, 4, 29), date(2026, 5, 12)),
            (date(2026, 9, 21), date(2026, 10, 8)),
            (date(2026, 9, 24), date(2026, 10, 12)),
        ] {
            assert_eq!(calendar.add_working_days(from, 7, &[]), Some(to), "from {from}");
        }
    }

    #[test]
    fn nothing_is_computed_past_the_published_end() {
        let calendar = notices_of_2026();
        assert_eq!(calendar.add_working_days(date(2026, 12, 28), 3, &[]), Some(date(2026, 12, 31)));
        assert_eq!(calendar.add_working_days(date(2026, 12, 28), 4, &[]), None);
        assert_eq!(calendar.add_days(date(2026, 12, 28), 4, &[]), None);
        assert_eq!(calendar.add_days(date(2027, 1, 1), 0, &[]), None);
    }

    #[test]
    fn a_pause_stops_the_clock_and_an_open_one_stops_it_for_good() {
        let calendar = notices_of_2026();
        let pause = Pause { from: date(2026, 3, 4), to: Some(date(2026, 3, 6)) };
        assert_eq!(calendar.add_working_days(date(2026, 3, 2), 3, &[]), Some(date(2026, 3, 5)));
        assert_eq!(calendar.add_working_days(date(2026, 3, 2), 3, &[pause]), Some(date(2026, 3, 10)));
        assert_eq!(calendar.add_working_days(date(2026, 3, 2), 3, &[Pause { to: None, ..pause }]), None);
    }

    fn days() -> impl Strategy<Value = Date> {
        (0i64..364).prop_map(|n| date(2026, 1, 1).saturating_add(jiff::Span::new().days(n)))
    }

    proptest! {
        #[test]
        fn a_later_start_or_a_longer_limit_never_ends_earlier(from in days(), n in 0u32..60, more in 0u32..20, later in 0i64..30) {
            let calendar = notices_of_2026();
            let start = from.saturating_add(jiff::Span::new().days(later));
            if let (Some(a), Some(b)) = (calendar.add_working_days(from, n, &[]), calendar.add_working_days(start, n + more, &[])) {
                prop_assert!(a <= b);
            }
        }

        #[test]
        fn a_limit_ends_on_a_working_day_and_counting_back_gives_as_many(from in days(), n in 1u32..60) {
            let calendar = notices_of_2026();
            if let Some(end) = calendar.add_working_days(from, n, &[]) {
                prop_assert!(calendar.is_working(end));
                let back = calendar.working_days_before(end, n);
                prop_assert!(back <= from || !calendar.is_working(from));
                prop_assert_eq!(calendar.add_working_days(back, n, &[]), Some(end));
            }
        }

        #[test]
        fn a_pause_never_brings_the_end_forward(from in days(), n in 0u32..30, start in days(), long in 0i64..20) {
            let calendar = notices_of_2026();
            let pause = Pause { from: start, to: Some(start.saturating_add(jiff::Span::new().days(long))) };
            if let Some(paused) = calendar.add_working_days(from, n, &[pause]) {
                prop_assert!(calendar.add_working_days(from, n, &[]).is_some_and(|plain| plain <= paused));
            }
        }
    }
}
