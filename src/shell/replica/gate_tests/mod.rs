//! The one-way gate on real files: whatever happens to them on the way, the replica ends as the upstream is.

mod any_order;
mod archive;
mod holding;
mod lost;
mod order;
mod verification;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use inquiry::Keys;
use replica::gate::{self, FORMAT, FeedHeader, FileKind, GateKey, GateKeys, Hash, Seal};
use replica::{CaseRecord, Event, SimulatedOffice};
use support::calendar::notices_of_2026;
use support::folder::{Folder, comes};

use crate::file::store;
use crate::spool::alarms::FeedAlarm;
use crate::spool::archive as spool;
use crate::spool::watcher::SpoolWatcher;
use crate::test_replica::{SECRET, open, settings, total};
use crate::write::handle::WriterHandle;
use crate::write::writer::Writer;
use crate::*;

const TODAY: Date = date(2026, 11, 23);

/// An upstream with an office, whose files are kept as bytes until the test sends them.
struct Upstream {
    office: SimulatedOffice,
    sequence: u64,
    hash: Hash,
    as_of: Timestamp,
    key: Option<(String, SigningKey)>,
}

/// A file as it leaves the upstream.
#[derive(Clone)]
struct Sent {
    name: String,
    bytes: Vec<u8>,
    hash: Hash,
}

impl Upstream {
    fn new(cases: u64) -> Upstream {
        let office = SimulatedOffice::new(cases, 1, TODAY, &notices_of_2026());
        let hours_ago = Timestamp::now() - SignedDuration::from_hours(20);
        let as_of = Timestamp::from_second(hours_ago.as_second()).unwrap();
        Upstream { office, sequence: 0, hash: Hash::NONE, as_of, key: None }
    }

    fn signed(cases: u64, name: &str, byte: u8) -> Upstream {
        let key = SigningKey::from_bytes(&[byte; 32]);
        Upstream { key: Some((name.into(), key)), ..Upstream::new(cases) }
    }

    fn snapshot(&mut self) -> Sent {
        let lines: Vec<String> = self.office.cases().map(CaseRecord::to_line).collect();
        self.file(FileKind::Snapshot, &lines)
    }

    fn changes(&mut self, n: usize) -> Sent {
        let lines: Vec<String> = (0..n)
            .map(|_| match self.office.step(TODAY) {
                Event::Put(case) => case.to_line(),
                Event::Gone(case) => gate::delete_line(&case.receipt),
            })
            .collect();
        self.file(FileKind::Changes, &lines)
    }

    fn file(&mut self, kind: FileKind, lines: &[String]) -> Sent {
        self.as_of += SignedDuration::from_secs(1);
        let header = FeedHeader {
            format: FORMAT,
            source: "intranet".into(),
            sequence: self.sequence + 1,
            kind,
            previous: self.hash,
            as_of: self.as_of,
            lines: lines.len() as u64,
        };
        let sent = self.sealed(&header, lines);
        (self.sequence, self.hash) = (header.sequence, sent.hash);
        sent
    }

    fn sealed(&self, header: &FeedHeader, lines: &[String]) -> Sent {
        use sha2::{Digest, Sha256};
        let content: String = std::iter::once(&header.to_line()).chain(lines).map(|line| format!("{line}\n")).collect();
        let hash = Hash(Sha256::digest(&content).into());
        let seal = match &self.key {
            Some((name, key)) => gate::sign(hash, name, key),
            None => Seal { sha256: hash, key: None, signature: None },
        };
        let text = format!("{content}{}\n", seal.to_line());
        let (bytes, end) = match header.sequence % 2 {
            0 => (text.into_bytes(), "ndjson"),
            _ => (zstd::encode_all(text.as_bytes(), 1).unwrap(), "ndjson.zst"),
        };
        Sent { name: format!("f{:04}.{end}", header.sequence), bytes, hash }
    }

    fn truth(&self) -> BTreeMap<i64, Vec<u8>> {
        let keys = Keys::new(&SECRET);
        let row = |case: &CaseRecord| case.to_row(&keys).map(|row| (row.at.key, row.encode())).unwrap();
        self.office.cases().map(row).collect()
    }
}

