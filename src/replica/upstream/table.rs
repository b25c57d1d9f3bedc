//! Whether an upstream is set up so that its table can be followed: every diagnostic at once, each with its remedy.

use super::mapping::Mapping;
use super::message::StreamColumn;
use super::position::TableShape;

/// The table, the role and the publication in the upstream's catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The role that this node connects as.
    pub user: String,
    /// `server_version_num`.
    pub version: u32,
    /// Whether that role may start replication.
    pub may_replicate: bool,
    /// The server's `wal_level`.
    pub wal_level: String,
    /// `max_slot_wal_keep_size`, in bytes; none: the log grows without end while a node is away.
    pub slot_keeps_bytes: Option<u64>,
    /// Whether the server is in recovery.
    pub is_standby: bool,
    /// Its columns; none when there is no such table.
    pub columns: Option<Vec<StreamColumn>>,
    /// What kind of relation the table of cases is.
    pub form: Form,
    /// What must stay as it is for the stream to be complete.
    pub shape: TableShape,
    /// Mapped columns that the server computes.
    pub generated: Vec<String>,
    /// Columns that the role may read.
    pub readable: Vec<String>,
    /// Whether the role has USAGE on the table's schema.
    pub may_use_schema: bool,
    /// Whether the role may read what the publication's row filter reads.
    pub may_filter: bool,
    /// Policies would hide rows from the replica and not from the stream.
    pub is_row_secured: bool,
    /// Columns whose old values a delete carries; none: it carries no values.
    pub identity: Option<Identity>,
    /// Whether one receipt number can stand in one row only.
    pub receipt_is_unique: bool,
    /// The publication, if it exists.
    pub publication: Option<Publication>,
    /// The heartbeat's table, if one is wanted.
    pub heartbeat: Option<HeartbeatTable>,
}

/// How a table is put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// An ordinary table.
    #[default]
    Plain,
    /// A partitioned table.
    Partitioned,
    /// A partition of the table of this name.
    PartOf(String),
    /// Other tables inherit from it.
    Inherited,
}

/// What an update and a delete carry of the old row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// REPLICA IDENTITY FULL: a delete carries the whole row.
    Full,
    /// The columns that a delete carries.
    Columns(Vec<String>),
}

/// The table in the publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Whether the table of cases is published.
    pub holds_table: bool,
    /// The table's columns that it sends; none: all.
    pub columns: Option<Vec<String>>,
    /// The publication's WHERE clause for the table.
    pub row_filter: Option<String>,
    /// Whether it publishes changes of partitions under their root's name (`publish_via_partition_root`).
    pub by_root: bool,
    /// Whether it holds a partition of the table.
    pub holds_part: bool,
    /// Inserts, updates, deletes and truncations.
    pub sends: [bool; 4],
    /// Whether the heartbeat's table is published.
    pub holds_heartbeat: bool,
}

/// The heartbeat's table in the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatTable {
    /// Its name with its schema.
    pub name: String,
    /// The column that holds the time.
    pub column: String,
    /// Whether the table exists.
    pub is_there: bool,
    /// Whether the column is a `timestamptz`.
    pub column_is_time: bool,
    /// Whether the role has SELECT.
    pub may_read: bool,
    /// Whether the role has UPDATE.
    pub may_write: bool,
    /// Whether it holds a row.
    pub has_row: bool,
}

impl Catalogue {
    /// The errors that prevent following the table.
    pub fn diagnostics(&self, mapping: &Mapping, publication: &str) -> Vec<String> {
        let mut found = Vec::new();
        if !self.may_replicate {
            found.push(format!("the role may not replicate: ALTER ROLE {} REPLICATION", self.user));
        }
        if self.version < OLDEST {
            found.push(format!(
                "PostgreSQL {} is too old: {} is the oldest that can be followed",
                self.version / 10_000,
                OLDEST / 10_000
            ));
        }
        if !self.can_decode() {
            found.push(
                "this is a standby, and before PostgreSQL 16 only a primary can be followed: name it in \
                 replica.postgres.servers"
                    .into(),
            );
        }
        if self.wal_level != "logical" {
            found.push(format!("wal_level is {}: ALTER SYSTEM SET wal_level = logical, and restart", self.wal_level));
        }
        let table = format!("{}.{}", mapping.schema, mapping.table);
        match &self.columns {
            None => found.push(format!("there is no table {table}: correct replica.postgres.table")),
            Some(columns) => self.of_table(&table, columns, mapping, &mut found),
        }
        self.of_publication(&table, mapping, publication, &mut found);
        if let Some(heartbeat) = &self.heartbeat {
            self.of_heartbeat(heartbeat, publication, &mut found);
        }
        found
    }

