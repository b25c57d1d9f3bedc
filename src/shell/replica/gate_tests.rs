//! The one-way gate on real files: whatever the way does to them, the copy ends as the upstream is.

mod lost;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::alarms::AlarmKind;
use super::feeding::Feeding;
use super::spool::{self, Spool};
use super::tests::{SECRET, open, settings, total};
use super::writer::{Task, Writer};
use super::*;
use config;
use replica::gate::{self, FORMAT, FeedHeader, FileKind, GateKey, GateKeys, Hash, Seal};
use replica::{CaseRecord, Event, SimulatedOffice};
use support::calendar::notices_of_2026;
use support::folder::{Folder, comes};

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

/// A node's end of the way. In this order its parts end: a replica waits for everybody who could still tell it something.
struct Node {
    spool: Spool,
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
        let spool = Spool::open(folder.path(), settings.clone(), feeding(&replica)).unwrap();
        Node { folder, replica, spool, settings }
    }

    fn keyed(keys: Vec<GateKey>) -> Node {
        Node::with(config::Replica { keys: GateKeys::new(keys), ..settings() })
    }

    /// Ends without a word, and starts again.
    fn restart(self) -> Node {
        let Node { folder, replica, spool, settings } = self;
        drop(spool);
        drop(replica);
        let replica = open(&folder, Role::Load);
        let spool = Spool::open(folder.path(), settings.clone(), feeding(&replica)).unwrap();
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

    fn alarm(&self, kind: AlarmKind) -> bool {
        self.replica.alarms().iter().any(|alarm| alarm.kind == kind.name())
    }

    fn is_held(&self) -> bool {
        self.replica.alarms().iter().any(|alarm| alarm.kind == "held")
    }

    /// The copy holds exactly these cases; how many differ is told, and no row.
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
        feeding(&self.replica).mark().and_then(|mark| mark.sequence)
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
        let names = fs::read_dir(spool::path(self.folder.path())).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| feed::is_feed_name(name)).count()
    }
}

fn feeding(replica: &Replica) -> Feeding {
    replica.feeding.clone().expect("a writer")
}

fn key(name: &str, byte: u8, first: u64, last: u64) -> GateKey {
    let public = SigningKey::from_bytes(&[byte; 32]).verifying_key();
    GateKey { name: name.into(), public, first_sequence: first, last_sequence: last }
}

#[test]
fn a_snapshot_and_the_changes_after_it_make_the_copy_what_the_upstream_is() {
    let (mut upstream, mut node) = (Upstream::new(3_000), Node::new());
    let first = upstream.snapshot();
    node.takes(&[&first]);
    node.holds(&upstream.truth());
    let next: Vec<Sent> = (0..5).map(|n| upstream.changes(n * 30)).collect();
    node.takes(&next.iter().collect::<Vec<_>>());
    node.holds(&upstream.truth());
    assert_eq!((node.sequence(), node.replica.as_of(), node.left()), (Some(6), Some(upstream.as_of), 0));
}

#[test]
fn a_snapshot_takes_away_what_is_not_in_it() {
    let (mut upstream, mut node) = (Upstream::new(300), Node::new());
    node.takes(&[&upstream.snapshot()]);
    // Changes that never arrive: some cases left, others came.
    drop(upstream.changes(60));
    node.takes(&[&upstream.snapshot()]);
    node.holds(&upstream.truth());
    assert_eq!(node.sequence(), Some(3));
}

#[test]
fn files_that_come_too_early_wait_for_the_missing_one_and_an_alarm_names_it() {
    let mut node = Node::with(config::Replica { spool_gap: Duration::ZERO, ..settings() });
    let mut upstream = Upstream::new(1_000);
    let files: Vec<Sent> = std::iter::once(upstream.snapshot()).chain((0..4).map(|_| upstream.changes(20))).collect();
    node.takes(&[&files[0], &files[4], &files[3], &files[1]]);
    assert_eq!((node.sequence(), node.left()), (Some(2), 2));
    assert!(node.alarm(AlarmKind::Gap));
    let alarms = node.replica.alarms();
    assert!(alarms[0].text.contains("intranet 3 is missing, and 2 files up to 5 wait"), "{alarms:?}");
    let metrics = node.replica.metrics();
    assert_eq!((total(&metrics.feed.waiting_files), total(&metrics.lag_rows)), (2, 40));
    node.takes(&[&files[2]]);
    node.holds(&upstream.truth());
    assert!(node.replica.alarms().is_empty());
}

