use std::time::Duration;

use super::office::*;
use crate::*;

fn caller(priority: u8) -> Join {
    Join { priority, announce_every: Some(seconds(30)), ..Join::default() }
}

#[test]
fn callers_are_served_in_the_order_of_their_arrival() {
    let mut office = Office::ready(&["amy"]);
    let callers = [office.join(), office.join(), office.join()];
    for caller in callers {
        assert_eq!(office.rings_for("amy"), Some(caller));
        office.phone("amy", OfferResult::Accepted);
        assert_eq!(office.talking.get(&caller).map(|agent| &**agent), Some("amy"));
        office.hang_up(caller);
        assert_eq!(office.state("amy"), AgentState::WrapUp);
        office.pass(seconds(10));
    }
    assert_eq!(office.state("amy"), AgentState::Ready);
}

#[test]
fn a_higher_priority_comes_first_and_no_position_grows_aloud() {
    let mut office = Office::ready(&["amy"]);
    let (first, second) = (office.join(), office.join());
    let third = office.join();
    office.pass(seconds(9));
    assert_eq!((office.announced(second), office.announced(third)), (vec![(2, None)], vec![(3, None)]));
    let urgent = office.join_as(caller(1));
    office.pass(seconds(60));
    assert_eq!(office.announced(urgent).first(), Some(&(1, None)));
    // Amy missed the first caller, who stands before the second again.
    assert_eq!(office.announced(second), [(2, None)]);
    assert_eq!(office.announced(third), [(3, None)]);
    office.agent("amy", AgentChange::Ready);
    assert_eq!(office.rings_for("amy"), Some(urgent));
    office.hang_up(urgent);
    office.result(OfferId(u64::MAX), OfferResult::Withdrawn);
    office.hang_up(first);
    office.pass(seconds(6));
    assert_eq!(office.rings_for("amy"), Some(second));
}

#[test]
fn the_agent_who_was_idle_for_the_longest_time_comes_first() {
    let mut settings = settings(&["amy", "bob"]);
    settings.queues[0].wrap_up = seconds(0);
    let mut office = Office::new(settings);
    office.agent("bob", AgentChange::SignIn);
    office.pass(seconds(1));
    office.agent("amy", AgentChange::SignIn);
    let one = office.join();
    assert_eq!(office.rings_for("bob"), Some(one));
    office.phone("bob", OfferResult::Accepted);
    office.pass(seconds(60));
    office.hang_up(one);
    let two = office.join();
    assert_eq!(office.rings_for("amy"), Some(two));
}

#[test]
fn an_agent_needs_the_skills_that_a_caller_asks_for() {
    let mut given = settings(&["amy", "bob"]);
    given.agents[1].skills = vec!["en".into()];
    let mut office = Office::new(given);
    office.agent("amy", AgentChange::SignIn);
    let english = || Join { queue: "desk".into(), skills: vec!["en".into()], ..Join::default() };
    assert_eq!(office.try_join(english()), Err(Refusal::NoAgents));
    office.agent("bob", AgentChange::SignIn);
    let one = office.join_as(english());
    assert_eq!((office.rings_for("amy"), office.rings_for("bob")), (None, Some(one)));
    let two = office.join_as(english());
    let three = office.join();
    assert_eq!(office.rings_for("amy"), Some(three));
    office.queues.set_skills(office.now, "amy", &["en".into()]).expect("amy learns");
    office.phone("amy", OfferResult::Accepted);
    office.hang_up(three);
    office.pass(seconds(10));
    assert_eq!(office.rings_for("amy"), Some(two));
}

#[test]
fn an_agent_who_does_not_answer_is_not_ready_and_the_caller_keeps_the_place() {
    let reasons = [
        (OfferResult::NoAnswer, NotReadyReason::NoAnswer),
        (OfferResult::Declined, NotReadyReason::Declined),
        (OfferResult::Failed, NotReadyReason::PhoneFailed),
    ];
    for (result, reason) in reasons {
        let mut office = Office::ready(&["amy", "bob"]);
        let one = office.join();
        let two = office.join();
        let three = office.join();
        assert_eq!((office.rings_for("amy"), office.rings_for("bob")), (Some(one), Some(two)));
        office.phone("amy", result);
        assert_eq!(office.state("amy"), AgentState::NotReady(reason));
        office.phone("bob", OfferResult::Accepted);
        office.hang_up(two);
        office.pass(seconds(10));
        assert_eq!(office.rings_for("bob"), Some(one));
        office.agent("amy", AgentChange::Ready);
        assert_eq!(office.rings_for("amy"), Some(three));
    }
}

