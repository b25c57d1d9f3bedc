//! Following tables that are filtered, partitioned, changed under the stream or hold what cannot be used: each test has a
//! database of its own in one shared cluster.

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use inquiry::Stage;
use replica::upstream::UpstreamErrorKind;
use replica_store::postgres::verify;
use replica_store::{Decision, Reply, Request};
use support::command::done;
use support::folder::Folder;
use support::postgres::{Cluster, cases};
use support::wait::{SOON, eventually};

use super::{Node, follow, settings};

impl Node {
    fn retry(&self) {
        assert!(matches!(self.replica.perform(Request::Retry { id: None }), Reply::Done(_)));
    }

    fn checked(&self) -> String {
        let checked = verify::check(&self.settings.postgres).expect("it answers");
        checked.diagnostics.join("; ")
    }

    fn until_rebuilt(&self, what: &str, times: u64) {
        self.until(what, |node| node.rebuilds() >= times && node.upstream().streaming.load(Ordering::Relaxed) == 1);
    }
}

/// What `jindu upstream check` complains of.
fn diagnostics(cluster: &Cluster) -> String {
    let settings = settings(cluster, "primary", &[]);
    verify::check(&settings.postgres).expect("it answers").diagnostics.join("; ")
}

/// The examples' publication of the whole table, without its column list.
fn publish(cluster: &Cluster, table: &str) {
    cluster.sql(&format!("ALTER PUBLICATION jindu SET TABLE {table}, jindu_heartbeat"));
}

#[test]
fn a_row_filter_decides_what_is_copied_followed_and_compared() {
    let (cluster, folder) = (Cluster::shared("filtered"), Folder::new());
    cluster.sql(&format!(
        "ALTER TABLE cases ADD city text NOT NULL DEFAULT 'bj'; CREATE UNIQUE INDEX by_city ON cases (city, receipt);
         {} ALTER TABLE cases REPLICA IDENTITY USING INDEX by_city",
        cases(1, 1000, 1)
    ));
    let columns =
        "city, receipt, id_tail, stage, document, case_type, hall, accepted_on, stage_on, pauses, items, waybill,
                   minor, version";
    publish(&cluster, &format!("cases ({columns}) WHERE (city = 'gz')"));
    cluster.sql("UPDATE cases SET city = CASE WHEN right(receipt, 1) < '6' THEN 'gz' ELSE 'sz' END");
    let told = diagnostics(&cluster);
    assert!(told.contains("GRANT SELECT") && told.contains("(city = 'gz'"), "{told}");
    cluster.sql("GRANT SELECT (city) ON cases TO jindu");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!((node.checked().as_str(), node.same(&folder)), ("", 600));
    // In, out, within, and what never concerned this node.
    cluster.sql(&format!(
        "UPDATE cases SET city = 'gz', stage = 'ready' WHERE receipt = '440100000000009';
         UPDATE cases SET city = 'sz' WHERE receipt = '440100000000001';
         UPDATE cases SET stage = 'posted' WHERE receipt IN ('440100000000002', '440100000000008');
         UPDATE cases SET receipt = '440100000099002' WHERE receipt = '440100000000003';
         DELETE FROM cases WHERE receipt IN ('440100000000004', '440100000000007'); {}",
        cases(2001, 2010, 1)
    ));
    assert_eq!(node.same(&folder), 599);
    assert_eq!([9, 1, 2].map(|n| node.stage(n)), [Some(Stage::Ready), None, Some(Stage::Posted)]);
    // Many that are deleted elsewhere are none of this node's; many that leave are, as if they were deleted.
    cluster.sql("DELETE FROM cases WHERE city = 'sz' AND receipt < '440100000000500'");
    assert_eq!((node.same(&folder), node.held()), (599, false));
    cluster.sql("UPDATE cases SET city = 'sz' WHERE city = 'gz' AND receipt < '440100000000100'");
    node.until("many that leave are held", |node| node.held());
    assert!(node.replica.decide(Decision::Apply).expect("asked"));
    node.until("they leave", |node| !node.held() && node.stage(50).is_none());
    publish(&cluster, &format!("cases ({columns}) WHERE (city <> 'bj')"));
    node.until_rebuilt("another filter means another copy", 2);
    assert!(node.same(&folder) > 700);
}

