//! A node that follows a PostgreSQL server under load, killed again and again, and its upstream crashed under it.
//!
//! The short form runs with every test; `tests/faults/postgres` runs the whole one. Each ends in a comparison of every
//! row. How soon the copy has caught up is printed, and not asserted.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::Codec;
use support::command::told;
use support::gateway::{Gateway, jindu, temporary_folder};
use support::phone::Phone;
use support::postgres::{Cluster, cases};
use support::sound::clip;
use support::wait::eventually;

/// Cases that the load leaves alone: numbers, of which this one is ready.
const READY: u32 = 900_004;
const CASES: u32 = 20_000;

/// Clients that change cases until they are stopped; they reconnect when the server is back.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn start(cluster: &Cluster, per_second: u64) -> Load {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let at = cluster.superuser("primary");
        let (stopped, counted) = (stop.clone(), done.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut random = 7u64;
            while !stopped.load(Ordering::Relaxed) {
                runtime.block_on(session(
                    &at,
                    &stopped,
                    &counted,
                    &mut random,
                    Duration::from_micros(1_000_000 / per_second),
                ));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Load { stop, done, thread: Some(thread) }
    }

    fn stop(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load does not fail");
        }
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Transactions over one connection, until it breaks or `stop` is set.
async fn session(at: &str, stop: &AtomicBool, done: &AtomicU64, random: &mut u64, every: Duration) {
    let Ok((client, connection)) = tokio_postgres::connect(at, tokio_postgres::NoTls).await else { return };
    let driver = tokio::spawn(async move { drop(connection.await) });
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        if client.batch_execute(&transaction(random)).await.is_err() {
            break;
        }
        done.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(every.saturating_sub(began.elapsed())).await;
    }
    driver.abort();
}

/// Updates, inserts, deletes, what is rolled back, numbers that change, and now and then a large transaction.
fn transaction(random: &mut u64) -> String {
    let mut next = |below: u64| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    };
    let n = 1 + next(u64::from(CASES)) as u32;
    let round = next(1000) as u32;
    match next(100) {
        0 => cases(n, n + 3000, round),
        1..=5 => format!("BEGIN; {} ROLLBACK;", cases(n, n + 20, round)),
        6..=10 => {
            format!("BEGIN; {} SAVEPOINT a; {} ROLLBACK TO a; COMMIT;", cases(n, n, round), cases(n, n + 9, round + 1))
        }
        11..=25 => format!("DELETE FROM cases WHERE receipt = '4401{n:011}';"),
        26..=28 => format!(
            "UPDATE cases SET receipt = '4402{n:011}' WHERE receipt = '4401{n:011}'
                            AND NOT EXISTS (SELECT FROM cases WHERE receipt = '4402{n:011}');"
        ),
        _ => cases(n, n + next(4) as u32, round),
    }
}

fn sets(cluster: &Cluster, node: &str) -> Vec<String> {
    cluster.settings(node)
}

fn start(folder: &Path, sets: &[String]) -> Gateway {
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    Gateway::start_in(folder.to_owned(), &sets)
}

/// Ends a gateway as a power cut would, and leaves its folder.
fn kill(mut gateway: Gateway) {
    gateway.signal("KILL");
    gateway.folder = temporary_folder("gone");
}

fn answers(gateway: &Gateway, n: u32) -> bool {
    gateway.scan(&format!("4401{n:011}"))["found"] == true
}

/// How long something takes that must come true.
fn took(what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    eventually(Duration::from_secs(90), what, holds);
    began.elapsed()
}

fn upstream(folder: &Path, sets: &[String], words: &[&str]) -> Output {
    let mut command = jindu(folder);
    for set in sets {
        command.arg("--set").arg(set);
    }
    command.args(words).output().expect("the program runs")
}

/// Every row of the copy is the upstream's.
fn same(folder: &Path, sets: &[String]) {
    let output = upstream(folder, sets, &["upstream", "verify"]);
    assert!(output.status.success(), "{}", told(&output));
    println!("{}", told(&output).trim());
}

/// How many times: few with every test, all in the whole form.
fn times(few: usize, all: usize) -> usize {
    if std::env::var_os("JINDU_FAULTS").is_some_and(|form| form == "whole") { all } else { few }
}

