//! A call in text, one act at a time, as `jindu sim` shows it.
//!
//! ```text
//!  line ─► act of a sheet ─► call ─► time passes until it is the caller's turn ─► what was heard, the keys that work
//!             └──────────────► kept: the session is a call sheet
//! ```
//! What passes between two of the caller's acts is written down as acts too (`hear`, `wait`), so a saved session runs
//! through the same moments again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::events::Event;
use super::office::Caller;
use super::parse::{Act, Db, Expected, Row, act_of, keys};
use super::records::Records;
use super::run::Call;
use crate::conversation::PromptId;
use crate::io::TransferOutcome;
use crate::model::{Ask, Kind, Target};
use crate::release::Release;
use base::{Bilingual, Key, Lang, bilingual};

/// What one line of a session led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What was heard and what can be done next, a line each.
    pub lines: Vec<Bilingual>,
    /// Why the line could not be read or done.
    pub error: Option<Bilingual>,
}

/// A caller at a keyboard.
pub struct Session {
    release: Arc<Release>,
    base: Instant,
    cases: Vec<Row>,
    /// Earlier calls of the session.
    before: Vec<Written>,
    call: Call,
    written: Written,
}

/// One call as a sheet.
#[derive(Clone, Debug, Default)]
struct Written {
    acts: Vec<String>,
    /// Rows of the cases that were there from the start.
    used: Vec<Row>,
}

impl Session {
    /// A session in which look-ups find `cases`, unless it says otherwise.
    pub fn new(release: Arc<Release>, cases: Vec<Row>, base: Instant) -> Session {
        let call = call(&release, &cases, base);
        Session { release, base, cases, before: Vec::new(), call, written: Written::default() }
    }

    /// Acts as one line says: keys, or an act of a call sheet.
    pub fn line(&mut self, line: &str) -> Reply {
        let line = line.trim();
        match self.act(line) {
            Ok(act) => self.perform(&act, line),
            Err(wrong) => Reply { error: Some(wrong), ..Reply::default() },
        }
    }

    /// The calls so far, as a call sheet.
    pub fn sheet(&self) -> String {
        let mut text = String::from("# A session of jindu sim.\n");
        let now = Written { used: self.used(), ..self.written.clone() };
        for (n, written) in self.before.iter().chain([&now]).filter(|written| !written.acts.is_empty()).enumerate() {
            text.push_str(&format!("\ntest \"call {}\"\n", n + 1));
            let rows = written.used.iter().map(row_line);
            rows.chain(written.acts.iter().cloned()).for_each(|act| text.push_str(&format!("  {act}\n")));
        }
        text
    }

    fn act(&self, line: &str) -> Result<Act, Bilingual> {
        if line.is_empty() {
            return Ok(Act::Wait(Duration::ZERO));
        }
        // A number may be pasted with its spaces.
        if let Some(keys) = keys(&line.replace(' ', "")) {
            return Ok(Act::Press(keys));
        }
        let short = |remedy| if line.starts_with("db") { DB_REMEDY } else { remedy };
        act_of(&self.with_names(line))
            .map_err(short)
            .map_err(|remedy| bilingual!("{line}: cannot be done; {remedy}", "{line}：无法执行；{remedy:#}"))
    }

    /// `db 4401… 123X -> …` names the source and its keys by their order.
    fn with_names(&self, line: &str) -> String {
        let Some((asked, gives)) = line.strip_prefix("db ").and_then(|rest| rest.split_once("->")) else {
            return line.into();
        };
        let Some(lookup) = self.release.flow.nodes.iter().find_map(|node| node.lookup()) else { return line.into() };
        if asked.contains('=') {
            return line.into();
        }
        let by: Vec<String> =
            lookup.by.iter().zip(asked.split_whitespace()).map(|(name, value)| format!("{name}={value}")).collect();
        format!("db {} {} ->{gives}", lookup.source, by.join(" "))
    }

