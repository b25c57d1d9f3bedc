//! Two and three nodes behind Kamailio and HAProxy, with the files of `config/examples`: what a node that ends costs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base::Codec;
use support::kiosk::enrol_at_all;
use support::node::Node;
use support::phone::{Dial, Phone};
use support::scans::{Scans, ask};
use support::softphone::Softphone;
use support::sound::clip;
use support::wait::{SOON, eventually};

use crate::front::balancer::Balancer;
use crate::front::callers::{Callers, End, Fate};
use crate::front::proxy::Proxy;

/// Nodes at 127.0.0.1, 127.0.0.2 and so on, with the same cases.
fn office(nodes: u8) -> Vec<Node> {
    start(nodes, &["phone.calls_max=190"])
}

/// The same behind the balancer, whose address browsers open.
fn office_behind_balancer(nodes: u8) -> Vec<Node> {
    start(
        nodes,
        &[
            "phone.calls_max=190",
            "web.proxies=127.0.0.1",
            "web.hosts=127.0.0.1",
            "web.client_requests_per_second_max=100000",
        ],
    )
}

fn start(nodes: u8, set: &[&str]) -> Vec<Node> {
    (1..=nodes).map(|n| Node::start(Ipv4Addr::new(127, 0, 0, n), set)).collect()
}

fn phones(nodes: &[Node]) -> Vec<SocketAddr> {
    nodes.iter().map(Node::udp).collect()
}

fn webs(nodes: &[Node]) -> Vec<SocketAddr> {
    nodes.iter().map(Node::web).collect()
}

/// How many calls met this end, at this node or anywhere.
fn count(fates: &[Fate], node: Option<&Node>, end: End) -> usize {
    let ip = node.map(|node| node.address.to_string());
    fates.iter().filter(|fate| fate.end == end && (ip.is_none() || fate.node == ip)).count()
}

fn receipts(nodes: &[Node]) -> Vec<String> {
    let states = ["accepted", "review", "supplement", "production", "ready", "posted", "collected"];
    states.iter().map(|state| nodes[0].gateway().example(state).0).collect()
}

#[test]
fn a_killed_node_costs_its_own_calls_and_nothing_else() {
    let mut nodes = office(3);
    let proxy = Proxy::start(&phones(&nodes));
    let callers = Callers::start(proxy.address, 20, Duration::from_secs(3));
    callers.await_answered(80);
    let on_it = nodes[1].gateway().metric("jindu_calls_in_progress");
    nodes[1].kill();
    proxy.await_state(nodes[1].udp(), false);
    nodes[1].start_again();
    proxy.await_state(nodes[1].udp(), true);
    callers.await_answered_by(nodes[1].udp(), 5);
    let fates = callers.end();
    let lost = count(&fates, None, End::Lost);
    assert_eq!(lost, count(&fates, Some(&nodes[1]), End::Lost), "no other node lost a call");
    assert!(lost > 0 && on_it > 0.0, "it was under load");
    // The node also loses calls that it answered after its calls were counted: at most one moment's arrivals.
    assert!(lost as f64 <= on_it + 10.0, "{lost} lost, {on_it} were on it");
    assert_eq!(count(&fates, None, End::Well), fates.len() - lost, "all others talked to their end: {fates:?}");
}

#[test]
fn a_drained_node_costs_no_call() {
    let mut nodes = office(2);
    let proxy = Proxy::start(&phones(&nodes));
    let callers = Callers::start(proxy.address, 20, Duration::from_secs(3));
    callers.await_answered(60);
    assert!(nodes[0].gateway().metric("jindu_calls_in_progress") > 0.0, "it is under load");
    let (code, log) = nodes[0].stop(Duration::from_secs(30));
    assert_eq!(code, Some(0), "{log}");
    proxy.await_state(nodes[0].udp(), false);
    nodes[0].start_again();
    proxy.await_state(nodes[0].udp(), true);
    callers.await_answered_by(nodes[0].udp(), 5);
    let fates = callers.end();
    assert_eq!(count(&fates, None, End::Well), fates.len(), "{fates:?}");
    for node in &nodes {
        assert!(count(&fates, Some(node), End::Well) > 0, "both had calls");
    }
}

