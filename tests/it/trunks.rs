//! Trunks: limits, names in metrics, log and journal, and what `jindu trunk status` says.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use base::Codec;
use serde_json::Value;
use support::gateway::{Gateway, jindu};
use support::name_server::NameServer;
use support::phone::{Dial, Phone};
use support::sound::clip;
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
fn one_number_takes_no_more_than_twenty_lines() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=20"]);
    let _lines: Vec<Phone> = (0..20).map(|_| Phone::dial(gateway.udp)).collect();
    assert_eq!(Phone::new(gateway.udp).invite(&Dial::default()).status, 486, "the caller's share is used");
    let other = Dial { headers: "P-Asserted-Identity: <sip:13900139000@carrier.example>\r\n", ..Dial::default() };
    assert_eq!(
        Phone::new(gateway.udp).invite(&other).status,
        486,
        "a header that is not trusted makes no other caller"
    );
}

/// A caller as a carrier's trunk names them.
const NUMBERED: &str = "<sip:13800000000@192.0.2.9>";
/// How carriers write a caller who withholds the number: From, and further headers.
const WITHHELD: &[(&str, &str)] = &[
    ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", ""),
    ("sip:anonymous@anonymous.invalid", ""),
    ("Anonymous <sip:anonymous@192.0.2.9>", ""),
    ("Anonymous <sip:13800000000@192.0.2.9>", ""),
    ("\"Ａｎｏｎｙｍｏｕｓ\" <sip:13800000000@192.0.2.9>", ""),
    ("\"Anonyme\" <sip:13800000000@192.0.2.9>", ""),
    ("\"匿名\" <sip:13800000000@192.0.2.9>", ""),
    ("\"不顯示號碼\" <sip:13800000000@192.0.2.9>", ""),
    ("<sip:unavailable@192.0.2.9>", ""),
    ("<sip:unavailable@unknown.invalid>", ""),
    ("<sip:restricted@192.0.2.9;user=phone>", ""),
    ("<sip:+266696687@192.0.2.9>", ""),
    ("<sip:@192.0.2.9>", ""),
    ("<sip:192.0.2.9>", ""),
    ("<tel:>", ""),
    ("<tel:anonymous>", ""),
    (NUMBERED, "Privacy: id\r\n"),
    (NUMBERED, "Privacy: user;id\r\n"),
    (NUMBERED, "Privacy: header\r\nPrivacy: critical\r\n"),
    (NUMBERED, "Privacy: id\r\nDiversion: <sip:+862083331234@192.0.2.9>;reason=no-answer\r\n"),
    ("<sip:anonymous@anonymous.invalid>", "History-Info: <sip:+862083331234@192.0.2.9>;index=1\r\n"),
    ("<sip:anonymous@anonymous.invalid>", "Diversion: <tel:+862083331234>;reason=unconditional;counter=1\r\n"),
];

/// A node whose callers have one line each, with a trunk that is trusted and one that is not.
fn with_one_line_each() -> Gateway {
    Gateway::start(&[
        "phone.calls_per_caller_max=1",
        "trunk.carrier.addresses=127.0.0.2",
        "trunk.carrier.trusted_identity=p-asserted-identity,diversion",
    ])
}

/// The status that each of two callers at once gets.
fn two_at_once(gateway: &Gateway, trunk: &str, from: [&str; 2], headers: [&str; 2]) -> [u16; 2] {
    let call = |n: usize| {
        let mut phone = Phone::new_at(gateway.udp, trunk).calling_as(from[n]);
        let status = phone.invite(&Dial { headers: headers[n], ..Dial::default() }).status;
        if status == 200 {
            phone.ack();
        }
        (phone, status)
    };
    let mut calls = [call(0), call(1)];
    let statuses = [calls[0].1, calls[1].1];
    for (phone, _) in calls.iter_mut().filter(|(_, status)| *status == 200) {
        phone.hang_up();
    }
    for trunk in ["local", "carrier"] {
        let calls = format!("jindu_trunk_calls{{trunk=\"{trunk}\"}}");
        eventually(SOON, "the lines are free", || gateway.metric(&calls) == 0.0);
    }
    statuses
}