#[test]
fn a_snapshot_newer_than_a_gap_goes_on_from_there() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let lost = upstream.changes(10);
    let (early, heals, late) = (upstream.changes(10), upstream.snapshot(), upstream.changes(10));
    node.takes(&[&early, &late]);
    assert_eq!(node.sequence(), Some(1));
    node.takes(&[&heals]);
    node.holds(&upstream.truth());
    node.takes(&[&lost]);
    assert_eq!((node.sequence(), node.left(), node.refused().len()), (Some(5), 0, 0));
    node.holds(&upstream.truth());
}

#[test]
fn a_repeat_is_put_away_and_another_content_under_a_number_is_refused() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    let (first, second, third) = (upstream.snapshot(), upstream.changes(10), upstream.changes(10));
    node.takes(&[&first, &second, &third]);
    for again in [&first, &second, &third] {
        node.takes(&[again]);
    }
    assert_eq!((node.left(), node.refused().len()), (0, 0));
    let mut other = Upstream::new(100);
    drop(other.snapshot());
    let (fork, _) = (other.changes(7), other.changes(3));
    node.takes(&[&fork]);
    assert!(node.refused()[0].contains("number 2 is in the copy with another content"), "{:?}", node.refused());
    assert!(node.alarm(AlarmKind::Refused));
    node.holds(&upstream.truth());
}

#[test]
fn a_repeat_is_known_after_a_restart_too() {
    let (mut upstream, mut node) = (Upstream::new(50), Node::new());
    let files = [upstream.snapshot(), upstream.changes(10), upstream.changes(10)];
    node.takes(&files.iter().collect::<Vec<_>>());
    let mut node = node.restart();
    node.takes(&[&files[1]]);
    let mut other = Upstream::new(50);
    drop(other.snapshot());
    node.takes(&[&other.changes(7)]);
    assert_eq!((node.left(), node.refused().len()), (0, 1));
}

#[test]
fn an_upstream_that_was_set_back_is_refused_until_it_sends_a_snapshot() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10), &upstream.changes(10)]);
    // From a backup of the time after its first file: its numbers are given again.
    let mut restored = Upstream { as_of: upstream.as_of, ..Upstream::new(100) };
    drop(restored.snapshot());
    let files: Vec<Sent> = (0..3).map(|_| restored.changes(10)).collect();
    node.takes(&files.iter().collect::<Vec<_>>());
    assert_eq!((node.sequence(), node.refused().len()), (Some(3), 3), "{:?}", node.refused());
    assert!(node.refused()[2].contains("number 4 does not follow"), "{:?}", node.refused());
    node.holds(&upstream.truth());
    node.takes(&[&restored.snapshot(), &restored.changes(10)]);
    node.holds(&restored.truth());
}

#[test]
fn a_snapshot_of_a_lower_number_and_a_later_time_begins_anew_and_an_old_one_does_not() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    let old = upstream.snapshot();
    node.takes(&[&old, &upstream.snapshot(), &upstream.changes(10)]);
    let before = node.rows();
    node.takes(&[&Sent { name: "again.ndjson".into(), ..old }]);
    node.holds(&before);
    assert_eq!(node.sequence(), Some(3));
    let mut anew = Upstream { as_of: upstream.as_of, ..Upstream::new(150) };
    node.takes(&[&anew.snapshot(), &anew.changes(10)]);
    node.holds(&anew.truth());
    assert_eq!(node.sequence(), Some(2));
}

#[test]
fn changes_without_a_beginning_wait_for_a_snapshot() {
    let (mut upstream, mut node) = (Upstream::new(50), Node::new());
    let (first, second) = (upstream.snapshot(), upstream.changes(10));
    node.takes(&[&second]);
    assert!(node.alarm(AlarmKind::NoStart) && node.sequence().is_none());
    node.takes(&[&first]);
    node.holds(&upstream.truth());
    assert!(!node.alarm(AlarmKind::NoStart));
}

