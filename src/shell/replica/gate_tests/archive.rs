//! The archive: rebuilds from it, and how long it keeps files.

use super::*;

#[test]
fn a_copy_that_is_wanted_anew_is_made_of_the_files_that_were_kept() {
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
fn where_no_files_were_kept_a_new_snapshot_is_asked_for() {
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
    assert!(node.refused().is_empty() && !node.alarm(FeedAlarm::Refused));
}