#[test]
fn a_shell_that_reports_nothing_leaves_nobody_behind() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    office.pass(seconds(26));
    assert_eq!(office.state("amy"), AgentState::NotReady(NotReadyReason::NoAnswer));
    office.agent("amy", AgentChange::Ready);
    assert_eq!(office.rings_for("amy"), Some(one));
    office.hang_up(one);
    // The phone never says that it is free.
    assert_eq!(office.state("amy"), AgentState::Offered);
    office.pass(seconds(5));
    assert_eq!(office.state("amy"), AgentState::Ready);
}

#[test]
fn of_a_group_the_first_to_answer_gets_the_caller() {
    let mut given = settings(&["amy", "bob", "carl"]);
    given.queues[0].ring = Ring::Group(2);
    let mut office = Office::new(given);
    ["amy", "bob", "carl"].iter().for_each(|agent| office.agent(agent, AgentChange::SignIn));
    let one = office.join();
    let (amy, bob) = (office.ringing["amy"], office.ringing["bob"]);
    assert_eq!((amy.1, bob.1, office.rings_for("carl")), (one, one, None));
    office.result(bob.0, OfferResult::Accepted);
    office.result(amy.0, OfferResult::Accepted);
    assert_eq!(office.talking.len(), 1);
    let withdrawn =
        office.actions.iter().filter(|action| matches!(action, Action::Withdraw { offer } if *offer == amy.0));
    assert_eq!(withdrawn.count(), 2);
    office.result(amy.0, OfferResult::Withdrawn);
    assert_eq!(office.state("amy"), AgentState::Ready);
}

#[test]
fn a_caller_who_hangs_up_while_the_phone_rings_leaves_the_agent_ready() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    let (offer, _) = office.ringing["amy"];
    office.hang_up(one);
    office.result(offer, OfferResult::Accepted);
    assert!(office.talking.is_empty());
    assert_eq!(office.state("amy"), AgentState::Offered);
    office.result(offer, OfferResult::Withdrawn);
    assert_eq!(office.state("amy"), AgentState::Ready);
    assert_eq!(office.desk().abandoned, 1);
}

#[test]
fn a_connection_that_fails_gives_the_caller_the_old_place() {
    let mut office = Office::ready(&["amy", "bob"]);
    let one = office.join();
    let (offer, _) = office.ringing["amy"];
    office.phone("amy", OfferResult::Accepted);
    let two = office.join();
    let three = office.join();
    office.talking.clear();
    office.queues.connection_failed(office.now, one);
    office.poll();
    assert_eq!(office.state("amy"), AgentState::Offered, "her phone is being hung up");
    assert_eq!(office.rings_for("bob"), Some(two));
    office.pass(seconds(2));
    office.result(offer, OfferResult::Withdrawn);
    assert_eq!(office.rings_for("amy"), Some(one));
    office.phone("amy", OfferResult::Accepted);
    office.hang_up(one);
    office.pass(seconds(10));
    assert_eq!(office.rings_for("amy"), Some(three));
}

#[test]
fn a_call_that_this_node_cannot_make_is_tried_again_after_a_pause_and_costs_the_agent_nothing() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    let (offer, _) = office.ringing["amy"];
    office.phone("amy", OfferResult::NotMade);
    office.result(offer, OfferResult::NotMade);
    assert_eq!((office.state("amy"), office.rings_for("amy")), (AgentState::Ready, None));
    assert_eq!(office.queues.agent_figures(office.now)[0].offered, 0);
    office.pass(Duration::from_millis(1999));
    assert_eq!(office.rings_for("amy"), None);
    office.pass(Duration::from_millis(1));
    assert_eq!(office.rings_for("amy"), Some(one));
}

