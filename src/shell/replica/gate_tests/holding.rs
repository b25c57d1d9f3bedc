//! What makes the gate wait or keeps the age: clocks, heartbeats, held files, a copy that cannot be written.

use super::*;

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
        assert_eq!(node.alarm(FeedAlarm::Clock), alarm);
        node.holds(&upstream.truth());
    }
    upstream.as_of = told;
    node.takes(&[&upstream.changes(0)]);
    assert!(node.replica.as_of() > Some(told) && !node.alarm(FeedAlarm::Clock));
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
    writer(&node.replica).run(work).unwrap();
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
    assert!(node.alarm(FeedAlarm::Stuck));
    assert_eq!((node.sequence(), node.left()), (Some(1), 2));
    tell(&node, pages(1 << 30));
    node.look();
    assert_eq!((node.rows().len(), node.left()), (upstream.office.len() + 3_000, 0));
}