    /// Whether a slot can be made here.
    pub fn can_decode(&self) -> bool {
        !self.is_standby || self.version >= STANDBY_DECODES
    }

    /// The warnings: faults that do not prevent following the table.
    pub fn remarks(&self, mapping: &Mapping) -> Vec<String> {
        let mut found = Vec::new();
        if self.slot_keeps_bytes.is_none() {
            found.push(
                "max_slot_wal_keep_size is not set: a node that stays away would fill the upstream's disk".into(),
            );
        }
        if !self.receipt_is_unique {
            let column = mapping.receipt_column();
            found.push(format!(
                "nothing keeps two rows from having one receipt number: CREATE UNIQUE INDEX ON {}.{} ({column}); of two \
                 the later change is told",
                mapping.schema, mapping.table
            ));
        }
        found
    }

    fn of_table(&self, table: &str, columns: &[StreamColumn], mapping: &Mapping, found: &mut Vec<String>) {
        if !self.may_use_schema {
            found.push(format!(
                "the role may not use the schema: GRANT USAGE ON SCHEMA {} TO {}",
                mapping.schema, self.user
            ));
        }
        self.of_columns(table, columns, mapping, found);
        if self.form == Form::Inherited {
            found.push(format!(
                "other tables inherit from {table}, and their changes come under their own names: follow a table that \
                 has its rows itself, or a partitioned one"
            ));
        }
        if self.is_row_secured {
            found.push(format!("row security would hide cases from the role: ALTER ROLE {} BYPASSRLS", self.user));
        }
        let receipt = mapping.receipt_column();
        let told = match &self.identity {
            Some(Identity::Full) => true,
            Some(Identity::Columns(columns)) => columns.iter().any(|column| column == receipt),
            None => false,
        };
        if !told {
            found.push(format!(
                "a delete would not tell the receipt number: ALTER TABLE {table} REPLICA IDENTITY USING INDEX (a unique \
                 index on {receipt}, NOT NULL), or REPLICA IDENTITY FULL"
            ));
        }
    }

    fn of_columns(&self, table: &str, columns: &[StreamColumn], mapping: &Mapping, found: &mut Vec<String>) {
        if let Err(drifts) = mapping.bind(columns) {
            found.extend(drifts.iter().map(|drift| format!("{table}: {drift}")));
        }
        let there = |name: &&str| columns.iter().any(|column| column.name == **name);
        let mut hidden: Vec<&str> = mapping.columns().map(|(_, name)| name).filter(there).collect();
        hidden.retain(|name| !self.readable.iter().any(|readable| readable == name));
        hidden.dedup();
        if !hidden.is_empty() {
            found.push(format!(
                "the role may not read: GRANT SELECT ({}) ON {table} TO {}",
                hidden.join(", "),
                self.user
            ));
        }
        if !self.generated.is_empty() && self.version < GENERATED_SENT {
            found.push(format!(
                "column {} is generated, and PostgreSQL does not send it: map a column that is stored, kept by a trigger",
                self.generated.join(", ")
            ));
        }
    }

