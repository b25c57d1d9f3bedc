//! Runs the calls of a sheet against a release in virtual time: no clock, no sound, thousands of calls a second.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::{DateTime, date};

use super::events::{ClipLengths, Event, describe, is, schedule, shown};
use super::names;
use super::office::Office;
use super::parse::{Act, Db, Expected, Sheet, SheetTest, SmsAct};
use super::records::{self, Records};
use crate::conversation::Conversation;
use crate::io::*;
use crate::release::Release;
use base::{Bilingual, Lang, Private, bilingual};

/// How one call of a sheet went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The test's name.
    pub name: String,
    /// Where the test stands.
    pub line: u32,
    /// Absent: the test passed.
    pub failure: Option<Failure>,
    /// What was heard and where the call went, one line each.
    pub transcript: Vec<String>,
    /// The number of lines of the transcript that the test's acts have matched.
    pub matched: usize,
    /// How long the call had taken when its last act was done: by the recordings, if their lengths are known, else by estimates.
    pub seconds: Duration,
}

/// The first act that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The act's line.
    pub line: u32,
    /// What was expected and did not come, or what could not be done.
    pub what: Bilingual,
}

/// Runs every test of a sheet. `base` is any instant: virtual time counts from there.
pub fn run(release: &Arc<Release>, sheet: &Sheet, base: Instant) -> Vec<Outcome> {
    sheet.tests.iter().map(|test| run_one(release, test, None, base)).collect()
}

/// The same, with time by the lengths of the recordings.
pub fn run_recorded(release: &Arc<Release>, sheet: &Sheet, clips: &ClipLengths, base: Instant) -> Vec<Outcome> {
    sheet.tests.iter().map(|test| run_one(release, test, Some(clips), base)).collect()
}

fn run_one(release: &Arc<Release>, test: &SheetTest, clips: Option<&ClipLengths>, base: Instant) -> Outcome {
    let mut call = Call { clips: clips.cloned(), ..Call::new(release.clone(), base) };
    let mut failure = None;
    for (line, act) in &test.acts {
        if let Err(what) = call.act(act) {
            failure = Some(Failure { line: *line, what });
            break;
        }
    }
    let (transcript, matched, seconds) = (call.transcript(), call.cursor, call.taken());
    Outcome { name: test.name.clone(), line: test.line, failure, transcript, matched, seconds }
}

pub(super) struct Call {
    pub(super) release: Arc<Release>,
    pub(super) now: Instant,
    pub(super) civil: DateTime,
    pub(super) caller: Caller,
    pub(super) emergency: bool,
    pub(super) records: Records,
    pub(super) transfer: TransferOutcome,
    pub(super) conversation: Option<Conversation>,
    pub(super) events: Vec<Event>,
    /// Events before this one have been matched.
    pub(super) cursor: usize,
    silences: u32,
    /// Lines of the play that have not been heard yet, and when they will have been.
    pub(super) lines: VecDeque<(Instant, Event)>,
    play_ends: Option<(PlayId, Instant)>,
    arriving: Vec<(Instant, Input)>,
    /// Plays that were cut short.
    cut: BTreeSet<PlayId>,
    recording: Option<Take>,
    pub(super) office: Office,
    pub(super) faults: Vec<String>,
    /// Absent: lengths are estimated.
    clips: Option<ClipLengths>,
    /// When the call was answered.
    answered: Option<Instant>,
}

struct Take {
    ends: Instant,
    talked: Duration,
}

impl Call {
    pub(super) fn new(release: Arc<Release>, base: Instant) -> Call {
        Call {
            release,
            now: base,
            civil: date(2026, 11, 24).at(10, 0, 0, 0),
            caller: Caller::default(),
            emergency: false,
            records: Records::default(),
            transfer: TransferOutcome::Done,
            conversation: None,
            events: Vec::new(),
            cursor: 0,
            silences: 0,
            lines: VecDeque::new(),
            play_ends: None,
            arriving: Vec::new(),
            cut: BTreeSet::new(),
            recording: None,
            office: Office::default(),
            faults: Vec::new(),
            clips: None,
            answered: None,
        }
    }

