//! When the published working calendar ends, and how early that is said: without the next notice no time limit is
//! computed past its last day.

use jiff::civil::Date;

use base::{Bilingual, bilingual};

/// How many days before its end the calendar is an alarm: the State Council's notice comes about that early.
pub const CALENDAR_WARNING_DAYS: i32 = 60;

/// The end of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarEnd {
    /// The last day that the calendar covers.
    pub last: Date,
    /// Days from today to the last one; negative when it is past.
    pub days_left: i32,
}

impl CalendarEnd {
    /// How far the last day is from today.
    pub fn at(last: Date, today: Date) -> CalendarEnd {
        CalendarEnd { last, days_left: (last - today).get_days() }
    }

    /// Whether it is at most [`CALENDAR_WARNING_DAYS`] away, or past.
    pub fn is_near(&self) -> bool {
        self.days_left <= CALENDAR_WARNING_DAYS
    }
}

impl CalendarEnd {
    /// The warning, and what to do.
    pub fn text(&self) -> Bilingual {
        let (last, days) = (self.last, self.days_left);
        match days {
            0.. => bilingual!(
                "the working calendar ends on {last}, in {days} days: {REMEDY}",
                "工作日历到 {last} 为止，还有 {days} 天：{REMEDY:#}"
            ),
            _ => bilingual!(
                "the working calendar ended on {last}: time limits past it are not computed; {REMEDY}",
                "工作日历已于 {last} 用完，此后的时限不再计算；{REMEDY:#}"
            ),
        }
    }
}

const REMEDY: Bilingual = Bilingual::fixed(
    "add the State Council's next notice to the calendar and publish it (config/examples/calendar.md)",
    "请按国务院办公厅新的放假通知补充日历并发布（config/examples/calendar.md）",
);

impl std::fmt::Display for CalendarEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text().en)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_end_is_said_sixty_days_before_and_ever_after() {
        let end = |year, month, day| CalendarEnd::at(date(2026, 12, 31), date(year, month, day));
        let days = [end(2026, 1, 1), end(2026, 10, 31), end(2026, 11, 1), end(2026, 12, 31), end(2027, 1, 2)];
        assert_eq!(days.map(|end| end.days_left), [364, 61, 60, 0, -2]);
        assert_eq!(days.map(|end| end.is_near()), [false, false, true, true, true]);
    }
}
