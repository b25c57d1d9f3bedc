//! Makes whole transactions of the messages of a stream.
//!
//! ```text
//!              Begin                         Commit
//!  Between ───────────► Inside {steps} ─────────────► a Transaction
//!     │ the first must be the anchor, if one is expected: it is in the replica, and is passed over
//!     └ else: the log is another one
//! ```
//!
//! A row of the mapped table becomes a change; a row of the heartbeat's table becomes the time that the upstream vouches
//! for; everything else passes by. A table that no longer fits the mapping stops the stream before a change of it is read.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{BadRow, Change};
use base::{Private, tag};

use super::mapping::{Bound, Drift, Mapping, Unmapped};
use super::message::{Field, Message, MessageError, Relation, StreamColumn, Tuple};
use super::position::{Anchor, Lsn};

/// Where the upstream's clock is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// In a row of this table, which is replicated with the cases: it carries the source's time through any cascade.
    Row {
        /// The table's schema.
        schema: String,
        /// The table's name.
        table: String,
        /// The `timestamptz` column that holds the time.
        column: String,
    },
    /// In the time of every commit.
    Commits,
}

/// One thing that a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every step is a change")]
pub enum Step {
    /// A change of the replica.
    Change(Change),
    /// The row came without one of its large values: it must be asked for.
    Fetch(Private<String>),
}

/// A transaction as the upstream committed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What it did, in order.
    pub steps: Vec<Step>,
    /// Its commit record's place and time.
    pub anchor: Anchor,
    /// Where its commit record ends.
    pub end: Lsn,
    /// The time that the upstream vouches for with it.
    pub as_of: Option<Timestamp>,
}

/// Why the stream cannot be followed further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// A message cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A table no longer fits the mapping.
    #[error("table {table}: {drift}")]
    Drift {
        /// The table's name with its schema.
        table: String,
        /// What does not fit.
        drift: Drift,
    },
    /// The heartbeat's table holds no time.
    #[error("the heartbeat's table: {0}")]
    Heartbeat(&'static str),
    /// The expected anchor is not in the stream.
    #[error("the stream does not begin with the transaction that the replica ends with")]
    Diverged,
    /// Begin, change and commit are out of order.
    #[error("a message out of its order: a change outside of a transaction, or a transaction inside of one")]
    Order,
    /// A change comes before its table's relation message.
    #[error("a change of a table that the stream has not described")]
    Undescribed,
}

/// The machine.
#[derive(Debug)]
pub struct TransactionAssembler {
    mapping: Mapping,
    heartbeat: Heartbeat,
    tables: HashMap<u32, Table>,
    expect: Option<Anchor>,
    inside: Option<Inside>,
    /// The table of cases as it was described last: its id, and the columns that are read.
    described: Option<(u32, Vec<StreamColumn>)>,
    redescribed: bool,
}

#[derive(Debug)]
enum Table {
    Cases(Bound),
    Drifted(String, Drift),
    /// The place of the time, if it is there and is one.
    Heartbeat(Option<usize>),
    Other,
}

#[derive(Debug)]
struct Inside {
    anchor: Anchor,
    /// It is in the replica already.
    known: bool,
    steps: Vec<Step>,
    told: Option<Timestamp>,
}

impl TransactionAssembler {
    /// A machine at the beginning of a stream, which must begin with `expect` if there is one.
    pub fn new(mapping: Mapping, heartbeat: Heartbeat, expect: Option<Anchor>) -> TransactionAssembler {
        TransactionAssembler {
            mapping,
            heartbeat,
            tables: HashMap::new(),
            expect,
            inside: None,
            described: None,
            redescribed: false,
        }
    }

    /// Whether the stream is still to prove that it is the log which the replica followed.
    pub fn expects_anchor(&self) -> bool {
        self.expect.is_some()
    }

    /// Whether a new Relation message describes another table of cases: another table of that name, or a column of
    /// another type. The stream does not send how the rows changed with it.
    pub fn is_redescribed(&self) -> bool {
        self.redescribed
    }

    /// Whether a transaction has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// What the transaction that has begun has done so far, taken out of it: for one that memory does not hold.
    pub fn take_steps(&mut self) -> Vec<Step> {
        self.inside.as_mut().map(|inside| std::mem::take(&mut inside.steps)).unwrap_or_default()
    }