    /// How long the call has taken so far.
    fn taken(&self) -> Duration {
        self.answered.map_or(Duration::ZERO, |answered| self.now.duration_since(answered))
    }

    /// Acts as one line of a sheet says.
    pub(super) fn act(&mut self, act: &Act) -> Result<(), Bilingual> {
        match act {
            Act::At(civil) => self.before_the_call("at").map(|()| self.civil = *civil),
            Act::Caller(traits) => self.before_the_call("caller").and_then(|()| self.caller_is(traits)),
            Act::Db(db) => {
                if let Db::Row(row) = db {
                    records::check(&self.release.flow, row)?;
                }
                self.records.apply(db);
                Ok(())
            }
            Act::Emergency(on) => {
                self.emergency = *on;
                self.conversation.iter_mut().for_each(|conversation| conversation.set_emergency(*on));
                Ok(())
            }
            Act::Transfer(ended) => {
                self.transfer = *ended;
                Ok(())
            }
            Act::Agent(name, act) => self.agent(name, *act),
            Act::Position(position, minutes) => self.position(*position, *minutes),
            Act::Queue(act) => self.queue(*act),
            Act::CallBacks(on) => {
                // What a caller is offered is decided when the call begins.
                if *on && !self.office.offers {
                    self.before_the_call("call_backs on")?;
                }
                (self.office.books, self.office.offers) = (*on, *on);
                Ok(())
            }
            Act::Recorded(on) => self.before_the_call("recorded").map(|()| self.office.records = *on),
            Act::Sms(act) => {
                if *act != SmsAct::Off && !self.office.texts {
                    self.before_the_call("sms")?;
                }
                (self.office.texts, self.office.accepts_texts) = (*act != SmsAct::Off, *act != SmsAct::Fails);
                Ok(())
            }
            Act::CalledBack => {
                self.before_the_call("called_back")?;
                if self.release.flow.called_back.is_none() {
                    return Err(Bilingual::fixed(
                        "the flow does not say where a call-back begins: give it `called_back`",
                        "流程没有写明回电从哪里开始：请写 `called_back`",
                    ));
                }
                self.office.calls_back = true;
                Ok(())
            }
            Act::Lang(_)
            | Act::Press(_)
            | Act::Silence(_)
            | Act::Talk(_)
            | Act::Wait(_)
            | Act::Hear(_)
            | Act::Never(_)
            | Act::ExpectsSms(_)
            | Act::AtNode(_)
            | Act::Listen
            | Act::Within(_)
            | Act::Ended => {
                self.dial();
                self.in_call(act)
            }
        }
    }

    fn in_call(&mut self, act: &Act) -> Result<(), Bilingual> {
        match act {
            Act::Press(keys) => {
                for key in keys {
                    self.pass(BETWEEN_KEYS);
                    self.feed(Input::Key(*key));
                }
                Ok(())
            }
            Act::Lang(lang) => {
                self.conversation.iter_mut().for_each(|conversation| conversation.set_lang(*lang));
                Ok(())
            }
            Act::Silence(n) => self.keep_silent(*n),
            Act::Talk(time) => self.speak(*time),
            Act::Wait(time) => {
                self.pass(*time);
                Ok(())
            }
            Act::Hear(said) => {
                names::check_heard(&self.release, said)?;
                self.hear(said)
            }
            Act::Never(said) => {
                names::check_heard(&self.release, said)?;
                match self.events.iter().find(|event| is(event, said)) {
                    Some(_) => Err(bilingual!("{} was heard", "不应{:#}", shown(said))),
                    None => Ok(()),
                }
            }
            Act::ExpectsSms(words) => self.wait_for(
                &bilingual!("a text message with {}", "含有 {} 的短信", words.join(" ")),
                |event| matches!(event, Event::Text(text) if words.iter().all(|words| text.contains(words))),
            ),
            Act::AtNode(name) => {
                names::check_node(&self.release.flow, name)?;
                self.wait_for(
                    &bilingual!("to be at {name}", "到达 {name}"),
                    |event| matches!(event, Event::Node(node) if node == name),
                )
            }
            Act::Listen => self.listen(),
            Act::Within(most) => match self.taken() {
                taken if self.clips.is_some() && taken > *most => Err(bilingual!(
                    "{:.1} s have passed, more than {:.1} s",
                    "已过 {:.1} 秒，超过 {:.1} 秒",
                    taken.as_secs_f64(),
                    most.as_secs_f64()
                )),
                _ => Ok(()),
            },
            Act::Ended => self
                .wait_for(&Bilingual::fixed("the call to end", "通话结束"), |event| matches!(event, Event::Ended)),
            Act::At(_)
            | Act::Caller(_)
            | Act::Db(_)
            | Act::Emergency(_)
            | Act::Transfer(_)
            | Act::Agent(..)
            | Act::Position(..)
            | Act::Queue(_)
            | Act::CallBacks(_)
            | Act::Recorded(_)
            | Act::Sms(_)
            | Act::CalledBack => Ok(()),
        }
    }

