//! What following a PostgreSQL server costs: the first copy, the way from a commit to a look-up, and a backlog.
//!
//! `cargo bench --bench postgres`; ROWS=n (default 500,000) sizes the table. A throw-away server (its fsync is off, the
//! node's is on) on the same machine, so that server, client and node share its cores. Correctness is asserted, speed is printed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inquiry::{Answer, Formats, Keys, Proof, Receipt, ReceiptFormat};
use replica_store::{Replica, Role, postgres::verify};
use support::postgres::{Cluster, cases};

fn main() {
    let rows: u32 = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(500_000);
    let cluster = Cluster::make();
    let folder = std::env::temp_dir().join(format!("jindu-bench-postgres-{}", std::process::id()));
    cluster.sql(&cases(1, rows, 1));
    let keys = Keys::new(&[7; 32]);
    let settings = config::read(include_str!("../../config/jindu.toml"), &cluster.settings("primary"), Path::new(""));
    let settings = settings.expect("sound settings").replica;
    let open = || {
        let role = Role::Serve { sample_heartbeat: false };
        Replica::open(&folder, &settings, keys.clone(), role).expect("a writable folder")
    };
    let began = Instant::now();
    let replica = open();
    await_true("the first copy", || replica.as_of().is_some());
    report("first copy", f64::from(rows) / began.elapsed().as_secs_f64(), "rows/s", "≥ 100,000");
    lag(&cluster, &replica);
    drop(replica);
    let behind = rows.min(300_000);
    // A backlog of many small transactions, made while no replica follows.
    cluster.sql(&format!("DO $$ BEGIN FOR n IN 0..{} LOOP {} COMMIT; END LOOP; END $$;", behind / 30, one()));
    let changes = behind / 30 * 30;
    let replica = open();
    let before = changed(&replica);
    await_true("the stream begins", || changed(&replica) > before);
    let (began, first) = (Instant::now(), changed(&replica));
    await_true("the backlog is drained", || changed(&replica) >= before + u64::from(changes));
    let drained = changed(&replica) - first;
    report("drain", drained as f64 / began.elapsed().as_secs_f64(), "changes/s", "≥ 30,000");
    let found = verify::verify(&settings.postgres, &folder, &keys, Duration::from_secs(120)).expect("compared");
    assert!(found.is_equal(), "{found}");
    println!("{found}");
    drop(replica);
    let _ = std::fs::remove_dir_all(&folder);
}

/// Thirty changes of one transaction of the backlog, by its number `n`.
fn one() -> &'static str {
    "UPDATE public.cases SET version = version + 1 WHERE receipt IN
        (SELECT '4401' || lpad((1 + n * 30 + k)::text, 11, '0') FROM generate_series(0, 29) k);"
}

/// The way from a commit to a look-up that sees it, at 200 transactions a second.
fn lag(cluster: &Cluster, replica: &Arc<Replica>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut waits = runtime.block_on(async {
        let at = cluster.superuser("primary");
        let (client, connection) =
            tokio_postgres::connect(&at, tokio_postgres::NoTls).await.expect("the server answers");
        tokio::spawn(async move { drop(connection.await) });
        let mut waits = Vec::new();
        for n in 0..2000u32 {
            let began = Instant::now();
            let number = format!("4401{:011}", 1 + n % 1000);
            let version = 1000 + u64::from(n);
            let sql = format!("UPDATE public.cases SET version = {version} WHERE receipt = '{number}'");
            client.batch_execute(&sql).await.expect("committed");
            let committed = Instant::now();
            let receipt = receipt(&number);
            while !sees(replica, &receipt, version).await {
                tokio::time::sleep(Duration::from_micros(100)).await;
                assert!(committed.elapsed() < Duration::from_secs(30), "a change never came");
            }
            waits.push(committed.elapsed());
            tokio::time::sleep(Duration::from_millis(5).saturating_sub(began.elapsed())).await;
        }
        waits
    });
    waits.sort();
    let at = |share: usize| waits[waits.len() * share / 100].as_secs_f64() * 1000.0;
    report("commit to readable, p50", at(50), "ms", "≤ 10");
    report("commit to readable, p99", at(99), "ms", "≤ 250");
}

async fn sees(replica: &Replica, receipt: &Receipt, version: u64) -> bool {
    match replica.look_up(receipt, &Proof::Paper).await {
        Answer::Found { case, .. } => case.version == version,
        Answer::NotFound | Answer::Unavailable => false,
    }
}

fn receipt(number: &str) -> Receipt {
    let text = "name = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\ncheck = \"none\"\nsecond_factor = \"id_tail\"";
    let format: ReceiptFormat = toml::from_str(text).expect("sound");
    Formats::new(vec![format]).expect("sound").from_keys(number).expect("fits")
}

fn changed(replica: &Replica) -> u64 {
    replica.metrics().upstream.changes.load(std::sync::atomic::Ordering::Relaxed)
}

fn await_true(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(600);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn report(what: &str, value: f64, unit: &str, target: &str) {
    println!("{what:<28} {value:>12.1} {unit:<10} target {target}");
}
