//! Agents give callers to other agents and to numbers, and ask them before; who hears whom, and what stands in the record.

use std::net::UdpSocket;

use audio::g711;
use base::Codec;
use serde_json::{Value, json};
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::studio::Person;
use support::wait::{SOON, eventually};

use super::page::{await_call, await_state, state, takes_callers};
use super::{LONG, PASSWORD, REALM, speech};
use support::agent_phone::AgentPhone;

/// An office whose agents may call numbers of three digits, at a telephone of its own.
struct Office {
    gateway: Gateway,
    outside: AgentPhone,
}

impl Office {
    fn new() -> Office {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let dial = format!("transfer.dial=sip:{{number}}@{}", socket.local_addr().expect("bound"));
        let gateway = Gateway::start(&[
            "hotline.calendar=config/examples/always_open.toml",
            "phone.registrar.realm=desk.test",
            "phone.registrar.addresses=127.0.0.1",
            "queue=[{name=\"desk\", ring_limit_s=5, wrap_up_s=60}]",
            "transfer.allow=8XX",
            "transfer.deny=899",
            "transfer.per_agent_per_day=4",
            &dial,
        ]);
        let outside = AgentPhone::over(socket, gateway.udp, ("811", REALM, PASSWORD));
        Office { gateway, outside }
    }

    fn caller(&self) -> Phone {
        let caller = Phone::dial_with(self.gateway.udp, &Dial { codec: 8, ..Dial::default() });
        caller.press("10");
        caller
    }

    /// The record of the last call: agents, what they did, the score.
    fn record(&self) -> (String, String) {
        let file = rusqlite::Connection::open(self.gateway.folder.join("journal.sqlite3")).expect("the journal");
        let sql = "SELECT coalesce(agent, ''), coalesce(handling, '') FROM calls ORDER BY id DESC LIMIT 1";
        eventually(LONG, "the call is recorded", || {
            file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|error| error.to_string())
        })
    }
}

/// The first second of the music.
fn music() -> Vec<u8> {
    clip("zh", "music.hold.a", Codec::Alaw)[2000..10_000].to_vec()
}

/// Waits until the page shows this of the one who is asked.
fn await_consultation(person: &Person, stage: &str) {
    eventually(LONG, format!("the consultation is {stage}"), || match state(person)["call"]["consultation"].clone() {
        shown if shown["stage"] == stage => Ok(()),
        other => Err(other.to_string()),
    });
}

fn refused(person: &Person, name: &str, body: &Value) -> (u16, String) {
    let reply = person.post(name, body);
    (reply.status, reply.json()["error"].as_str().unwrap_or("").to_owned())
}