    /// Whether an act says something that is decided when a call begins, so that it can only hold for the next one.
    pub(super) fn is_of_the_next_call(&self, act: &Act) -> bool {
        match act {
            Act::At(_) | Act::Caller(_) | Act::CalledBack | Act::Recorded(_) => true,
            Act::CallBacks(on) => *on && !self.office.offers,
            Act::Sms(act) => *act != SmsAct::Off && !self.office.texts,
            _ => false,
        }
    }

    fn before_the_call(&self, act: &str) -> Result<(), Bilingual> {
        if self.conversation.is_some() {
            Err(bilingual!("`{act}` must stand before the call begins", "`{act}` 必须写在通话开始之前"))
        } else {
            Ok(())
        }
    }

    fn caller_is(&mut self, traits: &[String]) -> Result<(), Bilingual> {
        for one in traits {
            match one.as_str() {
                "senior" => self.caller.senior = true,
                "blocked" => self.caller.blocked = true,
                "mobile" => self.caller.mobile = true,
                "number" => self.caller.number = Some(Private::new("13800000000".into())),
                other => match Lang::from_code(other.rsplit('=').next().unwrap_or(other)) {
                    Some(lang) => self.caller.last_lang = Some(lang),
                    None => {
                        return Err(bilingual!(
                            "a caller is senior, blocked, mobile (calls from one), number (its number is shown) or a language, not {other:?}",
                            "来电人可写 senior、blocked、mobile（手机来电）、number（显示号码）或语言，不能写 {other:?}"
                        ));
                    }
                },
            }
        }
        Ok(())
    }

    pub(super) fn dial(&mut self) {
        if self.conversation.is_none() {
            let clock = WallClock { at: self.now, civil: self.civil };
            let (release, call_back, recorded) = (self.release.clone(), self.office.offers, self.office.records);
            let text_messages = self.office.texts.into();
            let caller = Caller { call_back, recorded, text_messages, ..self.caller.clone() };
            self.conversation = Some(Conversation::new(release, caller, clock, self.emergency, self.now));
            self.answered = Some(self.now);
            self.feed(if self.office.calls_back { Input::StartCallBack } else { Input::Start });
        }
    }

    /// Lets what plays, and what follows it by itself, end: until it is the caller's turn.
    fn listen(&mut self) -> Result<(), Bilingual> {
        let until = self.now + PATIENCE;
        while !self.is_callers_turn() {
            match self.next_at().filter(|at| *at <= until) {
                Some(at) => self.step(at),
                None => break,
            }
        }
        self.cursor = self.cursor.max(self.events.len());
        Ok(())
    }