    /// Where the commit record of the transaction that has begun stands.
    pub fn commit_place(&self) -> Option<Lsn> {
        self.inside.as_ref().map(|inside| inside.anchor.commit)
    }

    /// How much of a transaction waits here.
    pub fn waiting(&self) -> usize {
        self.inside.as_ref().map_or(0, |inside| inside.steps.len())
    }

    /// A transaction begins; its commit record stands at `commit`.
    pub fn begin(&mut self, commit: Lsn, time: i64) -> Result<(), GatherError> {
        let anchor = Anchor { commit, time };
        let known = match self.expect.take() {
            Some(expected) if expected != anchor => return Err(GatherError::Diverged),
            Some(_) => true,
            None => false,
        };
        if self.inside.is_some() {
            return Err(GatherError::Order);
        }
        self.inside = Some(Inside { anchor, known, steps: Vec::new(), told: None });
        Ok(())
    }

    /// A message that is neither a begin nor a commit.
    pub fn message(&mut self, bytes: &[u8]) -> Result<(), GatherError> {
        match Message::read(bytes)? {
            Message::Relation(relation) => self.relation(relation),
            Message::Insert { relation, new } => self.row(relation, None, new)?,
            Message::Update { relation, old, new } => self.row(relation, old, new)?,
            Message::Delete { relation, old } => self.delete(relation, &old)?,
            Message::Truncate { relations } => self.truncate(&relations)?,
            Message::Other => {}
        }
        Ok(())
    }

    /// The transaction ends; `None` for the one that the replica ends with.
    pub fn commit(&mut self, end: Lsn) -> Result<Option<Transaction>, GatherError> {
        let Inside { anchor, known, steps, told } = self.inside.take().ok_or(GatherError::Order)?;
        let told = match self.heartbeat {
            Heartbeat::Row { .. } => told,
            Heartbeat::Commits => timestamp(anchor.time),
        };
        Ok((!known).then_some(Transaction { steps, anchor, end, as_of: told }))
    }

    fn relation(&mut self, relation: Relation) {
        self.describe(&relation);
        let is = |schema: &str, table: &str| relation.schema == schema && relation.table == table;
        let table = match &self.heartbeat {
            _ if is(&self.mapping.schema, &self.mapping.table) => match self.mapping.bind(&relation.columns) {
                Ok(bound) => Table::Cases(bound),
                Err(drifts) => match drifts.into_iter().next() {
                    Some(drift) => Table::Drifted(format!("{}.{}", relation.schema, relation.table), drift),
                    None => Table::Other,
                },
            },
            Heartbeat::Row { schema, table, column } if is(schema, table) => Table::Heartbeat(
                relation.columns.iter().position(|found| found.name == *column && found.type_id == TIMESTAMPTZ),
            ),
            Heartbeat::Row { .. } | Heartbeat::Commits => Table::Other,
        };
        self.tables.insert(relation.id, table);
    }

    fn describe(&mut self, relation: &Relation) {
        if relation.schema != self.mapping.schema || relation.table != self.mapping.table {
            return;
        }
        let is_read = |column: &&StreamColumn| self.mapping.columns().any(|(_, name)| name == column.name);
        let mut columns: Vec<StreamColumn> = relation.columns.iter().filter(is_read).cloned().collect();
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        let found = (relation.id, columns);
        self.redescribed |= self.described.as_ref().is_some_and(|before| *before != found);
        self.described = Some(found);
    }

