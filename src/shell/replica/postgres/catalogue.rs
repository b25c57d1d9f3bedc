//! Reads the catalogue of a server: the role, the table, the publication, the slot.

use std::fmt::Write;

use pgwire_replication::ReplicationClient;
use sha2::{Digest, Sha256};

use config::{Postgres, UpstreamServer};
use replica::upstream::{
    Catalogue, Form, Heartbeat, HeartbeatTable, Identity, Publication, Server, Slot, StreamColumn, UpstreamError,
    UpstreamErrorKind, history, lsn,
};

use crate::postgres::session::{self, Session};

/// Reads everything that decides whether the table can be followed.
pub(super) async fn read(settings: &Postgres, session: &Session) -> Result<Catalogue, UpstreamError> {
    let (schema, table) = (&settings.mapping.schema, &settings.mapping.table);
    let role = session.row(settings, ROLE).await?;
    let text = |at: usize| role.get(at).unwrap_or_default().to_owned();
    let version: u32 = text(0).parse().unwrap_or_default();
    let mut found = Catalogue {
        user: text(1),
        version,
        may_replicate: text(2) == "t",
        wal_level: text(3),
        is_standby: text(4) == "t",
        slot_keeps_bytes: text(5).parse().ok(),
        ..Catalogue::default()
    };
    let sql = TABLE.replace("{schema}", &literal(schema)).replace("{table}", &literal(table));
    if let Some(row) = session.rows(settings, &sql).await?.first() {
        let id = row.get(0).unwrap_or_default();
        found.may_use_schema = row.get(1) == Some("t");
        found.is_row_secured = row.get(2) == Some("t");
        found.receipt_is_unique = is_unique(settings, session, id).await?;
        found.identity = identity(settings, session, id, row.get(3).unwrap_or_default()).await?;
        found.form = match (row.get(4), row.get(5)) {
            (Some("p"), _) => Form::Partitioned,
            (_, Some(root)) => Form::PartOf(root.to_owned()),
            _ if row.get(6) == Some("t") => Form::Inherited,
            _ => Form::Plain,
        };
        columns(settings, session, id, &mut found).await?;
        lineage(settings, session, id, &mut found).await?;
    }
    found.publication = publication(settings, session, &found.form, version).await?;
    found.may_filter = may_filter(settings, session, found.publication.as_ref()).await?;
    found.heartbeat = heartbeat(settings, session).await?;
    Ok(found)
}

/// The identity of the server, read on the connection that streams afterwards.
pub(super) async fn server(
    settings: &Postgres,
    at: &UpstreamServer,
    client: &mut ReplicationClient,
) -> Result<Server, UpstreamError> {
    let wrong = |error| session::of_stream(settings, at, &error);
    let system = client.identify_system().await.map_err(wrong)?;
    let left = if system.timeline > 1 {
        let file = client.timeline_history(system.timeline).await.map_err(wrong)?;
        history(&String::from_utf8_lossy(&file.content))
    } else {
        Vec::new()
    };
    Ok(Server { system: system.system_id, timeline: system.timeline, lsn: system.xlogpos.as_u64(), left })
}

/// The state of the slot; `None` when it does not exist.
pub(super) async fn slot(settings: &Postgres, session: &Session) -> Result<Option<Slot>, UpstreamError> {
    let rows = session.rows(settings, &SLOT.replace("{slot}", &literal(&settings.slot))).await?;
    Ok(rows.first().map(|row| Slot {
        plugin: row.get(0).unwrap_or_default().to_owned(),
        here: row.get(1) == Some("t"),
        is_active: row.get(2) == Some("t"),
        confirmed: row.get(3).and_then(lsn),
        is_lost: row.get(4) == Some("lost"),
    }))
}

async fn columns(settings: &Postgres, session: &Session, id: &str, found: &mut Catalogue) -> Result<(), UpstreamError> {
    let rows = session.rows(settings, &COLUMNS.replace("{id}", id)).await?;
    let mut columns = Vec::new();
    let mut changed = String::new();
    for row in rows {
        let name = row.get(0).unwrap_or_default().to_owned();
        if row.get(2) == Some("t") {
            found.readable.push(name.clone());
        }
        if settings.mapping.columns().any(|(_, mapped)| mapped == name) {
            let [number, by, form] = [3, 4, 5].map(|at| row.get(at).unwrap_or_default());
            let _ = write!(found.shape.lineage, "{number}:{form} ");
            let _ = write!(changed, "{by} ");
            if row.get(6) == Some("t") {
                found.generated.push(name.clone());
            }
        }
        let type_id = row.get(1).and_then(|id| id.parse().ok()).unwrap_or_default();
        // Whether a delete sends it depends on the replica identity.
        columns.push(StreamColumn { name, type_id, is_identity: true });
    }
    found.columns = Some(columns);
    found.shape.columns = short(&changed);
    Ok(())
}