    pub(super) fn feed(&mut self, input: Input) {
        let now = self.now;
        let Some(conversation) = &mut self.conversation else { return };
        if let Input::TransferEnded(outcome) = &input {
            self.events.push(Event::Transferred(*outcome));
        }
        let outputs = conversation.handle_input(now, input);
        for output in outputs {
            self.perform(output);
        }
        // Music plays until something happens.
        if self.conversation.as_ref().is_some_and(Conversation::waits_in_queue) {
            return;
        }
        let Some((id, lines)) = self.conversation.as_ref().and_then(Conversation::playing) else { return };
        if self.play_ends.is_some_and(|(playing, _)| playing == id) {
            return;
        }
        let (schedule, ends) = schedule(now, id, lines, self.clips.as_ref());
        self.lines = schedule;
        self.play_ends = Some((id, ends));
    }

    fn perform(&mut self, output: Output) {
        match output {
            // What plays is read from the conversation: of several plays at one moment only the last is heard.
            Output::Play { .. } | Output::Stop => {
                self.lines.clear();
                self.cut.extend(self.play_ends.take().map(|(id, _)| id));
            }
            Output::LookUp { source, by } => {
                let findings = self.records.find(&self.release.flow, &source, &by);
                self.arriving.push((self.now + self.records.delay(), Input::LookedUp(findings)));
            }
            Output::Transfer { .. } => self.arriving.push((self.now + TRANSFER, Input::TransferEnded(self.transfer))),
            Output::EnterQueue { .. } => {
                let outcome = self.office.enter().map(|outcome| (self.now, Input::Queue(QueueEvent::Left(outcome))));
                self.arriving.extend(outcome);
            }
            Output::LeaveQueue => self.office.leave(),
            Output::BookCallBack { .. } => self.arriving.push((self.now, Input::CallBackBooked(self.office.books))),
            Output::SendText { text } => {
                self.events.push(Event::Text(text.expose().clone()));
                self.arriving.push((self.now, Input::TextAccepted(self.office.accepts_texts)));
            }
            Output::DeclineCallBack | Output::RecordingAnnounced => {}
            Output::Record { max } => {
                self.recording = Some(Take { ends: self.now + max, talked: Duration::ZERO });
            }
            Output::StopRecording => self.end_take(),
            Output::SaveRecording { .. } => self.arriving.push((self.now, Input::RecordingSaved(Some(TICKET.into())))),
            Output::Step { node } => self.events.push(Event::Node(node)),
            Output::InputError { kind: InputError::NoInput, .. } => self.silences += 1,
            Output::InputError { .. } | Output::Rated { .. } | Output::Lang(_) => {}
            Output::Fault { node, what } => self.faults.push(format!("fault at {node}: {what}")),
            Output::HangUp => {
                self.lines.clear();
                self.play_ends = None;
                self.events.push(Event::Ended);
            }
        }
    }

    fn end_take(&mut self) {
        if let Some(take) = self.recording.take() {
            let result = RecordResult::Recorded { length: take.talked };
            self.arriving.push((self.now, Input::Recorded(result)));
        }
    }