#[test]
fn without_time_for_notes_the_next_caller_waits_until_the_phone_is_free() {
    let mut given = settings(&["amy"]);
    given.queues[0].wrap_up = Duration::ZERO;
    let mut office = Office::new(given);
    office.agent("amy", AgentChange::SignIn);
    let one = office.join();
    let (offer, _) = office.ringing["amy"];
    office.phone("amy", OfferResult::Accepted);
    let two = office.join();
    office.hang_up(one);
    office.agent("amy", AgentChange::Ready);
    assert_eq!((office.state("amy"), office.rings_for("amy")), (AgentState::WrapUp, None));
    office.result(offer, OfferResult::Withdrawn);
    assert_eq!(office.rings_for("amy"), Some(two));
    office.phone("amy", OfferResult::Accepted);
    let three = office.join();
    office.talking.remove(&two);
    office.queues.ended(office.now, two);
    office.poll();
    assert_eq!(office.rings_for("amy"), Some(three), "her phone ended the call itself");
}

#[test]
fn a_pause_or_the_end_of_work_waits_for_the_end_of_the_conversation() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    office.phone("amy", OfferResult::Accepted);
    office.agent("amy", AgentChange::Pause("lunch".into()));
    assert_eq!(office.state("amy"), AgentState::Talking);
    office.hang_up(one);
    assert_eq!(office.state("amy"), AgentState::NotReady(NotReadyReason::Pause("lunch".into())));
    let unknown = office.queues.agent(office.now, "amy", AgentChange::Pause("whim".into()));
    assert_eq!(unknown, Err(AgentError::UnknownReason));
    office.agent("amy", AgentChange::SignOut);
    assert_eq!(office.state("amy"), AgentState::SignedOut);
    assert_eq!(office.queues.agent(office.now, "amy", AgentChange::Ready), Err(AgentError::SignedOut));
    assert_eq!(office.queues.agent(office.now, "eve", AgentChange::Ready), Err(AgentError::Unknown));
}

#[test]
fn a_lost_phone_takes_an_agent_off_until_it_is_back() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    let (offer, _) = office.ringing["amy"];
    office.agent("amy", AgentChange::PhoneLost);
    office.result(offer, OfferResult::Failed);
    assert_eq!(office.state("amy"), AgentState::NotReady(NotReadyReason::PhoneFailed));
    assert_eq!(office.queues.agent(office.now, "amy", AgentChange::Ready), Err(AgentError::NoPhone));
    office.agent("amy", AgentChange::PhoneBack);
    assert_eq!(office.rings_for("amy"), Some(one));
}

#[test]
fn a_full_queue_overflows_and_a_long_wait_too() {
    let mut given = settings(&["amy", "bob"]);
    given.queues.push(QueueSettings::new("other"));
    given.queues[0].overflow = Some("other".into());
    given.queues[0].waiting_max = 1;
    given.queues[0].wait_max = seconds(120);
    given.queues[1].wait_max = seconds(60);
    given.queues[1].waiting_max = 1;
    given.agents[0].queues.push("other".into());
    let mut office = Office::new(given);
    office.agent("amy", AgentChange::SignIn);
    office.agent("amy", AgentChange::Pause("lunch".into()));
    let one = office.join();
    let two = office.join();
    assert!(office.actions.iter().any(|action| matches!(action, Action::Moved { caller, .. } if *caller == two)));
    assert_eq!(office.try_join(Join { queue: "desk".into(), ..Join::default() }), Err(Refusal::Full));
    office.pass(seconds(61));
    assert_eq!((office.overflow(one), office.overflow(two)), (None, Some(LeaveReason::WaitedTooLong)));
    office.pass(seconds(60));
    assert!(office.actions.iter().any(|action| matches!(action, Action::Moved { caller, .. } if *caller == one)));
    office.pass(seconds(60));
    assert_eq!(office.overflow(one), Some(LeaveReason::WaitedTooLong));
    assert!(office.queues.is_idle());
}

