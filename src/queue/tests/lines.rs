use super::office::*;
use crate::*;

/// A queue with so many lines, and an agent who serves another one.
fn office(lines: u16) -> Office {
    let mut settings = settings(&["amy"]);
    settings.queues[0].lines = lines;
    settings.queues.push(QueueSettings::new("second"));
    settings.agents[0].queues = vec!["second".into()];
    Office::new(settings)
}

#[test]
fn callers_are_offered_to_the_lines_in_order_and_a_line_needs_no_time_for_notes() {
    let mut office = office(2);
    let [one, two, three] = [office.join(), office.join(), office.join()];
    assert_eq!((office.rings_for("desk/1"), office.rings_for("desk/2")), (Some(one), Some(two)));
    office.phone("desk/1", OfferResult::Accepted);
    office.queues.ended(office.now, one);
    office.talking.remove(&one);
    office.poll();
    assert_eq!(office.rings_for("desk/1"), Some(three));
    let figures = office.queues.queue_figures(office.now).remove(0);
    assert_eq!(figures.lines, LineFigures { all: 2, busy: 2, resting: 0 });
    assert!(figures.agents.is_empty() && office.queues.agent_figures(office.now).len() == 1, "lines are no agents");
    assert_eq!(office.queues.agent(office.now, "desk/1", AgentChange::SignOut), Err(AgentError::Unknown));
}

#[test]
fn a_busy_address_is_asked_again_after_a_rest_and_not_by_every_line() {
    for result in [OfferResult::Declined, OfferResult::NoAnswer, OfferResult::Failed] {
        let mut office = office(30);
        let one = office.join();
        office.phone("desk/1", result);
        assert!(office.ringing.is_empty(), "{result:?}");
        let two = office.join();
        office.pass(seconds(9));
        assert!(office.ringing.is_empty(), "{result:?}");
        office.pass(seconds(1));
        let mut rings: Vec<CallerId> = office.ringing.values().map(|(_, caller)| *caller).collect();
        rings.sort();
        assert_eq!(rings, [one, two]);
    }
}

#[test]
fn lines_stay_when_the_accounts_change_and_take_callers_whatever_they_need() {
    let mut office = office(1);
    office.queues.set_agents(office.now, &[]).expect("no agents");
    let english = Join { skills: vec!["en".into()], ..Join::default() };
    let one = office.join_as(english);
    assert_eq!(office.rings_for("desk/1"), Some(one));
    // The caller leaves while it rings, and the telephone is reported as gone: the line is there for the next one.
    let (offer, _) = office.ringing["desk/1"];
    office.hang_up(one);
    office.result(offer, OfferResult::Failed);
    let two = office.join();
    assert_eq!(office.rings_for("desk/1"), Some(two));
}
