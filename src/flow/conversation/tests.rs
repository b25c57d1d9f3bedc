mod queue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    Environment, Facts, InputError, LookUpAnswer, QueueEvent, QueueOutcome, RecordResult, Sources, TransferOutcome,
    facts,
};
use inquiry::{NumberError, Progress, Promise, Stage};
use speech::{Piece, Utterance};

fn environment() -> Environment {
    let receipt = |typed: &str| match typed.len() {
        15 if typed.starts_with("4401") => Ok((typed.to_string(), vec![4, 4, 4, 3])),
        15 => Err(NumberError::Prefix),
        got => Err(NumberError::Length { expected: 15, got }),
    };
    let format = inquiry::ReceiptFormat {
        name: "city".into(),
        length: 15,
        prefix: "4401".into(),
        groups: vec![4, 4, 4, 3],
        check: Default::default(),
        second_factor: Default::default(),
    };
    Environment { receipt: Box::new(receipt), receipt_formats: vec![format], desk_number: "96110110".into() }
}

fn hotline() -> Arc<Release> {
    let sources = Sources {
        flow: ("flow.toml", include_str!("../../../config/hotline/flow.toml")),
        script: ("script.toml", include_str!("../../../prompts/script.toml")),
        calendar: ("calendar.toml", include_str!("../../../config/calendar.toml")),
    };
    Release::load(sources, environment()).expect("the hotline is sound")
}

/// A caller with a telephone: presses keys, waits, and hears prompts.
struct Phone {
    talk: Conversation,
    now: Instant,
}

impl Phone {
    fn dials(release: &Arc<Release>) -> Phone {
        let now = crate::virtual_time::start();
        let clock = WallClock { at: now, civil: date(2026, 11, 24).at(10, 0, 0, 0) };
        let mut phone = Phone { talk: Conversation::new(release.clone(), Caller::default(), clock, false, now), now };
        let outputs = phone.gives(Input::Start);
        assert!(outputs.iter().any(|output| matches!(output, Output::Play { .. })));
        phone
    }

    fn gives(&mut self, input: Input) -> Vec<Output> {
        self.talk.handle_input(self.now, input)
    }

    fn presses(&mut self, keys: &str) -> Vec<Output> {
        keys.chars().filter_map(Key::from_char).flat_map(|key| self.gives(Input::Key(key))).collect()
    }

    fn hears_it_out(&mut self) -> Vec<Output> {
        match self.talk.playing() {
            Some((id, _)) => self.gives(Input::Played(id)),
            None => Vec::new(),
        }
    }

    fn waits(&mut self) -> Vec<Output> {
        let deadline = self.talk.deadline().expect("something to wait for");
        self.now = self.now.max(deadline.at);
        self.gives(Input::Deadline)
    }

    /// The prompts being played.
    fn hears(&self) -> Vec<String> {
        let lines = self.talk.playing().map_or(&[][..], |(_, lines)| lines);
        lines
            .iter()
            .map(|line| match &line.prompt {
                PromptId::Prompt(name) => name.to_string(),
                PromptId::Menu(name) => format!("menu {name}"),
                PromptId::Sound => "sound".into(),
            })
            .collect()
    }
}

fn ready() -> Facts {
    facts(&Progress {
        stage: Stage::Ready,
        minor: false,
        document: Some("passport".into()),
        hall: Some("north".into()),
        promise: Promise::None,
        items: Vec::new(),
        stage_on: Some(date(2026, 11, 20)),
        waybill_tail: None,
    })
}

#[test]
fn the_first_key_stops_the_prompt() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    assert_eq!(phone.hears(), ["welcome"]);
    phone.hears_it_out();
    let outputs = phone.presses("1");
    assert!(matches!(outputs[0], Output::Stop));
    assert!(phone.hears().contains(&"menu main".to_string()));
}

#[test]
fn a_late_end_of_a_stopped_play_changes_nothing() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.hears_it_out();
    let (old, _) = phone.talk.playing().expect("the languages");
    phone.presses("1");
    assert!(phone.gives(Input::Played(old)).is_empty());
    assert!(phone.talk.deadline().is_none(), "the menu is being read, no key is waited for yet");
}