#[test]
fn an_upstream_that_began_with_no_case_needs_no_snapshot_unless_the_copy_has_cases() {
    let (mut upstream, mut node) = (Upstream::new(0), Node::new());
    let files = [upstream.changes(30), upstream.changes(30)];
    node.takes(&files.iter().collect::<Vec<_>>());
    node.holds(&upstream.truth());

    let mut with_sample = Node::new();
    with_sample.replica.fill_sample(20, 1, TODAY, &notices_of_2026()).unwrap();
    with_sample.takes(&files.iter().collect::<Vec<_>>());
    assert!(with_sample.alarm(AlarmKind::NoStart));
    with_sample.takes(&[&upstream.snapshot()]);
    with_sample.holds(&upstream.truth());
}

#[test]
fn a_torn_file_waits_while_it_may_grow_and_is_refused_when_it_does_not() {
    let (mut upstream, mut node) = (Upstream::new(50), Node::new());
    let (first, second, third) = (upstream.snapshot(), upstream.changes(12), upstream.changes(12));
    node.takes(&[&first]);
    for part in [0, 10, second.bytes.len() / 2, second.bytes.len() - 3] {
        node.put("slow.ndjson", &second.bytes[..part]);
        node.look();
        assert_eq!((node.sequence(), node.left(), node.refused().len()), (Some(1), 1, 0), "{part} bytes");
    }
    node.put("slow.ndjson", &second.bytes);
    node.look();
    assert_eq!(node.sequence(), Some(2));

    for (cut, name) in [(0, "a.ndjson"), (10, "b.ndjson.zst"), (third.bytes.len() / 2, "c.ndjson"), (200, "d.ndjson")] {
        let mut hasty = Node::with(config::Replica { spool_settle: Duration::ZERO, ..settings() });
        hasty.takes(&[&first, &second]);
        hasty.put(name, &third.bytes[..cut]);
        hasty.look();
        assert!(hasty.refused()[0].contains("torn"), "{cut}: {:?}", hasty.refused());
        assert_eq!(hasty.rows().len(), node.rows().len(), "nothing of it was taken");
        hasty.put("any other name.ndjson", &third.bytes);
        hasty.look();
        hasty.holds(&upstream.truth());
    }
}

#[test]
fn a_file_that_was_changed_on_the_way_is_refused_and_a_good_one_takes_its_place() {
    let (mut upstream, mut node) = (Upstream::new(50), Node::new());
    let (first, second) = (upstream.snapshot(), upstream.changes(12));
    node.takes(&[&first]);
    let text = String::from_utf8(second.bytes.clone()).unwrap();
    let swapped = text.replacen("\"central\"", "\"western\"", 1).replacen("\"north\"", "\"south\"", 1);
    assert_ne!(swapped, text);
    let lines: Vec<&str> = text.lines().collect();
    let without_one = [&lines[..5], &lines[6..]].concat().join("\n");
    for changed in [swapped, without_one, format!("{text}{}\n", lines[1]), format!("{text}{text}")] {
        node.put("changed.ndjson", changed.as_bytes());
        node.look();
        assert_eq!(node.sequence(), Some(1));
    }
    assert_eq!(node.refused().len(), 4, "{:?}", node.refused());
    node.takes(&[&second]);
    node.holds(&upstream.truth());
}

