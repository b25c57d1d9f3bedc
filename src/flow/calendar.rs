//! Days and hours: when a desk is open, on which days a notice plays, and the working calendar as written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};

use base::{Bilingual, bilingual};
use inquiry::WorkingDays;

use super::read::Reader;
use speech::toml_tree::{Field, Item, Tree, read};
use speech::{Diagnostic, closest_match};

/// Days from one to another, both included.
pub type Days = (Date, Date);

/// All calendars of a release.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// The time zone of all of them, by its IANA name.
    pub zone: Arc<str>,
    /// The file's name, for diagnostics.
    pub file: Arc<str>,
    /// `[working]`: the days that time limits are counted in.
    pub working: Working,
    /// Every other table, by name.
    pub desks: BTreeMap<Arc<str>, Desk>,
}

/// The table that promised dates are counted in, as written.
#[derive(Clone, Debug, Default)]
pub struct Working {
    /// The last day that a notice of the State Council covers.
    pub published_to: Option<Date>,
    /// Weekdays taken off.
    pub off: Vec<Days>,
    /// Weekend days worked.
    pub work: Vec<Days>,
    /// Where the table stands.
    pub line: u32,
}

/// A desk that has the holidays and make-up days of another.
struct Like {
    desk: Arc<str>,
    of: Arc<str>,
    line: u32,
}

/// The hours of one desk, or the days of one season.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// The hours of each weekday, 1 is Monday; several where there is a break.
    pub week: BTreeMap<u8, Vec<(Time, Time)>>,
    /// Days closed.
    pub closed: Vec<Days>,
    /// Public holidays, which have words of their own.
    pub holiday: Vec<Days>,
    /// Weekend days with a weekday's hours.
    pub make_up: Vec<Days>,
    /// The days of a season, for `when = "calendar.…"`.
    pub days: Vec<Days>,
    /// The calendar whose days it has beside its own.
    pub same_days_as: Option<Arc<str>>,
    /// Where the table stands.
    pub line: u32,
}

/// The state of a desk at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Within the hours.
    Open,
    /// Outside the hours, or closed.
    Closed,
    /// A public holiday.
    Holiday,
}

impl Working {
    /// The calendar that dates are counted in. Without a published year no date is promised.
    pub fn days(&self) -> WorkingDays {
        WorkingDays::new(self.published_to.unwrap_or(Date::MIN), each(&self.off), each(&self.work))
    }
}

/// Every day of the ranges, both ends included.
fn each(ranges: &[Days]) -> Vec<Date> {
    ranges
        .iter()
        .flat_map(|(from, to)| from.series(jiff::Span::new().days(1)).take_while(move |day| day <= to))
        .collect()
}

impl Calendar {
    /// Reads the calendar file. Diagnostics are returned beside what could be read.
    pub fn parse(text: &str, file: &str) -> (Calendar, Vec<Diagnostic>) {
        let file: Arc<str> = file.into();
        let (root, diagnostics) = read(&file, text);
        let mut reader = Reader { file, diagnostics };
        let mut calendar = Calendar { zone: "Asia/Shanghai".into(), file: reader.file.clone(), ..Calendar::default() };
        let mut like = Vec::new();
        for field in root.fields() {
            match (field.key.as_str(), &field.item.tree) {
                ("zone", Tree::String(zone)) => calendar.zone = reader.zone(field.line, zone),
                ("working", Tree::Table(_)) => calendar.working = reader.working(field),
                (name, Tree::Table(_)) => {
                    let desk = reader.desk(field);
                    like.extend(reader.same_days_as(field));
                    calendar.desks.insert(name.into(), desk);
                }
                (name, _) => {
                    let what =
                        bilingual!("{name} = {} means nothing here", "{name} = {:#} 在此处无意义", field.item.kind());
                    reader.report(
                        "E02",
                        field.line,
                        what,
                        Bilingual::fixed(
                            "write `zone = \"…\"`, [working], or a table for each calendar",
                            "请写 `zone = \"…\"`、[working]，或每份日历一个表",
                        ),
                    );
                }
            }
        }
        for one in &like {
            match like.iter().find(|other| other.desk == one.of) {
                Some(other) => reader.chained(one, other),
                None => reader.take_days(&mut calendar, one),
            }
        }
        (calendar, reader.diagnostics)
    }

    /// Whether a desk is open; `None` if there is no such calendar.
    pub fn opening(&self, name: &str, at: DateTime) -> Option<Opening> {
        self.desks.get(name).map(|desk| desk.opening(at))
    }

