//! What is measured, one function a group of figures.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::callers::{Callers, Manners};
use super::probe::Probe;
use super::process::{Gateway, pin};
use super::{median, part, scans, setting};

type Measure = fn(&mut Table);

/// Every group by its name on the command line.
pub(crate) const ALL: [(&str, Measure); 12] = [
    ("media", media),
    ("media-io", super::media_io::media_io),
    ("bridged", super::bridged::bridged),
    ("media-srtp", super::srtp::media_srtp),
    ("signal", signal),
    ("allocations", super::allocations::allocations),
    ("keys", keys),
    ("scan", scan),
    ("start", start),
    ("publish", super::publish::publish),
    ("overload", super::overload::overload),
    ("soak", super::soak::soak),
];

/// Lines of the result.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 5]>);

impl Table {
    pub(crate) fn line(&mut self, group: &str, figure: &str, target: &str, measured: String, limit: String) {
        println!("{figure}: {measured} (target {target}; {limit})");
        let command = format!("`cargo bench --bench load -- {group}`");
        self.0.push([figure.into(), target.into(), measured, limit, command]);
    }

    pub(crate) fn print(&self) {
        println!("\n| figure | target | measured | limit in the same run | command |\n|---|---|---|---|---|");
        for line in &self.0 {
            println!("| {} |", line.join(" | "));
        }
    }
}

/// One round of sound: CPU a packet pair in µs, p99 gap, lost packets, packets heard a second.
pub(crate) struct Sound {
    pub(crate) cpu_percent: f64,
    pub(crate) gap: f64,
    pub(crate) lost: u64,
    pub(crate) rate: f64,
    late: f64,
}

pub(crate) fn listen(callers: &mut Callers, cpu: impl Fn() -> Duration, time: Duration) -> Sound {
    callers.go_on(Duration::from_secs(2), |_| false);
    callers.measure(true);
    let (before, began) = (cpu(), Instant::now());
    callers.go_on(time, |_| false);
    let (spent, passed) = (cpu() - before, began.elapsed().as_secs_f64());
    callers.measure(false);
    let heard = &mut callers.heard;
    let rate = heard.gaps.len() as f64 / passed;
    let cpu_percent = spent.as_secs_f64() / passed * 100.0;
    Sound { cpu_percent, gap: part(&mut heard.gaps, 0.99), lost: heard.lost, rate, late: heard.late }
}