#[test]
fn a_partitioned_table_is_followed_by_its_root_and_its_partitions_may_come_and_go() {
    let (cluster, folder) = (Cluster::shared("parted"), Folder::new());
    cluster.sql(
        "DROP TABLE cases; CREATE TABLE cases (receipt text PRIMARY KEY, applicant_name text, id_tail text, stage text, document text,
           case_type text, hall text, accepted_on date, stage_on date, pauses jsonb, items text[], waybill text, minor boolean,
           version bigint) PARTITION BY RANGE (receipt);
         CREATE TABLE low PARTITION OF cases FOR VALUES FROM ('4401') TO ('440100000000500');
         CREATE TABLE high (version bigint, minor boolean, waybill text, items text[], pauses jsonb, stage_on date, accepted_on date,
           hall text, case_type text, document text, stage text, id_tail text, applicant_name text, receipt text NOT NULL);
         ALTER TABLE cases ATTACH PARTITION high FOR VALUES FROM ('440100000000500') TO ('4402');
         GRANT SELECT ON cases TO jindu; ALTER PUBLICATION jindu SET TABLE cases, jindu_heartbeat",
    );
    cluster.sql(&cases(1, 999, 1));
    let told = diagnostics(&cluster);
    assert!(told.contains("ALTER PUBLICATION jindu SET (publish_via_partition_root = true)"), "{told}");
    cluster.sql("ALTER PUBLICATION jindu SET (publish_via_partition_root = true)");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql(
        "UPDATE cases SET receipt = '440100000000600x' WHERE receipt = '440100000000001';
         UPDATE cases SET receipt = '440100000000001' WHERE receipt = '440100000000999';
         UPDATE cases SET stage = 'ready'; DELETE FROM cases WHERE receipt = '440100000000002'",
    );
    assert_eq!((node.same(&folder), node.quarantined()), (997, 1));
    let leaf = follow(&cluster, &Folder::new(), &["replica.postgres.table=public.low", "replica.postgres.slot=leaf"]);
    leaf.until("a partition is refused", |node| node.trouble() == Some(UpstreamErrorKind::Setup));
    assert!(leaf.checked().contains("replica.postgres.table = \"public.cases\""), "{}", leaf.checked());
    drop(leaf);
    // The stream sends none of these.
    cluster.sql("ALTER TABLE cases DETACH PARTITION high; UPDATE high SET stage = 'posted'");
    node.until("a partition that went is noticed", |node| node.held());
    assert!(node.replica.decide(Decision::Apply).expect("asked"));
    node.until_rebuilt("the copy is without it", 2);
    assert_eq!(node.same(&folder), 498);
    cluster.sql("ALTER TABLE cases ATTACH PARTITION high FOR VALUES FROM ('440100000000500') TO ('4402')");
    node.until_rebuilt("a partition that came is noticed", 3);
    assert_eq!((node.same(&folder), node.stage(700)), (997, Some(Stage::Posted)));
    cluster.sql("TRUNCATE high");
    node.until("a partition that was emptied is noticed", |node| node.held());
}

#[test]
fn each_row_without_a_readable_number_is_quarantined_until_it_is_corrected() {
    let (cluster, folder) = (Cluster::shared("poisoned"), Folder::new());
    let sound = "id_tail = '1234', stage = 'ready', document = 'visa', case_type = 'new', hall = 'north',
                 accepted_on = '2026-01-01', minor = false";
    cluster.sql(&format!(
        "{} INSERT INTO cases (receipt) VALUES ('one'), ('two'); UPDATE cases SET stage = 'dancing' WHERE receipt = '440100000000003'",
        cases(1, 100, 1)
    ));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!(node.quarantined(), 3, "of the copy");
    cluster.sql("INSERT INTO cases (receipt) VALUES ('three'), ('four'), ('five')");
    node.until("each of the stream", |node| node.quarantined() == 6);
    node.retry();
    let tried = |node: &Node| node.replica.quarantine().expect("read").iter().all(|row| row.tries > 0);
    node.until("each is tried again", tried);
    assert_eq!((node.quarantined(), node.same(&folder)), (6, 99), "they are what they were");
    // Corrected: to a number, by a delete, to another unreadable one.
    cluster.sql(&format!(
        "UPDATE cases SET receipt = '440100000000777', {sound} WHERE receipt = 'one';
         DELETE FROM cases WHERE receipt IN ('two', 'three'); UPDATE cases SET receipt = 'six' WHERE receipt = 'four';
         UPDATE cases SET stage = 'review' WHERE receipt = '440100000000003'"
    ));
    node.until("what is mended has left", |node| node.stage(777) == Some(Stage::Ready) && node.quarantined() == 2);
    assert_eq!((node.same(&folder), node.stage(3)), (101, Some(Stage::Review)));
    drop(node);
    // Known after a restart, with another reading of the same rows.
    cluster.sql("UPDATE cases SET stage = 'dancing' WHERE receipt = '440100000000005'");
    let node = follow(&cluster, &folder, &[]);
    node.until("it goes on", |node| node.quarantined() == 3);
    cluster.sql("BEGIN; DELETE FROM cases WHERE receipt IN ('five', 'six'); COMMIT");
    node.until("the rest left", |node| node.quarantined() == 1);
    cluster.sql("DELETE FROM cases WHERE receipt = '440100000000005'");
    node.until("and the last", |node| node.quarantined() == 0);
    assert_eq!((node.same(&folder), node.rebuilds()), (100, 0));
}