#[test]
fn the_carrier_learns_when_no_node_takes_calls_and_when_one_does_again() {
    let mut nodes = office(2);
    let proxy = Proxy::start(&phones(&nodes));
    assert_eq!(proxy.heartbeat(), 200);
    for node in &mut nodes {
        assert_eq!(node.stop(Duration::from_secs(10)).0, Some(0));
        proxy.await_state(node.udp(), false);
    }
    assert_eq!(proxy.heartbeat(), 503);
    let refused = Phone::new(proxy.address).invite(&Dial::default());
    assert_eq!((refused.status, refused.header("Retry-After").is_some()), (503, true), "{}", refused.text);
    nodes[1].start_again();
    proxy.await_state(nodes[1].udp(), true);
    assert_eq!(proxy.heartbeat(), 200);
    Phone::dial(proxy.address).hang_up();
}

#[test]
fn a_softphone_hears_its_answer_through_the_proxy_while_another_node_is_killed() {
    let mut nodes = office(2);
    let proxy = Proxy::start(&phones(&nodes));
    let (receipt, tail) = nodes[0].gateway().example("ready");
    let mut phone = Softphone::start();
    phone.dial(&format!("sip:96110110@{}", proxy.address));
    phone.hears(&clip("zh", "opt.lang_zh", Codec::Alaw), "the languages");
    let idle = nodes.iter().position(|node| node.gateway().metric("jindu_calls_in_progress") == 0.0);
    nodes[idle.expect("one node has the call, the other none")].kill();
    phone.press(&format!("31{receipt}{}", tail.replace('X', "*")));
    phone.hears(&clip("en", "prompt.st_ready.0", Codec::Alaw), "the answer");
    phone.hang_up();
}

#[test]
fn a_transfer_goes_through_the_proxy_to_the_caller() {
    let nodes: Vec<Node> = (1..=2)
        .map(|n| Node::start(Ipv4Addr::new(127, 0, 0, n), &["hotline.calendar=config/examples/always_open.toml"]))
        .collect();
    let proxy = Proxy::start(&phones(&nodes));
    let mut phone = Phone::dial(proxy.address);
    phone.press("10");
    let refer = phone.await_request("REFER", Duration::from_secs(40)).expect("a REFER");
    assert!(refer.contains("Refer-To: <sip:desk@127.0.0.1:5090>"), "{refer}");
    let state = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n";
    assert_eq!(phone.request("NOTIFY", state, "SIP/2.0 200 OK\r\n").status, 200);
    assert!(phone.await_request("BYE", Duration::from_secs(10)).is_some());
}

#[test]
fn a_full_node_passes_its_calls_on_and_a_full_office_says_when_to_come_back() {
    let nodes: Vec<Node> = (1..=2).map(|n| Node::start(Ipv4Addr::new(127, 0, 0, n), &["phone.calls_max=1"])).collect();
    let proxy = Proxy::start(&phones(&nodes));
    let (mut first, mut second) = (Phone::dial(proxy.address), Phone::dial(proxy.address));
    for node in &nodes {
        assert_eq!(node.gateway().metric("jindu_calls_in_progress"), 1.0);
    }
    let refused = Phone::new(proxy.address).invite(&Dial::default());
    assert_eq!((refused.status, refused.header("Retry-After").is_some()), (503, true), "{}", refused.text);
    first.hang_up();
    let mut third = Phone::dial(proxy.address);
    third.hang_up();
    second.hang_up();
}

