//! Trunks: limits, names in metrics, log and journal, and what `jindu trunk status` says.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::Value;
use support::gateway::{Gateway, jindu};
use support::phone::{Dial, Phone};
use support::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

fn status(gateway: &Gateway, set: &[&str]) -> Value {
    let mut command = jindu(&gateway.folder);
    for value in set {
        command.args(["--set", value]);
    }
    let output = command.args(["trunk", "status", "--json"]).output().expect("the program can be run");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn one_number_that_dials_without_end_takes_no_more_than_its_share() {
    let gateway = Gateway::start(&["trunk.local.calls_per_caller_max=2", "trunk.local.calls_max=3"]);
    let mut first = Phone::dial(gateway.udp);
    let _second = Phone::dial(gateway.udp);
    assert_eq!(Phone::new(gateway.udp).invite(&Dial::default()).status, 486, "the caller's share is used");
    assert_eq!(gateway.metric("jindu_trunk_calls{trunk=\"local\"}"), 2.0);
    assert_eq!(gateway.metric("jindu_trunk_refused_total{trunk=\"local\",reason=\"caller_busy\"}"), 1.0);
    first.hang_up();
    eventually(SOON, "the line is free", || gateway.metric("jindu_trunk_calls{trunk=\"local\"}") == 1.0);
    let _third = Phone::dial(gateway.udp);
    let seen = &status(&gateway, &[])["trunks"][0];
    assert_eq!((seen["name"].as_str(), seen["calls"].as_u64()), (Some("local"), Some(2)));
    assert_eq!((seen["ended"]["hung_up"].as_u64(), seen["refused"]["caller_busy"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn a_full_trunk_gets_503_with_retry_after() {
    let gateway = Gateway::start(&["trunk.local.calls_max=1"]);
    let _first = Phone::dial(gateway.udp);
    let refused = Phone::new(gateway.udp).invite(&Dial::default());
    let wait: u64 = refused.header("Retry-After").and_then(|value| value.parse().ok()).expect("seconds");
    assert_eq!((refused.status, (5..=10).contains(&wait)), (503, true), "{}", refused.text);
}

#[test]
fn a_peer_is_reachable_once_it_answers_options() {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    peer.set_read_timeout(Some(SOON)).expect("a limit");
    let port = format!("trunk.local.port={}", peer.local_addr().expect("bound").port());
    let gateway = Gateway::start(&["trunk.local.addresses=127.0.0.1", "trunk.local.ping_s=1", &port]);
    let mut buffer = [0; 4096];
    let (length, from) = peer.recv_from(&mut buffer).expect("an OPTIONS");
    let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(asked.starts_with("OPTIONS "), "{asked}");
    let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let headers: String = asked
        .lines()
        .filter(|line| kept.iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let answer = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
    peer.send_to(answer.as_bytes(), from).expect("loopback");
    eventually(SOON, "the peer is reachable", || {
        status(&gateway, &[])["trunks"][0]["peers"][0]["state"].as_str() == Some("reachable")
    });
}

#[test]
fn without_a_node_the_settings_are_shown() {
    let folder = support::folder::Folder::new();
    let output = jindu(folder.path()).args(["trunk", "status"]).output().expect("the program can be run");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("local"));
}

/// An offer of sound at an address.
fn offer_at(address: &str, port: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    )
}

#[test]
fn sound_goes_to_the_trunks_networks_and_to_no_port_of_the_node() {
    let gateway = Gateway::start(&["trunk.local.addresses=127.0.0.1"]);
    let answer = Phone::new(gateway.udp).invite(&Dial { sdp: Some(&offer_at("127.0.0.1", "PORT")), ..Dial::default() });
    assert_eq!(answer.status, 200);
    let ours = answer.text.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port").to_owned();
    let sip = gateway.udp.port().to_string();
    for (address, port) in [
        ("192.0.2.9", "PORT"),
        ("127.0.0.1", "53"),
        ("127.0.0.1", "1023"),
        ("127.0.0.1", ours.as_str()),
        ("127.0.0.1", sip.as_str()),
    ] {
        let refused = Phone::new(gateway.udp).invite(&Dial { sdp: Some(&offer_at(address, port)), ..Dial::default() });
        let warning = refused.header("Warning").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
        assert_eq!((refused.status, warning.as_str()), (488, "399"), "{address}:{port}");
    }
}

#[test]
fn media_networks_and_nat_widen_where_sound_may_go() {
    for set in ["trunk.local.media_networks=192.0.2.0/24", "trunk.local.symmetric=true"] {
        let gateway = Gateway::start(&["trunk.local.addresses=127.0.0.1", set]);
        let taken =
            Phone::new(gateway.udp).invite(&Dial { sdp: Some(&offer_at("192.0.2.9", "PORT")), ..Dial::default() });
        assert_eq!(taken.status, 200, "{set}");
    }
}
