//! Faults under mixed load: calls, scans and an office at work while things break. Each drill ends with the copy held
//! against the upstream's truth, row for row, and with both doors having answered throughout.
//!
//! This is the short form. `tests/faults/run` plays the whole: `JINDU_FAULTS=whole`.

mod support;

#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/drill.rs"]
mod drill;
#[path = "faults/upstream.rs"]
mod upstream;
#[path = "faults/world.rs"]
mod world;

use std::time::Duration;

use drill::Drill;

/// How often a fault is played: in the short form, and in the whole one.
fn times(short: u32, whole: u32) -> u32 {
    match std::env::var("JINDU_FAULTS").as_deref() {
        Ok("whole") => whole,
        _ => short,
    }
}

#[test]
fn a_gateway_killed_again_and_again_loses_no_row() {
    let mut drill = Drill::begin("kill -9 of the gateway", &[]);
    for n in 0..times(3, 100) {
        // At another moment of its work each time.
        std::thread::sleep(Duration::from_millis(u64::from(n * 37 % 400) + 20));
        drill.kill();
        drill.scans.await_more(20);
    }
    drill.end();
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let mut drill = Drill::begin("clock jumps of an hour", &[]);
    for _ in 0..times(1, 5) {
        for seconds in [3600, 0, -3600, 0] {
            drill.fault();
            drill.world.wall_clock_is_off_by(seconds);
            drill.scans.await_more(50);
            drill.calls.await_more(calls::READY, 1);
        }
    }
    let ended = drill.end();
    assert_eq!(ended.calls.get(calls::AGE), None, "no answer was called old: {:?}", ended.calls);
}

#[test]
fn a_slow_disk_slows_the_feed_and_no_answer() {
    let mut drill = Drill::begin("a slow disk", &[]);
    drill.fault();
    drill.world.disk_is_slow(Duration::from_millis(20), Duration::ZERO);
    drill.calls.await_more(calls::READY, 2);
    drill.scans.await_more(200);
    drill.world.disk_is_slow(Duration::ZERO, Duration::ZERO);
    drill.end();
}

#[test]
fn a_full_disk_stops_the_feed_and_no_answer() {
    let mut drill = Drill::begin("disk full", &[]);
    for _ in 0..times(1, 10) {
        drill.fault();
        drill.world.writes_fail_with(libc::ENOSPC);
        drill.calls.await_more(calls::READY, 1);
        drill.scans.await_more(200);
        assert!(drill.world.failed_writes() > 0, "the node met the full disk");
        drill.world.writes_fail_with(0);
    }
    drill.end();
}