    fn perform(&mut self, act: &Act, line: &str) -> Reply {
        let mut lines = Vec::new();
        let begun = self.call.conversation.is_some();
        let error =
            |wrong| Reply { lines: Vec::new(), error: Some(bilingual!("{line}: {wrong}", "{line}：{wrong:#}")) };
        let begins = self.call.is_of_the_next_call(act) || self.is_over() && is_callers(act);
        if begun && begins {
            // What cannot be done leaves the present call as it is.
            let mut new = call(&self.release, &self.cases, self.base);
            if let Err(wrong) = new.act(act) {
                return error(wrong);
            }
            self.begin(new);
            lines.push(Bilingual::fixed("-- a new call", "-- 新的来电"));
        } else if let Err(wrong) = self.call.act(act) {
            return error(wrong);
        }
        match act {
            Act::Press(keys) => {
                self.note(format!("press {}", keys.iter().map(|key| key.as_char()).collect::<String>()))
            }
            Act::Wait(time) if time.is_zero() => {}
            Act::Listen => {}
            Act::Db(Db::Row(row)) => self.note(row_line(row)),
            Act::Hear(_) | Act::Never(_) | Act::ExpectsSms(_) | Act::AtNode(_) | Act::Within(_) | Act::Ended => {
                lines.push(Bilingual::fixed("-- so it is", "-- 确认如此"));
                self.note(line.to_owned());
            }
            Act::At(_)
            | Act::Db(_)
            | Act::Caller(_)
            | Act::Emergency(_)
            | Act::Lang(_)
            | Act::Transfer(_)
            | Act::Agent(..)
            | Act::Position(..)
            | Act::Queue(_)
            | Act::CallBacks(_)
            | Act::Recorded(_)
            | Act::Sms(_)
            | Act::CalledBack
            | Act::Silence(_)
            | Act::Talk(_)
            | Act::Wait(_) => self.note(line.to_owned()),
        }
        if is_callers(act) || begun && is_of_the_office(act) {
            let faults = self.call.faults.len();
            self.listen(&mut lines);
            let new = self.call.faults.iter().skip(faults);
            lines.extend(new.map(|fault| bilingual!("-- {fault}", "-- 流程出错：{fault}")));
            lines.extend(self.prompt());
        }
        Reply { lines, error: None }
    }

    fn note(&mut self, act: String) {
        self.written.acts.push(act);
    }

    fn is_over(&self) -> bool {
        self.call.conversation.as_ref().is_some_and(|conversation| conversation.is_over())
    }

    fn used(&self) -> Vec<Row> {
        self.call.records.found().iter().filter_map(|at| self.cases.get(*at)).cloned().collect()
    }

    fn begin(&mut self, call: Call) {
        let used = self.used();
        let written = std::mem::take(&mut self.written);
        self.before.push(Written { used, ..written });
        self.call = call;
    }