#[test]
fn callers_who_withhold_their_number_are_told_apart_however_a_carrier_writes_it() {
    let gateway = with_one_line_each();
    for (from, headers) in WITHHELD {
        for trunk in ["127.0.0.1", "127.0.0.2"] {
            let statuses = two_at_once(&gateway, trunk, [from; 2], [headers; 2]);
            assert_eq!(statuses, [200; 2], "{from} {headers} by {trunk}");
        }
    }
    assert_eq!(two_at_once(&gateway, "127.0.0.1", [NUMBERED; 2], [""; 2]), [200, 486], "one number is one caller");
}

#[test]
fn failed_look_ups_of_callers_who_withhold_their_number_do_not_add_up() {
    let gateway = Gateway::start(&["inquiry.failures_per_caller=1"]);
    let (receipt, _) = gateway.example("ready");
    let wrong = [WITHHELD[0], WITHHELD[16], WITHHELD[0], WITHHELD[16]];
    let mut phones: Vec<Phone> = (wrong.into_iter())
        .map(|(from, headers)| {
            let mut phone = Phone::new(gateway.udp).calling_as(from);
            let answer = phone.invite(&Dial { headers, ..Dial::default() });
            assert_eq!(answer.status, 200, "{}", answer.text);
            phone.ack();
            phone.begin_media(&answer);
            phone.press(&format!("11{receipt}0000"));
            phone
        })
        .collect();
    let look_ups = |result: &str| {
        let line = format!("jindu_lookups_total{{door=\"phone\",result=\"{result}\"}}");
        gateway.metric(&line)
    };
    eventually(SOON, "each was looked up", || look_ups("not_found") == 4.0);
    assert_eq!(look_ups("handed_over"), 0.0);
    phones.iter_mut().for_each(Phone::hang_up);
}

#[test]
fn an_asserted_identity_counts_by_a_trusted_trunk_and_diverted_callers_by_their_own_number() {
    let gateway = with_one_line_each();
    let (hidden, pbx, other) = (WITHHELD[0].0, "<sip:pbx@192.0.2.9>", "<sip:13911112222@192.0.2.9>");
    let asserted = "Privacy: id\r\nP-Asserted-Identity: <tel:+8613900139000>\r\n";
    let another = "Privacy: user;id\r\nP-Asserted-Identity: \"Li, Na\" <sip:+8613900139001@ims.example;user=phone>\r\n";
    let diverted = "Diversion: \"Office\" <sip:+862083331234@192.0.2.9>;reason=unconditional;counter=1;privacy=off\r\n";
    let history =
        "History-Info: <sip:+862083331234@192.0.2.9>;index=1, <sip:96110110@192.0.2.9;cause=302>;index=1.1\r\n";
    let (untrusted, trusted) = ("127.0.0.1", "127.0.0.2");
    for (trunk, from, headers, expected) in [
        (trusted, [hidden; 2], [asserted; 2], [200, 486]),
        (trusted, [hidden; 2], [asserted, another], [200, 200]),
        (untrusted, [hidden; 2], [asserted; 2], [200, 200]),
        // A diverted call is its caller's; the line that diverted it stands in for a caller without a number.
        (trusted, [NUMBERED, other], [diverted; 2], [200, 200]),
        (trusted, [NUMBERED; 2], [diverted, ""], [200, 486]),
        (trusted, [pbx; 2], [diverted; 2], [200, 486]),
        (untrusted, [pbx; 2], [diverted; 2], [200, 200]),
        // History-Info says where a call was, and never who calls.
        (trusted, [NUMBERED, other], [history; 2], [200, 200]),
        (trusted, [pbx; 2], [history; 2], [200, 200]),
        (untrusted, [NUMBERED; 2], [history, ""], [200, 486]),
    ] {
        assert_eq!(two_at_once(&gateway, trunk, from, headers), expected, "{from:?} {headers:?} by {trunk}");
    }
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
    assert_peer_is("reachable", "200 OK");
}

#[test]
fn a_peer_behind_a_proxy_that_answers_408_is_unreachable() {
    assert_peer_is("unreachable", "408 Request Timeout");
}