#[test]
fn a_closed_queue_takes_no_callers_and_serves_those_who_wait() {
    let mut office = Office::ready(&["amy"]);
    let (one, two) = (office.join(), office.join());
    assert!(office.queues.set_open(office.now, "desk", false));
    assert_eq!(office.try_join(Join { queue: "desk".into(), ..Join::default() }), Err(Refusal::Closed));
    assert_eq!(office.rings_for("amy"), Some(one));
    assert!(office.queues.close_at_once(office.now, "desk"));
    office.poll();
    assert_eq!(office.overflow(two), Some(LeaveReason::Closed));
    assert!(!office.queues.set_open(office.now, "nowhere", true));
}

#[test]
fn callers_do_not_wait_long_for_agents_who_have_all_gone() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    office.phone("amy", OfferResult::Declined);
    office.agent("amy", AgentChange::SignOut);
    office.pass(seconds(59));
    office.agent("amy", AgentChange::SignIn);
    office.phone("amy", OfferResult::Declined);
    office.agent("amy", AgentChange::SignOut);
    office.pass(seconds(59));
    assert_eq!(office.overflow(one), None);
    office.pass(seconds(1));
    assert_eq!(office.overflow(one), Some(LeaveReason::NoAgents));
}

#[test]
fn a_draining_node_tells_those_who_wait_and_serves_them_up_to_the_limit() {
    let mut office = Office::ready(&["amy"]);
    let (one, two) = (office.join(), office.join());
    office.queues.drain(office.now, seconds(60));
    office.poll();
    let heard = office.actions.iter().filter(|action| matches!(action, Action::Draining { .. })).count();
    assert_eq!(heard, 2);
    assert_eq!(office.try_join(Join { queue: "desk".into(), ..Join::default() }), Err(Refusal::Draining));
    office.phone("amy", OfferResult::Accepted);
    office.pass(seconds(61));
    assert_eq!(office.overflow(two), Some(LeaveReason::Draining));
    let booked = office.book("13800000000", Some(two));
    assert!(booked.is_ok());
    assert!(!office.queues.is_idle());
    office.hang_up(one);
    office.pass(seconds(10));
    assert!(office.queues.is_idle());
    assert!(office.dialled().is_empty());
}

#[test]
fn announcements_are_15_seconds_apart_at_least() {
    let mut office = Office::ready(&["amy"]);
    office.join();
    office.agent("amy", AgentChange::Pause("lunch".into()));
    let eager = office.join_as(Join { announce_every: Some(seconds(1)), ..Join::default() });
    office.pass(seconds(8 + 15 * 4));
    assert_eq!(office.announced(eager).len(), 5);
    let silent = office.join_as(Join::default());
    office.pass(seconds(60));
    assert!(office.announced(silent).is_empty());
}

#[test]
fn a_caller_who_comes_back_has_the_old_place() {
    let mut office = Office::ready(&["amy"]);
    let _first = office.join();
    let one = office.join();
    let two = office.join();
    office.queues.leave(office.now, one, Left::Key);
    office.pass(seconds(10));
    let again = office.join_as(Join { place_of: Some(one), ..Join::default() });
    office.phone("amy", OfferResult::Declined);
    let _ = two;
    assert_eq!(office.queues.callers().map(|(caller, _)| caller).nth(1), Some(again));
    let late = office.join_as(Join { place_of: Some(one), ..Join::default() });
    assert_eq!(office.queues.callers().map(|(caller, _)| caller).last(), Some(late));
}

#[test]
fn a_supervisor_moves_callers_and_frees_agents() {
    let mut given = settings(&["amy", "bob"]);
    given.queues.push(QueueSettings::new("other"));
    given.agents[1].queues = vec!["other".into()];
    let mut office = Office::new(given);
    office.agent("amy", AgentChange::SignIn);
    office.agent("bob", AgentChange::SignIn);
    let one = office.join();
    let two = office.join();
    assert!(office.queues.move_caller(office.now, two, "other"));
    office.poll();
    assert_eq!(office.rings_for("bob"), Some(two));
    office.phone("amy", OfferResult::Accepted);
    office.queues.free_agent(office.now, "amy").expect("amy");
    office.poll();
    assert_eq!(office.state("amy"), AgentState::WrapUp);
    assert!(!office.queues.move_caller(office.now, one, "other"));
}

