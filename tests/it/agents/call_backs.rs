//! A caller who waits asks to be called back, and is.

use std::net::UdpSocket;

use super::*;

use serde_json::json;
use support::gateway::temporary_folder;
use support::sound::clip;
use support::studio::Person as AtDesk;

use super::page::FIRST;

/// The person's own telephone, at the other end of the line for call-backs.
struct Person {
    socket: UdpSocket,
    settings: Vec<String>,
}

impl Person {
    fn with(mut self, setting: &str) -> Person {
        self.settings.push(setting.into());
        self
    }

    fn new() -> Person {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let dial = format!("call_back.dial=sip:{{number}}@{}", socket.local_addr().expect("bound"));
        let mut settings: Vec<String> = OFFICE.iter().map(|set| (*set).to_owned()).collect();
        settings.extend([dial, "call_back.allow=1[3-9]XXXXXXXXX".into(), "call_back.deny=139XXXXXXXX".into()]);
        Person { socket, settings }
    }

    fn gateway(&self, folder: std::path::PathBuf) -> Gateway {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        Gateway::start_in(folder, &settings)
    }

    fn telephone(&self, gateway: &Gateway) -> AgentPhone {
        let socket = self.socket.try_clone().expect("a second handle");
        AgentPhone::over(socket, gateway.udp, ("13800138000", REALM, PASSWORD))
    }
}

fn alaw(id: &str) -> Vec<u8> {
    clip("zh", id, Codec::Alaw)
}

