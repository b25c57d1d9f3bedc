//! The system of record of a drill: an office at work, and the truth that the copy is held against.
//!
//! ```text
//!  truth ── every few ms: some cases move on, some are new ──► a batch file ──► spool/ of the node
//!    └──────────────────────────── compared with ◄────────── replica.sqlite3 ◄────┘
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use inquiry::{Keys, Stage};
use jiff::{SignedDuration, Timestamp};
use replica::{BatchHeader, CaseRecord, FeedLine, Row};

use super::gate::Gate;
use support::gateway::{jindu, temporary_folder};

/// An office that feeds one node through its spool.
pub(crate) struct Office {
    shared: Arc<Shared>,
    work: Option<Work>,
}

/// The office at work, until it is dropped.
struct Work {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, None | Some(Ok(()))) || std::thread::panicking(), "the office closes");
    }
}

struct Shared {
    spool: PathBuf,
    /// Seals the batches and loses its way with them; none: plain files, straight into the spool.
    gate: Option<Gate>,
    truth: Mutex<Truth>,
    stop: AtomicBool,
    away: AtomicBool,
    /// How far the office's clock is ahead of the test's, in seconds.
    ahead_s: AtomicI64,
    changes: AtomicU64,
}

/// Every case as the upstream has it.
pub(crate) struct Truth {
    cases: BTreeMap<String, CaseRecord>,
    receipts: Vec<String>,
    sequence: u64,
    random: u64,
}

/// A case that the office leaves alone, for those who ask.
pub(crate) struct Still {
    pub(crate) receipt: String,
    pub(crate) tail: String,
}

impl Office {
    /// Fills a node's spool with so many cases, before the node is started.
    pub(crate) fn open(data: &Path, cases: usize, gate: Option<Gate>) -> Office {
        let spool = data.join("spool");
        fs::create_dir_all(&spool).expect("a folder can be made");
        let truth = Truth::sample(cases);
        let shared = Shared {
            spool,
            gate,
            truth: Mutex::new(truth),
            stop: AtomicBool::new(false),
            away: AtomicBool::new(false),
            ahead_s: AtomicI64::new(0),
            changes: AtomicU64::new(0),
        };
        let office = Office { shared: Arc::new(shared), work: None };
        let first: Vec<CaseRecord> = office.shared.truth.lock().expect("truth").cases.values().cloned().collect();
        office.shared.send(&first);
        office
    }

    /// Goes to work: a batch of changes at every interval.
    pub(crate) fn work(&mut self, every: Duration) {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now();
            while !shared.stop.load(Ordering::Relaxed) {
                if !shared.away.load(Ordering::Relaxed) {
                    let batch = shared.truth.lock().expect("truth").change(CHANGES);
                    shared.changes.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    shared.send(&batch);
                }
                next += every;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        self.work = Some(Work { shared: Arc::clone(&self.shared), thread: Some(thread) });
    }

    /// The line to the node is cut, or not any more.
    pub(crate) fn is_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    /// So much time has passed at the office, too.
    pub(crate) fn time_has_passed(&self, time: Duration) {
        self.shared.ahead_s.store(i64::try_from(time.as_secs()).expect("short"), Ordering::SeqCst);
    }

    pub(crate) fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Relaxed)
    }

    /// Cases that are `ready` and stay so.
    pub(crate) fn still(&self) -> Vec<Still> {
        let truth = self.shared.truth.lock().expect("truth");
        let of = |receipt: &String| {
            let case = &truth.cases[receipt];
            Still { receipt: receipt.clone(), tail: case.id_tail.clone().unwrap_or_default().replace('X', "*") }
        };
        truth.receipts[..STILL].iter().map(of).collect()
    }

    /// Ends the day; what is true then.
    pub(crate) fn close(self) -> Truth {
        drop(self.work);
        let shared = Arc::into_inner(self.shared).expect("no other thread holds it");
        if let Some(gate) = &shared.gate {
            gate.deliver_all(&shared.spool);
        }
        shared.truth.into_inner().expect("truth")
    }
}

