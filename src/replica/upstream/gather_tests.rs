use proptest::prelude::*;

use super::super::case_field::CaseField;
use super::super::mapping::tests::{ROW, plain};
use super::super::message::tests::{change, relation};
use super::*;
use inquiry::Stage;

const CASES: u32 = 7;
const BEAT: u32 = 8;

fn columns() -> Vec<(&'static str, u32)> {
    let type_id = |role: CaseField| match role {
        CaseField::AcceptedOn | CaseField::StageOn => 1082,
        CaseField::Minor => 16,
        CaseField::Version => 20,
        CaseField::Pauses => 3802,
        _ => 25,
    };
    CaseField::ALL.map(|role| (if role == CaseField::Factor { "id_tail" } else { role.name() }, type_id(role))).into()
}

fn gather(expect: Option<Anchor>) -> TransactionAssembler {
    let heartbeat =
        Heartbeat::Row { schema: "public".into(), table: "jindu_heartbeat".into(), column: "beat_at".into() };
    let mut gather = TransactionAssembler::new(plain(), heartbeat, expect);
    gather.message(&relation(CASES, "public", "cases", &columns())).unwrap();
    gather.message(&relation(BEAT, "public", "jindu_heartbeat", &[("id", 23), ("beat_at", 1184)])).unwrap();
    gather.message(&relation(9, "public", "other", &[("x", 25)])).unwrap();
    gather
}

fn run(gather: &mut TransactionAssembler, messages: &[Vec<u8>]) -> Result<Option<Transaction>, GatherError> {
    gather.begin(100, 5)?;
    messages.iter().try_for_each(|message| gather.message(message))?;
    gather.commit(120)
}

fn steps(messages: &[Vec<u8>]) -> Vec<Step> {
    run(&mut gather(None), messages).unwrap().unwrap().steps
}

fn receipt(text: &str) -> Private<String> {
    Private::new(text.into())
}

fn with(role: CaseField, value: Option<&'static str>) -> [Option<&'static str>; 13] {
    let mut row = ROW;
    row[role as usize] = value;
    row
}

fn key() -> [Option<&'static str>; 13] {
    let mut row = [None; 13];
    row[0] = ROW[0];
    row
}

#[test]
fn a_transaction_is_its_changes_in_their_order() {
    let found = steps(&[
        change(b'I', CASES, &[(b'N', &ROW)]),
        change(b'U', CASES, &[(b'N', &with(CaseField::Stage, Some("ready")))]),
        change(b'I', 9, &[(b'N', &[Some("x")])]),
        change(b'D', CASES, &[(b'K', &key())]),
    ]);
    let stages = found.iter().filter_map(|step| match step {
        Step::Change(Change::Replace(case)) => Some(case.stage),
        _ => None,
    });
    assert_eq!(stages.collect::<Vec<_>>(), [Stage::Review, Stage::Ready]);
    let deleted = Step::Change(Change::Delete { receipt: receipt("440100000000123") });
    assert_eq!((found.len(), found.last()), (3, Some(&deleted)));
}

#[test]
fn another_receipt_number_takes_the_old_one_out() {
    let new = with(CaseField::Receipt, Some("440100000000131"));
    for (letter, old) in [(b'K', key()), (b'O', ROW)] {
        let found = steps(&[change(b'U', CASES, &[(letter, &old), (b'N', &new)])]);
        assert_eq!(found[0], Step::Change(Change::Delete { receipt: receipt("440100000000123") }));
        assert!(matches!(&found[1], Step::Change(Change::Replace(case)) if case.receipt == "440100000000131"));
    }
    assert_eq!(steps(&[change(b'U', CASES, &[(b'O', &ROW), (b'N', &ROW)])]).len(), 1);
}

#[test]
fn a_value_that_was_not_sent_is_taken_from_the_old_row_or_asked_for() {
    let new = with(CaseField::Items, Some("\0"));
    let whole = steps(&[change(b'U', CASES, &[(b'O', &ROW), (b'N', &new)])]);
    assert!(matches!(&whole[0], Step::Change(Change::Replace(case)) if case.items == ["photo"]));
    let look = vec![Step::Fetch(receipt("440100000000123"))];
    assert_eq!(steps(&[change(b'U', CASES, &[(b'N', &new)])]), look);
    assert_eq!(steps(&[change(b'U', CASES, &[(b'K', &key()), (b'N', &new)])]), look);
}

#[test]
fn a_row_that_is_no_case_goes_to_quarantine_and_the_rest_goes_on() {
    let found = steps(&[
        change(b'I', CASES, &[(b'N', &with(CaseField::Stage, Some("dancing")))]),
        change(b'I', CASES, &[(b'N', &with(CaseField::Receipt, None))]),
        change(b'I', CASES, &[(b'N', &ROW)]),
    ]);
    let bad = |step: &Step| match step {
        Step::Change(Change::Bad(bad)) => Some((bad.receipt.clone(), bad.why.clone())),
        _ => None,
    };
    let (whose, why) = bad(&found[0]).unwrap();
    assert_eq!(whose, Some(receipt("440100000000123")));
    assert!(why.contains("\"dancing\" is not in"), "{why}");
    assert_eq!(bad(&found[1]).unwrap().0, None);
    assert!(matches!(&found[2], Step::Change(Change::Replace(_))));
}

