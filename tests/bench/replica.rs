//! What the replica costs: `cargo bench --bench replica [-- CASES]`.
//!
//! Prints the first load, the start with data present, the size on disk, and look-ups from the file and from memory,
//! beside what bare SQLite does on one thread. Every look-up must find its case; compare figures of one run only.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inquiry::{Answer, Factor, Formats, Keys, Proof, Receipt, SecondFactor, WorkingDays};
use jiff::civil::{Date, date};
use replica::gate::GateKeys;
use replica::sample;
use replica_store::{Replica, Role, secret};

const TODAY: Date = date(2026, 11, 23);

fn main() {
    let cases = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(50_000);
    let folder = std::env::temp_dir().join(format!("jindu-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    run(&folder, cases);
    let _ = std::fs::remove_dir_all(&folder);
}

fn run(folder: &Path, cases: u64) {
    let keys = Keys::new(&secret(folder).expect("a secret"));
    let calendar = WorkingDays::new(date(2026, 12, 31), [], []);
    let replica = timed("open an empty folder", || open(folder, &keys));
    let applied =
        timed("load the sample", || replica.fill_sample(cases, 1, TODAY, &calendar).expect("room on the disk"));
    println!("{:28} {applied}", "");
    drop(replica);
    let replica = timed("open with data", || open(folder, &keys));
    let bytes = std::fs::metadata(folder.join("replica.sqlite3")).map_or(0, |file| file.len());
    println!("{:28} {:.1} bytes a case", "size", bytes as f64 / cases as f64);

    let asked = asked(cases.min(50_000), &calendar);
    from_file("from the file", &replica, &asked);
    let replica = open_without_cache(folder, &keys, replica);
    from_file("from the file, warm", &replica, &asked);
    many_from_file("the same, 64 at once", &replica, &asked);
    bare("bare SQLite, one thread", folder, &keys, &asked);
    beside_a_writer(folder, &replica, &asked, cases, &calendar);
    drop(replica);
    let replica = open(folder, &keys);
    from_file("into memory", &replica, &asked);
    for (name, paper) in [("from memory, with factor", false), ("from memory, by paper", true)] {
        from_memory(name, &replica, &asked, paper);
    }
}

fn open(folder: &Path, keys: &Keys) -> Arc<Replica> {
    opened(folder, keys, 200_000)
}

/// With hardly any memory of its own, so that each look-up reads the file; the system keeps the file's pages.
fn open_without_cache(folder: &Path, keys: &Keys, before: Arc<Replica>) -> Arc<Replica> {
    drop(before);
    opened(folder, keys, 100)
}

fn opened(folder: &Path, keys: &Keys, cache_entries: usize) -> Arc<Replica> {
    let settings = config::Replica {
        reader_threads: 2,
        cache_entries,
        look_up_timeout: Duration::from_secs(5),
        look_ups_waiting_max: 1000,
        // What is measured is the look-up; the scrub costs a node about 1 µs a row, at the rate that its settings name.
        scrub_rows_per_second: 1_000,
        source: config::Source::Spool,
        spool_poll: Duration::from_millis(500),
        postgres: config::Postgres::default(),
        spool_source: None,
        spool_settle: Duration::from_secs(10),
        spool_gap: Duration::from_secs(30),
        spool_keep: Duration::from_secs(3600),
        keys: GateKeys::default(),
        formats: vec![sample::format()],
    };
    Replica::open(folder, &settings, keys.clone(), Role::Serve { sample_heartbeat: true }).expect("a data folder")
}

fn asked(cases: u64, calendar: &WorkingDays) -> Vec<(Receipt, Proof)> {
    let formats = Formats::new(vec![sample::format()]).expect("sound");
    let one = |case: replica::CaseRecord| {
        let tail = case.id_tail.expect("the sample has tails");
        let factor = Factor::read(SecondFactor::IdTail, &tail).expect("four characters");
        (formats.from_keys(&case.receipt).expect("fits"), Proof::Factor(factor))
    };
    sample::cases(cases, 1, TODAY, calendar).map(one).collect()
}

/// 2,000 changes a second in ten batches, while the same look-ups go on.
fn beside_a_writer(
    folder: &Path,
    replica: &Arc<Replica>,
    asked: &[(Receipt, Proof)],
    cases: u64,
    calendar: &WorkingDays,
) {
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, stopped, file) = (replica.clone(), stop.clone(), folder.join("changes.ndjson"));
    let mut changes = sample::cases(cases.min(400_000), 1, TODAY, calendar).collect::<Vec<_>>().into_iter().cycle();
    let thread = std::thread::spawn(move || {
        let (mut applied, began) = (0u32, Instant::now());
        while !stopped.load(Ordering::Relaxed) {
            let as_of = jiff::Timestamp::now();
            let mut text = format!("{{\"batch\":{{\"source\":\"sample\",\"as_of\":\"{as_of}\"}}}}\n");
            for mut case in changes.by_ref().step_by(97).take(200) {
                case.version += 1_000 + u64::from(applied);
                text.push_str(&case.to_line());
                text.push('\n');
            }
            std::fs::write(&file, text).expect("room");
            writer.apply_file(&file).expect("sound");
            applied += 200;
            std::thread::sleep(
                (began + Duration::from_millis(u64::from(applied) / 2)).saturating_duration_since(Instant::now()),
            );
        }
        (applied, began.elapsed())
    });
    for _ in 0..3 {
        from_file("… with a writer", replica, asked);
    }
    stop.store(true, Ordering::Relaxed);
    let (applied, took) = thread.join().expect("the writer ends well");
    println!("{:28} {:.0} changes a second", "the writer", f64::from(applied) / took.as_secs_f64());
    let log = std::fs::metadata(folder.join("replica.sqlite3-wal")).map_or(0, |log| log.len());
    println!("{:28} {} MiB", "its log", log >> 20);
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().unwrap_or(0))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn from_file(name: &str, replica: &Replica, asked: &[(Receipt, Proof)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let one = |(receipt, proof): &(Receipt, Proof)| {
        let start = Instant::now();
        assert!(matches!(runtime.block_on(replica.look_up(receipt, proof)), Answer::Found { .. }));
        start.elapsed()
    };
    let before = cpu();
    let mut took: Vec<Duration> = asked.iter().map(one).collect();
    let spent = (cpu() - before).as_secs_f64().max(0.001);
    took.sort();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("{name:28} p50 {p50:?}, p99 {p99:?}, {:.0} a CPU-second", took.len() as f64 / spent);
}

/// As many look-ups at once as a busy node has in progress: the cost of one without a wake-up of its own.
fn many_from_file(name: &str, replica: &Arc<Replica>, asked: &[(Receipt, Proof)]) {
    const AT_ONCE: usize = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (before, began) = (cpu(), Instant::now());
    runtime.block_on(async {
        let each = |part: &[(Receipt, Proof)]| {
            let (replica, part) = (replica.clone(), part.to_vec());
            tokio::spawn(async move {
                for (receipt, proof) in &part {
                    assert!(matches!(replica.look_up(receipt, proof).await, Answer::Found { .. }));
                }
            })
        };
        let tasks: Vec<_> = asked.chunks(asked.len().div_ceil(AT_ONCE)).map(each).collect();
        for task in tasks {
            task.await.expect("every look-up found its case");
        }
    });
    let (spent, took) = ((cpu() - before).as_secs_f64().max(0.001), began.elapsed().as_secs_f64());
    let count = asked.len() as f64;
    println!("{name:28} {:.0} a second, {:.0} a CPU-second", count / took, count / spent);
}

/// The limit: one prepared statement on one thread, without queue, judgement or decoding.
fn bare(name: &str, folder: &Path, keys: &Keys, asked: &[(Receipt, Proof)]) {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        rusqlite::Connection::open_with_flags(folder.join("replica.sqlite3"), flags).expect("a replica is there");
    connection.execute_batch("PRAGMA cache_size = -16384;").expect("sound");
    let mut select = connection.prepare("SELECT row FROM cases WHERE key = ?1").expect("a table of cases");
    let before = cpu();
    for (receipt, _) in asked {
        let key = keys.row(receipt.number.expose()).key;
        let row: Vec<u8> = select.query_row([key], |row| row.get(0)).expect("the case is there");
        assert!(!row.is_empty());
    }
    println!("{name:28} {:.0} a CPU-second", asked.len() as f64 / (cpu() - before).as_secs_f64().max(0.001));
}

fn from_memory(name: &str, replica: &Replica, asked: &[(Receipt, Proof)], paper: bool) {
    const ROUNDS: u32 = 10;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for (receipt, proof) in asked {
            let proof = if paper { &Proof::Paper } else { proof };
            assert!(matches!(replica.cached(receipt, proof), Some(Answer::Found { .. })));
        }
    }
    println!("{name:28} {:?} each", start.elapsed() / (ROUNDS * asked.len() as u32));
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{name:28} {:?}", start.elapsed());
    result
}
