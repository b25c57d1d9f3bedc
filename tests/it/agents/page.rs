//! The agents' page over HTTP, with callers on the line.

use base::Codec;
use serde_json::{Value, json};
use support::agent_phone::AgentPhone;
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::studio::{Person, first_password, sign_in};
use support::wait::{SOON, eventually};

use super::{LONG, OFFICE, agent, await_agents, command, telephone};

pub(super) const FIRST: &str = "荔枝湾的船慢慢划过桥";

/// The same office with two queues and time for notes.
pub(super) const TWO_QUEUES: [&str; 5] = [
    "hotline.calendar=config/examples/always_open.toml",
    "phone.registrar.realm=desk.test",
    "phone.registrar.addresses=127.0.0.1",
    "queue=[{name=\"desk\", ring_limit_s=20, wrap_up_s=60}, {name=\"second\", ring_limit_s=20, wrap_up_s=60}]",
    "phone.pause_reasons=break,training",
];

pub(super) fn state(person: &Person) -> Value {
    person.get("state").json()
}

/// Waits until the page shows this state.
pub(super) fn await_state(person: &Person, wanted: &str) -> Value {
    eventually(SOON, format!("the agent is {wanted}"), || match state(person) {
        shown if shown["state"] == wanted => Ok(shown),
        other => Err(other.to_string()),
    })
}

/// Waits until the page shows a call of this stage; its number.
pub(super) fn await_call(person: &Person, stage: &str) -> u64 {
    let shown = eventually(LONG, format!("a call is {stage}"), || match state(person) {
        shown if shown["call"]["stage"] == stage => Ok(shown),
        other => Err(other.to_string()),
    });
    shown["call"]["call"].as_u64().expect("a number")
}

/// An agent at the page, whose telephone is registered, and who takes callers.
pub(super) fn takes_callers(gateway: &Gateway, name: &str, number: &str) -> (Person, AgentPhone) {
    agent(gateway, name, number);
    let desk = telephone(gateway, number);
    let person = Person::at_desk(gateway, name, FIRST);
    eventually(SOON, "the account is known", || match person.post("ready", &json!({})) {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.json().to_string()),
    });
    await_state(&person, "ready");
    (person, desk)
}

/// A caller who asks for a case and then for a person.
fn asks_and_presses_0(gateway: &Gateway, (receipt, tail): &(String, String)) -> Phone {
    let found = "jindu_lookups_total{door=\"phone\",result=\"found\"}";
    let before = gateway.metric(found);
    let caller = Phone::dial(gateway.udp);
    caller.press(&format!("11{receipt}{}", tail.replace('X', "*")));
    eventually(LONG, "the case is found", || gateway.metric(found) > before);
    caller.press("0");
    caller
}

/// A caller of a trusted trunk who withholds the number that the trunk asserts, and the carrier's headers.
const WITHHELD: [(&str, &str); 3] = [
    ("<sip:13800007777@ims.example>", "Privacy: id\r\nP-Asserted-Identity: <sip:+8613800007777@ims.example>\r\n"),
    ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "P-Asserted-Identity: <sip:+8613800007777@ims.example>\r\n"),
    (
        "<sip:13800007777@ims.example>",
        "Remote-Party-ID: <sip:13800007777@ims.example>;party=calling;privacy=full;screen=yes\r\n",
    ),
];

#[test]
fn an_agent_sees_no_number_that_is_withheld_also_where_the_trunk_asserts_it() {
    let trusted = "trunk.local.trusted_identity=p-asserted-identity,remote-party-id";
    let one_line = "trunk.local.calls_per_caller_max=1";
    let gateway = Gateway::start(&[&TWO_QUEUES[..], &["phone.desk=queue:desk", trusted, one_line]].concat());
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    for (from, headers) in WITHHELD {
        let dial = Dial { headers, ..Dial::default() };
        let mut caller = Phone::new(gateway.udp).calling_as(from);
        let answer = caller.invite(&dial);
        assert_eq!(answer.status, 200, "{headers}");
        caller.ack();
        caller.begin_media(&answer);
        let second = Phone::new(gateway.udp).calling_as(from).invite(&dial).status;
        assert_eq!(second, 486, "limits know the caller: {headers}");
        caller.press("10");
        assert!(desk.rings(LONG), "{}", gateway.log());
        assert_eq!(desk.shows().as_deref(), Some("anonymous"), "{headers}");
        let call = await_call(&li, "ringing");
        let card = li.get(&format!("card?call={call}")).json();
        assert_eq!((&card["number"], &card["earlier"]), (&Value::Null, &json!([])), "{card}");
        assert!(!card.to_string().contains("1380000"), "{card}");
        li.does("decline", &json!({ "call": call }));
        assert!(desk.is_withdrawn(LONG));
        caller.hang_up();
        eventually(SOON, "the line is free", || gateway.metric("jindu_trunk_calls{trunk=\"local\"}") == 0.0);
        li.does("ready", &json!({}));
        await_state(&li, "ready");
    }
}

