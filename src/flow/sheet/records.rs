//! The records of a sheet, as a look-up finds them: in text, and in a rehearsed call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::events::value_of;
use super::parse::{Db, Row};
use crate::fit::fit;
use crate::io::{Facts, LookUpAnswer};
use crate::model::{Flow, Node};
use base::{Bilingual, Private, bilingual};

/// A data source: its records, and whether and how fast it answers.
#[derive(Clone, Debug)]
pub struct Records {
    rows: Vec<Row>,
    /// Rows that a look-up found, by their place.
    found: BTreeSet<usize>,
    down: bool,
    delay: Duration,
}

impl Default for Records {
    fn default() -> Records {
        Records::new(Vec::new())
    }
}

impl Records {
    /// A source that answers at once, from these.
    pub fn new(rows: Vec<Row>) -> Records {
        Records { rows, found: BTreeSet::new(), down: false, delay: LOOK_UP }
    }

    /// Applies a `db` line.
    pub fn apply(&mut self, db: &Db) {
        match db {
            Db::Row(row) => self.rows.push(row.clone()),
            Db::Slow(time) => self.delay = *time,
            Db::Down => self.down = true,
            Db::Up => {
                self.down = false;
                self.delay = LOOK_UP;
            }
        }
    }

    /// How long an answer takes.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// The places of the rows found so far.
    pub fn found(&self) -> &BTreeSet<usize> {
        &self.found
    }

    /// What a look-up finds. Of several records that fit, the last one counts.
    pub fn find(&mut self, flow: &Flow, source: &str, by: &BTreeMap<Arc<str>, Private<String>>) -> LookUpAnswer {
        if self.down {
            return LookUpAnswer::Unavailable;
        }
        let fits = |row: &Row| {
            row.source == source
                && row.by.iter().all(|(name, value)| by.get(name.as_str()).is_some_and(|typed| typed.expose() == value))
        };
        let Some((at, row)) = self.rows.iter().enumerate().rev().find(|(_, row)| fits(row)) else {
            return LookUpAnswer::NotFound;
        };
        self.found.insert(at);
        match row {
            row if row.many => LookUpAnswer::Ambiguous,
            row => match facts(flow, source, row) {
                Some(facts) => LookUpAnswer::Found { facts, age: row.age },
                None => LookUpAnswer::Unavailable,
            },
        }
    }
}

/// Whether the flow looks such a row up and knows its values: a slip would be found as no record, far from its line.
///
/// # Errors
/// The name or the value that the flow does not know, and those that it does.
pub(super) fn check(flow: &Flow, row: &Row) -> Result<(), Bilingual> {
    let lookups: Vec<_> = flow.nodes.iter().filter_map(Node::lookup).collect();
    let Some(lookup) = lookups.iter().find(|lookup| *lookup.source == *row.source) else {
        let known: Vec<&str> = lookups.iter().map(|lookup| &*lookup.source).collect();
        let (source, known) = (&row.source, known.join(", "));
        return Err(bilingual!(
            "there is no source {source}; the flow asks {known}",
            "没有来源 {source}；流程查询的是 {known}"
        ));
    };
    if let Some(name) = row.by.keys().find(|name| !lookup.by.iter().any(|by| **by == ***name)) {
        let known = lookup.by.join(", ");
        return Err(bilingual!("{name} is not looked up by; write {known}", "{name} 不是查询条件；请写 {known}"));
    }
    for (name, value) in &row.gives {
        let var = format!("{}.{name}", lookup.gives);
        let Some(kind) = flow.type_of(&var) else {
            return Err(bilingual!("the flow has no {var}", "流程中没有 {var}"));
        };
        let unknown = flow.members(&var).and_then(|(_, members)| {
            let wrong = value.split(',').find(|word| fit(word, members).is_none())?;
            Some((wrong, members.join(", ")))
        });
        if let Some((wrong, known)) = unknown {
            return Err(bilingual!("{name}={wrong}: the flow knows {known}", "{name}={wrong}：流程中有 {known}"));
        }
        if value_of(Some(kind), value).is_none() {
            return Err(bilingual!("{name}={value}: no value of its kind", "{name}={value}：不是这一类的值"));
        }
    }
    Ok(())
}

/// A row's values in the types of the flow; what every case has is added where the row leaves it out.
fn facts(flow: &Flow, source: &str, row: &Row) -> Option<Facts> {
    let mut lookups = flow.nodes.iter().filter_map(Node::lookup);
    let gives = lookups.find(|lookup| &*lookup.source == source)?.gives.clone();
    let mut written = row.gives.clone();
    let kind = |name: &str| flow.type_of(&format!("{gives}.{name}"));
    let mut default = |name: &str, value: &str| {
        let known = flow.members(&format!("{gives}.{name}")).is_some_and(|(_, members)| fit(value, members).is_some());
        if known && !written.contains_key(name) {
            written.insert(name.into(), value.into());
        }
    };
    default("minor", "no");
    default("mailed", if row.gives.contains_key("mail_no") { "yes" } else { "no" });
    default("asked", if row.gives.contains_key("items") { "yes" } else { "no" });
    let promise = if row.gives.contains_key("by") {
        "date"
    } else if row.gives.contains_key("limit") {
        "working_days"
    } else {
        "none"
    };
    default("promise", promise);
    written.iter().map(|(name, value)| Some((Arc::from(name.as_str()), value_of(kind(name), value)?))).collect()
}

const LOOK_UP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Release;
    use crate::sheet::parse::{Act, parse};
    use crate::shipped::{FLOW, environment, sources};

    #[test]
    fn a_row_with_a_slip_is_refused_and_names_what_the_flow_knows() {
        let release = Release::load(sources(FLOW), environment()).unwrap_or_else(|found| panic!("{found:#?}"));
        let checked = |line: &str| {
            let sheet = parse(&format!("test \"a\"\n  {line}\n"), "a.call").expect("a sheet");
            match &sheet.tests[0].acts[0].1 {
                Act::Db(Db::Row(row)) => check(&release.flow, row),
                other => panic!("{other:?}"),
            }
        };
        let by = "receipt=440126112400018 id_tail=123X";
        assert_eq!(checked(&format!("db progress {by} -> status=ready doc=passport hall=north on=2026-11-20")), Ok(()));
        for (line, named) in [
            (format!("db progres {by} -> status=ready"), "progress"),
            ("db progress reciept=440126112400018 -> status=ready".to_owned(), "receipt"),
            (format!("db progress {by} -> status=redy"), "ready"),
            (format!("db progress {by} -> stauts=ready"), "stauts"),
            (format!("db progress {by} -> status=ready hall=mars"), "north"),
            (format!("db progress {by} -> on=tomorrow"), "tomorrow"),
        ] {
            let wrong = checked(&line).expect_err(&line);
            assert!(wrong.en.contains(named), "{line}: {wrong}");
        }
    }
}
