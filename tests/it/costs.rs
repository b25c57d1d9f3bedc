//! Costly things that anybody may ask for, at a running node: each costs a bounded share.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use base::Codec;
use support::gateway::Gateway;
use support::node::Node;
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn sip_of_a_stranger_is_logged_once_a_minute_with_what_to_do() {
    let gateway =
        Gateway::start(&["trunk.local.addresses=127.0.0.77", "phone.registrar.realm=", "phone.registrar.addresses="]);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for _ in 0..200 {
        stranger.send_to(b"OPTIONS sip:node SIP/2.0\r\n\r\n", gateway.udp).expect("sent");
    }
    eventually(LONG, "all are counted", || gateway.metric("jindu_sip_dropped_total{reason=\"stranger\"}") >= 200.0);
    gateway.await_log("SIP from 127.0.0.1 dropped: not in a trunk");
    assert_eq!(gateway.log().matches("not in a trunk").count(), 1);
}

#[test]
fn codes_that_cannot_be_read_fill_neither_the_log_nor_the_journal() {
    const SCANS: usize = 300;
    let gateway = Gateway::start(&["log.lines_per_second_max=1", "web.client_requests_per_second_max=100000"]);
    for _ in 0..SCANS {
        assert_eq!(gateway.scan("nothing that can be read")["found"], false);
    }
    eventually(LONG, "the suppressed lines are summed up", || gateway.log().contains("log lines suppressed"));
    let lines = gateway.log().lines().filter(|line| line.contains("unreadable")).count();
    assert!(lines < SCANS / 2, "{lines} lines");
    let journal = gateway.folder.join("journal.sqlite3");
    let rows = || {
        let file = rusqlite::Connection::open(&journal).expect("the journal");
        file.query_row("SELECT count(*) FROM scans", [], |row| row.get::<_, i64>(0)).expect("its scans")
    };
    eventually(LONG, "the first has its row", || rows() > 0);
    assert!(rows() <= 6, "{} rows", rows());
}

#[test]
fn the_line_test_is_short_and_few_and_for_trunks_that_may() {
    let gateway = Gateway::start(&["phone.line_test_calls_max=1", "phone.line_test_limit_s=10"]);
    let test = Dial { number: "9196", ..Dial::default() };
    let mut first = Phone::dial_with(gateway.udp, &test);
    assert_eq!(Phone::new(gateway.udp).invite(&test).status, 486);
    assert_eq!(Phone::new(gateway.udp).invite(&Dial::default()).status, 200);
    assert!(first.await_request("BYE", LONG).is_some(), "it ends by itself");
    let elsewhere = Gateway::start(&["trunk.local.line_test=false"]);
    assert_eq!(Phone::new(elsewhere.udp).invite(&test).status, 404);
}

#[test]
fn an_operator_who_does_not_sign_in_loses_the_line() {
    let gateway = Gateway::start(&["phone.studio_sign_in_s=20"]);
    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9197", ..Dial::default() });
    phone.press("1001#111111#");
    assert!(phone.await_request("BYE", LONG).is_some());
}

#[test]
fn messages_are_kept_whole_and_within_the_quota_of_a_caller() {
    let gateway = Gateway::start(&["messages.per_caller_max=1", "messages.disk_free_mb_min=0"]);
    let recordings = || -> Vec<PathBuf> {
        let files = fs::read_dir(gateway.folder.join("messages")).into_iter().flatten().flatten();
        let whole = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wav");
        files.map(|file| file.path()).filter(whole).collect()
    };
    let leave = || {
        let phone = Phone::dial(gateway.udp);
        // English, complaints, and a key that leads straight to the beep.
        phone.press("345");
        phone
    };
    let mut phone = leave();
    phone.say(&[0x2A; 24_000]);
    phone.has_said_all();
    phone.press("#11");
    eventually(LONG, "the message is kept", || recordings().len() == 1);
    phone.hang_up();
    let mut again = leave();
    gateway.await_log("no message can be left: a limit is reached");
    again.hang_up();
    assert_eq!(recordings().len(), 1);
}