    /// Whether a desk has any hours.
    pub fn ever_opens(&self, name: &str) -> bool {
        self.desks.get(name).is_some_and(|desk| desk.week.values().any(|hours| !hours.is_empty()))
    }

    /// When a desk that is open closes; `None` if it is not open. Hours that follow one another without a break are one; of a
    /// desk that never closes, some days ahead.
    pub fn closing(&self, name: &str, at: DateTime) -> Option<DateTime> {
        let desk = self.desks.get(name)?;
        let mut closes = desk.end_of_hours(at)?;
        for _ in 0..HOURS_FOLLOWED {
            let Some(later) = desk.end_of_hours(closes) else { break };
            closes = later;
        }
        Some(closes)
    }

    /// When a desk that is not open opens next; `None` if its calendar does not say: after `published_to` a day may be a
    /// holiday that is not announced yet.
    pub fn next_opening(&self, name: &str, at: DateTime) -> Option<DateTime> {
        let desk = self.desks.get(name)?;
        let last = self.working.published_to.unwrap_or(Date::MAX);
        let days = at.date().series(jiff::Span::new().days(1)).take(SEARCHED).take_while(|day| *day <= last);
        days.filter(|day| !within(&desk.holiday, *day) && !within(&desk.closed, *day))
            .flat_map(|day| desk.hours_on(day).iter().map(move |(from, _)| day.to_datetime(*from)))
            .filter(|opens| *opens > at)
            .min()
    }

    /// Whether a day is one of a calendar's `days`.
    pub fn holds(&self, name: &str, day: Date) -> bool {
        self.desks.get(name).is_some_and(|desk| within(&desk.days, day))
    }
}

impl Desk {
    /// `holiday` wins over `closed`, which wins over `make_up`, which wins over the week.
    pub fn opening(&self, at: DateTime) -> Opening {
        let day = at.date();
        if within(&self.holiday, day) {
            return Opening::Holiday;
        }
        if within(&self.closed, day) {
            return Opening::Closed;
        }
        let open = self.hours_on(day).iter().any(|hours| is_within(hours, at.time()));
        if open { Opening::Open } else { Opening::Closed }
    }

    /// The end of the hours that a moment lies in; `None` if it lies in none.
    fn end_of_hours(&self, at: DateTime) -> Option<DateTime> {
        if self.opening(at) != Opening::Open {
            return None;
        }
        let (_, to) = self.hours_on(at.date()).iter().find(|hours| is_within(hours, at.time()))?;
        match *to {
            Time::MAX => at.date().tomorrow().ok().map(|day| day.to_datetime(Time::midnight())),
            to => Some(at.date().to_datetime(to)),
        }
    }

    /// The hours of a day. A make-up day on a weekend has Monday's, or those of the first weekday that has any.
    pub(crate) fn hours_on(&self, day: Date) -> &[(Time, Time)] {
        let weekday = number(day.weekday());
        let own = self.week.get(&weekday).map_or(&[][..], |hours| hours);
        if (own.is_empty() || weekday > 5) && within(&self.make_up, day) {
            return self.week.iter().find(|(weekday, _)| **weekday <= 5).map_or(own, |(_, hours)| hours);
        }
        own
    }
}

/// A value as it is written, else its kind.
fn written(item: &Item) -> Bilingual {
    item.text().map_or_else(|| item.kind(), |text| format!("{text:?}").into())
}

fn is_within((from, to): &(Time, Time), time: Time) -> bool {
    *from <= time && (time < *to || *to == Time::MAX)
}

/// Days searched for the next opening: a desk that opens no sooner has no next opening.
const SEARCHED: usize = 60;
/// Hours without a break that are followed to the end.
const HOURS_FOLLOWED: usize = 14;

fn within(days: &[Days], day: Date) -> bool {
    days.iter().any(|(from, to)| (*from..=*to).contains(&day))
}

fn number(day: Weekday) -> u8 {
    day.to_monday_one_offset() as u8
}

impl Reader {
    fn zone(&mut self, line: u32, zone: &str) -> Arc<str> {
        if jiff::tz::TimeZone::get(zone).is_err() {
            self.report(
                "E14",
                line,
                bilingual!("{zone:?} is not a time zone", "{zone:?} 不是时区"),
                Bilingual::fixed("write \"Asia/Shanghai\"", "请写 \"Asia/Shanghai\""),
            );
        }
        zone.into()
    }