#[test]
fn bytes_that_are_no_text_quarantine_their_row_and_stop_nothing() {
    let (cluster, folder) = (Cluster::shared_without_encoding("bytes"), Folder::new());
    cluster.sql(&cases(1, 50, 1));
    cluster.sql("UPDATE cases SET hall = E'\\xb1\\xb1' WHERE receipt = '440100000000001'; INSERT INTO cases (receipt) VALUES (E'\\xff')");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!((node.quarantined(), node.same(&folder)), (2, 49));
    cluster.sql(
        "UPDATE cases SET hall = E'\\xff' WHERE receipt = '440100000000002'; UPDATE cases SET stage = 'ready' WHERE receipt = '440100000000003'",
    );
    node.until("the rest goes on", |node| node.stage(3) == Some(Stage::Ready) && node.quarantined() == 3);
    assert_eq!(node.same(&folder), 48);
    cluster.sql("UPDATE cases SET hall = 'north' WHERE id_tail IS NOT NULL; DELETE FROM cases WHERE id_tail IS NULL");
    node.until("all are mended", |node| node.quarantined() == 0);
    assert_eq!(node.same(&folder), 50);
}

#[test]
fn table_changes_outside_the_stream_are_detected_and_copied() {
    let (cluster, folder) = (Cluster::shared("remade"), Folder::new());
    cluster.sql(&cases(1, 300, 1));
    publish(&cluster, "cases");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql("VACUUM FULL cases; ANALYZE cases; ALTER TABLE cases ADD remark text");
    cluster.sql("ALTER TABLE cases ALTER hall TYPE text USING 'south'");
    node.until_rebuilt("a column that was rewritten", 2);
    assert_eq!(node.same(&folder), 300);
    cluster.sql("ALTER TABLE cases ALTER version TYPE integer, ALTER accepted_on TYPE timestamptz, ALTER stage TYPE varchar(20)");
    node.until_rebuilt("columns of another type", 3);
    cluster.sql("BEGIN; ALTER TABLE cases DROP hall; ALTER TABLE cases ADD hall text DEFAULT 'north'; GRANT SELECT (hall) ON cases TO jindu; COMMIT");
    node.until_rebuilt("a column dropped and added again", 4);
    assert_eq!(node.same(&folder), 300);
    // No message reports changes made while the table is not published.
    cluster.sql(
        "ALTER PUBLICATION jindu DROP TABLE cases; UPDATE cases SET stage = 'posted' WHERE receipt = '440100000000007';
                 ALTER PUBLICATION jindu ADD TABLE cases",
    );
    node.until_rebuilt("a table published again", 5);
    assert_eq!((node.same(&folder), node.stage(7)), (300, Some(Stage::Posted)));
    // Away meanwhile, with another table in its place afterwards.
    drop(node);
    cluster.sql(
        "CREATE TABLE next (LIKE cases INCLUDING ALL); INSERT INTO next SELECT * FROM cases WHERE receipt <> '440100000000009';
                 DROP TABLE cases; ALTER TABLE next RENAME TO cases; GRANT SELECT ON cases TO jindu; ALTER PUBLICATION jindu ADD TABLE cases",
    );
    let node = follow(&cluster, &folder, &[]);
    node.until_rebuilt("another table of that name", 1);
    assert_eq!((node.same(&folder), node.stage(9)), (299, None));
    assert_eq!(node.trouble(), None);
    cluster.sql(
        "ALTER TABLE cases DROP COLUMN remark; ALTER TABLE cases ADD remark text GENERATED ALWAYS AS (hall) STORED",
    );
    let other = settings(&cluster, "primary", &["replica.postgres.columns.hall=remark"]);
    let told = verify::check(&other.postgres).expect("it answers").diagnostics.join("; ");
    assert!(told.contains("remark"), "{told}");
}

