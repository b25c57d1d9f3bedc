//! Flows that can run and are probably mistaken: a missing limit, an open second factor, an unknown address, calendars that
//! contradict each other.

use jiff::civil::{Date, Weekday};

use super::subject::Subject;
use crate::calendar::{Days, Desk};
use crate::model::*;
use base::{Bilingual, bilingual};
use speech::Diagnostic;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    limits(subject, &mut diagnostics);
    for node in &subject.flow.nodes {
        match &node.kind {
            Kind::Lookup(lookup) => {
                open_factor(subject, node, lookup, &mut diagnostics);
                source(subject, node, lookup, &mut diagnostics);
            }
            Kind::Transfer(transfer) => address(subject, node, transfer, &mut diagnostics),
            Kind::Record(record) if record.say.is_empty() => {
                let what = bilingual!(
                    "record {}: nothing is said before the beep",
                    "record {}：提示音之前没有播放内容",
                    node.name
                );
                diagnostics.push(subject.diagnostic(
                    "W11",
                    node.line,
                    what,
                    Bilingual::fixed(
                        "add `say = \"…\"`, which asks for a message",
                        "请加上 `say = \"…\"`，请来电人留言",
                    ),
                ));
            }
            Kind::Menu(menu) => tongues(subject, node, menu, &mut diagnostics),
            Kind::Ask(_)
            | Kind::Say(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Record(_)
            | Kind::Rate(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => {}
        }
    }
    seasons(subject, &mut diagnostics);
    calendars(subject, &mut diagnostics);
    diagnostics
}

/// A check without its limit is skipped.
fn limits(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let limits = &subject.flow.limits;
    let has = |is: fn(&Kind) -> bool| subject.flow.nodes.iter().any(|node| is(&node.kind));
    let missing = [
        (
            limits.keys_to_human.is_none(),
            "keys_to_human = 3",
            Bilingual::fixed("how far callers are from a person", "转人工所需按键数"),
        ),
        (
            limits.menu_seconds.is_none(),
            "menu_seconds = 30",
            Bilingual::fixed("how long a menu takes to hear", "菜单播放时长"),
        ),
        (limits.options.is_none(), "options = 6", Bilingual::fixed("how many options a menu has", "菜单选项数")),
        (
            limits.answer_seconds.is_none() && has(|kind| matches!(kind, Kind::Lookup(_))),
            "answer_seconds = 35",
            Bilingual::fixed("how long a caller waits for the result", "来电人听到结果的时间"),
        ),
    ];
    for (_, write, proof) in missing.into_iter().filter(|(missing, ..)| *missing) {
        let what = bilingual!(
            "[limits] has no limit for {proof}, so it is not checked",
            "[limits] 未规定{proof:#}的上限，因此不作检查"
        );
        diagnostics.push(subject.diagnostic(
            "W10",
            limits.line.max(1),
            what,
            bilingual!("add `{write}`", "请加上 `{write}`"),
        ));
    }
}

/// A caller who chooses a language may not understand the current one.
fn tongues(subject: &Subject<'_>, node: &Node, menu: &Menu, diagnostics: &mut Vec<Diagnostic>) {
    let chooses = |choice: &&Choice| choice.set.iter().any(|(var, _)| &**var == "lang");
    if !menu.native && menu.choices.iter().filter(chooses).count() > 1 {
        let what = bilingual!(
            "menu {}: its options choose a language, and all are read in the same one",
            "menu {}：选项用于选择语言，却都用同一种语言播放",
            node.name
        );
        diagnostics.push(subject.diagnostic(
            "W13",
            node.line,
            what,
            Bilingual::fixed("add `speak = \"native\"`", "请加上 `speak = \"native\"`"),
        ));
    }
}

/// A caller must prove to hold the receipt: what a look-up asks for beside the number is secret.
fn open_factor(subject: &Subject<'_>, node: &Node, lookup: &Lookup, diagnostics: &mut Vec<Diagnostic>) {
    for var in lookup.by.iter().skip(1) {
        let asks = |node: &&Node| matches!(&node.kind, Kind::Ask(ask) if ask.store == *var && !ask.secret);
        for ask in subject.flow.nodes.iter().filter(asks) {
            let what = bilingual!(
                "ask {}: lookup {} takes {var} as a proof, and it is not secret",
                "ask {}：lookup {} 以 {var} 作核验，但它不是保密内容",
                ask.name,
                node.name
            );
            diagnostics.push(subject.diagnostic(
                "E42",
                ask.line,
                what,
                Bilingual::fixed("add `secret = true`", "请加上 `secret = true`"),
            ));
        }
    }
}

fn source(subject: &Subject<'_>, node: &Node, lookup: &Lookup, diagnostics: &mut Vec<Diagnostic>) {
    if &*lookup.source != SOURCE {
        let what = bilingual!(
            "lookup {}: a node has no source {:?}; on a call it asks {SOURCE}",
            "lookup {}：没有数据来源 {:?}；实际通话中查询 {SOURCE}",
            node.name,
            lookup.source
        );
        diagnostics.push(subject.diagnostic(
            "W12",
            node.line,
            what,
            bilingual!("write `source = \"{SOURCE}\"`", "请写 `source = \"{SOURCE}\"`"),
        ));
    }
}

fn address(subject: &Subject<'_>, node: &Node, transfer: &Transfer, diagnostics: &mut Vec<Diagnostic>) {
    if &*transfer.to != DESK {
        let what = bilingual!(
            "transfer {}: a node has no address {:?}; on a call this fails",
            "transfer {}：没有转接地址 {:?}；实际通话中会失败",
            node.name,
            transfer.to
        );
        diagnostics.push(subject.diagnostic(
            "W12",
            node.line,
            what,
            bilingual!("write `to = \"{DESK}\"`, which is phone.desk", "请写 `to = \"{DESK}\"`，即 phone.desk"),
        ));
    }
}

/// A condition on a calendar without days never holds.
fn seasons(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let choices = subject.flow.nodes.iter().flat_map(Node::choices);
    let conditions = (choices.filter_map(|choice| Some((choice.when.as_ref()?, choice.line))))
        .chain(subject.flow.notices.iter().filter_map(|notice| Some((notice.when.as_ref()?, notice.line))))
        .chain(subject.flow.entries.iter().map(|entry| (&entry.when, entry.line)));
    for (when, line) in conditions {
        let When::Calendar(name) = when else { continue };
        if subject.calendar.desks.get(name).is_some_and(|desk| desk.days.is_empty()) {
            let what = bilingual!(
                "calendar.{name} has no days, so this never holds",
                "calendar.{name} 没有日期，因此永不成立"
            );
            diagnostics.push(subject.diagnostic(
                "W09",
                line,
                what,
                bilingual!("add `days = [\"…\"]` to [{name}]", "请在 [{name}] 中加上 `days = [\"…\"]`"),
            ));
        }
    }
}

/// Tables that differ about a day: one of them is mistaken, as a holiday holds for every desk.
fn calendars(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let calendar = subject.calendar;
    let working = &calendar.working;
    let mut report = |line, what: Bilingual, remedy: Bilingual| {
        let file = calendar.file.clone();
        diagnostics.push(Diagnostic { code: "W09", file, line, message: what, remedy });
    };
    let lists =
        [(&working.off, "off"), (&working.work, "work")].map(|(days, key)| ("working", working.line, days, key));
    let desks = calendar.desks.iter().flat_map(|(name, desk)| {
        let own =
            [(&desk.holiday, "holiday"), (&desk.closed, "closed"), (&desk.make_up, "make_up"), (&desk.days, "days")];
        own.map(|(days, key)| (&**name, desk.line, days, key))
    });
    for (name, line, days, key) in lists.into_iter().chain(desks) {
        if let Some(day) = twice(days) {
            report(
                line,
                bilingual!("[{name}] {key} names {day} twice", "[{name}] {key} 中 {day} 写了两次"),
                Bilingual::fixed("name each day once", "每天只写一次"),
            );
        }
    }
    if working.published_to.is_none() && !(working.off.is_empty() && working.work.is_empty()) {
        let what = Bilingual::fixed(
            "[working] has no published_to, so no date is promised",
            "[working] 缺少 published_to，因此不告知预计日期",
        );
        report(
            working.line,
            what,
            Bilingual::fixed(
                "add `published_to = \"2026-12-31\"`, the last day of the last notice",
                "请加上 `published_to = \"2026-12-31\"`，即最近一次放假通知的最后一天",
            ),
        );
    }
    for (name, desk) in &calendar.desks {
        // Days taken from another calendar are reported for that calendar alone.
        let of = desk.same_days_as.as_ref().and_then(|of| calendar.desks.get(of));
        let theirs = of.map(|of| contradictions(working, of)).unwrap_or_default();
        let own = contradictions(working, desk).into_iter().filter(|one| !theirs.contains(one));
        for ((from, to), what, remedy) in in_ranges(own) {
            let days = if from == to { from.to_string() } else { format!("{from}..{to}") };
            report(desk.line, bilingual!("[{name}] {days} {what}", "[{name}] {days} {what:#}"), remedy);
        }
    }
}

/// Days in a row of which the same is to be said, as one range.
fn in_ranges(found: impl Iterator<Item = (Date, Bilingual, Bilingual)>) -> Vec<((Date, Date), Bilingual, Bilingual)> {
    let mut ranges: Vec<((Date, Date), Bilingual, Bilingual)> = Vec::new();
    for (day, what, remedy) in found {
        match ranges.last_mut() {
            Some(((_, to), said, _)) if *said == what && to.tomorrow().is_ok_and(|next| next == day) => *to = day,
            _ => ranges.push(((day, day), what, remedy)),
        }
    }
    ranges
}

/// The days that a desk and the working calendar both cover and judge differently.
fn contradictions(working: &crate::calendar::Working, desk: &Desk) -> Vec<(Date, Bilingual, Bilingual)> {
    let weekday = |day: Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let mut found = Vec::new();
    if working.off.is_empty() && working.work.is_empty() {
        return found;
    }
    for day in each(&desk.holiday).filter(|day| weekday(*day) && !holds(&working.off, *day)) {
        found.push((
            day,
            Bilingual::fixed("is a holiday, and [working] counts it", "写为节假日，而 [working] 计为工作日"),
            Bilingual::fixed("add it to `off` of [working], or remove it", "请加入 [working] 的 `off`，或将其删除"),
        ));
    }
    for day in each(&desk.make_up).filter(|day| !weekday(*day) && !holds(&working.work, *day)) {
        found.push((
            day,
            Bilingual::fixed("is worked, and [working] does not count it", "写为上班日，而 [working] 不计为工作日"),
            Bilingual::fixed("add it to `work` of [working], or remove it", "请加入 [working] 的 `work`，或将其删除"),
        ));
    }
    // Cases of past years need [working] alone; from the desk's first year on both tables know each day.
    let first = each(&desk.holiday).map(Date::year).min();
    let known = |day: &Date| first.is_some_and(|first| day.year() >= first);
    let unheard =
        |day: &Date| !holds(&desk.make_up, *day) && desk.hours_on(*day).is_empty() && !holds(&desk.closed, *day);
    for day in each(&working.work).filter(|day| known(day) && unheard(day)) {
        found.push((
            day,
            Bilingual::fixed(
                "is worked by [working], and has no hours here",
                "在 [working] 中为上班日，而此处没有工作时间",
            ),
            Bilingual::fixed("add it to `make_up`, or to `closed`", "请加入 `make_up` 或 `closed`"),
        ));
    }
    for day in each(&working.off).filter(|day| known(day) && weekday(*day) && !desk.hours_on(*day).is_empty()) {
        if !holds(&desk.holiday, day) && !holds(&desk.closed, day) {
            found.push((
                day,
                Bilingual::fixed("is off by [working], and open here", "在 [working] 中为休息日，而此处开放"),
                Bilingual::fixed("add it to `holiday`, or to `closed`", "请加入 `holiday` 或 `closed`"),
            ));
        }
    }
    found
}

fn each(days: &[Days]) -> impl Iterator<Item = Date> {
    days.iter()
        .flat_map(|(from, to)| from.series(jiff::Span::new().days(1)).take(DAYS).take_while(move |day| day <= to))
}

fn holds(days: &[Days], day: Date) -> bool {
    days.iter().any(|(from, to)| (*from..=*to).contains(&day))
}

fn twice(days: &[Days]) -> Option<Date> {
    let overlaps = |(at, (from, to)): (usize, &Days)| {
        days[..at].iter().find(|(a, b)| a <= to && from <= b).map(|(a, _)| (*a).max(*from))
    };
    days.iter().enumerate().find_map(overlaps)
}

/// Where look-ups of a call go.
const SOURCE: &str = "progress";
/// Where transfers of a call go.
const DESK: &str = "desk";
/// Days of one range that are checked: a season, or a year by mistake.
const DAYS: usize = 400;