#[test]
fn an_agent_sees_what_the_caller_did_and_notes_what_it_was_about() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let example = gateway.example("ready");
    let (receipt, last) = (example.0.as_str(), &example.0[example.0.len() - 4..]);
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    agent(&gateway, "wang", "802");
    let wang = Person::at_desk(&gateway, "wang", FIRST);
    let mut caller = asks_and_presses_0(&gateway, &example);
    assert!(desk.rings(LONG), "{}", gateway.log());
    let call = await_call(&li, "ringing");
    let card = li.get(&format!("card?call={call}")).json();
    assert_eq!((card["receipt"].as_str(), card["verified"].as_bool()), (Some(receipt), Some(true)), "{card}");
    assert_eq!((card["lang"].as_str(), card["number"].as_str()), (Some("zh"), Some("13800138000")), "{card}");
    assert_eq!(card["case"]["stage"], "ready");
    for lang in ["zh", "en"] {
        let heard = card["case"]["heard"][lang].as_str().expect("words");
        assert!(heard.chars().count() > 8, "{lang}: {heard}");
    }
    assert!(
        card["way"].as_array().is_some_and(|way| way.iter().any(|step| step["words"]["en"] == "For progress")),
        "{card}"
    );
    assert!(!card.to_string().contains(&example.1), "no second factor: {card}");
    assert_eq!((&card["earlier"], &card["called_back"]), (&json!([]), &json!(false)));
    // Nobody else sees it.
    assert_eq!(state(&wang)["call"], Value::Null);
    assert_eq!(wang.get(&format!("card?call={call}")).status, 409);
    assert_eq!(wang.post("hang-up", &json!({ "call": call })).status, 409);
    desk.answers(8);
    assert_eq!(await_call(&li, "talking"), call);
    assert_eq!(li.post("decline", &json!({ "call": call })).status, 409, "it is answered");
    li.does("hang-up", &json!({ "call": call }));
    assert!(desk.is_hung_up(LONG), "the agent's telephone");
    await_call(&li, "over");
    let text = format!("已答复 {receipt}");
    li.does("note", &json!({"call": call, "reason": "progress", "text": text}));
    assert_eq!(li.post("note", &json!({"call": call, "reason": "weather"})).status, 400);
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
    let day = state(&li)["day"].clone();
    assert_eq!((day["answered"].as_u64(), day["missed"].as_u64()), (Some(1), Some(0)));
    // The next time, the agent sees the call before and its reason.
    await_state(&li, "wrap_up");
    li.does("ready", &json!({}));
    let mut caller = asks_and_presses_0(&gateway, &example);
    assert!(desk.rings(LONG));
    let next = await_call(&li, "ringing");
    let card = li.get(&format!("card?call={next}")).json();
    let earlier = &card["earlier"][0];
    assert_eq!((earlier["agent"].as_str(), earlier["reason"].as_str()), (Some("li"), Some("progress")), "{card}");
    li.does("decline", &json!({ "call": next }));
    assert!(desk.is_withdrawn(LONG));
    assert_eq!(await_state(&li, "not_ready")["reason"], "declined");
    caller.hang_up();
    // Each look is in the audit log; neither it nor the log nor a note holds the number.
    let audit = Person::of(&gateway, "approver").get("audit").json();
    let looks: Vec<&Value> =
        audit["rows"].as_array().expect("rows").iter().filter(|row| row["what"] == "look").collect();
    assert_eq!(looks.len(), 2, "{audit}");
    assert!(
        looks
            .iter()
            .all(|look| look["who"] == "li" && look["why"].as_str().unwrap().contains(&format!("receipt=…{last}")))
    );
    let file = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal");
    let noted: String = file.query_row("SELECT text FROM agent_notes", [], |row| row.get(0)).expect("one note");
    assert_eq!(noted, format!("已答复 …{last}"));
    for place in [gateway.log(), audit.to_string()] {
        assert!(!place.contains(receipt));
    }
}