#[test]
fn every_way_of_changing_rows_is_followed() {
    let (cluster, folder) = (Cluster::shared("changed"), Folder::new());
    cluster.sql(&cases(1, 300, 1));
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    cluster.sql(
        "BEGIN; UPDATE cases SET stage = 'ready' WHERE receipt = '440100000000001'; PREPARE TRANSACTION 'one';
         BEGIN; DELETE FROM cases WHERE receipt = '440100000000002'; PREPARE TRANSACTION 'two';
         BEGIN; DELETE FROM cases WHERE receipt = '440100000000003'; PREPARE TRANSACTION 'three';
         ROLLBACK PREPARED 'two'; COMMIT PREPARED 'three'; COMMIT PREPARED 'one';
         DO $$ BEGIN FOR n IN 1..300 LOOP UPDATE cases SET version = n WHERE receipt = '440100000000004'; END LOOP; END $$;
         BEGIN; UPDATE cases SET receipt = '440100000088888' WHERE receipt = '440100000000005'; SAVEPOINT a;
           UPDATE cases SET receipt = '440100000000005' WHERE receipt = '440100000088888'; ROLLBACK TO a;
           COMMIT;
         BEGIN; UPDATE cases SET receipt = '440100000000006x' WHERE receipt = '440100000000006';
           UPDATE cases SET receipt = '440100000000006' WHERE receipt = '440100000000007';
           UPDATE cases SET receipt = '440100000000007' WHERE receipt = '440100000000006x'; COMMIT;
         SELECT pg_logical_emit_message(false, 'other', repeat('x', 100000)), pg_logical_emit_message(true, 'jindu', 'x');
         CREATE TYPE colour AS ENUM ('red'); ALTER TABLE cases ADD colour colour DEFAULT 'red'; ALTER TYPE colour ADD VALUE 'blue';
         UPDATE cases SET colour = 'blue' WHERE receipt = '440100000000008';
         MERGE INTO cases c USING (SELECT 9) s ON c.receipt = '440100000000009' WHEN MATCHED THEN UPDATE SET stage = 'posted';
         COPY cases (receipt, id_tail, stage, document, case_type, hall, accepted_on, minor) FROM STDIN;
440100000000999\t1234\tready\tvisa\tnew\tnorth\t2026-01-01\tf
\\.
",
    );
    assert_eq!((node.same(&folder), node.rebuilds(), node.quarantined()), (300, 1, 0));
    let [one, two, three, posted, copied] = [1, 2, 3, 9, 999].map(|n| node.stage(n));
    assert_eq!((one, three, copied), (Some(Stage::Ready), None, Some(Stage::Ready)));
    assert!(two.is_some() && posted == Some(Stage::Posted));
    // Another identity: the whole row, a unique index on the number, and one without the number.
    cluster.sql(
        "ALTER PUBLICATION jindu SET TABLE cases, jindu_heartbeat; ALTER TABLE cases REPLICA IDENTITY FULL;
         DELETE FROM cases WHERE receipt = '440100000000010';
         UPDATE cases SET receipt = '440100000077777' WHERE receipt = '440100000000011';
         CREATE UNIQUE INDEX by_number ON cases (receipt); ALTER TABLE cases REPLICA IDENTITY USING INDEX by_number;
         DELETE FROM cases WHERE receipt = '440100000000012';",
    );
    assert_eq!(node.same(&folder), 298);
    cluster.sql(
        "ALTER TABLE cases ADD id bigserial; CREATE UNIQUE INDEX by_id ON cases (id) INCLUDE (receipt);
         ALTER TABLE cases REPLICA IDENTITY USING INDEX by_id; DELETE FROM cases WHERE receipt = '440100000000013';",
    );
    node.until("a delete that does not tell its number stops it", |node| {
        matches!(node.trouble(), Some(UpstreamErrorKind::Drift | UpstreamErrorKind::Setup))
            && node.checked().contains("REPLICA IDENTITY USING INDEX")
    });
    cluster.sql("ALTER TABLE cases REPLICA IDENTITY DEFAULT");
    node.until("it is followed again", |node| node.trouble().is_none() && node.stage(13).is_none());
    assert_eq!(node.same(&folder), 297);
}