impl Shared {
    /// Puts a batch into the spool, as a one-way gate does: whole, and again until it is there.
    fn send(&self, batch: &[CaseRecord]) {
        let sequence = {
            let mut truth = self.truth.lock().expect("truth");
            truth.sequence += 1;
            truth.sequence
        };
        if let Some(gate) = &self.gate {
            return gate.send(batch, sequence, &self.spool);
        }
        let as_of = Timestamp::now() + SignedDuration::from_secs(self.ahead_s.load(Ordering::SeqCst));
        let header = BatchHeader {
            source: Some("intranet".into()),
            sequence: Some(sequence),
            as_of,
            cases: Some(batch.len() as u64),
        };
        let lines = std::iter::once(header.to_line()).chain(batch.iter().map(CaseRecord::to_line));
        let text: String = lines.map(|line| line + "\n").collect();
        let (draft, name) =
            (self.spool.join(format!("{sequence:08}.tmp")), self.spool.join(format!("{sequence:08}.ndjson")));
        while fs::write(&draft, &text).and_then(|()| fs::rename(&draft, &name)).is_err() {
            if self.stop.load(Ordering::Relaxed) {
                panic!("the last batch could not be delivered");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Truth {
    /// The program's own sample; the first cases are ready and are left alone.
    fn sample(cases: usize) -> Truth {
        let scratch = temporary_folder("sample");
        let made =
            jindu(&scratch).args(["sample", "--seed", "5", "--out", "-", "--cases", &cases.to_string()]).output();
        let made = made.expect("the program runs");
        let _ = fs::remove_dir_all(&scratch);
        let mut records = Vec::new();
        for (n, line) in made.stdout.split(|byte| *byte == b'\n').enumerate() {
            if let Ok(FeedLine::Case(case)) = FeedLine::read(line, n as u64 + 1) {
                records.push(*case);
            }
        }
        assert_eq!(records.len(), cases, "{}", String::from_utf8_lossy(&made.stderr));
        let receipts: Vec<String> = records.iter().map(|case| case.receipt.clone()).collect();
        for case in &mut records[..STILL] {
            case.stage = Stage::Ready;
            case.minor = false;
            case.pauses.clear();
            case.waybill_tail = None;
            case.items.clear();
        }
        let cases = records.into_iter().map(|case| (case.receipt.clone(), case)).collect();
        Truth { cases, receipts, sequence: 0, random: 88_172_645_463_325_252 }
    }

    /// Moves some cases on, and adds one now and then.
    fn change(&mut self, n: usize) -> Vec<CaseRecord> {
        let mut batch = BTreeMap::new();
        for _ in 0..n {
            let old = STILL + self.draw(self.receipts.len() - STILL);
            let mut case = self.cases[&self.receipts[old]].clone();
            if self.draw(10) == 0 {
                let number = case.receipt[8..].parse::<u64>().unwrap_or(0) + self.sequence;
                case.receipt = format!("{}{:07}", &case.receipt[..8], number % 10_000_000);
            }
            let before = self.cases.get(&case.receipt).map(|before| before.version);
            case.version = before.unwrap_or(0) + 1;
            case.stage = Stage::ALL[self.draw(Stage::ALL.len())];
            if before.is_none() {
                self.receipts.push(case.receipt.clone());
            }
            self.cases.insert(case.receipt.clone(), case.clone());
            batch.insert(case.receipt.clone(), case);
        }
        batch.into_values().collect()
    }

    /// Xorshift (Marsaglia 2003): the same office in every run.
    fn draw(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below as u64).expect("below a usize")
    }

    pub(crate) fn len(&self) -> usize {
        self.cases.len()
    }

    /// Row for row, what the copy in a data folder has otherwise.
    pub(crate) fn differences(&self, data: &Path) -> Result<Vec<String>, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let keys = Keys::new(&replica_store::secret(data).map_err(|error| told(&error))?);
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let copy = rusqlite::Connection::open_with_flags(data.join("replica.sqlite3"), flags);
        let copy = copy.map_err(|error| told(&error))?;
        let mut select = copy.prepare("SELECT key, row FROM cases").map_err(|error| told(&error))?;
        let rows = select.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let rows: Result<BTreeMap<i64, Vec<u8>>, _> = rows.map_err(|error| told(&error))?.collect();
        let mut rows = rows.map_err(|error| told(&error))?;
        let mut differences = Vec::new();
        for case in self.cases.values() {
            let expected = case.to_row(&keys).map_err(|error| told(&error))?;
            let found = rows.remove(&expected.at.key).map(|bytes| Row::decode(expected.at.key, &bytes));
            match found {
                Some(Ok(row)) if row == expected => {}
                Some(Ok(row)) => {
                    let versions = (row.case.version, expected.case.version);
                    differences.push(format!("…{}: version {versions:?}", &case.receipt[11..]));
                }
                Some(Err(error)) => differences.push(format!("…{}: {error}", &case.receipt[11..])),
                None => differences.push(format!("…{}: not there", &case.receipt[11..])),
            }
        }
        differences.extend(rows.keys().map(|key| format!("key {key}: no such case")));
        Ok(differences)
    }
}

/// Cases that the office leaves alone.
const STILL: usize = 40;
/// Changes in a batch.
const CHANGES: usize = 20;