#[test]
fn figures_say_what_happened() {
    let mut office = Office::ready(&["amy"]);
    let one = office.join();
    office.pass(seconds(4));
    office.phone("amy", OfferResult::Accepted);
    let two = office.join();
    office.pass(seconds(40));
    assert_eq!((office.desk().waiting, office.desk().longest_wait), (1, seconds(40)));
    office.hang_up(two);
    office.hang_up(one);
    office.pass(seconds(20));
    let figures = office.desk();
    assert_eq!((figures.joined, figures.answered, figures.answered_in_time, figures.abandoned), (2, 1, 1, 1));
    assert_eq!(figures.service_level, Some(0.5));
    assert_eq!(figures.agents[&AgentState::Ready], 1);
    let amy = office.queues.agent_figures(office.now).remove(0);
    assert_eq!((amy.talking, amy.wrap_up, amy.ready), (seconds(40), seconds(10), seconds(14)));
    office.queues.new_day(office.now);
    office.pass(seconds(5));
    let amy = office.queues.agent_figures(office.now).remove(0);
    assert_eq!((amy.talking, amy.ready, amy.for_so_long), (seconds(0), seconds(5), seconds(15)));
    assert_eq!(office.desk().joined, 0);
}

#[test]
fn what_was_counted_goes_on_after_a_restart() {
    let mut office = Office::new(settings(&["amy"]));
    office.agent("amy", AgentChange::SignIn);
    office.pass(seconds(7));
    office.join();
    let day = office.queues.day_counts(office.now);
    let mut after = Office::new(settings(&["amy"]));
    after.agent("amy", AgentChange::SignIn);
    after.join();
    after.queues.resume_day(&day);
    after.pass(seconds(5));
    assert_eq!(after.desk().joined, 2, "both runs");
    let amy = after.queues.agent_figures(after.now).remove(0);
    assert_eq!(amy.ready, seconds(12));
}

#[test]
fn settings_are_refused_with_every_error() {
    let mut given = settings(&["amy", "amy"]);
    given.queues[0].overflow = Some("nowhere".into());
    given.queues[0].ring_limit = seconds(0);
    given.agents[0].queues.push("gone".into());
    given.call_backs.attempts_max = 0;
    let errors = Queues::new(given, start(), UNIX_MS).err().expect("errors");
    assert_eq!(errors.len(), 5);
}

#[test]
fn who_takes_over_frees_the_agent_and_the_conversation_lasts_without_one() {
    for wrap_up in [0, 10] {
        let mut settings = settings(&["amy"]);
        settings.queues[0].wrap_up = seconds(wrap_up);
        let mut office = Office::new(settings);
        office.agent("amy", AgentChange::SignIn);
        let one = office.join();
        let (offer, _) = office.ringing["amy"];
        office.phone("amy", OfferResult::Accepted);
        office.pass(seconds(30));
        let own = office.queues.next_offer();
        assert_ne!(own, offer);
        assert!(office.queues.take_over(office.now, one));
        assert!(!office.queues.take_over(office.now, one), "once");
        assert_eq!(office.state("amy"), AgentState::WrapUp, "the telephone is not free yet");
        office.result(offer, OfferResult::Withdrawn);
        office.pass(seconds(wrap_up));
        assert_eq!(office.state("amy"), AgentState::Ready);
        assert!(!office.queues.is_idle(), "the caller talks");
        let two = office.join();
        assert_eq!(office.rings_for("amy"), Some(two));
        office.phone("amy", OfferResult::Accepted);
        office.queues.ended(office.now, one);
        office.poll();
        assert_eq!(office.state("amy"), AgentState::Talking, "the end of the other conversation is not amy's");
        assert_eq!((office.desk().answered, office.desk().abandoned), (2, 0));
        office.hang_up(two);
        office.result(offer, OfferResult::Withdrawn);
    }
}
