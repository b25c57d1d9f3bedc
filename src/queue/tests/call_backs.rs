use super::office::*;
use crate::*;

const NUMBER: &str = "13800000000";

/// An office in which Amy talks, and a caller who waits behind.
fn busy() -> (Office, CallerId, CallerId) {
    let mut office = Office::ready(&["amy"]);
    let talking = office.join();
    office.phone("amy", OfferResult::Accepted);
    let waiting = office.join();
    (office, talking, waiting)
}

#[test]
fn a_call_back_keeps_the_place_of_the_caller() {
    let (mut office, talking, waiting) = busy();
    let behind = office.join();
    let request = office.book(NUMBER, Some(waiting)).expect("booked");
    office.hang_up(waiting);
    office.hang_up(talking);
    office.pass(seconds(10));
    let (dialled, person, attempt) = office.dialled()[0];
    assert_eq!((dialled, attempt, office.rings_for("amy")), (request, 1, None));
    assert_eq!(office.state("amy"), AgentState::Reserved);
    office.pass(seconds(12));
    office.call_back(request, CallBackResult::Agreed);
    assert_eq!(office.rings_for("amy"), Some(person));
    office.phone("amy", OfferResult::Accepted);
    assert_eq!(office.outcome(request), CallBackState::Done(CallBackOutcome::Served));
    office.hang_up(person);
    office.pass(seconds(10));
    assert_eq!(office.rings_for("amy"), Some(behind));
}

#[test]
fn a_call_back_that_fails_is_tried_again_within_limits() {
    let mut office = Office::ready(&["amy"]);
    let request = office.book(NUMBER, None).expect("booked");
    for (attempt, result) in
        [CallBackResult::Busy, CallBackResult::Machine, CallBackResult::NoAnswer].iter().enumerate()
    {
        assert_eq!(office.dialled().len(), attempt + 1);
        office.call_back(request, *result);
        assert_eq!(office.state("amy"), AgentState::Ready);
        office.pass(seconds(599));
        assert_eq!(office.dialled().len(), attempt + 1);
        office.pass(seconds(1));
    }
    assert_eq!(office.dialled().len(), 3);
    assert_eq!(office.outcome(request), CallBackState::Done(CallBackOutcome::Unreachable));
    office.pass(seconds(86_400));
    assert!(office.journal.is_empty());
}

#[test]
fn a_line_that_fails_counts_for_no_number_and_rests() {
    let mut office = Office::ready(&["amy"]);
    let first = office.book(NUMBER, None).expect("booked");
    let second = office.book("13900000000", None).expect("booked");
    for round in 1..=5 {
        office.call_back(first, CallBackResult::LineFailed);
        assert_eq!(
            (office.state("amy"), office.dialled().len()),
            (AgentState::Ready, 2 * round - 1),
            "call-backs pause"
        );
        office.pass(seconds(59));
        assert_eq!(office.dialled().len(), 2 * round - 1);
        office.pass(seconds(1));
        assert_eq!(office.dialled().last().map(|(id, _, attempt)| (*id, *attempt)), Some((second, 1)));
        office.call_back(second, CallBackResult::LineFailed);
        office.pass(seconds(540));
        assert_eq!(office.dialled().last().map(|(id, _, attempt)| (*id, *attempt)), Some((first, 1)));
    }
    // Callers on lines of their own are served meanwhile.
    office.call_back(first, CallBackResult::LineFailed);
    let caller = office.join();
    assert_eq!(office.rings_for("amy"), Some(caller));
}

#[test]
fn a_shell_that_reports_no_result_frees_the_agent() {
    let mut office = Office::ready(&["amy"]);
    let request = office.book(NUMBER, None).expect("booked");
    office.pass(seconds(80));
    assert_eq!(office.state("amy"), AgentState::Ready);
    let hung_up = |action: &Action| matches!(action, Action::HangUpCallBack { call_back } if *call_back == request);
    assert!(office.actions.iter().any(hung_up));
    office.call_back(request, CallBackResult::Agreed);
    assert_eq!(office.actions.iter().filter(|action| hung_up(action)).count(), 2);
}

#[test]
fn an_agent_who_goes_while_the_number_rings_is_replaced() {
    let mut office = Office::ready(&["amy", "bob"]);
    let request = office.book(NUMBER, None).expect("booked");
    let (_, person, _) = office.dialled()[0];
    office.agent("amy", AgentChange::Pause("lunch".into()));
    office.call_back(request, CallBackResult::Agreed);
    assert_eq!(office.rings_for("bob"), Some(person));
    office.phone("bob", OfferResult::NoAnswer);
    office.agent("amy", AgentChange::Ready);
    assert_eq!(office.rings_for("amy"), Some(person));
    office.hang_up(person);
    assert_eq!(office.outcome(request), CallBackState::Done(CallBackOutcome::Abandoned));
}

