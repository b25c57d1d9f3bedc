//! A sheet as text → its tests and acts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;

use crate::io::TransferOutcome;
use crate::read::duration as written;
use base::{Bilingual, Key, Lang, bilingual};
use speech::{Diagnostic, closest_match};

/// The tests of one file.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// In the order written.
    pub tests: Vec<SheetTest>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct SheetTest {
    /// As the `test` line names it.
    pub name: String,
    /// Where the test stands.
    pub line: u32,
    /// Its acts, each with its line.
    pub acts: Vec<(u32, Act)>,
}

/// One line of a call.
#[derive(Clone, Debug)]
pub enum Act {
    /// The call is made at this local time.
    At(DateTime),
    /// A data source has this record, or behaves like that.
    Db(Db),
    /// `senior`, `blocked`, `mobile`, `number`, or a language chosen before.
    Caller(Vec<String>),
    /// The duty officer turns the emergency switch.
    Emergency(bool),
    /// From here on the call is in this language, as if the caller had chosen it.
    Lang(Lang),
    /// How the next transfers end.
    Transfer(TransferOutcome),
    /// An agent of this name does something.
    Agent(String, AgentAct),
    /// The queue announces this position, and this wait in minutes.
    Position(u32, Option<u32>),
    /// The queue is so from here on, or becomes so for the caller who waits.
    Queue(QueueAct),
    /// Whether call-backs can be booked from here on.
    CallBacks(bool),
    /// Whether conversations with agents are recorded.
    Recorded(bool),
    /// Whether the caller may get text messages, from here on.
    Sms(SmsAct),
    /// A text message with these words is accepted, at some time from here on.
    ExpectsSms(Vec<String>),
    /// The node makes the call, as the caller asked.
    CalledBack,
    /// The caller presses keys.
    Press(Vec<Key>),
    /// The caller lets so many waits for a key time out.
    Silence(u32),
    /// Speaks after the beep.
    Talk(Duration),
    /// Time passes.
    Wait(Duration),
    /// The caller hears this, at some time from here on.
    Hear(Expected),
    /// The caller has not heard this in the whole call.
    Never(Expected),
    /// The call comes to this node.
    AtNode(Arc<str>),
    /// The caller lets everything end that is said, up to the next turn.
    Listen,
    /// So much time has passed since the call was answered, at most; checked where the lengths of the recordings are known.
    Within(Duration),
    /// The call ends.
    Ended,
}

/// What the office does with text messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsAct {
    /// The caller may get one.
    On,
    /// None is sent.
    Off,
    /// One is offered, and then refused.
    Fails,
}

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentAct {
    /// Takes callers.
    Ready,
    /// Takes none any longer.
    Leaves,
    /// Answers the call for the caller who waits.
    Answers,
    /// The phone fails right after that: the caller waits again.
    Fails,
    /// Ends the conversation.
    HangsUp,
}

/// What a queue is, or becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAct {
    /// It takes callers.
    Open,
    /// It is full.
    Full,
    /// It is closed.
    Closed,
    /// The longest wait is over.
    Late,
    /// The node shuts down.
    Drains,
}

/// What a source answers.
#[derive(Clone, Debug)]
pub enum Db {
    /// It has one more record.
    Row(Row),
    /// It answers after this time.
    Slow(Duration),
    /// It does not answer.
    Down,
    /// It answers again, and at once.
    Up,
}

/// A row that a look-up finds.
#[derive(Clone, Debug)]
pub struct Row {
    /// The source's name in the flow.
    pub source: String,
    /// What must be asked by, variable and value.
    pub by: BTreeMap<String, String>,
    /// What it gives, variable without prefix and value.
    pub gives: BTreeMap<String, String>,
    /// How old the answer is.
    pub age: Duration,
    /// More than one case fits.
    pub many: bool,
}

/// What a caller should hear.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `welcome`, `fees.hkmo`, or a menu's name.
    pub name: String,
    /// `name` is a menu, and its options are meant.
    pub menu: bool,
    /// The language; absent: any.
    pub lang: Option<Lang>,
    /// Words that the sentence must hold.
    pub words: Vec<String>,
}

/// Reads a sheet.
///
/// # Errors
/// A diagnostic for each line that cannot be read.
pub fn parse(text: &str, file: &str) -> Result<Sheet, Vec<Diagnostic>> {
    let file: Arc<str> = file.into();
    let mut sheet = Sheet::default();
    let mut diagnostics = Vec::new();
    for (at, written) in text.lines().enumerate() {
        let line = at as u32 + 1;
        let trimmed = written.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let words = words(trimmed);
        let read = match (words[0].as_str(), sheet.tests.last_mut()) {
            ("test", _) => {
                let name = words.get(1).cloned().unwrap_or_default();
                sheet.tests.push(SheetTest { name, line, acts: Vec::new() });
                Ok(())
            }
            (_, None) => Err(Bilingual::fixed(
                "no test has begun; write `test \"name\"` above it",
                "尚未开始测试；请在其上写 `test \"名称\"`",
            )),
            (_, Some(test)) => act(&words).map(|act| test.acts.push((line, act))),
        };
        if let Err(remedy) = read {
            let what = bilingual!("this line cannot be read: {trimmed}", "此行无法读取：{trimmed}");
            diagnostics.push(Diagnostic { code: "E51", file: file.clone(), line, message: what, remedy });
        }
    }
    if diagnostics.is_empty() { Ok(sheet) } else { Err(diagnostics) }
}

