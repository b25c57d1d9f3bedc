//! Moments in which two things happen at once.

use std::net::UdpSocket;

use super::*;

#[test]
fn of_two_agents_who_answer_at_once_one_gets_the_caller_and_the_other_is_ready_again() {
    let queue = "queue=[{name=\"desk\", ring_together=2, wrap_up_s=0}]";
    let gateway = Gateway::start(&[OFFICE[0], OFFICE[1], OFFICE[2], queue, OFFICE[4], OFFICE[5]]);
    for (name, number) in [("li", "801"), ("wang", "802")] {
        agent(&gateway, name, number);
    }
    let (mut li, mut wang) = (telephone(&gateway, "801"), telephone(&gateway, "802"));
    await_agents(&gateway, "signed_out", 2);
    for name in ["li", "wang"] {
        assert!(command(&gateway, &["agent", "ready", name], "").0);
    }
    await_agents(&gateway, "ready", 2);
    let mut caller = Phone::dial_with(gateway.udp, &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    assert!(li.rings(LONG) && wang.rings(LONG), "{}", gateway.log());
    let (of_li, of_wang) = (li.picks_up(8), wang.picks_up(8));
    li.talks(of_li, 8);
    wang.talks(of_wang, 8);
    let mut li_is_late = false;
    eventually(LONG, "one of them is hung up on", || {
        li_is_late = li.is_hung_up(MOMENT);
        li_is_late || wang.is_hung_up(MOMENT)
    });
    let (mut talks, mut late) = if li_is_late { (wang, li) } else { (li, wang) };
    await_agents(&gateway, "talking", 1);
    await_agents(&gateway, "ready", 1);
    let speech = speech(Codec::Alaw, 5);
    talks.say(&speech);
    assert!(caller.hears(&speech, LONG), "the caller hears the one who was first");
    caller.hang_up();
    assert!(talks.is_hung_up(LONG));
    await_agents(&gateway, "ready", 2);
    // The one who was late takes the next caller.
    let mut next = Phone::dial(gateway.udp);
    next.press("10");
    assert!(late.rings(LONG), "{}", gateway.log());
    next.hang_up();
    assert!(late.is_withdrawn(LONG));
}

#[test]
fn a_caller_who_hangs_up_in_the_moment_of_the_answer_leaves_an_agent_who_is_ready() {
    let gateway = Gateway::start(&OFFICE);
    agent(&gateway, "li", "801");
    let mut desk = telephone(&gateway, "801");
    await_agents(&gateway, "signed_out", 1);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    for agent_is_first in [true, false] {
        await_agents(&gateway, "ready", 1);
        let mut caller = Phone::dial(gateway.udp);
        caller.press("10");
        assert!(desk.rings(LONG), "{}", gateway.log());
        let rtp = if agent_is_first {
            let rtp = desk.picks_up(8);
            caller.hang_up();
            rtp
        } else {
            caller.hang_up();
            desk.picks_up(8)
        };
        desk.talks(rtp, 8);
        assert!(desk.is_hung_up(LONG), "what was answered too late is ended: {}", gateway.log());
    }
    await_agents(&gateway, "ready", 1);
    assert_eq!(gateway.metric("jindu_queue_waiting{queue=\"desk\"}"), 0.0);
}

#[test]
fn a_telephone_that_went_without_a_word_does_not_keep_the_agents_other_one_from_ringing() {
    let queue = "queue=[{name=\"desk\", ring_limit_s=20, wrap_up_s=0}]";
    let gateway = Gateway::start(&[OFFICE[0], OFFICE[1], OFFICE[2], queue, OFFICE[4], OFFICE[5]]);
    agent(&gateway, "li", "801");
    let mut desk = telephone(&gateway, "801");
    await_agents(&gateway, "signed_out", 1);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    await_agents(&gateway, "ready", 1);
    // A laptop that registered last, and was closed.
    let laptop = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let gone = laptop.try_clone().expect("another handle");
    assert_eq!(AgentPhone::over(laptop, gateway.udp, ("801", REALM, PASSWORD)).register(600), 200);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let speech = speech(Codec::Alaw, 3);
    desk.say(&speech);
    assert!(caller.hears(&speech, LONG), "they talk");
    drop(gone);
}

const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn the_figures_of_the_day_go_on_after_a_restart() {
    let mut gateway = Gateway::start(&OFFICE);
    agent(&gateway, "li", "801");
    let mut li = telephone(&gateway, "801");
    await_agents(&gateway, "signed_out", 1);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    await_agents(&gateway, "ready", 1);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(li.rings(LONG), "{}", gateway.log());
    li.answers(8);
    await_agents(&gateway, "talking", 1);
    gateway.drain();
    caller.hang_up();
    assert!(li.is_hung_up(LONG));
    gateway.keep_folder();
    assert_eq!(gateway.wait(LONG), Some(0), "{}", gateway.log());
    let gateway = Gateway::start_in(gateway.folder.clone(), &OFFICE);
    eventually(LONG, "the figures are those of the day", || {
        let (listed, text) = command(&gateway, &["agent", "list", "--json"], "");
        let figures: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("{listed} {error} {text}"))?;
        let answered = [&figures["agents"][0]["answered"], &figures["queues"][0]["answered"]];
        if answered == [1, 1] { Ok(()) } else { Err(text) }
    });
}