    fn working(&mut self, field: &Field) -> Working {
        self.only("working", &field.item, &["published_to", "off", "work"]);
        let published_to = field.item.field("published_to").and_then(|f| self.days(f)).map(|days| days[0].0);
        let (off, work) = (self.day_list(&field.item, "off"), self.day_list(&field.item, "work"));
        Working { published_to, off, work, line: field.line }
    }

    fn desk(&mut self, field: &Field) -> Desk {
        let item = &field.item;
        self.only(&field.key, item, &["week", "closed", "holiday", "make_up", "days", "same_days_as"]);
        let mut desk = Desk {
            closed: self.day_list(item, "closed"),
            holiday: self.day_list(item, "holiday"),
            make_up: self.day_list(item, "make_up"),
            days: self.day_list(item, "days"),
            line: field.line,
            ..Desk::default()
        };
        for days in item.field("week").map_or(&[][..], |week| week.item.fields()) {
            let hours = self.hours(days);
            for day in self.weekdays(days) {
                desk.week.insert(day, hours.clone());
            }
        }
        self.make_up_hours(field, &desk);
        desk
    }

    /// The table whose holidays and make-up days a desk shares.
    fn same_days_as(&mut self, field: &Field) -> Option<Like> {
        let other = field.item.field("same_days_as")?;
        if other.item.text().is_none() {
            let what = bilingual!(
                "[{}] same_days_as is {}, not a calendar's name",
                "[{}] same_days_as 应为日历名称，现为{:#}",
                field.key,
                other.item.kind()
            );
            self.report(
                "E14",
                other.line,
                what,
                Bilingual::fixed("write `same_days_as = \"desk\"`", "请写 `same_days_as = \"desk\"`"),
            );
        }
        Some(Like { desk: field.key.as_str().into(), of: other.item.text()?.into(), line: other.line })
    }

    /// Days are shared with a calendar that has its own.
    fn chained(&mut self, like: &Like, other: &Like) {
        let what = bilingual!(
            "[{}] has the days of {:?}, which has those of {:?}",
            "[{}] 沿用 {:?} 的日期，而后者又沿用 {:?} 的",
            like.desk,
            &*like.of,
            &*other.of
        );
        self.report(
            "E46",
            like.line,
            what,
            bilingual!("write `same_days_as = {:?}`", "请写 `same_days_as = {:?}`", &*other.of),
        );
    }

    fn take_days(&mut self, calendar: &mut Calendar, like: &Like) {
        let Some((holiday, make_up)) = calendar.desks.get(&like.of).map(|of| (of.holiday.clone(), of.make_up.clone()))
        else {
            let near = closest_match(&like.of, calendar.desks.keys().map(|key| &**key));
            let remedy = near.map_or_else(
                || bilingual!("add [{}], or name another", "请加上 [{}]，或改写另一个", like.of),
                |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
            );
            let what = bilingual!(
                "[{}] has the days of {:?}, and there is no such calendar",
                "[{}] 沿用 {:?} 的日期，但没有这份日历",
                like.desk,
                &*like.of
            );
            return self.report("E46", like.line, what, remedy);
        };
        if let Some(desk) = calendar.desks.get_mut(&like.desk) {
            desk.same_days_as = Some(Arc::clone(&like.of));
            desk.holiday.extend(holiday);
            desk.make_up.extend(&make_up);
            self.shared_make_up_hours(like, desk, &make_up);
        }
    }

    /// Make-up days of another calendar, on which this desk has no hours or a holiday of its own. Days of its `closed` are
    /// left out on purpose.
    fn shared_make_up_hours(&mut self, like: &Like, desk: &Desk, make_up: &[Days]) {
        let days = || each(make_up).into_iter().filter(|day| !within(&desk.closed, *day));
        let list = |days: Vec<Date>| days.iter().map(Date::to_string).collect::<Vec<_>>().join(", ");
        let idle: Vec<Date> = days().filter(|day| desk.hours_on(*day).is_empty()).collect();
        if !idle.is_empty() {
            let idle = list(idle);
            let what = bilingual!(
                "[{}] works on the make-up days of {:?}, but no hours apply to {}",
                "[{}] 沿用 {:?} 的调休上班日，但 {} 没有适用的工作时间",
                like.desk,
                &*like.of,
                idle
            );
            let remedy = Bilingual::fixed(
                "give the weekdays hours in `week`, or name these days in `closed`",
                "请在 `week` 中写明工作日的时间，或把这些日期写入 `closed`",
            );
            self.report("E49", like.line, what, remedy);
        }
        let off: Vec<Date> = days().filter(|day| within(&desk.holiday, *day)).collect();
        if !off.is_empty() {
            let off = list(off);
            let what = bilingual!(
                "[{}] has {} as a holiday, a make-up day of {:?}",
                "[{}] 把 {} 列为节假日，而 {:?} 当天调休上班",
                like.desk,
                off,
                &*like.of
            );
            let remedy = Bilingual::fixed(
                "remove the days from `holiday`, or name them in `closed`",
                "请从 `holiday` 中删去这些日期，或写入 `closed`",
            );
            self.report("E49", like.line, what, remedy);
        }
    }