/// A caller waits while the only agent pauses, and books a call-back to the number that calls.
fn books(gateway: &Gateway) {
    let mut caller = Phone::dial_with(gateway.udp, &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    eventually(LONG, "the caller waits", || gateway.metric("jindu_queue_waiting{queue=\"desk\"}") == 1.0);
    caller.press("21");
    assert!(caller.hears(&alaw("prompt.call_back_this.0"), LONG), "{}", gateway.log());
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
}

/// An agent who is signed in and pauses.
fn pausing(gateway: &Gateway) {
    await_agents(gateway, "signed_out", 1);
    assert!(command(gateway, &["agent", "pause", "li"], "").0);
    await_agents(gateway, "not_ready", 1);
}

fn await_call_backs(gateway: &Gateway, state: &str) {
    eventually(LONG, format!("a call-back is {state}"), || {
        let listed = command(gateway, &["call-back", "list", "--json"], "").1;
        if listed.contains(&format!("\"state\": \"{state}\"")) {
            Ok(())
        } else {
            Err(format!("{listed}\n{}", gateway.log()))
        }
    });
}

#[test]
fn a_person_is_called_back_in_turn_also_after_a_kill_and_talks_to_the_agent() {
    let person = Person::new();
    let folder = temporary_folder("call-backs");
    let mut gateway = person.gateway(folder.clone());
    agent(&gateway, "li", "801");
    let desk = telephone(&gateway, "801");
    pausing(&gateway);
    books(&gateway);
    await_call_backs(&gateway, "waiting");
    gateway.keep_folder();
    drop((desk, gateway.kill()));

    let gateway = person.gateway(folder);
    await_call_backs(&gateway, "waiting");
    let mut desk = telephone(&gateway, "801");
    eventually(SOON, "the agent is ready", || command(&gateway, &["agent", "ready", "li"], "").0);
    let mut called = person.telephone(&gateway);
    assert!(called.rings(LONG), "{}", gateway.log());
    assert_eq!((called.was_called_as().as_deref(), called.shows().as_deref()), (Some("13800138000"), Some("96110110")));
    called.answers(8);
    assert!(called.hears(&alaw("prompt.called_back"), LONG), "who calls is said");
    called.press("1");
    assert!(desk.rings(LONG), "{}", gateway.log());
    assert_eq!(desk.shows().as_deref(), Some("13800138000"));
    desk.answers(8);
    let (to_person, to_agent) = (speech(Codec::Alaw, 3), speech(Codec::Alaw, 11));
    desk.say(&to_person);
    called.say(&to_agent);
    assert!(called.hears(&to_person, LONG), "the person hears the agent");
    assert!(desk.hears(&to_agent, LONG), "the agent hears the person");
    await_call_backs(&gateway, "served");
    desk.hang_up();
    assert!(called.is_hung_up(LONG), "after the score the call ends");
    let journal = command(&gateway, &["call-back", "list"], "").1;
    assert!(!journal.contains("138001380"), "no number is listed: {journal}");
}

#[test]
fn who_is_busy_is_called_again_later_and_who_declines_is_not() {
    let person = Person::new();
    let gateway = person.gateway(temporary_folder("call-backs"));
    agent(&gateway, "li", "801");
    let _desk = telephone(&gateway, "801");
    pausing(&gateway);
    books(&gateway);
    let mut called = person.telephone(&gateway);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    assert!(called.rings(LONG), "{}", gateway.log());
    called.declines();
    eventually(LONG, "the first attempt is over", || {
        let listed = command(&gateway, &["call-back", "list", "--json"], "").1;
        listed.contains("\"attempts\": 1") && listed.contains("\"state\": \"waiting\"")
    });
    // The agent takes others meanwhile.
    await_agents(&gateway, "ready", 1);
    let listed = command(&gateway, &["call-back", "list"], "").1;
    let id = listed.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a request").to_owned();
    assert!(command(&gateway, &["call-back", "cancel", &id], "").0);
    assert!(!command(&gateway, &["call-back", "cancel", &id], "").0, "it waits no more");
    await_call_backs(&gateway, "cancelled");
    // Another request, which the person withdraws by a key.
    assert!(command(&gateway, &["agent", "pause", "li"], "").0);
    books(&gateway);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    assert!(called.rings(LONG), "{}", gateway.log());
    called.answers(8);
    assert!(called.hears(&alaw("prompt.called_back"), LONG));
    called.press("2");
    assert!(called.is_hung_up(LONG));
    eventually(LONG, "nothing waits", || gateway.metric("jindu_call_backs{state=\"cancelled\"}") == 2.0);
    assert_eq!(gateway.metric("jindu_call_backs{state=\"waiting\"}"), 0.0);
}

#[test]
fn a_line_that_refuses_counts_for_no_number_and_callers_are_served_meanwhile() {
    let person = Person::new().with("call_back.attempts_max=1");
    let gateway = person.gateway(temporary_folder("call-backs"));
    agent(&gateway, "li", "801");
    let mut desk = telephone(&gateway, "801");
    pausing(&gateway);
    books(&gateway);
    let mut called = person.telephone(&gateway);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    assert!(called.is_called(LONG), "{}", gateway.log());
    called.refuses(503);
    await_call_backs(&gateway, "waiting");
    let listed = command(&gateway, &["call-back", "list", "--json"], "").1;
    assert!(listed.contains("\"attempts\": 0"), "{listed}");
    let mut caller = Phone::dial_with(gateway.udp, &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let words = speech(Codec::Alaw, 5);
    desk.say(&words);
    assert!(caller.hears(&words, LONG), "the caller is served");
    caller.hang_up();
    assert!(desk.is_hung_up(LONG));
    // The line works again: after a minute's rest others are called, this number after `retry_after_s`.
    let failed = command(&gateway, &["calls", "--failed", "--json"], "").1;
    assert!(failed.contains("line failed"), "{failed}");
}

#[test]
fn a_number_that_may_not_be_called_is_not_booked() {
    let person = Person::new();
    let gateway = person.gateway(temporary_folder("call-backs"));
    agent(&gateway, "li", "801");
    let _desk = telephone(&gateway, "801");
    pausing(&gateway);
    let mut caller = Phone::dial_with(gateway.udp, &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    eventually(LONG, "the caller waits", || gateway.metric("jindu_queue_waiting{queue=\"desk\"}") == 1.0);
    caller.press("2");
    assert!(caller.hears(&alaw("opt.call_other"), LONG), "{}", gateway.log());
    caller.press("2");
    assert!(caller.hears(&alaw("prompt.ask_call_number"), LONG));
    caller.press("13900000000#");
    assert!(caller.hears(&alaw("prompt.call_number_is.0"), LONG), "it is read back");
    caller.press("1");
    assert!(caller.hears(&alaw("prompt.call_not"), LONG), "{}", gateway.log());
    eventually(LONG, "the caller waits again", || gateway.metric("jindu_queue_waiting{queue=\"desk\"}") == 1.0);
    caller.hang_up();
}

#[test]
fn requests_wait_for_the_hours_are_seen_on_the_page_and_withdrawn_by_a_supervisor() {
    // This calendar is never open.
    let person = Person::new().with("call_back.hours=peak");
    let gateway = person.gateway(temporary_folder("call-backs"));
    agent(&gateway, "li", "801");
    let _desk = telephone(&gateway, "801");
    let added = command(&gateway, &["studio", "account", "add", "chen", "--role", "supervisor"], &format!("{FIRST}\n"));
    assert!(added.0, "{}", added.1);
    pausing(&gateway);
    books(&gateway);
    let (li, chen) = (AtDesk::at_desk(&gateway, "li", FIRST), AtDesk::at_desk(&gateway, "chen", FIRST));
    let request =
        eventually(SOON, "the page has the request", || match li.get("state").json()["call_backs"][0].clone() {
            request if request["state"] == "waiting" => Ok(request),
            other => Err(other.to_string()),
        });
    assert_eq!(
        (request["number"].as_str(), request["queue"].as_str(), request["lang"].as_str()),
        (Some("8000"), Some("desk"), Some("zh"))
    );
    assert_eq!(request["attempts"], 0);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    await_agents(&gateway, "ready", 1);
    // An agent who is ready is reserved at once within the hours.
    let id = json!({ "id": request["id"] });
    assert_eq!(chen.get("desk").json()["call_backs"][0]["attempts"], 0);
    assert_eq!(li.post("call-back-cancel", &id).status, 403);
    chen.does("call-back-cancel", &id);
    let again = chen.post("call-back-cancel", &id);
    assert_eq!((again.status, again.json()["error"].as_str()), (409, Some("no_call_back")));
    eventually(SOON, "the page has no request", || li.get("state").json()["call_backs"] == json!([]));
    await_call_backs(&gateway, "cancelled");
    let audit = AtDesk::of(&gateway, "approver").get("audit").json();
    let noted = audit["rows"].as_array().expect("rows").iter().filter(|row| row["what"] == "call_back_cancelled");
    assert_eq!(noted.count(), 2, "{audit}");
}
