//! sipp, a SIP load tool of others, plays the caller: `tests/sipp/*.xml` over real sockets.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use support::gateway::{Gateway, home, not_run, peer};
use support::wait::{SOON, eventually};

use crate::front::example::{Group, free_port};

/// How a scenario is played.
struct Play<'a> {
    scenario: &'a str,
    number: &'a str,
    tcp: bool,
    calls: u32,
    options: &'a [&'a str],
}

impl Default for Play<'_> {
    fn default() -> Self {
        Play { scenario: "call", number: "96110110", tcp: false, calls: 1, options: &[] }
    }
}

/// Plays one scenario; gives the messages as sipp noted them, or why it failed.
fn play(gateway: &Gateway, play: &Play<'_>) -> Result<String, String> {
    let server: SocketAddr = if play.tcp { gateway.tcp } else { gateway.udp };
    let note = |kind: &str| gateway.folder.join(format!("{}-{kind}.log", play.scenario));
    let (errors, messages) = (note("errors"), note("messages"));
    let calls = play.calls.to_string();
    let mut sipp = peer("sipp");
    // sipp looks for recorded keys in its working directory; Debian keeps them here.
    sipp.current_dir(RECORDED_KEYS)
        .arg(server.to_string())
        .args(["-sf".as_ref(), home().join(format!("tests/sipp/{}.xml", play.scenario)).as_os_str()])
        .args(["-s", play.number, "-i", "127.0.0.1", "-m", &calls, "-l", &calls, "-r", "100"])
        .args(["-t", if play.tcp { "t1" } else { "u1" }, "-d", "300"])
        .args(["-timeout", "60s", "-timeout_error", "-nostdin", "-trace_err", "-trace_msg"])
        .args(["-error_file".as_ref(), errors.as_os_str(), "-message_file".as_ref(), messages.as_os_str()])
        .args(play.options);
    let output = sipp.output().expect("sipp runs");
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    match output.status.code() {
        Some(0) => Ok(read(&messages)),
        code => Err(format!("{}: exit code {code:?}\n{}\n{}", play.scenario, read(&errors), read(&messages))),
    }
}

fn comes_true(gateway: &Gateway, how: &Play<'_>) -> String {
    play(gateway, how).unwrap_or_else(|failure| panic!("{failure}"))
}

/// After every scenario the line must be free.
fn no_line_is_left(gateway: &Gateway) {
    eventually(SOON, "no call in progress", || gateway.metric("jindu_calls_in_progress") == 0.0);
}

#[test]
fn each_scenario_comes_true() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    let scenarios = [
        "delayed_offer",
        "cancel",
        "merged",
        "repeat_after_ack",
        "hold",
        "bye_before_ack",
        "options",
        "unknown_method",
        "unknown_call",
        "require",
        "no_codec",
        "low_cseq",
        "session_timer",
    ];
    let failures: Vec<String> =
        scenarios.iter().filter_map(|scenario| play(&gateway, &Play { scenario, ..Play::default() }).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    no_line_is_left(&gateway);
}

#[test]
fn a_late_ack_finds_the_answer_repeated() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    let messages = comes_true(&gateway, &Play { scenario: "late_ack", ..Play::default() });
    let received = messages.split("message received").filter(|part| part.contains("1 INVITE"));
    let answers = received.filter(|part| part.contains("SIP/2.0 200")).count();
    assert!(answers >= 3, "{answers} answers in\n{messages}");
    no_line_is_left(&gateway);
}

#[test]
fn calls_come_over_udp_and_tcp_and_many_at_once() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    for tcp in [false, true] {
        comes_true(&gateway, &Play { tcp, ..Play::default() });
        comes_true(&gateway, &Play { tcp, calls: 50, ..Play::default() });
        comes_true(&gateway, &Play { scenario: "hold", tcp, ..Play::default() });
    }
    no_line_is_left(&gateway);
    assert_eq!(gateway.metric("jindu_calls_total{outcome=\"hung_up\"}"), 104.0);
}