    /// Lets time pass, with everything that falls due in it.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            self.step(at);
        }
        self.now = until;
    }

    /// When something happens next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let conversation = self.conversation.as_ref().filter(|conversation| !conversation.is_over())?;
        let times = [
            self.lines.front().map(|(at, _)| *at),
            self.play_ends.map(|(_, at)| at),
            self.arriving.iter().map(|(at, _)| *at).min(),
            self.recording.as_ref().map(|take| take.ends),
            conversation.deadline().map(|deadline| deadline.at),
        ];
        times.into_iter().flatten().min().map(|at| at.max(self.now))
    }

    /// Whether nothing more comes until the caller acts or time runs out.
    pub(super) fn is_callers_turn(&self) -> bool {
        self.lines.is_empty()
            && self.play_ends.is_none()
            && self.arriving.is_empty()
            && self.conversation.as_ref().is_some_and(Conversation::is_callers_turn)
    }

    /// Whether a play was cut short, or a key on its way will cut it short.
    pub(super) fn is_cut(&self, play: PlayId) -> bool {
        self.cut.contains(&play) || !self.arriving.is_empty()
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Goes to the next thing that happens; false if none comes within [`PATIENCE`].
    pub(super) fn step_on(&mut self) -> bool {
        let until = self.now + PATIENCE;
        self.next_at().filter(|at| *at <= until).map(|at| self.step(at)).is_some()
    }

    fn step(&mut self, at: Instant) {
        self.now = at;
        if self.lines.front().is_some_and(|(due, _)| *due <= at) {
            self.events.extend(self.lines.pop_front().map(|(_, event)| event));
        } else if let Some((id, _)) = self.play_ends.filter(|(_, ends)| *ends <= at) {
            self.play_ends = None;
            self.feed(Input::Played(id));
        } else if let Some(first) = self.arriving.iter().position(|(due, _)| *due <= at) {
            let (_, input) = self.arriving.remove(first);
            self.feed(input);
        } else if self.recording.as_ref().is_some_and(|take| take.ends <= at) {
            self.end_take();
        } else {
            self.feed(Input::Deadline);
        }
    }

    fn keep_silent(&mut self, n: u32) -> Result<(), Bilingual> {
        let (wanted, until) = (self.silences.saturating_add(n), self.now + PATIENCE);
        while self.silences < wanted {
            match self.next_at().filter(|at| *at <= until) {
                Some(at) => self.step(at),
                None => {
                    return Err(bilingual!(
                        "no menu or question waited for a key {n} times from here on; `wait 10s` lets time pass",
                        "此后没有菜单或提问等待按键满 {n} 次；可用 `wait 10s` 等待一段时间"
                    ));
                }
            }
        }
        Ok(())
    }

    fn speak(&mut self, time: Duration) -> Result<(), Bilingual> {
        let until = self.now + PATIENCE;
        while self.recording.is_none() {
            match self.next_at().filter(|at| *at <= until) {
                Some(at) => self.step(at),
                None => return Err(Bilingual::fixed("nothing is being recorded", "当前没有在录音")),
            }
        }
        if let Some(take) = &mut self.recording {
            take.talked += time;
        }
        self.pass(time);
        Ok(())
    }

    fn hear(&mut self, said: &Expected) -> Result<(), Bilingual> {
        self.wait_for(&shown(said), |event| is(event, said))?;
        self.pass(TAKING_IN);
        Ok(())
    }

    /// Looks for an event forward from the last one asked for, letting time pass until it comes.
    fn wait_for(&mut self, wanted: &Bilingual, fits: impl Fn(&Event) -> bool) -> Result<(), Bilingual> {
        let (from, until) = (self.cursor, self.now + PATIENCE);
        loop {
            if let Some(at) = self.events[self.cursor..].iter().position(&fits) {
                self.cursor += at + 1;
                return Ok(());
            }
            self.cursor = self.cursor.max(self.events.len());
            match self.next_at().filter(|at| *at <= until) {
                Some(at) => self.step(at),
                None => break,
            }
        }
        self.cursor = from;
        match self.events.len() > from {
            true => Err(bilingual!("expected {wanted}", "应为：{wanted:#}")),
            false => Err(bilingual!("expected {wanted}; nothing came", "应为：{wanted:#}；此后没有任何内容")),
        }
    }

    /// What has come that no act has matched.
    pub(super) fn unmatched(&self) -> Vec<String> {
        self.events[self.cursor..].iter().map(describe).chain(self.faults.iter().cloned()).collect()
    }

    fn transcript(&self) -> Vec<String> {
        self.events.iter().map(describe).chain(self.faults.iter().cloned()).collect()
    }
}

const BETWEEN_KEYS: Duration = Duration::from_millis(120);
/// How long a caller listens to an expected prompt before acting.
const TAKING_IN: Duration = Duration::from_millis(1200);
const TRANSFER: Duration = Duration::from_secs(3);
/// How long a sheet waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(120);
/// The ticket of every message that a sheet leaves.
pub const TICKET: &str = "20261124";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Sources};

    const FLOW: &str = r#"
