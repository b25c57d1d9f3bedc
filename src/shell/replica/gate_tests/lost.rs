//! A copy that is damaged beyond opening, or lost: what it is rebuilt from, and what never replaces it.

use std::path::Path;

use super::*;
use replica::sample;

const SERVE: Role = Role::Serve { sample_heartbeat: false };

fn wants_anew(node: &mut Node) {
    writer(&node.replica).shared.requests.set_rebuild_requested(true);
    node.look();
}

/// What a bad disk, or a hand, may leave of the file.
const LOSSES: [fn(&Path); 3] = [
    |file| fs::write(file, b"no replica ".repeat(1_000)).unwrap(),
    |file| fs::write(file, b"").unwrap(),
    |file| fs::remove_file(file).unwrap(),
];

#[test]
fn a_file_that_came_in_two_packings_is_followed_once() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    let (first, second, third) = (upstream.snapshot(), upstream.changes(10), upstream.changes(10));
    node.takes(&[&first, &second, &third]);
    node.put("again.ndjson.zst", &zstd::encode_all(&second.bytes[..], 1).unwrap());
    node.look();
    wants_anew(&mut node);
    assert!(!writer(&node.replica).rebuild_requested());
    node.holds(&upstream.truth());
    assert_eq!((node.sequence(), node.refused().len()), (Some(3), 0));
}

#[test]
fn an_old_snapshot_that_comes_late_is_no_part_of_what_the_copy_is_made_of() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10), &upstream.changes(10), &upstream.changes(10)]);
    let old = FeedHeader {
        sequence: 3,
        kind: FileKind::Snapshot,
        previous: Hash([7; 32]),
        as_of: upstream.as_of - SignedDuration::from_hours(1),
        ..header(&upstream)
    };
    let old = upstream.sealed(&FeedHeader { lines: 0, ..old }, &[]);
    node.takes(&[&old]);
    assert_eq!((node.sequence(), node.left()), (Some(4), 0));
    wants_anew(&mut node);
    assert!(!writer(&node.replica).rebuild_requested());
    node.holds(&upstream.truth());
}

#[test]
fn a_copy_that_is_gone_is_made_again_of_the_files_that_were_kept_and_never_of_the_sample() {
    for lose in LOSSES {
        let (mut upstream, mut node) = (Upstream::new(100), Node::new());
        node.takes(&[&upstream.snapshot(), &upstream.changes(10), &upstream.changes(10)]);
        let Node { folder, replica, spool, settings } = node;
        drop((spool, replica));
        lose(&store::path(folder.path()));
        let replica = open(&folder, SERVE);
        assert!(!replica.wants_sample());
        assert!(comes(|| !replica.is_empty() && !replica.rebuild_requested()));
        let spool = SpoolWatcher::open(folder.path(), settings.clone(), writer(&replica)).unwrap();
        let node = Node { folder, replica, spool, settings };
        assert_eq!(node.sequence(), Some(3));
        node.holds(&upstream.truth());
        node.send(&[&upstream.changes(10)]);
        assert!(comes(|| node.sequence() == Some(4)));
        node.holds(&upstream.truth());
    }
}

#[test]
fn a_file_that_is_removed_or_replaced_under_the_node_is_made_again_while_it_answers() {
    let replaced = |file: &Path| {
        let other = file.with_extension("other");
        fs::write(&other, b"another").unwrap();
        fs::rename(other, file).unwrap();
    };
    for lose in [LOSSES[2], replaced] {
        let (mut upstream, mut node) = (Upstream::new(100), Node::new());
        node.takes(&[&upstream.snapshot(), &upstream.changes(10)]);
        lose(&store::path(node.folder.path()));
        node.takes(&[&upstream.changes(10)]);
        assert!(writer(&node.replica).rebuild_requested() || total(&node.replica.metrics().rebuilds) > 1);
        node.look();
        assert!(!writer(&node.replica).rebuild_requested());
        let node = node.restart();
        assert_eq!(node.sequence(), Some(3));
        node.holds(&upstream.truth());
    }
}

#[test]
fn an_upstream_that_never_sent_a_snapshot_is_followed_from_its_first_file_again() {
    let (mut upstream, mut node) = (Upstream::new(0), Node::new());
    node.takes(&[&upstream.changes(30), &upstream.changes(30)]);
    assert_eq!(node.sequence(), Some(2));
    wants_anew(&mut node);
    assert!(!writer(&node.replica).rebuild_requested());
    node.holds(&upstream.truth());
}

#[test]
fn a_restored_copy_applies_the_archived_files_again() {
    let (mut upstream, mut node) = (Upstream::new(100), Node::new());
    node.takes(&[&upstream.snapshot(), &upstream.changes(10)]);
    let copy = store::path(node.folder.path());
    let mut node = node.restart();
    let backup = fs::read(&copy).unwrap();
    node.takes(&[&upstream.changes(10), &upstream.changes(10)]);
    let Node { folder, replica, spool, settings } = node;
    drop((spool, replica));
    fs::write(&copy, backup).unwrap();
    let replica = open(&folder, Role::Load);
    let spool = SpoolWatcher::open(folder.path(), settings.clone(), writer(&replica)).unwrap();
    let mut node = Node { folder, replica, spool, settings };
    assert_eq!(node.sequence(), Some(2));
    node.look();
    assert_eq!((node.sequence(), node.left(), node.refused().len()), (Some(4), 0, 0));
    node.holds(&upstream.truth());
}

#[test]
fn a_sample_that_is_gone_is_wanted_again_and_no_longer_once_a_feed_came() {
    let fill = |replica: &Replica| replica.fill_sample(50, 1, TODAY, &notices_of_2026()).unwrap();
    for lose in LOSSES {
        let folder = Folder::new();
        let replica = open(&folder, SERVE);
        assert!(replica.wants_sample() && !replica.rebuild_requested());
        fill(&replica);
        drop(replica);
        lose(&store::path(folder.path()));
        let replica = open(&folder, SERVE);
        assert!(replica.is_empty() && replica.wants_sample());
        fill(&replica);
        assert!(!replica.rebuild_requested() && replica.is_sample());
        // The follower may have looked while the sample was not there yet; its next look takes its alarm back.
        assert!(comes(|| replica.alarms().is_empty()), "{:?}", replica.alarms());
        drop(replica);

        let replica = open(&folder, Role::Load);
        let mut spool = SpoolWatcher::open(folder.path(), settings(), writer(&replica)).unwrap();
        fs::write(spool::path(folder.path()).join("1.ndjson.zst"), Upstream::new(20).snapshot().bytes).unwrap();
        while spool.step().unwrap() {}
        drop((spool, replica));
        lose(&store::path(folder.path()));
        assert!(!open(&folder, SERVE).wants_sample());
    }
}

#[test]
fn a_sample_under_a_loose_batch_is_an_offices_copy() {
    let folder = Folder::new();
    let replica = open(&folder, Role::Load);
    replica.fill_sample(50, 1, TODAY, &notices_of_2026()).unwrap();
    let case = sample::cases(1, 2, TODAY, &notices_of_2026()).next().unwrap();
    let batch = folder.path().join("batch.ndjson");
    fs::write(&batch, format!("{{\"batch\":{{\"as_of\":\"{}\"}}}}\n{}\n", Timestamp::now(), case.to_line())).unwrap();
    replica.apply_file(&batch).unwrap();
    drop(replica);
    LOSSES[0](&store::path(folder.path()));
    let replica = open(&folder, SERVE);
    assert!(replica.rebuild_requested() && !replica.wants_sample());
}