/// The objects on which the stream depends: columns, publication entries, table file.
async fn lineage(settings: &Postgres, session: &Session, id: &str, found: &mut Catalogue) -> Result<(), UpstreamError> {
    let schemas = if found.version >= 150_000 { OF_SCHEMA } else { "NULL" };
    let sql = LINEAGE.replace("{schemas}", schemas).replace("{id}", id);
    let row = session.row(settings, &sql.replace("{name}", &literal(&settings.publication))).await?;
    for at in 1..5 {
        let _ = write!(found.shape.lineage, "{id} {:?} ", row.get(at));
    }
    found.shape.lineage = short(&found.shape.lineage);
    found.shape.file = row.get(0).unwrap_or_default().to_owned();
    Ok(())
}

/// A short hash of a text.
fn short(text: &str) -> String {
    base::hex(&Sha256::digest(text)[..8])
}

/// Whether the role may read the columns of the row filter, which COPY applies.
async fn may_filter(
    settings: &Postgres,
    session: &Session,
    publication: Option<&Publication>,
) -> Result<bool, UpstreamError> {
    let Some(filter) = publication.and_then(|publication| publication.row_filter.as_deref()) else { return Ok(true) };
    let table = format!("{}.{}", identifier(&settings.mapping.schema), identifier(&settings.mapping.table));
    match session.rows(settings, &format!("SELECT FROM {table} WHERE ({filter}) LIMIT 0")).await {
        Ok(_) => Ok(true),
        Err(trouble) if trouble.kind == UpstreamErrorKind::Permission => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

async fn identity(
    settings: &Postgres,
    session: &Session,
    id: &str,
    kind: &str,
) -> Result<Option<Identity>, UpstreamError> {
    let which = match kind {
        "f" => return Ok(Some(Identity::Full)),
        "d" => "indisprimary",
        "i" => "indisreplident",
        _ => return Ok(None),
    };
    let rows = session.rows(settings, &IDENTITY.replace("{id}", id).replace("{which}", which)).await?;
    let columns: Vec<String> = rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect();
    Ok((!columns.is_empty()).then_some(Identity::Columns(columns)))
}

async fn is_unique(settings: &Postgres, session: &Session, id: &str) -> Result<bool, UpstreamError> {
    let column = literal(settings.mapping.receipt_column());
    let row = session.row(settings, &UNIQUE.replace("{id}", id).replace("{column}", &column)).await?;
    Ok(row.get(0) == Some("t"))
}

/// The publication. Row filters and column lists exist since PostgreSQL 15.
async fn publication(
    settings: &Postgres,
    session: &Session,
    form: &Form,
    version: u32,
) -> Result<Option<Publication>, UpstreamError> {
    let name = literal(&settings.publication);
    let by_root = if version >= 130_000 { "pubviaroot" } else { "false" };
    let sql = PUBLICATION.replace("{name}", &name).replace("{by_root}", by_root);
    let rows = session.rows(settings, &sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let sends = [0, 1, 2, 3].map(|at| row.get(at) == Some("t"));
    let fine = if version >= 150_000 { "array_to_json(attnames), rowfilter" } else { "NULL, NULL" };
    let sql = PUBLISHED.replace("{name}", &name).replace("{fine}", fine);
    let mut found = Publication { sends, by_root: row.get(4) == Some("t"), ..Publication::default() };
    for row in session.rows(settings, &sql).await? {
        let is = |schema: &str, table: &str| row.get(0) == Some(schema) && row.get(1) == Some(table);
        if is(&settings.mapping.schema, &settings.mapping.table) {
            found.holds_table = true;
            found.columns = row.get(2).and_then(|names| serde_json::from_str(names).ok());
            found.row_filter = row.get(3).map(str::to_owned);
        }
        if let Heartbeat::Row { schema, table, .. } = &settings.heartbeat {
            found.holds_heartbeat |= is(schema, table);
        }
    }
    if *form == Form::Partitioned && !found.holds_table {
        let table = format!("{}.{}", identifier(&settings.mapping.schema), identifier(&settings.mapping.table));
        let row = session.row(settings, &PARTS.replace("{name}", &name).replace("{table}", &literal(&table))).await?;
        found.holds_part = row.get(0) == Some("t");
    }
    Ok(Some(found))
}

async fn heartbeat(settings: &Postgres, session: &Session) -> Result<Option<HeartbeatTable>, UpstreamError> {
    let Heartbeat::Row { schema, table, column } = &settings.heartbeat else { return Ok(None) };
    let mut found =
        HeartbeatTable { name: format!("{schema}.{table}"), column: column.clone(), ..HeartbeatTable::default() };
    let sql = HEARTBEAT.replace("{schema}", &literal(schema)).replace("{table}", &literal(table));
    let rows = session.rows(settings, &sql.replace("{column}", &literal(column))).await?;
    let Some(row) = rows.first() else { return Ok(Some(found)) };
    found.is_there = true;
    [found.may_read, found.may_write, found.column_is_time] = [0, 1, 2].map(|at| row.get(at) == Some("t"));
    if found.may_read {
        let sql = format!("SELECT count(*) > 0 FROM {}.{}", identifier(schema), identifier(table));
        found.has_row = session.row(settings, &sql).await?.get(0) == Some("t");
    }
    Ok(Some(found))
}

/// Quotes an SQL identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an SQL string literal.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::from("'");
    let _ = write!(out, "{}", text.replace('\'', "''"));
    out.push('\'');
    out
}

/// The diagnostics of the setup, as one trouble.
pub(super) fn setup_trouble(diagnostics: &[String]) -> Option<UpstreamError> {
    let count = diagnostics.len();
    let kind = if diagnostics.iter().any(|text| text.contains("column ")) {
        UpstreamErrorKind::Drift
    } else {
        UpstreamErrorKind::Setup
    };
    (count > 0)
        .then(|| UpstreamError::new(kind, format!("the upstream must be set up ({count}): {}", diagnostics.join("; "))))
}

const ROLE: &str = "
    SELECT current_setting('server_version_num'), rolname, rolsuper OR rolreplication OR EXISTS (
             SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(current_user, r.oid, 'member')),
           current_setting('wal_level'), pg_is_in_recovery(),
           (SELECT pg_size_bytes(nullif(current_setting('max_slot_wal_keep_size', true), '-1')))
    FROM pg_roles WHERE rolname = current_user";
const TABLE: &str = "
    SELECT c.oid, has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid), c.relreplident, c.relkind,
           (SELECT pn.nspname || '.' || p.relname FROM pg_class p JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE c.relispartition AND p.oid = pg_partition_root(c.oid)),
           EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {table} AND c.relkind IN ('r', 'p')";
const COLUMNS: &str = "
    SELECT attname, atttypid, has_column_privilege(attrelid, attnum, 'SELECT'), attnum, xmin,
           format_type(atttypid, atttypmod), attgenerated <> ''
    FROM pg_attribute WHERE attrelid = {id} AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
const IDENTITY: &str = "
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
    WHERE i.indrelid = {id} AND i.{which}";
const UNIQUE: &str = "
    SELECT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = {id} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1
          AND a.attname = {column})";
