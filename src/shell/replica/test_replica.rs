//! A replica on real files, and cases for it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;

use inquiry::{Answer, Factor, Formats, Keys, Proof, Receipt, SecondFactor, Stage};
use replica::{BatchHeader, CaseRecord, Change, Mark, sample};
use support::calendar::notices_of_2026;
use support::folder::Folder;

use crate::look_up::{Replica, Role};
use crate::write::batch::{Applied, Batch, Changes};

pub(crate) const SECRET: [u8; 32] = [9; 32];

pub(crate) fn settings() -> config::Replica {
    config::Replica {
        source: config::Source::Spool,
        reader_threads: 2,
        cache_entries: 1000,
        look_up_timeout: Duration::from_secs(20),
        look_ups_waiting_max: 64,
        scrub_rows_per_second: 100_000,
        spool_poll: Duration::from_millis(2),
        postgres: config::Postgres::default(),
        spool_source: None,
        spool_settle: Duration::from_secs(3600),
        spool_gap: Duration::from_secs(3600),
        spool_keep: Duration::from_secs(3600),
        keys: replica::gate::GateKeys::default(),
        formats: vec![sample::format()],
    }
}

pub(crate) fn open(folder: &Folder, role: Role) -> Arc<Replica> {
    Replica::open(folder.path(), &settings(), Keys::new(&SECRET), role).expect("a writable folder")
}

pub(crate) fn case(n: u32, stage: Stage, version: u64) -> CaseRecord {
    static EXAMPLE: LazyLock<CaseRecord> =
        LazyLock::new(|| sample::cases(1, 1, date(2026, 11, 23), &notices_of_2026()).next().expect("one"));
    let mut case = EXAMPLE.clone();
    case.receipt = format!("4401{n:011}");
    case.id_tail = Some("123X".into());
    (case.stage, case.version) = (stage, version);
    case
}

/// A batch of cases that are made while it is applied.
pub(crate) fn cases(header: BatchHeader, cases: impl Iterator<Item = CaseRecord> + Send + 'static) -> Batch {
    let changes = Box::new(cases.map(|case| Ok(Change::Put(case))));
    Batch::Changes(Changes { mark: Mark::after(None, &header), deletes: 0, changes })
}

pub(crate) fn header(second: i64) -> BatchHeader {
    BatchHeader { as_of: at(second), ..BatchHeader::default() }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number")
}

pub(crate) fn text(header: Option<BatchHeader>, cases: &[CaseRecord]) -> String {
    let header = header.map(|header| header.to_line());
    header.into_iter().chain(cases.iter().map(CaseRecord::to_line)).map(|line| line + "\n").collect()
}

pub(crate) fn file(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.path().join("batch.ndjson");
    fs::write(&path, text).expect("writable");
    path
}

pub(crate) fn put(replica: &Replica, folder: &Folder, second: i64, cases: &[CaseRecord]) -> Applied {
    replica.apply_file(&file(folder, &text(Some(header(second)), cases))).expect("a sound batch")
}

pub(crate) fn receipt(n: u32) -> Receipt {
    let formats = Formats::new(vec![sample::format()]).expect("sound");
    formats.from_keys(&format!("4401{n:011}")).expect("fits")
}

pub(crate) fn tail(entry: &str) -> Proof {
    Proof::Factor(Factor::read(SecondFactor::IdTail, entry).expect("four characters"))
}

pub(crate) fn ask(replica: &Replica, n: u32, proof: &Proof) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(replica.look_up(&receipt(n), proof))
}

pub(crate) fn stage(answer: &Answer) -> Option<Stage> {
    match answer {
        Answer::Found { case, .. } => Some(case.stage),
        Answer::NotFound | Answer::Unavailable => None,
    }
}

pub(crate) fn total(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