    fn make_up_hours(&mut self, field: &Field, desk: &Desk) {
        let line = field.item.field("make_up").map_or(field.line, |f| f.line);
        for (from, to) in &desk.make_up {
            if desk.hours_on(*from).is_empty() || desk.hours_on(*to).is_empty() {
                let what = bilingual!(
                    "{}: {from} is worked instead of another day, but no hours apply to it",
                    "{}：{from} 为调休上班日，但没有适用的工作时间",
                    field.key
                );
                self.report(
                    "E45",
                    line,
                    what,
                    Bilingual::fixed("give the weekdays hours in `week`", "请在 `week` 中写明工作日的时间"),
                );
            }
            if [from, to].into_iter().any(|day| within(&desk.holiday, *day) || within(&desk.closed, *day)) {
                let what = bilingual!(
                    "{}: {from} is worked instead of another day, and closed as well",
                    "{}：{from} 既是调休上班日，又写为不办公",
                    field.key
                );
                self.report(
                    "E45",
                    line,
                    what,
                    Bilingual::fixed(
                        "remove it from `holiday` or `closed`, or from `make_up`",
                        "请从 `holiday`、`closed` 或 `make_up` 中删去",
                    ),
                );
            }
        }
    }

    fn only(&mut self, at: &str, item: &Item, known: &[&str]) {
        for field in item.fields().iter().filter(|field| !known.contains(&field.key.as_str())) {
            let what = bilingual!("[{at}] has no {:?}", "[{at}] 没有 {:?}", field.key);
            let near = closest_match(&field.key, known.iter().copied());
            let remedy = near.map_or_else(
                || bilingual!("it may have {}", "可用的键：{}", known.join(", ")),
                |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
            );
            self.report("E02", field.line, what, remedy);
        }
    }

    fn day_list(&mut self, item: &Item, key: &str) -> Vec<Days> {
        item.field(key).and_then(|field| self.days(field)).unwrap_or_default()
    }

    /// A day, a range of days, or a list of both; `None` and a diagnostic when none can be read.
    fn days(&mut self, field: &Field) -> Option<Vec<Days>> {
        let items = match &field.item.tree {
            Tree::Array(items) => items.as_slice(),
            Tree::String(_) | Tree::Integer(_) | Tree::Boolean(_) | Tree::Table(_) | Tree::Other(_) => {
                std::slice::from_ref(&field.item)
            }
        };
        let mut days = Vec::new();
        for item in items {
            match item.text().and_then(day_or_range) {
                Some(range) => days.push(range),
                None => {
                    let (key, written) = (&field.key, written(item));
                    let what = match item.text().is_some_and(is_backwards) {
                        true => {
                            bilingual!("{key}: {written} ends before it begins", "{key}：{written:#} 的结束早于开始")
                        }
                        false => bilingual!(
                            "{key}: {written} is not a date or a range of dates",
                            "{key}：{written:#} 不是日期"
                        ),
                    };
                    self.report(
                        "E14",
                        item.line,
                        what,
                        Bilingual::fixed(
                            "write \"2026-10-01\" or \"2026-10-01..2026-10-07\"",
                            "请写 \"2026-10-01\" 或 \"2026-10-01..2026-10-07\"",
                        ),
                    );
                }
            }
        }
        (!days.is_empty()).then_some(days)
    }