/// Words parted by spaces; quotes keep spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
            }
            c => words.last_mut().expect("there is always a last word").push(c),
        }
    }
    if words.len() > 1 && words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    words
}

/// One act as it is written; an error says what to write.
pub(super) fn act_of(line: &str) -> Result<Act, Bilingual> {
    act(&words(line))
}

fn act(words: &[String]) -> Result<Act, Bilingual> {
    let rest = &words[1..];
    let first = rest.first().map(String::as_str);
    match words[0].as_str() {
        "at" => moment(rest).map(Act::At).ok_or_else(|| write("`at 2026-11-24 10:00`")),
        "db" => db(rest).map(Act::Db),
        "caller" if first.is_some() => Ok(Act::Caller(rest.to_vec())),
        "emergency" => match first {
            Some("on") => Ok(Act::Emergency(true)),
            Some("off") => Ok(Act::Emergency(false)),
            Some(_) | None => Err(write("`emergency on|off`")),
        },
        "lang" => first.and_then(Lang::from_code).map(Act::Lang).ok_or_else(|| write("`lang zh|yue|en`")),
        "transfer" => match first {
            Some("done") => Ok(Act::Transfer(TransferOutcome::Done)),
            Some("busy") => Ok(Act::Transfer(TransferOutcome::Busy)),
            Some("failed") => Ok(Act::Transfer(TransferOutcome::Failed)),
            Some(_) | None => Err(write("`transfer done|busy|failed`")),
        },
        "agent" => agent(rest).ok_or_else(|| write("`agent amy ready|leaves|answers|fails|hangs_up`")),
        "position" => position(rest).ok_or_else(|| write("`position 3`, `position 3 5m`")),
        "queue" => match first {
            Some("open") => Ok(Act::Queue(QueueAct::Open)),
            Some("full") => Ok(Act::Queue(QueueAct::Full)),
            Some("closed") => Ok(Act::Queue(QueueAct::Closed)),
            Some("late") => Ok(Act::Queue(QueueAct::Late)),
            Some("drains") => Ok(Act::Queue(QueueAct::Drains)),
            Some(_) | None => Err(write("`queue open|full|closed|late|drains`")),
        },
        "call_backs" => on_off(first).map(Act::CallBacks).ok_or_else(|| write("`call_backs on|off`")),
        "recorded" => on_off(first).map(Act::Recorded).ok_or_else(|| write("`recorded on|off`")),
        "sms" => match first {
            Some("on") => Ok(Act::Sms(SmsAct::On)),
            Some("off") => Ok(Act::Sms(SmsAct::Off)),
            Some("fails") => Ok(Act::Sms(SmsAct::Fails)),
            Some(_) | None => Err(write("`sms on|off|fails`")),
        },
        "expects" => match first {
            Some("sms") => Ok(Act::ExpectsSms(rest[1..].to_vec())),
            Some(_) | None => Err(write("`expects sms \"words\"`")),
        },
        "called_back" => Ok(Act::CalledBack),
        "press" => keys(&rest.concat())
            .filter(|keys| !keys.is_empty())
            .map(Act::Press)
            .ok_or_else(|| Bilingual::fixed("write keys: 0 to 9, * and #", "请写按键：0 至 9、* 和 #")),
        "silence" => match first.map_or(Ok(1), str::parse) {
            Ok(n) => Ok(Act::Silence(n)),
            Err(_) => Err(write("`silence 2`")),
        },
        "talk" => first.and_then(duration).map(Act::Talk).ok_or_else(|| write("`talk 20s`")),
        "wait" => first.and_then(duration).map(Act::Wait).ok_or_else(|| write("`wait 10s`")),
        "hear" => said(rest).map(Act::Hear),
        "never" => said(rest).map(Act::Never),
        "at_node" => first.map(|name| Act::AtNode(name.into())).ok_or_else(|| write("`at_node agent`")),
        "listen" => Ok(Act::Listen),
        "within" => first.and_then(duration).map(Act::Within).ok_or_else(|| write("`within 35s`")),
        "ended" => Ok(Act::Ended),
        other => {
            let near = closest_match(other, ACTS);
            Err(near.map_or_else(
                || {
                    Bilingual::fixed(
                        "write keys, as in 1 or 123#, or help for all acts",
                        "请写按键（如 1 或 123#），或 help 查看全部动作",
                    )
                },
                |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
            ))
        }
    }
}

