//! Following a PostgreSQL server as the node does, in this process.

mod tables;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use inquiry::{Answer, Formats, Keys, Proof, Stage};
use replica::sample;
use replica::upstream::UpstreamErrorKind;
use replica_store::postgres::{UpstreamMetrics, verify};
use replica_store::{Decision, Replica, ReplicaMetrics, Role};
use support::folder::Folder;
use support::gateway::home;
use support::postgres::{Cluster, cases};
use support::wait::eventually;

const SECRET: [u8; 32] = [9; 32];

/// A node that follows.
struct Node {
    replica: Arc<Replica>,
    metrics: Arc<ReplicaMetrics>,
    settings: config::Replica,
}

fn settings(cluster: &Cluster, node: &str, more: &[&str]) -> config::Replica {
    let shipped = include_str!("../../../config/jindu.toml");
    let mut set = cluster.settings(node);
    set.extend(more.iter().map(|text| (*text).to_owned()));
    config::read(shipped, &set, home()).expect("sound settings").replica
}

fn follow(cluster: &Cluster, folder: &Folder, more: &[&str]) -> Node {
    base::set_tag_key(Keys::new(&SECRET).tag_key());
    let settings = settings(cluster, "primary", more);
    let role = Role::Serve { sample_heartbeat: false };
    let replica = Replica::open(folder.path(), &settings, Keys::new(&SECRET), role).expect("a writable folder");
    Node { metrics: replica.metrics(), replica, settings }
}

impl Node {
    fn upstream(&self) -> &UpstreamMetrics {
        &self.metrics.upstream
    }

    fn trouble(&self) -> Option<UpstreamErrorKind> {
        self.upstream().error().map(|trouble| trouble.kind)
    }

    fn rebuilds(&self) -> u64 {
        self.metrics.rebuilds.load(Ordering::Relaxed)
    }

    fn quarantined(&self) -> u64 {
        self.metrics.quarantined.load(Ordering::Relaxed)
    }

    fn held(&self) -> bool {
        self.metrics.held.load(Ordering::Relaxed) > 0
    }

    fn stage(&self, n: u32) -> Option<Stage> {
        match self.ask(n) {
            Answer::Found { case, .. } => Some(case.stage),
            Answer::NotFound | Answer::Unavailable => None,
        }
    }

    fn ask(&self, n: u32) -> Answer {
        let formats = Formats::new(vec![sample::format()]).expect("sound");
        let receipt = formats.from_keys(&format!("4401{n:011}")).expect("fits");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(self.replica.look_up(&receipt, &Proof::Paper))
    }

    /// The copy is the upstream, row for row.
    fn same(&self, folder: &Folder) -> u64 {
        let patience = Duration::from_secs(60);
        let found = verify::verify(&self.settings.postgres, folder.path(), &Keys::new(&SECRET), patience);
        let found = found.unwrap_or_else(|error| panic!("{error}; {:?}", self.upstream().error()));
        assert!(found.is_equal(), "{found}");
        found.upstream
    }

    fn until(&self, what: &str, holds: impl Fn(&Node) -> bool) {
        eventually(Duration::from_secs(60), what, || match holds(self) {
            true => Ok(()),
            false => Err(format!("trouble: {:?}", self.upstream().error())),
        });
    }

    fn until_copied(&self, times: u64) {
        self.until("the table is copied", |node| {
            node.rebuilds() >= times && node.upstream().streaming.load(Ordering::Relaxed) == 1
        });
    }
}

#[test]
fn a_copy_and_the_stream_after_it_are_the_upstream_row_for_row() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 3000, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!(node.same(&folder), 3000);
    let before = node.replica.as_of().expect("a copy has an age");
    cluster.sql(&format!(
        "{} BEGIN; {} ROLLBACK; BEGIN; {} SAVEPOINT a; DELETE FROM cases WHERE receipt < '440100000000020'; ROLLBACK TO a; COMMIT;
         DELETE FROM cases WHERE receipt IN ('440100000000007', '440100000000008');
         UPDATE cases SET receipt = '4401' || lpad('9' || right(receipt, 9), 11, '0') WHERE receipt = '440100000000009';
         UPDATE cases SET waybill = NULL, items = NULL, pauses = NULL, minor = NULL WHERE receipt < '440100000000030';
         BEGIN; DELETE FROM cases WHERE receipt = '440100000000100'; {} COMMIT; DROP TABLE IF EXISTS nothing;",
        cases(2900, 3400, 2),
        cases(1, 3000, 5),
        cases(500, 900, 3),
        cases(100, 100, 4),
    ));
    // One transaction larger than the 100,000 changes that a follower keeps in memory.
    cluster.sql(&cases(2000, 103_000, 7));
    assert_eq!(node.same(&folder), 102_998);
    assert_eq!((node.stage(7), node.stage(100)), (None, Some(Stage::Accepted)));
    node.until("the heartbeat renews the age", |node| node.replica.as_of() > Some(before));
    assert_eq!((node.rebuilds(), node.trouble()), (1, None));
}

