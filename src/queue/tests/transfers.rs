use super::office::*;
use crate::*;

/// An office whose first agent talks to a caller.
fn talking(agents: &[&str]) -> (Office, CallerId) {
    let mut office = Office::ready(&agents[..1]);
    let list: Vec<AgentSettings> = settings(agents).agents;
    office.queues.set_agents(office.now, &list).expect("sound");
    agents[1..].iter().for_each(|agent| office.agent(agent, AgentChange::SignIn));
    let caller = office.join();
    office.phone(agents[0], OfferResult::Accepted);
    (office, caller)
}

fn give(office: &mut Office, caller: CallerId, agent: &str) -> Result<(), TransferError> {
    let given = office.queues.give_to_agent(office.now, caller, agent);
    if given.is_ok() {
        office.talking.remove(&caller);
    }
    office.poll();
    given
}

#[test]
fn a_caller_who_is_given_to_an_agent_comes_before_all_who_wait_and_is_told_positions_again() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    let other = office.join();
    office.phone("bob", OfferResult::Accepted);
    let urgent = office.join_as(Join { priority: 9, ..Join::default() });
    assert_eq!(give(&mut office, caller, "bob"), Ok(()));
    office.pass(seconds(5));
    office.hang_up(other);
    office.agent("bob", AgentChange::Ready);
    assert_eq!(office.rings_for("bob"), Some(caller));
    // Nobody answers: the first agent is called, who writes notes.
    office.phone("bob", OfferResult::NoAnswer);
    assert_eq!(
        (office.rings_for("amy"), office.state("bob")),
        (Some(caller), AgentState::NotReady(NotReadyReason::NoAnswer))
    );
    office.phone("amy", OfferResult::Declined);
    office.pass(seconds(9));
    assert_eq!(office.announced(caller), [(1, None)]);
    office.agent("amy", AgentChange::Ready);
    assert_eq!(office.rings_for("amy"), Some(caller), "the head of the queue, before {urgent:?}");
}

#[test]
fn a_caller_waits_for_a_busy_agent_for_the_ring_limit_only() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    office.join();
    office.phone("bob", OfferResult::Accepted);
    assert_eq!(give(&mut office, caller, "bob"), Ok(()));
    office.pass(seconds(19));
    assert_eq!(office.rings_for("amy"), None);
    office.pass(seconds(1));
    assert_eq!(office.rings_for("amy"), Some(caller));
}

#[test]
fn an_agent_who_pauses_or_leaves_gets_no_caller_and_loses_the_one_on_the_way() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    for (agent, error) in [("amy", TransferError::SameAgent), ("eve", TransferError::UnknownAgent)] {
        assert_eq!(give(&mut office, caller, agent), Err(error));
    }
    office.agent("bob", AgentChange::Pause("lunch".into()));
    assert_eq!(give(&mut office, caller, "bob"), Err(TransferError::NotAvailable));
    assert_eq!(office.queues.consult(office.now, caller, "bob"), Err(TransferError::NotAvailable));
    assert_eq!(give(&mut office, CallerId(u64::MAX), "bob"), Err(TransferError::NoConversation));
    office.agent("bob", AgentChange::Ready);
    assert_eq!(give(&mut office, caller, "bob"), Ok(()));
    let (offer, _) = office.ringing["bob"];
    office.agent("bob", AgentChange::SignOut);
    office.result(offer, OfferResult::Withdrawn);
    assert_eq!(office.rings_for("amy"), Some(caller));
    assert_eq!(office.state("bob"), AgentState::SignedOut);
}

#[test]
fn an_agent_who_is_asked_gets_the_caller_and_the_first_one_writes_notes() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    let (asked, limit) = office.queues.consult(office.now, caller, "bob").expect("bob is ready");
    assert_eq!((limit, office.state("bob")), (seconds(20), AgentState::Offered));
    assert!(!office.queues.complete_consultation(office.now, caller, asked, false), "nobody has answered");
    office.result(asked, OfferResult::Accepted);
    assert_eq!((office.state("amy"), office.state("bob")), (AgentState::Talking, AgentState::Talking));
    assert!(office.queues.complete_consultation(office.now, caller, asked, false));
    assert_eq!((office.state("amy"), office.state("bob")), (AgentState::WrapUp, AgentState::Talking));
    office.hang_up(caller);
    assert_eq!(office.state("bob"), AgentState::WrapUp);
    let answered: Vec<u64> = office.queues.agent_figures(office.now).iter().map(|figures| figures.answered).collect();
    assert_eq!(answered, [1, 1]);
    office.pass(seconds(10));
    assert!(office.queues.is_idle());
}