#[test]
fn the_wait_for_a_key_begins_when_the_question_has_been_read() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("1");
    assert_eq!(phone.talk.deadline(), None);
    phone.hears_it_out();
    let deadline = phone.talk.deadline().expect("a wait");
    assert_eq!((deadline.at - phone.now, deadline.why), (Duration::from_secs(6), "first key"));
}

#[test]
fn a_0_that_begins_no_number_is_put_through_at_once_and_one_that_may_waits() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("110");
    assert_eq!(phone.hears(), ["desk_open"], "no receipt begins with 0");
    phone.presses("#");
    assert_eq!(phone.hears(), ["desk_open"], "its end key is no other key");
    let mut phone = Phone::dials(&release);
    phone.presses("11440126112400018");
    phone.presses("0");
    assert_eq!(phone.talk.node().as_ref(), "id_tail", "an ID tail may begin with 0");
    phone.waits();
    assert_eq!(phone.hears(), ["desk_open"]);
}

#[test]
fn an_answer_that_comes_after_it_was_given_up_is_not_taken_for_the_next_one() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("11440126112400018");
    let outputs = phone.presses("1234");
    assert!(outputs.iter().any(|output| matches!(output, Output::LookUp { by, .. } if by.len() == 2)));
    phone.waits();
    assert_eq!(phone.hears(), ["one_moment"]);
    phone.hears_it_out();
    while phone.talk.node().as_ref() == "find" {
        phone.waits();
    }
    assert_eq!(phone.hears(), ["lookup_down"]);
    assert!(phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO })).is_empty());
}

#[test]
fn keys_pressed_during_a_look_up_do_not_skip_its_answer() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000181234");
    phone.presses("3");
    phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO }));
    assert_eq!(phone.hears(), ["st_ready"]);
    phone.hears_it_out();
    assert_eq!(phone.hears(), ["hall_now.open"], "the key did not skip it");
    phone.hears_it_out();
    assert_eq!(phone.hears(), ["hall_info.north", "hall_hours.north"]);
}

#[test]
fn an_end_key_after_a_full_entry_means_nothing_until_the_next_question_has_been_heard() {
    for pause in [0, 300, 1000, 2500, 9000] {
        let pause = Duration::from_millis(pause);
        let release = hotline();
        let mut phone = Phone::dials(&release);
        let late = |phone: &mut Phone| {
            phone.now += pause;
            assert!(phone.presses("##").is_empty(), "{pause:?}");
        };
        phone.presses("1144012611240001");
        phone.presses("8");
        late(&mut phone);
        phone.presses("1234");
        late(&mut phone);
        phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO }));
        late(&mut phone);
        assert_eq!(phone.hears(), ["st_ready"]);
        phone.hears_it_out();
        phone.hears_it_out();
        late(&mut phone);
        assert_eq!(phone.talk.node().as_ref(), "after_hall");
        phone.hears_it_out();
        assert!(!phone.presses("#").is_empty(), "the question has been heard");
    }
}

#[test]
fn another_key_after_a_full_entry_ends_the_wait_for_its_end_key() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000181234");
    phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO }));
    assert!(!phone.presses("9#").is_empty());
}

#[test]
fn an_unknown_value_of_a_fact_counts_as_unavailable_and_is_reported() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000181234");
    let mut facts = ready();
    facts.insert("hall".into(), Value::Word("moon".into()));
    let outputs = phone.gives(Input::LookedUp(LookUpAnswer::Found { facts, age: Duration::ZERO }));
    assert!(outputs.iter().any(|output| matches!(output, Output::Fault { .. })));
    assert_eq!(phone.hears(), ["lookup_down"]);
}

#[test]
fn a_missing_value_leads_to_an_agent_and_never_to_silence() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000181234");
    let mut facts = ready();
    facts.remove("hall");
    let outputs = phone.gives(Input::LookedUp(LookUpAnswer::Found { facts, age: Duration::ZERO }));
    assert!(outputs.iter().any(|output| matches!(output, Output::Fault { .. })));
    assert_eq!(phone.hears(), ["desk_open"]);
}