#[test]
fn a_call_to_the_registered_contact_reaches_the_number_that_was_dialled() {
    let folder = support::folder::Folder::new();
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("written");
    let register = format!(
        "trunk.local.register={{registrar=[\"sip:127.0.0.1:9\"], user=\"1001\", realm=\"carrier.test\", password_file=\"{}\"}}",
        password.display()
    );
    let gateway = |numbers: &str| {
        let numbers = format!("trunk.local.numbers={numbers}");
        let trusted = "trunk.local.trusted_identity=p-asserted-identity";
        Gateway::start(&[&register, &numbers, trusted])
    };
    let call = |gateway: &Gateway, number: &str, headers: &str| {
        let mut phone = Phone::new(gateway.udp);
        let status = phone.invite(&Dial { number, headers, ..Dial::default() }).status;
        if status == 200 {
            phone.ack();
            phone.hang_up();
        }
        status
    };
    let called = "P-Called-Party-ID: <sip:+8696110110@carrier.test>\r\n";
    let two = gateway("96110110,12367");
    assert_eq!(call(&two, "1001", called), 200);
    assert_eq!(call(&two, "1001", ""), 404, "To names the contact, which is none of two numbers");
    assert_eq!(call(&two, "1002", called), 404, "another user than the contact's");
    let one = gateway("96110110");
    assert_eq!(call(&one, "1001", ""), 200, "the trunk's number");
}

#[test]
fn without_a_node_the_settings_are_shown() {
    let folder = support::folder::Folder::new();
    let output = jindu(folder.path()).args(["trunk", "status"]).output().expect("the program can be run");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("local"));
}

/// Asserts what a peer that answers the OPTIONS with this status is.
fn assert_peer_is(state: &str, answered: &str) {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    peer.set_read_timeout(Some(SOON)).expect("a limit");
    let port = format!("trunk.local.port={}", peer.local_addr().expect("bound").port());
    let gateway = Gateway::start(&["trunk.local.addresses=127.0.0.1", "trunk.local.ping_s=1", &port]);
    let mut buffer = [0; 4096];
    let (length, from) = peer.recv_from(&mut buffer).expect("an OPTIONS");
    let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(asked.starts_with("OPTIONS "), "{asked}");
    answer(&peer, from, &asked, answered, "");
    eventually(SOON, format!("the peer is {state}"), || {
        status(&gateway, &[])["trunks"][0]["peers"][0]["state"].as_str() == Some(state)
    });
}

/// Answers a request with this status and these headers.
fn answer(socket: &UdpSocket, from: SocketAddr, request: &str, status: &str, headers: &str) {
    let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let lines = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
    let kept: String = lines.map(|line| format!("{line}\r\n")).collect();
    let answer = format!("SIP/2.0 {status}\r\n{kept}{headers}Content-Length: 0\r\n\r\n");
    socket.send_to(answer.as_bytes(), from).expect("loopback");
}

/// An offer of these payload types, without a packet time.
fn offer(formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio PORT RTP/AVP {formats}\r\n"
    )
}

#[test]
fn each_trunk_has_its_codecs_and_packet_time() {
    let gateway = Gateway::start(&[
        "phone.ptime_ms=40",
        "trunk.local.codecs=PCMU",
        "trunk.other.addresses=127.0.0.2",
        "trunk.other.codecs=pcma,pcmu",
        "trunk.other.ptime_ms=30",
    ]);
    let both = offer("8 0");
    let mut phone = Phone::new(gateway.udp);
    let answer = phone.invite(&Dial { codec: 0, sdp: Some(&both), ..Dial::default() });
    assert!(answer.text.contains(" RTP/AVP 0\r\n") && answer.text.contains("a=ptime:40\r\n"), "{}", answer.text);
    phone.ack();
    phone.begin_media(&answer);
    assert!(phone.hears(&clip("zh", "prompt.welcome", Codec::Ulaw), SOON), "the greeting in the trunk's codec");
    let again = phone.reinvite("sendrecv");
    assert!(again.text.contains("a=ptime:20\r\n"), "the caller's own packet time: {}", again.text);
    phone.hang_up();

    let refused = Phone::new(gateway.udp).invite(&Dial { sdp: Some(&offer("8")), ..Dial::default() });
    assert_eq!(refused.status, 488, "{}", refused.text);
    assert!(refused.header("Warning").is_some_and(|warning| warning.starts_with("305 ")), "{}", refused.text);

    let other = Phone::new_at(gateway.udp, "127.0.0.2").invite(&Dial { sdp: Some(&offer("0 8")), ..Dial::default() });
    assert!(other.text.contains(" RTP/AVP 8\r\n") && other.text.contains("a=ptime:30\r\n"), "{}", other.text);

    for (address, formats, ptime) in [("127.0.0.1", "0 101", "40"), ("127.0.0.2", "8 0 101", "30")] {
        let mut phone = Phone::new_at(gateway.udp, address);
        let offered = phone.invite(&Dial { sdp: Some(""), ..Dial::default() });
        assert!(offered.text.contains(&format!(" RTP/AVP {formats}\r\n")), "{}", offered.text);
        assert!(offered.text.contains(&format!("a=ptime:{ptime}\r\n")), "{}", offered.text);
        phone.send("ACK", "a", "Content-Type: application/sdp\r\n", &offer("0").replace("PORT", "40000"));
        phone.hang_up();
    }
}