    fn of_publication(&self, table: &str, mapping: &Mapping, name: &str, found: &mut Vec<String>) {
        let Some(publication) = &self.publication else {
            return found.push(format!("there is no publication {name}: CREATE PUBLICATION {name} FOR TABLE {table}"));
        };
        if !publication.holds_table {
            return found.push(self.unpublished(publication, table, name));
        }
        if !self.may_filter {
            let filter = publication.row_filter.as_deref().unwrap_or_default();
            found.push(format!(
                "the role may not read what the publication's row filter reads: GRANT SELECT on its columns of {table} \
                 TO {}: {filter}",
                self.user
            ));
        }
        if publication.sends != [true; 4] {
            found.push(format!(
                "the publication leaves changes out: ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate')"
            ));
        }
        if let Some(columns) = &publication.columns {
            // A column that the table lacks has its own error.
            let lacks = |name: &&str| {
                let is_there = self.columns.iter().flatten().any(|column| column.name == **name);
                is_there && !columns.iter().any(|column| column == *name)
            };
            let missing: Vec<&str> = mapping.columns().map(|(_, name)| name).filter(lacks).collect();
            if !missing.is_empty() {
                let whole: Vec<&str> = columns.iter().map(String::as_str).chain(missing.iter().copied()).collect();
                let filter =
                    publication.row_filter.as_ref().map_or(String::new(), |filter| format!(" WHERE ({filter})"));
                found.push(format!(
                    "the publication's column list lacks {}: BEGIN; ALTER PUBLICATION {name} DROP TABLE {table}; ALTER \
                     PUBLICATION {name} ADD TABLE {table} ({}){filter}; COMMIT",
                    missing.join(", "),
                    whole.join(", ")
                ));
            }
        }
    }

    /// Why the publication does not send the table's changes under its own name.
    fn unpublished(&self, publication: &Publication, table: &str, name: &str) -> String {
        match &self.form {
            Form::Partitioned if publication.holds_part => format!(
                "the publication tells the changes of {table} under the names of its partitions: ALTER PUBLICATION {name} \
                 SET (publish_via_partition_root = true)"
            ),
            Form::Partitioned if !publication.by_root => format!(
                "the publication does not hold the table, which is partitioned: ALTER PUBLICATION {name} ADD TABLE \
                 {table}; ALTER PUBLICATION {name} SET (publish_via_partition_root = true)"
            ),
            Form::PartOf(root) if publication.by_root => format!(
                "{table} is a partition, and the publication tells its changes under the name of {root}: set \
                 replica.postgres.table = \"{root}\", or ALTER PUBLICATION {name} SET (publish_via_partition_root = false)"
            ),
            Form::Plain | Form::Partitioned | Form::PartOf(_) | Form::Inherited => {
                format!("the publication does not hold the table: ALTER PUBLICATION {name} ADD TABLE {table}")
            }
        }
    }

    fn of_heartbeat(&self, heartbeat: &HeartbeatTable, publication: &str, found: &mut Vec<String>) {
        let HeartbeatTable { name, column, .. } = heartbeat;
        if !heartbeat.is_there {
            return found.push(format!(
                "there is no heartbeat table {name}: see config/examples/postgres, or set replica.postgres.heartbeat_table = \"\""
            ));
        }
        if !heartbeat.column_is_time {
            found.push(format!("{name}.{column} must be there, of type timestamptz"));
        }
        if !heartbeat.may_read {
            found.push(format!("the role may not read the heartbeat: GRANT SELECT ON {name} TO {}", self.user));
        } else if !heartbeat.has_row {
            found.push(format!("the heartbeat has no row: INSERT INTO {name} ({column}) VALUES (now())"));
        }
        if self.publication.as_ref().is_some_and(|publication| !publication.holds_heartbeat) {
            found.push(format!(
                "the publication does not hold the heartbeat: ALTER PUBLICATION {publication} ADD TABLE {name}"
            ));
        }
    }
}

/// The catalogue queries need PostgreSQL 12.
const OLDEST: u32 = 120_000;
const STANDBY_DECODES: u32 = 160_000;
/// A publication can send generated columns (`publish_generated_columns`).
const GENERATED_SENT: u32 = 180_000;

#[cfg(test)]
mod tests {
    use super::super::case_field::CaseField;
    use super::super::mapping::tests::plain;
    use super::*;