#[test]
fn a_transfer_that_is_not_answered_comes_back() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("10");
    phone.hears_it_out();
    phone.gives(Input::Queue(QueueEvent::Left(QueueOutcome::NoAgents)));
    assert!(matches!(phone.talk.state, State::Transferring { .. }));
    let outputs = phone.talk.playing().map(|(_, lines)| lines[0].pieces.clone()).expect("a ringing tone");
    assert!(matches!(outputs[..], [Piece::Ringing(longest)] if longest > Duration::from_secs(30)));
    phone.waits();
    assert_eq!(phone.hears(), ["desk_busy"]);
    assert!(phone.gives(Input::TransferEnded(TransferOutcome::Done)).is_empty(), "too late");
}

#[test]
fn after_a_miss_pound_leads_back_once_it_is_no_habit() {
    for (pause, node) in [(300, "tail_again"), (4000, "receipt")] {
        let release = hotline();
        let mut phone = Phone::dials(&release);
        phone.presses("114401261124000181234");
        phone.gives(Input::LookedUp(LookUpAnswer::NotFound));
        assert_eq!(phone.hears(), ["not_found"]);
        phone.hears_it_out();
        assert_eq!(phone.hears(), ["receipt_is", "tail_again"]);
        phone.now += Duration::from_millis(pause);
        phone.presses("#");
        assert_eq!(phone.talk.node().as_ref(), node, "{pause}");
    }
}

#[test]
fn what_is_read_out_slowly_has_longer_pauses_until_the_next_question() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    let pauses = |phone: &Phone| -> Duration {
        let lines = phone.talk.playing().map_or(&[][..], |(_, lines)| lines);
        let silences = lines.iter().flat_map(|line| &line.pieces);
        silences.filter_map(|piece| if let Piece::Silence(time) = piece { Some(*time) } else { None }).sum()
    };
    phone.presses("114401261124000181234");
    phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO }));
    let usual = pauses(&phone);
    phone.hears_it_out();
    phone.hears_it_out();
    let menu = pauses(&phone);
    phone.presses("1");
    assert_eq!(phone.hears(), ["st_ready"]);
    assert!(pauses(&phone) > usual + Duration::from_millis(600));
    phone.hears_it_out();
    phone.hears_it_out();
    assert_eq!((phone.talk.node().as_ref(), pauses(&phone)), ("after_hall", menu));
}

#[test]
fn the_calling_number_is_kept_by_consent_alone() {
    for (keys, kept) in [("1", true), ("2", false), ("0", false)] {
        let release = hotline();
        let now = crate::virtual_time::start();
        let clock = WallClock { at: now, civil: date(2026, 11, 24).at(10, 0, 0, 0) };
        let caller = Caller { number: Some(Private::new("13800138000".into())), ..Caller::default() };
        let mut phone = Phone { talk: Conversation::new(release.clone(), caller, clock, false, now), now };
        phone.gives(Input::Start);
        phone.presses("14");
        phone.hears_it_out();
        phone.gives(Input::Recorded(RecordResult::Recorded { length: Duration::from_secs(5) }));
        phone.presses("1");
        assert_eq!(phone.hears(), ["number_consent"]);
        let is_saved = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::SaveRecording { .. }));
        assert!(!is_saved(&phone.presses("1")), "a key pressed twice is no consent");
        phone.now += Duration::from_secs(1);
        let saved = phone.presses(keys);
        let number = saved.iter().find_map(|output| match output {
            Output::SaveRecording { number, .. } => Some(number.is_some()),
            _ => None,
        });
        assert_eq!(number, Some(kept), "{keys}");
    }
}

#[test]
fn secrets_are_never_said_and_never_among_the_facts() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000187777");
    assert!(phone.talk.slot("id_tail").is_none());
    assert!(phone.talk.slot("receipt").is_some());
    assert!(phone.talk.slot("id_tail.tail").is_none());
    let tail = phone.talk.slot("receipt.tail");
    assert!(matches!(&tail, Some(Value::Digits { digits, .. }) if digits == "0018"), "{tail:?}");
}

#[test]
fn a_slip_names_its_kind_and_never_the_entry() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("11");
    let outputs = phone.presses("123#");
    assert!(outputs.iter().any(|output| matches!(output, Output::InputError { kind: InputError::WrongLength, .. })));
    assert!(!format!("{outputs:?}").contains("123"));
}

#[test]
fn a_recording_whose_end_never_comes_is_given_up() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("14");
    let outputs = phone.hears_it_out();
    assert!(matches!(outputs[..], [Output::Record { .. }]));
    assert!(matches!(phone.waits()[..], [Output::StopRecording]));
    phone.waits();
    assert!(phone.hears().contains(&"nothing_recorded".to_string()));
}

