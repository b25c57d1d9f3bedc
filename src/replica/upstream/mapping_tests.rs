use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// A mapping of a table whose columns are named after the fields.
pub(crate) fn plain() -> Mapping {
    let column = |role: CaseField| {
        let name = if role == CaseField::Factor { "id_tail" } else { role.name() };
        (role, Origin::Column(name.to_owned()))
    };
    Mapping {
        schema: "public".into(),
        table: "cases".into(),
        factor: FactorKind::IdTail,
        origins: CaseField::ALL.map(column).into(),
        stages: BTreeMap::new(),
        documents: BTreeMap::new(),
        case_types: BTreeMap::new(),
        halls: BTreeMap::new(),
        items: BTreeMap::new(),
    }
}

/// A row of that table, in the order of [`CaseField::ALL`].
pub(crate) const ROW: [Option<&str>; 13] = [
    Some("440100000000123"),
    Some("123X"),
    Some("review"),
    Some("passport"),
    Some("new"),
    Some("north"),
    Some("2026-11-02"),
    Some("2026-11-04"),
    None,
    Some("{photo}"),
    Some("SF1234567"),
    Some("f"),
    Some("3"),
];

fn fields<'a>(row: &[Option<&'a str>]) -> Vec<Field<'a>> {
    row.iter().map(|value| value.map_or(Field::Null, |text| Field::Text(text.as_bytes()))).collect()
}

fn with(role: CaseField, value: Option<&str>) -> [Option<&str>; 13] {
    let mut row = ROW;
    row[role as usize] = value;
    row
}

fn read(mapping: &Mapping, row: &[Option<&str>]) -> Result<CaseRecord, Unmapped> {
    mapping.case(&mapping.bind_copied(), &fields(row))
}