fn seeded() -> (Cluster, PathBuf) {
    let cluster = Cluster::make();
    cluster.sql(&cases(1, CASES, 1));
    cluster.sql(&cases(900_000, 900_010, 0));
    (cluster, temporary_folder("postgres"))
}

#[test]
fn a_node_killed_again_and_again_under_load_loses_and_invents_nothing() {
    let (cluster, folder) = seeded();
    let sets = sets(&cluster, "primary");
    let mut load = Load::start(&cluster, 200);
    let mut gateway = start(&folder, &sets);
    took("the first copy", || gateway.metric("jindu_replica_cases") > 1000.0);
    let mut slowest = Duration::ZERO;
    for n in 0..times(5, 100) {
        std::thread::sleep(Duration::from_millis(150 + (n as u64 * 97) % 500));
        kill(gateway);
        gateway = start(&folder, &sets);
        assert!(answers(&gateway, READY), "the copy answers at once");
        slowest = slowest.max(took("caught up", || {
            gateway.metric("jindu_upstream_streaming") == 1.0 && gateway.metric("jindu_replica_lag_bytes") < 500_000.0
        }));
    }
    println!("caught up within {slowest:?}; {} transactions", load.stop());
    same(&folder, &sets);
    assert!(gateway.metric("jindu_replica_cases") > 10_000.0);
}

#[test]
fn an_upstream_that_crashes_under_load_costs_no_answer_and_no_row() {
    let (cluster, folder) = seeded();
    let sets = sets(&cluster, "primary");
    let gateway = start(&folder, &sets);
    took("the first copy", || gateway.metric("jindu_replica_cases") > 1000.0);
    let mut load = Load::start(&cluster, 200);
    let (over, scans) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(
                    answers(&gateway, 900_000 + (scans.fetch_add(1, Ordering::Relaxed) % 10) as u32),
                    "every scan is answered"
                );
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut slowest = Duration::ZERO;
        for n in 0..times(2, 20) {
            std::thread::sleep(Duration::from_millis(500));
            cluster.run(&["crash", "primary"]);
            if n == 0 {
                let mut phone = Phone::dial(gateway.udp);
                phone.press(&format!("314401{READY:011}{:04}", READY % 10_000));
                let heard = phone.hears(&clip("en", "prompt.st_ready.0", Codec::Alaw), Duration::from_secs(40));
                assert!(heard, "a caller is answered while the upstream is down");
                phone.hang_up();
            }
            cluster.run(&["up", "primary"]);
            slowest = slowest.max(took("followed again", || gateway.metric("jindu_upstream_streaming") == 1.0));
        }
        println!("followed again within {slowest:?}; {} transactions", load.stop());
        same(&folder, &sets);
        over.store(true, Ordering::Relaxed);
    });
    assert!(scans.load(Ordering::Relaxed) > 50);
    assert!(!gateway.log().contains("4401000"), "no receipt number is logged");
}

#[test]
fn the_setup_is_checked_before_a_node_follows_and_a_difference_is_reported() {
    let (cluster, folder) = (Cluster::make(), temporary_folder("postgres"));
    cluster.sql(&cases(1, 50, 1));
    let sets = sets(&cluster, "primary");
    let check = upstream(&folder, &sets, &["upstream", "check"]);
    assert!(check.status.success(), "{check:?}");
    cluster.sql("ALTER PUBLICATION jindu DROP TABLE cases");
    let check = upstream(&folder, &sets, &["upstream", "check"]);
    let told = told(&check);
    assert!(!check.status.success() && told.contains("ALTER PUBLICATION jindu ADD TABLE public.cases"), "{told}");
    cluster.sql("ALTER PUBLICATION jindu ADD TABLE cases");
    let gateway = start(&folder, &sets);
    took("the first copy", || gateway.metric("jindu_replica_cases") == 50.0);
    same(&folder, &sets);
    kill(gateway);
    cluster.sql("UPDATE cases SET stage = 'ready' WHERE receipt = '440100000000001'");
    let behind = upstream(&folder, &sets, &["upstream", "verify"]);
    assert!(!behind.status.success(), "an outdated copy is not reported as equal");
    let _ = std::fs::remove_dir_all(&folder);
}
