//! Kiosks and strangers at a serving node: enrolment from the command line, and guesses by the thousand at every door.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use support::command::{done, done_json, run};
use support::gateway::Gateway;
use support::kiosk::{FORM, enrol, request, scan};
use support::phone::Phone;
use support::scans::ask_with;
use support::sound::clip;
use support::wait::{SOON, eventually};

use base::Codec;

/// A node behind a balancer on this machine, which no browser is a kiosk of by itself.
const BEHIND_BALANCER: [&str; 2] = ["web.proxies=127.0.0.1", "web.hosts=127.0.0.1"];

#[test]
fn a_kiosk_is_added_and_revoked_while_the_node_serves() {
    let gateway = Gateway::start(&BEHIND_BALANCER);
    let (receipt, _) = gateway.example("ready");
    assert_eq!(scan(gateway.web, "", &receipt).1["error"], "not_enrolled");
    let cookie = enrol(&gateway.folder, gateway.web, "north-1");
    assert_eq!(scan(gateway.web, &cookie, &receipt).1["stage"], "ready");
    assert_eq!(gateway.metric("jindu_kiosk_scans_total{kiosk=\"north-1\",hall=\"north\"}"), 1.0);
    eventually(SOON, "the list knows the scan", || {
        let list = done_json(&gateway.folder, &["kiosk", "list", "--json"]);
        let kiosk = &list[0];
        let is_known = kiosk["state"] == "enrolled" && kiosk["scans"] == 1 && !kiosk["seen"].is_null();
        if is_known { Ok(()) } else { Err(list.to_string()) }
    });
    assert!(done(&gateway.folder, &["kiosk", "list"]).contains("north-1"));
    assert_eq!(run(&gateway.folder, &["kiosk", "add", "north-1", "--hall", "north"]).status.code(), Some(64));
    done(&gateway.folder, &["kiosk", "revoke", "north-1"]);
    eventually(Duration::from_secs(2), "it is revoked", || match scan(gateway.web, &cookie, &receipt).0 {
        403 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(run(&gateway.folder, &["kiosk", "revoke", "north-1"]).status.code(), Some(64));
    let log = gateway.log();
    assert!(log.contains("kiosk enrolled"), "{log}");
    let token = cookie.trim().rsplit('=').next().expect("a token");
    assert!(!log.contains(token), "no log line holds a token");
}

#[test]
fn a_one_time_address_is_a_page_and_a_code_for_the_camera() {
    let gateway = Gateway::start(&["web.hosts=kiosk.example"]);
    let add = ["kiosk", "add", "north-1", "--hall", "north", "--at", "https://kiosk.example/"];
    let printed = done(&gateway.folder, &add);
    let line =
        printed.lines().find(|line| line.contains("https://kiosk.example/kiosk/enrol?code=")).expect("an address");
    assert!(printed.contains('█'), "a QR code:\n{printed}");
    let elsewhere = run(&gateway.folder, &["kiosk", "add", "south-1", "--hall", "nowhere"]);
    assert_eq!(elsewhere.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("[kiosk.hall]"));
    let path = line.trim().trim_start_matches("https://kiosk.example");
    let (status, _, page) = request(gateway.web, "GET", path, "", "");
    assert!(status == 200 && page.contains("<form method=\"post\" action=\"/kiosk/enrol\">"), "{page}");
    assert_eq!(request(gateway.web, "POST", "/kiosk/enrol", FORM, "code=abcd-efgh-jkmn-pqrs").0, 403);
}

/// Over public page and kiosks; that the telephone shares their counts is shown in `inquiry::InquiryLimiter`.
const GUESSES: u32 = 10_000;

#[test]
fn ten_thousand_wrong_numbers_over_all_doors_learn_nothing_and_lock_nobody_out() {
    let gateway = Gateway::start(&BEHIND_BALANCER);
    let (receipt, tail) = gateway.example("ready");
    let kiosks = ["north-1", "south-1"].map(|name| enrol(&gateway.folder, gateway.web, name));
    let (mut connection, mut replies, mut answered) = (None, BTreeSet::new(), 0);
    for n in 0..GUESSES {
        let (head, path, body) = match n % 20 {
            // A visitor at each kiosk scans labels of his own.
            0 => (kiosks[(n as usize / 20) % 2].clone(), "/api/scan", json!({ "code": format!("4401999{n:08}") })),
            // Strangers at many addresses guess numbers, and factors of a number that they know.
            1 => (forwarded(n / 40), "/api/inquiry", json!({ "code": receipt, "tail": format!("{:04}", n % 9000) })),
            _ => (forwarded(n / 40), "/api/inquiry", json!({ "code": format!("4401999{n:08}"), "tail": tail })),
        };
        let asked = ask_with(&mut connection, gateway.web, ("POST", path), &head, &body.to_string());
        match asked.expect("an answer") {
            (200, body) => {
                answered += 1;
                replies.insert((n % 20 == 0, body));
            }
            (status, body) => assert!(matches!(status, 429 | 503), "{status} {body}"),
        }
    }
    assert!(answered > GUESSES / 2, "{answered} guesses were answered");
    // Limits of this size let no second factor of a known number be tried more than a few times.
    assert!(gateway.metric("jindu_lookups_total{door=\"public\",result=\"found\"}") < 1.0);
    // A kiosk is asked by the paper alone; a stranger's miss names the second factor as well.
    assert_eq!(replies.len(), 2, "all of a door alike: {replies:?}");
    let (status, reply) = scan(gateway.web, &kiosks[0], &receipt);
    assert_eq!((status, &reply["found"]), (200, &json!(true)), "a kiosk");
    let inquiry = json!({ "code": gateway.example("review").0, "tail": gateway.example("review").1 }).to_string();
    let head = "X-Forwarded-For: 198.51.100.9\r\nContent-Type: application/json\r\n";
    let (status, _, reply) = request(gateway.web, "POST", "/api/inquiry", head, &inquiry);
    assert!(status == 200 && reply.contains("\"found\":true"), "a stranger who is right: {status} {reply}");
    let mut phone = Phone::dial(gateway.udp);
    let (receipt, tail) = gateway.example("posted");
    phone.press(&format!("11{receipt}{}", tail.replace('X', "*")));
    assert!(
        phone.hears(&clip("zh", "prompt.st_posted.0", Codec::Alaw), Duration::from_secs(60)),
        "a caller who is right"
    );
    phone.hang_up();
}

fn forwarded(n: u32) -> String {
    format!("X-Forwarded-For: 10.{}.{}.1\r\n", n / 250 % 250, n % 250)
}
