//! A drill: a node under mixed load, a fault, and the end, when the copy must be the upstream's truth row for row.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::gate::Gate;
use super::upstream::Office;
use super::world::World;
use support::gateway::temporary_folder;
use support::node::Node;
use support::scans::{Peace, Scans};
use support::wait::{SOON, eventually};

/// A node, those who ask it, and the office that it follows.
pub(crate) struct Drill {
    pub(crate) name: &'static str,
    // Ends first where a test fails: nothing is put into a folder that is being removed.
    pub(crate) office: Office,
    pub(crate) node: Node,
    pub(crate) world: World,
    pub(crate) scans: Scans,
    pub(crate) calls: Calls,
    peace: Arc<Peace>,
    began: Instant,
    faults: u32,
}

impl Drill {
    /// Starts everything, and waits until both doors answer.
    pub(crate) fn begin(name: &'static str, set: &[&str]) -> Drill {
        Drill::begin_in(name, temporary_folder("drill"), set)
    }

    /// The same in a data folder that is there.
    pub(crate) fn begin_in(name: &'static str, data: PathBuf, set: &[&str]) -> Drill {
        Drill::begin_with(name, data, set, None, Duration::from_millis(25))
    }

    /// The same, fed through a gate that loses its way, at this interval.
    pub(crate) fn begin_with(
        name: &'static str,
        data: PathBuf,
        set: &[&str],
        gate: Option<Gate>,
        every: Duration,
    ) -> Drill {
        let world = World::new();
        let mut settings =
            vec!["data.sample_cases=0", "replica.spool_poll_ms=20", "phone.calls_max=190", "log.level=warn"];
        settings.extend(set);
        let mut office = Office::open(&data, CASES, gate);
        let mut node = Node::new(Ipv4Addr::LOCALHOST, data, &settings, &world.environment());
        node.start_again();
        await_copy(&node);
        let peace = Arc::<Peace>::default();
        let receipts = office.still().into_iter().map(|case| case.receipt).collect();
        let scans = Scans::in_peace(Arc::clone(&peace), node.web(), receipts, 2, Duration::from_millis(5));
        let calls = Calls::start(node.udp(), Arc::clone(&peace), office.still());
        office.work(every);
        scans.await_more(50);
        Drill { name, node, world, office, scans, calls, peace, began: Instant::now(), faults: 0 }
    }

    /// A fault that both doors must answer through.
    pub(crate) fn fault(&mut self) {
        self.faults += 1;
    }

    /// Kills the node as a power cut does, and starts it again.
    pub(crate) fn kill(&mut self) {
        self.faults += 1;
        self.peace.end();
        let log = self.node.kill();
        assert!(!log.contains("panicked"), "{log}");
        self.node.start_again();
        self.peace.begin();
    }

    /// A time in which what the doors must answer changes.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Drill)) {
        self.faults += 1;
        self.peace.end();
        change(self);
        // Connections that were idle for hours are closed, and opened again.
        self.scans.await_more(20);
        self.peace.begin();
    }

    /// The node's own health.
    pub(crate) fn health(&self) -> serde_json::Value {
        self.node.gateway().health()
    }

    /// Waits until the copy is as fresh as the office's last batches make it; gives how long that took.
    pub(crate) fn await_fresh(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        eventually(limit, format!("{}: the feed goes on", self.name), || match self.health() {
            health if health["replica_age_s"].as_u64().is_some_and(|age| age <= 2) => Ok(()),
            health => Err(health.to_string()),
        });
        began.elapsed()
    }

    /// Ends the load, reports every failure, and compares the copy with the truth, row for row.
    pub(crate) fn end(self) -> Ended {
        self.calls.await_more(super::calls::READY, 1);
        let changes = self.office.changes();
        let truth = self.office.close();
        let closed = Instant::now();
        eventually(CAUGHT_UP_BY, format!("{}: no row differs", self.name), || {
            match truth.differences(&self.node.folder) {
                Ok(none) if none.is_empty() => Ok(()),
                Ok(list) => Err(format!("{} rows differ, as {:?}", list.len(), &list[..list.len().min(5)])),
                Err(why) => Err(why),
            }
        });
        let caught_up = closed.elapsed();
        let (scans, calls) = (self.scans.end(), self.calls.end());
        let failed: Vec<&String> = scans.failed.iter().chain(&calls.failed).collect();
        assert!(failed.is_empty(), "{}: {} failed: {:?}", self.name, failed.len(), &failed[..failed.len().min(5)]);
        let log = self.node.gateway().log();
        assert!(!log.contains("panicked"), "{log}");
        println!(
            "{}: {} faults in {:.1} s; {} scans, slowest {:.0} ms; calls {:?}; {} changes; {} rows, 0 different, caught up in {:.1} s",
            self.name,
            self.faults,
            self.began.elapsed().as_secs_f64(),
            scans.asked,
            scans.slowest.as_secs_f64() * 1000.0,
            calls.clips,
            changes,
            truth.len(),
            caught_up.as_secs_f64(),
        );
        Ended { calls: calls.clips }
    }
}

/// What is left after a drill.
pub(crate) struct Ended {
    pub(crate) calls: BTreeMap<&'static str, u64>,
}

fn await_copy(node: &Node) {
    eventually(SOON, "the first copy", || match node.gateway().metric("jindu_replica_cases") >= CASES as f64 {
        true => Ok(()),
        false => Err(node.gateway().log()),
    });
}

const CASES: usize = 3000;
const CAUGHT_UP_BY: Duration = Duration::from_secs(30);
