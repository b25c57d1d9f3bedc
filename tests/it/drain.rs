//! What a node owes before it may go, and whom it believes while it stands behind balancers.

use std::time::Duration;

use support::gateway::Gateway;
use support::kiosk::request;
use support::phone::{Answer, Phone};
use support::wait::{SOON, eventually};

/// The next request of this method, unanswered.
fn next(phone: &Phone, method: &str) -> Answer {
    loop {
        let message = phone.receive().unwrap_or_else(|| panic!("a {method}"));
        if message.text.starts_with(method) {
            return message;
        }
    }
}

#[test]
fn a_node_that_drains_repeats_its_last_bye_until_it_is_answered() {
    let mut gateway = Gateway::start(&["phone.drain_limit_s=1"]);
    let mut phone = Phone::dial(gateway.udp);
    gateway.signal("TERM");
    let first = next(&phone, "BYE");
    let second = next(&phone, "BYE");
    assert_eq!(first.header("CSeq"), second.header("CSeq"), "the same BYE again");
    assert!(phone.await_request("BYE", Duration::from_secs(5)).is_some(), "and again, answered this time");
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_repeated_bye_is_answered_again_while_the_node_drains() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    gateway.drain();
    assert_eq!(phone.request("BYE", "", "").status, 200);
    std::thread::sleep(Duration::from_secs(1));
    // As if that answer had been lost.
    phone.send("BYE", "q", "", "");
    assert_eq!(phone.receive().expect("the answer again").status, 200);
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn no_signal_but_kill_ends_a_call_at_once() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    // By number, since not every `kill` knows every name: HUP, USR1, USR2, PIPE, ALRM, STKFLT, TSTP, TTIN, TTOU, XCPU, XFSZ, VTALRM,
    // PROF, IO, PWR, real-time signals, HUP again.
    let others = [1, 10, 12, 13, 14, 16, 20, 21, 22, 24, 25, 26, 27, 29, 30, 34, 35, 64, 1];
    others.iter().for_each(|number| gateway.signal(&number.to_string()));
    assert_eq!(Phone::new(gateway.udp).options().status, 200, "the node serves on");
    gateway.signal("QUIT");
    eventually(SOON, "it drains", || match gateway.health() {
        health if health["status"] == "draining" => Ok(()),
        health => Err(health.to_string()),
    });
    // A closing terminal is no second signal.
    gateway.signal("HUP");
    assert_eq!(phone.request("BYE", "", "").status, 200, "the call is still there");
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_drain_says_what_it_waits_for_when_it_begins_and_when_it_is_asked() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    gateway.drain();
    let lines =
        |text: &str| gateway.log().lines().filter(|line| line.contains(text) && line.contains("calls=1")).count();
    assert_eq!(lines("draining: no new calls"), 1, "{}", gateway.log());
    gateway.signal("HUP");
    eventually(SOON, "it says what it waits for", || lines("still draining") == 1);
    assert_eq!(phone.request("BYE", "", "").status, 200);
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_second_signal_hangs_up() {
    let mut gateway = Gateway::start(&["phone.drain_limit_s=600"]);
    let phone = Phone::dial(gateway.udp);
    gateway.signal("INT");
    std::thread::sleep(Duration::from_millis(400));
    gateway.signal("INT");
    let _ = next(&phone, "BYE");
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

#[test]
fn a_node_without_calls_stops_at_once_unless_it_must_wait_for_the_balancers() {
    let mut gateway = Gateway::start(&["phone.drain_limit_s=600"]);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(Duration::from_secs(60)), Some(0));

    let mut gateway = Gateway::start(&["phone.drain_least_s=2"]);
    gateway.drain();
    assert_eq!(gateway.http("GET", "/health", "").0, 503, "the web door is open and says so");
    assert_eq!(Phone::new(gateway.udp).options().status, 503, "and so does the phone door");
    assert_eq!(gateway.wait(Duration::from_secs(10)), Some(0));
}

/// The status of an inquiry of something unknown, as a balancer passes it on.
fn inquire(gateway: &Gateway, from: &str, n: u32) -> u16 {
    let body = format!("{{\"code\":\"4401999999{n:05}\",\"tail\":\"1234\"}}");
    let head = format!("X-Forwarded-For: {from}\r\nContent-Type: application/json\r\n");
    request(gateway.web, "POST", "/api/inquiry", &head, &body).0
}

#[test]
fn one_address_that_guesses_does_not_stop_the_others_behind_the_same_balancer() {
    let gateway = Gateway::start(&["web.proxies=127.0.0.1", "web.hosts=127.0.0.1", "inquiry.failures_per_caller=3"]);
    for n in 0..3 {
        assert_eq!(inquire(&gateway, "10.1.1.1", n), 200);
    }
    assert_eq!(inquire(&gateway, "10.1.1.1", 4), 429);
    assert_eq!(inquire(&gateway, "10.9.9.9, 10.1.1.1", 5), 429, "whatever it says of itself");
    assert_eq!(inquire(&gateway, "10.1.1.2", 6), 200);
}

#[test]
fn too_few_media_ports_are_reported_and_limit_the_calls() {
    let gateway = Gateway::start(&["phone.calls_max=500"]);
    let warns = |line: &str| line.contains("WARN") && line.contains("200");
    assert!(gateway.log().lines().any(warns), "{}", gateway.log());
    let (_, health) = gateway.http("GET", "/health", "");
    assert!(health.contains("\"calls_max\":200"), "{health}");
}