/// The receiving node. Its fields are dropped in this order, since a replica waits for the handles to its writer.
struct Node {
    spool: SpoolWatcher,
    replica: Arc<Replica>,
    folder: Folder,
    settings: config::Replica,
}

impl Node {
    fn new() -> Node {
        Node::with(settings())
    }

    fn with(settings: config::Replica) -> Node {
        let folder = Folder::new();
        let replica = open(&folder, Role::Load);
        let spool = SpoolWatcher::open(folder.path(), settings.clone(), writer(&replica)).unwrap();
        Node { folder, replica, spool, settings }
    }

    fn keyed(keys: Vec<GateKey>) -> Node {
        Node::with(config::Replica { keys: GateKeys::new(keys), ..settings() })
    }

    /// Stops and starts again.
    fn restart(self) -> Node {
        let Node { folder, replica, spool, settings } = self;
        drop(spool);
        drop(replica);
        let replica = open(&folder, Role::Load);
        let spool = SpoolWatcher::open(folder.path(), settings.clone(), writer(&replica)).unwrap();
        Node { folder, replica, spool, settings }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(spool::path(self.folder.path()).join(name), bytes).unwrap();
    }

    fn send(&self, files: &[&Sent]) {
        files.iter().for_each(|sent| self.put(&sent.name, &sent.bytes));
    }

    fn look(&mut self) {
        while self.spool.step().unwrap() {}
    }

    /// Sends files and looks.
    fn takes(&mut self, files: &[&Sent]) {
        self.send(files);
        self.look();
    }

    fn alarm(&self, kind: FeedAlarm) -> bool {
        self.replica.alarms().iter().any(|alarm| alarm.kind == kind.name())
    }

    fn is_held(&self) -> bool {
        self.replica.alarms().iter().any(|alarm| alarm.kind == "held")
    }

    /// The replica holds exactly these cases; only the number of differences is printed, no row.
    #[track_caller]
    fn holds(&self, truth: &BTreeMap<i64, Vec<u8>>) {
        let rows = self.rows();
        let wrong = truth.iter().filter(|(key, row)| rows.get(*key) != Some(*row)).count();
        let more = rows.keys().filter(|key| !truth.contains_key(key)).count();
        assert_eq!((wrong, more), (0, 0), "of {} cases, at {:?}; {:?}", truth.len(), self.sequence(), self.refused());
    }

    fn rows(&self) -> BTreeMap<i64, Vec<u8>> {
        let file = Connection::open(self.folder.path().join("replica.sqlite3")).unwrap();
        let mut select = file.prepare("SELECT key, row FROM cases").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    fn sequence(&self) -> Option<u64> {
        writer(&self.replica).mark().and_then(|mark| mark.sequence)
    }

    fn refused(&self) -> Vec<String> {
        let folder = spool::rejected(self.folder.path());
        let mut why: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "why"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        why.sort();
        why
    }

    fn left(&self) -> usize {
        self.left_but("\0")
    }

    /// The same without files whose names begin in a certain way.
    fn left_but(&self, start: &str) -> usize {
        let names = fs::read_dir(spool::path(self.folder.path())).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| feed::is_feed_name(name) && !name.to_string_lossy().starts_with(start)).count()
    }
}

fn writer(replica: &Replica) -> WriterHandle {
    replica.writer.clone().expect("a writer")
}

fn key(name: &str, byte: u8, first: u64, last: u64) -> GateKey {
    let public = SigningKey::from_bytes(&[byte; 32]).verifying_key();
    GateKey { name: name.into(), public, first_sequence: first, last_sequence: last }
}

fn header(upstream: &Upstream) -> FeedHeader {
    FeedHeader {
        format: FORMAT,
        source: "intranet".into(),
        sequence: upstream.sequence + 1,
        kind: FileKind::Changes,
        previous: upstream.hash,
        as_of: upstream.as_of,
        lines: 0,
    }
}
