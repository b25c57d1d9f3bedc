//! Supervisors at conversations: who hears whom, by tones; requests, rights, and what is noted.

use std::f64::consts::TAU;

use audio::g711;
use base::Codec;
use serde_json::{Value, json};
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::studio::Person;
use support::wait::{SOON, eventually};

use super::page::{TWO_QUEUES, await_call, await_state, state, takes_callers};
use super::{LONG, PASSWORD, await_agents, command, telephone};
use support::agent_phone::AgentPhone;

const FIRST: &str = "荔枝湾的船慢慢划过桥";

/// The tones of caller, agent and supervisor, in Hz: orthogonal over the part that is looked at.
const TONES: [(char, f64); 3] = [('c', 400.0), ('a', 700.0), ('s', 1100.0)];
/// 200 ms.
const LOOKED_AT: usize = 1600;

/// Three minutes of a party's tone; two of them are not limited.
fn tone(party: char, codec: Codec) -> Vec<u8> {
    let (_, hertz) = TONES.into_iter().find(|(name, _)| *name == party).expect("a party");
    let sample = |n: usize| ((TAU * hertz * n as f64 / 8000.0).sin() * 6000.0) as i16;
    (0..1_440_000).map(|n| g711::encode(codec, sample(n))).collect()
}

/// The parties whose tones are in the last part of what was heard.
fn parties(heard: &[u8], codec: Codec) -> String {
    let Some(last) = heard.len().checked_sub(LOOKED_AT).map(|from| &heard[from..]) else { return "?".into() };
    let strength = |hertz: f64| {
        let part = |wave: fn(f64) -> f64| {
            let product = |(n, octet): (usize, &u8)| {
                f64::from(g711::decode(codec, *octet)) * wave(TAU * hertz * n as f64 / 8000.0)
            };
            last.iter().enumerate().map(product).sum::<f64>() * 2.0 / LOOKED_AT as f64
        };
        part(f64::sin).hypot(part(f64::cos))
    };
    TONES.into_iter().filter(|(_, hertz)| strength(*hertz) > 1500.0).map(|(name, _)| name).collect()
}

/// Waits until everybody hears these parties and no other one.
fn hear(caller: &Phone, desk: Option<&AgentPhone>, boss: Option<&AgentPhone>, wanted: [&str; 3]) {
    eventually(LONG, format!("they hear {wanted:?}"), || {
        let heard = [
            parties(&caller.heard(), Codec::Alaw),
            desk.map_or_else(String::new, |desk| parties(&desk.heard(), Codec::Alaw)),
            boss.map_or_else(String::new, |boss| parties(&boss.heard(), Codec::Ulaw)),
        ];
        if heard == wanted { Ok(()) } else { Err(format!("{heard:?}")) }
    });
}

/// A supervisor at the page, with a telephone that is registered unless the number is empty.
pub(super) fn supervisor(gateway: &Gateway, name: &str, number: &str) -> Person {
    let words = ["studio", "account", "add", name, "--role", "supervisor", "--number", number];
    let added = command(gateway, &words, &format!("{FIRST}\n\n"));
    assert!(added.0, "{}", added.1);
    let set = command(gateway, &["studio", "account", "sip", name], &format!("{PASSWORD}\n"));
    assert!(set.0, "{}", set.1);
    Person::at_desk(gateway, name, FIRST)
}

fn refused(person: &Person, agent: &str, mode: &str) -> (u16, String) {
    let reply = person.post("monitor", &json!({"agent": agent, "mode": mode}));
    (reply.status, reply.json()["error"].as_str().unwrap_or("").to_owned())
}

