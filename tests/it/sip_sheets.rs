//! `jindu test --sip`: sheets over real SIP and RTP, where what is heard is proven by the sound.

use std::fs;
use std::net::UdpSocket;
use std::process::Output;

use support::folder::Folder;
use support::gateway::{Gateway, home, jindu};

fn run(folder: &Folder, words: &[&str], sheet: &str) -> (bool, String) {
    let file = folder.file("a.call", sheet);
    let Output { status, stdout, stderr } =
        jindu(folder.path()).arg("test").args(words).arg(&file).output().expect("the program runs");
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.success(), told)
}

/// A day, a case, a caller's keys, a switch, a transfer, a message: each over the line, at once.
const EVERYTHING: &str = r#"
test "ready on a day of the sheet's, with its age"
  at 2026-09-23 10:00
  db progress receipt=440126112400018 id_tail=123X -> status=ready doc=passport hall=north age=45m
  press 314401261124000181
  press 23*
  hear as_of en
  hear st_ready en "North Hall"
  never st_contact

test "on a holiday 0 offers a message"
  at 2026-10-02 10:00
  press 10
  hear desk_holiday zh
  hear desk_next.closed zh "10月8日上午9点"
  hear menu leave

test "the source is down"
  db down
  press 214401261124000181234
  hear lookup_down yue

test "the switch, and the language, in the middle of a call"
  emergency on
  press 1
  hear emergency zh
  hear menu main zh
  lang en
  press *
  hear menu main en

test "a busy desk"
  transfer busy
  press 10
  hear desk_open zh
  at_node agent
  hear desk_busy

test "a desk that answers"
  press 10
  at_node agent
  ended

test "a message"
  press 14
  hear complaint_ask
  talk 3s
  press #
  press 1
  hear complaint_ok zh "2026"

test "a wrong tail is asked for again"
  db progress receipt=440126112400018 id_tail=123X -> status=ready doc=passport hall=north
  press 314401261124000181234
  hear not_found en
  hear tail_again en
  press 123*
  hear st_ready en "foreigners: passport"
  hear hall_now.open en
  press 1
  hear st_ready en

test "an emergency is heard by those who key ahead"
  emergency on
  press 214401261124000181234
  hear emergency yue
  hear not_found yue

test "a silent line"
  press 3
  listen
  silence 1
  hear still_there en
  silence 1
  hear quiet en
  ended

test "nothing is said after the beep"
  press 14
  hear complaint_ask
  wait 15s
  press #
  hear nothing_recorded
  hear complaint_ask
  wait 5s
  press #
  hear nothing_recorded
  hear menu main

test "silence"
  press 1
  silence 1
  hear still_there
"#;

#[test]
fn every_setup_of_a_sheet_is_heard_over_sip() {
    let (passed, told) = run(&Folder::new(), &["--sip"], EVERYTHING);
    assert!(passed && told.contains("12 passed, 0 failed, 0 skipped"), "{told}");
}

#[test]
fn a_running_gateway_is_called_and_sheets_it_cannot_run_are_left_out_with_the_reason() {
    let gateway = Gateway::start(&[]);
    let folder = Folder::new();
    let address = gateway.udp.to_string();
    let sheet = "test \"halls\"\n  press 13\n  hear menu halls zh \"城北大厅\"\n  press 2\n  hear hall_info.north\n\
                 test \"a day\"\n  at 2026-10-02 10:00\n  press 10\n  hear desk_holiday\n";
    let (passed, told) = run(&folder, &["--sip", &address], sheet);
    assert!(passed && told.contains("1 passed, 0 failed, 1 skipped"), "{told}");
    assert!(told.contains("a.call:6: skipped:"), "{told}");
    assert_eq!(gateway.metric("jindu_calls_total{outcome=\"hung_up\"}"), 1.0);
    let (passed, told) = run(&folder, &["--sip", &address], "test \"a day\"\n  at 2026-10-02 10:00\n  press 1\n");
    assert!(!passed && told.contains("0 passed, 0 failed, 1 skipped"), "nothing was proven: {told}");
}

/// A gateway that plays other sound than its sheet's release fails the sheet.
#[test]
fn what_is_not_in_the_sound_was_not_heard() {
    let folder = Folder::new();
    // The words are exchanged on the node alone: it answers to 2 as it should to 1.
    let flow = fs::read_to_string(home().join("config/hotline/flow.toml")).expect("the flow");
    let other =
        flow.replace("set = { hall = \"north\" },   go = \"hall\"", "set = { hall = \"south\" },   go = \"hall\"");
    assert_ne!(flow, other);
    let gateway = Gateway::start(&[&format!("hotline.flow={}", folder.file("flow.toml", &other))]);
    let sheet = "test \"halls\"\n  press 13\n  hear menu halls\n  press 2\n  hear hall_info.north zh\n";
    let (passed, told) = run(&folder, &["--sip", &gateway.udp.to_string()], sheet);
    assert!(!passed, "{told}");
    assert!(told.contains("a.call:5:") && told.contains("hall_info.north"), "{told}");
    assert!(told.contains("城南大厅"), "{told}");
}

#[test]
fn an_address_without_a_gateway_is_reported() {
    let folder = Folder::new();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound").to_string();
    let (passed, told) = run(&folder, &["--sip", &address], "test \"a\"\n  press 1\n");
    assert!(!passed && told.contains(&address), "{told}");
    let (passed, told) = run(&folder, &["--sip", "no such place:5060"], "test \"a\"\n  press 1\n");
    assert!(!passed && told.contains("no such place"), "{told}");
}