fn media(table: &mut Table) {
    let calls = setting("CALLS", 1000);
    let time = Duration::from_secs(setting("SECONDS", 8) as u64);
    let (mut ratios, mut gaps, mut bare_gaps, mut each, mut memory, mut firsts) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (mut lost, mut bare_lost) = (0, 0);
    for round in 0..setting("ROUNDS", 3) {
        pin(Some(1));
        let mut callers = Callers::new("127.0.0.1:9".parse().expect("an address"), calls);
        let probe = Probe::start(&callers.addresses());
        pin(Some(1));
        callers.talk_to(&probe.ports);
        let bare = listen(&mut callers, || probe.cpu(), time);
        probe.end();
        let gateway = Gateway::start(Some(0));
        let idle = gateway.memory();
        pin(Some(1));
        let mut callers = Callers::new(gateway.phone, calls);
        let most = Duration::from_secs(60);
        callers.dial(HOTLINE, 250.0, most, calls as u64, Manners::default());
        let ours = listen(&mut callers, || gateway.cpu(), time);
        let talking = callers.talking();
        assert_eq!((talking, callers.heard.failed), (calls, 0), "every caller talks to the end");
        let grown = gateway.memory().saturating_sub(idle) as f64 / calls as f64;
        callers.leave(Duration::from_secs(3));
        assert_eq!(callers.heard.failed, 0, "every caller leaves");
        let first = part(&mut callers.heard.firsts, 0.99);
        println!(
            "round {round}: probe {:.1} % cpu, gap p99 {:.2}, lost {}, {:.0}/s, late {:.1} | jindu {:.1} % cpu, gap p99 {:.2}, \
             lost {}, {:.0}/s, late {:.1}, first p99 {first:.1}, {grown:.1} KiB a call",
            bare.cpu_percent,
            bare.gap,
            bare.lost,
            bare.rate,
            bare.late,
            ours.cpu_percent,
            ours.gap,
            ours.lost,
            ours.rate,
            ours.late
        );
        // Busy machines let both fall short of their rate: the CPU of a packet is what compares.
        ratios.push((ours.cpu_percent / ours.rate) / (bare.cpu_percent / bare.rate));
        each.push(ours.cpu_percent / calls as f64);
        gaps.push(ours.gap);
        bare_gaps.push(bare.gap);
        memory.push(grown);
        firsts.push(first);
        lost += ours.lost;
        bare_lost += bare.lost;
        gateway.end(calls as u64);
    }
    let what = format!("{calls} calls, one core");
    let (gap, bare_gap) = (median(gaps), median(bare_gaps));
    table.line("media", &format!("{what}: p99 gap"), "≤ 22 ms", format!("{gap:.1} ms"), format!("{bare_gap:.1} ms"));
    table.line("media", &format!("{what}: lost"), "0", lost.to_string(), bare_lost.to_string());
    let ratio = median(ratios);
    table.line(
        "media",
        &format!("{what}: CPU of a packet, to the probe's"),
        "≤ 2",
        format!("{ratio:.2}"),
        "1 (bare sockets)".into(),
    );
    table.line("media", "CPU of a playing call", "≤ 0.07 % of a core", format!("{:.3} %", median(each)), "-".into());
    table.line("media", "memory of a call", "≤ 64 KiB", format!("{:.1} KiB", median(memory)), "-".into());
    table.line("media", "ACK to first packet, p99", "≤ 25 ms", format!("{:.1} ms", median(firsts)), "-".into());
}

fn signal(table: &mut Table) {
    let manners = Manners { leaves_after: Some(Duration::from_millis(200)), ..Manners::default() };
    for (rate, seconds) in [(200.0, 10), (2000.0, setting("SECONDS", 8) as u64)] {
        let (mut answers, mut costs) = (vec![], vec![]);
        let (mut called, mut failed, mut repeats) = (0, 0, 0);
        for _ in 0..setting("ROUNDS", 3) {
            let gateway = Gateway::start(None);
            let mut callers = Callers::new(gateway.phone, 4000);
            let cpu = gateway.cpu();
            callers.dial(HOTLINE, rate, Duration::from_secs(seconds), u64::MAX, manners);
            callers.go_on(Duration::from_secs(20), |callers| callers.busy() == 0);
            let heard = &mut callers.heard;
            costs.push((gateway.cpu() - cpu).as_secs_f64() * 1e6 / heard.called as f64);
            println!(
                "{rate}/s: called {}, ended {}, failed {}, repeats {}, {:.0} µs a call, answer p50 {:.2} p99 {:.2} ms, {} MiB",
                heard.called,
                heard.ended,
                heard.failed,
                heard.repeats,
                costs.last().unwrap_or(&f64::NAN),
                part(&mut heard.answers, 0.5),
                part(&mut heard.answers, 0.99),
                gateway.memory() / 1024
            );
            answers.push(part(&mut heard.answers, 0.99));
            called += heard.called;
            failed += heard.failed;
            repeats += heard.repeats;
            let calls = heard.called;
            gateway.end(calls);
        }
        let what = format!("{rate} calls/s");
        table.line(
            "signal",
            &format!("{what}: INVITE to 200, p99"),
            "≤ 5 ms at 200/s",
            format!("{:.2} ms", median(answers)),
            "-".into(),
        );
        table.line(
            "signal",
            &format!("{what}: failed"),
            "0",
            format!("{failed} of {called} ({repeats} repeats)"),
            "-".into(),
        );
        table.line(
            "signal",
            &format!("{what}: CPU of a call"),
            "≤ 250 µs at 2,000/s",
            format!("{:.0} µs", median(costs)),
            "-".into(),
        );
    }
}