#[test]
fn an_unusable_row_is_quarantined_until_it_is_corrected() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 100, 1));
    cluster.sql("UPDATE cases SET document = NULL WHERE receipt = '440100000000050'");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!(node.quarantined(), 1, "of the copy");
    cluster.sql("UPDATE cases SET stage = 'dancing' WHERE receipt = '440100000000005';
                 INSERT INTO cases (receipt) VALUES ('no number'); UPDATE cases SET stage = 'ready' WHERE receipt = '440100000000006'");
    node.until("the rest goes on", |node| node.stage(6) == Some(Stage::Ready));
    assert_eq!((node.quarantined(), node.stage(5)), (3, None));
    assert!(matches!(node.ask(5), Answer::Unavailable), "the old row is stale, and is not served");
    assert_eq!(node.same(&folder), 98);
    cluster.sql("UPDATE cases SET stage = 'posted' WHERE receipt = '440100000000005'; UPDATE cases SET document = 'visa' WHERE document IS NULL AND id_tail IS NOT NULL");
    node.until("mended rows come back", |node| node.stage(5) == Some(Stage::Posted) && node.stage(50).is_some());
    assert_eq!(node.quarantined(), 1);
}

#[test]
fn a_large_value_that_was_not_sent_is_queried() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(
        "ALTER TABLE cases ALTER COLUMN pauses SET STORAGE EXTERNAL, ALTER COLUMN applicant_name SET STORAGE MAIN",
    );
    cluster.sql(&cases(1, 10, 1));
    let pause = |n| format!("{{\"from\":\"2026-02-{n:02}\",\"to\":\"2026-02-{n:02}\"}}");
    let pauses = (1..=28).map(pause).collect::<Vec<_>>().join(", ");
    // Past two kilobytes a row's largest value is stored elsewhere, and an update that leaves it alone does not send it.
    let name = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 40) n)";
    cluster.sql(&format!(
        "UPDATE cases SET pauses = '[{pauses}]', applicant_name = {name} WHERE receipt = '440100000000003'"
    ));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql("UPDATE cases SET stage = 'posted' WHERE receipt = '440100000000003'");
    node.until("the change came", |node| node.stage(3) == Some(Stage::Posted));
    let Answer::Found { case, .. } = node.ask(3) else { panic!("lost") };
    assert_eq!(case.pauses.len(), 28);
    assert_eq!(node.same(&folder), 10);
}

#[test]
fn truncation_and_mass_deletes_wait_for_an_operator_with_all_later_changes() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 1000, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql("DELETE FROM cases WHERE receipt <= '440100000000003'");
    node.until("few deletes pass", |node| node.stage(3).is_none() && node.stage(4).is_some());
    cluster.sql(&format!("DELETE FROM cases WHERE receipt <= '440100000000200'; {}", cases(2001, 2001, 1)));
    node.until("many are held", |node| node.held() && node.trouble() == Some(UpstreamErrorKind::Held));
    assert!(node.stage(100).is_some() && node.stage(2001).is_none(), "old rows answer, later ones wait");
    assert!(node.replica.decide(Decision::Drop).expect("asked"));
    node.until("what comes after comes in", |node| node.stage(2001).is_some());
    assert!(node.stage(100).is_some(), "the deletes were left out");
    cluster.sql(&format!("BEGIN; TRUNCATE cases; {} COMMIT", cases(1, 10, 2)));
    node.until("a truncation is held", |node| node.held());
    assert_eq!(node.stage(10), Some(Stage::Production), "not even its inserts come in before it");
    // A restart keeps what is held.
    drop(node);
    let node = follow(&cluster, &folder, &[]);
    node.until("it is held again", |node| node.held() && node.trouble() == Some(UpstreamErrorKind::Held));
    assert!(node.replica.decide(Decision::Apply).expect("asked"));
    node.until("it is applied", |node| node.stage(100).is_none() && node.stage(10).is_some());
    assert_eq!(node.same(&folder), 10);
}