const PUBLICATION: &str =
    "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, {by_root} FROM pg_publication WHERE pubname = {name}";
const PUBLISHED: &str = "SELECT schemaname, tablename, {fine} FROM pg_publication_tables WHERE pubname = {name}";
const PARTS: &str = "
    SELECT EXISTS (SELECT FROM pg_publication_tables p
                   JOIN pg_partition_tree({table}::regclass) t ON t.relid = to_regclass(format('%I.%I', p.schemaname, p.tablename))
                   WHERE p.pubname = {name})";
/// Catalogue rows are identified by `xmin`, which changes when a row is recreated or updated. Attaching, detaching or
/// emptying a partition does not appear in the stream, but changes the list of the partitions' files.
const LINEAGE: &str = "
    SELECT c.relfilenode,
           (SELECT p.oid || ':' || p.xmin FROM pg_publication p WHERE p.pubname = {name}),
           (SELECT string_agg(r.oid || ':' || r.xmin, ' ' ORDER BY r.oid)
            FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
            WHERE p.pubname = {name}
              AND (r.prrelid = c.oid OR r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))),
           {schemas},
           (SELECT string_agg(l.oid || ':' || l.relfilenode, ' ' ORDER BY l.oid)
            FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE c.relkind = 'p' AND t.isleaf)
    FROM pg_class c WHERE c.oid = {id}";
const OF_SCHEMA: &str = "
    (SELECT string_agg(s.oid || ':' || s.xmin, ' ' ORDER BY s.oid)
     FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
     WHERE p.pubname = {name} AND s.pnnspid = c.relnamespace)";
const HEARTBEAT: &str = "
    SELECT has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
           has_table_privilege(c.oid, 'UPDATE'),
           EXISTS (SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attname = {column} AND a.atttypid = 'timestamptz'::regtype)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {table}";
const SLOT: &str = "
    SELECT plugin, database = current_database(), active, confirmed_flush_lsn, to_json(s) ->> 'wal_status'
    FROM pg_replication_slots s WHERE slot_name = {slot}";