fn keys(table: &mut Table) {
    let manners = Manners {
        leaves_after: Some(Duration::from_millis(1500)),
        presses_after: Some(Duration::from_millis(700)),
        keys: &[5],
        ..Manners::default()
    };
    let gateway = Gateway::start(Some(0));
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, 400);
    // A rate that shares no factor with a packet's 20 ms: keys fall everywhere between two packets.
    callers.dial(LINE_TEST, 97.0, Duration::from_secs(setting("SECONDS", 8) as u64), u64::MAX, manners);
    callers.go_on(Duration::from_secs(20), |callers| callers.busy() == 0);
    let heard = &mut callers.heard;
    assert_eq!((heard.failed, heard.silences.len() as u64), (0, heard.called), "every key stops the tone");
    let (p50, p99) = (part(&mut heard.silences, 0.5), part(&mut heard.silences, 0.99));
    let called = heard.called;
    table.line(
        "keys",
        "key pressed to prompt silent, p99",
        "≤ 40 ms",
        format!("{p99:.1} ms (p50 {p50:.1})"),
        "-".into(),
    );
    gateway.end(called);
}

fn scan(table: &mut Table) {
    let gateway = Gateway::start(Some(0));
    let receipts = receipts();
    let requests: Vec<Vec<u8>> = receipts.iter().map(|receipt| scans::request(receipt)).collect();
    let size = scans::reply_size(gateway.web, &requests[0]);
    let bare = scans::bare_hyper(size);
    pin(Some(1));
    let time = Duration::from_secs(2);
    scans::rate(gateway.web, &requests, time);
    let mut rounds: Vec<(f64, f64)> = (0..setting("ROUNDS", 3).max(3))
        .map(|_| (scans::rate(bare, &requests, time), scans::rate(gateway.web, &requests, time)))
        .collect();
    rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (bare_rate, ours) = rounds[rounds.len() / 2];
    let p99 = scans::p99_at(gateway.web, &requests, ours / 2.0, time * 2);
    let bare_p99 = scans::p99_at(bare, &requests, ours / 2.0, time * 2);
    table.line(
        "scan",
        "scans, whole product on one core",
        "≥ 70 % of bare hyper",
        format!("{ours:.0}/s, {:.0} %", ours / bare_rate * 100.0),
        format!("{bare_rate:.0}/s"),
    );
    table.line("scan", "scan, p99 at half load", "≤ 5 ms", format!("{p99:.2} ms"), format!("{bare_p99:.2} ms"));
    gateway.end(0);
}

/// The receipts of the sample that a first start makes.
fn receipts() -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jindu"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["sample", "--cases", "50000", "--seed", "1", "--out", "-"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let receipts = out.lines().filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
        Some(row.get("receipt")?.as_str()?.to_owned())
    });
    let receipts = receipts.collect();
    let _ = child.wait();
    receipts
}

fn start(table: &mut Table) {
    let first = Gateway::start(None);
    let folder = first.folder.clone();
    let filled = first.started;
    let mut gateway = first;
    let (mut times, mut memory) = (vec![], vec![]);
    for _ in 0..5 {
        gateway.stop();
        // The folder outlives the process that filled it.
        let next = Gateway::start_in(folder.clone(), None);
        std::mem::forget(std::mem::replace(&mut gateway, next));
        std::thread::sleep(Duration::from_secs(1));
        times.push(gateway.started.as_secs_f64());
        memory.push(gateway.memory() as f64 / 1024.0);
    }
    table.line(
        "start",
        "start to ready, 50,000 cases present",
        "≤ 1 s",
        format!("{:.2} s (first start {:.2} s)", median(times), filled.as_secs_f64()),
        "-".into(),
    );
    table.line("start", "idle memory", "≤ 150 MB", format!("{:.0} MiB", median(memory)), "-".into());
}

pub(crate) const HOTLINE: &str = "96110110";
pub(crate) const LINE_TEST: &str = "9196";
