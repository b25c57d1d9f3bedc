//! How long a caller waits for the result: every prompt on the way heard to its end, by the lengths of its recordings.
//!
//! ```text
//!  start ─► welcome ─► language ─► main menu ─► receipt ─► tail ─► look-up ─► result ─► the next question
//! ```
//! The way to a look-up is the one with the fewest questions, by keys that menus read out; of several the longest counts. After the
//! look-up every state counts, each sentence with the values that take longest. What does not count: the time in which keys are
//! pressed, the look-up itself, notices, and the age of an old answer. Opening and closing times count as full hours: their minutes are
//! the calendar's, which changes without the wording, and no wording makes up for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time, date};

use super::check::expanded;
use super::conversation::OPTION_PAUSE;
use super::exits::{By, Exit};
use super::model::*;
use super::release::Release;
use base::{Bilingual, Lang, bilingual};
use speech::{Clip, Diagnostic, Piece, SENTENCE_PAUSE, Slot, SlotType, Value};

/// How long a recording plays; `None`: there is none.
pub type ClipLength<'a> = &'a dyn Fn(&Clip) -> Option<Duration>;

/// The longest way to a result in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTime {
    /// The language of the result.
    pub lang: Lang,
    /// From the answered call to the end of the result.
    pub total: Duration,
    /// The nodes on the way, each with what is heard there.
    pub path: Vec<(Arc<str>, Duration)>,
}

impl AnswerTime {
    /// `33.1 s: welcome 2.1, language 5.2, …`
    pub fn shown(&self) -> Bilingual {
        let heard = self.path.iter().filter(|(_, heard)| !heard.is_zero());
        let steps: Vec<String> = heard.map(|(node, heard)| format!("{node} {:.1}", heard.as_secs_f64())).collect();
        bilingual!("{:.1} s: {}", "{:.1} 秒（{}）", self.total.as_secs_f64(), steps.join(", "))
    }

    /// The names of the nodes that say most, the longest first.
    fn longest(&self) -> Vec<&str> {
        let mut path: Vec<_> = self.path.iter().collect();
        path.sort_by_key(|(_, heard)| std::cmp::Reverse(*heard));
        path.into_iter().take(LONGEST).map(|(node, _)| &**node).collect()
    }
}

/// The longest way to a result in each language that one is reached in; empty for a flow without a look-up.
pub fn answer_times(release: &Release, length: ClipLength<'_>) -> Vec<AnswerTime> {
    let measure = Measure { release, length };
    let ways = measure.ways_to_look_ups();
    let each = release.flow.langs.iter().filter_map(|lang| {
        let ends = ways.iter().filter(|((_, own), _)| own == lang);
        let lookups = ends.filter_map(|((name, _), way)| Some((release.flow.node(name)?.lookup()?, way)));
        let fewest = lookups.clone().map(|(_, way)| way.questions).min()?;
        let nearest = lookups.filter(|(_, way)| way.questions == fewest);
        let whole = nearest.map(|(lookup, way)| {
            let mut path = way.path.clone();
            path.extend(measure.result(&lookup.found, *lang, None, &mut BTreeMap::new(), STEPS));
            AnswerTime { lang: *lang, total: path.iter().map(|(_, heard)| *heard).sum(), path }
        });
        whole.max_by_key(|way| way.total)
    });
    each.collect()
}

impl Release {
    /// `E43` for each language in which the result takes longer than `answer_seconds`.
    pub fn too_slow(&self, file: &str, times: &[AnswerTime]) -> Vec<Diagnostic> {
        let limits = &self.flow.limits;
        let Some(most) = limits.answer_seconds else { return Vec::new() };
        let slow = times.iter().filter(|time| time.total > Duration::from_secs(most.into()));
        let over = |time: &AnswerTime| (time.total.as_secs_f64() - f64::from(most)).max(0.1);
        let diagnostic = |time: &AnswerTime| Diagnostic {
            code: "E43",
            file: file.into(),
            line: limits.line,
            message: bilingual!(
                "in {} the result ends after {}; the limit is {most} s",
                "{} 的结果在 {:#} 后播完；上限为 {most} 秒",
                time.lang.code(),
                time.shown()
            ),
            remedy: bilingual!(
                "shorten what {} say by {:.1} s in all, move options to another menu, or raise answer_seconds in [limits]; \
                 recordings count as long as they are, opening hours without their minutes",
                "请把 {} 的用语或录音共缩短 {:.1} 秒，或把选项移到别的菜单，或调高 [limits] 的 answer_seconds；\
                 时长按现有录音计算，办公时间只计整点",
                time.longest().join(", "),
                over(time)
            ),
        };
        slow.map(diagnostic).collect()
    }
}