schema = 1
flow   = "small"
langs  = ["zh", "en"]
start  = "hello"
[defaults]
silent  = ["again"]
wrong   = ["wrong"]
give_up = "bye"
[[entry]]
when = "caller.last_lang"
set  = { lang = "caller.last_lang" }
go   = "choose"
[[notice]]
before = "choose"
say    = "notice"
when   = "switch.emergency"
must_hear = true
[say.hello]
say  = "hello"
next = "choose"
[menu.choose]
type_ahead = false
keys.1 = { opt = "one", go = "bye" }
keys.2 = { opt = "two", go = "@repeat", when = "caller.mobile" }
[say.bye]
say  = "bye"
next = "@end"
"#;
    const SCRIPT: &str = r#"
[menu_line]
zh = "{opt}，请按{key}。"
en = "For {opt}, press {key}."
[opt]
one = { zh = "一", en = "one" }
two = { zh = "二", en = "two" }
[prompt]
hello  = { zh = "您好。", en = "Hello." }
again  = { zh = "请按键。", en = "Please press a key." }
wrong  = { zh = "没有这个选项。", en = "No such option." }
notice = { zh = "紧急通知。", en = "Urgent notice." }
bye    = { zh = "再见。", en = "Goodbye." }
"#;

    fn failures(calls: &str) -> Vec<Option<u32>> {
        let environment = Environment {
            receipt: Box::new(|typed| Ok((typed.into(), Vec::new()))),
            receipt_formats: Vec::new(),
            desk_number: String::new(),
        };
        let sources = Sources { flow: ("f", FLOW), script: ("s", SCRIPT), calendar: ("c", "") };
        let release = Release::load(sources, environment).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
        let sheet = super::super::parse(calls, "a.call").expect("a sheet");
        run(&release, &sheet, crate::virtual_time::start())
            .into_iter()
            .map(|outcome| outcome.failure.map(|f| f.line))
            .collect()
    }

    #[test]
    fn an_unmet_expectation_fails_at_its_line() {
        let calls = [
            "test \"a\"\nhear bye zh \"你好\"",
            "test \"b\"\nhear hello en",
            "test \"c\"\nhear menu chose",
            "test \"d\"\nhear hello\nnever hello",
            "test \"e\"\nat_node nowhere",
            "test \"f\"\nhear bye\nhear hello",
            "test \"g\"\ntalk 5s",
            "test \"h\"\npress 1\nat 2026-01-01 10:00",
            "test \"i\"\nwait 1s\nended\nhear menu choose",
            "test \"j\"\nhear hello\nnever gone",
            "test \"k\"\ncalled_back",
            "test \"l\"\nhear hello\ncall_backs on",
            "test \"m\"\nhear hello\nsms on",
        ];
        for sheet in calls {
            let last = sheet.lines().count() as u32;
            assert_eq!(failures(sheet), [Some(last)], "{sheet}");
        }
    }

    #[test]
    fn a_notice_that_must_be_heard_holds_the_line_and_keeps_the_keys() {
        let sheet = "test \"a\"\nemergency on\ncaller en\npress 1\nhear notice en\nhear menu choose\n";
        // The menu takes no keys typed ahead, so the 1 is dropped and the menu is read.
        assert_eq!(failures(sheet), [None]);
    }

    #[test]
    fn an_option_whose_condition_fails_is_neither_read_nor_taken() {
        let stranger =
            "test \"a\"\nhear menu choose zh \"一\"\npress 2\nhear wrong\nhear menu choose\npress 1\nhear bye\nended\n";
        assert_eq!(failures(stranger), [None]);
        let mobile =
            "test \"a\"\ncaller mobile\nhear menu choose zh \"二，请按2\"\npress 2\nhear menu choose\nnever wrong\n";
        assert_eq!(failures(mobile), [None]);
    }

    #[test]
    fn a_caller_who_chose_a_language_before_skips_the_greeting() {
        assert_eq!(
            failures("test \"a\"\ncaller en\nhear menu choose en\nnever hello\nsilence 2\nhear bye en\nended\n"),
            [None]
        );
    }
}