#[test]
fn only_a_known_keys_seal_counts_in_its_turn() {
    let mut old = Upstream::signed(50, "k1", 1);
    let first = old.snapshot();
    let mut new = Upstream { key: Some(("k2".into(), SigningKey::from_bytes(&[2; 32]))), ..Upstream::signed(0, "", 0) };
    (new.office, new.sequence, new.hash, new.as_of) =
        (SimulatedOffice::new(50, 1, TODAY, &notices_of_2026()), 1, old.hash, old.as_of);
    let (by_old, by_new) = (old.changes(10), new.changes(10));

    // The old key is good for the first file only: what it signs after that is refused, and the new one's is taken.
    let mut node = Node::keyed(vec![key("k1", 1, 1, 1), key("k2", 2, 2, u64::MAX)]);
    node.takes(&[&first, &by_old]);
    assert_eq!(node.sequence(), Some(1));
    assert!(node.refused()[0].contains("key k1 is not good for sequence 2"), "{:?}", node.refused());
    node.takes(&[&by_new]);
    node.holds(&new.truth());
    assert_eq!(node.sequence(), Some(2));

    // A stranger; a stranger under a known name; nobody; and a signature of something else.
    let mut node = Node::keyed(vec![key("k1", 1, 1, u64::MAX)]);
    let forged = |named: Option<&str>, byte| {
        let key = named.map(|name| (name.to_owned(), SigningKey::from_bytes(&[byte; 32])));
        Upstream { key, ..Upstream::new(50) }.snapshot()
    };
    for (bad, why) in [
        (forged(Some("k9"), 9), "signed with key k9, which this node does not know"),
        (forged(Some("k1"), 9), "the signature is not that of key k1"),
        (forged(None, 0), "not signed, and this node takes signed files only"),
    ] {
        node.takes(&[&Sent { name: "forged.ndjson.zst".into(), ..bad }]);
        assert!(node.refused().iter().any(|found| found.contains(why)), "{why}: {:?}", node.refused());
    }
    node.takes(&[&Sent { name: "loose.ndjson".into(), bytes: b"{}\n".to_vec(), hash: Hash::NONE }]);
    node.look();
    assert!(node.refused().iter().any(|found| found.contains("takes signed ones only")), "{:?}", node.refused());
    assert_eq!(node.sequence(), None);
    node.takes(&[&first]);
    assert_eq!(node.sequence(), Some(1));
}

#[test]
fn a_key_that_is_over_cannot_set_the_copy_back_to_its_own_numbers() {
    let mut old = Upstream::signed(50, "k1", 1);
    let mut node = Node::keyed(vec![key("k1", 1, 1, 2), key("k2", 2, 1, u64::MAX)]);
    node.takes(&[&old.snapshot(), &old.changes(5)]);
    old.key = Some(("k2".into(), SigningKey::from_bytes(&[2; 32])));
    node.takes(&[&old.changes(5)]);
    let truth = old.truth();
    let anew = |name: &str, byte| {
        let as_of = old.as_of + SignedDuration::from_secs(60);
        Upstream { as_of, ..Upstream::signed(50, name, byte) }.snapshot()
    };
    node.takes(&[&anew("k1", 1)]);
    assert!(node.refused()[0].contains("key k1 is not good for sequence 4"), "{:?}", node.refused());
    assert_eq!(node.sequence(), Some(3));
    node.holds(&truth);
    node.takes(&[&anew("k2", 2)]);
    assert_eq!(node.sequence(), Some(1));
}

#[test]
fn a_forged_snapshot_of_a_high_number_does_not_stop_the_true_one() {
    let mut node = Node::keyed(vec![key("k1", 1, 1, u64::MAX)]);
    let mut upstream = Upstream::signed(50, "k1", 1);
    let mut forger = Upstream { sequence: 1 << 40, hash: Hash([1; 32]), ..Upstream::signed(5, "k1", 3) };
    let files = [forger.snapshot(), upstream.snapshot(), upstream.changes(5)];
    node.takes(&files.iter().collect::<Vec<_>>());
    node.holds(&upstream.truth());
    assert_eq!(node.refused().len(), 1);
}

#[test]
fn a_bad_row_costs_itself_and_the_file_goes_on() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let truth = upstream.truth();
    let good = upstream.office.cases().next().unwrap().clone();
    let lines = [
        "no case at all".to_owned(),
        good.to_line().replacen('{', "{\"a_new_field\":1,", 1),
        "x".repeat(20_000),
        good.to_line().replace(good.stage.code(), "archived"),
    ];
    let file = upstream.file(FileKind::Changes, &lines);
    node.takes(&[&file]);
    node.holds(&truth);
    assert_eq!(node.sequence(), Some(2));
    let quarantine = node.replica.quarantine().unwrap();
    let ids: Vec<&str> = quarantine.iter().map(|kept| kept.id.as_str()).collect();
    assert_eq!(ids, ["intranet:2:2", "intranet:2:3", "intranet:2:4", "intranet:2:5"]);
}

#[test]
fn a_newer_format_waits_for_a_newer_program() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let newer = "{\"feed\":{\"format\":2,\"source\":\"intranet\",\"sequence\":2,\"and\":\"more\"}}\n";
    node.put("newer.ndjson", newer.as_bytes());
    node.look();
    assert!(node.alarm(AlarmKind::NewerFormat));
    assert_eq!((node.left(), node.refused().len()), (1, 0));
    fs::remove_file(spool::path(node.folder.path()).join("newer.ndjson")).unwrap();
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
    assert!(!node.alarm(AlarmKind::NewerFormat));
}