fn on_off(word: Option<&str>) -> Option<bool> {
    match word? {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn agent(rest: &[String]) -> Option<Act> {
    let [name, does] = rest else { return None };
    let act = match does.as_str() {
        "ready" => AgentAct::Ready,
        "leaves" => AgentAct::Leaves,
        "answers" => AgentAct::Answers,
        "fails" => AgentAct::Fails,
        "hangs_up" => AgentAct::HangsUp,
        _ => return None,
    };
    Some(Act::Agent(name.clone(), act))
}

fn position(rest: &[String]) -> Option<Act> {
    let position = rest.first()?.parse().ok().filter(|position| *position > 0)?;
    let minutes = match rest.get(1) {
        None => None,
        Some(wait) => Some(u32::try_from(duration(wait)?.as_secs() / 60).ok()?),
    };
    Some(Act::Position(position, minutes))
}

/// The keys of a text: `123#`. X is the star key, which stands for it on a telephone.
pub(super) fn keys(text: &str) -> Option<Vec<Key>> {
    match text {
        "star" => return Some(vec![Key::Star]),
        "pound" => return Some(vec![Key::Pound]),
        _ => {}
    }
    let key = |c| if matches!(c, 'X' | 'x') { Some(Key::Star) } else { Key::from_char(c) };
    text.chars().map(key).collect()
}

fn write(example: &str) -> Bilingual {
    bilingual!("write {example}", "请写 {example}")
}

/// A time within a day: no sheet needs more, and virtual time has an end.
fn duration(text: &str) -> Option<Duration> {
    written(text).filter(|time| *time <= Duration::from_secs(86_400))
}

fn moment(rest: &[String]) -> Option<DateTime> {
    let date = rest.first()?.parse::<jiff::civil::Date>().ok()?;
    let (hour, minute) = rest.get(1).map_or(Some(("10", "00")), |time| time.split_once(':'))?;
    let time = jiff::civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    Some(date.to_datetime(time))
}

fn db(rest: &[String]) -> Result<Db, Bilingual> {
    let usage = || write("`db progress receipt=… id_tail=… -> status=… age=2m`, `db down|up` / `db slow 20s`");
    let plain: Vec<&str> = rest.iter().map(String::as_str).collect();
    match plain[..] {
        ["down"] | [_, "down"] => return Ok(Db::Down),
        ["up"] | [_, "up"] => return Ok(Db::Up),
        ["slow", time] | [_, "slow", time] => return duration(time).map(Db::Slow).ok_or_else(usage),
        _ => {}
    }
    let arrow = plain.iter().position(|word| *word == "->").filter(|at| *at > 0).ok_or_else(usage)?;
    let pairs = |words: &[&str]| -> Option<BTreeMap<String, String>> {
        words.iter().map(|word| word.split_once('=').map(|(k, v)| (k.to_string(), v.to_string()))).collect()
    };
    let many = plain[arrow + 1..] == ["many"];
    let by = pairs(&plain[1..arrow]).ok_or_else(usage)?;
    let mut gives = if many { BTreeMap::new() } else { pairs(&plain[arrow + 1..]).ok_or_else(usage)? };
    let age = match gives.remove("age") {
        None => Duration::from_secs(60),
        Some(age) => written(&age).filter(|age| *age <= OLDEST).ok_or_else(usage)?,
    };
    Ok(Db::Row(Row { source: plain[0].into(), by, gives, age, many }))
}

fn said(rest: &[String]) -> Result<Expected, Bilingual> {
    let usage = || {
        Bilingual::fixed(
            "write `hear welcome`, `hear menu main`, and a language and words if they matter",
            "请写 `hear welcome`、`hear menu main`，必要时加上语言和词语",
        )
    };
    let menu = rest.first().is_some_and(|word| word == "menu") && rest.len() > 1;
    let rest = if menu { &rest[1..] } else { rest };
    let name = rest.first().ok_or_else(usage)?.clone();
    let lang = rest.get(1).and_then(|word| Lang::from_code(word));
    let words = rest[if lang.is_some() { 2 } else { 1 }..].to_vec();
    Ok(Expected { name, menu, lang, words })
}

const OLDEST: Duration = Duration::from_secs(3650 * 86_400);

/// What a line of a sheet may begin with.
pub const ACTS: [&str; 25] = [
    "test",
    "at",
    "db",
    "caller",
    "emergency",
    "lang",
    "transfer",
    "agent",
    "position",
    "queue",
    "call_backs",
    "sms",
    "expects",
    "called_back",
    "recorded",
    "press",
    "silence",
    "talk",
    "wait",
    "hear",
    "never",
    "at_node",
    "listen",
    "within",
    "ended",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_read_with_its_lines() {
        let sheet = parse("# a comment\ntest \"a b\"\n  press 1#\n  hear st zh \"x y\" z\n", "a.call").unwrap();
        assert_eq!((sheet.tests[0].name.as_str(), sheet.tests[0].line), ("a b", 2));
        let Act::Hear(said) = &sheet.tests[0].acts[1].1 else { panic!() };
        assert_eq!((said.lang, said.words.as_slice()), (Some(Lang::Zh), &["x y".to_string(), "z".into()][..]));
    }

    #[test]
    fn an_unreadable_line_says_what_to_write() {
        let diagnostics = parse("press 1\ntest \"a\"\n  pres 1\n  press a\n  db x\n", "a.call").unwrap_err();
        let lines: Vec<u32> = diagnostics.iter().map(|c| c.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
        assert_eq!(diagnostics[1].remedy.en, "did you mean press?");
    }
}