#[test]
fn either_side_hangs_up_of_many_calls_on_one_connection() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0", "phone.call_limit_s=10"]);
    let sides = gateway.folder.join("sides.csv");
    fs::write(&sides, "SEQUENTIAL\n0\n1\n").expect("a file can be written");
    let options = ["-inf", sides.to_str().expect("a path in UTF-8")];
    let play = Play { scenario: "either_hangs_up", tcp: true, calls: 50, options: &options, ..Play::default() };
    let messages = comes_true(&gateway, &play);
    let byes = |mark: &str| {
        let parts = messages.split("-----------------------------------------------");
        parts.filter(|part| part.contains(mark) && part.contains("BYE sip:")).count()
    };
    assert_eq!((byes("message sent"), byes("message received")), (25, 25), "by the caller, and by the node");
    no_line_is_left(&gateway);
    for (outcome, count) in [("hung_up", 25.0), ("failed", 25.0)] {
        assert_eq!(gateway.metric(&format!("jindu_calls_total{{outcome=\"{outcome}\"}}")), count);
    }
}

#[test]
fn a_caller_may_hang_up_at_every_step() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    let steps = gateway.folder.join("steps.csv");
    fs::write(&steps, "SEQUENTIAL\n0\n1\n2\n3\n8\n16\n17\n20\n21\n22\n40\n").expect("a file can be written");
    let options = ["-inf", steps.to_str().expect("a path in UTF-8")];
    comes_true(&gateway, &Play { scenario: "bye_at_step", calls: 11, options: &options, ..Play::default() });
    for length in ["0", "20", "100", "1500"] {
        comes_true(&gateway, &Play { calls: 3, options: &["-d", length], ..Play::default() });
    }
    no_line_is_left(&gateway);
    let log = gateway.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[test]
fn two_hundred_callers_wait_in_order_and_each_talks_to_the_desk() {
    const CALLERS: u32 = 200;
    let desk = free_port(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let queue =
        format!("queue=[{{name=\"desk\", address=\"sip:600@{desk}\", lines=20, waiting_max=300, wait_max_s=600}}]");
    let gateway = Gateway::start(&[
        "hotline.calendar=config/examples/always_open.toml",
        &queue,
        "phone.desk=queue:desk",
        "phone.calls_per_caller_max=0",
        "phone.transfers_per_caller_max=0",
        "phone.calls_max=230",
        // RTP and RTCP of 200 callers and 20 lines; below the ranges of other tests.
        "phone.media_ports=2100-2999",
    ]);
    let errors = gateway.folder.join("desk-errors.log");
    let mut lines = peer("sipp");
    lines
        .args(["-sf".as_ref(), home().join("tests/sipp/agent_ends.xml").as_os_str()])
        .args(["-i", "127.0.0.1", "-p", &desk.port().to_string(), "-m", &CALLERS.to_string(), "-d", "1000"])
        .args(["-timeout", "300s", "-timeout_error", "-nostdin", "-trace_err"])
        .args(["-error_file".as_ref(), errors.as_os_str()]);
    let mut lines = Group::spawn(lines.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    // Sound goes back as it came, so that the callers are not taken for lost.
    let options = ["-r", "20", "-timeout", "300s", "-rtp_echo"];
    comes_true(&gateway, &Play { scenario: "waits_for_agent", calls: CALLERS, options: &options, ..Play::default() });
    let served = gateway.metric("jindu_queue_answered_total{queue=\"desk\"}");
    assert_eq!(served, f64::from(CALLERS), "{}", fs::read_to_string(&errors).unwrap_or_default());
    eventually(SOON, "every line was hung up", || lines.has_ended());
    no_line_is_left(&gateway);
    assert_eq!(gateway.metric("jindu_queue_waiting{queue=\"desk\"}"), 0.0);
}

#[test]
fn keys_in_info_requests_are_read_back_by_the_line_test() {
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    comes_true(&gateway, &Play { scenario: "keys_info", number: "9196", ..Play::default() });
    for key in ["7", "#", "5"] {
        gateway.await_log(&format!("key={key} via=info"));
    }
}

/// sipp sends recorded packets through a raw socket, which only root may open; the softphone's keys come unprivileged.
#[test]
fn recorded_rtp_keys_are_read_back_by_the_line_test() {
    if !may_open_raw_sockets() {
        not_run("sipp may not open raw sockets here");
        return;
    }
    let gateway = Gateway::start(&["phone.calls_per_caller_max=0"]);
    comes_true(&gateway, &Play { scenario: "keys_rtp", number: "9196", ..Play::default() });
    for key in ["4", "#"] {
        gateway.await_log(&format!("key={key} via=rtp"));
        assert_eq!(gateway.log().matches(&format!("key={key} via=rtp")).count(), 1, "one key each");
    }
}

fn may_open_raw_sockets() -> bool {
    use socket2::{Domain, Protocol, Socket, Type};
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).is_ok()
}

const RECORDED_KEYS: &str = "/usr/share/sip-tester";
