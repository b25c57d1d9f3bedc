//! A simulated office as SQL, for the table of `config/examples/postgres/table.sql`.
//!
//! Each statement names its columns, so that the table may have others, in any order.

use replica::{CaseRecord, Event};

/// The table, if it is missing, and exactly these cases in it.
pub(super) fn table_of<'a>(cases: impl Iterator<Item = &'a CaseRecord>) -> String {
    let cases: String = cases.map(put).collect();
    format!("{TABLE}BEGIN;\nDELETE FROM public.cases;\n{cases}COMMIT;\n")
}

/// Events as one transaction.
pub(super) fn transaction_of(events: &[Event]) -> String {
    let statement = |event: &Event| match event {
        Event::Put(case) => put(case),
        Event::Gone(case) => format!("DELETE FROM public.cases WHERE receipt = '{}';\n", case.receipt),
    };
    let statements: String = events.iter().map(statement).collect();
    format!("BEGIN;\n{statements}COMMIT;\n")
}

/// The statement of one case. Its values are the simulation's own codes, digits and dates, and need no escaping.
fn put(case: &CaseRecord) -> String {
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let values = COLUMNS.map(|(_, value)| value(case)).join(", ");
    let changes: Vec<String> = COLUMNS[1..].iter().map(|(name, _)| format!("{name} = EXCLUDED.{name}")).collect();
    format!(
        "INSERT INTO public.cases ({columns}) VALUES ({values}) ON CONFLICT (receipt) DO UPDATE SET {};\n",
        changes.join(", ")
    )
}

fn text(text: &str) -> String {
    format!("'{text}'")
}

fn text_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| format!("'{text}'"))
}

type Value = fn(&CaseRecord) -> String;

/// The columns, the key first, and their values.
const COLUMNS: [(&str, Value); 13] = [
    ("receipt", |case| text(&case.receipt)),
    ("id_tail", |case| text_or_null(case.id_tail.as_deref())),
    ("stage", |case| text(case.stage.code())),
    ("document", |case| text(&case.document)),
    ("case_type", |case| text(&case.case_type)),
    ("hall", |case| text(&case.hall)),
    ("accepted_on", |case| text(&case.accepted_on.to_string())),
    ("stage_on", |case| text(&case.stage_on.to_string())),
    ("pauses", |case| text(&serde_json::to_string(&case.pauses).expect("pauses are JSON"))),
    ("items", |case| format!("'{{{}}}'", case.items.join(","))),
    // A node keeps the last four characters of a waybill's number, and the sample has no others.
    ("waybill", |case| text_or_null(case.waybill_tail.as_deref())),
    ("minor", |case| case.minor.to_string()),
    ("version", |case| case.version.to_string()),
];

/// The guide's own table.
const TABLE: &str = include_str!("../../../config/examples/postgres/table.sql");

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use replica::sample;
    use support::calendar::notices_of_2026;

    /// The columns of the table and their types.
    fn columns() -> Vec<(&'static str, &'static str)> {
        let body = TABLE.split_once("public.cases (\n").expect("the table").1.split_once("\n);").expect("its end").0;
        body.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(' ')).collect()
    }

    #[test]
    fn every_column_that_is_written_is_one_of_the_table_and_of_the_shipped_settings() {
        let shipped = include_str!("../../../config/jindu.toml");
        let mapped = shipped.split_once("[replica.postgres.columns]").expect("the mapping").1;
        for (name, _) in COLUMNS {
            assert!(columns().iter().any(|(column, _)| *column == name), "{name} is no column");
            assert!(mapped.contains(&format!("= \"{name}\"")), "{name} is not mapped");
        }
        assert_eq!(columns().first().map(|(name, _)| *name), Some(COLUMNS[0].0));
    }

    #[test]
    fn values_have_the_form_of_their_column() {
        for case in sample::cases(500, 1, date(2026, 11, 23), &notices_of_2026()) {
            for (name, value) in COLUMNS {
                let value = value(&case);
                let kind = columns().iter().find(|(column, _)| *column == name).expect("a column").1;
                let sound = match kind {
                    "text" | "text PRIMARY KEY" => value == "NULL" || value.matches('\'').count() == 2,
                    "date" => value.trim_matches('\'').parse::<jiff::civil::Date>().is_ok(),
                    "jsonb" => serde_json::from_str::<serde_json::Value>(value.trim_matches('\'')).is_ok(),
                    "text[]" => value.starts_with("'{") && value.ends_with("}'"),
                    "boolean" => value.parse::<bool>().is_ok(),
                    "bigint" => value.parse::<i64>().is_ok(),
                    other => panic!("{other}: no rule"),
                };
                assert!(sound, "{name} {kind}: {value}");
            }
        }
    }
}