    fn sound() -> Catalogue {
        let columns: Vec<StreamColumn> = plain()
            .columns()
            .map(|(role, name)| StreamColumn { name: name.into(), type_id: type_of(role), is_identity: true })
            .collect();
        Catalogue {
            user: "jindu".into(),
            version: 150_000,
            may_replicate: true,
            wal_level: "logical".into(),
            slot_keeps_bytes: Some(1 << 30),
            is_standby: false,
            readable: columns.iter().map(|column| column.name.clone()).collect(),
            columns: Some(columns),
            form: Form::Plain,
            shape: TableShape::default(),
            generated: vec![],
            may_use_schema: true,
            may_filter: true,
            is_row_secured: false,
            identity: Some(Identity::Columns(vec!["receipt".into()])),
            receipt_is_unique: true,
            publication: Some(Publication {
                holds_table: true,
                sends: [true; 4],
                holds_heartbeat: true,
                ..Publication::default()
            }),
            heartbeat: Some(HeartbeatTable {
                name: "public.jindu_heartbeat".into(),
                column: "beat_at".into(),
                is_there: true,
                column_is_time: true,
                may_read: true,
                may_write: true,
                has_row: true,
            }),
        }
    }

    fn type_of(role: CaseField) -> u32 {
        match role {
            CaseField::AcceptedOn | CaseField::StageOn => 1082,
            CaseField::Minor => 16,
            CaseField::Version => 20,
            _ => 25,
        }
    }

    fn diagnostics(change: impl FnOnce(&mut Catalogue)) -> Vec<String> {
        let mut catalogue = sound();
        change(&mut catalogue);
        catalogue.diagnostics(&plain(), "jindu")
    }

    #[test]
    fn a_correct_upstream_has_no_error_and_no_warning() {
        assert_eq!((diagnostics(|_| {}), sound().remarks(&plain())), (vec![], vec![]));
    }

    #[test]
    fn each_fault_has_its_remedy() {
        type Fault = fn(&mut Catalogue);
        let cases: [(Fault, &str); 19] = [
            (|found| found.may_replicate = false, "ALTER ROLE jindu REPLICATION"),
            (|found| found.wal_level = "replica".into(), "wal_level = logical"),
            (|found| found.columns = None, "no table public.cases"),
            (|found| found.version = 110_022, "PostgreSQL 11 is too old"),
            (|found| found.is_standby = true, "name it in replica.postgres.servers"),
            (|found| found.generated = vec!["stage".into()], "column stage is generated"),
            (|found| found.form = Form::Inherited, "inherit from public.cases"),
            (|found| found.may_filter = false, "GRANT SELECT on its columns of public.cases TO jindu"),
            (in_parts, "SET (publish_via_partition_root = true)"),
            (|found| found.may_use_schema = false, "GRANT USAGE ON SCHEMA public TO jindu"),
            (|found| drop(found.readable.remove(2)), "GRANT SELECT (stage) ON public.cases TO jindu"),
            (|found| found.is_row_secured = true, "BYPASSRLS"),
            (|found| found.identity = Some(Identity::Columns(vec!["id".into()])), "REPLICA IDENTITY USING INDEX"),
            (|found| found.publication = None, "CREATE PUBLICATION jindu FOR TABLE public.cases"),
            (|found| of(found).holds_table = false, "ADD TABLE public.cases"),
            (|found| of(found).sends[2] = false, "publish = 'insert, update, delete, truncate'"),
            (|found| of(found).columns = Some(vec!["receipt".into()]), "column list lacks id_tail, stage"),
            (|found| of(found).holds_heartbeat = false, "ADD TABLE public.jindu_heartbeat"),
            (|found| found.heartbeat = Some(HeartbeatTable::default()), "no heartbeat table"),
        ];
        for (fault, remedy) in cases {
            let found = diagnostics(fault);
            assert!(found.len() == 1 && found[0].contains(remedy), "{remedy}: {found:?}");
        }
    }

    fn in_parts(found: &mut Catalogue) {
        found.form = Form::Partitioned;
        *of(found) = Publication { holds_table: false, holds_part: true, ..of(found).clone() };
    }

    fn of(catalogue: &mut Catalogue) -> &mut Publication {
        catalogue.publication.as_mut().expect("a sound catalogue has one")
    }

    #[test]
    fn all_errors_come_at_once() {
        let found = diagnostics(|found| {
            found.may_replicate = false;
            found.wal_level = "replica".into();
            found.identity = None;
        });
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