    fn weekdays(&mut self, field: &Field) -> Vec<u8> {
        let mut days = Vec::new();
        for part in field.key.split(',').map(str::trim) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            match (weekday(from), weekday(to)) {
                (Some(from), Some(to)) if from <= to => days.extend(from..=to),
                _ => {
                    let what = bilingual!("week: {part:?} are not days of the week", "week：{part:?} 不是星期");
                    self.report(
                        "E14",
                        field.line,
                        what,
                        Bilingual::fixed("write mon-fri, sat or sun", "请写 mon-fri、sat 或 sun"),
                    );
                }
            }
        }
        days
    }

    fn hours(&mut self, field: &Field) -> Vec<(Time, Time)> {
        let Tree::Array(items) = &field.item.tree else {
            self.report(
                "E14",
                field.line,
                bilingual!("{}: hours must be a list", "{}：时间必须为列表", field.key),
                Bilingual::fixed("write [\"09:00-17:00\"]", "请写 [\"09:00-17:00\"]"),
            );
            return Vec::new();
        };
        let mut hours = Vec::new();
        for item in items {
            match item.text().and_then(from_to) {
                Some(range) => hours.push(range),
                None => {
                    let what = bilingual!("{}: {} are not hours", "{}：{:#} 不是时间段", field.key, written(item));
                    self.report(
                        "E14",
                        item.line,
                        what,
                        Bilingual::fixed(
                            "write \"09:00-12:00\", the earlier time first",
                            "请写 \"09:00-12:00\"，早的在前",
                        ),
                    );
                }
            }
        }
        hours
    }
}

fn day_or_range(text: &str) -> Option<Days> {
    two_days(text).filter(|(from, to)| from <= to)
}

fn is_backwards(text: &str) -> bool {
    two_days(text).is_some_and(|(from, to)| from > to)
}

fn two_days(text: &str) -> Option<Days> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

fn from_to(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let end = if to.trim() == "24:00" { Time::MAX } else { clock(to)? };
    let from = clock(from)?;
    (from < end).then_some((from, end))
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn weekday(name: &str) -> Option<u8> {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    names.iter().position(|day| *day == name.trim()).map(|at| at as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TEXT: &str = r#"
zone = "Asia/Shanghai"
[desk]
week    = { mon-fri = ["09:00-12:00", "13:30-17:00"] }
closed  = ["2026-11-25"]
holiday = ["2026-10-01..2026-10-07"]
make_up = ["2026-10-10"]
[peak]
days = ["2026-07-01..2026-08-31"]
"#;

    #[test]
    fn holidays_make_up_days_and_lunch_are_known() {
        let (calendar, diagnostics) = Calendar::parse(TEXT, "calendar.toml");
        assert_eq!(diagnostics, []);
        let at = |month, day, hour, minute| calendar.opening("desk", date(2026, month, day).at(hour, minute, 0, 0));
        assert_eq!(at(11, 24, 10, 0), Some(Opening::Open));
        assert_eq!(at(11, 24, 12, 0), Some(Opening::Closed));
        assert_eq!(at(11, 24, 13, 30), Some(Opening::Open));
        assert_eq!(at(11, 25, 10, 0), Some(Opening::Closed));
        assert_eq!(at(11, 28, 10, 0), Some(Opening::Closed));
        assert_eq!(at(10, 2, 10, 0), Some(Opening::Holiday));
        assert_eq!(at(10, 10, 10, 0), Some(Opening::Open));
        assert!(calendar.holds("peak", date(2026, 8, 31)) && !calendar.holds("peak", date(2026, 9, 1)));
    }

    #[test]
    fn make_up_days_of_another_calendar_are_checked_against_the_hours_of_the_desk() {
        let hall = |lines: &str| {
            let text = format!("{TEXT}[hall]\n{lines}\nsame_days_as = \"desk\"\n");
            let (_, diagnostics) = Calendar::parse(&text, "calendar.toml");
            diagnostics.into_iter().map(|found| (found.code, found.line)).collect::<Vec<_>>()
        };
        // 2026-10-10 is a Saturday.
        assert_eq!(hall("week = { mon-fri = [\"09:00-17:00\"] }"), []);
        assert_eq!(hall("week = { sun = [\"09:00-12:00\"] }"), [("E49", 12)]);
        assert_eq!(hall("week = { sun = [\"09:00-12:00\"] }\nclosed = \"2026-10-10\""), []);
        assert_eq!(hall("week = { sat = [\"09:00-12:00\"] }"), []);
        assert_eq!(hall("week = { mon-fri = [\"09:00-17:00\"] }\nholiday = \"2026-10-10\""), [("E49", 13)]);
    }

    #[test]
    fn each_unreadable_value_is_reported_with_its_line() {
        let text = "[desk]\nweek = { mon-fry = [\"09:00-12:00\"], sat = [\"12:00-09:00\"] }\nholidays = []\nclosed = [\"2026-13-01\"]\n";
        let (_, diagnostics) = Calendar::parse(text, "calendar.toml");
        let codes: Vec<(&str, u32)> = diagnostics.iter().map(|c| (c.code, c.line)).collect();
        assert_eq!(codes, [("E02", 3), ("E14", 4), ("E14", 2), ("E14", 2)]);
    }
}
