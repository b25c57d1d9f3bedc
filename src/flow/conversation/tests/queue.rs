//! Waiting in a queue, in a conversation.

use super::*;

impl Phone {
    /// A caller who waits for an agent, and hears what is said on entering.
    fn waits_for_an_agent(release: &Arc<Release>, number: bool) -> (Phone, Vec<Output>) {
        let mut phone = Phone::dials(release);
        phone.talk.caller.number = number.then(|| Private::new("13800000000".into()));
        phone.talk.caller.call_back = number;
        let mut outputs = phone.presses("10");
        assert_eq!(phone.hears(), ["desk_open"]);
        outputs.extend(phone.hears_it_out());
        (phone, outputs)
    }

    fn queue(&mut self, event: QueueEvent) -> Vec<Output> {
        self.gives(Input::Queue(event))
    }
}

fn entered(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::EnterQueue { .. })).count()
}

fn position(position: u32) -> QueueEvent {
    QueueEvent::Position { position, minutes: None }
}

#[test]
fn the_agent_is_shown_what_the_caller_keyed_and_no_secret() {
    let release = hotline();
    let mut phone = Phone::dials(&release);
    phone.presses("114401261124000181234");
    phone.gives(Input::LookedUp(LookUpAnswer::Found { facts: ready(), age: Duration::ZERO }));
    while !phone.hears().contains(&"menu after_hall".to_owned()) {
        phone.hears_it_out();
    }
    phone.presses("0");
    let outputs = phone.hears_it_out();
    let passed = outputs.iter().find_map(|output| match output {
        Output::EnterQueue { queue, pass, called_back: false, .. } => Some((queue.clone(), pass.clone())),
        _ => None,
    });
    let (queue, passed) = passed.expect("the caller enters a queue");
    assert_eq!(&*queue, "desk");
    let shown = |name: &str| passed.get(name).map(|value| value.expose().as_str());
    assert_eq!(
        (shown("lang"), shown("receipt"), shown("case.status")),
        (Some("zh"), Some("440126112400018"), Some("ready"))
    );
    assert!(passed.values().all(|value| value.expose() != "1234"));
}

#[test]
fn a_recorded_conversation_is_announced_once_before_the_queue_and_no_key_skips_that() {
    let mut phone = Phone::dials(&hotline());
    phone.talk.caller.recorded = true;
    phone.presses("10");
    let outputs = phone.hears_it_out();
    assert_eq!(phone.hears(), ["recorded"]);
    let announced =
        |outputs: &[Output]| outputs.iter().filter(|output| matches!(output, Output::RecordingAnnounced)).count();
    assert_eq!((announced(&outputs), entered(&outputs)), (1, 0));
    let outputs = phone.presses("111");
    assert!(phone.hears() == ["recorded"] && entered(&outputs) == 0, "it cannot be cut short");
    let outputs = phone.hears_it_out();
    assert_eq!((announced(&outputs), entered(&outputs)), (0, 1));
}

#[test]
fn music_plays_until_something_is_said_and_goes_on_after_it() {
    let (mut phone, outputs) = Phone::waits_for_an_agent(&hotline(), false);
    assert_eq!(entered(&outputs), 1);
    assert_eq!(phone.hears(), ["sound"]);
    phone.queue(position(2));
    assert_eq!(phone.hears(), ["queue_place.behind", "queue_wait.unsaid"]);
    phone.hears_it_out();
    assert_eq!(phone.hears(), ["sound"]);
    phone.hears_it_out();
    assert_eq!(phone.hears(), ["sound"]);
}

#[test]
fn a_position_that_waited_for_another_sentence_is_not_announced_late() {
    let (mut phone, _) = Phone::waits_for_an_agent(&hotline(), false);
    phone.queue(position(3));
    phone.queue(position(2));
    phone.now += Duration::from_secs(4);
    phone.hears_it_out();
    assert_eq!(phone.hears()[0], "queue_place.behind");
    phone.queue(position(1));
    phone.now += Duration::from_secs(6);
    phone.hears_it_out();
    assert_eq!(phone.hears(), ["sound"]);
}

#[test]
fn nothing_plays_and_no_key_works_while_an_agent_talks() {
    let (mut phone, _) = Phone::waits_for_an_agent(&hotline(), false);
    let outputs = phone.queue(QueueEvent::Connected);
    assert!(matches!(outputs[..], [Output::Stop]));
    assert!(phone.presses("12").is_empty());
    assert!(phone.queue(position(1)).is_empty());
    assert_eq!(phone.talk.deadline(), None);
    phone.queue(QueueEvent::Disconnected);
    assert_eq!(phone.hears(), ["sound"]);
    phone.queue(QueueEvent::Connected);
    phone.queue(QueueEvent::Ended);
    assert_eq!(phone.hears(), ["rate_ask"]);
}

#[test]
fn a_key_leaves_the_queue_and_a_call_back_is_booked() {
    let (mut phone, _) = Phone::waits_for_an_agent(&hotline(), true);
    let outputs = phone.presses("2");
    assert!(outputs.iter().any(|output| matches!(output, Output::LeaveQueue)));
    let outputs = phone.presses("1");
    let number = outputs.iter().find_map(|output| match output {
        Output::BookCallBack { number, .. } => Some(number.expose().clone()),
        _ => None,
    });
    assert_eq!(number.as_deref(), Some("13800000000"));
    phone.gives(Input::CallBackBooked(true));
    assert_eq!(phone.hears(), ["call_back_this"]);
}

#[test]
fn a_booking_without_an_answer_fails() {
    let (mut phone, _) = Phone::waits_for_an_agent(&hotline(), true);
    phone.presses("21");
    phone.waits();
    assert_eq!(phone.hears(), ["call_not"]);
    assert!(phone.gives(Input::CallBackBooked(true)).is_empty());
}

#[test]
fn a_queue_that_reports_nothing_ends_by_itself() {
    let (mut phone, _) = Phone::waits_for_an_agent(&hotline(), false);
    phone.waits();
    assert_eq!(phone.hears(), ["queue_hint.no"]);
    phone.hears_it_out();
    let outputs = phone.waits();
    assert!(outputs.iter().any(|output| matches!(output, Output::LeaveQueue)));
    assert_eq!(phone.hears(), ["desk_busy"]);
    assert!(phone.queue(QueueEvent::Left(QueueOutcome::Full)).is_empty());
}

#[test]
fn a_person_who_is_called_back_agrees_by_a_key_or_declines() {
    let release = hotline();
    let called = || {
        let now = crate::virtual_time::start();
        let clock = WallClock { at: now, civil: date(2026, 11, 24).at(10, 0, 0, 0) };
        let talk = Conversation::new(release.clone(), Caller::default(), clock, false, now);
        let mut phone = Phone { talk, now };
        phone.gives(Input::StartCallBack);
        phone
    };
    let declines = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::DeclineCallBack));
    let mut agrees = called();
    let outputs = agrees.presses("1");
    assert!(outputs.iter().any(|output| matches!(output, Output::EnterQueue { called_back: true, .. })));
    let mut declining = called();
    declining.presses("2");
    assert!(declines(&declining.hears_it_out()));
    let mut machine = called();
    let mut outputs = machine.hears_it_out();
    for _ in 0..2 {
        outputs.extend(machine.waits());
        outputs.extend(machine.hears_it_out());
    }
    assert!(outputs.iter().any(|output| matches!(output, Output::HangUp)) && !declines(&outputs));
}