/// Nodes, each with what is heard there.
type Heard = Vec<(Arc<str>, Duration)>;
/// The longest way on from a node, by whether the last `hours` node found its desk open.
type Results = BTreeMap<(Arc<str>, Option<bool>), Heard>;

struct Measure<'a> {
    release: &'a Release,
    length: ClipLength<'a>,
}

/// A way from the start: fewer questions are better, then the longer one counts.
#[derive(Clone)]
struct Way {
    questions: u32,
    total: Duration,
    path: Vec<(Arc<str>, Duration)>,
}

impl Measure<'_> {
    fn ways_to_look_ups(&self) -> BTreeMap<(Arc<str>, Lang), Way> {
        let flow = &self.release.flow;
        let mut ways: BTreeMap<(Arc<str>, Lang), Way> = BTreeMap::new();
        let mut todo = VecDeque::new();
        if let Target::Node(start) = &flow.start.target {
            let way = Way { questions: 0, total: Duration::ZERO, path: Vec::new() };
            todo.push_back((start.clone(), flow.langs[0], way));
        }
        while let Some((name, lang, way)) = todo.pop_front() {
            let Some(node) = flow.node(&name) else { continue };
            let known = ways.get(&(name.clone(), lang));
            let better = known.is_none_or(|known| {
                way.questions < known.questions || way.questions == known.questions && way.total > known.total
            });
            // A checked flow has no loop without a question; the bound is for one that is not.
            if !better || way.path.len() > STEPS {
                continue;
            }
            ways.insert((name.clone(), lang), way.clone());
            if node.lookup().is_some() {
                continue;
            }
            let heard = self.heard(node, lang, None);
            for exit in node.exits().into_iter().filter(|exit| leads_on(node, exit)) {
                let Target::Node(next) = &exit.go.target else { continue };
                let chosen = exit.set.iter().find(|(var, _)| &**var == "lang");
                let lang = chosen.and_then(|(_, code)| Lang::from_code(code)).unwrap_or(lang);
                let mut path = way.path.clone();
                path.push((name.clone(), heard));
                let questions = way.questions + u32::from(node.asks());
                todo.push_back((next.clone(), lang, Way { questions, total: way.total + heard, path }));
            }
        }
        ways
    }

    /// The longest of what can be heard from here to the next question.
    /// `opened`: whether the last `hours` node found its desk open; `known`: what was found before, so that ways which meet
    /// again are walked once.
    fn result(&self, go: &Go, lang: Lang, opened: Option<bool>, known: &mut Results, steps: usize) -> Heard {
        let Target::Node(name) = &go.target else { return Vec::new() };
        if let Some(path) = known.get(&(name.clone(), opened)) {
            return path.clone();
        }
        let Some(node) = self.release.flow.node(name).filter(|node| passes(node) && steps > 0) else {
            return Vec::new();
        };
        let is_hours = matches!(node.kind, Kind::Hours(_));
        let ways = node.exits().into_iter().map(|exit| {
            let opened = if is_hours { Some(exit.label == "open") } else { opened };
            self.result(exit.go, lang, opened, known, steps - 1)
        });
        let longest = ways.max_by_key(|way| way.iter().map(|(_, heard)| *heard).sum::<Duration>());
        let mut path = vec![(name.clone(), self.heard(node, lang, opened))];
        path.extend(longest.unwrap_or_default());
        known.insert((name.clone(), opened), path.clone());
        path
    }

    fn heard(&self, node: &Node, lang: Lang, opened: Option<bool>) -> Duration {
        match &node.kind {
            Kind::Menu(menu) => self.menu(menu, lang),
            Kind::Ask(ask) => self.prompts(&ask.say, lang, None),
            Kind::Say(say) => self.prompts(&say.say, lang, opened),
            Kind::Rate(rate) => self.prompts(&rate.say, lang, None),
            Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => Duration::ZERO,
        }
    }

    fn menu(&self, menu: &Menu, lang: Lang) -> Duration {
        let mut keys: BTreeMap<char, Duration> = BTreeMap::new();
        for choice in &menu.choices {
            let Some(opt) = &choice.opt else { continue };
            let own = choice.set.iter().find(|(var, _)| &**var == "lang").and_then(|(_, code)| Lang::from_code(code));
            let lang = own.filter(|_| menu.native).unwrap_or(lang);
            let said = self.release.script.compose_option(lang, &format!("opt.{opt}"), choice.key);
            let length = said.map_or(Duration::ZERO, |said| self.pieces(&said.pieces));
            let longest = keys.entry(choice.key.as_char()).or_default();
            *longest = length.max(*longest);
        }
        let between = OPTION_PAUSE * (keys.len().saturating_sub(1) as u32);
        let head = self.prompts(&menu.say, lang, None);
        let pause = if head.is_zero() || keys.is_empty() { Duration::ZERO } else { SENTENCE_PAUSE };
        head + pause + keys.values().sum::<Duration>() + between
    }

    fn prompts(&self, prompts: &[Prompt], lang: Lang, opened: Option<bool>) -> Duration {
        let said: Duration = prompts.iter().map(|prompt| self.prompt(prompt, lang, opened)).sum();
        said + SENTENCE_PAUSE * (prompts.len().saturating_sub(1) as u32)
    }

    fn prompt(&self, prompt: &Prompt, lang: Lang, opened: Option<bool>) -> Duration {
        let of_hours = opened.filter(|_| prompt.var() == Some("hours.now"));
        let entries = match of_hours {
            Some(true) => vec![prompt.entry("open")],
            Some(false) => vec![prompt.entry("closed"), prompt.entry("unsaid")],
            None => expanded(&self.release.flow, prompt).unwrap_or_default(),
        };
        entries.iter().map(|entry| self.entry(entry, lang)).max().unwrap_or_default()
    }

    fn entry(&self, path: &str, lang: Lang) -> Duration {
        let slots = self.release.script.entry(path).map(|entry| entry.slots()).unwrap_or_default();
        let values: BTreeMap<Arc<str>, Value> =
            slots.iter().filter_map(|slot| Some((slot.name.clone(), self.longest(slot, lang)?))).collect();
        let said = self.release.script.compose(lang, path, &|name| values.get(name).cloned(), TODAY);
        said.map_or(Duration::ZERO, |said| self.pieces(&said.pieces))
    }

    /// The value that takes longest to say.
    fn longest(&self, slot: &Slot, lang: Lang) -> Option<Value> {
        match slot.kind {
            SlotType::Word | SlotType::Words => self.longest_words(slot, lang),
            SlotType::Digits => {
                let digit = (0..10).max_by_key(|digit| self.word(lang, &format!("digit.m.{digit}")))?;
                let most = usize::from(self.release.environment.receipt_lengths().1);
                let count = match &*slot.name {
                    "desk.number" => self.release.environment.desk_number.chars().filter(char::is_ascii_digit).count(),
                    "caller.number" => MANY_DIGITS,
                    name if !name.ends_with(TAIL) && self.is_receipt(name) => most,
                    _ => FEW_DIGITS,
                };
                Some(Value::Digits { digits: digit.to_string().repeat(count), groups: Vec::new() })
            }
            SlotType::Number if &*slot.name == "receipt.length" => {
                Some(Value::Number(self.release.environment.receipt_lengths().1.into()))
            }
            SlotType::Count | SlotType::Number => {
                let longest = (0..100).max_by_key(|n: &u32| self.word(lang, &format!("num.{n}")))?;
                Some(Value::Number(longest))
            }
            SlotType::Money => Some(Value::Money(LONG_PRICE)),
            SlotType::Date => Some(Value::Date(self.longest_date(lang))),
            SlotType::Time => {
                let day = if &*slot.name == "hours.until" { TODAY } else { self.longest_date(lang) };
                let time = self.turns(&slot.name).into_iter().max_by_key(|time| {
                    let value = Value::Time(TODAY.to_datetime(*time));
                    self.value(slot, &value, lang)
                })?;
                Some(Value::Time(day.to_datetime(time)))
            }
            SlotType::Opt | SlotType::Key => None,
        }
    }

    fn longest_words(&self, slot: &Slot, lang: Lang) -> Option<Value> {
        let (set, members) = self.release.flow.members(&slot.name)?;
        let path = |member: &Arc<str>| -> Arc<str> { format!("{set}.{member}").into() };
        let mut words: Vec<Arc<str>> = members.iter().map(path).collect();
        words.sort_by_key(|word| std::cmp::Reverse(self.entry(&format!("opt.{word}"), lang)));
        match slot.kind {
            SlotType::Words => Some(Value::Words(words.into_iter().take(LIST).collect())),
            _ => words.into_iter().next().map(Value::Word),
        }
    }

    /// The times of day at which a slot's value may lie: the full hours of the calendars for hours, else a long one.
    fn turns(&self, name: &str) -> Vec<Time> {
        let hours = self.release.calendar.desks.values().flat_map(|desk| desk.week.values().flatten());
        let of: Vec<Time> = match name {
            "hours.until" => hours.map(|(_, to)| full_hour(*to)).collect(),
            "hours.next" => hours.map(|(from, _)| full_hour(*from)).collect(),
            _ => Vec::new(),
        };
        if of.is_empty() { vec![Time::constant(21, 57, 0, 0)] } else { of }
    }

    fn is_receipt(&self, name: &str) -> bool {
        let asks =
            |node: &Node| matches!(&node.kind, Kind::Ask(ask) if &*ask.store == name && ask.length == Length::Receipt);
        self.release.flow.nodes.iter().any(asks)
    }

    /// The longest day of this year.
    fn longest_date(&self, lang: Lang) -> Date {
        let month = (1..=12).max_by_key(|month: &i8| self.word(lang, &format!("month.{month}"))).unwrap_or(12);
        let day = (1..=28).max_by_key(|day: &i8| self.word(lang, &format!("day.{day}"))).unwrap_or(28);
        Date::new(TODAY.year(), month, day).unwrap_or(TODAY)
    }

    fn value(&self, slot: &Slot, value: &Value, lang: Lang) -> Duration {
        let said = self.release.script.compose_value(lang, slot, value, TODAY);
        said.map_or(Duration::ZERO, |said| self.pieces(&said.pieces))
    }

    fn word(&self, lang: Lang, id: &str) -> Duration {
        self.clip(&Clip { lang, id: id.into() })
    }

    fn pieces(&self, pieces: &[Piece]) -> Duration {
        let lengths = pieces.iter().map(|piece| match piece {
            Piece::Clip(clip) => self.clip(clip),
            Piece::Silence(time) | Piece::Tone(time) => *time,
            Piece::Ringing(_) | Piece::Message => Duration::ZERO,
        });
        lengths.sum()
    }

    /// A recording that is missing is heard in the first language.
    fn clip(&self, clip: &Clip) -> Duration {
        let first = || Clip { lang: self.release.flow.langs[0], id: clip.id.clone() };
        (self.length)(clip).or_else(|| (self.length)(&first())).unwrap_or_default()
    }
}

