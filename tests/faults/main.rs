//! Faults under mixed load: calls, scans and an office at work while things break. Each drill ends with the copy held
//! against the upstream's truth, row for row, and with both doors having answered throughout.
//!
//! This is the short form. `tests/faults/run` plays the whole: `JINDU_FAULTS=whole`.

mod calls;
mod desk;
mod disk;
mod drill;
mod gate;
mod soak;
mod upstream;
mod world;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use drill::Drill;
use support::command::done_json;
use support::gateway::{not_run, temporary_folder};
use support::wait::{SOON, eventually};

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

/// A file system of its own, as small as it is asked for; it goes with this. Root only.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let place = temporary_folder("disk");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&place).status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk(place))
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).expect("a file can be made");
        while file.write_all(&[0; 65_536]).is_ok() {}
        while file.write_all(&[0; 256]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("the file can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_disk_that_is_really_full_stops_the_feed_which_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount(48) else {
        not_run("a file system can be mounted by root only");
        return;
    };
    let data = disk.0.join("data");
    fs::create_dir(&data).expect("a folder can be made");
    let mut drill = Drill::begin_in("a disk that is really full", data, &[]);
    for _ in 0..times(1, 10) {
        drill.fault();
        disk.fill();
        drill.calls.await_more(calls::READY, 1);
        drill.kill();
        drill.calls.await_more(calls::READY, 1);
        drill.scans.await_more(200);
        disk.empty();
        drill.await_fresh(Duration::from_secs(10));
    }
    drill.end();
}

#[test]
fn a_disk_that_turns_read_only_stops_the_feed_and_no_answer() {
    let mut drill = Drill::begin("a read-only disk", &[]);
    for _ in 0..times(1, 10) {
        drill.fault();
        drill.world.writes_fail_with(libc::EROFS);
        drill.calls.await_more(calls::READY, 1);
        drill.scans.await_more(200);
        drill.world.writes_fail_with(0);
        drill.await_fresh(Duration::from_secs(10));
    }
    drill.end();
}

#[test]
fn an_upstream_away_for_eight_hours_costs_freshness_and_for_three_days_every_answer() {
    let mut drill = Drill::begin("upstream away for 8 hours and 3 days", &[]);
    let hours = |n: u64| Duration::from_secs(n * 3600);
    drill.office.is_away(true);
    drill.change(|drill| drill.world.time_has_passed(hours(8)));
    drill.scans.await_more(50);
    drill.calls.await_more(calls::AGE, 1);
    let health = drill.health();
    assert_eq!(health["status"], "stale", "{health}");
    assert!(health["replica_age_s"].as_u64().is_some_and(|age| (28_800..28_860).contains(&age)), "{health}");
    drill.change(|drill| {
        drill.world.time_has_passed(hours(72));
        drill.scans.expect_refusals(true);
    });
    drill.scans.await_more(50);
    drill.calls.await_more(calls::DOWN, 1);
    drill.change(|drill| {
        drill.office.time_has_passed(hours(72));
        drill.office.is_away(false);
        drill.await_fresh(Duration::from_secs(10));
        drill.scans.expect_refusals(false);
    });
    drill.scans.await_more(50);
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

#[test]
fn a_node_that_is_killed_on_a_read_only_disk_comes_back_and_answers() {
    let mut drill = Drill::begin("killed on a read-only disk", &[]);
    for _ in 0..times(1, 10) {
        drill.world.writes_fail_with(libc::EROFS);
        drill.scans.await_more(20);
        drill.kill();
        drill.scans.await_more(100);
        drill.calls.await_more(calls::READY, 1);
        drill.world.writes_fail_with(0);
        drill.await_fresh(Duration::from_secs(10));
        // The sockets of commands could not be opened at the start: what was left of the killed program stood in their places.
        eventually(SOON, "commands reach the node", || match done_json(&drill.node.folder, &["status", "--json"]) {
            status if status["serving"] == true => Ok(()),
            status => Err(status.to_string()),
        });
    }
    drill.end();
}

#[test]
fn a_gate_that_delivers_late_twice_in_halves_and_in_any_order_loses_nothing() {
    let gate = gate::Gate::new();
    let config = format!("--config={}", gate.settings().display());
    let set = [config.as_str(), "replica.spool_source=intranet", "replica.spool_settle_s=1", "replica.spool_gap_s=1"];
    let (data, every) = (temporary_folder("drill"), Duration::from_millis(150));
    let mut drill = Drill::begin_with("a gate on a bad day", data, &set, Some(gate), every);
    for _ in 0..times(2, 20) {
        drill.fault();
        drill.calls.await_more(calls::READY, 1);
        drill.kill();
        drill.scans.await_more(50);
    }
    drill.end();
}

/// One fault after the other, in an order that a seed gives; `JINDU_SEED` plays another order.
#[test]
fn any_sequence_of_faults_ends_with_the_truth() {
    let seed = std::env::var("JINDU_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_124_u64);
    let mut drill = Drill::begin("a sequence of faults", &[]);
    let mut random = seed | 1;
    for _ in 0..times(6, 60) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause = Duration::from_millis(random >> 56);
        match (random >> 33) % 6 {
            0 | 1 => drill.kill(),
            2 => drill.world.writes_fail_with([libc::ENOSPC, libc::EIO, libc::EROFS][(random >> 40) as usize % 3]),
            3 => drill.world.disk_is_slow(Duration::from_millis(10), Duration::from_millis(1)),
            4 => drill.world.wall_clock_is_off_by([-3600, 3600][(random >> 40) as usize % 2]),
            _ => drill.office.is_away(true),
        }
        drill.fault();
        std::thread::sleep(pause);
        drill.scans.await_more(30);
        drill.world.writes_fail_with(0);
        drill.world.disk_is_slow(Duration::ZERO, Duration::ZERO);
        drill.world.wall_clock_is_off_by(0);
        drill.office.is_away(false);
    }
    println!("seed {seed}");
    drill.end();
}
