//! What calls with sound cost by each way of reading and writing the media sockets, beside bare sockets in the same run.

use std::time::{Duration, Instant};

use super::callers::{Callers, Manners};
use super::figures::{HOTLINE, Sound, Table, listen};
use super::probe::Probe;
use super::process::{Gateway, pin};
use super::{median, setting};

/// One way in one round.
struct Measured {
    sound: Sound,
    /// Processor time of the callers, in percent of their core: near 100 they are what is measured.
    client: f64,
    memory_kib: f64,
}

/// CPU of a packet, p99 gap and memory for 1,000 calls and more, by io_uring and by epoll, against bare sockets.
pub(crate) fn media_io(table: &mut Table) {
    let most = setting("CALLS", 4000);
    for calls in (1000..=most).step_by(1000) {
        let (mut bare, mut ways) = (vec![], WAYS.map(|_| vec![]));
        for round in 0..setting("ROUNDS", 3) {
            bare.push(of_probe(calls));
            for (way, rounds) in WAYS.iter().zip(&mut ways) {
                rounds.push(of_gateway(calls, way));
            }
            for (way, last) in
                [("bare", bare.last())].into_iter().chain(WAYS.into_iter().zip(ways.iter().map(|w| w.last())))
            {
                let Some(Measured { sound, client, .. }) = last else { continue };
                let per_thousand = sound.cpu_percent / calls as f64 * 1000.0;
                println!(
                    "round {round}, {calls} calls, {way}: {per_thousand:.1} % cpu a thousand, gap p99 {:.2}, lost {}, {:.0}/s, \
                     callers {client:.0} % cpu",
                    sound.gap, sound.lost, sound.rate
                );
            }
        }
        let cost =
            |rounds: &[Measured]| median(rounds.iter().map(|one| one.sound.cpu_percent / one.sound.rate).collect());
        let gap = |rounds: &[Measured]| median(rounds.iter().map(|one| one.sound.gap).collect());
        for (way, rounds) in WAYS.iter().zip(&ways) {
            let limited = rounds.iter().chain(&bare).any(|one| one.client > CLIENT_MAX);
            let remark = if limited { ", the callers were the limit" } else { "" };
            let what = format!("{calls} calls, {way}");
            let ratio = cost(rounds) / cost(&bare);
            let limit = format!("1 (bare sockets{remark})");
            table.line(
                GROUP,
                &format!("{what}: CPU of a packet, to bare sockets"),
                "≤ 1.0",
                format!("{ratio:.2}"),
                limit,
            );
            let bare_gap = format!("{:.1} ms", gap(&bare));
            table.line(GROUP, &format!("{what}: p99 gap"), "≤ 22 ms", format!("{:.1} ms", gap(rounds)), bare_gap);
            let lost: u64 = rounds.iter().map(|one| one.sound.lost).sum();
            table.line(GROUP, &format!("{what}: lost"), "0", lost.to_string(), "-".into());
            let memory = median(rounds.iter().map(|one| one.memory_kib).collect());
            table.line(GROUP, &format!("{what}: memory of a call"), "≤ 12 KiB", format!("{memory:.1} KiB"), "-".into());
        }
    }
}

fn of_probe(calls: usize) -> Measured {
    pin(Some(1));
    let mut callers = Callers::new("127.0.0.1:9".parse().expect("an address"), calls);
    let probe = Probe::start(&callers.addresses());
    pin(Some(1));
    callers.talk_to(&probe.ports);
    let (sound, client) = listen_with_client(&mut callers, || probe.cpu());
    probe.end();
    Measured { sound, client, memory_kib: 0.0 }
}

fn of_gateway(calls: usize, way: &str) -> Measured {
    let media_io = format!("phone.media_io={way}");
    let gateway = Gateway::start_with(Some(0), &[&media_io, "phone.calls_max=5000"]);
    let idle = gateway.memory();
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, calls);
    callers.dial(HOTLINE, 400.0, Duration::from_secs(60), calls as u64, Manners::default());
    let (sound, client) = listen_with_client(&mut callers, || gateway.cpu());
    assert_eq!((callers.talking(), callers.heard.failed), (calls, 0), "every caller talks to the end");
    let memory_kib = gateway.memory().saturating_sub(idle) as f64 / calls as f64;
    callers.leave(Duration::from_secs(3));
    assert_eq!(callers.heard.failed, 0, "every caller leaves");
    gateway.end(calls as u64);
    Measured { sound, client, memory_kib }
}

fn listen_with_client(callers: &mut Callers, cpu: impl Fn() -> Duration) -> (Sound, f64) {
    let time = Duration::from_secs(setting("SECONDS", 8) as u64);
    let (before, began) = (own_cpu(), Instant::now());
    let sound = listen(callers, cpu, time);
    let client = (own_cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    (sound, client)
}

/// Processor time of this thread so far.
fn own_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

const WAYS: [&str; 2] = ["uring", "epoll"];
const GROUP: &str = "media-io";
/// Callers that need more of their core hold up what they measure.
const CLIENT_MAX: f64 = 90.0;