#[test]
fn an_agent_who_is_asked_and_does_not_answer_is_ready_and_has_missed_nobody() {
    for result in [OfferResult::NoAnswer, OfferResult::Declined, OfferResult::NotMade, OfferResult::Withdrawn] {
        let (mut office, caller) = talking(&["amy", "bob"]);
        let (asked, _) = office.queues.consult(office.now, caller, "bob").expect("bob is ready");
        office.result(asked, result);
        assert_eq!(office.state("bob"), AgentState::Ready, "{result:?}");
    }
    let (mut office, caller) = talking(&["amy", "bob"]);
    let (asked, _) = office.queues.consult(office.now, caller, "bob").expect("bob is ready");
    office.result(asked, OfferResult::Failed);
    assert_eq!(office.state("bob"), AgentState::NotReady(NotReadyReason::PhoneFailed));
    // A shell that reports nothing: the agent is free after the limit.
    office.agent("bob", AgentChange::Ready);
    let (asked, _) = office.queues.consult(office.now, caller, "bob").expect("bob is ready");
    office.pass(seconds(25));
    assert_eq!(office.state("bob"), AgentState::Ready);
    assert!(office.actions.iter().any(|action| matches!(action, Action::Withdraw { offer } if *offer == asked)));
}

#[test]
fn a_supervisor_frees_an_agent_who_is_asked() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    let (asked, _) = office.queues.consult(office.now, caller, "bob").expect("bob is ready");
    office.result(asked, OfferResult::Accepted);
    office.queues.free_agent(office.now, "bob").expect("an agent");
    office.poll();
    assert!(!office.queues.complete_consultation(office.now, caller, asked, false));
    office.result(asked, OfferResult::Withdrawn);
    assert_eq!(office.state("bob"), AgentState::Ready);
}

#[test]
fn a_number_that_does_not_answer_gives_the_caller_back_to_the_agent_then_to_the_queue() {
    let (mut office, caller) = talking(&["amy"]);
    assert!(office.queues.give_outside(office.now, caller, true));
    office.talking.remove(&caller);
    office.pass(seconds(5));
    assert!(!office.queues.is_idle(), "the caller is outside");
    assert!(office.queues.take_back(office.now, caller));
    office.poll();
    assert_eq!(office.rings_for("amy"), Some(caller), "from her notes");
    office.phone("amy", OfferResult::Accepted);
    assert!(office.queues.give_outside(office.now, caller, true));
    office.talking.remove(&caller);
    office.agent("amy", AgentChange::Pause("lunch".into()));
    assert!(office.queues.take_back(office.now, caller));
    office.agent("amy", AgentChange::Ready);
    assert_eq!(office.rings_for("amy"), Some(caller), "the head of the queue");
    office.phone("amy", OfferResult::Accepted);
    assert!(office.queues.give_outside(office.now, caller, true));
    office.talking.remove(&caller);
    office.hang_up(caller);
    assert!(!office.queues.take_back(office.now, caller), "the caller has hung up");
}

#[test]
fn a_caller_who_comes_back_while_the_node_drains_is_told_so_and_served_until_the_end() {
    let (mut office, caller) = talking(&["amy", "bob"]);
    office.queues.drain(office.now, seconds(60));
    assert!(office.queues.give_to_queue(office.now, caller, true));
    office.talking.remove(&caller);
    office.poll();
    assert!(
        office.actions.iter().any(|action| matches!(action, Action::Draining { caller: its, .. } if *its == caller))
    );
    office.phone("bob", OfferResult::Declined);
    office.agent("amy", AgentChange::Pause("lunch".into()));
    office.pass(seconds(61));
    assert_eq!(office.overflow(caller), Some(LeaveReason::Draining));
}