/// Whether a caller who wants the result takes this exit.
fn leads_on(node: &Node, exit: &Exit<'_>) -> bool {
    match (&node.kind, exit.by) {
        (Kind::Menu(menu), By::Key(key)) => {
            let read_out = |choice: &Choice| choice.key == key && choice.opt.is_some();
            !exit.inherited && menu.choices.iter().any(read_out)
        }
        (Kind::Ask(_), By::Entry) => true,
        (Kind::Say(_) | Kind::Switch(_) | Kind::Hours(_), By::Itself) => true,
        _ => false,
    }
}

fn full_hour(time: Time) -> Time {
    Time::constant(time.hour(), 0, 0, 0)
}

fn passes(node: &Node) -> bool {
    matches!(node.kind, Kind::Say(_) | Kind::Switch(_) | Kind::Hours(_))
}

/// Nodes that E43 asks to be shortened.
const LONGEST: usize = 3;
/// Steps of one way.
const STEPS: usize = 64;
/// Papers of a list that are counted: most lists have one.
const LIST: usize = 1;
/// Digits of a value whose length nothing says: the end of a receipt number, of a waybill.
const FEW_DIGITS: usize = 4;
/// A telephone number with its area.
const MANY_DIGITS: usize = 12;
/// An amount that takes long to say: 777.77 yuan.
const LONG_PRICE: u32 = 77_777;
/// Dates are of the same year, as most promised ones.
const TODAY: Date = date(2026, 1, 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Sources};

    const FLOW: &str = r#"