#[test]
fn a_slot_that_is_gone_lost_or_ahead_means_a_new_copy_while_the_old_one_answers() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 500, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    // Dropped under the stream.
    cluster.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'jindu';
                 DO $$ BEGIN FOR n IN 1..200 LOOP BEGIN PERFORM pg_drop_replication_slot('jindu'); EXIT;
                   EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.02); WHEN undefined_object THEN EXIT; END; END LOOP; END $$;");
    cluster.sql(&cases(400, 600, 2));
    assert!(node.stage(1).is_some());
    let copies = node.rebuilds();
    drop(node);
    // Older than its slot: the folder as it was before the slot moved on.
    let older = Folder::new();
    let node = follow(&cluster, &folder, &[]);
    node.until("it follows", |node| node.upstream().streaming.load(Ordering::Relaxed) == 1);
    assert_eq!(node.same(&folder), 600);
    drop(node);
    std::fs::copy(folder.path().join("replica.sqlite3"), older.path().join("replica.sqlite3")).expect("copied");
    let node = follow(&cluster, &folder, &[]);
    cluster.sql(&cases(1, 300, 3));
    assert_eq!(node.same(&folder), 600);
    let moved = "SELECT confirmed_flush_lsn >= (SELECT pg_current_wal_lsn() - 20000) FROM pg_replication_slots";
    node.until("the slot moves on", |_| cluster.sql(moved).trim() == "t");
    drop(node);
    let node = follow(&cluster, &older, &[]);
    node.until("a gap is found", |node| node.rebuilds() == 1);
    assert_eq!(node.same(&older), 600);
    drop(node);
    // Invalidated while the node was away.
    cluster.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'; SELECT pg_reload_conf();");
    for _ in 0..4 {
        cluster.sql(&format!("{} SELECT pg_switch_wal(); CHECKPOINT;", cases(1, 600, 4)));
    }
    assert_eq!(cluster.sql("SELECT wal_status FROM pg_replication_slots").trim(), "lost");
    let node = follow(&cluster, &older, &[]);
    assert!(node.stage(1).is_some(), "the old copy answers");
    node.until("a lost slot is found", |node| node.rebuilds() == 1);
    assert_eq!(node.same(&older), 600);
    assert!(copies <= 2);
}

#[test]
fn an_upstream_restored_from_a_backup_is_detected_even_after_new_commits() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 300, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    drop(node);
    cluster.run(&["down", "primary"]);
    cluster.run(&["backup", "primary", "old"]);
    cluster.run(&["up", "primary"]);
    let node = follow(&cluster, &folder, &[]);
    cluster.sql(&cases(200, 400, 2));
    assert_eq!(node.same(&folder), 400);
    drop(node);
    cluster.run(&["down", "primary"]);
    cluster.run(&["restore", "old", "primary"]);
    cluster.run(&["up", "primary"]);
    // Its log is longer than the copy's place before the node sees it again: another history on the same timeline.
    for round in 0..6 {
        cluster.sql(&cases(1, 410, 20 + round));
    }
    let node = follow(&cluster, &folder, &[]);
    node.until("the other history is found out", |node| node.rebuilds() == 1);
    assert_eq!(node.same(&folder), 410);
    assert!(node.upstream().errors().any(|(kind, count)| kind == UpstreamErrorKind::Diverged && count > 0));
}

#[test]
fn a_promoted_standby_is_found_and_copied_and_crashes_cost_nothing() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 300, 1));
    cluster.run(&["standby"]);
    let both = format!("replica.postgres.servers={},{}", cluster.server("standby"), cluster.server("primary"));
    let node = follow(&cluster, &folder, &[&both]);
    node.until_copied(1);
    for round in 0..2 {
        cluster.sql(&cases(1, 400, round));
        cluster.run(&["crash", "primary"]);
        assert!(node.stage(1).is_some());
        cluster.run(&["up", "primary"]);
        cluster.sql(&cases(100, 450, round));
    }
    let behind = "SELECT count(*) = 450 FROM cases WHERE receipt > ''";
    node.until("the standby has caught up", |_| cluster.sql_on("standby", behind).trim() == "t");
    node.until("it is followed again", |node| node.upstream().streaming.load(Ordering::Relaxed) == 1);
    assert_eq!(node.rebuilds(), 1, "a crash of the upstream needs no copy");
    // A clean stop of the server waits until the node has confirmed what was sent: it must not hang.
    let stopping = Instant::now();
    cluster.run(&["down", "primary"]);
    assert!(stopping.elapsed() < Duration::from_secs(15), "a server that is shut down waits for this node");
    cluster.run(&["promote", "standby"]);
    node.until("the promoted one is followed", |node| node.rebuilds() == 2);
    cluster.sql_on("standby", &cases(1, 460, 9));
    let at = settings(&cluster, "standby", &[]);
    let node = Node { settings: at, ..node };
    assert_eq!(node.same(&folder), 460);
}

#[test]
fn another_cluster_waits_until_it_is_named() {
    let (one, other, folder) = (Cluster::make(), Cluster::make(), Folder::new());
    one.sql(&cases(1, 20, 1));
    other.sql(&cases(1, 30, 2));
    let node = follow(&one, &folder, &[]);
    node.until_copied(1);
    drop(node);
    let node = follow(&other, &folder, &[]);
    node.until("another cluster is held", |node| node.trouble() == Some(UpstreamErrorKind::OtherSystem));
    assert!(node.stage(1).is_some() && node.stage(30).is_none());
    drop(node);
    let system = other.sql("SELECT system_identifier FROM pg_control_system()");
    let node = follow(&other, &folder, &[&format!("replica.postgres.accept_system=\"{}\"", system.trim())]);
    node.until_copied(1);
    assert_eq!(node.same(&folder), 30);
}

