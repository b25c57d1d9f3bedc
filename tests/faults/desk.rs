//! A desk in bad weather: a disk that is full when a call-back is booked, and clocks that jump while callers wait and talk.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use base::Codec;

use super::world::World;
use support::agent_phone::AgentPhone;
use support::command::{run_with, told};
use support::gateway::temporary_folder;
use support::node::Node;
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400;

/// A node with an agent who is called at an address, and that address; call-backs go there, too.
fn office(world: &World) -> (Node, AgentPhone) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let set = [
        "hotline.calendar=tests/support/always_open.toml",
        "phone.registrar.realm=desk.test",
        "queue=[{name=\"desk\", wrap_up_s=0, ring_limit_s=60}]",
        "phone.desk=queue:desk",
        "call_back.allow=1[3-9]XXXXXXXXX",
        &format!("call_back.dial=sip:{{number}}@{address}"),
    ];
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

fn speech(seed: usize) -> Vec<u8> {
    let sample = |n: usize| ((n * n / (40 + seed)) % 16_000) as i16 - 8000;
    (0..8000).map(|n| audio::g711::encode(Codec::Alaw, sample(n))).collect()
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
    let said = speech(2);
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
        let (to_caller, to_agent) = (speech(3), speech(7));
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