#[test]
fn only_the_heartbeat_row_sets_the_time() {
    let beat = |text| change(b'U', BEAT, &[(b'N', &[Some("1"), Some(text)])]);
    let told = |messages: &[Vec<u8>]| run(&mut gather(None), messages).unwrap().unwrap().as_of;
    let expected: Timestamp = "2026-11-24T07:30:00.25Z".parse().unwrap();
    assert_eq!(told(&[beat("2026-11-24 15:30:00.25+08")]), Some(expected));
    assert_eq!(told(&[change(b'I', CASES, &[(b'N', &ROW)])]), None);
    assert_eq!(told(&[beat("infinity")]), None);
    let mut commits = TransactionAssembler::new(plain(), Heartbeat::Commits, None);
    assert_eq!(run(&mut commits, &[]).unwrap().unwrap().as_of, timestamp(5));
}

#[test]
fn a_stream_begins_with_the_anchor_or_is_another_log() {
    let anchor = Anchor { commit: 100, time: 5 };
    let mut same = gather(Some(anchor));
    assert!(same.expects_anchor());
    assert_eq!(run(&mut same, &[change(b'I', CASES, &[(b'N', &ROW)])]), Ok(None), "it is in the replica");
    assert!(!same.expects_anchor());
    assert_eq!(run(&mut same, &[]).map(|whole| whole.is_some()), Ok(true));
    for other in [Anchor { commit: 101, time: 5 }, Anchor { commit: 100, time: 6 }] {
        assert_eq!(run(&mut gather(Some(other)), &[]), Err(GatherError::Diverged));
    }
}

#[test]
fn a_table_that_does_not_fit_stops_the_stream_at_its_first_change() {
    let mut gather = gather(None);
    let renamed: Vec<_> =
        columns().into_iter().map(|(name, id)| (if name == "stage" { "state" } else { name }, id)).collect();
    gather.message(&relation(CASES, "public", "cases", &renamed)).unwrap();
    let drift = run(&mut gather, &[change(b'I', CASES, &[(b'N', &ROW)])]);
    assert!(matches!(drift, Err(GatherError::Drift { drift: Drift::Missing(ref name), .. }) if name == "stage"));
}

#[test]
fn truncating_the_table_is_a_change_of_its_own_and_of_other_tables_none() {
    let truncate = |relation: u32| [&b"T"[..], &1u32.to_be_bytes(), &[0], &relation.to_be_bytes()].concat();
    assert_eq!(steps(&[truncate(CASES)]), [Step::Change(Change::Truncate)]);
    assert_eq!(steps(&[truncate(BEAT), truncate(9)]), []);
}

#[test]
fn messages_out_of_order_are_refused() {
    let insert = change(b'I', CASES, &[(b'N', &ROW)]);
    assert_eq!(gather(None).message(&insert), Err(GatherError::Order));
    assert_eq!(gather(None).commit(1), Err(GatherError::Order));
    let unknown = change(b'I', 99, &[(b'N', &ROW)]);
    assert_eq!(run(&mut gather(None), &[unknown]), Err(GatherError::Undescribed));
    let mut twice = gather(None);
    twice.begin(1, 1).unwrap();
    assert_eq!(twice.begin(2, 2), Err(GatherError::Order));
}

proptest! {
    #[test]
    fn no_stream_makes_it_panic(stream in proptest::collection::vec((0u8..4, proptest::collection::vec(any::<u8>(), 0..60)), 0..20)) {
        let mut gather = gather(None);
        for (kind, mut bytes) in stream {
            match kind {
                0 => drop(gather.begin(1, 1)),
                1 => drop(gather.commit(2)),
                _ => {
                    if let Some(first) = bytes.first_mut() {
                        *first = b"RIUDT"[usize::from(*first) % 5];
                    }
                    let _ = gather.message(&bytes);
                }
            }
        }
    }
}

#[test]
fn a_row_without_a_readable_number_is_quarantined_until_it_is_corrected_or_deleted() {
    let odd = with(CaseField::Receipt, Some("no number"));
    let [Step::Change(Change::Bad(bad))] = &steps(&[change(b'I', CASES, &[(b'N', &odd)])])[..] else {
        panic!("a bad row")
    };
    let gone = Step::Change(Change::Gone { id: bad.id.clone() });
    assert!(bad.id.starts_with("postgres:row-"), "{}", bad.id);
    let mut old = key();
    old[0] = Some("no number");
    assert_eq!(steps(&[change(b'D', CASES, &[(b'K', &old)])]), std::slice::from_ref(&gone));
    let mended = steps(&[change(b'U', CASES, &[(b'K', &old), (b'N', &ROW)])]);
    assert!(matches!(&mended[..], [first, Step::Change(Change::Replace(_))] if *first == gone));
    let again = steps(&[change(b'U', CASES, &[(b'N', &odd)])]);
    assert!(matches!(&again[..], [Step::Change(Change::Bad(again))] if again.id == bad.id));
}

#[test]
fn a_changed_table_description_is_detected() {
    let mut retyped = gather(None);
    let mut wider = columns();
    wider.push(("colour", 25));
    retyped.message(&relation(CASES, "public", "cases", &wider)).unwrap();
    assert!(!retyped.is_redescribed(), "a column that is not read");
    let mut other = columns();
    other[2].1 = 1043;
    retyped.message(&relation(CASES, "public", "cases", &other)).unwrap();
    assert!(retyped.is_redescribed(), "a type");
    let mut gather = gather(None);
    gather.message(&relation(CASES + 10, "public", "cases", &columns())).unwrap();
    assert!(gather.is_redescribed(), "another table of that name");
}
