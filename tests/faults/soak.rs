//! Callers who hang up wherever they like leave nothing behind.

use std::time::Duration;

use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::ports::MediaPorts;
use support::wait::{SOON, eventually, within};

/// A call that is answered, if not at once: a node on a crowded machine asks some callers to come again (503).
fn call(gateway: &Gateway) -> Phone {
    eventually(SOON, "the call is answered", || {
        let mut phone = Phone::new(gateway.udp);
        let answer = phone.invite(&Dial::default());
        if answer.status == 503 && answer.header("Retry-After").is_some() {
            std::thread::sleep(Duration::from_millis(200));
            return Err(answer.text);
        }
        assert_eq!(answer.status, 200, "{}", answer.text);
        Ok(phone)
    })
}

/// How far a caller comes before he gives up.
fn call_to_step(gateway: &Gateway, step: u32) {
    let mut phone = call(gateway);
    if step == 0 {
        // BYE before the ACK (RFC 3261 §15).
        assert_eq!(phone.request("BYE", "", "").status, 200);
        return;
    }
    phone.ack();
    if step == 1 {
        assert_eq!(phone.request("BYE", "", "").status, 200);
        return;
    }
    for (n, key) in "11440".chars().enumerate() {
        if n + 2 > step as usize {
            break;
        }
        phone.press_info(key);
    }
    assert_eq!(phone.request("BYE", "", "").status, 200);
}

#[test]
fn three_hundred_callers_who_hang_up_anywhere_leave_nothing_behind() {
    // Far fewer ports than calls: a stream that kept its own would soon leave none.
    let ports = MediaPorts::lease();
    let gateway = Gateway::start(&[&ports.setting(80)]);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let gateway = &gateway;
            scope.spawn(move || {
                for n in 0..CALLS / CALLERS {
                    // Every step is met, in another order by every caller.
                    call_to_step(gateway, (caller * 5 + n * 3) % 7);
                }
            });
        }
    });
    eventually(SOON, "every call has ended", || gateway.metric("jindu_calls_in_progress") == 0.0);
    let log = gateway.log();
    assert!(!log.contains("ERROR"), "{log}");
    call_to_step(&gateway, 6);
    assert_eq!(in_journal(&gateway, i64::from(CALLS) + 1), i64::from(CALLS) + 1, "every call has its record");
}

/// Records of calls, once there are as many as expected or the patience is over.
fn in_journal(gateway: &Gateway, expected: i64) -> i64 {
    let journal = rusqlite::Connection::open(gateway.folder.join("journal.sqlite3")).expect("the journal is there");
    let count = || journal.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).expect("a table");
    let _ = within(SOON, || count() >= expected);
    count()
}

const CALLERS: u32 = 6;
const CALLS: u32 = 300;