#[test]
fn a_screen_gets_the_words_of_the_phone_or_its_own_where_the_script_has_some() {
    let release = hotline();
    let local = date(2026, 11, 24).at(10, 0, 0, 0);
    let told = |told| -> Vec<String> {
        crate::answer(&release, Lang::Zh, told, local, crate::virtual_time::start())
            .into_iter()
            .map(|said| said.text)
            .collect()
    };
    let fresh = told(crate::ScreenAnswer::Found { facts: ready(), age: Duration::from_secs(60) });
    // Where to go is on the card beside the sentences.
    assert_eq!(
        fresh,
        [
            "您申请的普通护照，可以领取了。请带受理回执和有效身份证件（外国人带护照），到大厅领取。",
            "大厅现在办公，到下午5点。"
        ]
    );
    let found = crate::ScreenAnswer::Found { facts: ready(), age: Duration::from_secs(60) };
    let sound = crate::answer(&release, Lang::Zh, found, local, crate::virtual_time::start());
    let clips = |said: &Utterance| said.pieces.iter().filter(|piece| matches!(piece, Piece::Clip(_))).count();
    assert_eq!(sound.iter().map(clips).collect::<Vec<_>>(), [5, 4], "the sound stays the telephone's");
    let old = told(crate::ScreenAnswer::Found { facts: ready(), age: Duration::from_secs(3600) });
    assert_eq!(old[0], "以下信息截至上午9点。");
    assert_eq!(old.len(), 3);
    assert_eq!(told(crate::ScreenAnswer::NotFound), ["请核对受理回执上的编号，再查询一次。"]);
    assert_eq!(
        told(crate::ScreenAnswer::Unavailable),
        ["查询系统暂时无法使用。请稍后再试，也可到受理窗口咨询，或拨打 96110110。"]
    );
    let refused = told(crate::ScreenAnswer::Found { facts: ready(), age: Duration::from_secs(90_000) });
    assert_eq!(refused, ["查询系统暂时无法使用。请稍后再试，也可到受理窗口咨询，或拨打 96110110。"]);
}

fn any_input() -> impl Strategy<Value = u8> {
    0u8..25
}

/// After any inputs in any order, a call goes on or has ended.
fn survives(release: &Arc<Release>, inputs: &[u8]) {
    let mut phone = Phone::dials(release);
    for &choice in inputs {
        let input = match choice {
            0..=9 => Input::Key(Key::Digit(choice)),
            10 => Input::Key(Key::Star),
            11 => Input::Key(Key::Pound),
            12..=14 => match phone.talk.playing() {
                Some((id, _)) => Input::Played(id),
                None => Input::Deadline,
            },
            15 | 16 => Input::Deadline,
            17 => Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::from_secs(60) }),
            18 => Input::LookedUp(LookUpAnswer::NotFound),
            19 => Input::LookedUp(LookUpAnswer::Unavailable),
            20 => Input::TransferEnded(TransferOutcome::Busy),
            21 => Input::Recorded(RecordResult::Recorded { length: Duration::from_secs(5) }),
            22 => Input::RecordingSaved(Some("12345".into())),
            23 => Input::TextAccepted(true),
            _ => Input::Recorded(RecordResult::Failed),
        };
        if matches!(input, Input::Deadline)
            && let Some(deadline) = phone.talk.deadline()
        {
            phone.now = phone.now.max(deadline.at);
        }
        let outputs = phone.gives(input);
        let faults = outputs.iter().filter(|output| matches!(output, Output::Fault { .. })).count();
        assert_eq!(faults, 0, "{outputs:?}");
        let alive = phone.talk.playing().is_some() || phone.talk.deadline().is_some();
        assert!(alive || phone.talk.is_over(), "neither speaking, nor waiting, nor over: {outputs:?}");
        for output in &outputs {
            if let Output::Play { pieces, .. } = output {
                assert!(pieces.iter().any(|piece| !matches!(piece, Piece::Silence(_))), "an empty play");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_call_is_speaking_waiting_or_over_after_any_input(inputs in proptest::collection::vec(any_input(), 0..120)) {
        thread_local!(static RELEASE: Arc<Release> = hotline());
        RELEASE.with(|release| survives(release, &inputs));
    }
}
