//! What an `hours` node knows of its calendar at one moment, as variables for the sentences after it.
//!
//! | variable | holds |
//! |---|---|
//! | `hours.now` | `open`; `closed`, and `hours.next` is known; `unsaid`: closed, and the calendar does not reach to the next opening |
//! | `hours.until` | when it closes, while it is open |
//! | `hours.next` | when it opens next, while it is closed |

use std::sync::Arc;

use jiff::civil::DateTime;

use super::calendar::{Calendar, Opening};
use super::io::Facts;
use super::model::{Flow, Hours};
use speech::Value;

/// The set that `hours.now` is of.
pub(crate) const HOURS_NOW: &str = "hours_now";
/// Its values.
pub(crate) const HOURS_NOW_MEMBERS: [&str; 3] = ["open", "closed", "unsaid"];
/// How the variables begin.
pub(crate) const PREFIX: &str = "hours.";

/// The variables, with their prefix.
pub(super) fn hours_facts(calendar: &Calendar, name: &str, at: DateTime) -> Facts {
    let mut facts = Facts::new();
    let mut put = |name: &str, value| facts.insert(format!("{PREFIX}{name}").into(), value);
    let now = if calendar.opening(name, at) == Some(Opening::Open) {
        put("until", Value::Time(calendar.closing(name, at).unwrap_or(at)));
        "open"
    } else if let Some(next) = calendar.next_opening(name, at) {
        put("next", Value::Time(next));
        "closed"
    } else {
        "unsaid"
    };
    put("now", Value::Word(now.into()));
    facts
}

impl Flow {
    /// The calendars that an `hours` node may ask: one, or one for each member of its family. `None`: the family's
    /// variable is no set.
    pub(crate) fn calendars(&self, hours: &Hours) -> Option<Vec<Arc<str>>> {
        match hours.calendar.var() {
            None => Some(vec![hours.calendar.name.clone()]),
            Some(var) => {
                let (_, members) = self.members(var)?;
                Some(members.iter().map(|member| hours.calendar.with(member).into()).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, Time, date};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"
[working]
published_to = "2026-12-31"
[desk]
week    = { mon-fri = ["09:00-12:00", "13:30-17:00"] }
holiday = ["2026-02-15..2026-02-23", "2026-10-01..2026-10-07"]
make_up = ["2026-02-14", "2026-02-28", "2026-10-10"]
[hall]
week         = { mon-fri = ["09:00-17:00"], sat = ["09:00-12:00"] }
closed       = ["2026-11-25"]
same_days_as = "desk"
"#;

    fn calendar() -> Calendar {
        let (calendar, diagnostics) = Calendar::parse(TEXT, "calendar.toml");
        assert_eq!(diagnostics, []);
        calendar
    }

    #[test]
    fn hours_without_a_break_are_one() {
        let text = "[working]\npublished_to = \"2026-12-31\"\n[a]\nweek = { mon-fri = [\"09:00-12:00\", \"12:00-17:00\"] }\n\
                    [b]\nweek = { mon-sun = [\"00:00-24:00\"] }\n";
        let (calendar, diagnostics) = Calendar::parse(text, "calendar.toml");
        assert_eq!(diagnostics, []);
        let at = date(2026, 11, 24).at(10, 0, 0, 0);
        assert_eq!(calendar.closing("a", at), Some(date(2026, 11, 24).at(17, 0, 0, 0)));
        assert!(calendar.closing("b", at).is_some_and(|closes| closes > date(2026, 11, 28).at(0, 0, 0, 0)));
    }

    #[test]
    fn days_are_not_shared_by_way_of_another_calendar() {
        let text = format!("{TEXT}[annex]\nweek = {{ mon-fri = [\"09:00-17:00\"] }}\nsame_days_as = \"hall\"\n");
        let (_, diagnostics) = Calendar::parse(&text, "calendar.toml");
        assert_eq!(diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(), ["E46"]);
    }

    #[test]
    fn holidays_make_up_days_and_the_end_of_the_calendar_count() {
        let calendar = calendar();
        let next = |desk: &str, at| calendar.next_opening(desk, at);
        let day = |month, day| date(2026, month, day);
        let at = |date: Date, hour, minute| date.at(hour, minute, 0, 0);
        assert_eq!(next("desk", at(day(11, 24), 12, 10)), Some(at(day(11, 24), 13, 30)));
        assert_eq!(next("hall", at(day(11, 24), 17, 0)), Some(at(day(11, 26), 9, 0)), "a closed day is skipped");
        assert_eq!(next("hall", at(day(2, 20), 10, 0)), Some(at(day(2, 24), 9, 0)), "a holiday is skipped");
        assert_eq!(next("desk", at(day(2, 27), 18, 0)), Some(at(day(2, 28), 9, 0)), "a make-up Saturday is not");
        assert_eq!(
            calendar.closing("hall", at(day(2, 28), 13, 0)),
            Some(at(day(2, 28), 17, 0)),
            "with a weekday's hours"
        );
        assert_eq!(calendar.closing("hall", at(day(11, 28), 11, 0)), Some(at(day(11, 28), 12, 0)));
        assert_eq!(next("hall", at(day(12, 31), 17, 0)), None, "the next year is not published");
        assert_eq!(hours_facts(&calendar, "hall", at(day(12, 31), 17, 0))["hours.now"], Value::Word("unsaid".into()));
    }

    proptest! {
        /// Open: it closes later today. Closed: the next opening is later, the desk is open then, and at no time before.
        #[test]
        fn what_is_said_of_the_hours_is_so(minutes in 0_i64..365 * 24 * 60, hall in any::<bool>()) {
            let (calendar, desk) = (calendar(), if hall { "hall" } else { "desk" });
            let at = date(2026, 1, 1).to_datetime(Time::midnight()) + jiff::Span::new().minutes(minutes);
            let open = |at| calendar.opening(desk, at) == Some(Opening::Open);
            match (open(at), calendar.closing(desk, at), calendar.next_opening(desk, at)) {
                (true, Some(closing), _) => {
                    prop_assert!(closing > at && closing.date() == at.date() && !open(closing));
                    prop_assert!(open(closing - jiff::Span::new().minutes(1)));
                }
                (false, None, Some(next)) => {
                    prop_assert!(next > at && open(next) && !open(next - jiff::Span::new().minutes(1)));
                    let mut between = at;
                    while between < next {
                        prop_assert!(!open(between), "{between}");
                        between += jiff::Span::new().minutes(30);
                    }
                }
                (false, None, None) => prop_assert!(at.date() >= date(2026, 12, 31)),
                (open, closing, next) => prop_assert!(false, "{open} {closing:?} {next:?}"),
            }
        }
    }
}
