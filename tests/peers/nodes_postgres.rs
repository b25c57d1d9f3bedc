//! Three nodes that follow one PostgreSQL, behind Kamailio and HAProxy with the files of `config/examples`: nodes and
//! upstream are killed and stopped under calls, scans and changes, and every copy ends as the upstream has it, row for row.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::command::told;
use support::gateway::{jindu, temporary_folder};
use support::kiosk::{enrol_at_all, scan};
use support::node::Node;
use support::postgres::{Cluster, cases};
use support::scans::Scans;
use support::wait::{SOON, eventually};

use crate::front::balancer::Balancer;
use crate::front::callers::{Callers, End};
use crate::front::proxy::Proxy;

/// How often a fault is played: in the short form, and in the whole one.
fn times(short: u32, whole: u32) -> u32 {
    match std::env::var("JINDU_FAULTS").as_deref() {
        Ok("whole") => whole,
        _ => short,
    }
}

/// A node that follows the cluster by a slot of its own.
fn node(cluster: &Cluster, n: u8) -> Node {
    let slot = format!("replica.postgres.slot=node{n}");
    let mut settings = cluster.settings("primary");
    settings.extend([slot, "data.sample_cases=0".into(), "phone.calls_max=190".into(), "log.level=warn".into()]);
    settings.extend(["web.proxies=127.0.0.1".into(), "web.hosts=127.0.0.1".into()]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut node = Node::new(Ipv4Addr::new(127, 0, 0, n), temporary_folder("node"), &settings, &[]);
    node.start_again();
    node
}

fn await_rows(node: &Node, rows: u32) {
    eventually(Duration::from_secs(60), format!("{rows} rows"), || {
        match node.gateway().metric("jindu_replica_cases") >= f64::from(rows) {
            true => Ok(()),
            false => Err(node.gateway().log()),
        }
    });
}

/// Waits until a node's copy is the upstream's truth, row for row; gives how long that took.
fn await_truth(cluster: &Cluster, node: &Node, n: u8) -> Duration {
    let began = Instant::now();
    eventually(Duration::from_secs(60), format!("node {n} has every row"), || {
        let mut verify = jindu(&node.folder);
        for value in cluster.settings("primary").iter().chain([&format!("replica.postgres.slot=node{n}")]) {
            verify.arg("--set").arg(value);
        }
        let output = verify.args(["upstream", "verify"]).output().expect("the program runs");
        if output.status.success() { Ok(()) } else { Err(format!("{}\n{}", told(&output), node.gateway().log())) }
    });
    began.elapsed()
}

/// An office that changes cases by SQL until it is closed; what the upstream refuses while it is down is tried again.
struct Office {
    shared: Arc<(AtomicBool, AtomicU32, Mutex<()>)>,
    thread: JoinHandle<()>,
}

impl Office {
    fn open(cluster: &Arc<Cluster>) -> Office {
        let shared = Arc::new((AtomicBool::new(false), AtomicU32::new(0), Mutex::new(())));
        let (theirs, cluster) = (Arc::clone(&shared), Arc::clone(cluster));
        let thread = std::thread::spawn(move || {
            for round in 1.. {
                if theirs.0.load(Ordering::Relaxed) {
                    return;
                }
                let open = theirs.2.lock().expect("the office's door");
                let (from, new) = (STILL + 1 + round * 37 % (CASES - STILL - 60), CASES + round);
                let changes = [cases(from, from + 50, round), cases(new, new, round)].concat();
                cluster.sql(&format!(
                    "{changes} DELETE FROM public.cases WHERE receipt = '4401' || lpad('{}', 11, '0');",
                    CASES + round / 2
                ));
                drop(open);
                theirs.1.fetch_add(52, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        Office { shared, thread }
    }

    /// Nobody works while this is done.
    fn while_closed(&self, work: impl FnOnce()) {
        let _closed = self.shared.2.lock().expect("the office's door");
        work();
    }

    fn close(self) -> u32 {
        self.shared.0.store(true, Ordering::Relaxed);
        self.thread.join().expect("the office closes");
        self.shared.1.load(Ordering::Relaxed)
    }
}

/// Stops or continues every process of the primary, as a machine that hangs does.
fn signal_upstream(cluster: &Cluster, signal: &str) {
    let pid = fs::read_to_string(cluster.folder.join("primary/postmaster.pid")).expect("it runs");
    let postmaster: u32 = pid.lines().next().and_then(|line| line.trim().parse().ok()).expect("a pid");
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
    };
    let all =
        fs::read_dir("/proc").expect("processes").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for pid in all.filter(|pid: &u32| *pid == postmaster || parent(*pid) == Some(postmaster)) {
        let _ = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
    }
}

#[test]
fn three_nodes_follow_one_upstream_through_kills_crashes_and_standstills() {
    let cluster = Arc::new(Cluster::make());
    cluster.sql(&cases(1, CASES, 0));
    let mut nodes: Vec<Node> = (1..=3).map(|n| node(&cluster, n)).collect();
    nodes.iter().for_each(|node| await_rows(node, CASES));
    let proxy = Proxy::start(&nodes.iter().map(Node::udp).collect::<Vec<_>>());
    let balancer = Balancer::start(&nodes.iter().map(Node::web).collect::<Vec<_>>());
    let receipts = (1..=STILL).map(|n| format!("4401{n:011}")).collect();
    let cookie = enrol_at_all(&nodes, "north-1");
    let scans = Scans::enrolled(cookie.clone(), balancer.address, receipts, 3, Duration::from_millis(5));
    let office = Office::open(&cluster);
    let (mut answered, mut lost) = (0, 0);
    for round in 0..times(1, 20) {
        let callers = Callers::start(proxy.address, 10, Duration::from_secs(3));
        callers.await_answered(30);
        let victim = usize::try_from(round).expect("few") % 3;
        nodes[victim].kill();
        nodes[victim].start_again();
        office.while_closed(|| {
            cluster.run(&["crash", "primary"]);
            scans.await_more(100);
            cluster.run(&["up", "primary"]);
        });
        signal_upstream(&cluster, "STOP");
        scans.await_more(200);
        signal_upstream(&cluster, "CONT");
        proxy.await_state(nodes[victim].udp(), true);
        let fates = callers.end();
        let ours = fates.iter().filter(|fate| fate.end == End::Lost);
        assert!(
            ours.clone().all(|fate| fate.node.as_deref() == Some(&nodes[victim].address.to_string())),
            "only the killed node lost calls: {fates:?}"
        );
        lost += ours.count();
        answered += fates.iter().filter(|fate| fate.end == End::Well).count();
        assert!(fates.iter().all(|fate| matches!(fate.end, End::Well | End::Lost)), "{fates:?}");
    }
    let changes = office.close();
    let slowest = nodes.iter().zip(1..).map(|(node, n)| await_truth(&cluster, node, n)).max();
    let tally = scans.end();
    assert!(tally.failed.is_empty(), "{} of {}: {:?}", tally.failed.len(), tally.asked, tally.failed);
    same_answers_of_the_same_age(&nodes, &cookie);
    println!(
        "three nodes, one PostgreSQL: {} rounds of kill -9, crash and standstill; {answered} calls to their end, {lost} lost with \
         their node; {} scans, 0 failed, slowest {:.0} ms; {changes} changes; 0 rows different on any node after {:.1} s",
        times(1, 20),
        tally.asked,
        tally.slowest.as_secs_f64() * 1000.0,
        slowest.unwrap_or_default().as_secs_f64(),
    );
}

fn same_answers_of_the_same_age(nodes: &[Node], cookie: &str) {
    for n in 1..=STILL {
        let wording = |node: &Node| scan(node.web(), cookie, &format!("4401{n:011}")).1["wording"].clone();
        let answers: Vec<_> = nodes.iter().map(wording).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    // Heartbeats come every second, and a crash upstream may have cost one: they meet again.
    eventually(SOON, "the same age everywhere", || {
        let age = |node: &Node| node.gateway().health()["replica_age_s"].as_i64().unwrap_or(i64::MAX);
        let ages: Vec<i64> = nodes.iter().map(age).collect();
        let (youngest, oldest) = (ages.iter().min().expect("ages"), ages.iter().max().expect("ages"));
        if oldest - youngest <= 1 && *oldest < 5 { Ok(()) } else { Err(format!("{ages:?}")) }
    });
}

const CASES: u32 = 2000;
/// Cases that are left alone.
const STILL: u32 = 40;