#[test]
fn a_caller_is_given_to_an_agent_and_to_a_number_and_comes_back_where_nobody_answers() {
    let mut office = Office::new();
    let Desk { li, first: mut desk, wang, mut second, mut caller, call } = Desk::talks(&office);
    let gateway = &office.gateway;
    for (body, code) in [
        (json!({"call": call, "agent": "zhao"}), (409, "no_agent")),
        (json!({"call": call, "agent": "li"}), (409, "same_agent")),
        (json!({"call": call, "number": "13800138000"}), (403, "number_not_allowed")),
        (json!({"call": call, "number": "899"}), (403, "number_not_allowed")),
        (json!({"call": call + 99, "agent": "wang"}), (409, "no_call")),
    ] {
        assert_eq!(refused(&li, "transfer", &body), (code.0, code.1.to_owned()), "{body}");
    }
    assert_eq!(refused(&li, "complete", &json!({"call": call})), (409, "not_answered".into()));
    assert_eq!(li.post("transfer", &json!({"call": call})).status, 400);
    // Another agent, who declines: the first one is called again.
    li.does("transfer", &json!({"call": call, "agent": "wang"}));
    assert!(desk.is_hung_up(LONG), "the agent is free");
    assert!(caller.hears(&music(), LONG), "music");
    assert!(second.rings(LONG), "{}", gateway.log());
    let next = await_call(&wang, "ringing");
    assert_eq!(wang.get(&format!("card?call={next}")).json()["number"], "13800138000");
    second.declines();
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let call = await_call(&li, "talking");
    assert_eq!(refused(&li, "transfer", &json!({"call": call, "agent": "wang"})).1, "agent_not_available");
    // A number that is busy, and one that answers.
    li.does("transfer", &json!({"call": call, "number": "8-11"}));
    assert!(desk.is_hung_up(LONG));
    assert!(office.outside.rings(LONG), "{}", gateway.log());
    assert_eq!(office.outside.shows().as_deref(), Some("96110110"));
    assert!(caller.hears(&music(), LONG), "music");
    office.outside.declines();
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let call = await_call(&li, "talking");
    li.does("transfer", &json!({"call": call, "number": "811"}));
    assert!(desk.is_hung_up(LONG));
    assert!(office.outside.rings(LONG));
    office.outside.answers(8);
    let voice = speech(Codec::Alaw, 21);
    office.outside.say(&voice.repeat(2));
    assert!(caller.hears(&voice, LONG), "the number");
    caller.press("5");
    eventually(SOON, "the key arrives", || office.outside.keys() == "5");
    await_state(&li, "wrap_up");
    office.outside.hang_up();
    // The score counts for the agent who talked to the caller last.
    assert!(caller.hears(&clip("zh", "prompt.rate_ask", Codec::Alaw), LONG), "{}", office.gateway.log());
    caller.press("2");
    assert!(caller.await_request("BYE", LONG).is_some(), "after the score the call ends");
    let fair = json!({"satisfied": 0, "fair": 1, "not_satisfied": 0});
    eventually(SOON, "the score is counted", || match state(&li)["day"]["ratings"].clone() {
        ratings if ratings == fair => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(state(&wang)["day"]["ratings"]["fair"], 0);
    assert_eq!(office.gateway.metric("jindu_queue_ratings_total{queue=\"desk\",score=\"fair\"}"), 1.0);
    let (agent, handling) = office.record();
    assert_eq!(agent, "li");
    let steps = "agent:li,to_agent:wang,agent:li,to_number:811,returned,agent:li,to_number:811";
    assert_eq!(handling, steps);
    let audit = Person::of(&office.gateway, "approver").get("audit").json();
    let numbers = audit["rows"].as_array().expect("rows").iter();
    let numbers = numbers.filter(|row| row["what"] == "transfer" && row["why"].as_str().unwrap().contains("number=…"));
    assert_eq!(numbers.count(), 4, "{audit}");
}

/// Two agents who take callers, and a caller who talks to the first of them.
struct Desk {
    li: Person,
    first: AgentPhone,
    wang: Person,
    second: AgentPhone,
    caller: Phone,
    /// The conversation's number on the page.
    call: u64,
}

impl Desk {
    fn talks(office: &Office) -> Desk {
        let (li, mut first) = takes_callers(&office.gateway, "li", "801");
        let (wang, second) = takes_callers(&office.gateway, "wang", "802");
        let caller = office.caller();
        assert!(first.rings(LONG), "{}", office.gateway.log());
        first.answers(8);
        let call = await_call(&li, "talking");
        Desk { li, first, wang, second, caller, call }
    }
}

#[test]
fn an_agent_asks_another_one_talks_to_both_and_connects_them() {
    let office = Office::new();
    let Desk { li, mut first, wang, mut second, mut caller, call } = Desk::talks(&office);
    li.does("consult", &json!({"call": call, "agent": "wang"}));
    assert!(second.rings(LONG), "{}", office.gateway.log());
    assert!(caller.hears(&music(), LONG), "music");
    assert_eq!(refused(&li, "complete", &json!({"call": call})), (409, "not_answered".into()));
    assert_eq!(refused(&li, "transfer", &json!({"call": call, "queue": "desk"})), (409, "consulting".into()));
    assert_eq!(refused(&wang, "complete", &json!({"call": call})), (409, "no_call".into()));
    second.answers(8);
    await_consultation(&li, "talking");
    assert_eq!(state(&wang)["call"]["asked_by"], "li");
    let (of_li, of_wang, of_caller) = (speech(Codec::Alaw, 1), speech(Codec::Alaw, 2), speech(Codec::Alaw, 3));
    first.say(&of_li.repeat(2));
    second.say(&of_wang.repeat(2));
    assert!(second.hears(&of_li, LONG) && first.hears(&of_wang, LONG), "the agents hear each other");
    // To the caller, and back to the colleague.
    li.does("swap", &json!({"call": call}));
    await_consultation(&li, "on_hold");
    caller.say(&of_caller.repeat(2));
    assert!(first.hears(&of_caller, LONG), "the caller");
    assert!(second.hears(&music(), LONG), "music");
    li.does("swap", &json!({"call": call}));
    await_consultation(&li, "talking");
    li.does("complete", &json!({"call": call}));
    assert!(first.is_hung_up(LONG), "the first agent is free");
    await_call(&li, "over");
    await_call(&wang, "talking");
    assert_eq!(state(&wang)["call"]["asked_by"], Value::Null);
    let (of_wang, of_caller) = (speech(Codec::Alaw, 4), speech(Codec::Alaw, 5));
    second.say(&of_wang.repeat(2));
    caller.say(&of_caller.repeat(2));
    assert!(caller.hears(&of_wang, LONG) && second.hears(&of_caller, LONG), "the caller and the second agent");
    caller.hang_up();
    assert!(second.is_hung_up(LONG));
    let (agent, handling) = office.record();
    assert_eq!((agent.as_str(), handling.as_str()), ("wang", "agent:li,asked_agent:wang,to_agent:wang,agent:wang"));
}

#[test]
fn whoever_hangs_up_in_a_consultation_the_caller_is_not_left_alone() {
    let mut office = Office::new();
    let Desk { li, mut first, wang, mut second, mut caller, call } = Desk::talks(&office);
    // A number that hangs up: one key leads back to the caller.
    li.does("consult", &json!({"call": call, "number": "811"}));
    assert!(office.outside.rings(LONG), "{}", office.gateway.log());
    office.outside.answers(8);
    await_consultation(&li, "talking");
    let of_li = speech(Codec::Alaw, 16);
    first.say(&of_li.repeat(2));
    assert!(office.outside.hears(&of_li, LONG), "the number hears the agent");
    first.press("7");
    eventually(SOON, "keys go to the number", || match office.outside.keys().as_str() {
        "7" => Ok(()),
        other => Err(other.to_owned()),
    });
    office.outside.hang_up();
    await_consultation(&li, "ended");
    li.does("hold", &json!({"call": call, "on": false}));
    let of_li = speech(Codec::Alaw, 6);
    first.say(&of_li.repeat(2));
    assert!(caller.hears(&of_li, LONG), "back with the caller");
    // The agent hangs up while the number rings: the caller is the first of the queue.
    li.does("consult", &json!({"call": call, "number": "811"}));
    assert!(office.outside.rings(LONG));
    first.hang_up();
    assert!(office.outside.is_withdrawn(LONG));
    assert!(second.rings(LONG), "{}", office.gateway.log());
    second.answers(8);
    let call = await_call(&wang, "talking");
    // The agent hangs up after the answer, as at a desk telephone: both are connected.
    wang.does("consult", &json!({"call": call, "number": "811"}));
    assert!(office.outside.rings(LONG));
    office.outside.answers(8);
    await_consultation(&wang, "talking");
    second.hang_up();
    let (of_number, of_caller) = (speech(Codec::Alaw, 7), speech(Codec::Alaw, 8));
    office.outside.say(&of_number.repeat(2));
    caller.say(&of_caller.repeat(2));
    assert!(caller.hears(&of_number, LONG) && office.outside.hears(&of_caller, LONG), "the caller and the number");
    caller.hang_up();
    assert!(office.outside.is_hung_up(LONG));
    let (agent, handling) = office.record();
    assert_eq!(agent, "wang");
    assert_eq!(handling, "agent:li,asked_number:811,to_queue:desk,agent:wang,asked_number:811,to_number:811");
}

#[test]
fn a_caller_who_hangs_up_ends_the_consultation_and_a_muted_agent_is_not_heard() {
    let office = Office::new();
    let Desk { li, first: mut desk, wang, mut second, mut caller, call } = Desk::talks(&office);
    assert_eq!(wang.post("mute", &json!({"call": call, "on": true})).status, 409, "it is not this agent's");
    li.does("mute", &json!({"call": call, "on": true}));
    assert_eq!(state(&li)["call"]["muted"], true);
    let (secret, open) = (speech(Codec::Alaw, 11), speech(Codec::Alaw, 13));
    let before = caller.heard().len();
    desk.say(&secret);
    let heard_of_caller = speech(Codec::Alaw, 12);
    caller.say(&heard_of_caller);
    assert!(desk.hears(&heard_of_caller, LONG), "the agent hears the caller");
    // As long as what is said: all of it would have come.
    eventually(LONG, "the caller's packets go on", || caller.heard().len() > before + 2 * secret.len());
    let silence = vec![g711::idle(Codec::Alaw); 4000];
    assert!(caller.heard()[before..].windows(silence.len()).any(|window| window == silence), "silence");
    assert!(!caller.hears(&secret, std::time::Duration::ZERO), "and not the agent");
    li.does("mute", &json!({"call": call, "on": false}));
    desk.say(&open.repeat(2));
    assert!(caller.hears(&open, LONG), "the agent again");
    // An agent who is asked and does not answer stays ready; going back leads to the caller.
    li.does("consult", &json!({"call": call, "agent": "wang"}));
    assert!(second.rings(LONG));
    li.does("back", &json!({"call": call}));
    assert!(second.is_withdrawn(LONG));
    await_state(&wang, "ready");
    let voice = speech(Codec::Alaw, 14);
    desk.say(&voice.repeat(2));
    assert!(caller.hears(&voice, LONG), "the agent");
    li.does("consult", &json!({"call": call, "agent": "wang"}));
    assert!(second.rings(LONG));
    second.answers(8);
    await_consultation(&li, "talking");
    caller.hang_up();
    assert!(desk.is_hung_up(LONG) && second.is_hung_up(LONG), "both telephones");
    await_call(&li, "over");
    await_call(&wang, "over");
    await_state(&wang, "ready");
    assert_eq!(office.record().1, "agent:li,asked_agent:wang");
}