#[test]
fn a_subscriber_that_publishes_again_is_followed_with_the_time_of_its_source() {
    let (province, city, folder) = (Cluster::shared("province"), Cluster::shared("city"), Folder::new());
    province.sql(&cases(1, 200, 1));
    province.sql("SELECT pg_create_logical_replication_slot('city_feed', 'pgoutput')");
    let from = province.superuser("primary");
    city.sql("TRUNCATE jindu_heartbeat; REVOKE UPDATE ON jindu_heartbeat FROM jindu");
    city.sql(&format!(
        "CREATE SUBSCRIPTION feed CONNECTION '{from}' PUBLICATION jindu WITH (create_slot = false, slot_name = 'city_feed')"
    ));
    let ready = "SELECT (SELECT count(*) FROM cases) = 200 AND (SELECT count(*) FROM jindu_heartbeat) = 1";
    eventually(SOON, "the subscriber is filled", || city.sql(ready).trim() == "t");
    let node = follow(&city, &folder, &["replica.postgres.heartbeat_every_s=0"]);
    node.until_copied(1);
    assert_eq!(node.same(&folder), 200);
    let before = node.replica.as_of().expect("an age");
    province.sql(&format!(
        "{} DELETE FROM cases WHERE receipt = '440100000000001'; UPDATE cases SET stage = 'ready' WHERE receipt = '440100000000002';
         UPDATE jindu_heartbeat SET beat_at = clock_timestamp()",
        cases(201, 210, 1)
    ));
    node.until("it comes through both steps", |node| {
        node.stage(2) == Some(Stage::Ready) && node.stage(1).is_none() && node.replica.as_of() > Some(before)
    });
    assert_eq!(node.same(&folder), 209);
    city.sql("ALTER SUBSCRIPTION feed DISABLE; ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed");
}

/// A proxy that cuts each connection after so many of the server's bytes: more with every connection.
fn cutting_proxy(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for (client, n) in listener.incoming().zip(1u64..) {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&to)) else { return };
            let (mut up, mut down) = (client.try_clone().expect("cloned"), server.try_clone().expect("cloned"));
            let mut from = client.try_clone().expect("cloned");
            std::thread::spawn(move || drop(std::io::copy(&mut from, &mut down)));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut server.try_clone().expect("cloned").take(n * 2903), &mut up);
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
            });
        }
    });
    address
}

#[test]
fn connections_that_are_cut_anywhere_and_limits_of_the_role_cost_nothing() {
    let (cluster, folder) = (Cluster::shared("cut"), Folder::new());
    cluster.sql(&cases(1, 300, 1));
    cluster.sql(
        "ALTER ROLE jindu IN DATABASE cut SET statement_timeout = '1ms'; ALTER ROLE jindu IN DATABASE cut SET lock_timeout = '1ms';
         ALTER ROLE jindu IN DATABASE cut SET idle_session_timeout = '100ms';
         ALTER ROLE jindu IN DATABASE cut SET idle_in_transaction_session_timeout = '10ms'",
    );
    let through = format!("replica.postgres.servers={}", cutting_proxy(cluster.server("primary")));
    let node = follow(&cluster, &folder, &[&through]);
    node.until_copied(1);
    for round in 0..10 {
        cluster.sql(&cases(1, 400, round));
        std::thread::sleep(Duration::from_millis(100));
    }
    node.until("it has come through", |node| node.stage(400).is_some());
    let troubles: Vec<UpstreamErrorKind> =
        node.upstream().errors().filter(|(_, count)| *count > 0).map(|(kind, _)| kind).collect();
    assert_eq!(troubles, [UpstreamErrorKind::Unreachable], "a cut is no fault of a certificate");
    let straight = Node { settings: settings(&cluster, "primary", &[]), ..node };
    assert_eq!(straight.same(&folder), 400);
}

#[test]
fn the_sample_as_sql_fills_the_table_of_the_guide_and_is_followed() {
    let (cluster, folder) = (Cluster::shared("sample_sql"), Folder::new());
    let words = "feed play --sql --cases 300 --changes 60 --rate 100000 --every-ms 50";
    let sql = done(folder.path(), &words.split(' ').collect::<Vec<_>>());
    // What it begins with may run again, as after a restart.
    for _ in 0..2 {
        cluster.sql(&sql);
    }
    let count = |of: &str| cluster.sql(&format!("SELECT count(*) FROM cases WHERE {of}")).trim().to_owned();
    assert_ne!(count("waybill IS NOT NULL AND stage = 'posted'"), "0");
    assert_ne!(count("cardinality(items) > 0 AND stage = 'supplement'"), "0");
    let node = follow(&cluster, &folder, &[]);
    node.until_copied(1);
    assert_eq!(node.same(&folder).to_string(), count("true"));
    assert_eq!(node.quarantined(), 0);
}