#[test]
fn the_page_is_for_agents_and_supervisors_with_sessions_of_their_own() {
    let gateway = Gateway::start(&OFFICE);
    agent(&gateway, "li", "801");
    let (operator, first) = ("operator", first_password(&gateway, "operator"));
    let operator = Person::at_desk(&gateway, operator, &first);
    for name in ["state", "settings", "card?call=1", "desk"] {
        let reply = operator.get(name);
        assert_eq!((reply.status, reply.json()["error"].as_str()), (403, Some("not_agent")), "{name}");
    }
    let li = Person::at_desk(&gateway, "li", FIRST);
    assert_eq!(li.get("state").status, 200);
    for (name, body) in [
        ("queue", json!({"queue": "desk", "open": false})),
        ("agent", json!({"agent": "li", "do": "ready"})),
        ("duty", json!({"agent": "li", "queues": [], "skills": []})),
    ] {
        assert_eq!(li.post(name, &body).status, 403, "{name} is a supervisor's");
    }
    assert_eq!(li.get("desk").status, 403);
    let (_, page) = gateway.http("GET", "/agent", "");
    assert!(page.contains("/agent/app.js"), "{page}");
    assert_eq!(gateway.http("GET", "/agent/api/state", "").0, 401);
    // A session of one page opens nothing at the other.
    let studio = sign_in(gateway.web, "li", &format!("{FIRST} mine"));
    let cookie = studio.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("Path=/studio") && !cookie.contains("jindu_agent"), "{cookie}");
    assert!(li.cookie.starts_with("jindu_agent="), "{}", li.cookie);
    li.does("sign-out", &json!({}));
    assert_eq!(li.get("me").status, 401);
    let gateway = Gateway::start(&["studio.allow=192.0.2.0/24"]);
    assert_eq!(gateway.http("GET", "/agent", "").0, 404);
}

#[test]
fn agents_are_signed_in_again_after_the_node_was_killed() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let (li, desk) = takes_callers(&gateway, "li", "801");
    let (wang, _second) = takes_callers(&gateway, "wang", "802");
    wang.does("pause", &json!({"reason": "training"}));
    await_state(&wang, "not_ready");
    eventually(SOON, "it is on the disk", || {
        std::fs::read_to_string(gateway.folder.join("desk.json")).is_ok_and(|text| text.contains("training"))
    });
    let folder = gateway.folder.clone();
    drop((li, desk));
    gateway.kill();
    let gateway = Gateway::start_in(folder, &TWO_QUEUES);
    let (li, wang) = (Person::at_desk(&gateway, "li", &mine()), Person::at_desk(&gateway, "wang", &mine()));
    assert_eq!(await_state(&wang, "not_ready")["reason"], "training");
    // The telephone of the other agent is not there yet; it registers by itself.
    assert_eq!(await_state(&li, "not_ready")["reason"], "phone_failed");
    let mut desk = telephone(&gateway, "801");
    await_state(&li, "ready");
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    caller.hang_up();
}

fn mine() -> String {
    format!("{FIRST} mine")
}