#[test]
fn a_host_in_addresses_lets_its_addresses_in_and_a_registrar_none() {
    let server = NameServer::start();
    server.host("sbc.carrier.test", "127.0.0.2").host("reg.carrier.test", "127.0.0.4");
    let folder = support::folder::Folder::new();
    let password = format!("trunk.carrier.register.password_file={}", folder.file("password", "secret\n"));
    let gateway = Gateway::start(&[
        &format!("phone.dns={}", server.address),
        "trunk.local.addresses=127.0.0.1",
        "trunk.carrier.addresses=sbc.carrier.test",
        "trunk.carrier.register.registrar=sip:reg.carrier.test",
        "trunk.carrier.register.user=1001",
        "trunk.carrier.register.realm=carrier",
        &password,
    ]);
    eventually(SOON, "DNS is asked", || {
        status(&gateway, &[])["trunks"][1]["addresses"].to_string().contains("127.0.0.2")
    });
    assert_eq!(Phone::new_at(gateway.udp, "127.0.0.2").options().status, 200);
    let strangers = || gateway.metric("jindu_sip_dropped_total{reason=\"stranger\"}");
    for (n, address) in (1u8..).zip(["127.0.0.3", "127.0.0.4"]) {
        Phone::new_at(gateway.udp, address).send("OPTIONS", "o", "", "");
        eventually(SOON, "a stranger gets no answer", || strangers() >= f64::from(n));
    }
    server.answers(false);
    assert_eq!(Phone::new_at(gateway.udp, "127.0.0.2").options().status, 200, "the last known address stays");
}

#[test]
fn a_registrar_is_located_by_srv_and_its_next_server_takes_over() {
    let server = NameServer::start();
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    for (socket, priority) in sockets.iter().zip([10, 20]) {
        socket.set_read_timeout(Some(SOON)).expect("a limit");
        let port = socket.local_addr().expect("bound").port();
        server.service("_sip._udp.carrier.test", (priority, 0), "edge.carrier.test", port);
    }
    server.host("edge.carrier.test", "127.0.0.1");
    let folder = support::folder::Folder::new();
    let password = format!("trunk.carrier.register.password_file={}", folder.file("password", "secret\n"));
    let gateway = Gateway::start(&[
        &format!("phone.dns={}", server.address),
        "trunk.carrier.addresses=127.0.0.1",
        "trunk.carrier.register.registrar=sip:carrier.test",
        "trunk.carrier.register.user=1001",
        "trunk.carrier.register.realm=carrier",
        &password,
    ]);
    let mut buffer = [0; 4096];
    let mut request = |socket: &UdpSocket| {
        let (length, from) = socket.recv_from(&mut buffer).expect("a REGISTER");
        (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
    };
    let (first, from) = request(&sockets[0]);
    assert!(first.starts_with("REGISTER sip:carrier.test "), "{first}");
    answer(&sockets[0], from, &first, "503 Service Unavailable", "");
    let (second, from) = request(&sockets[1]);
    let contact = second.lines().find(|line| line.starts_with("Contact:")).expect("a Contact");
    answer(&sockets[1], from, &second, "200 OK", &format!("{contact};expires=600\r\n"));
    eventually(SOON, "registered", || gateway.metric("jindu_trunk_registered{trunk=\"carrier\"}") == 1.0);
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
