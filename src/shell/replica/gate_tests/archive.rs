//! The archive: rebuilds from it, and how long it keeps files.

use super::*;

#[test]
fn a_requested_rebuild_uses_the_archive() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10), &upstream.snapshot(), &upstream.changes(20)]);
    node.takes(&[&upstream.changes(20)]);
    let file = Connection::open(node.folder.path().join("replica.sqlite3")).unwrap();
    file.execute("DELETE FROM cases WHERE key IN (SELECT key FROM cases LIMIT 10)", []).unwrap();
    drop(file);
    writer(&node.replica).shared.requests.set_rebuild_requested(true);
    node.look();
    node.holds(&upstream.truth());
    assert_eq!(node.sequence(), Some(5));
    assert!(!writer(&node.replica).rebuild_requested());
    node.takes(&[&upstream.changes(5)]);
    node.holds(&upstream.truth());
}

#[test]
fn without_an_archive_a_snapshot_is_requested() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10)]);
    fs::remove_dir_all(spool::applied(node.folder.path())).unwrap();
    fs::create_dir(spool::applied(node.folder.path())).unwrap();
    writer(&node.replica).shared.requests.set_rebuild_requested(true);
    node.look();
    assert!(node.alarm(FeedAlarm::SnapshotWanted));
    node.takes(&[&upstream.snapshot()]);
    assert!(!node.alarm(FeedAlarm::SnapshotWanted));
    node.holds(&upstream.truth());
}

#[test]
fn archived_and_rejected_files_are_private_and_expire() {
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
        let kept = fs::read(files[0]).unwrap();
        assert!(!kept.windows(6).any(|bytes| bytes == b"{\"feed") && files[0].extension().unwrap() == "sealed");
        let mut clear = Vec::new();
        unseal(&writer(&node.replica).keys, files[0], &mut clear).unwrap();
        assert!(clear.starts_with(b"{\"feed") || clear.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    }
    node.settings.spool_keep = Duration::ZERO;
    std::thread::sleep(Duration::from_millis(1100));
    let mut node = node.restart();
    node.look();
    node.look();
    assert!(node.refused().is_empty() && !node.alarm(FeedAlarm::Refused));
}

#[test]
fn a_snapshot_that_a_rebuild_would_use_expires_too() {
    let mut node = Node::with(config::Replica { spool_keep: Duration::ZERO, ..settings() });
    let mut upstream = Upstream::new(20);
    node.takes(&[&upstream.snapshot(), &upstream.changes(5)]);
    std::thread::sleep(Duration::from_millis(50));
    let mut node = node.restart();
    node.look();
    assert_eq!(fs::read_dir(spool::applied(node.folder.path())).unwrap().count(), 0);
    node.holds(&upstream.truth());
}

#[test]
fn what_an_older_program_kept_in_clear_is_sealed_at_the_start() {
    let mut node = Node::new();
    let mut upstream = Upstream::new(20);
    node.takes(&[&upstream.snapshot()]);
    let clear = spool::rejected(node.folder.path()).join("old.ndjson");
    fs::write(&clear, "4401 in clear").unwrap();
    let node = node.restart();
    assert!(!clear.exists());
    let mut text = Vec::new();
    unseal(&writer(&node.replica).keys, &clear.with_extension("ndjson.sealed"), &mut text).unwrap();
    assert_eq!(text, b"4401 in clear");
}