#[test]
fn a_supervisor_closes_a_queue_moves_a_caller_and_changes_agents_and_all_is_noted_and_told() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let added = command(&gateway, &["studio", "account", "add", "chen", "--role", "supervisor"], &format!("{FIRST}\n"));
    assert!(added.0, "{}", added.1);
    let chen = Person::at_desk(&gateway, "chen", FIRST);
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    // The agent serves the second queue only: a caller waits in the first.
    let (wang, _other) = takes_callers(&gateway, "wang", "802");
    wang.does("pause", &json!({}));
    chen.does("duty", &json!({"agent": "li", "queues": ["second"], "skills": ["en"]}));
    eventually(SOON, "the agent has the skill", || {
        let shown = chen.get("desk").json();
        let agents = shown["agents"].as_array().expect("agents").clone();
        agents
            .iter()
            .any(|one| one["name"] == "li" && one["skills"] == json!(["en"]))
            .then_some(())
            .ok_or_else(|| shown.to_string())
    });
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    let waiting = eventually(LONG, "the caller waits", || match chen.get("desk").json() {
        shown if shown["waiting"][0]["queue"] == "desk" => Ok(shown["waiting"][0]["caller"].clone()),
        other => Err(other.to_string()),
    });
    assert_eq!(chen.post("move", &json!({"caller": waiting, "queue": "third"})).json()["error"], "no_queue");
    chen.does("move", &json!({"caller": waiting, "queue": "second"}));
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.declines();
    await_state(&li, "not_ready");
    caller.hang_up();
    chen.does("agent", &json!({"agent": "li", "do": "ready"}));
    assert_eq!(await_state(&li, "ready")["notice"], json!({"what": "agent_ready", "about": "", "by": "chen"}));
    chen.does("queue", &json!({"queue": "second", "open": false}));
    let told = eventually(SOON, "the agent is told", || match state(&li)["notice"].clone() {
        notice if notice["what"] == "queue_closed" => Ok(notice),
        other => Err(other.to_string()),
    });
    assert_eq!(told["about"], "second");
    assert_eq!(state(&wang)["queues"][1]["open"], false);
    let audit = Person::of(&gateway, "approver").get("audit").json();
    let noted = |what: &str| audit["rows"].as_array().expect("rows").iter().any(|row| row["what"] == what);
    for what in ["agent", "caller_moved", "agent_state", "queue_closed"] {
        assert!(noted(what), "{what} in {audit}");
    }
    await_agents(&gateway, "ready", 1);
}

#[test]
fn the_shipped_settings_have_a_queue_and_two_agents_whose_passwords_are_shown_once() {
    let gateway = Gateway::start(&["hotline.calendar=config/examples/always_open.toml"]);
    assert!(gateway.banner.contains("/agent"), "{}", gateway.banner);
    let text =
        std::fs::read_to_string(gateway.folder.join("studio/initial-passwords")).expect("the first start wrote it");
    let line = text.lines().find(|line| line.contains("name agent1 ")).expect("the first agent");
    let after = |mark: &str| {
        let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark} is in {line}"));
        rest.split([',', ')', ' ']).next().expect("a word").to_owned()
    };
    let (number, sip) = (after("registers as "), line.rsplit("password ").next().expect("one").trim_end_matches(')'));
    let mut desk = AgentPhone::new(gateway.udp, &number, "jindu.localhost", sip);
    assert_eq!(desk.register(120), 200, "{}", gateway.log());
    let person = Person::at_desk(&gateway, "agent1", &first_password(&gateway, "agent1"));
    eventually(SOON, "the account is known", || person.post("ready", &json!({})).status == 200);
    await_state(&person, "ready");
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    await_call(&person, "talking");
    caller.hang_up();
    assert!(desk.is_hung_up(LONG));
}

#[test]
fn a_caller_on_hold_hears_music_and_a_transferred_one_waits_for_the_next_agent() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    let call = await_call(&li, "talking");
    let voice = super::speech(Codec::Alaw, 3);
    desk.say(&voice);
    assert!(caller.hears(&voice, LONG), "the agent");
    li.does("hold", &json!({"call": call, "on": true}));
    assert!(caller.hears(&clip("zh", "music.hold.a", Codec::Alaw), LONG), "music");
    assert_eq!(state(&li)["call"]["held"], true);
    li.does("hold", &json!({"call": call, "on": false}));
    let voice = super::speech(Codec::Alaw, 5);
    desk.say(&voice);
    assert!(caller.hears(&voice, LONG), "the agent again");
    let nobody = li.post("transfer", &json!({"call": call, "queue": "third"}));
    assert_eq!((nobody.status, nobody.json()["error"].as_str()), (409, Some("queue_not_served")));
    let (wang, mut second) = takes_callers(&gateway, "wang", "802");
    li.does("transfer", &json!({"call": call, "queue": "second"}));
    assert!(desk.is_hung_up(LONG), "the first agent is free");
    await_call(&li, "over");
    assert!(second.rings(LONG), "{}", gateway.log());
    let next = await_call(&wang, "ringing");
    assert_eq!(wang.get(&format!("card?call={next}")).json()["number"], "13800138000");
    second.answers(8);
    await_call(&wang, "talking");
    let voice = super::speech(Codec::Alaw, 7);
    second.say(&voice);
    assert!(caller.hears(&voice, LONG), "the second agent");
    caller.hang_up();
    assert!(second.is_hung_up(LONG));
}
