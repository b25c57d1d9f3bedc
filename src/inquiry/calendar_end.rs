//! When the published working calendar ends, and how early that is said: without the next notice no time limit is
//! computed past its last day.

use jiff::civil::Date;

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

impl std::fmt::Display for CalendarEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (last, remedy) = (self.last, "add the State Council's next notice to the calendar and publish it");
        match self.days_left {
            0.. => write!(f, "the working calendar ends on {last}, in {} days: {remedy}", self.days_left),
            _ => write!(f, "the working calendar ended on {last}: time limits past it are not computed; {remedy}"),
        }
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