#[test]
fn a_message_that_is_not_sent_frees_its_place_and_is_deleted_when_its_caller_goes_on() {
    let gateway = Gateway::start(&["messages.recordings_max=1", "messages.disk_free_mb_min=0"]);
    let parts = || {
        let files = fs::read_dir(gateway.folder.join("messages")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "part")).count()
    };
    let mut first = Phone::dial(gateway.udp);
    first.press("345");
    first.say(&[0x2A; 24_000]);
    first.has_said_all();
    first.press("#");
    assert!(first.hears(&clip("en", "prompt.record_review", Codec::Alaw), LONG), "it is whole, and not sent");
    let mut second = Phone::dial(gateway.udp);
    second.press("345");
    eventually(LONG, "another caller is recorded", || parts() == 2);
    first.press("*");
    eventually(LONG, "the first message is gone, and its call is not", || parts() == 1);
    assert!(!gateway.log().contains("a limit is reached"), "{}", gateway.log());
    first.hang_up();
    second.hang_up();
}

#[test]
fn without_disk_space_a_caller_is_led_on_and_no_message_is_taken() {
    let gateway = Gateway::start(&["messages.disk_free_mb_min=100000000"]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("345");
    gateway.await_log("limit=\"disk\"");
    phone.hang_up();
    assert!(!gateway.folder.join("messages").exists());
}

#[test]
fn recordings_without_a_row_are_swept_at_the_start() {
    let folder = support::gateway::temporary_folder("orphans");
    let messages = folder.join("messages");
    fs::create_dir_all(&messages).expect("a folder");
    fs::write(messages.join("12345678.part"), b"cut short").expect("a file");
    fs::write(messages.join("87654321.wav"), vec![0; 44 + 16_000]).expect("a file");
    let gateway = Gateway::start_in(folder, &[]);
    gateway.await_log("removed=1 adopted=1");
    assert!(!messages.join("12345678.part").exists() && messages.join("87654321.wav").exists());
    let file = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal");
    let row = "SELECT path, length_ms FROM messages WHERE ticket = '87654321'";
    let row: (String, i64) = file.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("its row");
    assert_eq!(row, ("messages/87654321.wav".into(), 1000));
}

#[test]
fn a_caller_who_asks_for_a_person_again_and_again_rings_the_desk_a_few_times() {
    let always_open = "hotline.calendar=config/examples/always_open.toml";
    let gateway = Gateway::start(&["phone.transfers_per_caller_max=1", always_open]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("30");
    phone.await_request("REFER", LONG).expect("the first is transferred");
    phone.hang_up();
    let again = Phone::dial(gateway.udp);
    again.press("30");
    eventually(LONG, "the second transfer fails at once", || {
        gateway.metric("jindu_transfers_total{result=\"failed\"}") >= 1.0
    });
}

#[test]
fn what_a_caller_has_used_is_used_after_a_kill_too() {
    let always_open = "hotline.calendar=config/examples/always_open.toml";
    let set =
        ["messages.per_caller_max=1", "messages.disk_free_mb_min=0", "phone.transfers_per_caller_max=1", always_open];
    let mut node = Node::start(Ipv4Addr::LOCALHOST, &set);
    let mut phone = Phone::dial(node.udp());
    phone.press("345");
    phone.say(&[0x2A; 24_000]);
    phone.has_said_all();
    phone.press("#1");
    let folder = node.folder.clone();
    let rows = |table: &str| -> i64 {
        let file = rusqlite::Connection::open(folder.join("journal.sqlite3")).expect("the journal");
        let sql = format!("SELECT count(*) FROM {table} WHERE caller IS NOT NULL");
        file.query_row(&sql, [], |row| row.get(0)).unwrap_or(0)
    };
    eventually(LONG, "the message is kept", || rows("messages") == 1);
    phone.hang_up();
    let mut phone = Phone::dial(node.udp());
    phone.press("30");
    phone.await_request("REFER", LONG).expect("the first is transferred");
    eventually(LONG, "the transfer is recorded", || rows("transfers") == 1);
    node.kill();
    node.start_again();
    let mut again = Phone::dial(node.udp());
    again.press("345");
    node.gateway().await_log("no message can be left: a limit is reached");
    again.hang_up();
    let again = Phone::dial(node.udp());
    again.press("30");
    eventually(LONG, "the second transfer fails at once", || {
        node.gateway().metric("jindu_transfers_total{result=\"failed\"}") >= 1.0
    });
}
