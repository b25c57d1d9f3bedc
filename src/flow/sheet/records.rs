//! The records of a sheet, as a look-up finds them: in text, and in a rehearsed call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::events::value_of;
use super::parse::{Db, Row};
use crate::fit::fit;
use crate::io::{Facts, LookUpAnswer};
use crate::model::{Flow, Node};
use base::Private;

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
