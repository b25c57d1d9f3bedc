//! A desk in bad weather: a disk that is full when a call-back is booked, and clocks that jump while callers wait and talk.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use base::Codec;

use super::world::World;
use support::agent_phone::AgentPhone;
use support::command::{done_json, run_with, told};
use support::folder::Folder;
use support::gateway::temporary_folder;
use support::node::Node;
use support::phone::{Dial, Phone};
use support::sound::{clip, speech};
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400;

/// A node with an agent who is called at an address, and that address; call-backs go there, too.
fn office(world: &World) -> (Node, AgentPhone) {
    office_with(world, &["queue=[{name=\"desk\", wrap_up_s=0, ring_limit_s=60}]"])
}

fn office_with(world: &World, more: &[&str]) -> (Node, AgentPhone) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let dial = format!("call_back.dial=sip:{{number}}@{address}");
    let mut set = vec![
        "hotline.calendar=config/examples/always_open.toml",
        "phone.registrar.realm=desk.test",
        "phone.desk=queue:desk",
        "phone.jitter_buffer_ms=60",
        "call_back.allow=1[3-9]XXXXXXXXX",
        &dial,
    ];
    set.extend(more);
    let mut node = Node::new(Ipv4Addr::LOCALHOST, temporary_folder("desk"), &set, &world.environment());
    node.start_again();
    let add = ["studio", "account", "add", "li", "--role", "agent", "--number", "801"];
    let added = run_with(&node.folder, &add, &["seven green teapots", ""]);
    assert!(added.status.success(), "{}", told(&added));
    agent(&node, &["set", "li", "--address", &format!("sip:801@{address}")]);
    let desk = AgentPhone::over(socket, node.udp(), ("801", "desk.test", "unused"));
    (node, desk)
}

/// Runs a command of agents until the node knows the agent.
fn agent(node: &Node, words: &[&str]) {
    eventually(LONG, format!("{words:?}"), || {
        let done = run_with(&node.folder, &[&["agent"], words].concat(), &[]);
        if done.status.success() { Ok(()) } else { Err(told(&done)) }
    });
}

fn caller(node: &Node) -> Phone {
    let caller = Phone::dial_with(node.udp(), &Dial { codec: 8, ..Dial::default() });
    caller.press("10");
    eventually(LONG, "the caller waits", || node.gateway().metric("jindu_queue_waiting{queue=\"desk\"}") == 1.0);
    caller
}

#[test]
fn a_call_back_that_a_full_disk_cannot_keep_is_not_promised_and_the_desk_goes_on() {
    let world = World::new();
    let (node, mut desk) = office(&world);
    agent(&node, &["pause", "li"]);
    let mut first = caller(&node);
    world.writes_fail_after(0, libc::ENOSPC);
    first.press("21");
    assert!(first.hears(&clip("zh", "prompt.call_not", Codec::Alaw), LONG), "{}", node.gateway().log());
    assert_eq!(node.gateway().metric("jindu_call_backs{state=\"waiting\"}"), 0.0);
    world.writes_fail_with(0);
    // The caller waits again, and is served.
    agent(&node, &["ready", "li"]);
    assert!(desk.rings(LONG), "{}", node.gateway().log());
    desk.answers(8);
    let said = speech(Codec::Alaw, 2);
    desk.say(&said);
    assert!(first.hears(&said, LONG), "the caller hears the agent");
    first.hang_up();
    assert!(desk.is_hung_up(LONG));
}

#[test]
fn clocks_that_jump_end_no_wait_and_no_conversation_and_call_backs_come_in_their_turn() {
    let world = World::new();
    let (node, mut desk) = office(&world);
    agent(&node, &["pause", "li"]);
    let mut first = caller(&node);
    first.press("21");
    assert!(first.await_request("BYE", LONG).is_some(), "the call-back is booked");
    let mut second = caller(&node);
    for off in [DAY, -DAY] {
        world.wall_clock_is_off_by(off);
        assert_eq!(node.gateway().metric("jindu_queue_waiting{queue=\"desk\"}"), 1.0);
    }
    agent(&node, &["ready", "li"]);
    // The person who came first is called back, and declines: the second caller is next.
    assert!(desk.rings(LONG), "{}", node.gateway().log());
    assert_eq!(desk.was_called_as().as_deref(), Some("13800138000"));
    desk.declines();
    assert!(desk.rings(LONG), "{}", node.gateway().log());
    assert_eq!(desk.was_called_as().as_deref(), Some("801"));
    desk.answers(8);
    for off in [DAY, 0, -DAY] {
        world.wall_clock_is_off_by(off);
        let (to_caller, to_agent) = (speech(Codec::Alaw, 3), speech(Codec::Alaw, 7));
        desk.say(&to_caller);
        second.say(&to_agent);
        assert!(second.hears(&to_caller, LONG), "the caller hears the agent, off by {off} s");
        assert!(desk.hears(&to_agent, LONG), "the agent hears the caller, off by {off} s");
    }
    second.hang_up();
    assert!(desk.is_hung_up(LONG));
    let status = run_with(&node.folder, &["agent", "list"], &[]);
    assert!(status.status.success() && told(&status).contains("ready"), "{}", told(&status));
}

#[test]
fn a_recording_that_a_full_disk_cuts_is_kept_so_far_and_the_conversation_goes_on() {
    let world = World::new();
    let scratch = Folder::new();
    let queue = "queue=[{name=\"desk\", wrap_up_s=0, ring_limit_s=60, record=true}]";
    let sound_key = scratch.sound_key("sound.key", 7);
    let (node, mut desk) = office_with(&world, &[queue, "recording.disk_free_mb_min=0", &sound_key]);
    agent(&node, &["ready", "li"]);
    let failed = || node.gateway().metric("jindu_recording_failures_total{reason=\"disk\"}");
    let in_progress = || node.gateway().metric("jindu_recordings_in_progress");
    for (round, cut) in [true, false].into_iter().enumerate() {
        let mut first = Phone::dial_with(node.udp(), &Dial { codec: 8, ..Dial::default() });
        first.press("10");
        assert!(desk.rings(LONG), "{}", node.gateway().log());
        desk.answers(8);
        eventually(LONG, "it is recorded", || in_progress() == 1.0);
        for seed in [round, round + 10] {
            let said = speech(Codec::Alaw, seed);
            desk.say(&said);
            assert!(first.hears(&said, LONG), "the caller hears the agent");
            if cut && seed < 10 {
                world.writes_fail_after(0, libc::ENOSPC);
                eventually(LONG, "the recording has failed", || failed() == 1.0);
                world.writes_fail_with(0);
                eventually(LONG, "its thread has ended", || in_progress() == 0.0);
            }
        }
        first.hang_up();
        assert!(desk.is_hung_up(LONG));
        eventually(LONG, "it is over", || in_progress() == 0.0);
    }
    assert_eq!(failed(), 1.0, "the next one is whole");
    let words = ["recording", "list", "--json", "--set", &sound_key];
    let lengths = eventually(LONG, "both have ended", || {
        let listed = done_json(&node.folder, &words);
        let lengths: Vec<f64> =
            listed.as_array().into_iter().flatten().filter_map(|row| row["length_s"].as_f64()).collect();
        if lengths.len() == 2 { Ok(lengths) } else { Err(listed.to_string()) }
    });
    assert!(lengths.iter().all(|length| *length > 0.0), "{lengths:?}");
}