#[test]
fn another_sources_files_are_refused_and_the_settings_can_change_whom_the_copy_follows() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let mut other = Upstream::new(30);
    let header = FeedHeader {
        format: FORMAT,
        source: "elsewhere".into(),
        sequence: 1,
        kind: FileKind::Snapshot,
        previous: Hash::NONE,
        as_of: Timestamp::now(),
        lines: 30,
    };
    let lines: Vec<String> = other.office.cases().map(CaseRecord::to_line).collect();
    let file = other.sealed(&header, &lines);
    node.takes(&[&file]);
    assert!(node.refused()[0].contains("of source elsewhere; this copy follows intranet"), "{:?}", node.refused());
    node.holds(&upstream.truth());
    node.settings.spool_source = Some("elsewhere".into());
    let mut node = node.restart();
    node.takes(&[&file]);
    node.holds(&other.truth());
    let _ = other.changes(1);
}

#[test]
fn an_upstreams_clock_that_is_wrong_never_makes_the_copy_younger() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let told = upstream.as_of;
    for (wrong, alarm) in
        [(told - SignedDuration::from_hours(5), true), (told + SignedDuration::from_hours(24 * 365), true)]
    {
        upstream.as_of = wrong;
        let file = upstream.changes(10);
        node.takes(&[&file]);
        assert_eq!(node.replica.as_of(), Some(told));
        assert_eq!(node.alarm(AlarmKind::Clock), alarm);
        node.holds(&upstream.truth());
    }
    upstream.as_of = told;
    node.takes(&[&upstream.changes(0)]);
    assert!(node.replica.as_of() > Some(told) && !node.alarm(AlarmKind::Clock));
}

#[test]
fn a_heartbeat_renews_the_age_and_nothing_else() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let before = node.rows();
    node.takes(&[&upstream.changes(0)]);
    node.holds(&before);
    assert_eq!((node.replica.as_of(), node.sequence()), (Some(upstream.as_of), Some(2)));
}

#[test]
fn a_file_that_takes_many_cases_away_waits_for_a_person_and_so_does_what_follows() {
    let (mut upstream, mut node) = (Upstream::new(200), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let before = node.rows();
    let gone: Vec<String> = upstream.office.cases().take(50).map(|case| gate::delete_line(&case.receipt)).collect();
    let (mass, after) = (upstream.file(FileKind::Changes, &gone), upstream.file(FileKind::Changes, &[]));
    node.takes(&[&mass, &after]);
    node.look();
    assert!(node.is_held());
    node.holds(&before);
    assert_eq!((node.sequence(), node.left()), (Some(1), 2));
    assert!(node.replica.decide(Decision::Apply).unwrap());
    node.look();
    assert_eq!((node.rows().len(), node.sequence(), node.left()), (150, Some(3), 0));
    assert!(!node.is_held());
}

#[test]
fn a_snapshot_with_far_fewer_cases_waits_for_a_person_and_is_not_read_again_and_again() {
    let (mut upstream, mut node) = (Upstream::new(200), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let mut few = Upstream { sequence: 1, hash: upstream.hash, as_of: upstream.as_of, ..Upstream::new(20) };
    node.takes(&[&few.snapshot()]);
    node.look();
    assert!(node.is_held());
    node.holds(&upstream.truth());
    // Said to be a mistake, it goes; the feed goes on with the next.
    assert!(node.replica.decide(Decision::Drop).unwrap());
    node.look();
    assert_eq!((node.left(), node.refused().len()), (0, 1));
    node.takes(&[&upstream.changes(10)]);
    node.holds(&upstream.truth());
}

/// Does something with the writer.
fn tell(node: &Node, work: impl FnOnce(&mut Writer) -> Result<(), ApplyError> + Send + 'static) {
    feeding(&node.replica).told(|done| Task::Do(Box::new(move |writer| drop(done.send(work(writer)))))).unwrap();
}

#[test]
fn a_copy_that_cannot_be_written_makes_the_files_wait_and_loses_nothing() {
    let (mut upstream, mut node) = (Upstream::new(2_000), Node::new());
    node.takes(&[&upstream.snapshot()]);
    let pages = |pages: i64| {
        move |writer: &mut Writer| {
            let connection = writer.connection()?;
            let now: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            Ok(connection.pragma_update(None, "max_page_count", now.max(pages))?)
        }
    };
    tell(&node, pages(0));
    let more: Vec<String> =
        SimulatedOffice::new(3_000, 2, TODAY, &notices_of_2026()).cases().map(CaseRecord::to_line).collect();
    let (big, after) = (upstream.file(FileKind::Changes, &more), upstream.changes(10));
    node.takes(&[&big, &after]);
    assert!(node.alarm(AlarmKind::Stuck));
    assert_eq!((node.sequence(), node.left()), (Some(1), 2));
    tell(&node, pages(1 << 30));
    node.look();
    assert_eq!((node.rows().len(), node.left()), (upstream.office.len() + 3_000, 0));
}

#[test]
fn a_copy_that_is_wanted_anew_is_made_of_the_files_that_were_kept() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10), &upstream.snapshot(), &upstream.changes(20)]);
    node.takes(&[&upstream.changes(20)]);
    let file = Connection::open(node.folder.path().join("replica.sqlite3")).unwrap();
    file.execute("DELETE FROM cases WHERE key IN (SELECT key FROM cases LIMIT 10)", []).unwrap();
    drop(file);
    feeding(&node.replica).reading.asks.want_rebuild(true);
    node.look();
    node.holds(&upstream.truth());
    assert_eq!(node.sequence(), Some(5));
    assert!(!feeding(&node.replica).rebuild_is_wanted());
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
}

