//! What the one-way gate costs: `cargo bench --bench feed [-- CASES]`.
//!
//! Packs a living office's snapshot and as many changes as it has cases, signed and compressed; then has a node take them, and
//! prints rows a second. The limit in the same run: the same number of rows inserted into SQLite by one statement each, one
//! transaction for each file, synced alike. Asserted: every file is taken and none is refused. Compare figures of one run only.

use std::path::Path;
use std::time::{Duration, Instant};

use feed::Packer;
use feed::keys::{self, PrivateKey};
use inquiry::{Keys, WorkingDays};
use jiff::civil::{Date, date};
use replica::gate::{GateKey, GateKeys};
use replica::{Event, SimulatedOffice};
use replica_store::{Replica, Role, secret};

const TODAY: Date = date(2026, 11, 23);
const LINES_A_FILE: u64 = 1_000;

fn main() {
    let cases = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(200_000);
    let folder = std::env::temp_dir().join(format!("jindu-bench-feed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    run(&folder, cases);
    let _ = std::fs::remove_dir_all(&folder);
}

fn run(folder: &Path, cases: u64) {
    keys::make(folder, "bench").expect("a new folder");
    let key = PrivateKey::read(&folder.join("bench.key")).expect("just made");
    let (name, public) = keys::public(&folder.join("bench.pub")).expect("just made");
    let known = GateKeys::new(vec![GateKey { name, public, first_sequence: 1, last_sequence: u64::MAX }]);
    let spool = folder.join("spool");
    let mut packer = Packer::open(&spool, Some("bench"), Some(key), false).expect("a new folder");
    let calendar = WorkingDays::new(date(2026, 12, 31), [], []);
    let mut office = SimulatedOffice::new(cases, 1, TODAY, &calendar);

    timed("pack the snapshot", cases, || drop(feed::snapshot(&mut packer, &office).expect("room on the disk")));
    let first = timed("take the snapshot", cases, || take(folder, &known, cases));
    let mut deleted = 0;
    timed("pack the changes", cases, || {
        for _ in 0..cases / LINES_A_FILE {
            let events: Vec<Event> = (0..LINES_A_FILE).map(|_| office.step(TODAY)).collect();
            deleted += events.iter().filter(|event| matches!(event, Event::Gone(_))).count();
            drop(feed::changes(&mut packer, &events).expect("room on the disk"));
        }
    });
    drop(packer);
    let changes = timed("take the changes", cases, || take(folder, &known, office.len() as u64));
    println!("{:28} {deleted} deletes among them", "");
    let plain = timed("plain inserts into SQLite", cases, || inserts(&folder.join("plain.sqlite3"), cases));
    println!("{:28} snapshot {:.2}, changes {:.2} of the plain inserts' rate", "ratio", plain / first, plain / changes);
}

/// Opens a node whose spool is full, and waits until it has taken everything.
fn take(folder: &Path, known: &GateKeys, rows: u64) {
    let settings = config::Replica {
        source: config::Source::Spool,
        scrub_rows_per_second: 1_000_000,
        reader_threads: 1,
        cache_entries: 1_000,
        look_up_timeout: Duration::from_secs(5),
        look_ups_waiting_max: 1000,
        spool_poll: Duration::from_millis(20),
        spool_source: None,
        spool_settle: Duration::from_secs(10),
        spool_gap: Duration::from_secs(30),
        spool_keep: Duration::from_secs(3600),
        keys: known.clone(),
        formats: vec![replica::sample::format()],
        postgres: config::Postgres::default(),
    };
    let keys = Keys::new(&secret(folder).expect("a secret"));
    let replica =
        Replica::open(folder, &settings, keys, Role::Serve { sample_heartbeat: false }).expect("a data folder");
    let metrics = replica.metrics();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    while count(&metrics.rows) != rows || count(&metrics.feed.waiting_files) > 0 {
        assert_eq!(count(&metrics.batches_rejected), 0);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn inserts(path: &Path, rows: u64) {
    let mut connection = rusqlite::Connection::open(path).expect("a new file");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
             CREATE TABLE cases (key INTEGER PRIMARY KEY, version INTEGER NOT NULL, row BLOB NOT NULL) STRICT;",
        )
        .expect("a new file");
    let row = [7u8; 47];
    for file in 0..rows / LINES_A_FILE {
        let transaction = connection.transaction().expect("no other writer");
        {
            let mut insert =
                transaction.prepare_cached("INSERT OR REPLACE INTO cases VALUES (?1, 1, ?2)").expect("sound");
            for n in 0..LINES_A_FILE {
                // Keys are keyed hashes: anywhere in the table.
                let key = (file * LINES_A_FILE + n).wrapping_mul(0x9E37_79B9_7F4A_7C15).cast_signed();
                insert.execute((key, row)).expect("room on the disk");
            }
        }
        transaction.commit().expect("room on the disk");
    }
}

/// Seconds.
fn timed<T>(name: &str, rows: u64, work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    drop(work());
    let took = start.elapsed().as_secs_f64();
    println!("{name:28} {took:.2} s, {:.0} rows/s", rows as f64 / took);
    took
}