    /// Lets time pass until it is the caller's turn, and lists what was heard.
    fn listen(&mut self, lines: &mut Vec<Bilingual>) {
        let mut since = self.call.now;
        for _ in 0..EVENTS {
            if let Some((said, shown)) = self.next_heard() {
                lines.push(shown);
                match said {
                    Some(said) => {
                        self.note(written(&said));
                        let act = if said.name.is_empty() { Act::Ended } else { Act::Hear(said) };
                        let _ = self.call.act(&act);
                    }
                    None => self.call.cursor += 1,
                }
                since = self.call.now;
            } else if self.call.is_callers_turn() || self.call.now.duration_since(since) > LONGEST {
                break;
            } else {
                match self.call.next_at() {
                    Some(at) => self.call.pass(at.saturating_duration_since(self.call.now)),
                    None => break,
                }
            }
        }
        // Whole milliseconds can be written down.
        let passed = self.call.now.duration_since(since);
        let whole = Duration::from_millis(passed.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        if !whole.is_zero() && !self.is_over() {
            self.call.pass(whole.saturating_sub(passed));
            self.note(format!("wait {}ms", whole.as_millis()));
        }
    }

    /// The next thing heard: as a sheet writes it, and as the session shows it.
    fn next_heard(&mut self) -> Option<(Option<Expected>, Bilingual)> {
        while let Some(event) = self.call.events.get(self.call.cursor) {
            match event {
                Event::Node(_) => self.call.cursor += 1,
                Event::Heard { heard, lang, text, .. } => {
                    let shown = match text.is_empty() {
                        true => Bilingual::fixed("    (a sound)", "    （提示音）"),
                        false => format!("{:<4}{text}", lang.code()).into(),
                    };
                    return Some((said(heard, *lang, text), shown));
                }
                Event::Text(text) => {
                    let shown = bilingual!("    (text message: {text})", "    （短信：{text}）");
                    return Some((None, shown));
                }
                Event::Transferred(outcome) => {
                    let shown = match outcome {
                        TransferOutcome::Done => Bilingual::fixed(
                            "-- transferred: the caller talked to the other side, which hung up",
                            "-- 转接成功：来电人与对方通话后，对方已挂机",
                        ),
                        TransferOutcome::Busy => Bilingual::fixed("-- not transferred: busy", "-- 未转接：对方占线"),
                        TransferOutcome::Failed => Bilingual::fixed(
                            "-- not transferred: the other side cannot be reached",
                            "-- 未转接：无法接通对方",
                        ),
                    };
                    return Some((None, shown));
                }
                Event::Ended => {
                    return Some((
                        Some(ended()),
                        Bilingual::fixed(
                            "-- the call is over; a key begins another",
                            "-- 通话已结束；再按键即为新的来电",
                        ),
                    ));
                }
            }
        }
        None
    }

    /// Where the caller is, and what can be done there.
    fn prompt(&self) -> Vec<Bilingual> {
        let Some(conversation) = self.call.conversation.as_ref().filter(|conversation| !conversation.is_over()) else {
            return Vec::new();
        };
        let node = conversation.node();
        if self.call.office.caller == Caller::Connected {
            return vec![bilingual!(
                "[{node}]  an agent talks to the caller: keys go to the agent; agent NAME hangs_up, agent NAME fails",
                "[{node}]  坐席与来电人通话中：按键传给坐席；agent 姓名 hangs_up、agent 姓名 fails"
            )];
        }
        let of_the_message = conversation.recording_keys();
        let taken = |key: Key| of_the_message.iter().any(|(other, _)| *other == key);
        let choices = if conversation.is_taking() { Vec::new() } else { conversation.open_choices() };
        let others = choices.iter().filter(|choice| !taken(choice.key)).map(|choice| {
            let entry = choice.opt.as_ref().and_then(|opt| self.release.script.entry(&format!("opt.{opt}")));
            let words = entry.and_then(|entry| entry.plain(conversation.lang())).unwrap_or_default();
            let space = if words.is_empty() { "" } else { " " };
            let (key, go) = (choice.key.as_char(), leads(&choice.go.target));
            bilingual!("{key}{space}{words} → {go}", "{key}{space}{words} → {go:#}")
        });
        let own = of_the_message.iter().map(|(key, what)| {
            let key = key.as_char();
            bilingual!("{key} {what}", "{key} {what:#}")
        });
        let keys = own.chain(others);
        let keys = Bilingual::list(&keys.collect::<Vec<_>>(), "  ", "  ");
        let space = if keys.is_empty() { "" } else { "  " };
        let typed = self.release.flow.node(node).map_or_else(Bilingual::default, |node| match &node.kind {
            Kind::Ask(ask) => entry(ask),
            Kind::Rate(rate) => {
                let (best, worst) = (rate.best, rate.worst);
                bilingual!("  {best} to {worst}: the score", "  {best} 至 {worst}：评分")
            }
            Kind::Menu(_)
            | Kind::Say(_)
            | Kind::Lookup(_)
            | Kind::Switch(_)
            | Kind::Hours(_)
            | Kind::Queue(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Sms(_)
            | Kind::Callback(_) => Bilingual::default(),
        });
        let speak = if conversation.takes_message() { "  talk 20s" } else { "" };
        vec![bilingual!("[{node}]{typed}{speak}{space}{keys}", "[{node}]{typed:#}{speak}{space}{keys:#}")]
    }
}

/// What is typed at a question; the keys that are listed after it work before the first digit.
fn entry(ask: &Ask) -> Bilingual {
    let ends = if ask.end == Some(Key::Pound) {
        Bilingual::fixed(", then #", "，以 # 结束")
    } else {
        Bilingual::default()
    };
    let erases = if ask.erase == Some(Key::Star) {
        Bilingual::fixed(", * clears them", "，* 清除")
    } else {
        Bilingual::default()
    };
    bilingual!("  digits{ends}{erases}; before them:", "  输入数字{ends:#}{erases:#}；输入前可按：")
}

fn call(release: &Arc<Release>, cases: &[Row], base: Instant) -> Call {
    let mut call = Call::new(release.clone(), base);
    call.records = Records::new(cases.to_vec());
    call
}

/// Whether an act is the caller's, so that something may be heard after it.
fn is_callers(act: &Act) -> bool {
    match act {
        Act::Press(_) | Act::Silence(_) | Act::Talk(_) | Act::Wait(_) | Act::Listen => true,
        Act::At(_)
        | Act::Db(_)
        | Act::Caller(_)
        | Act::Emergency(_)
        | Act::Lang(_)
        | Act::Transfer(_)
        | Act::Agent(..)
        | Act::Position(..)
        | Act::Queue(_)
        | Act::CallBacks(_)
        | Act::Recorded(_)
        | Act::Sms(_)
        | Act::CalledBack
        | Act::Hear(_)
        | Act::Never(_)
        | Act::ExpectsSms(_)
        | Act::AtNode(_)
        | Act::Within(_)
        | Act::Ended => false,
    }
}

/// Whether the queue or an agent acts, so that a caller who waits hears something.
fn is_of_the_office(act: &Act) -> bool {
    matches!(act, Act::Agent(..) | Act::Position(..) | Act::Queue(_))
}

fn leads(target: &Target) -> Bilingual {
    match target {
        Target::Node(name) => name.to_string().into(),
        Target::End => Bilingual::fixed("the end", "结束"),
        Target::Home => Bilingual::fixed("the menu before", "上一个菜单"),
        Target::Back => Bilingual::fixed("one step back", "返回一步"),
        Target::Repeat => Bilingual::fixed("once more", "重复一遍"),
    }
}

fn said(heard: &PromptId, lang: Lang, text: &str) -> Option<Expected> {
    let (name, menu) = match heard {
        PromptId::Prompt(name) => (name, false),
        PromptId::Menu(name) => (name, true),
        PromptId::Sound => return None,
    };
    // Quotes cannot be written in a sheet, and the words of a menu follow from its options.
    let words = if menu || text.contains('"') || text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    Some(Expected { name: name.to_string(), menu, lang: Some(lang), words })
}

fn ended() -> Expected {
    Expected { name: String::new(), menu: false, lang: None, words: Vec::new() }
}

fn written(said: &Expected) -> String {
    if said.name.is_empty() {
        return "ended".into();
    }
    let menu = if said.menu { "menu " } else { "" };
    let lang = said.lang.map(|lang| format!(" {}", lang.code())).unwrap_or_default();
    let words: String = said.words.iter().map(|words| format!(" \"{words}\"")).collect();
    format!("hear {menu}{}{lang}{words}", said.name)
}

fn row_line(row: &Row) -> String {
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| -> String {
        pairs.iter().map(|(name, value)| format!(" {name}={value}")).collect()
    };
    let gives = if row.many { " many".to_owned() } else { format!("{} age={}s", pairs(&row.gives), row.age.as_secs()) };
    format!("db {}{} ->{gives}", row.source, pairs(&row.by))
}

/// A session needs no names of the source and its keys.
const DB_REMEDY: Bilingual = Bilingual::fixed(
    "write `db down`, `db up`, `db slow 20s` or `db RECEIPT TAIL -> status=ready doc=passport hall=north`",
    "请写 `db down`、`db up`、`db slow 20s` 或 `db 回执号 后四位 -> status=ready doc=passport hall=north`",
);
/// Things heard after one act; more is a flow that never stops talking.
const EVENTS: usize = 2_000;
/// A sheet waits no longer for what it expects.
const LONGEST: Duration = Duration::from_secs(100);