schema = 1
flow   = "small"
langs  = ["zh", "en"]
start  = "hello"
[limits]
answer_seconds = 8
[defaults]
give_up = "bye"
[say.hello]
say  = "hello"
next = "choose"
[menu.choose]
speak = "native"
keys.1 = { opt = "zh", set = { lang = "zh" }, go = "number" }
keys.2 = { opt = "en", set = { lang = "en" }, go = "detour" }
keys.3 = "bye"
[menu.detour]
keys.1 = { opt = "en", go = "number" }
[ask.number]
say    = "number"
store  = "number"
digits = "4"
next   = "find"
[lookup.find]
source = "progress"
by     = ["number"]
gives  = "case"
on     = { found = "state", none = "bye", many = "bye", down = "bye" }
[switch.state]
of    = "case.state"
short = "short"
long  = "long"
[say.short]
say  = "short"
next = "bye"
[say.long]
say  = ["short", "long"]
next = "after"
[menu.after]
keys.1 = { opt = "zh", go = "bye" }
[say.bye]
say  = "bye"
next = "@end"
[enum]
state = ["short", "long"]
thing = ["a", "b"]
[type]
"case.state"  = "enum:state"
"case.things" = "enum:thing"
"#;
    const SCRIPT: &str = r#"
[menu_line]
zh = "{opt}{key}"
en = "{opt}{key}"
[opt]
zh = { zh = "甲", en = "a" }
en = { zh = "乙", en = "b" }
[opt.thing]
a = { zh = "短", en = "short" }
b = { zh = "长", en = "long" }
[prompt]
hello  = { zh = "好", en = "hello" }
number = { zh = "号", en = "number" }
short  = { zh = "短", en = "short" }
long   = { zh = "{case.things:words}", en = "{case.things:words}" }
bye    = { zh = "再见", en = "bye" }
"#;

    fn release() -> Arc<Release> {
        let environment = Environment {
            receipt: Box::new(|typed| Ok((typed.into(), Vec::new()))),
            receipt_formats: Vec::new(),
            desk_number: String::new(),
        };
        let sources = Sources { flow: ("f", FLOW), script: ("s", SCRIPT), calendar: ("c", "") };
        Release::load(sources, environment).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"))
    }

    /// Every recording plays for a second, and the longer thing for two.
    fn length(clip: &Clip) -> Option<Duration> {
        Some(Duration::from_secs(if &*clip.id == "opt.thing.b" { 2 } else { 1 }))
    }

    #[test]
    fn the_longest_result_on_the_way_with_the_fewest_questions_counts() {
        let times = answer_times(&release(), &length);
        let nodes = |time: &AnswerTime| time.path.iter().map(|(node, _)| node.to_string()).collect::<Vec<_>>();
        assert_eq!(nodes(&times[0]), ["hello", "choose", "number", "state", "long"]);
        assert_eq!(nodes(&times[1]), ["hello", "choose", "detour", "number", "state", "long"]);
        let heard =
            |time: &AnswerTime, node: &str| time.path.iter().find(|(name, _)| &**name == node).expect("on the way").1;
        // Two options of two recordings each, and the joins and pauses that are played between them.
        assert_eq!(heard(&times[0], "choose"), Duration::from_secs(4) + Duration::from_millis(30 + 100 + 30));
        assert_eq!(heard(&times[0], "long"), Duration::from_secs(3) + SENTENCE_PAUSE);
        assert_eq!(times[0].total, times[0].path.iter().map(|(_, heard)| *heard).sum());
    }

    #[test]
    fn a_result_that_takes_too_long_is_an_error_in_each_language_that_names_the_path() {
        let release = release();
        let times = answer_times(&release, &length);
        let codes = |times: &[AnswerTime]| -> Vec<&str> {
            release.too_slow("f", times).iter().map(|diagnostic| diagnostic.code).collect()
        };
        assert_eq!(codes(&times), ["E43", "E43"]);
        assert!(release.too_slow("f", &times)[1].message.en.contains("detour 2.0"));
        let quick = answer_times(&release, &|_| Some(Duration::from_millis(300)));
        assert_eq!(codes(&quick), [""; 0]);
    }
}
