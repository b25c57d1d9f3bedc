//! What is not a feed file as it was signed: torn, changed, forged, hostile.

use super::*;

#[test]
fn an_incomplete_file_waits_while_it_may_grow_and_is_rejected_when_it_does_not() {
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
fn only_a_signature_of_a_known_key_counts_within_its_range() {
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
    assert!(node.refused().iter().any(|found| found.contains("accepts signed files only")), "{:?}", node.refused());
    assert_eq!(node.sequence(), None);
    node.takes(&[&first]);
    assert_eq!(node.sequence(), Some(1));
}

#[test]
fn an_expired_key_cannot_set_the_copy_back_to_its_own_numbers() {
    let mut old = Upstream::signed(50, "k1", 1);
    let mut node = Node::keyed(vec![key("k1", 1, 1, 2), key("k2", 2, 1, u64::MAX)]);
    node.takes(&[&old.snapshot(), &old.changes(5)]);
    old.key = Some(("k2".into(), SigningKey::from_bytes(&[2; 32])));
    node.takes(&[&old.changes(5)]);
    let truth = old.truth();
    let signed = |name: &str, byte| {
        let as_of = old.as_of + SignedDuration::from_secs(60);
        Upstream { as_of, ..Upstream::signed(50, name, byte) }.snapshot()
    };
    node.takes(&[&signed("k1", 1)]);
    assert!(node.refused()[0].contains("key k1 is not good for sequence 4"), "{:?}", node.refused());
    assert_eq!(node.sequence(), Some(3));
    node.holds(&truth);
    node.takes(&[&signed("k2", 2)]);
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
    assert!(node.alarm(FeedAlarm::NewerFormat));
    assert_eq!((node.left(), node.refused().len()), (1, 0));
    fs::remove_file(spool::path(node.folder.path()).join("newer.ndjson")).unwrap();
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
    assert!(!node.alarm(FeedAlarm::NewerFormat));
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
    assert!(node.alarm(FeedAlarm::Unreadable));
    assert_eq!((node.left(), node.refused().len()), (3, 3), "{:?}", node.refused());
    assert!(node.replica.alarms().iter().all(|alarm| !alarm.text.contains('\u{1b}')));
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
}