#[test]
fn a_table_may_gain_columns_and_one_that_loses_a_mapped_one_is_never_read_wrongly() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 50, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql(&format!("ALTER TABLE cases ADD COLUMN colour text DEFAULT 'red'; {}", cases(1, 60, 2)));
    assert_eq!((node.same(&folder), node.rebuilds()), (60, 1));
    let stage = node.stage(1);
    // What was `hall` is `stage` by name, for a while.
    cluster.sql("BEGIN; ALTER TABLE cases RENAME COLUMN stage TO state; ALTER TABLE cases ADD COLUMN stage date; COMMIT; UPDATE cases SET state = 'posted';");
    node.until("drift is found", |node| node.trouble() == Some(UpstreamErrorKind::Drift));
    assert_eq!(node.stage(1), stage, "the copy answers as it was");
    cluster.sql("BEGIN; ALTER TABLE cases DROP COLUMN stage; ALTER TABLE cases RENAME COLUMN state TO stage; COMMIT;");
    node.until("it is copied once it fits again", |node| {
        node.trouble().is_none() && node.stage(1) == Some(Stage::Posted)
    });
    assert_eq!(node.same(&folder), 60);
}

#[test]
fn a_refusal_names_its_remedy_and_nothing_falls_back() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 5, 1));
    let other = Cluster::make();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "no\n").expect("writable");
    let told = |more: &[&str]| {
        let settings = settings(&cluster, "primary", more);
        let checked = verify::check(&settings.postgres);
        match checked {
            Err(trouble) => (trouble.kind, trouble.what),
            Ok(checked) => (UpstreamErrorKind::Setup, checked.diagnostics.join("; ")),
        }
    };
    let expect = |more: &[&str], kind: UpstreamErrorKind, words: &str| {
        let (found, what) = told(more);
        assert!(found == kind && what.contains(words), "{more:?}: {found:?}: {what}");
    };
    expect(&[], UpstreamErrorKind::Setup, "");
    let (password, ca) = (format!("replica.postgres.password_file={}", wrong.display()), other.folder.join("ca.pem"));
    expect(&[&password], UpstreamErrorKind::Password, "password_file");
    expect(&[&format!("replica.postgres.ca_file={}", ca.display())], UpstreamErrorKind::Tls, "ca_file");
    expect(&["replica.postgres.tls_name=other.test"], UpstreamErrorKind::Tls, "tls_name");
    expect(&["replica.postgres.tls_name=db.test"], UpstreamErrorKind::Setup, "");
    expect(&["replica.postgres.database=nothing"], UpstreamErrorKind::Setup, "replica.postgres.database");
    expect(&["replica.postgres.publication=nothing"], UpstreamErrorKind::Setup, "CREATE PUBLICATION nothing");
    expect(&["replica.postgres.columns.hall=office"], UpstreamErrorKind::Setup, "column office is not there");
    cluster.sql("REVOKE SELECT (stage) ON cases FROM jindu; ALTER ROLE jindu NOREPLICATION; ALTER TABLE cases REPLICA IDENTITY NOTHING;
                 DROP TABLE jindu_heartbeat");
    let (_, what) = told(&[]);
    for words in ["GRANT SELECT (stage)", "ALTER ROLE jindu REPLICATION", "REPLICA IDENTITY", "no heartbeat table"] {
        assert!(what.contains(words), "{words}: {what}");
    }
    cluster.sql("ALTER SYSTEM SET ssl = off; SELECT pg_reload_conf()");
    expect(&[], UpstreamErrorKind::Tls, "enable ssl");
    expect(
        &["replica.postgres.tls=off", "replica.postgres.ca_file="],
        UpstreamErrorKind::Setup,
        "GRANT SELECT (stage)",
    );
}

#[test]
fn an_idle_table_holds_no_log_and_commit_times_give_the_age_too() {
    let (cluster, folder) = (Cluster::make(), Folder::new());
    cluster.sql(&cases(1, 5, 1));
    let node = follow(&cluster, &folder, &["replica.postgres.heartbeat_table="]);
    node.until_copied(1);
    let before = node.replica.as_of();
    cluster.sql("CREATE TABLE other AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)");
    let kept = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) < 1000000 FROM pg_replication_slots";
    node.until("the log is let go", |_| cluster.sql(kept).trim() == "t");
    node.until("the age is renewed", |node| node.replica.as_of() > before);
    assert_eq!(node.same(&folder), 5);
}