    fn row<'a>(&mut self, relation: u32, old: Option<Tuple<'a>>, mut new: Tuple<'a>) -> Result<(), GatherError> {
        let TransactionAssembler { mapping, tables, inside, .. } = self;
        let inside = inside.as_mut().ok_or(GatherError::Order)?;
        match tables.get(&relation).ok_or(GatherError::Undescribed)? {
            Table::Cases(bound) => {
                let before = old.as_ref().and_then(|old| mapping.receipt(bound, old));
                let nameless = old.as_ref().and_then(|old| mapping.nameless(bound, old));
                old.iter().for_each(|old| complete(&mut new, old));
                if inside.known {
                    return Ok(());
                }
                if let Some(before) = before.filter(|before| Some(before) != mapping.receipt(bound, &new).as_ref()) {
                    inside.steps.push(Step::Change(Change::Delete { receipt: before }));
                }
                if let Some(nameless) = nameless.filter(|name| Some(name) != mapping.nameless(bound, &new).as_ref()) {
                    inside.steps.push(Step::Change(gone(&nameless)));
                }
                inside.steps.push(step(mapping, bound, &new, inside.anchor.commit));
            }
            Table::Drifted(table, drift) => return Err(drifted(table, drift)),
            Table::Heartbeat(at) => {
                let at = at.ok_or(GatherError::Heartbeat("its column must be there, of type timestamptz"))?;
                inside.told = inside.told.max(new.get(at).and_then(time));
            }
            Table::Other => {}
        }
        Ok(())
    }

    fn delete(&mut self, relation: u32, old: &Tuple<'_>) -> Result<(), GatherError> {
        let TransactionAssembler { mapping, tables, inside, .. } = self;
        let inside = inside.as_mut().ok_or(GatherError::Order)?;
        match tables.get(&relation).ok_or(GatherError::Undescribed)? {
            Table::Cases(_) if inside.known => Ok(()),
            Table::Cases(bound) => {
                let receipt = mapping.receipt(bound, old);
                inside.steps.extend(receipt.map(|receipt| Step::Change(Change::Delete { receipt })));
                // A row without a receipt number was never in the replica, and may be in quarantine.
                inside.steps.extend(mapping.nameless(bound, old).map(|name| Step::Change(gone(&name))));
                Ok(())
            }
            Table::Drifted(table, drift) => Err(drifted(table, drift)),
            Table::Heartbeat(_) | Table::Other => Ok(()),
        }
    }

    fn truncate(&mut self, relations: &[u32]) -> Result<(), GatherError> {
        for relation in relations {
            match self.tables.get(relation).ok_or(GatherError::Undescribed)? {
                Table::Cases(_) | Table::Drifted(..) => {
                    let inside = self.inside.as_mut().ok_or(GatherError::Order)?;
                    inside.steps.push(Step::Change(Change::Truncate));
                }
                Table::Heartbeat(_) | Table::Other => {}
            }
        }
        Ok(())
    }
}

/// What a row of the mapped table does to the replica.
fn step(mapping: &Mapping, bound: &Bound, row: &[Field<'_>], at: Lsn) -> Step {
    match mapping.case(bound, row) {
        Ok(case) => Step::Change(Change::Replace(case)),
        Err(Unmapped::Incomplete(receipt)) => Step::Fetch(receipt),
        Err(Unmapped::Bad { receipt, nameless, why }) => Step::Change(bad(receipt, nameless.as_deref(), why, at)),
    }
}

/// A row for the quarantine. One whose receipt number can be read is found by that again, any other by its name
/// ([`Mapping::nameless`]), or else by its place.
pub fn bad(receipt: Option<Private<String>>, nameless: Option<&str>, why: String, at: Lsn) -> Change {
    let id = match (&receipt, nameless) {
        (Some(receipt), _) => row_id(receipt),
        (None, Some(name)) => format!("postgres:{name}"),
        (None, None) => format!("postgres:{}", super::position::lsn_text(at)),
    };
    Change::Bad(BadRow { id, why, receipt, line: None })
}

/// The quarantine id of a case's row.
pub fn row_id(receipt: &Private<String>) -> String {
    format!("postgres:{}", tag(receipt.expose()))
}

/// A row of that name is not upstream any more.
pub fn gone(nameless: &str) -> Change {
    Change::Gone { id: format!("postgres:{nameless}") }
}

/// Takes values that were not sent from the old row, where that has them.
fn complete<'a>(new: &mut Tuple<'a>, old: &Tuple<'a>) {
    for (new, old) in new.iter_mut().zip(old) {
        if let (Field::Unchanged, Field::Text(_)) = (&new, old) {
            *new = *old;
        }
    }
}

fn drifted(table: &str, drift: &Drift) -> GatherError {
    GatherError::Drift { table: table.to_owned(), drift: drift.clone() }
}

fn time(field: &Field<'_>) -> Option<Timestamp> {
    match field {
        Field::Text(bytes) => timestamp_of_text(std::str::from_utf8(bytes).ok()?),
        Field::Null | Field::Unchanged => None,
    }
}

/// Reads a `timestamptz` as the upstream prints it.
pub fn timestamp_of_text(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

/// The upstream counts microseconds since 2000.
pub fn timestamp(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros.checked_add(EPOCH_2000_US)?).ok()
}

const EPOCH_2000_US: i64 = 946_684_800_000_000;
const TIMESTAMPTZ: u32 = 1184;

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