#[test]
fn where_no_files_were_kept_a_new_snapshot_is_asked_for() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10)]);
    fs::remove_dir_all(spool::applied(node.folder.path())).unwrap();
    fs::create_dir(spool::applied(node.folder.path())).unwrap();
    feeding(&node.replica).reading.asks.want_rebuild(true);
    node.look();
    assert!(node.alarm(AlarmKind::SnapshotWanted));
    node.takes(&[&upstream.snapshot()]);
    assert!(!node.alarm(AlarmKind::SnapshotWanted));
    node.holds(&upstream.truth());
}

#[test]
fn hostile_names_links_and_bombs_cost_nothing() {
    use std::os::unix::ffi::OsStringExt;
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    let folder = spool::path(node.folder.path());
    let first = upstream.snapshot();
    let mut name = b"\x1b[2J\xff\n..;rm -rf".to_vec();
    name.extend(b".ndjson.zst");
    fs::write(folder.join(std::ffi::OsString::from_vec(name)), &first.bytes).unwrap();
    node.look();
    node.holds(&upstream.truth());

    let mut long = vec![b'y'; 240];
    long.extend(b".ndjson");
    fs::write(folder.join(std::ffi::OsString::from_vec(long)), "no feed\nat all\n").unwrap();
    let bomb = zstd::encode_all(&vec![b' '; 64 << 20][..], 19).unwrap();
    node.put("bomb.ndjson.zst", &bomb);
    let header = FeedHeader { lines: 1, ..header(&upstream) };
    let bomb = format!("{}\n{}", header.to_line(), " ".repeat(64 << 20));
    node.put("signed bomb.ndjson.zst", &zstd::encode_all(bomb.as_bytes(), 1).unwrap());
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link.ndjson")).unwrap();
    fs::create_dir(folder.join("folder.ndjson")).unwrap();
    let pipe = std::ffi::CString::new(folder.join("pipe.ndjson").into_os_string().into_vec()).unwrap();
    // SAFETY: a sound, ended path; what it returns is looked at.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    node.look();
    node.look();
    assert!(node.alarm(AlarmKind::Unreadable));
    assert_eq!((node.left(), node.refused().len()), (3, 3), "{:?}", node.refused());
    assert!(node.replica.alarms().iter().all(|alarm| !alarm.text.contains('\u{1b}')));
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
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

#[test]
fn kept_and_refused_files_are_their_owners_and_do_not_stay_for_ever() {
    use std::os::unix::fs::PermissionsExt;
    let mut node = Node::with(config::Replica { spool_settle: Duration::ZERO, ..settings() });
    let mut upstream = Upstream::new(20);
    node.takes(&[&upstream.snapshot()]);
    node.put("torn.ndjson", b"{\"feed\":");
    node.look();
    for folder in [spool::applied(node.folder.path()), spool::rejected(node.folder.path())] {
        let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let files: Vec<&PathBuf> =
            files.iter().filter(|path| path.extension().is_some_and(|end| end != "why")).collect();
        assert_eq!(files.len(), 1, "{}", folder.display());
        assert_eq!(fs::metadata(files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    node.settings.spool_keep = Duration::ZERO;
    std::thread::sleep(Duration::from_millis(1100));
    let mut node = node.restart();
    node.look();
    node.look();
    assert!(node.refused().is_empty() && !node.alarm(AlarmKind::Refused));
}

#[test]
fn a_loose_batch_is_refused_by_a_copy_that_follows_a_feed() {
    let (mut upstream, mut node) = (Upstream::new(20), Node::new());
    node.takes(&[&upstream.snapshot()]);
    node.put("loose.ndjson", b"{\"batch\":{\"as_of\":\"2026-11-23T09:00:00Z\"}}\n");
    (0..3).for_each(|_| node.look());
    assert!(node.refused()[0].contains("follows the feed of intranet"), "{:?}", node.refused());
    node.holds(&upstream.truth());
}

#[test]
fn a_load_of_feed_files_goes_by_their_turn() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let mut upstream = Upstream::new(20);
    let files = [upstream.snapshot(), upstream.changes(5), upstream.changes(5)];
    let run = |sent: &Sent| {
        let path = elsewhere.path().join(&sent.name);
        fs::write(&path, &sent.bytes).unwrap();
        load(folder.path(), &settings(), Keys::new(&SECRET), &path, Duration::from_secs(30))
    };
    assert!(matches!(run(&files[0]).unwrap(), Loaded::Directly(text) if text.starts_with("20 new")));
    let early = run(&files[2]).unwrap_err().to_string();
    assert!(early.contains("intranet 2 is missing"), "{early}");
    assert!(matches!(run(&files[1]).unwrap(), Loaded::Directly(_)));
    let torn = Sent { bytes: files[1].bytes[..files[1].bytes.len() - 9].to_vec(), ..files[1].clone() };
    assert!(run(&torn).unwrap_err().to_string().contains("torn"));
    let replica = open(&folder, Role::Load);
    assert_eq!(feeding(&replica).mark().and_then(|mark| mark.sequence), Some(3), "the early one had its turn too");
}

/// SplitMix64, as everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Sends the files of an upstream in any order, some twice, some torn or changed first, with restarts between; then
/// all of them.
fn wild_way(seed: u64) {
    let mut chance = Chance(seed);
    let mut upstream = Upstream::new(40);
    let mut files = vec![upstream.snapshot()];
    for _ in 0..10 + chance.below(10) {
        files.push(match chance.below(9) {
            0 => upstream.snapshot(),
            _ => upstream.changes(chance.below(12) as usize),
        });
    }
    let mut node = Node::with(config::Replica { spool_settle: Duration::ZERO, ..settings() });
    for step in 0..40 {
        let place = chance.below(files.len() as u64) as usize;
        let sent = &files[place];
        let cut = chance.below(sent.bytes.len() as u64) as usize;
        match chance.below(8) {
            0 => node.put(&format!("torn{step}.ndjson"), &sent.bytes[..cut]),
            1 => {
                let mut changed = sent.bytes.clone();
                changed[cut] ^= 1 << chance.below(8);
                node.put(&format!("changed{step}.ndjson"), &changed);
            }
            2 => node = node.restart(),
            3 => node.look(),
            _ => node.put(&format!("{}{}", chance.below(3), sent.name), &sent.bytes),
        }
    }
    node.look();
    node.takes(&files.iter().collect::<Vec<_>>());
    // Whatever keeps a file for a moment, such as a reader in the middle of a read, lets it go at a later look.
    let taken = comes(|| {
        node.look();
        node.left() == 0
    });
    assert!(taken, "seed {seed}: {} files wait; {:?}", node.left(), node.replica.alarms());
    node.holds(&upstream.truth());
    assert_eq!(node.replica.as_of(), Some(upstream.as_of), "seed {seed}");
}

#[test]
fn whatever_the_way_does_the_copy_ends_as_the_upstream_is() {
    (0..12).for_each(wild_way);
}