#[test]
fn requests_are_cancelled_by_the_person_and_by_the_office() {
    let mut office = Office::ready(&["amy"]);
    let one = office.book(NUMBER, None).expect("booked");
    office.call_back(one, CallBackResult::Cancelled);
    assert_eq!(office.outcome(one), CallBackState::Done(CallBackOutcome::Cancelled));
    let two = office.book("13900000000", None).expect("booked");
    assert!(office.queues.cancel_call_back(office.now, two));
    office.poll();
    assert!(
        office.actions.iter().any(|action| matches!(action, Action::HangUpCallBack { call_back } if *call_back == two))
    );
    assert_eq!(office.state("amy"), AgentState::Ready);
    assert!(!office.queues.cancel_call_back(office.now, two));
}

#[test]
fn requests_are_limited_by_number_and_day() {
    let mut given = settings(&["amy"]);
    given.call_backs.per_number_per_day = 2;
    given.call_backs.waiting_max = 2;
    let mut office = Office::new(given);
    assert_eq!(office.book("0019001234567", None), Err(CallBackError::NumberNotAllowed));
    let one = office.book(NUMBER, None).expect("booked");
    assert_eq!(office.book("138-0000 0000", None), Err(CallBackError::Waiting));
    assert!(office.queues.cancel_call_back(office.now, one));
    let two = office.book(NUMBER, None).expect("booked");
    assert!(office.queues.cancel_call_back(office.now, two));
    assert_eq!(office.book(NUMBER, None), Err(CallBackError::NumberLimit));
    office.book("13900000001", None).expect("booked");
    office.book("13900000002", None).expect("booked");
    assert_eq!(office.book("13900000003", None), Err(CallBackError::Full));
    office.pass(seconds(86_400));
    assert_eq!(office.book(NUMBER, None), Err(CallBackError::Full));
}

#[test]
fn requests_of_closed_hours_are_fulfilled_in_the_next_ones_by_order() {
    let mut given = settings(&["amy"]);
    given.queues[0].open = false;
    let mut office = Office::new(given);
    let one = office.book("13900000001", None).expect("booked");
    office.pass(seconds(60));
    let two = office.book("13900000002", None).expect("booked");
    office.pass(seconds(10 * 3_600));
    office.agent("amy", AgentChange::SignIn);
    assert!(office.dialled().is_empty());
    office.queues.set_open(office.now, "desk", true);
    office.poll();
    office.call_back(one, CallBackResult::Cancelled);
    assert_eq!(office.dialled().iter().map(|(request, ..)| *request).collect::<Vec<_>>(), [one, two]);
}

#[test]
fn a_request_expires() {
    let mut office = Office::new(settings(&["amy"]));
    let request = office.book(NUMBER, None).expect("booked");
    office.pass(seconds(4 * 86_400));
    assert!(!office.journal.contains_key(&request));
    assert_eq!(office.queues.deadline(), None);
}

#[test]
fn requests_survive_the_end_of_the_program_in_order() {
    let mut office = Office::ready(&["amy"]);
    let called = office.book("13900000001", None).expect("booked");
    let first = office.book("13900000002", None).expect("booked");
    office.pass(seconds(1));
    let second = office.book("13900000003", None).expect("booked");
    let records = office.journal.values().map(|json| CallBackRecord::from_json(json).expect("a record"));
    let mut after = Office::new(settings(&["amy"]));
    after.queues.restore(after.now, records.collect::<Vec<_>>());
    after.poll();
    after.agent("amy", AgentChange::SignIn);
    after.call_back(first, CallBackResult::Cancelled);
    after.call_back(second, CallBackResult::Cancelled);
    // The one that was being called when the program ended is tried after the pause.
    after.pass(seconds(600));
    let order: Vec<_> = after.dialled().iter().map(|(request, _, attempt)| (*request, *attempt)).collect();
    assert_eq!(order, [(first, 1), (second, 1), (called, 2)]);
    assert_eq!(after.book("13900000002", None).map(|_| ()), Ok(()));
}

#[test]
fn octets_that_are_no_record_are_an_error() {
    assert!(matches!(CallBackRecord::from_json("{}"), Err(RecordError::Unreadable(_))));
    assert!(matches!(CallBackRecord::from_json(&" ".repeat(100_000)), Err(RecordError::TooLong)));
}

#[test]
fn outside_the_hours_no_number_is_called_and_then_all_are_in_order() {
    let mut office = Office::ready(&["amy"]);
    office.queues.set_call_backs_open(office.now, false);
    let first = office.book("13800000000", None).expect("booked");
    office.pass(seconds(60));
    let second = office.book("13800000001", None).expect("booked");
    office.pass(seconds(12 * 3600));
    assert_eq!((office.dialled(), office.state("amy")), (Vec::new(), AgentState::Ready));
    office.queues.set_call_backs_open(office.now, true);
    office.poll();
    assert_eq!(office.dialled().iter().map(|(request, ..)| *request).collect::<Vec<_>>(), [first]);
    office.call_back(first, CallBackResult::Cancelled);
    assert_eq!(office.dialled().last().map(|(request, ..)| *request), Some(second));
}