/// Asks to monitor; an account that is new is known within seconds.
pub(super) fn monitors(person: &Person, agent: &str, mode: &str) {
    eventually(SOON, format!("{agent} is monitored"), || match refused(person, agent, mode) {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Waits until the agent's page shows the supervisor so.
fn await_monitor(li: &Person, wanted: &Value) {
    eventually(SOON, format!("the page shows {wanted}"), || match state(li)["call"]["monitor"].clone() {
        shown if shown == *wanted => Ok(()),
        other => Err(other.to_string()),
    });
}

/// What the audit log says of this, oldest first: who, and the whole row.
fn audit(approver: &Person, what: &str) -> Vec<(String, String)> {
    let audit = approver.get("audit").json();
    let rows = audit["rows"].as_array().expect("rows").iter().filter(|row| row["what"] == what);
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut noted: Vec<_> = rows.map(|row| (text(&row["who"]), row.to_string())).collect();
    noted.reverse();
    noted
}

/// A caller who talks to an agent, both with their tones.
fn conversation(gateway: &Gateway, li: &Person, desk: &mut AgentPhone) -> Phone {
    let caller = Phone::dial_with(gateway.udp, &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    assert!(desk.rings(LONG), "{}", gateway.log());
    desk.answers(8);
    await_call(li, "talking");
    caller.say(&tone('c', Codec::Alaw));
    desk.say(&tone('a', Codec::Alaw));
    hear(&caller, Some(desk), None, ["a", "c", ""]);
    caller
}

#[test]
fn a_supervisor_listens_whispers_barges_in_and_takes_over_and_each_hears_whom_the_mode_says() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let (chen, zhao) = (supervisor(&gateway, "chen", "901"), supervisor(&gateway, "zhao", "902"));
    let mut boss = telephone(&gateway, "901");
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    assert_eq!(refused(&chen, "li", "listen"), (409, "no_conversation".into()));
    let mut caller = conversation(&gateway, &li, &mut desk);
    // Rights and refusals.
    assert_eq!(refused(&li, "li", "listen").0, 403);
    assert_eq!(li.post("monitor-end", &json!({"agent": "li"})).status, 403);
    assert_eq!(refused(&chen, "li", "record").0, 400);
    eventually(SOON, "there is no telephone", || refused(&zhao, "li", "listen") == (409, "no_phone".into()));
    monitors(&chen, "li", "listen");
    assert_eq!(refused(&zhao, "li", "barge"), (409, "monitored".into()));
    assert!(boss.rings(LONG), "{}", gateway.log());
    assert_eq!(boss.shows().as_deref(), Some("801"), "the agent's number, and nothing of the caller");
    assert_eq!(state(&li)["call"]["monitor"], Value::Null, "it rings");
    boss.answers(0);
    boss.say(&tone('s', Codec::Ulaw));
    await_monitor(&li, &json!({"by": "chen", "mode": "listen"}));
    assert_eq!(state(&li)["notice"], json!({"what": "monitor_listen", "about": "", "by": "chen"}));
    hear(&caller, Some(&desk), Some(&boss), ["a", "c", "ca"]);
    boss.press("9");
    caller.press("5");
    eventually(SOON, "the caller's key is the agent's", || desk.keys() == "5");
    for (mode, heard, on_hold) in [
        ("whisper", ["a", "cs", "ca"], ["", "s", "a"]),
        ("barge", ["as", "cs", "ca"], ["", "s", "a"]),
        ("listen", ["a", "c", "ca"], ["", "", "a"]),
    ] {
        chen.does("monitor", &json!({"agent": "li", "mode": mode}));
        await_monitor(&li, &json!({"by": "chen", "mode": mode}));
        hear(&caller, Some(&desk), Some(&boss), heard);
        let call = await_call(&li, "talking");
        li.does("hold", &json!({"call": call, "on": true}));
        if mode == "whisper" {
            assert!(caller.hears(&clip("zh", "music.hold.a", Codec::Alaw), LONG), "music");
        }
        eventually(LONG, "the supervisor and the agent on hold", || {
            let heard = [parties(&desk.heard(), Codec::Alaw), parties(&boss.heard(), Codec::Ulaw)];
            if heard == on_hold[1..] { Ok(()) } else { Err(format!("{heard:?}")) }
        });
        li.does("hold", &json!({"call": call, "on": false}));
        hear(&caller, Some(&desk), Some(&boss), heard);
    }
    assert_eq!(
        chen.get("desk").json()["agents"][0]["monitor"],
        json!({"by": "chen", "mode": "listen", "rings": false})
    );
    // Leaves, comes again, and hangs up: the conversation goes on each time.
    chen.does("monitor-end", &json!({"agent": "li"}));
    assert!(boss.is_hung_up(LONG));
    await_monitor(&li, &Value::Null);
    monitors(&chen, "li", "barge");
    assert!(boss.rings(LONG));
    boss.answers(0);
    boss.say(&tone('s', Codec::Ulaw));
    hear(&caller, Some(&desk), Some(&boss), ["as", "cs", "ca"]);
    boss.hang_up();
    await_monitor(&li, &Value::Null);
    assert_eq!(state(&li)["notice"]["what"], "monitor_ended");
    hear(&caller, Some(&desk), None, ["a", "c", ""]);
    // Takes over.
    monitors(&chen, "li", "listen");
    assert!(boss.rings(LONG));
    boss.answers(0);
    boss.say(&tone('s', Codec::Ulaw));
    hear(&caller, Some(&desk), Some(&boss), ["a", "c", "ca"]);
    chen.does("monitor", &json!({"agent": "li", "mode": "take_over"}));
    assert!(desk.is_hung_up(LONG), "the agent's call ends");
    hear(&caller, None, Some(&boss), ["s", "", "c"]);
    await_state(&li, "wrap_up");
    await_call(&li, "over");
    let own = await_call(&chen, "talking");
    assert_eq!(chen.get(&format!("card?call={own}")).json()["number"], "13800138000");
    assert_eq!(li.post("hold", &json!({"call": own, "on": true})).status, 409, "it is the supervisor's call");
    caller.press("7");
    eventually(SOON, "the caller's key is the supervisor's", || boss.keys() == "7");
    assert_eq!(caller.keys(), "", "a supervisor's key went nowhere");
    boss.press("8");
    eventually(SOON, "the supervisor's key is the caller's", || caller.keys() == "8");
    chen.does("hang-up", &json!({"call": own}));
    assert!(boss.is_hung_up(LONG));
    assert!(caller.await_request("BYE", LONG).is_some(), "the flow goes on and ends");
    let record = || {
        let file = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal");
        let sql = "SELECT agent || ' ' || taken_over_by || ' ' || queue_outcome FROM calls";
        file.query_row(sql, [], |row| row.get::<_, String>(0)).ok()
    };
    eventually(SOON, "the record says who", || record().as_deref() == Some("li chen answered"));
    let approver = Person::of(&gateway, "approver");
    eventually(SOON, "every end is noted", || audit(&approver, "monitor_ended").len() == 3);
    let began = audit(&approver, "monitor_began");
    assert!(began.iter().all(|(who, row)| who == "li" && row.contains("chen") && row.contains("call=")), "{began:?}");
    let modes = |what: &str| -> Vec<String> {
        let of = |row: &str| row.split("mode=").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("").to_owned();
        audit(&approver, what).iter().map(|(_, row)| of(row)).collect()
    };
    assert_eq!(modes("monitor_began"), ["listen", "barge", "listen"]);
    assert_eq!(modes("monitor_changed"), ["whisper", "barge", "listen", "take_over"]);
    assert_eq!(modes("monitor_ended"), ["listen", "barge", "take_over"]);
    assert!(audit(&approver, "monitor").len() >= 8, "each request is noted before it is done");
}

#[test]
fn a_supervisor_leaves_with_the_conversation_however_it_ends_and_no_telephone_delays_it() {
    let mut gateway = Gateway::start(&TWO_QUEUES);
    let chen = supervisor(&gateway, "chen", "901");
    let mut boss = telephone(&gateway, "901");
    let (li, mut desk) = takes_callers(&gateway, "li", "801");
    let ready = || {
        li.does("ready", &json!({}));
        await_state(&li, "ready");
    };
    let listens = |boss: &mut AgentPhone| {
        monitors(&chen, "li", "listen");
        assert!(boss.rings(LONG));
        boss.answers(0);
        await_monitor(&li, &json!({"by": "chen", "mode": "listen"}));
    };
    // The supervisor declines; then the agent hangs up.
    let mut caller = conversation(&gateway, &li, &mut desk);
    monitors(&chen, "li", "whisper");
    assert!(boss.rings(LONG));
    boss.declines();
    eventually(SOON, "the supervisor's page says so", || state(&chen)["notice"]["what"] == "monitor_no_answer");
    assert_eq!(state(&chen)["notice"]["about"], "li");
    listens(&mut boss);
    desk.hang_up();
    assert!(boss.is_hung_up(LONG), "with the agent");
    assert!(caller.await_request("BYE", LONG).is_some());
    await_state(&li, "wrap_up");
    // The caller hangs up while the supervisor's telephone rings, and while it is connected.
    ready();
    let mut caller = conversation(&gateway, &li, &mut desk);
    monitors(&chen, "li", "listen");
    assert!(boss.rings(LONG));
    caller.hang_up();
    assert!(desk.is_hung_up(LONG) && boss.is_withdrawn(LONG), "{}", gateway.log());
    ready();
    let mut caller = conversation(&gateway, &li, &mut desk);
    listens(&mut boss);
    caller.hang_up();
    assert!(desk.is_hung_up(LONG) && boss.is_hung_up(LONG), "with the caller");
    // A transfer ends it; the caller waits for the next agent.
    ready();
    let (wang, mut second) = takes_callers(&gateway, "wang", "802");
    wang.does("pause", &json!({}));
    await_state(&wang, "not_ready");
    let mut caller = conversation(&gateway, &li, &mut desk);
    wang.does("ready", &json!({}));
    listens(&mut boss);
    let call = await_call(&li, "talking");
    li.does("transfer", &json!({"call": call, "queue": "second"}));
    assert!(desk.is_hung_up(LONG) && boss.is_hung_up(LONG), "with the transfer");
    assert!(second.rings(LONG));
    second.answers(8);
    await_call(&wang, "talking");
    // Takes over at once; another agent may be called to the next caller meanwhile.
    monitors(&chen, "wang", "take_over");
    assert!(boss.rings(LONG));
    boss.answers(0);
    boss.say(&tone('s', Codec::Ulaw));
    assert!(second.is_hung_up(LONG));
    hear(&caller, None, Some(&boss), ["s", "", "c"]);
    ready();
    let mut other = conversation(&gateway, &li, &mut desk);
    assert_eq!(refused(&chen, "li", "listen"), (409, "engaged".into()), "one telephone");
    // The supervisor's telephone is the caller's last one: the flow goes on without it.
    boss.hang_up();
    assert!(caller.await_request("BYE", LONG).is_some());
    // An account that supervises no longer does not listen either.
    let role = |role: &str| {
        let set = command(&gateway, &["studio", "account", "role", "chen", role], "");
        assert!(set.0, "{}", set.1);
    };
    listens(&mut boss);
    role("agent");
    assert!(boss.is_hung_up(LONG), "{}", gateway.log());
    await_monitor(&li, &Value::Null);
    role("supervisor");
    // A node that drains lets the conversation end, and the supervisor with it.
    listens(&mut boss);
    gateway.drain();
    chen.does("monitor", &json!({"agent": "li", "mode": "barge"}));
    chen.does("monitor-end", &json!({"agent": "li"}));
    assert!(boss.is_hung_up(LONG));
    eventually(SOON, "no other begins", || refused(&chen, "li", "listen") == (409, "draining".into()));
    other.hang_up();
    assert!(desk.is_hung_up(LONG));
    assert_eq!(gateway.wait(LONG), Some(0));
}

#[test]
fn a_supervisors_telephone_is_at_an_address_and_serves_no_queue() {
    let gateway = Gateway::start(&TWO_QUEUES);
    let _chen = supervisor(&gateway, "chen", "901");
    let set = command(&gateway, &["agent", "set", "chen", "--address", "sip:901@127.0.0.1:5099"], "");
    assert!(set.0, "{}", set.1);
    let refused = command(&gateway, &["--lang", "zh", "agent", "set", "chen", "--queue", "desk"], "");
    assert!(!refused.0 && refused.1.contains("--address"), "{}", refused.1);
    await_agents(&gateway, "signed_out", 0);
}
