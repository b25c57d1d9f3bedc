//! What SRTP costs: the same calls with each suite and without, by turns.

use std::time::Duration;

use srtp::Suite;

use super::callers::{Callers, Manners};
use super::figures::{HOTLINE, Table, listen};
use super::process::{Gateway, pin};
use super::{median, setting};

/// One round with a suite, or without SRTP.
struct Round {
    /// CPU of a packet each way, in µs.
    cpu_us: f64,
    gap: f64,
    lost: u64,
    memory_kib: f64,
}

/// CPU of a packet, p99 gap and memory of a call with SRTP, beside calls in the clear in the same run.
pub(crate) fn media_srtp(table: &mut Table) {
    let ways = [None, Some(Suite::AeadAes128Gcm), Some(Suite::AeadAes256Gcm), Some(Suite::AesCm128HmacSha1Tag80)];
    let mut rounds: Vec<Vec<Round>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..setting("ROUNDS", 3) {
        for (suite, rounds) in ways.iter().zip(&mut rounds) {
            let measured = measure(*suite);
            let name = suite.map_or("in the clear", Suite::name);
            println!(
                "round {round}, {name}: {:.2} µs a packet, gap p99 {:.2}, lost {}, {:.1} KiB a call",
                measured.cpu_us, measured.gap, measured.lost, measured.memory_kib
            );
            rounds.push(measured);
        }
    }
    let of = |way: usize, figure: fn(&Round) -> f64| median(rounds[way].iter().map(figure).collect());
    let (clear_us, clear_gap) = (of(0, |round| round.cpu_us), of(0, |round| round.gap));
    let clear_kib = of(0, |round| round.memory_kib);
    for (way, suite) in ways.iter().enumerate().skip(1) {
        let name = suite.map_or("in the clear", Suite::name);
        let cpu_us = of(way, |round| round.cpu_us);
        table.line(
            GROUP,
            &format!("{name}: CPU of a packet, to that in the clear"),
            "≤ 1.5",
            format!("{:.2} ({cpu_us:.2} µs)", cpu_us / clear_us),
            format!("1 ({clear_us:.2} µs)"),
        );
        let gap = of(way, |round| round.gap);
        table.line(GROUP, &format!("{name}: p99 gap"), "≤ 22 ms", format!("{gap:.1} ms"), format!("{clear_gap:.1} ms"));
        let lost: u64 = rounds[way].iter().map(|round| round.lost).sum();
        table.line(GROUP, &format!("{name}: lost"), "0", lost.to_string(), "-".into());
        let kib = of(way, |round| round.memory_kib);
        let limit = format!("{clear_kib:.1} KiB");
        table.line(GROUP, &format!("{name}: memory of a call"), "≤ 64 KiB", format!("{kib:.1} KiB"), limit);
    }
}

fn measure(suite: Option<Suite>) -> Round {
    let calls = setting("CALLS", 1000);
    let gateway = Gateway::start_with(Some(0), &["phone.srtp=optional"]);
    let idle = gateway.memory();
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, calls);
    callers.protect(suite);
    callers.dial(HOTLINE, 250.0, Duration::from_secs(60), calls as u64, Manners::default());
    let time = Duration::from_secs(setting("SECONDS", 8) as u64);
    let sound = listen(&mut callers, || gateway.cpu(), time);
    assert_eq!((callers.talking(), callers.heard.failed), (calls, 0), "every caller talks to the end");
    assert_eq!(callers.heard.strange, 0, "every caller hears packets under its key");
    let memory_kib = gateway.memory().saturating_sub(idle) as f64 / calls as f64;
    callers.leave(Duration::from_secs(3));
    assert_eq!(callers.heard.failed, 0, "every caller leaves");
    gateway.end(calls as u64);
    Round { cpu_us: sound.cpu_percent * 1e4 / sound.rate, gap: sound.gap, lost: sound.lost, memory_kib }
}

const GROUP: &str = "media-srtp";
