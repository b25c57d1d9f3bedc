//! Calls that come and go for a long time, with keys, sources that change and packets of strangers: nothing is lost, doubled or out
//! of order, and no memory stays behind.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::callers::{Callers, Manners};
use super::figures::{LINE_TEST, Table};
use super::process::{Gateway, pin};
use super::{part, setting};

/// `SECONDS` of calls at `CALLS` lines: each lasts twenty seconds and presses a key.
pub(crate) fn soak(table: &mut Table) {
    let (lines, seconds) = (setting("CALLS", 2000), setting("SECONDS", 60) as u64);
    let gateway = Gateway::start_with(Some(0), &["phone.calls_max=5000"]);
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, lines);
    callers.change_sources(true);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let manners = Manners {
        leaves_after: Some(CALL),
        presses_after: Some(CALL / 2),
        keys: &[5],
        holds: Some((CALL * 6 / 10, CALL * 2 / 10)),
    };
    let rate = lines as f64 / CALL.as_secs_f64() * 0.95;
    let began = Instant::now();
    callers.measure(true);
    let (mut after_first, mut minutes) = (None, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        callers.dial(LINE_TEST, rate, Duration::from_secs(1), u64::MAX, manners);
        for (n, port) in (20_000..30_000u16).step_by(98).enumerate() {
            let noise: Vec<u8> = (0..172).map(|at| (at * 7 + n) as u8).collect();
            let _ = stranger.send_to(&noise, ("127.0.0.1", port));
        }
        if began.elapsed() > Duration::from_secs(60 * (minutes + 1)) {
            minutes += 1;
            let heard = &mut callers.heard;
            println!(
                "minute {minutes}: {} called, {} failed ({} times 503), {} repeats, {} lost, client late {:.0} ms, gap p99 {:.1} ms, {} MiB",
                heard.called,
                heard.failed,
                heard.shed,
                heard.repeats,
                heard.lost,
                std::mem::take(&mut heard.late),
                part(&mut std::mem::take(&mut heard.gaps), 0.99),
                gateway.memory() / 1024
            );
        }
        if after_first.is_none() && began.elapsed() > 2 * CALL {
            after_first = Some(gateway.memory());
        }
    }
    callers.go_on(CALL + LAST, |callers| callers.busy() == 0);
    let grown = gateway.memory() as f64 / 1024.0 - after_first.unwrap_or_default() as f64 / 1024.0;
    let heard = &callers.heard;
    let (called, failed, silences) = (heard.called, heard.failed, heard.silences.len() as u64);
    let (lost, doubled, untimely, resumed) = (heard.lost, heard.doubled, heard.untimely, heard.resumed);
    let what = format!("{seconds} s of calls of 20 s on {lines} lines");
    table.line(GROUP, &format!("{what}: failed"), "0", format!("{failed} of {called}"), "-".into());
    table.line(
        GROUP,
        &format!("{what}: packets lost, doubled or out of order"),
        "0",
        format!("{lost}, {doubled}"),
        "-".into(),
    );
    table.line(
        GROUP,
        &format!("{what}: packets with a timestamp that is not of their time"),
        "0",
        untimely.to_string(),
        "-".into(),
    );
    table.line(
        GROUP,
        &format!("{what}: calls held, and heard again"),
        "all",
        format!("{resumed} of {called}"),
        "-".into(),
    );
    table.line(
        GROUP,
        &format!("{what}: keys that stopped the tone"),
        "all",
        format!("{silences} of {called}"),
        "-".into(),
    );
    table.line(
        GROUP,
        &format!("{what}: memory since the second round"),
        "≤ 32 MiB",
        format!("{grown:.0} MiB"),
        "-".into(),
    );
    assert_eq!((failed, lost, doubled, untimely), (0, 0, 0, 0), "a soak loses nothing");
    assert_eq!((silences, resumed), (called, called), "each call hears its key's effect, and goes on after a hold");
    gateway.end(called);
}

const GROUP: &str = "soak";
const CALL: Duration = Duration::from_secs(20);
const LAST: Duration = Duration::from_secs(20);