#[test]
fn no_scan_fails_when_a_node_is_drained_or_killed() {
    let mut nodes = office_behind_balancer(2);
    let balancer = Balancer::start(&webs(&nodes));
    let cookie = enrol_at_all(&nodes, "north-1");
    let scans = Scans::enrolled(cookie, balancer.address, receipts(&nodes), 6, Duration::from_millis(2));
    scans.await_more(200);
    assert_eq!(nodes[0].stop(Duration::from_secs(20)).0, Some(0));
    scans.await_more(200);
    nodes[0].start_again();
    balancer.await_state(1, "UP");
    let before = scanned(&nodes[0]);
    scans.await_more(200);
    assert!(scanned(&nodes[0]) > before, "a node that returns is scanned at again");
    nodes[1].kill();
    scans.await_more(200);
    nodes[1].start_again();
    balancer.await_state(2, "UP");
    scans.await_more(200);
    let tally = scans.end();
    assert!(tally.failed.is_empty(), "{} of {}: {:?}", tally.failed.len(), tally.asked, tally.failed);
}

fn scanned(node: &Node) -> f64 {
    node.gateway().metric("jindu_scans_total{path=\"code\",result=\"found\"}")
}

#[test]
fn the_balancer_sees_a_drain_that_calls_keep_open_and_hides_the_numbers() {
    let mut nodes = office_behind_balancer(2);
    let balancer = Balancer::start(&webs(&nodes));
    let mut phone = Phone::dial(nodes[0].udp());
    nodes[0].gateway().signal("TERM");
    balancer.await_state(1, "DOWN");
    assert_eq!(nodes[0].gateway().http("GET", "/health", "").0, 503);
    assert_eq!(nodes[0].gateway().health()["status"], "draining");
    let (status, _) = ask(&mut None, balancer.address, "GET", "/metrics", "").expect("an answer");
    assert_eq!(status, 404);
    let (status, _) = ask(&mut None, balancer.address, "GET", "/", "").expect("an answer");
    assert_eq!(status, 200);
    phone.hang_up();
    assert_eq!(nodes[0].stop(Duration::from_secs(10)).0, Some(0));
}

#[test]
fn all_nodes_give_the_same_answer_of_the_same_age() {
    let nodes = office(3);
    let as_of = jiff::Timestamp::now().round(jiff::Unit::Second).expect("a time");
    let receipt = "440199999999999";
    let case = format!(
        "{{\"batch\":{{\"source\":\"intranet\",\"sequence\":1,\"as_of\":\"{as_of}\",\"cases\":1}}}}\n\
         {{\"receipt\":\"{receipt}\",\"id_tail\":\"123X\",\"stage\":\"production\",\"document\":\"passport\",\
         \"case_type\":\"new\",\"hall\":\"central\",\"accepted_on\":\"2026-01-05\",\"stage_on\":\"2026-01-06\",\"version\":1}}\n"
    );
    for node in &nodes {
        let spool = node.folder.join("spool");
        std::fs::write(spool.join("1.tmp"), &case).expect("a file can be written");
        std::fs::rename(spool.join("1.tmp"), spool.join("1.ndjson")).expect("a file can be renamed");
    }
    for node in &nodes {
        eventually(SOON, "the case is there", || match node.gateway().scan(receipt) {
            answer if answer["found"] == true => Ok(()),
            answer => Err(format!("{answer}\n{}", node.gateway().log())),
        });
    }
    let answers: Vec<_> = nodes.iter().map(|node| node.gateway().scan(receipt)).collect();
    assert_eq!(answers[0]["found"], true, "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let ages: Vec<i64> = nodes.iter().map(age).collect();
    let (youngest, oldest) = (ages.iter().min().expect("ages"), ages.iter().max().expect("ages"));
    assert!(oldest - youngest <= 1, "{ages:?}");
    // Of the sample, too, every node says the same.
    for receipt in receipts(&nodes) {
        let answers: Vec<_> = nodes.iter().map(|node| node.gateway().scan(&receipt)["wording"].clone()).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
}

fn age(node: &Node) -> i64 {
    let health = node.gateway().health();
    health["replica_age_s"].as_i64().unwrap_or_else(|| panic!("an age: {health}"))
}
