//! A caller who presses 0 waits in a queue and is connected with an agent's telephone.

mod call_backs;
mod call_centre;
mod monitoring;
mod page;
mod recording;
mod transfers;
mod weather;

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use audio::g711;
use base::Codec;
use support::agent_phone::AgentPhone;
use support::gateway::{Gateway, jindu};
use support::phone::{Dial, Phone};
use support::sound::speech;
use support::wait::{SOON, eventually};

const REALM: &str = "desk.test";
const PASSWORD: &str = "Telefon im Amt 7";
const LONG: Duration = Duration::from_secs(40);

/// The settings of an office whose desk is a queue.
const OFFICE: [&str; 6] = [
    "hotline.calendar=config/examples/always_open.toml",
    "phone.registrar.realm=desk.test",
    "phone.registrar.addresses=127.0.0.1",
    "queue=[{name=\"desk\", ring_limit_s=5, wrap_up_s=0}]",
    "phone.desk=queue:desk",
    // Sound is compared octet for octet, on machines that are busy.
    "phone.jitter_buffer_ms=60",
];

/// Runs a command beside the serving node.
fn command(gateway: &Gateway, words: &[&str], input: &str) -> (bool, String) {
    let mut command = jindu(&gateway.folder);
    for set in OFFICE {
        command.arg("--set").arg(set);
    }
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Opens the account of an agent with a telephone of this number.
fn agent(gateway: &Gateway, name: &str, number: &str) {
    let added = command(
        gateway,
        &["studio", "account", "add", name, "--role", "agent", "--number", number],
        "荔枝湾的船慢慢划过桥\n\n",
    );
    assert!(added.0, "{}", added.1);
    let set = command(gateway, &["studio", "account", "sip", name], &format!("{PASSWORD}\n"));
    assert!(set.0, "{}", set.1);
}

/// A registered telephone of an agent.
fn telephone(gateway: &Gateway, number: &str) -> AgentPhone {
    let mut telephone = AgentPhone::new(gateway.udp, number, REALM, PASSWORD);
    eventually(SOON, "it is registered", || match telephone.register(120) {
        200 => Ok(()),
        status => {
            std::thread::sleep(Duration::from_millis(500));
            Err(status.to_string())
        }
    });
    telephone
}

/// Waits until the agents of this state are so many.
fn await_agents(gateway: &Gateway, state: &str, count: usize) {
    eventually(SOON, format!("{count} agents are {state}"), || {
        let (_, status) = gateway.http("GET", "/metrics", "");
        let line = format!("jindu_agents{{state=\"{state}\"}} {count}");
        if status.contains(&line) || count == 0 && !status.contains(&format!("state=\"{state}\"")) {
            Ok(())
        } else {
            Err(gateway.log())
        }
    });
}

#[test]
fn a_caller_is_connected_with_an_agent_and_both_hear_each_other() {
    let gateway = Gateway::start(&OFFICE);
    agent(&gateway, "li", "801");
    let mut desk = telephone(&gateway, "801");
    await_agents(&gateway, "signed_out", 1);
    eventually(SOON, "a service code is known", || match desk.dial_code("*1") {
        486 => Ok(()),
        status => Err(status.to_string()),
    });
    await_agents(&gateway, "ready", 1);
    // The agent hangs up, then the caller; with the caller's law at the telephone, and with the other one.
    for (codec, agent_hangs_up) in [(0, true), (8, false)] {
        let mut caller = Phone::dial_with(gateway.udp, &Dial { codec, ..Dial::default() });
        caller.press("10");
        assert!(desk.rings(LONG), "{}", gateway.log());
        assert_eq!((desk.was_offered(), desk.shows().as_deref()), (Some(codec), Some("13800138000")));
        desk.answers(8);
        let law = if codec == 8 { Codec::Alaw } else { Codec::Ulaw };
        let (to_caller, to_agent) = (speech(Codec::Alaw, 0), speech(law, 9));
        desk.say(&to_caller);
        caller.say(&to_agent);
        let heard: Vec<u8> = to_caller.iter().map(|octet| g711::transcode(Codec::Alaw, law, *octet)).collect();
        assert!(caller.hears(&heard, LONG), "the caller hears the agent");
        let heard: Vec<u8> = to_agent.iter().map(|octet| g711::transcode(law, Codec::Alaw, *octet)).collect();
        assert!(desk.hears(&heard, LONG), "the agent hears the caller");
        caller.press("37");
        eventually(SOON, "the keys arrive", || desk.keys() == "37");
        await_agents(&gateway, "talking", 1);
        if agent_hangs_up {
            desk.hang_up();
            assert!(caller.await_request("BYE", LONG).is_some(), "the flow ends the call");
        } else {
            caller.hang_up();
            assert!(desk.is_hung_up(LONG));
        }
        await_agents(&gateway, "ready", 1);
    }
    let listed = command(&gateway, &["agent", "list"], "");
    assert!(listed.0 && listed.1.contains("li") && listed.1.contains("desk"), "{}", listed.1);
    assert!(listed.1.contains("every") && listed.1.contains("801 registered"), "{}", listed.1);
    let status = command(&gateway, &["status"], "").1;
    assert!(status.contains("desk: no callers waiting; agents: 1 ready"), "{status}");
    let status = command(&gateway, &["--lang", "zh", "status"], "").1;
    assert!(status.contains("desk：无人等候；坐席：就绪 1"), "{status}");
    let (_, metrics) = gateway.http("GET", "/metrics", "");
    assert!(metrics.contains("jindu_queue_answered_total{queue=\"desk\"} 2"), "{metrics}");
    assert!(command(&gateway, &["agent", "pause", "li"], "").0);
    await_agents(&gateway, "not_ready", 1);
    assert_eq!(desk.dial_code("*7"), 404);
    assert!(command(&gateway, &["queue", "close", "desk"], "").0);
    let listed = command(&gateway, &["queue", "list", "--json"], "").1;
    assert!(listed.contains("\"name\": \"desk\"") && listed.contains("\"open\": false"), "{listed}");
    assert!(command(&gateway, &["--lang", "zh", "queue", "list"], "").1.contains("已关闭"));
    assert!(command(&gateway, &["queue", "open", "desk"], "").0);
    let (done, unknown) = command(&gateway, &["queue", "close", "third"], "");
    assert!(!done && unknown.contains("jindu queue list"), "{unknown}");
}

#[test]
fn what_is_refused_of_agents_says_why_in_both_languages_and_at_the_telephone() {
    let gateway = Gateway::start(&OFFICE);
    agent(&gateway, "li", "801");
    let added = command(
        &gateway,
        &["studio", "account", "add", "wang", "--role", "operator", "--number", "802"],
        "荔枝湾的船慢慢划过桥\n\n",
    );
    assert!(added.0, "{}", added.1);
    assert!(command(&gateway, &["studio", "account", "sip", "wang"], &format!("{PASSWORD}\n")).0);
    let refused = |words: &[&str]| {
        let (done, told) = command(&gateway, words, "");
        assert!(!done, "{words:?}: {told}");
        told
    };
    let other = refused(&["agent", "set", "wang", "--queue", "desk"]);
    assert!(other.contains("jindu studio account role wang agent"), "{other}");
    let nowhere = refused(&["agent", "set", "li", "--address", "sip:801@203.0.113.9"]);
    assert!(nowhere.contains("in no trunk"), "{nowhere}");
    let (done, told) =
        command(&gateway, &["agent", "set", "li", "--address", "sip:801@127.0.0.1:5099", "--skill", "en"], "");
    assert!(done, "{told}");
    await_agents(&gateway, "signed_out", 1);
    eventually(SOON, "the list has it", || {
        let listed = command(&gateway, &["agent", "list"], "").1;
        if listed.contains("en") && listed.contains("sip:801@127.0.0.1:5099") { Ok(()) } else { Err(listed) }
    });
    let unknown = refused(&["--lang", "zh", "agent", "ready", "zhao"]);
    assert!(unknown.contains("没有这名坐席"), "{unknown}");
    let reason = refused(&["--lang", "zh", "agent", "pause", "li", "--reason", "holiday"]);
    assert!(reason.contains("phone.pause_reasons"), "{reason}");
    let missing = refused(&["--lang", "zh", "agent", "set", "zhao"]);
    assert!(missing.contains("没有账号 zhao"), "{missing}");
    let mut unregistered = AgentPhone::new(gateway.udp, "803", REALM, PASSWORD);
    assert_eq!(unregistered.dial_code("*1"), 403, "it is not registered, and no caller of the hotline");
    let mut stranger = telephone(&gateway, "802");
    assert_eq!(stranger.dial_code("*1"), 403, "an operator takes no callers");
    assert_eq!(stranger.dial_code("*9"), 404);
}

#[test]
fn a_caller_keeps_the_place_while_agents_do_not_answer() {
    let gateway = Gateway::start(&OFFICE);
    for (name, number) in [("li", "801"), ("wang", "802")] {
        agent(&gateway, name, number);
    }
    let (mut first, mut second) = (telephone(&gateway, "801"), telephone(&gateway, "802"));
    await_agents(&gateway, "signed_out", 2);
    assert!(command(&gateway, &["agent", "ready", "li"], "").0);
    await_agents(&gateway, "ready", 1);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(first.rings(LONG), "{}", gateway.log());
    assert!(command(&gateway, &["agent", "ready", "wang"], "").0);
    assert!(first.is_withdrawn(LONG), "nobody answered");
    assert!(second.rings(LONG), "the next agent");
    second.declines();
    await_agents(&gateway, "not_ready", 2);
    assert_eq!(gateway.metric("jindu_queue_waiting{queue=\"desk\"}"), 1.0);
    // The caller hangs up while an offer rings.
    assert_eq!(first.dial_code("*1"), 486);
    assert!(first.rings(LONG));
    caller.hang_up();
    assert!(first.is_withdrawn(LONG));
    eventually(SOON, "the caller is counted", || gateway.metric("jindu_queue_abandoned_total{queue=\"desk\"}") == 1.0);
    await_agents(&gateway, "ready", 1);
    // An agent whose telephone is gone: the caller goes to the other one.
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    assert!(first.rings(LONG));
    first.answers(8);
    drop(first);
    caller.hang_up();
}

#[test]
fn without_an_agent_the_flow_goes_on() {
    let gateway = Gateway::start(&OFFICE);
    let mut caller = Phone::dial(gateway.udp);
    caller.press("10");
    eventually(LONG, "the transfer fails", || gateway.metric("jindu_transfers_total{result=\"failed\"}") == 1.0);
    caller.hang_up();
}
