//! The order of feed files: gaps, repeats, forks, snapshots, sources.

use super::*;

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
fn a_snapshot_deletes_the_cases_that_are_not_in_it() {
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
    assert!(node.alarm(FeedAlarm::Gap));
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
fn a_repeat_is_archived_and_other_content_under_a_number_is_rejected() {
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
    assert!(node.refused()[0].contains("number 2 was applied with other content"), "{:?}", node.refused());
    assert!(node.alarm(FeedAlarm::Refused));
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
fn a_restored_upstream_is_rejected_until_it_sends_a_snapshot() {
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
    let mut restarted = Upstream { as_of: upstream.as_of, ..Upstream::new(150) };
    node.takes(&[&restarted.snapshot(), &restarted.changes(10)]);
    node.holds(&restarted.truth());
    assert_eq!(node.sequence(), Some(2));
}

#[test]
fn changes_without_a_beginning_wait_for_a_snapshot() {
    let (mut upstream, mut node) = (Upstream::new(50), Node::new());
    let (first, second) = (upstream.snapshot(), upstream.changes(10));
    node.takes(&[&second]);
    assert!(node.alarm(FeedAlarm::NoStart) && node.sequence().is_none());
    node.takes(&[&first]);
    node.holds(&upstream.truth());
    assert!(!node.alarm(FeedAlarm::NoStart));
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
    assert!(with_sample.alarm(FeedAlarm::NoStart));
    with_sample.takes(&[&upstream.snapshot()]);
    with_sample.holds(&upstream.truth());
}

#[test]
fn files_of_another_source_are_rejected_and_the_settings_can_change_the_source() {
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
    assert!(node.refused()[0].contains("from source elsewhere; this copy follows intranet"), "{:?}", node.refused());
    node.holds(&upstream.truth());
    node.settings.spool_source = Some("elsewhere".into());
    let mut node = node.restart();
    node.takes(&[&file]);
    node.holds(&other.truth());
    let _ = other.changes(1);
}

#[test]
fn a_batch_file_is_rejected_by_a_copy_that_follows_a_feed() {
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
    assert_eq!(writer(&replica).mark().and_then(|mark| mark.sequence), Some(3), "the early one had its turn too");
}