fn diagnostic(mapping: &Mapping, row: &[Option<&str>]) -> String {
    match read(mapping, row) {
        Err(Unmapped::Bad { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_waybill_is_known_by_its_last_four_digits() {
    for (waybill, tail) in
        [("EA123456789CN", "6789"), ("1234567890123", "0123"), ("SF 1234 5678", "5678"), ("12cn", "12CN")]
    {
        assert_eq!(waybill_tail(waybill), tail);
    }
}

#[test]
fn a_row_becomes_a_case() {
    let case = read(&plain(), &ROW).unwrap();
    assert_eq!((case.receipt.as_str(), case.id_tail.as_deref()), ("440100000000123", Some("123X")));
    assert_eq!((case.stage, case.accepted_on, case.stage_on), (Stage::Review, date(2026, 11, 2), date(2026, 11, 4)));
    assert_eq!((case.items, case.waybill_tail.as_deref(), case.version), (vec!["photo".into()], Some("4567"), 3));
    assert!(!case.minor && case.pauses.is_empty());
}

#[test]
fn many_upstream_codes_map_to_one_value() {
    let mut mapping = plain();
    mapping.stages = [("10", Stage::Accepted), ("11", Stage::Accepted), ("95", Stage::Contact)]
        .map(|(code, stage)| (code.to_owned(), stage))
        .into();
    for (code, stage) in [("10", Stage::Accepted), ("11", Stage::Accepted), ("95", Stage::Contact)] {
        assert_eq!(read(&mapping, &with(CaseField::Stage, Some(code))).map(|case| case.stage), Ok(stage));
    }
    assert!(
        diagnostic(&mapping, &with(CaseField::Stage, Some("96")))
            .contains("\"96\" is not in [replica.postgres.stages]")
    );
    mapping.stages.insert("*".into(), Stage::Contact);
    assert_eq!(read(&mapping, &with(CaseField::Stage, Some("96"))).map(|case| case.stage), Ok(Stage::Contact));
}

#[test]
fn what_is_missing_is_named_and_what_may_be_missing_is_not() {
    let mapping = plain();
    for role in [
        CaseField::Receipt,
        CaseField::Factor,
        CaseField::Stage,
        CaseField::Document,
        CaseField::CaseType,
        CaseField::Hall,
        CaseField::AcceptedOn,
    ] {
        let why = diagnostic(&mapping, &with(role, None));
        assert!(why.contains(role.name()) || why.contains("second factor"), "{role:?}: {why}");
    }
    for role in [CaseField::Pauses, CaseField::Items, CaseField::Waybill, CaseField::Version] {
        assert!(read(&mapping, &with(role, None)).is_ok(), "{role:?}");
    }
    assert_eq!(read(&mapping, &with(CaseField::StageOn, None)).map(|case| case.stage_on), Ok(date(2026, 11, 2)));
    assert_eq!(read(&mapping, &with(CaseField::Minor, None)).map(|case| case.minor), Ok(true), "perhaps a child");
}

#[test]
fn a_fixed_value_stands_for_a_column_that_is_not_there() {
    let mut mapping = plain();
    mapping.origins.insert(CaseField::Hall, Origin::Fixed("central".into()));
    mapping.origins.remove(&CaseField::Minor);
    let columns: Vec<&str> = mapping.columns().map(|(_, name)| name).collect();
    assert!(!columns.contains(&"hall") && !columns.contains(&"minor"));
    let row: Vec<_> = CaseField::ALL
        .into_iter()
        .zip(ROW)
        .filter(|(role, _)| !matches!(role, CaseField::Hall | CaseField::Minor))
        .map(|(_, value)| value)
        .collect();
    let case = read(&mapping, &row).unwrap();
    assert_eq!((case.hall.as_str(), case.minor, case.version), ("central", false, 3));
}

#[test]
fn a_whole_identity_number_and_a_day_are_factors_too() {
    let mut mapping = plain();
    let tail = |mapping: &Mapping, text| read(mapping, &with(CaseField::Factor, Some(text))).map(|case| case.id_tail);
    assert_eq!(tail(&mapping, "44010119800131123x"), Ok(Some("123X".into())));
    mapping.factor = FactorKind::BirthDate;
    let row = with(CaseField::Factor, Some("1980-01-31"));
    assert_eq!(read(&mapping, &row).map(|case| case.birth_date), Ok(Some("19800131".into())));
    mapping.factor = FactorKind::Verifier;
    let row = with(CaseField::Factor, Some("\\x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"));
    assert_eq!(read(&mapping, &row).map(|case| case.verifier), Ok(Some("0f".repeat(16))));
}

#[test]
fn an_unchanged_large_value_makes_a_row_incomplete() {
    let mut row = fields(&ROW);
    row[CaseField::Items as usize] = Field::Unchanged;
    let mapping = plain();
    let whole = mapping.case(&mapping.bind_copied(), &row);
    assert_eq!(whole, Err(Unmapped::Incomplete(Private::new("440100000000123".into()))));
}

#[test]
fn a_column_gone_or_of_another_type_is_drift_and_one_more_is_not() {
    let mapping = plain();
    let column = |(role, name): (CaseField, &str)| StreamColumn {
        name: name.into(),
        type_id: match role {
            CaseField::AcceptedOn | CaseField::StageOn => 1082,
            CaseField::Minor => 16,
            CaseField::Version => 20,
            CaseField::Pauses => 3802,
            _ => 25,
        },
        is_identity: role == CaseField::Receipt,
    };
    let mut columns: Vec<StreamColumn> = mapping.columns().map(column).collect();
    columns.insert(0, StreamColumn { name: "applicant_name".into(), type_id: 25, is_identity: false });
    assert!(mapping.bind(&columns).is_ok());
    columns[3].name = "state".into();
    columns[7].type_id = 600;
    let drifts = mapping.bind(&columns).unwrap_err();
    assert_eq!(drifts[0], Drift::Missing("stage".into()));
    assert_eq!(drifts[1], Drift::Type { column: "accepted_on".into(), what: "accepted_on" });
    columns[1].is_identity = false;
    assert!(mapping.bind(&columns).unwrap_err().contains(&Drift::NotInIdentity("receipt".into())));
}

#[test]
fn no_error_quotes_a_possible_number() {
    let mut mapping = plain();
    mapping.documents = [("p".to_owned(), "passport".to_owned())].into();
    for role in CaseField::ALL {
        for text in ["9999888877776666", "9999", "9999-99-99 and more"] {
            if let Err(Unmapped::Bad { why, .. }) = read(&mapping, &with(role, Some(text))) {
                assert!(!why.contains("99"), "{why}");
            }
        }
    }
}

#[test]
fn another_mapping_or_row_filter_has_another_fingerprint() {
    let (one, mut other) = (plain(), plain());
    assert_eq!(one.fingerprint(None), other.fingerprint(None));
    other.stages.insert("10".into(), Stage::Accepted);
    assert_ne!(one.fingerprint(None), other.fingerprint(None));
    assert_ne!(one.fingerprint(None), one.fingerprint(Some("(city = 'gz')")));
}

proptest! {
    #[test]
    fn no_row_makes_it_panic(values in proptest::collection::vec(proptest::option::of("\\PC{0,24}|[0-9{}\\[\\],-]{0,24}"), 0..15)) {
        let row: Vec<Option<&str>> = values.iter().map(|value| value.as_deref()).collect();
        let _ = read(&plain(), &row);
    }
}
